//! One connection, from its opening to its end.

use std::{convert::Infallible, fmt, mem, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Lapse, SocketState, Turn, Wire, WireError,
    channel::{Beat, Heard},
    socket::{HELD, Socket},
};
use crate::{
    exchange::{Broken, Data, Event, Output, Refused, Session, SessionError, Stream, Topic},
    telemetry::{FeedKind, Resync},
};

/// The longest that a text may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket may be silent for so much longer than a channel.
const SOCKET_GRACE: Duration = Duration::from_secs(5);
/// The longest that the exchange may pause; docs.bitfinex.com/docs/ws-general, 2025-11: it tends
/// to last no more than 120 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The least time between two calls of [`Session::on_time`].
const SHORTEST_NAP: Duration = Duration::from_millis(10);

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

/// A session at work on a connection.
pub(super) struct Conversation<'a> {
    socket: &'a mut Socket,
    session: Box<dyn Session>,
    wire: Box<dyn Wire>,
    out: Vec<Output>,
    /// When the connection will have held for a while, if it has not yet.
    held_at: Option<Instant>,
    last_text: Instant,
    last_nap: Instant,
    paused: Option<Instant>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        socket: &'a mut Socket,
        session: Box<dyn Session>,
        wire: Box<dyn Wire>,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            session,
            wire,
            out: Vec::new(),
            held_at: Some(now + HELD),
            last_text: now,
            last_nap: now,
            paused: None,
        }
    }

    /// Goes on until it ends; the connection is closed then.
    pub(super) async fn run(mut self) -> End {
        let Err(end) = self.converse().await;
        if !matches!(end, End::Wire(_)) {
            self.wire.close().await;
        }
        end
    }

    async fn converse(&mut self) -> Result<Infallible, End> {
        let now = Instant::now();
        self.socket.view.enter(SocketState::Open);
        self.session.on_open(now, &mut self.out);
        let orders = self.socket.orders.borrow().clone();
        for (topic, _) in orders.iter() {
            if let Some(channel) = self.socket.channels.get_mut(topic) {
                channel.begin(now);
                self.session.subscribe(topic, now, &mut self.out);
            }
        }
        self.settle(now).await?;
        let mut wake = pin!(sleep_until(self.wakes_at()));
        loop {
            let now;
            tokio::select! {
                () = self.socket.stop.cancelled() => return Err(End::Ordered),
                ordered = self.socket.orders.changed() => {
                    now = Instant::now();
                    ordered.map_err(|_| End::Ordered)?;
                    self.follow_orders(now);
                }
                text = self.wire.next() => {
                    now = Instant::now();
                    self.read(&text.map_err(End::Wire)?, now)?;
                }
                () = &mut wake => {
                    now = Instant::now();
                    self.nap_is_over(now).await?;
                }
            }
            self.settle(now).await?;
            let due = self.wakes_at();
            if due != wake.deadline() {
                wake.as_mut().reset(due);
            }
        }
    }

    fn read(&mut self, text: &Bytes, now: Instant) -> Result<(), End> {
        self.last_text = now;
        self.socket.view.last_message.set(now);
        self.socket.parts.metrics.received(text.len());
        self.session.on_text(text, now, &mut self.out).map_err(|error| self.give_up(error))
    }

    fn give_up(&mut self, error: SessionError) -> End {
        self.out.clear();
        End::Session(error)
    }

    fn follow_orders(&mut self, now: Instant) {
        let changes = self.socket.adopt(now);
        for topic in &changes.removed {
            self.session.unsubscribe(topic, now, &mut self.out);
            self.socket.part(topic, now);
        }
        for topic in &changes.added {
            self.session.subscribe(topic, now, &mut self.out);
        }
    }

    /// When something is due even if nothing happens.
    fn wakes_at(&self) -> Instant {
        let silent = match self.paused {
            Some(since) => since + LONGEST_PAUSE,
            None => self.last_text + self.socket.parts.max_silence + SOCKET_GRACE,
        };
        let max_silence = self.socket.parts.max_silence;
        let channels = self.socket.channels.values();
        let channels = channels.filter_map(|channel| channel.silent_at(max_silence)).min();
        let session = self.session.wakes_at().map(|at| at.max(self.last_nap + SHORTEST_NAP));
        let channels = channels.filter(|_| self.paused.is_none());
        [Some(silent), channels, session, self.held_at]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(silent)
    }

    async fn nap_is_over(&mut self, now: Instant) -> Result<(), End> {
        if self.held_at.is_some_and(|at| at <= now) {
            self.held_at = None;
            self.socket.parts.pacer.held();
        }
        if self.session.wakes_at().is_some_and(|at| at <= now) {
            self.last_nap = now;
            let timely = self.session.on_time(now, &mut self.out);
            timely.map_err(|error| self.give_up(error))?;
            self.settle(now).await?;
        }
        let max_silence = self.socket.parts.max_silence;
        match self.paused {
            Some(since) if now >= since + LONGEST_PAUSE => Err(End::Silent),
            Some(_) => Ok(()),
            None if now >= self.last_text + max_silence + SOCKET_GRACE => Err(End::Silent),
            None => {
                let channels = self.socket.channels.iter();
                let silent = channels.filter(|(_, channel)| {
                    channel.silent_at(max_silence).is_some_and(|at| at <= now)
                });
                let silent: Vec<_> = silent.map(|(topic, _)| topic.clone()).collect();
                silent.iter().try_for_each(|topic| self.silent(topic, now))
            }
        }
    }

    /// A channel has sent nothing for too long.
    fn silent(&mut self, topic: &Arc<Topic>, now: Instant) -> Result<(), End> {
        self.socket.lapse(topic, Lapse::Silent, now);
        let Some(channel) = self.socket.channels.get_mut(topic) else { return Ok(()) };
        if channel.is_remedied() {
            return self.beyond_remedy(topic, now);
        }
        channel.remedy(now);
        self.ask_anew(topic, Resync::Silent, now);
        Ok(())
    }

    fn ask_anew(&mut self, topic: &Arc<Topic>, reason: Resync, now: Instant) {
        self.session.unsubscribe(topic, now, &mut self.out);
        self.session.subscribe(topic, now, &mut self.out);
        self.socket.parts.metrics.resynced(reason);
    }

    /// Asking for a channel anew has not helped: a new connection may. Where that was tried not
    /// long ago, the others on this socket are not to suffer again; the plan will see to it.
    fn beyond_remedy(&mut self, topic: &Arc<Topic>, now: Instant) -> Result<(), End> {
        let may = self.socket.parts.shared.plan().may_replace(topic, now);
        if may {
            return Err(End::Channel);
        }
        self.session.unsubscribe(topic, now, &mut self.out);
        self.socket.refused(topic, &Refused::Unanswered, now);
        Ok(())
    }

    /// Sends and tells what the session wants sent and told, in its order.
    async fn settle(&mut self, now: Instant) -> Result<(), End> {
        while !self.out.is_empty() {
            for output in mem::take(&mut self.out) {
                match output {
                    Output::Send(text) => match timeout(SEND_TIMEOUT, self.wire.send(text)).await {
                        Ok(sent) => sent.map_err(End::Wire)?,
                        Err(_) => {
                            return Err(End::Wire(WireError("it takes no more".to_owned())));
                        }
                    },
                    Output::Tell(event) => self.hear(event, now)?,
                    Output::TellLate(event, came) => self.hear(event, came)?,
                    Output::FetchBook(..) => todo!(),
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: Event, now: Instant) -> Result<(), End> {
        match event {
            Event::Subscribed(topic) => {
                if let Some(channel) = self.socket.channels.get_mut(&topic) {
                    channel.await_snapshot(now);
                }
            }
            Event::Refused(topic, refused) => {
                let remedied = |channel: &super::channel::Channel| channel.is_remedied();
                if refused == Refused::Unanswered
                    && self.socket.channels.get(&topic).is_some_and(remedied)
                {
                    return self.beyond_remedy(&topic, now);
                }
                self.socket.refused(&topic, &refused, now);
            }
            // Whoever asked for it has been told already.
            Event::Unsubscribed(_) => {}
            Event::Data(topic, data) => self.data(&topic, &data, now),
            Event::Heartbeat(topic) => self.heartbeat(&topic, now),
            Event::Checked(topic, checksum) => {
                let channel = self.socket.channels.get_mut(&topic);
                if channel.is_some_and(|channel| channel.checked(now)) {
                    self.socket.parts.sink.turn(&topic, &Turn::Checked(checksum), now);
                }
            }
            Event::Sound(_) | Event::Alive => todo!(),
            Event::Broken(topic, broken) => self.broken(&topic, &broken, now)?,
            Event::Paused => self.pause(now),
            Event::Resumed => self.resume(now),
            Event::Leaving => todo!(),
        }
        Ok(())
    }

    fn data(&mut self, topic: &Arc<Topic>, data: &Data, now: Instant) {
        let Some(channel) = self.socket.channels.get_mut(topic) else { return };
        let parts = &self.socket.parts;
        parts.metrics.message(kind(topic));
        match channel.data(data, now) {
            Heard::First => {
                parts.shared.plan().opened(topic);
                parts.sink.turn(topic, &Turn::Opened, now);
                parts.sink.data(topic, data, now);
            }
            Heard::More => parts.sink.data(topic, data, now),
            Heard::Nothing => {}
        }
    }

    fn heartbeat(&mut self, topic: &Arc<Topic>, now: Instant) {
        let Some(channel) = self.socket.channels.get_mut(topic) else { return };
        match channel.heartbeat(now) {
            Beat::Confirms => self.socket.parts.sink.turn(topic, &Turn::Confirmed, now),
            Beat::Suspicious => {
                channel.ask_anew(now);
                self.ask_anew(topic, Resync::Suspected, now);
            }
            Beat::Nothing => {}
        }
    }

    fn broken(&mut self, topic: &Arc<Topic>, broken: &Broken, now: Instant) -> Result<(), End> {
        let Some(channel) = self.socket.channels.get_mut(topic) else { return Ok(()) };
        let too_often = channel.broke(now);
        let (lapse, reason) = match broken {
            Broken::Checksum => (Lapse::Checksum, Resync::Checksum),
            Broken::Invalid(_) => (Lapse::Invalid, Resync::Invalid),
        };
        tracing::warn!(socket = self.socket.id, %topic, why = %broken, "a channel broke");
        self.socket.parts.metrics.resynced(reason);
        self.socket.lapse(topic, lapse, now);
        if too_often { self.beyond_remedy(topic, now) } else { Ok(()) }
    }

    fn pause(&mut self, now: Instant) {
        self.paused = Some(now);
        self.socket.view.enter(SocketState::Paused);
        self.socket.channels.values_mut().for_each(|channel| channel.await_snapshot(now));
        self.socket.lapse_all(Lapse::Maintenance, now);
    }

    fn resume(&mut self, now: Instant) {
        self.paused = None;
        self.last_text = now;
        self.socket.view.enter(SocketState::Open);
        for channel in self.socket.channels.values_mut() {
            channel.await_snapshot(now);
            self.socket.parts.metrics.resynced(Resync::Maintenance);
        }
    }
}

pub(super) fn kind(topic: &Topic) -> FeedKind {
    match topic.stream {
        Stream::Ticker => FeedKind::Ticker,
        Stream::Trades => FeedKind::Trades,
        Stream::Book { .. } => FeedKind::Book,
        Stream::Candles(_) => FeedKind::Candles,
        Stream::Native(_) => FeedKind::Native,
    }
}
