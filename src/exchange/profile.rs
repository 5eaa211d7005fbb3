//! Facts about an exchange, as data.

use std::time::Duration;

use crate::market::{Precision, Timeframe};

/// Endpoints of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are their names")]
pub enum Family {
    Ticker,
    Tickers,
    Candles,
    Trades,
    Book,
    Conf,
    Status,
    Stats,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 8] = [
        Self::Ticker,
        Self::Tickers,
        Self::Candles,
        Self::Trades,
        Self::Book,
        Self::Conf,
        Self::Status,
        Self::Stats,
    ];

    /// The name in settings, metrics and `/api/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Tickers => "tickers",
            Self::Candles => "candles",
            Self::Trades => "trades",
            Self::Book => "book",
            Self::Conf => "conf",
            Self::Status => "status",
            Self::Stats => "stats",
        }
    }
}

/// What a pool counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Every request is one.
    Requests,
    /// A request has a weight ([`Profile::cost`]).
    Weight,
}

impl Unit {
    /// The name in settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Weight => "weight",
        }
    }
}

/// Endpoints that an exchange counts together, and how much of them it bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name in settings, metrics and `/api/status`.
    pub name: &'static str,
    /// What it is for, to complete "a minute for …" in the settings' description.
    pub about: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// Units in any 60 seconds, by default.
    pub per_minute: u32,
    /// How many units may go at once, where that is less than the minute's: there are no more of
    /// them in any part of a minute in which so many are due (60 a minute and 5 at once: no more
    /// than 5 in any 5 seconds). `None`: only the minute counts.
    pub burst: Option<u32>,
    /// Which endpoints; every family belongs to one pool at most.
    pub families: &'static [Family],
}

/// A request as far as its price is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named after the query they stand for")]
pub enum Asked {
    Markets,
    Ticker,
    /// So many, or all.
    Tickers {
        count: Option<usize>,
    },
    Book {
        depth: u32,
    },
    Candles {
        limit: u32,
    },
    Trades {
        limit: u32,
    },
    /// In the exchange's own terms.
    Native(Family),
}

impl Asked {
    /// The endpoints it belongs to.
    pub const fn family(self) -> Family {
        match self {
            Self::Markets => Family::Conf,
            Self::Ticker => Family::Ticker,
            Self::Tickers { .. } => Family::Tickers,
            Self::Book { .. } => Family::Book,
            Self::Candles { .. } => Family::Candles,
            Self::Trades { .. } => Family::Trades,
            Self::Native(family) => family,
        }
    }
}

/// What an exchange makes of buckets without a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyBuckets {
    /// They have no candle.
    LeftOut,
    /// They have a flat candle without volume, at the close before.
    Filled,
}

impl EmptyBuckets {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeftOut => "left_out",
            Self::Filled => "filled",
        }
    }
}

/// What a request for so many candles brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandlePages {
    /// So many rows, or there are no more.
    Rows,
    /// The rows of so many buckets, be there trades in them or not: few rows or none say nothing
    /// about what lies beyond.
    Buckets,
}

/// How far back candles can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandleHistory {
    /// To the first one.
    Whole,
    /// The newest so many buckets; what is asked for beyond them is answered with those.
    Newest(u32),
}

/// Which trades of the past can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeHistory {
    /// The first ones from a time on, and the last ones up to a time.
    Whole,
    /// The first ones from a time on.
    Since,
    /// None: only the newest.
    Newest,
}

/// What an exchange's WebSocket offers and bears.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Channels that one connection may have open.
    pub channels_per_socket: usize,
    /// Channels of books among them.
    pub books_per_socket: usize,
    /// A connection has one book of a market at most: its messages do not tell which depth they are
    /// of.
    pub one_depth_per_socket: bool,
    /// Depths of books that have a channel, smallest first; of [`Profile::book_depths`].
    pub book_depths: &'static [u32],
    /// The depth of the book that has to be fetched whenever a channel of one begins; `None`: the
    /// channel begins with it.
    pub begins_with: Option<u32>,
    /// Widths of candles that have a channel.
    pub timeframes: &'static [Timeframe],
    /// Every message has a number, so that a lost one shows at the next, whatever that is about.
    pub is_numbered: bool,
    /// A connection is replaced after this long, before the exchange ends it.
    pub lifetime: Option<Duration>,
    /// The least time between two attempts to connect, if longer than the settings'.
    pub connect_interval: Duration,
    /// Messages that may be sent on one connection in any second.
    pub messages_per_second: u32,
    /// The longest message that is read.
    pub max_message_bytes: usize,
}

/// What an exchange offers and allows. Each exchange's module names the source of its figures.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name in settings, paths and answers (`bitfinex`).
    pub name: &'static str,
    /// Documented request limits.
    pub pools: &'static [Pool],
    /// Units of its pool that a request costs, at least 1.
    pub cost: fn(Asked) -> u32,
    /// Widths of candles on offer, narrowest first.
    pub timeframes: &'static [Timeframe],
    /// Most candles, or buckets, in one answer.
    pub max_candles: u32,
    /// What a request for candles brings.
    pub candle_pages: CandlePages,
    /// How far back candles can be asked for.
    pub candle_history: CandleHistory,
    /// What becomes of buckets without a trade.
    pub empty_buckets: EmptyBuckets,
    /// Most trades in one answer.
    pub max_trades: u32,
    /// Which trades of the past can be asked for.
    pub trade_history: TradeHistory,
    /// Ids of a market's trades count up by one, so that a missing trade shows at the next.
    pub trade_ids_are_consecutive: bool,
    /// Depths of a book on offer (levels a side), smallest first.
    pub book_depths: &'static [u32],
    /// Price aggregations on offer.
    pub precisions: &'static [Precision],
    /// Most markets in one request for tickers.
    pub max_tickers: usize,
    /// A ticker among many tells all that the endpoint for one tells.
    pub tickers_are_whole: bool,
    /// Its WebSocket.
    pub live: Live,
}

/// The price of exchanges that count requests.
pub fn one(_asked: Asked) -> u32 {
    1
}

impl Profile {
    /// The pool that a family's requests are counted in; `None` if the exchange has no such
    /// endpoints.
    pub fn pool(&self, family: Family) -> Option<&'static Pool> {
        self.pools.iter().find(|pool| pool.families.contains(&family))
    }

    /// True if the channel of a book of this depth spares calls from the first read on. One that
    /// has to be fetched whole first does not where that costs more than the book that is read.
    pub fn book_channel_spares_calls(&self, depth: u32) -> bool {
        let cost = |depth| (self.cost)(Asked::Book { depth });
        self.live.begins_with.is_none_or(|whole| cost(whole) <= cost(depth))
    }
}
