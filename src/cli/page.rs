//! Candles as a gateway gives them: one answer of `/api/market-data/ohlcv/{symbol}`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};

use super::client::Reply;
use crate::market::{Number, Timeframe, UnixMs};

/// One candle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Bar {
    /// When its bucket opens.
    #[serde(rename = "timestamp", deserialize_with = "time")]
    pub(super) at: UnixMs,
    pub(super) open: Number,
    pub(super) high: Number,
    pub(super) low: Number,
    pub(super) close: Number,
    /// In units of the base.
    pub(super) volume: Number,
    /// Whether it is final.
    pub(super) closed: bool,
}

/// Candles, oldest first.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page {
    /// The market in the gateway's spelling.
    pub(super) symbol: String,
    pub(super) exchange: String,
    pub(super) candles: Vec<Bar>,
    /// The smaller timeframe that they were computed from.
    pub(super) derived: Option<String>,
    /// Path and query of the next page; the inner `None` says that this is the last one, the
    /// outer one that the gateway does not say.
    #[serde(default, deserialize_with = "told")]
    pub(super) next: Option<Option<String>>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMs, D::Error> {
    i64::deserialize(deserializer).map(UnixMs::from_millis)
}

fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

impl Page {
    /// Reads an answer of status 200.
    pub(super) fn of(reply: &Reply) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&reply.body)
    }
}

/// True if a call to the exchange was made for this answer: it was neither held in memory or on
/// disk nor brought by a call that somebody else had made.
pub(super) fn cost_a_call(reply: &Reply) -> bool {
    let says = |word: &str| reply.cache_status.contains(word);
    says("fwd=") && !says("collapsed") && !says("detail=store")
}

/// Path and query of a request for candles.
pub(super) struct Query(String);

impl Query {
    pub(super) fn new(symbol: &str, timeframe: Timeframe, limit: u32) -> Self {
        let symbol = utf8_percent_encode(symbol, NON_ALPHANUMERIC);
        Self(format!("/api/market-data/ohlcv/{symbol}?timeframe={timeframe}&limit={limit}"))
    }

    /// With a further parameter, if there is one.
    pub(super) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            let value = value.to_string();
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            self.0.push_str(&format!("&{name}={value}"));
        }
        self
    }

    pub(super) fn path(self) -> String {
        self.0
    }
}
