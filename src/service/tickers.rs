//! Tickers, one or many.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{
    Foreseen, Got, Markets, Product, ServiceError, Shelf, TickerBoard, Value,
    product::{got_board, got_ticker},
};
use crate::{
    cache::{Ask, Loaded, Stamp},
    exchange::{Asked, UpstreamError},
    market::{Listing, Ticker},
    tasks::Tasks,
    telemetry::{DataKind, Payer, Wait},
    upstream::{CallError, Merge},
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

/// So long no list is asked for a market that the list of all was without.
const GONE_FOR: Duration = Duration::from_secs(60);

/// Markets that the list of all was without, and until when that is believed.
#[derive(Default)]
struct Gone(Mutex<HashMap<ById, Instant>>);

impl Gone {
    fn add(&self, market: ById) {
        let now = Instant::now();
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| *until > now);
        until.insert(market, now + GONE_FOR);
    }

    fn has(&self, market: &ById) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(market)
            .is_some_and(|until| *until > Instant::now())
    }
}

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
        let gone = Arc::<Gone>::default();
        let gather = |patience: Duration| {
            let max = shelf.exchange.profile().max_tickers;
            let (shelf, gone) = (shelf.clone(), gone.clone());
            let load = move |asked: Vec<ById>, payer| {
                let (shelf, gone) = (shelf.clone(), gone.clone());
                async move { fetch(&shelf, &gone, asked, payer, Instant::now() + patience).await }
            };
            Arc::new(Merge::new(merge_window, max, tasks, load))
        };
        let awaited = gather(deadlines.0);
        let refreshed = gather(deadlines.1);
        Self { shelf, markets, awaited, refreshed }
    }

    /// True if a ticker among many tells all that one by itself tells. Where it does not, one is
    /// neither fetched among many nor replaced by one of those.
    pub fn are_whole(&self) -> bool {
        self.shelf.exchange.profile().tickers_are_whole
    }

    /// One ticker. Asks that come within a few milliseconds of each other share one request, and a
    /// refresh brings along the tickers that are due as well, where tickers among many are whole.
    pub async fn get(&self, market: &Arc<Listing>, ask: Ask) -> Result<Got<Ticker>, ServiceError> {
        let load = |_shelf, payer: Payer, deadline| {
            let (tickers, market) = (self.clone(), market.clone());
            async move {
                if !tickers.are_whole() {
                    let ticker = one(&tickers.shelf, &market, payer, deadline).await?;
                    return Ok(tickers.shelf.loaded(DataKind::Ticker, Value::Ticker(ticker)));
                }
                if payer.class == Wait::Refresh {
                    tickers.bring_along(&market, payer);
                }
                tickers.load(market, payer).await
            }
        };
        let product = Product::Ticker(market.id.clone());
        Ok(got_ticker(self.shelf.read(product, DataKind::Ticker, ask, |_| true, load).await?))
    }

    /// What [`Tickers::get`] would do now.
    pub fn foresee(&self, market: &Listing, ask: &Ask) -> Foreseen {
        let product = Product::Ticker(market.id.clone());
        let asked = match self.are_whole() {
            true => asked_of_one(&self.shelf),
            false => Asked::Ticker,
        };
        self.shelf.foresee(product, DataKind::Ticker, asked, ask, |_| true)
    }

    /// What [`Tickers::all`] would do now.
    pub fn foresee_all(&self, ask: &Ask) -> Foreseen {
        let (product, asked) = (Product::AllTickers, Asked::Tickers { count: None });
        self.shelf.foresee(product, DataKind::Ticker, asked, ask, |_| true)
    }

    async fn load(
        &self,
        market: Arc<Listing>,
        payer: Payer,
    ) -> Result<Loaded<Value>, ServiceError> {
        let gathered = if payer.class == Wait::Client { &self.awaited } else { &self.refreshed };
        let ticker = gathered.ask(ById(market), payer).await?;
        let left_out = || ServiceError::Invalid("it left the ticker out".to_owned());
        Ok(self.shelf.loaded(DataKind::Ticker, Value::Ticker(ticker.ok_or_else(left_out)?)))
    }

    /// Refreshes the tickers that are read and will soon be due too: one request brings them all,
    /// so that any number of hot markets costs what one costs.
    fn bring_along(&self, first: &Listing, payer: Payer) {
        // Without a call left for many, each is better off with the endpoint for one.
        let several = self.shelf.charge(Asked::Tickers { count: Some(2) });
        if self.shelf.upstream.ready(several) == 0 {
            return;
        }
        let most = self.shelf.exchange.profile().max_tickers.saturating_sub(1);
        let others = self.due_as_well().filter(|market| market.id != first.id);
        for market in others.take(most) {
            let (tickers, product) = (self.clone(), Product::Ticker(market.id.clone()));
            let load = || async move { tickers.load(market, payer).await };
            self.shelf.renew(product, DataKind::Ticker, load);
        }
    }

    fn due_as_well(&self) -> impl Iterator<Item = Arc<Listing>> {
        let (directory, now) = (self.markets.held(), Instant::now());
        let fetched = self.shelf.policy(DataKind::Ticker);
        let is_due = move |stamp: &Stamp| {
            let (age, policy) = (stamp.age(now), &stamp.policy);
            let half = policy.ttl / 2;
            // What is live has a policy of its own, and is brought by its channel.
            *policy == fetched
                && stamp.was_read()
                && age >= half
                && age < policy.ttl + policy.stale_while_revalidate
        };
        let name = self.shelf.name();
        self.shelf.cache.entries().into_iter().filter_map(move |(key, entry)| match &key.product {
            Product::Ticker(id) if key.exchange == name && is_due(&entry.stamp) => {
                directory.as_ref()?.registry.by_id(id).cloned()
            }
            _ => None,
        })
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
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let (markets, are_whole) = (self.markets.clone(), self.are_whole());
            async move {
                let directory = markets.get(Ask::by(deadline)).await?;
                let exchange = &shelf.exchange;
                let call = || exchange.tickers(None);
                let charge = shelf.charge(Asked::Tickers { count: None });
                let list = shelf.upstream.call(charge, payer, deadline, call).await?;
                let received = Instant::now();
                let mut rows = Vec::with_capacity(list.rows.len());
                for (id, ticker) in list.rows {
                    let Some(market) = directory.registry.by_id(&id) else { continue };
                    let key = shelf.key(Product::Ticker(market.id.clone()));
                    // Its channel would not tell it again, and it would have to be asked for.
                    if are_whole && !shelf.is_live(&key) {
                        let one = shelf.loaded(DataKind::Ticker, Value::Ticker(ticker.clone()));
                        shelf.cache.put(key, one, received);
                    }
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

/// The endpoint for one where it has a call left, or the one for many has none either.
fn asked_of_one(shelf: &Shelf) -> Asked {
    let (one, many) = (Asked::Ticker, Asked::Tickers { count: Some(1) });
    let ready = |asked| shelf.upstream.ready(shelf.charge(asked)) > 0;
    if ready(one) || !ready(many) { one } else { many }
}

/// Fetches one ticker from the endpoint for one.
async fn one(
    shelf: &Shelf,
    market: &Listing,
    payer: Payer,
    deadline: Instant,
) -> Result<Ticker, ServiceError> {
    let call = || shelf.exchange.ticker(market);
    Ok(shelf.upstream.call(shelf.charge(Asked::Ticker), payer, deadline, call).await?)
}

/// Fetches gathered tickers in one request: the endpoint for one where it is only one and that
/// family has a call left, else the endpoint for many.
///
/// A market that is listed no more since the list was read may have a request for many refused as a
/// whole: the others' tickers are in the list of all, and the market that is not is left out of the
/// requests for many that follow.
async fn fetch(
    shelf: &Shelf,
    gone: &Gone,
    mut asked: Vec<ById>,
    payer: Payer,
    deadline: Instant,
) -> Result<HashMap<ById, Ticker>, ServiceError> {
    let (exchange, upstream) = (&shelf.exchange, &shelf.upstream);
    if asked.iter().any(|market| !gone.has(market)) {
        asked.retain(|market| !gone.has(market));
    }
    if let [only] = asked.as_slice()
        && asked_of_one(shelf) == Asked::Ticker
    {
        let ticker = one(shelf, &only.0, payer, deadline).await?;
        return Ok(HashMap::from([(only.clone(), ticker)]));
    }
    let markets: Vec<Arc<Listing>> = asked.into_iter().map(|ById(market)| market).collect();
    let call = || exchange.tickers(Some(&markets));
    let charge = shelf.charge(Asked::Tickers { count: Some(markets.len()) });
    let mut is_of_all = false;
    let list = match upstream.call(charge, payer, deadline, call).await {
        Err(CallError::Upstream(UpstreamError::Rejected { .. })) if markets.len() > 1 => {
            let charge = shelf.charge(Asked::Tickers { count: None });
            is_of_all = true;
            upstream.call(charge, payer, deadline, || exchange.tickers(None)).await?
        }
        list => list?,
    };
    let mut by_id: HashMap<String, Ticker> = list.rows.into_iter().collect();
    let found = markets.into_iter().filter_map(|market| {
        // The list of all may have another name for it.
        let names = [Some(market.id.as_str()), market.listed_as.as_deref()];
        let ticker = names.into_iter().flatten().find_map(|name| by_id.remove(name));
        if is_of_all && ticker.is_none() {
            gone.add(ById(market.clone()));
        }
        Some((ById(market), ticker?))
    });
    Ok(found.collect())
}
