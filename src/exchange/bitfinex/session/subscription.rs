//! Subscriptions in the exchange's own terms.

use compact_str::{CompactString, format_compact};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    exchange::{
        NativeStream, Stream, Topic,
        bitfinex::{
            PROFILE,
            native::{BadNative, is_symbol, split_candles},
            profile::timeframe_name,
        },
    },
    market::{Precision, Timeframe},
};

/// What `subscribe` asks for and what its answers repeat: the parameters that say which channel
/// (docs.bitfinex.com/docs/ws-public, 2025-11).
///
/// It is read from a whole `subscribe`, `subscribed` or `error` message; other fields are
/// ignored, numbers become their text, anything else an empty text, which no check lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// `ticker`, `trades`, `book`, `candles` or `status`.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub channel: Option<CompactString>,
    /// `tBTCUSD`, `fUSD`; of a pair also without the `t`.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub symbol: Option<CompactString>,
    /// Stands for the symbol where that is missing (`BTCUSD`).
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub pair: Option<CompactString>,
    /// Of a book: `P0` (which it is by default) to `P4`, `R0`.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub prec: Option<CompactString>,
    /// Of a book: `F0`, at once (which it is by default); `F1`, every two seconds.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub freq: Option<CompactString>,
    /// Of a book: levels a side, by default 25.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub len: Option<CompactString>,
    /// Of candles and statuses: `trade:1m:tBTCUSD`, `deriv:tBTCF0:USTF0`.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub key: Option<CompactString>,
}

/// A channel's parameters, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    Ticker { symbol: CompactString },
    Trades { symbol: CompactString },
    Book { symbol: CompactString, aggregation: Aggregation, slow: bool, depth: u32 },
    Candles { key: CompactString, timeframe: Option<Timeframe> },
    Status { key: CompactString },
}

/// How the rows of a book are made from orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregation {
    Levels(Precision),
    Orders,
}

impl Aggregation {
    fn parse(text: &str) -> Option<Self> {
        if text == "R0" { Some(Self::Orders) } else { text.parse().ok().map(Self::Levels) }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Levels(precision) => precision.as_str(),
            Self::Orders => "R0",
        }
    }
}

/// True for a funding currency, whose rows have other columns than a pair's.
pub(super) fn is_funding(symbol: &str) -> bool {
    symbol.starts_with('f')
}

impl Subscription {
    /// The topic that these parameters mean: unified where one means the same, native else.
    /// Subscriptions that bring the same have equal topics.
    ///
    /// # Errors
    /// The exchange would refuse them, in its own words and with its own number (as seen
    /// 2026-09): 10300 with `channel: unknown`, or `symbol`, `precision`, `length`, `freq`, `key`
    /// and `: invalid`.
    pub fn topic(&self) -> Result<Topic, BadNative> {
        Ok(match self.parts()? {
            Parts::Ticker { symbol } if !is_funding(&symbol) => {
                Topic { id: symbol, stream: Stream::Ticker }
            }
            Parts::Trades { symbol } if !is_funding(&symbol) => {
                Topic { id: symbol, stream: Stream::Trades }
            }
            Parts::Book {
                symbol,
                aggregation: Aggregation::Levels(precision),
                slow: false,
                depth,
            } if !is_funding(&symbol) => {
                Topic { id: symbol, stream: Stream::Book { precision, depth } }
            }
            Parts::Candles { key, timeframe: Some(timeframe) } => {
                let (_, market) = split_candles(&key).map_err(|_| bad("key: invalid"))?;
                Topic { id: market.into(), stream: Stream::Candles(timeframe) }
            }
            Parts::Ticker { symbol } => native(symbol, "ticker"),
            Parts::Trades { symbol } => native(symbol, "trades"),
            Parts::Book { symbol, aggregation, slow, depth } => {
                let freq = if slow { "F1" } else { "F0" };
                native(symbol, format_compact!("book {} {freq} {depth}", aggregation.as_str()))
            }
            Parts::Candles { key, timeframe: None } => native(key, "candles"),
            Parts::Status { key } => native(key, "status"),
        })
    }

    /// What has to be asked for to follow `topic`; `None` if this exchange has no such channel.
    pub fn of(topic: &Topic) -> Option<Self> {
        let id = || Some(topic.id.clone());
        let on = |channel: &str| Self { channel: Some(channel.into()), ..Self::default() };
        let book = |prec: &str, freq: &str, len: CompactString| Self {
            symbol: id(),
            prec: Some(prec.into()),
            freq: Some(freq.into()),
            len: Some(len),
            ..on("book")
        };
        Some(match &topic.stream {
            Stream::Ticker => Self { symbol: id(), ..on("ticker") },
            Stream::Trades => Self { symbol: id(), ..on("trades") },
            Stream::Book { precision, depth } => {
                book(precision.as_str(), "F0", format_compact!("{depth}"))
            }
            Stream::Candles(timeframe) => {
                let key = format_compact!("trade:{}:{}", timeframe_name(*timeframe), topic.id);
                Self { key: Some(key), ..on("candles") }
            }
            Stream::Native(native) => match native.as_str() {
                channel @ ("ticker" | "trades") => Self { symbol: id(), ..on(channel) },
                channel @ ("candles" | "status") => Self { key: id(), ..on(channel) },
                text => {
                    let mut words = text.strip_prefix("book ")?.split(' ');
                    book(words.next()?, words.next()?, words.next()?.into())
                }
            },
        })
    }

    /// The message that asks for it. `sub_id` comes back in the answer.
    pub fn message(&self, sub_id: u64) -> String {
        #[derive(Serialize)]
        struct Subscribe<'a> {
            event: &'a str,
            #[serde(flatten)]
            subscription: &'a Subscription,
            #[serde(rename = "subId")]
            sub_id: u64,
        }
        serde_json::to_string(&Subscribe { event: "subscribe", subscription: self, sub_id })
            .expect("texts and a number are JSON")
    }

    pub(super) fn parts(&self) -> Result<Parts, BadNative> {
        match self.channel.as_deref() {
            Some("ticker") => Ok(Parts::Ticker { symbol: self.checked_symbol()? }),
            Some("trades") => Ok(Parts::Trades { symbol: self.checked_symbol()? }),
            Some("book") => {
                let symbol = self.checked_symbol()?;
                let aggregation = Aggregation::parse(self.prec.as_deref().unwrap_or("P0"))
                    .ok_or_else(|| bad("precision: invalid"))?;
                let slow = match self.freq.as_deref() {
                    None | Some("F0") => false,
                    Some("F1") => true,
                    Some(_) => return Err(bad("freq: invalid")),
                };
                let depth = self.len.as_deref().unwrap_or("25").parse().ok();
                let depth = depth
                    .filter(|depth| PROFILE.book_depths.contains(depth))
                    .ok_or_else(|| bad("length: invalid"))?;
                Ok(Parts::Book { symbol, aggregation, slow, depth })
            }
            Some("candles") => {
                let key = self.key.clone().ok_or_else(|| bad("key: invalid"))?;
                let (width, market) = split_candles(&key).map_err(|_| bad("key: invalid"))?;
                let offered = |timeframe: &Timeframe| PROFILE.timeframes.contains(timeframe);
                let unified = width.parse().ok().filter(offered);
                let timeframe = unified.filter(|_| !is_funding(market));
                Ok(Parts::Candles { key, timeframe })
            }
            Some("status") => {
                let is_swap = |symbol: &str| is_symbol(symbol) && symbol.starts_with('t');
                let key = self.key.clone();
                key.filter(|key| key.strip_prefix("deriv:").is_some_and(is_swap))
                    .map(|key| Parts::Status { key })
                    .ok_or_else(|| bad("key: invalid"))
            }
            _ => Err(bad("channel: unknown")),
        }
    }

    fn checked_symbol(&self) -> Result<CompactString, BadNative> {
        let text = self.symbol.as_ref().or(self.pair.as_ref());
        let text = text.ok_or_else(|| bad("symbol: invalid"))?;
        if is_symbol(text) {
            return Ok(text.clone());
        }
        let of_pair = format_compact!("t{text}");
        if is_symbol(&of_pair) { Ok(of_pair) } else { Err(bad("symbol: invalid")) }
    }
}

fn bad(message: &str) -> BadNative {
    BadNative::subscription(message)
}

fn native(id: CompactString, text: impl Into<CompactString>) -> Topic {
    Topic { id, stream: Stream::Native(NativeStream::new(text)) }
}

/// A text, a number as its text, `null` as nothing, anything else as an empty text.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CompactString>, D::Error> {
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = Option<CompactString>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a value")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.into()))
        }

        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(format_compact!("{number}")))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(format_compact!("{number}")))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Some(CompactString::default()))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Some(CompactString::default()))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Some(CompactString::default()))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Some(CompactString::default()))
        }
    }

    deserializer.deserialize_any(Text)
}

#[cfg(test)]
#[path = "tests/subscription.rs"]
mod tests;
