//! The products of each exchange, and the exchanges by name.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Books, CandleSeries, Contexts, Documents, Live, Markets, ProductCache, Shelf, Tickers,
    TradeSeries, live,
};
use crate::{
    cache::Ask,
    clock::Clock,
    config::Current,
    exchange::{self, Exchange},
    feed::{Feed, Hub, Sink},
    store::Store,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Upstream,
};

/// Every product of one exchange.
#[derive(Clone)]
pub struct Desk {
    /// What they are read through.
    pub shelf: Arc<Shelf>,
    /// Market list.
    pub markets: Markets,
    /// Tickers.
    pub tickers: Tickers,
    /// Order books.
    pub books: Books,
    /// Candles.
    pub candles: CandleSeries,
    /// Trades.
    pub trades: TradeSeries,
    /// Market context.
    pub contexts: Contexts,
    /// Native documents.
    pub documents: Documents,
    /// What is live.
    pub live: Live,
}

impl Desk {
    /// The products of `exchange`, read through a cache and what is on disk; `open` makes the feed whose channels go
    /// into the sink it is given.
    pub fn new(
        exchange: Arc<dyn Exchange>,
        upstream: Arc<Upstream>,
        (cache, store): (ProductCache, Store),
        settings: &Current,
        (clock, metrics): (Clock, &Metrics),
        open: impl FnOnce(Arc<dyn Sink>) -> Feed,
        tasks: &Tasks,
    ) -> Self {
        let config = settings.now();
        let settings = settings.clone();
        let candles = metrics.candles(exchange.profile().name);
        let shelf = Arc::new(Shelf { exchange, upstream, cache, store, settings, clock, candles });
        let merge_window = config.upstream.merge_window;
        let deadlines = (config.server.request_deadline, config.upstream.refresh_deadline);
        let hub = Hub::new(rand::random(), &config.stream, shelf.clock.clone());
        let markets = Markets::new(shelf.clone(), tasks);
        let tickers = Tickers::new(shelf.clone(), markets.clone(), merge_window, deadlines, tasks);
        let books = Books::new(shelf.clone());
        let candles = CandleSeries::new(shelf.clone(), tasks);
        let trades = TradeSeries::new(shelf.clone());
        let contexts = Contexts::new(candles.clone(), tickers.clone(), books.clone());
        let products = live::Products {
            tickers: tickers.clone(),
            books: books.clone(),
            candles: candles.clone(),
            trades: trades.clone(),
        };
        let live = Live::start((&shelf, &markets, products), hub, &config, open, tasks);
        Self {
            markets,
            tickers,
            books,
            candles,
            trades,
            contexts,
            documents: Documents::new(shelf.clone(), merge_window, deadlines, tasks),
            live,
            shelf,
        }
    }

    /// Loads the market list before the first client needs it, trying until it is there.
    pub async fn warm_up(&self, patience: Duration) {
        const PAUSE: Duration = Duration::from_secs(2);
        loop {
            let ask = Ask::by(Instant::now() + patience);
            let Err(error) = self.markets.get(ask).await else { return };
            tracing::warn!(exchange = self.shelf.name(), %error, "the market list is not there yet");
            tokio::time::sleep(error.retry_after().unwrap_or(PAUSE).max(PAUSE)).await;
        }
    }
}

/// No exchange of this name is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; served are {}", told(.asked), .served.join(", "))]
pub struct UnknownExchange {
    /// What was asked, cut to 40 characters.
    pub asked: String,
    /// What is served.
    pub served: Vec<&'static str>,
}

/// What is wrong with a name: an exchange that could be served is only to be switched on.
fn told(asked: &str) -> String {
    match exchange::spec(asked) {
        Some(spec) => format!("{} is not enabled here", spec.title),
        None => format!("no exchange {asked:?}"),
    }
}

/// The exchanges that are served.
pub struct Desks {
    desks: Vec<Desk>,
    default: usize,
}

impl Desks {
    /// Serves `desks`; the one named `default`, else the first, where a request names none.
    pub fn new(desks: Vec<Desk>, default: &str) -> Self {
        let default = desks.iter().position(|desk| desk.shelf.name() == default).unwrap_or(0);
        Self { desks, default }
    }

    /// The desk of the exchange that a request names, or the default one.
    pub fn get(&self, name: Option<&str>) -> Result<&Desk, UnknownExchange> {
        let index = match name {
            None => Some(self.default),
            Some(name) => self.desks.iter().position(|desk| desk.shelf.name() == name),
        };
        index.and_then(|index| self.desks.get(index)).ok_or_else(|| UnknownExchange {
            asked: name.unwrap_or_default().chars().take(40).collect(),
            served: self.desks.iter().map(|desk| desk.shelf.name()).collect(),
        })
    }

    /// All of them.
    pub fn all(&self) -> &[Desk] {
        &self.desks
    }
}
