//! Tickers, one or many.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{
    Got, Markets, Product, ServiceError, Shelf, TickerBoard, Value,
    product::{got_board, got_ticker},
};
use crate::{
    cache::{Ask, Demand, Stamp},
    exchange::Family,
    market::{Listing, Ticker},
    tasks::Tasks,
    telemetry::{DataKind, Wait},
    upstream::Merge,
};

/// A market as the key of a gathered request.
#[derive(Clone)]
struct ById(Arc<Listing>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

type Gathered = Merge<ById, Ticker, ServiceError>;

/// The tickers of one exchange.
#[derive(Clone)]
pub struct Tickers {
    shelf: Arc<Shelf>,
    markets: Markets,
    awaited: Arc<Gathered>,
    refreshed: Arc<Gathered>,
}

impl Tickers {
    pub(super) fn new(
        shelf: Arc<Shelf>,
        markets: Markets,
        merge_window: Duration,
        deadlines: (Duration, Duration),
        tasks: &Tasks,
    ) -> Self {
        let gather = |class: Wait, patience: Duration| {
            let max = shelf.exchange.profile().max_tickers;
            let (shelf, markets) = (shelf.clone(), markets.clone());
            let load = move |asked: Vec<ById>| {
                let (shelf, markets) = (shelf.clone(), markets.clone());
                async move {
                    let deadline = Instant::now() + patience;
                    let others = match class {
                        Wait::Refresh => due_as_well(&shelf, &markets, &asked, max),
                        Wait::Client | Wait::Background => Vec::new(),
                    };
                    fetch(&shelf, asked, others, class, deadline).await
                }
            };
            Arc::new(Merge::new(merge_window, max, tasks, load))
        };
        let awaited = gather(Wait::Client, deadlines.0);
        let refreshed = gather(Wait::Refresh, deadlines.1);
        Self { shelf, markets, awaited, refreshed }
    }

    /// One ticker. Asks that come within a few milliseconds of each other share one request.
    pub async fn get(&self, market: &Arc<Listing>, ask: Ask) -> Result<Got<Ticker>, ServiceError> {
        let load = |shelf: Arc<Shelf>, class, _deadline| {
            let gathered = if class == Wait::Client { &self.awaited } else { &self.refreshed };
            let (gathered, market) = (gathered.clone(), market.clone());
            async move {
                let ticker = gathered.ask(ById(market)).await?;
                let left_out = || ServiceError::Invalid("it left the ticker out".to_owned());
                Ok(shelf.loaded(DataKind::Ticker, Value::Ticker(ticker.ok_or_else(left_out)?)))
            }
        };
        let product = Product::Ticker(market.id.clone());
        Ok(got_ticker(self.shelf.read(product, DataKind::Ticker, ask, |_| true, load).await?))
    }

    /// Several tickers, in the order asked; those that are not held are fetched in one request.
    pub async fn several(
        &self,
        markets: &[Arc<Listing>],
        ask: Ask,
    ) -> Result<Vec<Got<Ticker>>, ServiceError> {
        try_join_all(markets.iter().map(|market| self.get(market, ask))).await
    }

    /// Every ticker of the exchange.
    pub async fn all(&self, ask: Ask) -> Result<Got<TickerBoard>, ServiceError> {
        let load = |shelf: Arc<Shelf>, class, deadline| {
            let markets = self.markets.clone();
            async move {
                let directory = markets.get(Ask { demand: Demand::default(), deadline }).await?;
                let exchange = &shelf.exchange;
                let call = || exchange.tickers(None);
                let list = shelf.upstream.call(Family::Tickers, class, deadline, call).await?;
                let received = Instant::now();
                let mut rows = Vec::with_capacity(list.rows.len());
                for (id, ticker) in list.rows {
                    let Some(market) = directory.registry.by_id(&id) else { continue };
                    let one = shelf.loaded(DataKind::Ticker, Value::Ticker(ticker.clone()));
                    let product = Product::Ticker(market.id.clone());
                    shelf.cache.put(shelf.key(product), one, received);
                    rows.push((market.symbol.clone(), ticker));
                }
                if rows.is_empty() {
                    return Err(ServiceError::Invalid("it listed no ticker".to_owned()));
                }
                let board = TickerBoard { rows, body: list.body };
                Ok(shelf.loaded(DataKind::Ticker, Value::Board(board)))
            }
        };
        let read = self.shelf.read(Product::AllTickers, DataKind::Ticker, ask, |_| true, load);
        Ok(got_board(read.await?))
    }
}

/// Tickers that are read and will soon be refreshed too: one request brings all of them, so that
/// any number of hot markets costs what one costs. At most `max` with those that are asked for.
fn due_as_well(shelf: &Shelf, markets: &Markets, asked: &[ById], max: usize) -> Vec<Arc<Listing>> {
    let Some(directory) = markets.held() else { return Vec::new() };
    let now = Instant::now();
    let is_due = |stamp: &Stamp| {
        let (age, policy) = (stamp.age(now), &stamp.policy);
        let half = policy.ttl / 2;
        stamp.was_read() && age >= half && age < policy.ttl + policy.stale_while_revalidate
    };
    let entries = shelf.cache.entries().into_iter();
    let due = entries.filter_map(|(key, entry)| match &key.product {
        Product::Ticker(id) if key.exchange == shelf.name() && is_due(&entry.stamp) => {
            directory.registry.by_id(id).cloned()
        }
        _ => None,
    });
    let others = due.filter(|market| asked.iter().all(|ById(other)| other.id != market.id));
    others.take(max.saturating_sub(asked.len())).collect()
}

/// Fetches gathered tickers in one request: the endpoint for one where it is only one and that
/// family has a call left, else the endpoint for many. `others` come along where there is a call
/// left for many; nobody waits for them, and what comes is put on the shelf.
async fn fetch(
    shelf: &Shelf,
    asked: Vec<ById>,
    others: Vec<Arc<Listing>>,
    class: Wait,
    deadline: Instant,
) -> Result<HashMap<ById, Ticker>, ServiceError> {
    let (exchange, upstream) = (&shelf.exchange, &shelf.upstream);
    let many_left = upstream.ready(Family::Tickers) > 0;
    if let [one] = asked.as_slice()
        && (others.is_empty() || !many_left)
        && (upstream.ready(Family::Ticker) > 0 || !many_left)
    {
        let call = || exchange.ticker(&one.0);
        let ticker = upstream.call(Family::Ticker, class, deadline, call).await?;
        return Ok(HashMap::from([(one.clone(), ticker)]));
    }
    let asked: Vec<Arc<Listing>> = asked.into_iter().map(|ById(market)| market).collect();
    let markets: Vec<Arc<Listing>> = asked.iter().chain(&others).cloned().collect();
    let call = || exchange.tickers(Some(&markets));
    let list = upstream.call(Family::Tickers, class, deadline, call).await?;
    let received = Instant::now();
    let mut by_id: HashMap<String, Ticker> = list.rows.into_iter().collect();
    for market in others {
        if let Some(ticker) = by_id.remove(market.id.as_str()) {
            let loaded = shelf.loaded(DataKind::Ticker, Value::Ticker(ticker));
            shelf.cache.put(shelf.key(Product::Ticker(market.id.clone())), loaded, received);
        }
    }
    let found = asked.into_iter().filter_map(|market| {
        let ticker = by_id.remove(market.id.as_str())?;
        Some((ById(market), ticker))
    });
    Ok(found.collect())
}
