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
    exchange::{CandleHistory, Profile, TradeHistory},
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
    #[schema(example = json!(["3m", "2h", "4h", "8h"]))]
    derived_timeframes: Vec<&'static str>,
    /// Most candles in one answer of the exchange.
    max_candles: u32,
    /// How far back its candles can be asked for: so many of the newest buckets, the open one among
    /// them; `null` where there is no such limit. What is held of earlier ones is told as well.
    candle_history: Option<u32>,
    /// What becomes of buckets in which nothing was traded: `left_out`, or `filled` with candles
    /// that are marked `empty`.
    #[schema(example = "left_out")]
    empty_buckets: &'static str,
    /// Most trades in one answer of the exchange.
    max_trades: u32,
    /// Which trades of the past can be asked for: the `whole` of them; `since`: those from a time
    /// on; `newest`: none but these.
    #[schema(example = "whole")]
    trade_history: &'static str,
    /// Whether a ticker among many tells all that one by itself tells.
    tickers_are_whole: bool,
    /// Levels a side that it can be asked for. Clients are answered 1 to 250 of them.
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
    /// Widths of candles that its WebSocket brings; others are asked for.
    #[schema(example = json!(["1m", "5m"]))]
    timeframes: Vec<&'static str>,
    /// Levels a side of order books that its WebSocket brings.
    #[schema(example = json!([25, 100, 250]))]
    book_depths: Vec<u32>,
    #[schema(example = json!(["ticker", "trades", "orderbook", "ohlcv:1m", "ohlcv:5m"]))]
    channels: Vec<String>,
    /// Levels a side of an order book that is followed.
    book_depth: u32,
}

impl FollowableBody {
    fn of(live: &Live, profile: &Profile) -> Self {
        let feed = live.feed();
        Self {
            live: feed.is_enabled(),
            max_channels: feed.max_channels(),
            timeframes: profile.live.timeframes.iter().map(|width| width.as_str()).collect(),
            book_depths: profile.live.book_depths.to_vec(),
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
            candle_history: match profile.candle_history {
                CandleHistory::Whole => None,
                CandleHistory::Newest(count) => Some(count),
            },
            empty_buckets: profile.empty_buckets.as_str(),
            max_trades: profile.max_trades,
            trade_history: match profile.trade_history {
                TradeHistory::Whole => "whole",
                TradeHistory::Since => "since",
                TradeHistory::Newest => "newest",
            },
            tickers_are_whole: profile.tickers_are_whole,
            book_depths: profile.book_depths.to_vec(),
            precisions: profile.precisions.iter().map(|precision| precision.as_str()).collect(),
            streams: FollowableBody::of(&desk.live, profile),
            budgets: budgets(desk),
        }
    });
    let body = ExchangesBody { exchanges: exchanges.collect() };
    Ok(asked.tell(&reader, uncached(&body)))
}
