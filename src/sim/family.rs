//! Endpoints that share one request limit.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Endpoints that the exchange counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `ticker/{symbol}`.
    Ticker,
    /// `tickers` and `tickers/hist`.
    Tickers,
    /// `candles/...`.
    Candles,
    /// `trades/{symbol}/hist`.
    Trades,
    /// `book/{symbol}/{precision}`.
    Book,
    /// `conf/...`.
    Conf,
    /// `platform/status`.
    Platform,
    /// `status/deriv` and its history.
    Status,
    /// `stats1/...`.
    Stats,
    /// Every other path.
    Unknown,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 10] = [
        Self::Ticker,
        Self::Tickers,
        Self::Candles,
        Self::Trades,
        Self::Book,
        Self::Conf,
        Self::Platform,
        Self::Status,
        Self::Stats,
        Self::Unknown,
    ];

    /// The name in JSON and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Tickers => "tickers",
            Self::Candles => "candles",
            Self::Trades => "trades",
            Self::Book => "book",
            Self::Conf => "conf",
            Self::Platform => "platform",
            Self::Status => "status",
            Self::Stats => "stats",
            Self::Unknown => "unknown",
        }
    }

    /// The family of a decoded path.
    pub(crate) fn of(path: &str) -> Self {
        let mut parts = path.trim_matches('/').split('/');
        if parts.next() != Some("v2") {
            return Self::Unknown;
        }
        match parts.next() {
            Some("ticker") => Self::Ticker,
            Some("tickers") => Self::Tickers,
            Some("candles") => Self::Candles,
            Some("trades") => Self::Trades,
            Some("book") => Self::Book,
            Some("conf") => Self::Conf,
            Some("platform") => Self::Platform,
            Some("status") => Self::Status,
            Some("stats1") => Self::Stats,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Requests that a family allows within one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the families' names")]
pub struct Limits {
    pub ticker: u32,
    pub tickers: u32,
    pub candles: u32,
    pub trades: u32,
    pub book: u32,
    pub conf: u32,
    pub platform: u32,
    pub status: u32,
    pub stats: u32,
}

impl Limits {
    /// What the reference page of each endpoint says (docs.bitfinex.com/reference/rest-public-*,
    /// 2025-11).
    pub const DOCUMENTED: Self = Self {
        ticker: 90,
        tickers: 30,
        candles: 30,
        trades: 15,
        book: 240,
        conf: 90,
        platform: 30,
        status: 90,
        stats: 15,
    };

    /// The window of [`Limits::DOCUMENTED`], and how long a breach keeps the client out.
    pub const MINUTE: Duration = Duration::from_secs(60);

    /// The same limit for every family.
    pub const fn all(limit: u32) -> Self {
        Self {
            ticker: limit,
            tickers: limit,
            candles: limit,
            trades: limit,
            book: limit,
            conf: limit,
            platform: limit,
            status: limit,
            stats: limit,
        }
    }

    /// The limit of a family; `None` for unknown paths, which nothing counts.
    pub const fn of(&self, family: Family) -> Option<u32> {
        match family {
            Family::Ticker => Some(self.ticker),
            Family::Tickers => Some(self.tickers),
            Family::Candles => Some(self.candles),
            Family::Trades => Some(self.trades),
            Family::Book => Some(self.book),
            Family::Conf => Some(self.conf),
            Family::Platform => Some(self.platform),
            Family::Status => Some(self.status),
            Family::Stats => Some(self.stats),
            Family::Unknown => None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DOCUMENTED
    }
}
