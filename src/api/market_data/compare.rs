//! `/compare/{symbol}`.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ticker::TickerBody;
use crate::{
    api::{
        answer::{Stamps, source},
        ops::status::millis,
        params::{EXPLAIN, Kind, Param, Params},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath, combined, json},
    },
    market::Number,
    service::{Best, Comparison, Desk, Glance, Offer, Quotes, ServiceError, Side, spread},
    telemetry::Endpoint,
};

/// One market on several exchanges.
#[derive(Serialize, ToSchema)]
#[schema(as = Comparison)]
pub(crate) struct ComparisonBody<'a> {
    #[schema(example = "BTC/USD")]
    symbol: &'a str,
    /// In the order in which they were asked for; with `equivalent`, one may be here for each quote.
    exchanges: Vec<SideBody<'a>>,
    /// The highest bid of those that are `fresh`, and whose it is.
    best_bid: Option<BestBody<'a>>,
    /// The lowest ask of those that are `fresh`, and whose it is.
    best_ask: Option<BestBody<'a>>,
    /// `best_ask` - `best_bid`; negative where they cross.
    #[schema(value_type = Option<f64>)]
    spread: Option<Number>,
    /// Whether somebody bids as much as somebody else asks, or more: `best_bid` and `best_ask` are
    /// they.
    crossed: bool,
    /// Whether prices in different quotes are beside each other here, and in `best_bid`,
    /// `best_ask`, `spread` and `crossed`.
    mixed_quotes: bool,
}

/// The market on one exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparedMarket)]
pub(crate) struct SideBody<'a> {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    /// `null` where the exchange lists no such market, or cannot tell.
    #[schema(example = "BTC/USD")]
    symbol: Option<&'a str>,
    ticker: Option<TickerBody<'a>>,
    best_bid: Option<OfferBody>,
    best_ask: Option<OfferBody>,
    /// What best bid and ask were taken from: `orderbook`, or `ticker` where the book is out of
    /// reach.
    #[schema(example = "orderbook")]
    quotes_from: Option<&'static str>,
    #[schema(value_type = Option<f64>)]
    spread: Option<Number>,
    /// In percent of the ask.
    spread_pct: Option<f64>,
    /// The age of best bid and ask.
    quotes_age_ms: Option<u64>,
    /// Whether best bid and ask are as young as their policy wants them. Others are told, and not
    /// counted; nor is a market whose bid is not below its own ask.
    fresh: bool,
    /// The age of the oldest part.
    age_ms: Option<u64>,
    /// Where its parts came from: `stream` only if all of them did.
    #[schema(example = "stream")]
    source: Option<&'static str>,
    /// Why there is nothing, or a part is missing.
    #[schema(value_type = Option<serde_json::Value>)]
    problem: Option<Box<RawValue>>,
}

/// A best price.
#[derive(Serialize, ToSchema)]
#[schema(as = Offer)]
pub(crate) struct OfferBody {
    #[schema(value_type = f64)]
    price: Number,
    /// `null` where the exchange does not tell it.
    #[schema(value_type = Option<f64>)]
    amount: Option<Number>,
}

/// The best price of all.
#[derive(Serialize, ToSchema)]
#[schema(as = BestOffer)]
pub(crate) struct BestBody<'a> {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    #[schema(example = "BTC/USD")]
    symbol: &'a str,
    #[schema(value_type = f64)]
    price: Number,
    /// `null` where the exchange does not tell it.
    #[schema(value_type = Option<f64>)]
    amount: Option<Number>,
}

impl From<Offer> for OfferBody {
    fn from(Offer { price, amount }: Offer) -> Self {
        Self { price, amount }
    }
}

impl<'a> SideBody<'a> {
    fn of(side: &'a Side, asked: &Asked, now: Instant) -> Self {
        let problem = match &side.view {
            Ok(glance) => glance.problem(),
            Err(error) => Some(error.clone()),
        };
        let problem = problem.map(|error| {
            let body = Problem::from(error).body(asked.path(), asked.request_id());
            let text = String::from_utf8(body).expect("JSON is UTF-8");
            RawValue::from_string(text).expect("just serialised")
        });
        let glance = side.view.as_ref().ok();
        let stamps: Stamps = glance.into_iter().flat_map(Glance::stamps).cloned().collect();
        let quotes = glance.and_then(|glance| glance.quotes(now));
        let ticker = glance.and_then(|glance| {
            let ticker = glance.ticker.as_ref().ok()?;
            Some(TickerBody::new(&glance.market.symbol, ticker, ticker.stamp().received_at))
        });
        Self {
            exchange: side.exchange,
            symbol: glance.map(|glance| glance.market.symbol.as_str()),
            ticker,
            quotes_from: quotes.as_ref().map(|quotes| quotes.from.as_str()),
            spread: quotes.as_ref().and_then(Quotes::spread),
            spread_pct: quotes.as_ref().and_then(Quotes::spread_pct),
            quotes_age_ms: quotes.as_ref().map(|quotes| millis(quotes.age)),
            fresh: quotes.as_ref().is_some_and(|quotes| quotes.fresh),
            age_ms: stamps.iter().map(|stamp| millis(stamp.age(now))).max(),
            source: source(&stamps).map(|source| source.as_str()),
            best_bid: quotes.as_ref().and_then(|quotes| Some(quotes.bid.clone()?.into())),
            best_ask: quotes.and_then(|quotes| Some(quotes.ask?.into())),
            problem,
        }
    }
}

impl<'a> ComparisonBody<'a> {
    fn of(comparison: &'a Comparison, asked: &Asked, now: Instant) -> Self {
        let (bid, ask) = comparison.best(now);
        let spread =
            bid.as_ref().zip(ask.as_ref()).and_then(|(bid, ask)| spread(&bid.offer, &ask.offer));
        let best = |Best { side, offer: Offer { price, amount } }| {
            let side = comparison.sides.get(side)?;
            let symbol = side.view.as_ref().ok()?.market.symbol.as_str();
            Some(BestBody { exchange: side.exchange, symbol, price, amount })
        };
        Self {
            symbol: &comparison.symbol,
            exchanges: comparison.sides.iter().map(|it| SideBody::of(it, asked, now)).collect(),
            best_bid: bid.and_then(best),
            best_ask: ask.and_then(best),
            crossed: spread.as_ref().is_some_and(|it| it.is_zero() || it.is_negative()),
            spread,
            mixed_quotes: comparison.mixes_quotes(),
        }
    }
}

/// The query parameters of a comparison.
pub(crate) const PARAMS: [Param; 3] = [
    Param::new(
        "exchanges",
        "Which exchanges, separated by commas, in the order in which they are to be told; without \
         it, all that are served.",
        Kind::Exchanges,
    ),
    Param::new(
        "equivalent",
        "Puts the quotes USD, USDT and USDC side by side, each market under its own name. Without \
         it only markets of the very quote that was asked for are compared.",
        Kind::Flag,
    ),
    EXPLAIN,
];

/// The exchanges that are asked for.
fn desks<'a>(params: &Params, reader: &'a Reader) -> Result<Vec<&'a Desk>, Problem> {
    let all = reader.desks.all();
    let Some(names) = params.list("exchanges", all.len().max(crate::exchange::CATALOGUE.len()))?
    else {
        return Ok(all.iter().collect());
    };
    let mut desks: Vec<&Desk> = Vec::with_capacity(names.len());
    for name in names {
        let desk = reader.desks.get(Some(name))?;
        if desks.iter().any(|other| std::ptr::eq(*other, desk)) {
            let text = params.text("exchanges").unwrap_or_default();
            return Err(Problem::parameter("exchanges", text, "names an exchange twice"));
        }
        desks.push(desk);
    }
    Ok(desks)
}

/// True if nothing is missing but what will be missing in a moment, too.
fn is_whole(comparison: &Comparison) -> bool {
    comparison.sides.iter().all(|side| match &side.view {
        Ok(glance) => glance.problem().is_none(),
        Err(error) => matches!(error, ServiceError::UnknownSymbol { .. }),
    })
}

/// One market on several exchanges, side by side: ticker, best bid and ask, spread and age of each,
/// and who bids most and asks least.
///
/// All are asked at once, through the same cache entries as the single endpoints. An exchange that
/// cannot be asked has a problem in its place, and does not keep the others from being told. Markets
/// of another quote are never put beside the one asked for, unless `equivalent` wants those that are
/// worth about the same.
#[utoipa::path(
    get,
    path = "/api/market-data/compare/{symbol}",
    operation_id = "compare",
    tag = "Market data",
    responses((status = 200, description = "The exchanges", body = ComparisonBody))
)]
pub(crate) async fn compare(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&PARAMS)?;
    let desks = desks(&params, &reader)?;
    let equivalent = params.flag("equivalent")?;
    let comparison = Comparison::of(&desks, &symbol, equivalent, asked.ask).await?;
    let glances = || comparison.sides.iter().filter_map(|side| side.view.as_ref().ok());
    let stamps = glances().flat_map(Glance::stamps).cloned().collect();
    let parts = (stamps, combined(glances().flat_map(Glance::outcomes)));
    let body = json(&ComparisonBody::of(&comparison, &asked, Instant::now()));
    Ok(asked.reply_once(&reader, Endpoint::Compare, parts, is_whole(&comparison), body))
}
