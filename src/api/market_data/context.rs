//! `/market-context/{symbol}` and `/market-context`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::Response};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    ohlcv::{CandleBody, objects},
    orderbook::BookBody,
    ticker::TickerBody,
};
use crate::{
    api::{
        answer::{Format, Stamps, Text},
        params::{CANDLES, CANDLES_LIMIT, EXCHANGE, EXPLAIN, Kind, Param, Params, TIMEFRAME},
        payload::Payload,
        problem::{Code, Problem},
        reader::{Asked, Reader, SymbolPath, combined, json},
    },
    cache::Stamp,
    market::{Listing, Number, Symbol, Timeframe, UnixMs},
    service::{CONTEXT_LEVELS, Context},
    telemetry::{CacheOutcome, Endpoint},
};

/// Everything about one market at once.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketContext)]
pub(crate) struct ContextBody<'a> {
    #[serde(flatten)]
    facts: FactsBody<'a>,
    data_quality: QualityBody,
}

/// The part of a context that stays the same while its parts do.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketFacts)]
pub(crate) struct FactsBody<'a> {
    #[schema(value_type = String, example = "BTC/USD")]
    symbol: &'a Symbol,
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    /// When the oldest part was received, in Unix milliseconds.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    timestamp: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    ohlcv_data: Vec<CandleBody<'a>>,
    /// Close of the last candle.
    #[schema(value_type = Option<f64>)]
    current_price: Option<&'a Number>,
    ticker: TickerBody<'a>,
    orderbook: Option<BookBody<'a>>,
    #[schema(value_type = Option<f64>)]
    best_bid: Option<&'a Number>,
    #[schema(value_type = Option<f64>)]
    best_ask: Option<&'a Number>,
    #[schema(value_type = Option<f64>)]
    spread: Option<Number>,
    #[schema(value_type = Option<f64>)]
    volume_24h: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    price_change_24h: &'a Option<Number>,
    #[schema(value_type = Option<f64>)]
    price_change_pct: Option<Number>,
    /// Sample standard deviation of close-to-close changes in percent; `null` under three candles.
    volatility_pct: Option<f64>,
    /// Not known to an exchange: always `null`.
    market_cap: Option<f64>,
}

/// How complete and how old a context is.
#[derive(Serialize, ToSchema)]
#[schema(as = DataQuality)]
pub(crate) struct QualityBody {
    ohlcv_rows: usize,
    orderbook_levels: usize,
    ticker_complete: bool,
    /// The age of the oldest part.
    data_freshness_seconds: f64,
    /// Parts that are missing.
    #[schema(value_type = Vec<String>)]
    degraded: Vec<&'static str>,
    #[schema(value_type = std::collections::BTreeMap<String, PartBody>)]
    parts: BTreeMap<&'static str, PartBody>,
}

/// Where a part came from, and its age.
#[derive(Serialize, ToSchema)]
#[schema(as = PartAge)]
pub(crate) struct PartBody {
    #[schema(example = "rest")]
    source: &'static str,
    age_ms: u64,
    /// The narrower timeframe that candles were computed from; left out where they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1h")]
    derived: Option<&'static str>,
}

/// Contexts by symbol; where one failed, its problem.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketContexts)]
pub(crate) struct ContextsBody<'a> {
    #[schema(example = "bitfinex")]
    exchange: &'a str,
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    contexts: BTreeMap<String, Box<RawValue>>,
}

impl<'a> ContextBody<'a> {
    fn new(market: &'a Listing, exchange: &'a str, context: &'a Context, now: Instant) -> Self {
        let facts = FactsBody::new(market, exchange, context);
        Self { facts, data_quality: Quality::new(context).body(now) }
    }
}

impl<'a> FactsBody<'a> {
    fn new(market: &'a Listing, exchange: &'a str, context: &'a Context) -> Self {
        let Context { candles, ticker, book } = context;
        let oldest = context.parts().map(|(_, stamp)| stamp.received_at).min();
        let timestamp = oldest.unwrap_or(ticker.stamp().received_at);
        let symbol = &market.symbol;
        let orderbook = book.as_ref().ok().map(|book| {
            let received_at = book.stamp().received_at;
            BookBody::new(symbol, exchange, book, CONTEXT_LEVELS, received_at)
        });
        Self {
            symbol,
            exchange,
            timestamp,
            datetime: timestamp.iso(),
            ohlcv_data: objects(candles),
            current_price: context.current_price(),
            ticker: TickerBody::new(symbol, ticker, ticker.stamp().received_at),
            orderbook,
            best_bid: context.best_bid(),
            best_ask: context.best_ask(),
            spread: context.spread(),
            volume_24h: &ticker.base_volume,
            price_change_24h: &ticker.change,
            price_change_pct: ticker.percentage(),
            volatility_pct: context.volatility_pct(),
            market_cap: None,
        }
    }
}

/// What of a context's quality stays the same, and the stamps that tell the rest.
struct Quality {
    ohlcv_rows: usize,
    orderbook_levels: usize,
    ticker_complete: bool,
    degraded: Vec<&'static str>,
    parts: Vec<(&'static str, Arc<Stamp>)>,
    derived: Option<Timeframe>,
}

impl Quality {
    fn new(context: &Context) -> Self {
        let levels = |levels: usize| levels.min(CONTEXT_LEVELS as usize);
        let book = context.book.as_ref().ok();
        Self {
            ohlcv_rows: context.candles.rows().len(),
            orderbook_levels: book
                .map_or(0, |book| levels(book.bids.len()) + levels(book.asks.len())),
            ticker_complete: context.ticker.is_complete(),
            degraded: if book.is_none() { vec!["orderbook"] } else { Vec::new() },
            parts: context.parts().map(|(name, stamp)| (name, stamp.clone())).collect(),
            derived: context.candles.derived(),
        }
    }

    fn body(&self, now: Instant) -> QualityBody {
        let age_ms = |stamp: &Stamp| u64::try_from(stamp.age(now).as_millis()).unwrap_or(u64::MAX);
        let part = |(name, stamp): &(&'static str, Arc<Stamp>)| {
            let derived = self.derived.filter(|_| *name == "ohlcv").map(Timeframe::as_str);
            (*name, PartBody { source: stamp.source.as_str(), age_ms: age_ms(stamp), derived })
        };
        let oldest_ms = self.parts.iter().map(|(_, stamp)| age_ms(stamp)).max().unwrap_or(0);
        QualityBody {
            ohlcv_rows: self.ohlcv_rows,
            orderbook_levels: self.orderbook_levels,
            ticker_complete: self.ticker_complete,
            data_freshness_seconds: oldest_ms as f64 / 1000.0,
            degraded: self.degraded.clone(),
            parts: self.parts.iter().map(part).collect(),
        }
    }
}

/// The stamps and the outcome of a context's parts.
pub(crate) fn parts(context: &Context) -> (Stamps, CacheOutcome) {
    let book = context.book.as_ref().ok().map(|book| book.outcome);
    let outcomes = [context.candles.outcome(), context.ticker.outcome].into_iter().chain(book);
    (context.parts().map(|(_, stamp)| stamp.clone()).collect(), combined(outcomes))
}

/// The query parameters of one context.
pub(crate) const PARAMS: [Param; 4] = [TIMEFRAME, CANDLES_LIMIT, EXCHANGE, EXPLAIN];

/// The query parameters of several contexts.
pub(crate) const MANY_PARAMS: [Param; 5] = [
    Param::new("symbols", "Which markets, separated by commas.", Kind::Symbols { required: true }),
    TIMEFRAME,
    CANDLES_LIMIT,
    EXCHANGE,
    EXPLAIN,
];

/// Candles, ticker and book of one market, and what follows from them.
///
/// The parts are fetched concurrently, through the same cache entries as the single endpoints.
/// Where only the book is out of reach, `orderbook` is `null`, `data_quality.degraded` names it,
/// and best bid and ask are the ticker's.
#[utoipa::path(
    get,
    path = "/api/market-data/market-context/{symbol}",
    operation_id = "market_context",
    tag = "Market data",
    responses((status = 200, description = "The context", body = ContextBody))
)]
pub(crate) async fn context(
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
    let encode = || {
        let mut head = json(&FactsBody::new(&market, desk.shelf.name(), &context));
        head.pop();
        head.extend_from_slice(b",\"data_quality\":");
        let quality = Quality::new(&context);
        let tail = move |now: Instant, body: &mut Vec<u8>| {
            body.extend_from_slice(&json(&quality.body(now)));
            body.push(b'}');
        };
        Text::Aging(head.into(), Box::new(tail))
    };
    if context.book.is_err() {
        // Not kept: the next request is to find the book again, not its absence.
        let body = ContextBody::new(&market, desk.shelf.name(), &context, Instant::now());
        return Ok(asked.reply_once(
            &reader,
            Endpoint::MarketContext,
            parts(&context),
            false,
            json(&body),
        ));
    }
    Ok(asked.reply(&reader, Endpoint::MarketContext, parts(&context), Format::Json, encode))
}

/// The markets that are asked for.
pub(crate) fn symbols<'a>(params: &'a Params, reader: &Reader) -> Result<Vec<&'a str>, Problem> {
    let max = reader.config.now().server.limits.max_symbols;
    params.list("symbols", max)?.ok_or_else(|| {
        Problem::parameter("symbols", "", format!("must be 1 to {max} names, separated by commas"))
    })
}

/// The contexts of several markets; where one failed, its problem.
#[utoipa::path(
    get,
    path = "/api/market-data/market-context",
    operation_id = "market_contexts",
    tag = "Market data",
    responses((status = 200, description = "Contexts and problems by symbol", body = ContextsBody))
)]
pub(crate) async fn contexts(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let params = asked.params(&MANY_PARAMS)?;
    let desk = reader.desk(&params)?;
    let exchange = desk.shelf.name();
    let timeframe = params.timeframe()?;
    let limit = params.limit(CANDLES)?;
    let symbols = symbols(&params, &reader)?;
    let one = async |symbol: &str| {
        let market = desk.markets.resolve(symbol, asked.ask).await?;
        let context = desk.contexts.get(&market, timeframe, limit, asked.ask).await?;
        Ok::<_, Problem>((market, context))
    };
    let found = join_all(symbols.iter().map(|symbol| one(symbol))).await;
    let now = Instant::now();
    let (mut stamps, mut outcomes, mut is_whole) = (Stamps::new(), Vec::new(), true);
    let mut contexts = BTreeMap::new();
    for (symbol, found) in symbols.into_iter().zip(found) {
        let (name, body) = match &found {
            Ok((market, context)) => {
                is_whole &= context.book.is_ok();
                let (its_stamps, outcome) = parts(context);
                stamps.extend(its_stamps);
                outcomes.push(outcome);
                let body = ContextBody::new(market, exchange, context, now);
                (market.symbol.to_string(), json(&body))
            }
            Err(problem) => {
                is_whole &= problem.code == Code::UnknownSymbol;
                (symbol.to_owned(), problem.body(asked.path(), asked.request_id()))
            }
        };
        let text = String::from_utf8(body).expect("JSON is UTF-8");
        contexts.insert(name, RawValue::from_string(text).expect("just serialised"));
    }
    let parts = (stamps, combined(outcomes));
    let body = json(&ContextsBody { exchange, contexts });
    Ok(asked.reply_once(&reader, Endpoint::MarketContexts, parts, is_whole, body))
}
