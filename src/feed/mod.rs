//! Live data of one exchange: sockets in, topics out.
//!
//! ```text
//! socket ─► Session::on_text ─► Event ─► Sink ─► cache, hub ─► followers
//!   ▲ opens and closes channels
//! plan: pinned, followed, hot ── within the bound of channels
//! ```
//!
//! One task makes the plan (`plan`), one owns each socket (`socket`) from one connection to the
//! next; all attempts to connect wait for one pace (`pacer`). A topic that is live is so because
//! its channel's last word says so: silence, a lost message, a wrong checksum or a pause end that
//! at once, and only a new snapshot begins it anew (`channel`, `conversation`, `hearing`). A
//! connection that the exchange will end is replaced before it does (`relief`).

mod channel;
mod conversation;
mod fetches;
mod hearing;
mod hub;
mod link;
mod pacer;
mod plan;
mod planner;
mod relief;
mod socket;
mod status;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{sync::Notify, time::Instant};

pub use hub::{
    Bell, Follower, Gap, Hub, Item, Lapse, LeftOut, Line, Mode, News, Resume, Shown, TooManyTopics,
    Update,
};
pub use status::{FeedSnapshot, FeedState, SocketSnapshot, SocketState, TopicSnapshot, Want};
pub use wire::{BadUrl, ConnectError, Connector, WebSocket, Wire, WireError};

use pacer::Pacer;
use plan::{Plan, Room};
use socket::Parts;

use crate::{
    config,
    exchange::{Data, Exchange, Refused, SessionSettings, Topic},
    market::Book,
    tasks::Tasks,
    telemetry::{FeedTotals, Metrics},
};

/// Takes what the channels of an exchange bring, and fetches what they do not. Called by the one
/// task that owns the channel's socket, in the order of arrival; it must not block.
pub trait Sink: Send + Sync + 'static {
    /// A channel brought data; the first after [`Turn::Opened`] is a snapshot.
    fn data(&self, topic: &Arc<Topic>, data: &Data, received: Instant);

    /// Something else happened to a topic.
    fn turn(&self, topic: &Arc<Topic>, turn: &Turn, now: Instant);

    /// Fetches the book of a topic's market, so many levels a side, for a channel that tells
    /// changes only; `None` if it cannot be had now. Called from a task of its own; dropping the
    /// future gives the fetch up.
    fn fetch_book(&self, topic: &Arc<Topic>, depth: u32) -> BoxFuture<'static, Option<Book>> {
        let _ = (topic, depth);
        async { None }.boxed()
    }
}

/// A turn in the life of a topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Its channel is open; a snapshot follows at once. It may come again without a lapse between,
    /// when a channel was asked for anew because it was suspected to have stopped, or goes on on
    /// another connection.
    Opened,
    /// Its channel says that nothing has changed since its last data.
    Confirmed,
    /// The book, as the data so far make it, has the exchange's checksum.
    Checked(i64),
    /// What the data so far make of it is right at this moment, without a checksum to tell.
    Sound,
    /// It is not live any more, until [`Turn::Opened`]; or it cannot be for now. Told once,
    /// whatever else goes wrong before the next [`Turn::Opened`].
    Lapsed(Lapse),
    /// The exchange says that there is no such thing. It is not asked again for 10 minutes.
    Refused(Refused),
    /// Nobody wants it live any more.
    Closed,
}

/// How a topic stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is live.
    Live,
    /// It is about to be opened.
    Opening,
    /// It is not live, although wanted.
    Lapsed(Lapse),
    /// Nobody wants it live.
    Unwanted,
}

/// How often a topic is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reads {
    /// Which topic.
    pub topic: Arc<Topic>,
    /// Reads a minute.
    pub a_minute: f64,
    /// The calls that bring it have to wait for their turns, so that it cannot be read as often as
    /// it is wanted.
    pub is_short: bool,
}

/// The live channels of one exchange. Clones are the same.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    parts: Option<Arc<Parts>>,
}

/// What the feed's callers and its tasks share.
struct Shared {
    // Locked for a few lines without awaits; never while the sink is told something.
    plan: Mutex<Plan>,
    changed: Notify,
    max_channels: usize,
}

impl Shared {
    /// Every socket has so much room.
    fn new(settings: &config::Feed, room: Room) -> Arc<Self> {
        let plan = Plan::new(settings, room, Instant::now());
        let (plan, changed) = (Mutex::new(plan), Notify::new());
        Arc::new(Self { plan, changed, max_channels: settings.max_channels })
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// A feed that opens nothing.
    pub fn disabled() -> Self {
        Self { shared: Shared::new(&config::Feed::default(), Room::LEAST), parts: None }
    }

    /// Starts the feed of an exchange: nothing is opened before something is wanted, and no
    /// connection is attempted before the settings' interval has passed. It is
    /// [`Feed::disabled`] if the settings say so or the exchange has no sessions.
    ///
    /// It ends with `tasks`.
    pub fn start(
        settings: &config::Feed,
        exchange: Arc<dyn Exchange>,
        connector: Arc<dyn Connector>,
        sink: Arc<dyn Sink>,
        metrics: &Arc<Metrics>,
        tasks: &Tasks,
    ) -> Self {
        let session = SessionSettings { ack_timeout: settings.ack_timeout };
        if !settings.enabled || exchange.session(session).is_none() {
            return Self::disabled();
        }
        let profile = exchange.profile();
        let shared = Shared::new(settings, Room::from(&profile.live));
        let metrics = metrics.feed(profile.name);
        let pacer = Pacer::new(settings, profile.live.connect_interval, Instant::now());
        let parts = Arc::new(Parts {
            exchange,
            session,
            connector,
            sink,
            metrics,
            pacer,
            shared: shared.clone(),
            max_silence: settings.max_silence,
            tasks: tasks.clone(),
        });
        tasks.spawn_until_stop("feed plan", planner::run(parts.clone()));
        Self { shared, parts: Some(parts) }
    }

    /// False if it opens nothing, whatever is wanted.
    pub fn is_enabled(&self) -> bool {
        self.parts.is_some()
    }

    /// Most channels that may be open at once; 0 if it opens nothing.
    pub fn max_channels(&self) -> usize {
        if self.is_enabled() { self.shared.max_channels } else { 0 }
    }

    /// Changes what is wanted.
    fn wish(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.shared.plan());
        self.shared.changed.notify_one();
    }

    /// Closes every connection and makes none, or makes again those that are needed. Topics that
    /// are wanted lapse meanwhile as where there is no room.
    pub fn cordon(&self, cordoned: bool) {
        if self.is_enabled() {
            self.wish(|plan| plan.cordon(cordoned));
        }
    }

    /// Wants these topics live for good, before all others; replaces what was pinned before.
    pub fn pin(&self, topics: Vec<Arc<Topic>>) {
        if self.is_enabled() {
            self.wish(|plan| plan.pin(&topics));
        }
    }

    /// Tells how often every topic is read that is read at all; to be told anew every second or
    /// so. What is not in the list is not read. One that is read often enough earns a channel, and
    /// gives it back when it has been read less for a while. Where calls are short, to be read again
    /// and again is enough for a channel that is free, and for keeping it.
    pub fn heat(&self, reads: Vec<Reads>) {
        if self.is_enabled() {
            self.wish(|plan| plan.heat(reads, Instant::now()));
        }
    }

    /// Wants a topic live for as long as the lease is held.
    pub fn lease(&self, topic: &Arc<Topic>) -> Lease {
        self.wish(|plan| plan.lease(topic));
        Lease { feed: self.clone(), topic: topic.clone() }
    }

    /// How a topic stands.
    pub fn standing(&self, topic: &Topic) -> Standing {
        match self.shared.plan().standing(topic) {
            Standing::Opening if !self.is_enabled() => Standing::Lapsed(Lapse::NoRoom),
            standing => standing,
        }
    }

    /// Everything at one moment.
    pub fn snapshot(&self) -> FeedSnapshot {
        let now = Instant::now();
        let plan = self.shared.plan();
        let sockets = plan.sockets().map(|(id, view, channels, capacity)| {
            let (state, since) = view.state();
            let last = view.last_message.get();
            SocketSnapshot {
                id,
                state,
                since,
                channels,
                capacity,
                last_message_age: last.map(|at| now.saturating_duration_since(at)),
                reconnects: view.reconnects(),
            }
        });
        let parts = self.parts.as_ref();
        FeedSnapshot {
            enabled: self.is_enabled(),
            sockets: sockets.collect(),
            topics: plan.topics(now),
            max_channels: self.max_channels(),
            rest: parts.map_or(Duration::ZERO, |parts| parts.pacer.rest(now)),
            totals: parts.map_or_else(FeedTotals::default, |parts| parts.metrics.totals()),
        }
    }
}

/// Keeps a topic wanted.
pub struct Lease {
    feed: Feed,
    topic: Arc<Topic>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.feed.wish(|plan| plan.release(&self.topic, Instant::now()));
    }
}
