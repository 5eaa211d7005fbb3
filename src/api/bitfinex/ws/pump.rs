//! Between hub and socket.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::{
    conversation::{Conversation, Need, Now, Terms, Wanted},
    request::{Request, Wish},
};
use crate::{
    api::upgrade::Socket,
    cache::{Ask, Demand},
    feed::{Bell, Item, Lapse, Mode},
    service::{Desk, Followed},
};

/// A client of which nothing is heard for this long, not even the answer to a ping, or that reads
/// nothing of what is sent to it, is gone.
const GONE: Duration = Duration::from_secs(60);
/// Time for the client's part in closing.
const FAREWELL: Duration = Duration::from_secs(1);

/// One client's socket, what it follows, and the conversation in between.
///
/// Nothing is queued: while the client does not read, nothing is taken from the topics, and what
/// they tell then is what counts at that time.
pub(super) struct Pump {
    socket: Socket,
    desk: Desk,
    terms: Terms,
    /// How long the market list is waited for.
    patience: Duration,
    bell: Arc<Bell>,
    followed: Vec<(u64, Followed)>,
    /// When the client was last heard.
    heard: Instant,
    ping_due: Instant,
    out: Vec<String>,
}

impl Pump {
    pub(super) fn new(socket: Socket, desk: Desk, terms: Terms, patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            socket,
            desk,
            terms,
            patience,
            bell: Arc::default(),
            followed: Vec::new(),
            heard: now,
            ping_due: now + terms.heartbeat,
            out: Vec::new(),
        }
    }

    /// Serves the client until it leaves or the process stops.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        let paused = |mode| mode == Mode::Stale(Lapse::Maintenance);
        let paused = self.desk.live.hub().all().iter().any(|line| paused(line.mode()));
        let seed = rand::random();
        let mut talk = Conversation::open(self.terms, seed, paused, Instant::now(), &mut self.out);
        let served = stopping.run_until_cancelled(self.serve(&mut talk)).await;
        match served {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a client's socket ended early"),
            None => {
                self.out.clear();
                talk.farewell(&mut self.out);
                let _gone = timeout(FAREWELL, self.say_goodbye()).await;
            }
        }
    }

    async fn serve(&mut self, talk: &mut Conversation) -> Result<(), Error> {
        loop {
            self.send().await?;
            let wakes_at = talk.wakes_at().min(self.ping_due);
            tokio::select! {
                message = self.socket.next() => match message.transpose()? {
                    None | Some(Message::Close(_)) => return self.socket.close(None).await,
                    Some(Message::Text(text)) => {
                        self.heard = Instant::now();
                        self.on_text(&text, talk).await;
                    }
                    Some(_) => self.heard = Instant::now(),
                },
                () = self.bell.heard() => self.take(talk),
                () = sleep_until(wakes_at) => self.on_time(talk).await?,
            }
        }
    }

    /// Writes what there is to say in one go.
    async fn send(&mut self) -> Result<(), Error> {
        if self.out.is_empty() {
            return Ok(());
        }
        let texts = std::mem::take(&mut self.out);
        self.write(texts.into_iter().map(Message::text)).await
    }

    async fn write(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), Error> {
        let socket = &mut self.socket;
        let written = timeout(GONE, async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        });
        written.await.unwrap_or_else(|_| Err(Error::ConnectionClosed))
    }

    async fn on_text(&mut self, text: &str, talk: &mut Conversation) {
        let Some(request) = Request::parse(text) else { return };
        let now = self.now();
        match talk.on_request(request, now, &mut self.out) {
            None => {}
            Some(Need::Leave(channel)) => self.leave(channel),
            Some(Need::Markets(wish)) => self.subscribe(&wish, talk).await,
        }
    }

    async fn subscribe(&mut self, wish: &Wish, talk: &mut Conversation) {
        let deadline = Instant::now() + self.patience;
        let ask = Ask { demand: Demand::default(), deadline };
        let Ok(directory) = self.desk.markets.get(ask).await else {
            talk.not_ready(wish, &mut self.out);
            return;
        };
        let wanted = talk.subscribe(wish, &directory.registry, Instant::now(), &mut self.out);
        let Some(Wanted { channel, topic, market, identity }) = wanted else { return };
        let live = &self.desk.live;
        let followed = live.follow(&topic, market.as_ref(), identity, &self.bell, None).ok();
        let mode = followed.as_ref().map(|followed| followed.follower.line().mode());
        if talk.followed(channel, mode, &mut self.out) {
            self.followed.extend(followed.map(|followed| (channel, followed)));
        }
    }

    fn leave(&mut self, channel: u64) {
        self.followed.retain(|(other, _)| *other != channel);
    }

    /// Takes what there is of all topics, in the order in which it was published.
    fn take(&mut self, talk: &mut Conversation) {
        let upto = self.desk.live.hub().published();
        let (mut taken, mut items): (Vec<Item>, Vec<(u64, Item)>) = (Vec::new(), Vec::new());
        for (channel, followed) in &mut self.followed {
            followed.follower.take(upto, &mut taken);
            items.extend(taken.drain(..).map(|item| (*channel, item)));
        }
        items.sort_by_key(|(_, item)| item.number());
        let mut left = Vec::new();
        let wall = self.now().wall;
        talk.tell(&items, wall, &mut self.out, &mut left);
        self.followed.retain(|(channel, followed)| {
            let mode = || Some(followed.follower.line().mode());
            !left.contains(channel)
                && (!talk.is_pending(*channel) || talk.followed(*channel, mode(), &mut self.out))
        });
    }

    async fn on_time(&mut self, talk: &mut Conversation) -> Result<(), Error> {
        let now = self.now();
        talk.on_time(now, &mut self.out);
        if self.ping_due > now.at {
            return Ok(());
        }
        self.ping_due = now.at + self.terms.heartbeat;
        if now.at - self.heard >= GONE {
            return Err(Error::ConnectionClosed);
        }
        self.write([Message::Ping(Default::default())]).await
    }

    /// The close code is that of a restart, by which clients tell that they may come back.
    async fn say_goodbye(&mut self) -> Result<(), Error> {
        self.send().await?;
        let restart = CloseFrame { code: CloseCode::Restart, reason: "".into() };
        self.socket.close(Some(restart)).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }

    fn now(&self) -> Now {
        Now { at: Instant::now(), wall: self.desk.shelf.clock.now() }
    }
}
