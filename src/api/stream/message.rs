//! What clients are told about a topic: one JSON text for server-sent events and WebSocket alike.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::{
    api::{
        market_data::{
            ohlcv::{CandleBody, CandlesBody},
            orderbook::BookBody,
            ticker::TickerBody,
            trades::TradeBody,
        },
        reader::json,
    },
    exchange::Report,
    feed::{Mode, News, Shown, Update},
    market::{BookSide, Change, Channel, Listing, Number, Symbol, UnixMs},
    service::FOLLOWED_DEPTH,
};

/// What a topic is to clients.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) exchange: &'static str,
    pub(super) market: Arc<Listing>,
    pub(super) channel: Channel,
}

/// How a topic is fed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ModeBody {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl From<Mode> for ModeBody {
    fn from(mode: Mode) -> Self {
        let reason = match mode {
            Mode::Stale(lapse) => Some(lapse.as_str()),
            _ => None,
        };
        Self { mode: name(mode), reason }
    }
}

/// What every message about a topic begins with, and the rest of it.
#[derive(Serialize)]
struct Message<'a, T> {
    r#type: &'static str,
    channel: String,
    symbol: &'a Symbol,
    exchange: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    id: &'a str,
    /// When it was received, by the gateway's clock.
    timestamp: UnixMs,
    datetime: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct SnapshotBody<T> {
    #[serde(flatten)]
    mode: ModeBody,
    source: Option<&'static str>,
    data: T,
}

#[derive(Serialize)]
struct UpdateBody<T> {
    source: Option<&'static str>,
    data: T,
}

#[derive(Serialize)]
struct LevelsBody<'a> {
    bids: Vec<[&'a Number; 2]>,
    asks: Vec<[&'a Number; 2]>,
}

#[derive(Serialize)]
struct GapBody {
    after: UnixMs,
    before: UnixMs,
}

#[derive(Serialize)]
struct ReasonBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct SkippedBody {
    count: u64,
    #[serde(flatten)]
    mode: ModeBody,
}

/// The name of the message that tells an update; `None` for what these clients are not told.
pub(super) fn event(news: &News) -> Option<&'static str> {
    match news {
        News::Snapshot(Shown::Row(_))
        | News::Trade(_, Report::Confirmed)
        | News::Checked(_)
        | News::Row(_) => None,
        News::Snapshot(_) => Some("snapshot"),
        News::Ticker(_) | News::Trade(..) | News::Levels(_) | News::Candle(..) => Some("update"),
        News::Gap(_) => Some("gap"),
        News::Mode(mode) => Some(name(*mode)),
    }
}

/// The text of an update that has an [`event`]; `id` is where a client goes on from after it.
pub(super) fn text(subject: &Subject, update: &Update, id: &str) -> Bytes {
    let telling = Telling { subject, update, id };
    let Subject { exchange, market, channel } = subject;
    let (symbol, exchange) = (&market.symbol, *exchange);
    match &update.news {
        News::Snapshot(Shown::Ticker(ticker)) => {
            telling.snapshot(TickerBody::new(symbol, ticker, update.received_at))
        }
        News::Snapshot(Shown::Trades(trades)) => {
            let bodies: Vec<_> = trades.iter().map(|trade| TradeBody::new(symbol, trade)).collect();
            telling.snapshot(bodies)
        }
        News::Snapshot(Shown::Book(book)) => {
            let received_at = update.received_at;
            telling.snapshot(BookBody::new(symbol, exchange, book, FOLLOWED_DEPTH, received_at))
        }
        News::Snapshot(Shown::Candles(candles)) => {
            let bodies = candles.iter().map(|(candle, closed)| CandleBody::new(candle, *closed));
            let width = match channel {
                Channel::Ohlcv(timeframe) => timeframe.as_str(),
                _ => "",
            };
            telling.snapshot(CandlesBody::objects((symbol, exchange), width, bodies.collect()))
        }
        News::Ticker(ticker) => telling.update(TickerBody::new(symbol, ticker, update.received_at)),
        News::Trade(trade, _) => telling.update(TradeBody::new(symbol, trade)),
        News::Levels(changes) => telling.levels(changes),
        News::Candle(candle, closed) => telling.update(CandleBody::new(candle, *closed)),
        News::Gap(gap) => telling.told("gap", GapBody { after: gap.after, before: gap.before }),
        News::Mode(mode) => {
            telling.told(name(*mode), ReasonBody { reason: ModeBody::from(*mode).reason })
        }
        News::Snapshot(Shown::Row(_)) | News::Row(_) | News::Checked(_) => Bytes::new(),
    }
}

/// The text about trades that a client was too slow for.
pub(super) fn skipped(
    subject: &Subject,
    (count, mode): (u64, Mode),
    id: &str,
    now: UnixMs,
) -> Bytes {
    message("skipped", subject, (None, id, now), SkippedBody { count, mode: mode.into() })
}

struct Telling<'a> {
    subject: &'a Subject,
    update: &'a Update,
    id: &'a str,
}

impl Telling<'_> {
    fn told(&self, event: &'static str, rest: impl Serialize) -> Bytes {
        let Update { seq, received_at, .. } = *self.update;
        message(event, self.subject, (Some(seq), self.id, received_at), rest)
    }

    fn snapshot(&self, data: impl Serialize) -> Bytes {
        let (mode, source) = (self.update.mode.into(), source(self.update.mode));
        self.told("snapshot", SnapshotBody { mode, source, data })
    }

    fn update(&self, data: impl Serialize) -> Bytes {
        self.told("update", UpdateBody { source: source(self.update.mode), data })
    }

    fn levels(&self, changes: &[Change]) -> Bytes {
        let gone = Number::from(0);
        let side = |side: BookSide| {
            let of_side = changes.iter().filter(|change| change.side == side);
            of_side.map(|it| [&it.price, it.amount.as_ref().unwrap_or(&gone)]).collect()
        };
        self.update(LevelsBody { bids: side(BookSide::Bid), asks: side(BookSide::Ask) })
    }
}

fn message(
    event: &'static str,
    subject: &Subject,
    (seq, id, timestamp): (Option<u64>, &str, UnixMs),
    rest: impl Serialize,
) -> Bytes {
    let Subject { exchange, market, channel } = subject;
    let message = Message {
        r#type: event,
        channel: channel.to_string(),
        symbol: &market.symbol,
        exchange,
        seq,
        id,
        timestamp,
        datetime: timestamp.iso(),
        rest,
    };
    json(&message).into()
}

const fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Starting => "starting",
        Mode::Live => "live",
        Mode::Polled => "polled",
        Mode::Stale(_) => "stale",
    }
}

/// Where data of a topic comes from; not known of what is told while it is not fed.
const fn source(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Live => Some("stream"),
        Mode::Polled => Some("rest"),
        Mode::Starting | Mode::Stale(_) => None,
    }
}
