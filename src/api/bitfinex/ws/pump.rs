//! Between hub and socket.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use tokio_util::sync::CancellationToken;

use super::{
    conversation::{Conversation, Need, Now, Terms, Wanted},
    request::{Request, Wish},
};
use crate::{
    api::{
        stream::wire::{End, Wire},
        upgrade::Socket,
    },
    cache::Ask,
    feed::{Bell, Item, Lapse, LeftOut, Mode},
    service::{Desk, Followed},
    telemetry::StreamClient,
};

/// A client of which nothing is heard for this long, not even the answer to a ping, is gone. One
/// that follows nothing stays for as long as it answers, though the exchange would close its
/// socket: its Python client keeps one such connection for itself.
const GONE: Duration = Duration::from_secs(60);
/// So many heartbeats a client may read nothing of what is sent to it.
const PATIENCE: u32 = 2;
/// The only code besides a lost connection on which the exchange's Python client comes back.
const RESTART: End = End::Close(CloseCode::Restart, "the gateway stops");

/// One client's socket, what it follows, and the conversation in between.
///
/// Nothing is queued: while the client does not read, nothing is taken from the topics, and what
/// they tell then is what counts at that time.
pub(super) struct Pump {
    wire: Wire,
    desk: Desk,
    terms: Terms,
    /// How long the market list is waited for.
    patience: Duration,
    stopping: CancellationToken,
    client: StreamClient,
    bell: Arc<Bell>,
    followed: Vec<(u64, Followed)>,
    /// When the client was last heard.
    heard: Instant,
    ping_due: Instant,
    out: Vec<String>,
}

impl Pump {
    pub(super) fn new(
        socket: Socket,
        desk: Desk,
        terms: Terms,
        patience: Duration,
        stopping: CancellationToken,
        client: StreamClient,
    ) -> Self {
        let now = Instant::now();
        let wire = Wire::new(socket, PATIENCE * terms.heartbeat, stopping.clone());
        Self {
            wire,
            desk,
            terms,
            patience,
            stopping,
            client,
            bell: Arc::default(),
            followed: Vec::new(),
            heard: now,
            ping_due: now + terms.heartbeat,
            out: Vec::new(),
        }
    }

    /// Serves the client until it leaves or the process stops.
    ///
    /// Only then is it sent away, not when the drain begins: till then a client that comes back
    /// at once may come back to this process.
    pub(super) async fn run(mut self) {
        let paused = |mode| mode == Mode::Stale(Lapse::Maintenance);
        let paused = self.desk.live.hub().all().iter().any(|line| paused(line.mode()));
        let (seed, now) = (rand::random(), Instant::now());
        let mut talk = Conversation::open(self.terms, seed, paused, now, &mut self.out);
        let Err(mut end) = self.serve(&mut talk).await;
        self.followed.clear();
        if self.stopping.is_cancelled() {
            self.out.clear();
            talk.farewell(&mut self.out);
            self.client.sent_away();
            end = self.send().await.err().unwrap_or(RESTART);
        }
        self.wire.end(end).await;
    }

    async fn serve(&mut self, talk: &mut Conversation) -> Result<Infallible, End> {
        loop {
            self.send().await?;
            let wakes_at = talk.wakes_at().min(self.ping_due);
            tokio::select! {
                () = self.stopping.cancelled() => return Err(RESTART),
                message = self.wire.read() => self.hear(message?, talk).await?,
                () = self.bell.heard() => self.take(talk),
                () = sleep_until(wakes_at) => self.on_time(talk).await?,
            }
        }
    }

    /// Writes what there is to say in one go.
    async fn send(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let messages = self.out.len() as u64;
        let bytes = self.out.iter().map(|text| text.len() as u64).sum();
        for text in self.out.drain(..) {
            self.wire.feed(text.into()).await?;
        }
        self.wire.flush().await?;
        self.client.sent(messages, bytes);
        Ok(())
    }

    async fn hear(&mut self, message: Message, talk: &mut Conversation) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => self.on_text(&text, talk).await,
            // The answer to a ping waits to be written.
            Message::Ping(_) => self.wire.flush().await?,
            Message::Close(_) => return Err(End::Closed),
            Message::Binary(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(())
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
        let ask = Ask::by(deadline);
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
            self.client.follows(self.followed.len());
        }
    }

    fn leave(&mut self, channel: u64) {
        self.followed.retain(|(other, _)| *other != channel);
        self.client.follows(self.followed.len());
    }

    /// Takes what there is of all topics, in the order in which it was published.
    fn take(&mut self, talk: &mut Conversation) {
        let upto = self.desk.live.hub().published();
        let (mut taken, mut items): (Vec<Item>, Vec<(u64, Item)>) = (Vec::new(), Vec::new());
        for (channel, followed) in &mut self.followed {
            followed.follower.take(upto, &mut taken);
            items.extend(taken.drain(..).map(|item| (*channel, item)));
            let left_out = followed.follower.left_out();
            if left_out != LeftOut::default() {
                self.client.left_out(left_out.conflated, left_out.skipped);
            }
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
        self.client.follows(self.followed.len());
    }

    async fn on_time(&mut self, talk: &mut Conversation) -> Result<(), End> {
        let now = self.now();
        talk.on_time(now, &mut self.out);
        if self.ping_due > now.at {
            return Ok(());
        }
        self.ping_due = now.at + self.terms.heartbeat;
        if now.at - self.heard >= GONE {
            return Err(End::Gone);
        }
        self.wire.ping().await
    }

    fn now(&self) -> Now {
        Now { at: Instant::now(), wall: self.desk.shelf.clock.now() }
    }
}
