//! `/api/explain/...`: what a request for market data would do, without doing it.

use std::sync::Arc;

use axum::{Router, extract::State, http::Response, routing::get};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::part::{FlightBody, HeldEntry, PolicyBody, StandBody, cut};
use crate::{
    api::{
        caller::{Caller, Right},
        market_data::{context, markets, ohlcv, orderbook, ticker, trades, validate},
        ops::status::{BudgetBody, millis},
        params::{CANDLES, Param, Params},
        payload::Payload,
        problem::Problem,
        reader::{Asked, Reader, SymbolPath},
        router::Gateway,
        uncached,
    },
    cache::Prospect,
    market::{Listing, Precision, Symbol},
    service::{Desk, Foreseen},
};

/// What a request would do, had it been sent now.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast)]
pub(in crate::api) struct ForecastBody {
    #[schema(example = "ticker")]
    endpoint: &'static str,
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    /// The markets that it is about; none where they cannot be known before the market list is
    /// fetched.
    #[schema(value_type = Vec<String>)]
    symbols: Vec<Symbol>,
    /// What costs most of what its parts would do.
    #[schema(example = "hit")]
    would: &'static str,
    /// How long it would wait for an answer at most.
    deadline_ms: u64,
    /// Every key that it would read.
    parts: Vec<ForecastPart>,
}

/// What a request would do for one key.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastPart)]
pub(in crate::api) struct ForecastPart {
    /// The canonical name: requests that mean the same have the same one.
    #[schema(example = "bitfinex ticker tBTCUSD")]
    key: String,
    #[schema(example = "ticker")]
    kind: &'static str,
    /// `hit`, `stale`, `stale_and_refresh`, `store`, `join`, `call`, `negative` or `refuse`.
    #[schema(example = "hit")]
    would: &'static str,
    /// Why.
    #[schema(example = "900 ms old, fresh for 3 s")]
    decision: String,
    /// What is held, whether it may be given or not.
    entry: Option<HeldEntry>,
    policy: PolicyBody,
    /// A fetch of it that is under way.
    flight: Option<FlightBody>,
    /// The call that it would make; `null` where it would make none.
    call: Option<ForecastCall>,
    feed: StandBody,
    /// What would be told in place of data.
    failure: Option<String>,
}

/// A call that would be made.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastCall)]
pub(in crate::api) struct ForecastCall {
    #[schema(example = "ticker")]
    family: &'static str,
    /// What it costs of its budget.
    #[schema(example = 1)]
    units: u32,
    /// Why it would be refused, as far as can be known before; `null` if it would be sent.
    refused: Option<String>,
    /// The family's budget, `next_slot_ms` being when this very call would be sent; `null` where it
    /// has none.
    budget: Option<BudgetBody>,
}

/// The routes; each takes the parameters of the endpoint that it is about.
pub(in crate::api) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/ohlcv/{*symbol}", get(candles))
        .route("/ticker/{*symbol}", get(one_ticker))
        .route("/tickers", get(tickers))
        .route("/orderbook/{*symbol}", get(book))
        .route("/trades/{*symbol}", get(last_trades))
        .route("/market-context/{*symbol}", get(one_context))
        .route("/market-context", get(contexts))
        .route("/validate-market/{*symbol}", get(validation))
        .route("/markets", get(market_list))
}

type Reply = Result<Response<Payload>, Problem>;

/// One question about the future.
struct Question<'a> {
    reader: &'a Reader,
    asked: &'a Asked,
    endpoint: &'static str,
    desk: &'a Desk,
}

impl<'a> Question<'a> {
    fn new(
        (reader, asked, caller): (&'a Reader, &'a Asked, Caller),
        endpoint: &'static str,
        known: &[Param],
    ) -> Result<(Self, Params), Problem> {
        caller.require(Right::Read)?;
        let params = asked.params(known)?;
        let desk = reader.desk(&params)?;
        Ok((Self { reader, asked, endpoint, desk }, params))
    }

    /// The market of a name; `None` where it takes the market list to know, which is not held.
    fn market(&self, name: &str) -> Result<Option<Arc<Listing>>, Problem> {
        Ok(self.desk.markets.find(name).transpose()?)
    }

    fn answer(&self, markets: &[Arc<Listing>], foreseen: Vec<Foreseen>) -> Response<Payload> {
        let patience = self.asked.ask.deadline.saturating_duration_since(Instant::now());
        let parts: Vec<_> = foreseen.into_iter().map(|it| self.part(it)).collect();
        let would = parts.iter().map(|part| part.would).max_by_key(|would| cost(would));
        uncached(&ForecastBody {
            endpoint: self.endpoint,
            exchange: self.desk.shelf.name(),
            symbols: markets.iter().map(|market| market.symbol.clone()).collect(),
            would: would.unwrap_or("hit"),
            deadline_ms: millis(patience),
            parts,
        })
    }

    /// What would have to be known before anything else: the market list.
    fn unlisted(&self) -> Response<Payload> {
        self.answer(&[], vec![self.desk.markets.foresee(&self.asked.ask)])
    }

    fn part(&self, foreseen: Foreseen) -> ForecastPart {
        let (shelf, live) = (&self.desk.shelf, &self.desk.live);
        let call = foreseen.calls().then(|| self.call(&foreseen));
        let Foreseen { key, kind, decision, prospect, held, flight, on_disk, .. } = foreseen;
        let refused = call.as_ref().and_then(|call| call.refused.clone());
        let (would, failure) = match &prospect {
            Prospect::Hit => ("hit", None),
            Prospect::Stale { fetches: true } => ("stale_and_refresh", None),
            Prospect::Stale { fetches: false } => ("stale", None),
            Prospect::Joins => ("join", None),
            Prospect::Fetches if on_disk == Some(true) => ("store", None),
            Prospect::Fetches if refused.is_some() => ("refuse", refused),
            Prospect::Fetches => ("call", None),
            Prospect::Fails { stale: true, .. } => ("stale", None),
            Prospect::Fails { failure, .. } => ("negative", Some(failure.to_string())),
            Prospect::NotCached => {
                ("refuse", Some("only-if-cached was demanded and nothing usable is held".into()))
            }
            Prospect::Unmeetable => {
                ("refuse", Some("min-fresh demands more than this data's ttl".into()))
            }
        };
        let policy = held.map_or_else(|| shelf.policy(kind), |held| held.policy);
        let role = if would == "join" { "joined" } else { "refresh_under_way" };
        let now = Instant::now();
        ForecastPart {
            key: cut(&key.to_string()),
            kind: kind.as_str(),
            would,
            decision: cut(&decision),
            entry: held.map(HeldEntry::from),
            policy: policy.into(),
            flight: flight.map(|flight| FlightBody::told(role, &flight, now, self.reader)),
            call,
            feed: live.stand(&key.product).into(),
            failure,
        }
    }
}

impl Question<'_> {
    fn call(&self, foreseen: &Foreseen) -> ForecastCall {
        let (shelf, ask) = (&self.desk.shelf, &self.asked.ask);
        let outlook = shelf.outlook(foreseen, ask);
        let refusal = shelf.refusal(foreseen, outlook.as_ref(), ask);
        ForecastCall {
            family: foreseen.charge.family().as_str(),
            units: foreseen.charge.units(),
            refused: refusal.map(|error| error.to_string()),
            budget: outlook.map(BudgetBody::from),
        }
    }
}

/// How much a request pays for what it would do, in time or in calls.
fn cost(would: &str) -> usize {
    const ORDER: [&str; 8] =
        ["hit", "stale", "stale_and_refresh", "store", "join", "call", "negative", "refuse"];
    ORDER.iter().position(|it| *it == would).unwrap_or(ORDER.len())
}

async fn candles(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let (question, params) = Question::new((&reader, &asked, caller), "ohlcv", &ohlcv::PARAMS)?;
    let view = ohlcv::view(&params, &reader)?.0;
    let Some(market) = question.market(&symbol)? else { return Ok(question.unlisted()) };
    let parts = question.desk.candles.foresee(&market, view, asked.ask).await?;
    Ok(question.answer(&[market], parts))
}

async fn one_ticker(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let (question, _) = Question::new((&reader, &asked, caller), "ticker", &ticker::PARAMS)?;
    let Some(market) = question.market(&symbol)? else { return Ok(question.unlisted()) };
    let part = question.desk.tickers.foresee(&market, &asked.ask);
    Ok(question.answer(&[market], vec![part]))
}

async fn tickers(State(reader): State<Arc<Reader>>, caller: Caller, asked: Asked) -> Reply {
    let (question, params) =
        Question::new((&reader, &asked, caller), "tickers", &ticker::MANY_PARAMS)?;
    let tickers = &question.desk.tickers;
    let Some(symbols) = params.list("symbols", reader.config.now().server.limits.max_symbols)?
    else {
        return Ok(question.answer(&[], vec![tickers.foresee_all(&asked.ask)]));
    };
    let found = symbols.iter().map(|symbol| question.market(symbol));
    let Some(markets) = found.collect::<Result<Option<Vec<_>>, _>>()? else {
        return Ok(question.unlisted());
    };
    let parts = match tickers.are_whole() {
        true => markets.iter().map(|market| tickers.foresee(market, &asked.ask)).collect(),
        false => vec![tickers.foresee_all(&asked.ask)],
    };
    Ok(question.answer(&markets, parts))
}

async fn book(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let known = &orderbook::PARAMS;
    let (question, params) = Question::new((&reader, &asked, caller), "orderbook", known)?;
    let limit = params.limit(orderbook::LIMIT)?;
    let precision = params.choice("precision", &Precision::ALL.map(|it| (it.as_str(), it)))?;
    question.desk.books.offers(precision)?;
    let Some(market) = question.market(&symbol)? else { return Ok(question.unlisted()) };
    let part = question.desk.books.foresee(&market, precision, limit, &asked.ask);
    Ok(question.answer(&[market], vec![part]))
}

async fn last_trades(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let (question, params) = Question::new((&reader, &asked, caller), "trades", &trades::PARAMS)?;
    let view = trades::view(&params)?.0;
    let Some(market) = question.market(&symbol)? else { return Ok(question.unlisted()) };
    let part = question.desk.trades.foresee(&market, view, &asked.ask);
    Ok(question.answer(&[market], vec![part]))
}

async fn one_context(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let asks = (&*reader, &asked, caller);
    context_of(asks, "market-context", &context::PARAMS, &symbol).await
}

async fn validation(
    State(reader): State<Arc<Reader>>,
    SymbolPath(symbol): SymbolPath,
    caller: Caller,
    asked: Asked,
) -> Reply {
    let asks = (&*reader, &asked, caller);
    context_of(asks, "validate-market", &validate::PARAMS, &symbol).await
}

/// Both are made of the parts of a context.
async fn context_of(
    asks: (&Reader, &Asked, Caller),
    endpoint: &'static str,
    known: &[Param],
    symbol: &str,
) -> Reply {
    let (question, params) = Question::new(asks, endpoint, known)?;
    let (timeframe, limit) = (params.timeframe()?, params.limit(CANDLES)?);
    let Some(market) = question.market(symbol)? else { return Ok(question.unlisted()) };
    let contexts = &question.desk.contexts;
    let parts = contexts.foresee(&market, timeframe, limit, question.asked.ask).await?;
    Ok(question.answer(&[market], parts))
}

async fn contexts(State(reader): State<Arc<Reader>>, caller: Caller, asked: Asked) -> Reply {
    let known = &context::MANY_PARAMS;
    let (question, params) = Question::new((&reader, &asked, caller), "market-context", known)?;
    let (timeframe, limit) = (params.timeframe()?, params.limit(CANDLES)?);
    let symbols = context::symbols(&params, &reader)?;
    let found = symbols.iter().map(|symbol| question.market(symbol));
    let Some(markets) = found.collect::<Result<Option<Vec<_>>, _>>()? else {
        return Ok(question.unlisted());
    };
    let mut parts = Vec::new();
    for market in &markets {
        let contexts = &question.desk.contexts;
        parts.extend(contexts.foresee(market, timeframe, limit, asked.ask).await?);
    }
    Ok(question.answer(&markets, parts))
}

async fn market_list(State(reader): State<Arc<Reader>>, caller: Caller, asked: Asked) -> Reply {
    let (question, _) = Question::new((&reader, &asked, caller), "markets", &markets::PARAMS)?;
    Ok(question.unlisted())
}
