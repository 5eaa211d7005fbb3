//! `/ohlcv/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        frames::{self, Frame, Origin},
        params::{CANDLES, CANDLES_LIMIT, EXCHANGE, Kind, Param, TIMEFRAME},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Candle, Number, Symbol, UnixMs},
    service::{CandleView, Candles},
    telemetry::Endpoint,
};

/// One candle. A bucket in which nothing was traded has none.
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
    /// Whether the bucket had ended when this candle was received.
    closed: bool,
}

impl<'a> CandleBody<'a> {
    pub(crate) fn new(candle: &'a Candle, closed: bool) -> Self {
        let Candle { open_time, open, high, low, close, volume, .. } = candle;
        Self { timestamp: *open_time, open, high, low, close, volume, closed }
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

#[derive(Clone, Copy)]
enum Shape {
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
pub(crate) const PARAMS: [Param; 7] = [
    TIMEFRAME,
    CANDLES_LIMIT,
    Param::new(
        "since",
        "Candles that open here or later, the first `limit` of them; without it, the newest ones.",
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
    Param::new("closed_only", "Leaves out the candle whose bucket has not ended.", Kind::Flag),
    EXCHANGE,
];

/// Candles of one market, oldest first. A bucket in which nothing was traded has none.
#[utoipa::path(
    get,
    path = "/api/market-data/ohlcv/{symbol}",
    operation_id = "ohlcv",
    tag = "Market data",
    responses((
        status = 200,
        description = "The candles, in the form that `format` asks for",
        content((CandlesBody = "application/json"), (String = "text/csv"))
    ))
)]
pub(crate) async fn ohlcv(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    const SHAPES: [(&str, Shape); 5] = [
        ("objects", Shape::Objects),
        ("arrays", Shape::Arrays),
        ("csv", Shape::Frame(Frame::Csv)),
        ("arrow", Shape::Frame(Frame::Arrow)),
        ("parquet", Shape::Frame(Frame::Parquet)),
    ];
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let shape = params.choice("format", &SHAPES)?;
    let view = CandleView {
        timeframe: params.timeframe()?,
        limit: params.limit(CANDLES)?,
        since: params.time("since")?,
        until: params.time("until")?,
        closed_only: params.flag("closed_only")?,
    };
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let candles = desk.candles.get(&market, view, asked.ask).await?;
    let parts = ([candles.stamp().clone()].into_iter().collect(), candles.outcome());
    let (symbol, exchange, timeframe) =
        (&market.symbol, desk.shelf.name(), view.timeframe.as_str());
    let encode = || match shape {
        Shape::Objects => {
            let candles = objects(&candles);
            Text::Fixed(json(&CandlesBody::objects((symbol, exchange), timeframe, candles)).into())
        }
        Shape::Arrays => {
            let array = |candle: &Candle| {
                let at = Number::from(candle.open_time.millis());
                let Candle { open, high, low, close, volume, .. } = candle.clone();
                [at, open, high, low, close, volume]
            };
            let candles = CandleList::Arrays(candles.rows().iter().map(array).collect());
            Text::Fixed(json(&CandlesBody { symbol, exchange, timeframe, candles }).into())
        }
        Shape::Frame(frame) => {
            let origin = Origin { symbol, exchange, timeframe: Some(timeframe) };
            frames::candles(frame, origin, candles.rows(), |candle| candles.is_closed(candle))
        }
    };
    let format = match shape {
        Shape::Objects | Shape::Arrays => Format::Json,
        Shape::Frame(frame) => frame.format(),
    };
    Ok(asked.reply(&reader, Endpoint::Ohlcv, parts, format, encode))
}
