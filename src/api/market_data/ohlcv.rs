//! `/ohlcv/{symbol}`.

use std::{fmt::Write as _, sync::Arc};

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
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
    fn new(candle: &'a Candle, closed: bool) -> Self {
        let Candle { open_time, open, high, low, close, volume, .. } = candle;
        Self { timestamp: *open_time, open, high, low, close, volume, closed }
    }
}

/// Candles as an object each, oldest first. With `format=arrays` each candle is
/// `[timestamp, open, high, low, close, volume]`.
#[derive(Serialize, ToSchema)]
#[schema(as = Candles)]
pub(crate) struct CandlesBody<'a, T> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    #[schema(example = "5m")]
    timeframe: &'a str,
    candles: Vec<T>,
}

#[derive(Clone, Copy)]
enum Shape {
    Objects,
    Arrays,
    Csv,
}

/// Every candle as an object.
pub(crate) fn objects(candles: &Candles) -> Vec<CandleBody<'_>> {
    let rows = candles.rows().iter();
    rows.map(|candle| CandleBody::new(candle, candles.is_closed(candle))).collect()
}

fn csv(candles: &Candles) -> String {
    let mut text = "timestamp,open,high,low,close,volume,closed\n".to_owned();
    for candle in candles.rows() {
        let Candle { open_time, open, high, low, close, volume, .. } = candle;
        let (at, closed) = (open_time.millis(), candles.is_closed(candle));
        let _ = writeln!(text, "{at},{open},{high},{low},{close},{volume},{closed}");
    }
    text
}

/// Candles of one market.
pub(crate) async fn ohlcv(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    const KNOWN: [&str; 7] =
        ["timeframe", "limit", "since", "until", "format", "closed_only", "exchange"];
    const SHAPES: [(&str, Shape); 3] =
        [("objects", Shape::Objects), ("arrays", Shape::Arrays), ("csv", Shape::Csv)];
    let params = asked.params(&KNOWN)?;
    let desk = reader.desk(&params)?;
    let shape = params.choice("format", &SHAPES)?;
    let view = CandleView {
        timeframe: params.timeframe()?,
        limit: params.number("limit", 100, 1..=10_000)?,
        since: params.time("since")?,
        until: params.time("until")?,
        closed_only: params.flag("closed_only")?,
    };
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let candles = desk.candles.get(&market, view, asked.ask).await?;
    let parts = ([candles.got().stamp().clone()].into_iter().collect(), candles.got().outcome);
    let (symbol, exchange, timeframe) =
        (&market.symbol, desk.shelf.name(), view.timeframe.as_str());
    let encode = || {
        Text::Fixed(match shape {
            Shape::Objects => {
                let candles = objects(&candles);
                json(&CandlesBody { symbol, exchange, timeframe, candles }).into()
            }
            Shape::Arrays => {
                let array = |candle: &Candle| {
                    let at = Number::from(candle.open_time.millis());
                    let Candle { open, high, low, close, volume, .. } = candle.clone();
                    [at, open, high, low, close, volume]
                };
                let candles = candles.rows().iter().map(array).collect();
                json(&CandlesBody { symbol, exchange, timeframe, candles }).into()
            }
            Shape::Csv => csv(&candles).into(),
        })
    };
    let format = if matches!(shape, Shape::Csv) { Format::Csv } else { Format::Json };
    Ok(asked.reply(&reader, Endpoint::Ohlcv, parts, format, encode))
}
