//! Facts about an exchange, as data.

use crate::market::{Precision, Timeframe};

/// Endpoints that an exchange counts together.
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

/// Requests a minute that an exchange documents for a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyLimit {
    /// Which endpoints.
    pub family: Family,
    /// Requests in any 60 seconds.
    pub per_minute: u32,
}

/// What an exchange offers and allows. Each exchange's module names the source of its figures.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name in settings, paths and answers (`bitfinex`).
    pub name: &'static str,
    /// Documented request limits.
    pub limits: &'static [FamilyLimit],
    /// Widths of candles on offer, narrowest first.
    pub timeframes: &'static [Timeframe],
    /// Most candles in one answer.
    pub max_candles: u32,
    /// Most trades in one answer.
    pub max_trades: u32,
    /// Depths of a book on offer (levels a side), smallest first.
    pub book_depths: &'static [u32],
    /// Price aggregations on offer.
    pub precisions: &'static [Precision],
    /// Most markets in one request for tickers.
    pub max_tickers: usize,
    /// Channels that one WebSocket may have open.
    pub channels_per_socket: usize,
}

impl Profile {
    /// The documented limit of a family; `None` if the exchange has no such endpoints.
    pub fn limit(&self, family: Family) -> Option<u32> {
        self.limits.iter().find(|limit| limit.family == family).map(|limit| limit.per_minute)
    }
}
