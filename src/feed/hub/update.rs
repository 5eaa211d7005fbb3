//! What followers of a topic are told.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    exchange::Report,
    market::{Book, Candle, Changes, Raw, Ticker, Trade, UnixMs},
};

/// One thing to be told, made once for all who follow.
#[derive(Debug)]
pub struct Update {
    /// Its number among all updates of the hub, increasing.
    pub number: u64,
    /// Its number among those of its topic that [`News::counts`]; one more than the one before.
    /// What does not count has the number of the one before it.
    pub seq: u64,
    /// When what it tells was received.
    pub received: Instant,
    /// The same as wall time.
    pub received_at: UnixMs,
    /// How its topic was fed then.
    pub mode: Mode,
    /// What it tells.
    pub news: News,
    text: OnceLock<Bytes>,
}

impl Update {
    pub(super) fn new(
        (number, seq): (u64, u64),
        (received, received_at): (Instant, UnixMs),
        mode: Mode,
        news: News,
    ) -> Arc<Self> {
        let text = OnceLock::new();
        Arc::new(Self { number, seq, received, received_at, mode, news, text })
    }

    /// Its text, made by whoever needs it first.
    pub fn text(&self, make: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.text.get_or_init(|| make(self))
    }
}

/// What an update tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Everything as it stands, in place of all that was told before.
    Snapshot(Shown),
    /// The ticker as it stands.
    Ticker(Ticker),
    /// A trade.
    Trade(Trade, Report),
    /// Levels of the book that changed.
    Levels(Changes),
    /// A candle as it stands, and whether it is final.
    Candle(Candle, bool),
    /// The row of a channel without a unified form.
    Row(Raw),
    /// The book as it stands has the exchange's checksum.
    Checked(i64),
    /// Something was missed.
    Gap(Gap),
    /// The topic is fed in another way from now on.
    Mode(Mode),
}

impl News {
    /// True for what a follower has to have seen to know everything.
    pub fn counts(&self) -> bool {
        match self {
            Self::Snapshot(_)
            | Self::Ticker(_)
            | Self::Trade(_, Report::Executed)
            | Self::Levels(_)
            | Self::Candle(..)
            | Self::Row(_)
            | Self::Gap(_) => true,
            Self::Trade(_, Report::Confirmed) | Self::Checked(_) | Self::Mode(_) => false,
        }
    }
}

/// A topic's state at one moment.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the kinds of topics")]
#[expect(clippy::large_enum_variant, reason = "it stands behind an `Arc`")]
pub enum Shown {
    Ticker(Ticker),
    /// The newest trades, oldest first.
    Trades(Vec<Trade>),
    Book(Book),
    /// The newest candles, oldest first, each with whether it is final.
    Candles(Vec<(Candle, bool)>),
    Row(Raw),
}

/// A span of which not everything is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// After the last that was known before.
    pub after: UnixMs,
    /// Before the first that is known again.
    pub before: UnixMs,
}

/// How a topic is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not yet.
    Starting,
    /// By the exchange's WebSocket.
    Live,
    /// By asking the exchange again and again, within its budget.
    Polled,
    /// Not at present; what was told last is not live any more.
    Stale(Lapse),
}

/// Why a topic is not live any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// Its channel sends nothing, not even heartbeats.
    Silent,
    /// The connection is gone.
    Disconnected,
    /// A message was lost on the way.
    Lost,
    /// The book's checksum does not hold.
    Checksum,
    /// It brought what cannot be true.
    Invalid,
    /// The exchange pauses.
    Maintenance,
    /// The exchange does not open the channel.
    Refused,
    /// There is no room for its channel.
    NoRoom,
    /// The exchange cannot be asked either.
    Unavailable,
}

impl Lapse {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Silent,
        Self::Disconnected,
        Self::Lost,
        Self::Checksum,
        Self::Invalid,
        Self::Maintenance,
        Self::Refused,
        Self::NoRoom,
        Self::Unavailable,
    ];

    /// The name in messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Disconnected => "disconnected",
            Self::Lost => "lost",
            Self::Checksum => "checksum",
            Self::Invalid => "invalid",
            Self::Maintenance => "maintenance",
            Self::Refused => "refused",
            Self::NoRoom => "no_room",
            Self::Unavailable => "unavailable",
        }
    }
}
