//! `/trades/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        params::{EXCHANGE, Kind, Limit, Param},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Number, Raw, Symbol, Trade, UnixMs},
    service::TradeView,
    telemetry::Endpoint,
};

/// ccxt's unified trade.
#[derive(Serialize, ToSchema)]
#[schema(as = Trade)]
pub(crate) struct TradeBody<'a> {
    #[schema(example = "1834212345")]
    id: String,
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    /// The taker's side: `buy` or `sell`.
    #[schema(example = "buy")]
    side: &'a str,
    #[schema(value_type = f64)]
    price: &'a Number,
    #[schema(value_type = f64)]
    amount: &'a Number,
    #[schema(value_type = Option<f64>)]
    cost: Option<Number>,
    /// The exchange's own row.
    #[schema(value_type = Vec<f64>)]
    info: &'a Raw,
}

impl<'a> TradeBody<'a> {
    pub(crate) fn new(symbol: &'a Symbol, trade: &'a Trade) -> Self {
        Self {
            id: trade.id.to_string(),
            timestamp: trade.at,
            datetime: trade.at.iso(),
            symbol,
            side: trade.side.as_str(),
            price: &trade.price,
            amount: &trade.amount,
            cost: trade.cost(),
            info: &trade.raw,
        }
    }
}

const LIMIT: Limit = Limit { default: 50, max: 1000 };
const SINCE: Param = Param::new(
    "since",
    "Trades from here on, the first `limit` of them; without it, the newest ones.",
    Kind::Time,
);

/// The query parameters of trades.
pub(crate) const PARAMS: [Param; 3] = [LIMIT.param("At most this many trades."), SINCE, EXCHANGE];

/// Public trades of one market, oldest first.
#[utoipa::path(
    get,
    path = "/api/market-data/trades/{symbol}",
    operation_id = "trades",
    tag = "Market data",
    responses((status = 200, description = "The trades", body = Vec<TradeBody>))
)]
pub(crate) async fn trades(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let limit = params.limit(LIMIT)?;
    let view = TradeView { limit, since: params.time("since")?, until: None };
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let trades = desk.trades.get(&market, view, asked.ask).await?;
    let parts = ([trades.got().stamp().clone()].into_iter().collect(), trades.got().outcome);
    let encode = || {
        let body = |trade| TradeBody::new(&market.symbol, trade);
        let bodies: Vec<TradeBody<'_>> = trades.rows().iter().map(body).collect();
        Text::Fixed(json(&bodies).into())
    };
    Ok(asked.reply(&reader, Endpoint::Trades, parts, Format::Json, encode))
}
