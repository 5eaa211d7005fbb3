//! `/ohlcv/{symbol}`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, Response, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::page;
use crate::{
    api::{
        answer::{Format, Heading, Text, header_value},
        frames::{self, Frame, Origin},
        params::{CANDLES, CANDLES_LIMIT, EXCHANGE, EXPLAIN, Kind, Param, Params, TIMEFRAME},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Candle, Number, Symbol, Timeframe, UnixMs},
    service::{CandleView, Candles, Due},
    telemetry::Endpoint,
};

const DERIVED: HeaderName = HeaderName::from_static("x-tidegate-derived");
const LAST_DUE: HeaderName = HeaderName::from_static("x-tidegate-last-due");

/// One candle. A bucket in which nothing was traded has none, or an empty one where the exchange
/// fills it.
#[derive(Serialize, ToSchema)]
#[schema(as = Candle)]
pub(crate) struct CandleBody<'a> {
    /// When the bucket opens, in Unix milliseconds.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(value_type = f64)]
    open: &'a Number,
    #[schema(value_type = f64)]
    high: &'a Number,
    #[schema(value_type = f64)]
    low: &'a Number,
    #[schema(value_type = f64)]
    close: &'a Number,
    #[schema(value_type = f64)]
    volume: &'a Number,
    /// Whether the bucket was over, and two seconds with it, before the request that brought this
    /// candle was sent.
    closed: bool,
    /// Nothing was traded in the bucket, which the exchange fills with the close before; left out
    /// where something was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty: bool,
}

impl<'a> CandleBody<'a> {
    pub(crate) fn new(candle: &'a Candle, closed: bool) -> Self {
        let Candle { open_time, open, high, low, close, volume, .. } = candle;
        let (timestamp, empty) = (*open_time, candle.is_empty());
        Self { timestamp, open, high, low, close, volume, closed, empty }
    }
}

/// Candles, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Candles)]
pub(crate) struct CandlesBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    #[schema(example = "5m")]
    timeframe: &'a str,
    candles: CandleList<'a>,
}

impl<'a> CandlesBody<'a> {
    /// Every candle as an object.
    pub(crate) fn objects(
        (symbol, exchange): (&'a Symbol, &'a str),
        timeframe: &'a str,
        candles: Vec<CandleBody<'a>>,
    ) -> Self {
        Self { symbol, exchange, timeframe, candles: CandleList::Objects(candles) }
    }
}

/// Candles, and what there is to know about the answer.
#[derive(Serialize, ToSchema)]
#[schema(as = CandlesPage)]
pub(crate) struct PageBody<'a> {
    #[serde(flatten)]
    candles: CandlesBody<'a>,
    /// Path and query of the next page, where the range that was asked for holds more.
    #[schema(example = "/api/market-data/ohlcv/BTC/USD?since=1795360200000&limit=2")]
    next: Option<&'a str>,
    /// The narrower timeframe that they were computed from: where the exchange does not offer this
    /// one, or where it saved a request.
    #[schema(example = "1h")]
    derived: Option<&'static str>,
    /// What becomes of buckets in which nothing was traded: `left_out`, or `filled` with candles
    /// that are marked `empty`.
    #[schema(example = "left_out")]
    empty_buckets: &'static str,
    /// Told where `wait_final` was given: the last candle of those asked for whose bucket was over
    /// when the request came; `null` where no such bucket was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DueBody>)]
    last_due: Option<Option<DueBody>>,
}

/// What has become of a candle that was due.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = DueCandle)]
pub(crate) struct DueBody {
    /// When its bucket opened, in Unix milliseconds.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    /// `final`; `empty` where nothing was traded, so that there will be none; `pending` where
    /// neither is known yet.
    #[schema(example = "final")]
    state: &'static str,
}

impl From<Due> for DueBody {
    fn from(due: Due) -> Self {
        Self { timestamp: due.open_time, state: due.state.as_str() }
    }
}

/// Each candle as an object, or with `format=arrays` as
/// `[timestamp, open, high, low, close, volume]`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CandleList)]
enum CandleList<'a> {
    Objects(Vec<CandleBody<'a>>),
    #[schema(value_type = Vec<(i64, f64, f64, f64, f64, f64)>)]
    Arrays(Vec<[Number; 6]>),
}

/// The form of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Objects,
    Arrays,
    Frame(Frame),
}

/// Every candle as an object.
pub(crate) fn objects(candles: &Candles) -> Vec<CandleBody<'_>> {
    let rows = candles.rows().iter();
    rows.map(|candle| CandleBody::new(candle, candles.is_closed(candle))).collect()
}

/// The query parameters of candles.
pub(crate) const PARAMS: [Param; 9] = [
    TIMEFRAME,
    CANDLES_LIMIT,
    Param::new(
        "since",
        "Candles that open here or later, the first `limit` of them; without it, the newest ones. A \
         time before those that an exchange tells (`candle_history` of `/exchanges`) is a 501, unless \
         they are held.",
        Kind::Time,
    ),
    Param::new("until", "Candles that open here or earlier.", Kind::Time),
    Param::new(
        "format",
        "`arrays` gives each candle as `[timestamp, open, high, low, close, volume]`, `csv` a \
         table with a line of headings, `arrow` (an IPC stream) and `parquet` a data frame: \
         `timestamp` in UTC is its index in pandas, and numbers are the nearest doubles.",
        Kind::Choice(&["objects", "arrays", "csv", "arrow", "parquet"]),
    ),
    Param::new(
        "closed_only",
        "Leaves out what may still change: the candle whose bucket has not ended, or ended less \
         than two seconds ago.",
        Kind::Flag,
    ),
    Param::new(
        "wait_final",
        "Holds the answer for at most so many milliseconds, until the last candle that is due \
         when the request comes is final, or it is known that nothing was traded in its bucket. \
         `last_due` and the header `X-Tidegate-Last-Due` tell which.",
        Kind::Wait,
    ),
    EXCHANGE,
    EXPLAIN,
];

/// What is asked for, in which form, and how long it is waited for.
pub(crate) fn view(
    params: &Params,
    reader: &Reader,
) -> Result<(CandleView, Shape, Option<Duration>), Problem> {
    const SHAPES: [(&str, Shape); 5] = [
        ("objects", Shape::Objects),
        ("arrays", Shape::Arrays),
        ("csv", Shape::Frame(Frame::Csv)),
        ("arrow", Shape::Frame(Frame::Arrow)),
        ("parquet", Shape::Frame(Frame::Parquet)),
    ];
    let shape = params.choice("format", &SHAPES)?;
    let view = CandleView {
        timeframe: params.timeframe()?,
        limit: params.limit(CANDLES)?,
        since: params.time("since")?,
        until: params.time("until")?,
        closed_only: params.flag("closed_only")?,
    };
    let wait = params.wait("wait_final", reader.config.now().server.request_deadline)?;
    Ok((view, shape, wait))
}

/// Candles of one market, oldest first. A bucket in which nothing was traded has none, or one that is
/// marked `empty`, as the exchange has it (`empty_buckets`).
#[utoipa::path(
    get,
    path = "/api/market-data/ohlcv/{symbol}",
    operation_id = "ohlcv",
    tag = "Market data",
    responses((
        status = 200,
        description = "The candles, in the form that `format` asks for",
        content((PageBody = "application/json"), (String = "text/csv"))
    ))
)]
pub(crate) async fn ohlcv(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let (view, shape, wait) = view(&params, &reader)?;
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let (candles, due) = match wait {
        None => (desk.candles.get(&market, view, asked.ask).await?, None),
        Some(wait) => {
            let (candles, due) = desk.candles.get_final(&market, view, wait, asked.ask).await?;
            (candles, Some(due.map(DueBody::from)))
        }
    };
    let next = candles.rest().map(|rest| page::next(asked.path(), asked.query(), rest));
    let derived = candles.derived().map(Timeframe::as_str);
    let format = match shape {
        Shape::Objects | Shape::Arrays => Format::Json,
        Shape::Frame(frame) => frame.format(),
    };
    let heading = Heading { format, notes: notes(next.as_deref(), derived, due) };
    let parts = ([candles.stamp().clone()].into_iter().collect(), candles.outcome());
    let (symbol, exchange, timeframe) =
        (&market.symbol, desk.shelf.name(), view.timeframe.as_str());
    let page = |list| {
        let candles = CandlesBody { symbol, exchange, timeframe, candles: list };
        let next = next.as_deref();
        let empty_buckets = desk.shelf.exchange.profile().empty_buckets.as_str();
        let body = PageBody { candles, next, derived, empty_buckets, last_due: due };
        Text::Fixed(json(&body).into())
    };
    let encode = || match shape {
        Shape::Objects => page(CandleList::Objects(objects(&candles))),
        Shape::Arrays => {
            let array = |candle: &Candle| {
                let at = Number::from(candle.open_time.millis());
                let Candle { open, high, low, close, volume, .. } = candle.clone();
                [at, open, high, low, close, volume]
            };
            page(CandleList::Arrays(candles.rows().iter().map(array).collect()))
        }
        Shape::Frame(frame) => {
            let origin = Origin { symbol, exchange, timeframe: Some(timeframe) };
            frames::candles(frame, origin, candles.rows(), |candle| candles.is_closed(candle))
        }
    };
    // Neither kept: the next request is to wait for itself, and is to find what is missing here.
    let is_cut_short = candles.rest().is_some() && candles.rows().len() < view.limit as usize;
    if due.is_some() || is_cut_short {
        return Ok(asked.reply_unkept(&reader, Endpoint::Ohlcv, parts, heading, encode()));
    }
    Ok(asked.reply(&reader, Endpoint::Ohlcv, parts, heading, encode))
}

/// What headers say about an answer, whatever its format.
fn notes(
    next: Option<&str>,
    derived: Option<&str>,
    due: Option<Option<DueBody>>,
) -> Vec<(HeaderName, HeaderValue)> {
    let next = next.map(|next| (header::LINK, format!("<{next}>; rel=\"next\"")));
    let derived = derived.map(|derived| (DERIVED, derived.to_owned()));
    // What was due when one request came is not to be told to another, by whatever cache.
    let once = due.map(|_| (header::CACHE_CONTROL, "no-cache".to_owned()));
    let due = due
        .flatten()
        .map(|DueBody { timestamp, state }| (LAST_DUE, format!("{}; {state}", timestamp.millis())));
    let notes = [next, derived, once, due].into_iter().flatten();
    notes.map(|(name, text)| (name, header_value(&text))).collect()
}
