//! `/v2/...`: the public REST interface.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use bytes::Bytes;
use futures_util::future::join_all;

use super::{
    Refusal,
    route::{NotAsked, Question, Route, Span, View},
    rows,
};
use crate::{
    api::{
        answer::{Format, Stamps, Text},
        payload::Payload,
        reader::{Asked, Reader, combined},
        uncached,
    },
    cache::{Ask, Demand},
    exchange::{
        NativeQuery,
        bitfinex::{PROFILE, native},
    },
    market::{Candle, Listing, Timeframe, Trade},
    service::{CandleView, Candles, Desk, Directory, Got, ServiceError, TradeView},
    telemetry::{CacheOutcome, DataKind, Endpoint},
};

type Reply = Result<Response<Payload>, Refusal>;

/// Answers a request below `/v2`.
pub(in crate::api) async fn rest(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Response<Payload> {
    let reply = answer(&reader, &asked).await;
    reply.unwrap_or_else(|refusal| refusal.respond("GET", asked.path()))
}

async fn answer(reader: &Reader, asked: &Asked) -> Reply {
    let Route { endpoint, question } = Route::parse(asked.path(), asked.query())?;
    let desk = reader.desks.get(Some(PROFILE.name)).map_err(|_| NotAsked::NoRoute)?;
    let window = Window { reader, asked, desk, endpoint };
    match question {
        Question::Platform => window.platform().await,
        Question::Conf(keys) => window.conf(&keys).await,
        Question::AllTickers => {
            let board = desk.tickers.all(asked.ask).await?;
            Ok(window.give(parts([&board]), || board.body.clone()))
        }
        Question::Tickers(symbols) => window.tickers(&symbols).await,
        Question::Derivatives(keys) => window.derivatives(&keys).await,
        Question::Market { id, view } => window.market(&id, view).await,
        Question::Nothing => Ok(window.nothing(&window.directory().await?)),
        Question::Native(query, kind) => window.native(&query, kind).await,
    }
}

/// One request and what it is answered from.
struct Window<'a> {
    reader: &'a Reader,
    asked: &'a Asked,
    desk: &'a Desk,
    endpoint: Endpoint,
}

impl Window<'_> {
    fn give(
        &self,
        parts: (Stamps, CacheOutcome),
        text: impl FnOnce() -> Bytes,
    ) -> Response<Payload> {
        let encode = || Text::Fixed(text());
        self.asked.reply(self.reader, self.endpoint, parts, Format::ExchangeJson, encode)
    }

    /// The market list, of any age that its own policy allows.
    async fn directory(&self) -> Result<Got<Directory>, ServiceError> {
        let ask = Ask { demand: Demand::default(), ..self.asked.ask };
        self.desk.markets.get(ask).await
    }

    /// An answer that follows from the market list: there is nothing.
    fn nothing(&self, directory: &Got<Directory>) -> Response<Payload> {
        self.give(parts([directory]), || Bytes::from_static(b"[]"))
    }

    async fn native(&self, query: &NativeQuery, kind: DataKind) -> Reply {
        let document = self.desk.documents.get(query, kind, self.asked.ask).await?;
        Ok(self.give(parts([&document]), || Bytes::clone(&document)))
    }

    async fn platform(&self) -> Reply {
        let query = native::platform_status();
        match self.desk.documents.get(&query, DataKind::Status, self.asked.ask).await {
            Err(ServiceError::Maintenance { .. }) => Ok(uncached(&[0])),
            document => {
                let document = document?;
                Ok(self.give(parts([&document]), || Bytes::clone(&document)))
            }
        }
    }

    async fn conf(&self, keys: &[String]) -> Reply {
        let documents = self.desk.documents.conf(keys, self.asked.ask).await?;
        let text = || rows::array(documents.iter().map(|document| document.as_ref()));
        Ok(self.give(parts(&documents), text))
    }

    /// Rows in the order asked. Pairs come from the entries of single tickers; names of nothing
    /// are left out, as the exchange does.
    async fn tickers(&self, symbols: &[String]) -> Reply {
        let (desk, ask) = (self.desk, self.asked.ask);
        let directory = self.directory().await?;
        let listed = |symbol: &String| directory.registry.by_id(symbol).cloned();
        let mut loans: Vec<&str> = symbols.iter().map(String::as_str).collect();
        loans.retain(|name| name.starts_with('f') && native::ticker(name).is_ok());
        let pairs = join_all(symbols.iter().map(async |symbol| match listed(symbol) {
            Some(market) => Some(desk.tickers.get(&market, ask).await),
            None => None,
        }));
        let loans = async {
            if loans.is_empty() {
                return Ok(None);
            }
            let query = native::tickers(loans.iter().copied())?;
            Ok::<_, Refusal>(Some(desk.documents.get(&query, DataKind::Ticker, ask).await?))
        };
        let (pairs, loans) = tokio::join!(pairs, loans);
        let loans = loans?;
        let some = loans.is_some() || pairs.iter().flatten().any(Result::is_ok);
        let mut tickers = Vec::with_capacity(symbols.len());
        for pair in pairs {
            tickers.push(match pair {
                // A list does not fail with one market that has no ticker, or no possible one.
                Some(Err(ServiceError::Invalid(_))) if some => None,
                pair => pair.transpose()?,
            });
        }
        let found: Vec<_> = tickers.iter().flatten().collect();
        let (mut stamps, outcome) = parts(found.iter().copied());
        if let Some(loans) = &loans {
            stamps.push(loans.stamp().clone());
        }
        if stamps.is_empty() {
            return Ok(self.nothing(&directory));
        }
        let outcome = combined(loans.iter().map(|loans| loans.outcome).chain([outcome]));
        Ok(self.give((stamps, outcome), || {
            let loans = loans.as_ref().and_then(|loans| rows::by_name(loans)).unwrap_or_default();
            let rows: Vec<Bytes> = symbols
                .iter()
                .zip(&tickers)
                .filter_map(|(symbol, ticker)| match ticker {
                    Some(ticker) => Some(rows::named(symbol, &ticker.raw)),
                    None => loans.get(symbol).cloned(),
                })
                .collect();
            rows::array(rows.iter().map(AsRef::as_ref))
        }))
    }

    async fn derivatives(&self, keys: &[String]) -> Reply {
        let directory = self.directory().await?;
        let mut listed: Vec<&str> = keys.iter().map(String::as_str).collect();
        listed.retain(|key| directory.registry.by_id(key).is_some());
        if listed.is_empty() {
            return Ok(self.nothing(&directory));
        }
        self.native(&native::deriv_status(listed)?, DataKind::Status).await
    }

    async fn market(&self, id: &str, view: View) -> Reply {
        let (desk, ask) = (self.desk, self.asked.ask);
        let directory = self.directory().await?;
        let Some(market) = directory.registry.by_id(id) else {
            // So does the exchange: of candles and derivatives it has none, the rest is an error.
            return match self.endpoint {
                Endpoint::V2Candles | Endpoint::V2Status => Ok(self.nothing(&directory)),
                _ => Err(Refusal::invalid("symbol")),
            };
        };
        match view {
            View::Ticker => {
                let ticker = desk.tickers.get(market, ask).await?;
                Ok(self.give(parts([&ticker]), || ticker.raw.bytes().clone()))
            }
            View::Book(precision, levels) => {
                let book = desk.books.get(market, precision, levels, ask).await?;
                Ok(self.give(parts([&book]), || rows::book(&book, levels)))
            }
            View::Trades(span) => self.trades(market, span).await,
            View::Candles(timeframe, span) => {
                let candles = desk.candles.get(market, candle_view(timeframe, &span), ask).await?;
                let time = |candle: &Candle| candle.open_time;
                let text = || rows::history(candles.rows(), &span, time, rows::candle);
                Ok(self.give(candle_parts(&candles), text))
            }
            View::LastCandle(timeframe) => {
                let span = Span { limit: 1, start: None, end: None, oldest_first: false };
                let candles = desk.candles.get(market, candle_view(timeframe, &span), ask).await?;
                let last = candles.rows().last().map(rows::candle);
                let text = || last.map_or_else(|| Bytes::from_static(b"[]"), Bytes::from);
                Ok(self.give(candle_parts(&candles), text))
            }
            View::Native(query, kind) => self.native(&query, kind).await,
        }
    }

    async fn trades(&self, market: &Arc<Listing>, span: Span) -> Reply {
        let view = TradeView { limit: span.limit, since: span.since(), until: span.end };
        let trades = self.desk.trades.get(market, view, self.asked.ask).await?;
        let time = |trade: &Trade| trade.at;
        let text = || rows::history(trades.rows(), &span, time, |trade| trade.raw.as_str());
        Ok(self.give(parts([trades.got()]), text))
    }
}

fn candle_view(timeframe: Timeframe, span: &Span) -> CandleView {
    let (since, until) = (span.since(), span.end);
    CandleView { timeframe, limit: span.limit, since, until, closed_only: false }
}

fn candle_parts(candles: &Candles) -> (Stamps, CacheOutcome) {
    ([candles.stamp().clone()].into_iter().collect(), candles.outcome())
}

/// What an answer is made from.
fn parts<'a, T: 'static>(
    got: impl IntoIterator<Item = &'a Got<T>> + Clone,
) -> (Stamps, CacheOutcome) {
    let stamps = got.clone().into_iter().map(|got| got.stamp().clone()).collect();
    (stamps, combined(got.into_iter().map(|got| got.outcome)))
}
