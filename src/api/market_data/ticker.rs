//! `/ticker/{symbol}` and `/tickers`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        params::{EXCHANGE, EXPLAIN, Kind, Param},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, combined, json},
    },
    market::{Number, Raw, Symbol, Ticker, UnixMs},
    service::ServiceError,
    telemetry::Endpoint,
};

/// ccxt's unified ticker. A field that the exchange does not give is `null`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticker)]
pub(crate) struct TickerBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    /// Unix milliseconds; when Tidegate received it, for an exchange that gives no time.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    #[schema(value_type = Option<f64>)]
    high: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    low: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    bid: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    bid_volume: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    ask: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    ask_volume: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    vwap: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    open: Option<Number>,
    #[schema(value_type = Option<f64>)]
    close: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    last: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    previous_close: &'a Option<Number>,
    /// Absolute change over 24 hours.
    #[schema(value_type = Option<f64>)]
    change: Option<Number>,
    /// Change over 24 hours in percent.
    #[schema(value_type = Option<f64>)]
    percentage: Option<Number>,
    #[schema(value_type = Option<f64>)]
    average: Option<Number>,
    #[schema(value_type = Option<f64>)]
    base_volume: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    quote_volume: &'a Option<Number>,
    /// The exchange's own row: a list or an object, as the exchange has it.
    #[schema(value_type = serde_json::Value)]
    info: &'a Raw,
}

impl<'a> TickerBody<'a> {
    pub(crate) fn new(symbol: &'a Symbol, ticker: &'a Ticker, received_at: UnixMs) -> Self {
        let at = ticker.at.unwrap_or(received_at);
        Self {
            symbol,
            timestamp: at,
            datetime: at.iso(),
            high: &ticker.high,
            low: &ticker.low,
            bid: &ticker.bid,
            bid_volume: &ticker.bid_volume,
            ask: &ticker.ask,
            ask_volume: &ticker.ask_volume,
            vwap: &ticker.vwap,
            open: ticker.open(),
            close: &ticker.last,
            last: &ticker.last,
            previous_close: &ticker.previous_close,
            change: ticker.change(),
            percentage: ticker.percentage(),
            average: ticker.average(),
            base_volume: &ticker.base_volume,
            quote_volume: &ticker.quote_volume,
            info: &ticker.raw,
        }
    }
}

/// Tickers by symbol.
#[derive(Serialize, ToSchema)]
#[schema(as = Tickers)]
pub(crate) struct TickersBody<'a> {
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    tickers: BTreeMap<&'a str, TickerBody<'a>>,
}

/// The query parameters of one ticker.
pub(crate) const PARAMS: [Param; 2] = [EXCHANGE, EXPLAIN];

/// The query parameters of many tickers.
pub(crate) const MANY_PARAMS: [Param; 3] = [
    Param::new(
        "symbols",
        "Which markets, separated by commas; every one where none is named.",
        Kind::Symbols { required: false },
    ),
    EXCHANGE,
    EXPLAIN,
];

/// One ticker, with ccxt's names and arithmetic.
#[utoipa::path(
    get,
    path = "/api/market-data/ticker/{symbol}",
    operation_id = "ticker",
    tag = "Market data",
    responses((status = 200, description = "The ticker", body = TickerBody))
)]
pub(crate) async fn ticker(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let ticker = desk.tickers.get(&market, asked.ask).await?;
    let parts = ([ticker.stamp().clone()].into_iter().collect(), ticker.outcome);
    let encode = || {
        let body = TickerBody::new(&market.symbol, &ticker, ticker.stamp().received_at);
        Text::Fixed(json(&body).into())
    };
    Ok(asked.reply(&reader, Endpoint::Ticker, parts, Format::Json, encode))
}

/// Many tickers from one upstream call.
#[utoipa::path(
    get,
    path = "/api/market-data/tickers",
    operation_id = "tickers",
    tag = "Market data",
    responses((status = 200, description = "The tickers by symbol", body = TickersBody))
)]
pub(crate) async fn tickers(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&MANY_PARAMS)?;
    let desk = reader.desk(&params)?;
    let exchange = desk.shelf.name();
    let Some(symbols) = params.list("symbols", reader.config.now().server.limits.max_symbols)?
    else {
        let board = desk.tickers.all(asked.ask).await?;
        let received_at = board.stamp().received_at;
        let parts = ([board.stamp().clone()].into_iter().collect(), board.outcome);
        let encode = || {
            let named = board.rows.iter().map(|(symbol, ticker)| {
                (symbol.as_str(), TickerBody::new(symbol, ticker, received_at))
            });
            Text::Fixed(json(&TickersBody { exchange, tickers: named.collect() }).into())
        };
        return Ok(asked.reply(&reader, Endpoint::Tickers, parts, Format::Json, encode));
    };
    let mut markets = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        markets.push(desk.markets.resolve(symbol, asked.ask).await?);
    }
    if !desk.tickers.are_whole() {
        let board = desk.tickers.all(asked.ask).await?;
        let received_at = board.stamp().received_at;
        let mut tickers = BTreeMap::new();
        for market in &markets {
            let row = board.rows.iter().find(|(symbol, _)| *symbol == market.symbol);
            let (symbol, ticker) = row.ok_or_else(|| {
                let text = format!("it left out the ticker of {}", market.symbol);
                Problem::from(ServiceError::Invalid(text))
            })?;
            tickers.insert(symbol.as_str(), TickerBody::new(symbol, ticker, received_at));
        }
        let parts = ([board.stamp().clone()].into_iter().collect(), board.outcome);
        let encode = || Text::Fixed(json(&TickersBody { exchange, tickers }).into());
        return Ok(asked.reply(&reader, Endpoint::Tickers, parts, Format::Json, encode));
    }
    let tickers = desk.tickers.several(&markets, asked.ask).await?;
    let stamps = tickers.iter().map(|ticker| ticker.stamp().clone()).collect();
    let parts = (stamps, combined(tickers.iter().map(|ticker| ticker.outcome)));
    let encode = || {
        let named = markets.iter().zip(&tickers).map(|(market, ticker)| {
            let received_at = ticker.stamp().received_at;
            (market.symbol.as_str(), TickerBody::new(&market.symbol, ticker, received_at))
        });
        Text::Fixed(json(&TickersBody { exchange, tickers: named.collect() }).into())
    };
    Ok(asked.reply(&reader, Endpoint::Tickers, parts, Format::Json, encode))
}
