//! `/markets`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        answer::{Format, Text},
        params::{EXCHANGE, EXPLAIN, Param},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, json},
    },
    market::{Kind, Listing, Number, Symbol},
    telemetry::Endpoint,
};

/// The markets that an exchange lists.
#[derive(Serialize, ToSchema)]
#[schema(as = Markets)]
pub(crate) struct MarketsBody<'a> {
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    markets: Vec<MarketBody<'a>>,
}

/// One market.
#[derive(Serialize, ToSchema)]
#[schema(as = Market)]
pub(crate) struct MarketBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    /// The exchange's own name.
    #[schema(example = "tBTCUSD")]
    id: &'a str,
    #[schema(example = "BTC")]
    base: &'a str,
    #[schema(example = "USD")]
    quote: &'a str,
    /// `spot` or `swap`.
    #[schema(example = "spot")]
    r#type: &'a str,
    /// True: exchanges list only what can be traded.
    active: bool,
    margin: Option<bool>,
    limits: LimitsBody<'a>,
    precision: PrecisionBody,
}

/// Smallest and largest values of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketLimits)]
pub(crate) struct LimitsBody<'a> {
    amount: RangeBody<'a>,
}

/// A range; `null` where the exchange gives no bound.
#[derive(Serialize, ToSchema)]
#[schema(as = Range)]
pub(crate) struct RangeBody<'a> {
    #[schema(value_type = Option<f64>)]
    min: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    max: &'a Option<Number>,
}

/// Decimals of an amount and significant digits of a price, or the step of either: as the exchange
/// says it.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketPrecision)]
pub(crate) struct PrecisionBody {
    #[schema(value_type = Option<f64>)]
    amount: Option<Number>,
    #[schema(value_type = Option<f64>)]
    price: Option<Number>,
}

impl<'a> From<&'a Listing> for MarketBody<'a> {
    fn from(listing: &'a Listing) -> Self {
        let amount = RangeBody { min: &listing.amount.min, max: &listing.amount.max };
        Self {
            symbol: &listing.symbol,
            id: listing.listed_as.as_ref().unwrap_or(&listing.id),
            base: &listing.base,
            quote: &listing.quote,
            r#type: match listing.kind {
                Kind::Spot => "spot",
                Kind::Swap => "swap",
            },
            active: true,
            margin: listing.margin,
            limits: LimitsBody { amount },
            precision: PrecisionBody {
                amount: precision(&listing.amount_step, listing.amount_decimals),
                price: precision(&listing.price_step, listing.price_significant_digits),
            },
        }
    }
}

fn precision(step: &Option<Number>, digits: Option<u32>) -> Option<Number> {
    step.clone().or_else(|| Some(Decimal::from(digits?).into()))
}

/// The query parameters of the market list.
pub(crate) const PARAMS: [Param; 2] = [EXCHANGE, EXPLAIN];

/// Every market of an exchange.
#[utoipa::path(
    get,
    path = "/api/market-data/markets",
    operation_id = "markets",
    tag = "Market data",
    responses((status = 200, description = "The markets", body = MarketsBody))
)]
pub(crate) async fn markets(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desk = reader.desk(&params)?;
    let directory = desk.markets.get(asked.ask).await?;
    let parts = ([directory.stamp().clone()].into_iter().collect(), directory.outcome);
    let encode = || {
        let all = directory.registry.all().iter();
        let markets = all.map(|listing| MarketBody::from(listing.as_ref())).collect();
        Text::Fixed(json(&MarketsBody { exchange: desk.shelf.name(), markets }).into())
    };
    Ok(asked.reply(&reader, Endpoint::Markets, parts, Format::Json, encode))
}
