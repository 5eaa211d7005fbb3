//! One socket's talk with the exchange: a connection, from its opening to its end, and at times
//! the one that takes its place.

use std::{convert::Infallible, fmt, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    Lapse, SocketState, Wire, WireError,
    fetches::{Fetched, Fetches},
    link::Link,
    relief::{self, Relief},
    socket::Socket,
};
use crate::{
    exchange::{Output, Session, SessionError, Topic},
    telemetry::Reconnect,
};

/// A socket may be silent for so much longer than a channel.
const SOCKET_GRACE: Duration = Duration::from_secs(5);
/// The longest that the exchange may pause; docs.bitfinex.com/docs/ws-general, 2025-11: it tends
/// to last no more than 120 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The plan has no use for the socket, or the process stops.
    Ordered,
    /// It was gone.
    Wire(WireError),
    /// The session gave it up.
    Session(SessionError),
    /// Nothing came any more.
    Silent,
    /// A channel stayed silent or broken, and asking for it anew did not help.
    Channel,
}

impl End {
    /// What became of its topics, and how that is counted; `None` where it was meant to end.
    pub(super) fn why(&self) -> Option<(Lapse, Reconnect)> {
        Some(match self {
            Self::Ordered => return None,
            Self::Wire(_) => (Lapse::Disconnected, Reconnect::Disconnected),
            Self::Session(SessionError::Gap { .. }) => (Lapse::Lost, Reconnect::Lost),
            Self::Session(SessionError::Restart) => (Lapse::Disconnected, Reconnect::Restart),
            Self::Session(SessionError::Protocol(_)) => (Lapse::Invalid, Reconnect::Protocol),
            Self::Silent | Self::Session(SessionError::Silent(_)) => {
                (Lapse::Silent, Reconnect::Silent)
            }
            Self::Channel => (Lapse::Disconnected, Reconnect::Channel),
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordered => f.write_str("it is not needed any more"),
            Self::Wire(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Silent => f.write_str("nothing came any more"),
            Self::Channel => f.write_str("a channel stayed silent or broken"),
        }
    }
}

/// The connection of this number has ended.
pub(super) struct Ended {
    pub(super) link: u64,
    pub(super) end: End,
}

/// Sessions at work on a socket's connections.
pub(super) struct Conversation<'a> {
    pub(super) socket: &'a mut Socket,
    /// The connection, and behind it the one that is to take its place, once that is open. A
    /// channel belongs to one of them ([`Channel::link`](super::channel::Channel::link)); what the
    /// other says of it is not heard.
    pub(super) links: Vec<Link>,
    pub(super) relief: Relief,
    pub(super) fetches: Fetches,
    pub(super) last_link: u64,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        socket: &'a mut Socket,
        session: Box<dyn Session>,
        wire: Box<dyn Wire>,
    ) -> Self {
        let parts = &socket.parts;
        let live = &parts.exchange.profile().live;
        let links = vec![Link::new(0, session, wire, live, Instant::now())];
        let fetches = Fetches::new(parts.sink.clone(), parts.tasks.clone());
        Self { socket, links, relief: Relief::None, fetches, last_link: 0 }
    }

    /// Goes on until it ends; its connections are closed then. Tells why, and when the last
    /// connection was opened.
    pub(super) async fn run(mut self) -> (End, Instant) {
        self.begin();
        loop {
            let Err(ended) = self.converse().await;
            if let Some(end) = self.survive(ended) {
                let opened = self.links.last().map_or_else(Instant::now, |link| link.opened);
                if !matches!(end, End::Wire(_)) {
                    for link in &mut self.links {
                        link.wire.close().await;
                    }
                }
                return (end, opened);
            }
        }
    }

    fn begin(&mut self) {
        let now = Instant::now();
        self.socket.view.enter(SocketState::Open);
        let orders = self.socket.orders.borrow().clone();
        let Some(link) = self.links.first_mut() else { return };
        link.session.on_open(now, &mut link.out);
        for (topic, _) in orders.iter() {
            if let Some(channel) = self.socket.channels.get_mut(topic) {
                channel.begin(link.number, now);
                link.session.subscribe(topic, now, &mut link.out);
            }
        }
    }

    async fn converse(&mut self) -> Result<Infallible, Ended> {
        let now = Instant::now();
        self.settle(now).await?;
        let mut wake = pin!(sleep_until(self.wakes_at(now)));
        loop {
            let now;
            tokio::select! {
                () = self.socket.stop.cancelled() => return Err(self.ordered()),
                ordered = self.socket.orders.changed() => {
                    now = Instant::now();
                    if ordered.is_err() {
                        return Err(self.ordered());
                    }
                    self.follow_orders(now);
                }
                (link, text) = next_text(&mut self.links) => {
                    now = Instant::now();
                    self.read(link, text, now)?;
                }
                fetched = self.fetches.next() => {
                    now = Instant::now();
                    self.fetched(&fetched, now);
                }
                wire = relief::connected(&mut self.relief) => {
                    now = Instant::now();
                    self.welcome(wire, now);
                }
                () = &mut wake => {
                    now = Instant::now();
                    self.nap_is_over(now).await?;
                }
            }
            self.settle(now).await?;
            let due = self.wakes_at(now);
            if due != wake.deadline() {
                wake.as_mut().reset(due);
            }
        }
    }

    fn ordered(&self) -> Ended {
        Ended { link: self.links.first().map_or(0, |link| link.number), end: End::Ordered }
    }

    fn read(
        &mut self,
        link: usize,
        text: Result<Bytes, WireError>,
        now: Instant,
    ) -> Result<(), Ended> {
        let Some(link) = self.links.get_mut(link) else { return Ok(()) };
        let read = text.map_err(End::Wire).and_then(|text| {
            self.socket.view.last_message.set(now);
            self.socket.parts.metrics.received(text.len());
            link.read(&text, now)
        });
        read.map_err(|end| Ended { link: link.number, end })
    }

    fn follow_orders(&mut self, now: Instant) {
        let changes = self.socket.adopt(now);
        for topic in &changes.removed {
            for link in &mut self.links {
                link.session.unsubscribe(topic, now, &mut link.out);
            }
            self.relief.forget(topic);
            self.socket.part(topic, now);
        }
        // What comes anew need not move.
        let Some(link) = self.links.last_mut() else { return };
        for topic in &changes.added {
            if let Some(channel) = self.socket.channels.get_mut(topic) {
                channel.link = link.number;
            }
            link.session.subscribe(topic, now, &mut link.out);
        }
        let channels = &self.socket.channels;
        self.fetches.retain(|_, topic| channels.contains_key(topic));
    }

    /// A book that a session wanted is there, or cannot be had.
    fn fetched(&mut self, fetched: &Fetched, now: Instant) {
        let Fetched { link, topic, book } = fetched;
        self.fetches.ended(fetched, now);
        let owner = self.socket.channels.get_mut(topic).filter(|channel| channel.link == *link);
        let is_ours = match owner {
            Some(channel) => {
                channel.excuse(now);
                true
            }
            None => self.relief.moves(*link, topic),
        };
        if let Some(link) = self.link(*link).filter(|_| is_ours) {
            link.session.on_book(topic, book.as_ref(), now, &mut link.out);
        }
    }

    /// The connection of this number.
    pub(super) fn link(&mut self, number: u64) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    /// When something is due even if nothing happens.
    fn wakes_at(&mut self, now: Instant) -> Instant {
        let max_silence = self.socket.parts.max_silence;
        let links = self.links.iter_mut().flat_map(|link| {
            let silent = silent_at(link, max_silence);
            [Some(silent), link.wakes_at(now)]
        });
        let links = links.flatten().min();
        let channels = self.socket.channels.iter();
        let channels = channels.filter_map(|(topic, _)| self.channel_silent_at(topic)).min();
        let relief = self.relief_due();
        [links, channels, relief].into_iter().flatten().min().unwrap_or(now + max_silence)
    }

    /// When a channel counts as silent, unless it has reason to be.
    fn channel_silent_at(&self, topic: &Arc<Topic>) -> Option<Instant> {
        let channel = self.socket.channels.get(topic)?;
        let at = channel.silent_at(self.socket.parts.max_silence)?;
        let link = self.links.iter().find(|link| link.number == channel.link);
        let is_excused = link.is_none_or(|link| link.paused.is_some())
            || self.fetches.is_under_way(channel.link, topic);
        (!is_excused).then_some(at)
    }

    async fn nap_is_over(&mut self, now: Instant) -> Result<(), Ended> {
        for link in &mut self.links {
            if link.has_held(now) {
                self.socket.parts.pacer.held();
            }
            link.nap(now).map_err(|end| Ended { link: link.number, end })?;
        }
        self.settle(now).await?;
        let max_silence = self.socket.parts.max_silence;
        if let Some(link) = self.links.iter().find(|link| silent_at(link, max_silence) <= now) {
            return Err(Ended { link: link.number, end: End::Silent });
        }
        let silent = self.socket.channels.keys();
        let silent =
            silent.filter(|topic| self.channel_silent_at(topic).is_some_and(|at| at <= now));
        let silent: Vec<_> = silent.cloned().collect();
        silent.iter().try_for_each(|topic| self.silent(topic, now))?;
        self.relieve(now);
        Ok(())
    }

    /// Sends and tells what the sessions want sent and told, each in its order.
    async fn settle(&mut self, now: Instant) -> Result<(), Ended> {
        while let Some(link) = self.links.iter_mut().find(|link| !link.out.is_empty()) {
            let number = link.number;
            for output in link.take_out() {
                match output {
                    Output::Send(text) => {
                        let sent = self.link(number).map_or(Ok(()), |link| link.send(text));
                        sent.map_err(|end| Ended { link: number, end })?;
                    }
                    Output::Tell(event) => self.hear(event, number, now)?,
                    Output::TellLate(event, came) => self.hear(event, number, came)?,
                    Output::FetchBook(topic, depth) => {
                        self.fetches.start(number, topic, depth, now);
                    }
                }
            }
        }
        for link in &mut self.links {
            link.flush().await.map_err(|end| Ended { link: link.number, end })?;
        }
        self.close_ranks(now);
        Ok(())
    }
}

/// When a connection counts as dead if nothing comes until then.
fn silent_at(link: &Link, max_silence: Duration) -> Instant {
    match link.paused {
        Some(since) => since + LONGEST_PAUSE,
        None => link.last_text + max_silence + SOCKET_GRACE,
    }
}

/// The next text of any connection, and which. Cancel-safe.
async fn next_text(links: &mut [Link]) -> (usize, Result<Bytes, WireError>) {
    match links {
        [] => std::future::pending().await,
        [one] => (0, one.wire.next().await),
        [one, two, ..] => tokio::select! {
            text = one.wire.next() => (0, text),
            text = two.wire.next() => (1, text),
        },
    }
}
