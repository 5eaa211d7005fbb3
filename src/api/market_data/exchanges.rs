//! `/exchanges`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    ops::status::{BudgetBody, budgets},
    payload::Payload,
    problem::Problem,
    reader::{Asked, Reader},
    uncached,
};

/// What is served.
#[derive(Serialize, ToSchema)]
#[schema(as = Exchanges)]
pub(crate) struct ExchangesBody {
    exchanges: Vec<ExchangeBody>,
}

/// What one exchange offers, and what is left of its budgets.
#[derive(Serialize, ToSchema)]
#[schema(as = Exchange)]
pub(crate) struct ExchangeBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    /// Whether it answers requests that name no exchange.
    default: bool,
    timeframes: Vec<&'static str>,
    /// Most candles in one answer.
    max_candles: u32,
    /// Most trades in one answer.
    max_trades: u32,
    /// Levels a side that it offers.
    book_depths: Vec<u32>,
    precisions: Vec<&'static str>,
    budgets: Vec<BudgetBody>,
}

/// Every exchange that is served, and what is left of its budgets.
#[utoipa::path(
    get,
    path = "/api/market-data/exchanges",
    operation_id = "exchanges",
    tag = "Market data",
    responses((status = 200, description = "The exchanges", body = ExchangesBody))
)]
pub(crate) async fn exchanges(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    asked.params(&[])?;
    let default = reader.desks.get(None)?.shelf.name();
    let exchanges = reader.desks.all().iter().map(|desk| {
        let profile = desk.shelf.exchange.profile();
        ExchangeBody {
            exchange: profile.name,
            default: profile.name == default,
            timeframes: profile.timeframes.iter().map(|width| width.as_str()).collect(),
            max_candles: profile.max_candles,
            max_trades: profile.max_trades,
            book_depths: profile.book_depths.to_vec(),
            precisions: profile.precisions.iter().map(|precision| precision.as_str()).collect(),
            budgets: budgets(desk),
        }
    });
    Ok(uncached(&ExchangesBody { exchanges: exchanges.collect() }))
}
