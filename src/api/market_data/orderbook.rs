//! `/orderbook/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        params::{EXCHANGE, EXPLAIN, Limit, PRECISION, Param},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Book, Level, Number, Precision, Symbol, UnixMs},
    telemetry::Endpoint,
};

/// Both sides of a market, best first, each level as `[price, amount]`.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderBook)]
pub(crate) struct BookBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    #[schema(value_type = Vec<(f64, f64)>)]
    bids: Vec<[&'a Number; 2]>,
    #[schema(value_type = Vec<(f64, f64)>)]
    asks: Vec<[&'a Number; 2]>,
    /// Unix milliseconds; when Tidegate received it, for an exchange that gives no time.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    /// The exchange's number of this state of the book, where it gives one.
    #[schema(value_type = Option<i64>)]
    nonce: Option<i64>,
}

impl<'a> BookBody<'a> {
    /// At most `limit` levels a side.
    pub(crate) fn new(
        symbol: &'a Symbol,
        exchange: &'a str,
        book: &'a Book,
        limit: u32,
        received_at: UnixMs,
    ) -> Self {
        fn side(levels: &[Level], limit: u32) -> Vec<[&Number; 2]> {
            let best = levels.iter().take(limit as usize);
            best.map(|Level { price, amount, .. }| [price, amount]).collect()
        }
        let at = book.at.unwrap_or(received_at);
        Self {
            symbol,
            exchange,
            bids: side(&book.bids, limit),
            asks: side(&book.asks, limit),
            timestamp: at,
            datetime: at.iso(),
            nonce: book.nonce,
        }
    }
}

/// Levels a side.
pub(crate) const LIMIT: Limit = Limit { default: 20, max: 250 };

/// The query parameters of an order book.
pub(crate) const PARAMS: [Param; 4] =
    [LIMIT.param("At most this many levels a side."), PRECISION, EXCHANGE, EXPLAIN];

/// The order book of one market.
#[utoipa::path(
    get,
    path = "/api/market-data/orderbook/{symbol}",
    operation_id = "orderbook",
    tag = "Market data",
    responses((status = 200, description = "The book", body = BookBody))
)]
pub(crate) async fn orderbook(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let limit = params.limit(LIMIT)?;
    let precision = params.choice("precision", &Precision::ALL.map(|it| (it.as_str(), it)))?;
    desk.books.offers(precision)?;
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let book = desk.books.get(&market, precision, limit, asked.ask).await?;
    let stamp = book.stamp();
    let parts = ([stamp.clone()].into_iter().collect(), book.outcome);
    let encode = || {
        let exchange = desk.shelf.name();
        let body = BookBody::new(&market.symbol, exchange, &book, limit, stamp.received_at);
        Text::Fixed(json(&body).into())
    };
    Ok(asked.reply(&reader, Endpoint::Orderbook, parts, Format::Json, encode))
}
