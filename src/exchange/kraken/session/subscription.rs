//! What channels are called.

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::message::About;
use crate::{
    exchange::{Stream, Topic, json::Name, kraken::PROFILE},
    market::{Precision, Timeframe},
};

/// What tells apart the channels of one socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) symbol: CompactString,
}

/// Kinds of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ticker,
    Trade,
    Book,
    Ohlc(Timeframe),
}

impl Key {
    /// The channel of a topic; `None`: the exchange has none.
    pub(super) fn of(topic: &Topic) -> Option<Self> {
        let kind = match &topic.stream {
            Stream::Ticker => Kind::Ticker,
            Stream::Trades => Kind::Trade,
            Stream::Book { precision: Precision::P0, depth }
                if PROFILE.live.book_depths.contains(depth) =>
            {
                Kind::Book
            }
            Stream::Candles(timeframe) if PROFILE.live.timeframes.contains(timeframe) => {
                Kind::Ohlc(*timeframe)
            }
            Stream::Book { .. } | Stream::Candles(_) | Stream::Native(_) => return None,
        };
        Some(Self { kind, symbol: topic.id.clone() })
    }

    /// The channel that data or an answer name; `None`: none of this session's.
    fn named(channel: &str, symbol: &str, interval: Option<u64>) -> Option<Self> {
        let kind = match channel {
            "ticker" => Kind::Ticker,
            "trade" => Kind::Trade,
            "book" => Kind::Book,
            "ohlc" => {
                let of = |timeframe: &&Timeframe| Some(minutes(**timeframe)) == interval;
                Kind::Ohlc(*PROFILE.live.timeframes.iter().find(of)?)
            }
            _ => return None,
        };
        Some(Self { kind, symbol: symbol.into() })
    }

    /// The channel that a row of data is of; `None`: none of this session's.
    pub(super) fn of_row(channel: &str, row: &RawValue) -> serde_json::Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Owner<'a> {
            #[serde(borrow)]
            symbol: Name<'a>,
            interval: Option<u64>,
        }

        if !["ticker", "trade", "book", "ohlc"].contains(&channel) {
            return Ok(None);
        }
        let owner: Owner<'_> = serde_json::from_str(row.get())?;
        Ok(Self::named(channel, &owner.symbol.0, owner.interval))
    }

    /// The channel that an answer is about, and its depth if it is a book's.
    pub(super) fn about(about: &About<'_>) -> Option<(Self, Option<u32>)> {
        let (channel, symbol) = (about.channel.as_ref()?, about.symbol.as_ref()?);
        Some((Self::named(&channel.0, &symbol.0, about.interval)?, about.depth))
    }

    /// The request to open or close the channel. `depth` is that of a book, whose closing has to
    /// name it too.
    pub(super) fn request(&self, method: &str, depth: Option<u32>, req_id: u64) -> String {
        let mut params = json!({ "channel": self.kind.channel(), "symbol": [self.symbol] });
        let mut set = |name: &str, value: serde_json::Value| params[name] = value;
        match self.kind {
            Kind::Ticker => set("event_trigger", "bbo".into()),
            Kind::Trade => {}
            Kind::Book => set("depth", depth.into()),
            Kind::Ohlc(timeframe) => set("interval", minutes(timeframe).into()),
        }
        if method == "subscribe" {
            set("snapshot", true.into());
        }
        json!({ "method": method, "params": params, "req_id": req_id }).to_string()
    }
}

impl Kind {
    fn channel(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Trade => "trade",
            Self::Book => "book",
            Self::Ohlc(_) => "ohlc",
        }
    }
}

/// The depth of a book's channel.
pub(super) fn depth(topic: &Topic) -> Option<u32> {
    match topic.stream {
        Stream::Book { depth, .. } => Some(depth),
        _ => None,
    }
}

fn minutes(timeframe: Timeframe) -> u64 {
    timeframe.fixed().map_or(0, |width| width.as_secs() / 60)
}
