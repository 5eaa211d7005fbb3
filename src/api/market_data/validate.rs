//! `/validate-market/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::context;
use crate::{
    api::{
        params::{CANDLES, CANDLES_LIMIT, EXCHANGE, EXPLAIN, Param, TIMEFRAME},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, json},
    },
    market::{Symbol, UnixMs},
    service::{Check, validate},
    telemetry::Endpoint,
};

/// Whether a market is fit to be traded now.
#[derive(Serialize, ToSchema)]
#[schema(as = Validation)]
pub(crate) struct ValidationBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    valid: bool,
    /// The first failed check's reason.
    #[schema(example = "Market conditions are suitable for trading")]
    reason: &'a str,
    /// When the market was looked at, in Unix milliseconds.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    checks: Vec<CheckBody>,
}

/// One check.
#[derive(Serialize, ToSchema)]
#[schema(as = Check)]
pub(crate) struct CheckBody {
    #[schema(value_type = String, example = "spread_pct")]
    name: &'static str,
    ok: bool,
    /// What was measured; `null` where it could not be.
    value: Option<f64>,
    /// What is allowed.
    limit: Option<f64>,
}

/// The query parameters of a validation.
pub(crate) const PARAMS: [Param; 4] = [TIMEFRAME, CANDLES_LIMIT, EXCHANGE, EXPLAIN];

/// Whether a market is fit to be traded now: volatility, spread, book and age.
#[utoipa::path(
    get,
    path = "/api/market-data/validate-market/{symbol}",
    operation_id = "validate_market",
    tag = "Market data",
    responses((status = 200, description = "What was found", body = ValidationBody))
)]
pub(crate) async fn validate_market(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let timeframe = params.timeframe()?;
    let limit = params.limit(CANDLES)?;
    let market = desk.markets.resolve(&symbol, asked.ask).await?;
    let context = desk.contexts.get(&market, timeframe, limit, asked.ask).await?;
    let validation = validate(&context, &reader.config.now().validation, Instant::now());
    let timestamp = reader.clock.now();
    let body = |check: &Check| CheckBody {
        name: check.name,
        ok: check.ok,
        value: check.value,
        limit: check.limit,
    };
    let body = ValidationBody {
        symbol: &market.symbol,
        valid: validation.is_valid(),
        reason: validation.reason(),
        timestamp,
        datetime: timestamp.iso(),
        checks: validation.checks.iter().map(body).collect(),
    };
    let parts = context::parts(&context);
    let is_whole = context.book.is_ok();
    Ok(asked.reply_once(&reader, Endpoint::ValidateMarket, parts, is_whole, json(&body)))
}
