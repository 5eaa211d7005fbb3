//! `/exchanges`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    ops::status::{BudgetBody, budgets},
    params::{EXPLAIN, Param},
    payload::Payload,
    problem::Problem,
    reader::{Asked, Reader},
    uncached,
};
use crate::{
    market::Timeframe,
    service::{FOLLOWED_DEPTH, Live},
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
    /// Those that it offers.
    timeframes: Vec<&'static str>,
    /// Those that are computed from them, exactly. They are not streamed.
    #[schema(example = json!(["4h"]))]
    derived_timeframes: Vec<&'static str>,
    /// Most candles in one answer.
    max_candles: u32,
    /// Most trades in one answer.
    max_trades: u32,
    /// Levels a side that it offers.
    book_depths: Vec<u32>,
    precisions: Vec<&'static str>,
    /// What of its markets can be followed.
    streams: FollowableBody,
    budgets: Vec<BudgetBody>,
}

/// What of an exchange's markets can be followed.
#[derive(Serialize, ToSchema)]
#[schema(as = Followable)]
pub(crate) struct FollowableBody {
    /// Whether its WebSocket brings it; else the exchange is asked again and again within its
    /// budgets.
    live: bool,
    /// Most topics that are live at once; those beyond are asked for in the same way.
    max_channels: usize,
    #[schema(example = json!(["ticker", "trades", "orderbook", "ohlcv:1m", "ohlcv:5m"]))]
    channels: Vec<String>,
    /// Levels a side of an order book that is followed.
    book_depth: u32,
}

impl FollowableBody {
    fn of(live: &Live) -> Self {
        let feed = live.feed();
        Self {
            live: feed.is_enabled(),
            max_channels: feed.max_channels(),
            channels: live.channels().iter().map(ToString::to_string).collect(),
            book_depth: FOLLOWED_DEPTH,
        }
    }
}

/// The query parameters of the exchanges.
pub(crate) const PARAMS: [Param; 1] = [EXPLAIN];

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
    asked.params(&PARAMS)?;
    let default = reader.desks.get(None)?.shelf.name();
    let exchanges = reader.desks.all().iter().map(|desk| {
        let profile = desk.shelf.exchange.profile();
        let is_offered = |width: &Timeframe| profile.timeframes.contains(width);
        let is_derived =
            |width: &Timeframe| !is_offered(width) && width.sources().any(|it| is_offered(&it));
        let derived = Timeframe::ALL.into_iter().filter(is_derived);
        ExchangeBody {
            exchange: profile.name,
            default: profile.name == default,
            timeframes: profile.timeframes.iter().map(|width| width.as_str()).collect(),
            derived_timeframes: derived.map(Timeframe::as_str).collect(),
            max_candles: profile.max_candles,
            max_trades: profile.max_trades,
            book_depths: profile.book_depths.to_vec(),
            precisions: profile.precisions.iter().map(|precision| precision.as_str()).collect(),
            streams: FollowableBody::of(&desk.live),
            budgets: budgets(desk),
        }
    });
    let body = ExchangesBody { exchanges: exchanges.collect() };
    Ok(asked.tell(&reader, uncached(&body)))
}
