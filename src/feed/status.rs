//! What a feed shows of itself.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Standing;
use crate::{exchange::Topic, telemetry::FeedTotals};

/// A feed at one moment.
#[derive(Clone, Debug)]
pub struct FeedSnapshot {
    /// False if there is none: it is switched off, or the exchange has none.
    pub enabled: bool,
    /// Every socket.
    pub sockets: Vec<SocketSnapshot>,
    /// Every topic that is wanted live, by name.
    pub topics: Vec<TopicSnapshot>,
    /// Most channels that may be open at once.
    pub max_channels: usize,
    /// How long from now no connection will be attempted.
    pub rest: Duration,
    /// What happened since the start.
    pub totals: FeedTotals,
}

impl FeedSnapshot {
    /// All of it in a word.
    pub fn state(&self) -> FeedState {
        let are = |state| self.sockets.iter().filter(|socket| socket.state == state).count();
        match (are(SocketState::Open), are(SocketState::Paused)) {
            _ if !self.enabled => FeedState::Off,
            _ if self.sockets.is_empty() => FeedState::Idle,
            (open, _) if open == self.sockets.len() => FeedState::Connected,
            (0, 0) => FeedState::Connecting,
            (0, _) => FeedState::Paused,
            _ => FeedState::Degraded,
        }
    }

    /// Topics that have a channel, or are about to have one.
    pub fn channels(&self) -> usize {
        self.sockets.iter().map(|socket| socket.channels).sum()
    }
}

/// What a feed is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// There is none.
    Off,
    /// Nothing is wanted live, and no socket is needed.
    Idle,
    /// No socket is open yet, or any more.
    Connecting,
    /// Every socket is open.
    Connected,
    /// Some sockets are open, others are not.
    Degraded,
    /// The exchange pauses.
    Paused,
}

impl FeedState {
    /// The name in `/api/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
        }
    }
}

/// A socket at one moment.
#[derive(Clone, Debug)]
pub struct SocketSnapshot {
    /// Its number among those of the process.
    pub id: u64,
    /// What it is doing.
    pub state: SocketState,
    /// Since when.
    pub since: Instant,
    /// Topics that have a channel on it, or are to have one.
    pub channels: usize,
    /// How many it can have.
    pub capacity: usize,
    /// The time since its last message; `None` if none has come yet.
    pub last_message_age: Option<Duration>,
    /// How often its connection has been lost.
    pub reconnects: u64,
}

/// What a socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// It waits for its turn to connect.
    Waiting,
    /// It is being connected.
    Connecting,
    /// It is open.
    Open,
    /// It is open, and the exchange pauses.
    Paused,
}

impl SocketState {
    /// The name in `/api/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Paused => "paused",
        }
    }
}

/// A topic at one moment.
#[derive(Clone, Debug)]
pub struct TopicSnapshot {
    /// Which.
    pub topic: Arc<Topic>,
    /// How it stands.
    pub standing: Standing,
    /// The time since its last word that could be believed, be it a heartbeat; `None` if there
    /// was none yet.
    pub age: Option<Duration>,
    /// Reads a minute.
    pub heat: f64,
    /// Why it is wanted.
    pub want: Want,
    /// Leases that are held.
    pub followers: usize,
    /// The socket that it has a channel on, or is to have one on.
    pub socket: Option<u64>,
}

impl TopicSnapshot {
    /// How it stands, in a word. One that is only read often and not to be live is `waiting` while
    /// others have the channels, or `closing` as long as it still has one.
    pub fn state(&self) -> &'static str {
        match (&self.standing, self.socket) {
            (Standing::Live, _) => "live",
            (Standing::Opening, _) => "opening",
            (Standing::Lapsed(_), _) => "stale",
            (Standing::Unwanted, Some(_)) => "closing",
            (Standing::Unwanted, None) => "waiting",
        }
    }

    /// Why it is not live although it is wanted.
    pub fn reason(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Lapsed(lapse) => Some(lapse.as_str()),
            _ => None,
        }
    }
}

/// Why a topic is wanted live. The less goes first where there is not room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// The settings say so.
    Pinned,
    /// Somebody follows it.
    Followed,
    /// It is read often.
    Hot,
    /// Somebody followed it until a moment ago.
    Lingering,
}

impl Want {
    /// The name in `/api/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Followed => "followed",
            Self::Hot => "hot",
            Self::Lingering => "lingering",
        }
    }
}
