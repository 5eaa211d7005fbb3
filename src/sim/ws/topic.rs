//! What can be subscribed to.

use serde_json::{Map, Value, json};

use crate::sim::{
    engine::{Instrument, MarketEngine},
    key::CandleKey,
    rest::precision_digits,
};

use super::request::Fields;

/// What a channel is about. Equal topics are duplicates on one connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Topic {
    Ticker { symbol: String },
    Trades { symbol: String },
    Book { symbol: String, precision: String, frequency: String, len: usize },
    Candles { key: String, series: CandleKey },
    Status { key: String, symbol: String },
}

/// Why a subscription fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadTopic {
    /// 10300 and this text.
    Invalid(&'static str),
    /// The exchange does not answer.
    Silence,
}

impl Topic {
    pub(super) fn parse(engine: &MarketEngine, fields: &Fields) -> Result<Self, BadTopic> {
        let symbol = || symbol(engine, fields).ok_or(BadTopic::Invalid("symbol: invalid"));
        match fields.text("channel") {
            Some("ticker") => Ok(Self::Ticker { symbol: symbol()? }),
            Some("trades") => Ok(Self::Trades { symbol: symbol()? }),
            Some("book") => {
                let (symbol, precision) = (symbol()?, fields.text("prec").unwrap_or("P0"));
                precision_digits(precision).ok_or(BadTopic::Invalid("precision: invalid"))?;
                let frequency = fields.text("freq").unwrap_or("F0");
                if !matches!(frequency, "F0" | "F1") {
                    return Err(BadTopic::Invalid("freq: invalid"));
                }
                let len = match (fields.0.contains_key("len"), fields.int("len")) {
                    (false, _) => 25,
                    (true, Some(len @ (1 | 25 | 100 | 250))) => len as usize,
                    _ => return Err(BadTopic::Invalid("length: invalid")),
                };
                let (precision, frequency) = (precision.to_owned(), frequency.to_owned());
                Ok(Self::Book { symbol, precision, frequency, len })
            }
            Some("candles") => {
                let key = fields.text("key").ok_or(BadTopic::Invalid("key: invalid"))?;
                let series = CandleKey::parse(key).ok().filter(|series| series.is_listed(engine));
                let series = series.ok_or(BadTopic::Invalid("key: invalid"))?;
                Ok(Self::Candles { key: key.to_owned(), series })
            }
            Some("status") => {
                let key = fields.text("key").ok_or(BadTopic::Silence)?;
                let symbol = key.strip_prefix("deriv:").ok_or(BadTopic::Silence)?;
                let found = engine.find(symbol).filter(|one| one.is_perpetual());
                let symbol = found.ok_or(BadTopic::Silence)?.symbol().to_owned();
                Ok(Self::Status { key: key.to_owned(), symbol })
            }
            _ => Err(BadTopic::Invalid("channel: unknown")),
        }
    }

    pub(super) const fn channel(&self) -> &'static str {
        match self {
            Self::Ticker { .. } => "ticker",
            Self::Trades { .. } => "trades",
            Self::Book { .. } => "book",
            Self::Candles { .. } => "candles",
            Self::Status { .. } => "status",
        }
    }

    pub(super) fn symbol(&self) -> &str {
        match self {
            Self::Ticker { symbol }
            | Self::Trades { symbol }
            | Self::Book { symbol, .. }
            | Self::Status { symbol, .. } => symbol,
            Self::Candles { series, .. } => &series.symbol,
        }
    }

    pub(super) fn instrument<'a>(&self, engine: &'a MarketEngine) -> &'a Instrument {
        engine
            .find(self.symbol())
            .expect("a topic is made of a listed symbol, and none is delisted")
    }

    /// The acknowledgement; `sub_id` is repeated if it was sent.
    pub(super) fn ack(&self, id: i64, sub_id: Option<&Value>) -> String {
        let mut ack = Map::new();
        let mut put = |name: &str, value: Value| ack.insert(name.to_owned(), value);
        put("event", json!("subscribed"));
        put("channel", json!(self.channel()));
        put("chanId", json!(id));
        match self {
            Self::Candles { key, .. } | Self::Status { key, .. } => {
                put("key", json!(key));
            }
            Self::Ticker { symbol } | Self::Trades { symbol } | Self::Book { symbol, .. } => {
                put("symbol", json!(symbol));
            }
        }
        if let Self::Book { precision, frequency, len, .. } = self {
            put("prec", json!(precision));
            put("freq", json!(frequency));
            put("len", json!(len.to_string()));
        }
        if let Some(sub_id) = sub_id {
            put("subId", sub_id.clone());
        }
        if let Self::Ticker { symbol } | Self::Trades { symbol } | Self::Book { symbol, .. } = self
        {
            let kind = if symbol.starts_with('f') { "currency" } else { "pair" };
            put(kind, json!(&symbol[1..]));
        }
        Value::Object(ack).to_string()
    }
}

/// The exchange takes a pair's name without its `t` too.
fn symbol(engine: &MarketEngine, fields: &Fields) -> Option<String> {
    let given = fields.text("symbol")?;
    let find = |name: &str| engine.find(name).map(|one| one.symbol().to_owned());
    find(given).or_else(|| find(&format!("t{given}")))
}
