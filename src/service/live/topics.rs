//! What is known of each topic besides its data, and which entry of the cache it feeds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::tail::Tail;
use crate::{
    cache::Stamp,
    exchange::{self, Family, Stream, Topic},
    market::{Candle, Ticker, Trade},
    service::Product,
    telemetry::DataKind,
};

/// Whether a topic's channel is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Shut,
    /// It is, and has brought nothing yet.
    Opened,
    /// It is, and says nothing of the past or has left something out: that is being fetched, and
    /// what it brings is gathered.
    Gathering,
    /// It is, and has brought a snapshot.
    Live,
}

/// What a channel has brought, as far as the line does not keep it.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing that could be confirmed.
    Nothing,
    Ticker(Arc<Ticker>),
    /// A book, and whether it is just as it was when it was last known to be right.
    Book {
        is_verified: bool,
    },
    Trades(Tail<Trade>),
    Candles(Tail<Candle>),
}

/// One topic.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// How often its channel was opened.
    pub(super) openings: u64,
    /// Not before this is the exchange asked for what its channel leaves out next.
    pub(super) hole_due: Instant,
    /// Since when it is not live.
    pub(super) shut_since: Instant,
    pub(super) content: Content,
    /// The stamp of the entry that was last put for it.
    pub(super) kept: Option<Arc<Stamp>>,
    /// When that was true which followers were told last.
    pub(super) told: Option<Instant>,
    /// Not before this is the exchange asked for it.
    pub(super) poll_due: Instant,
    pub(super) is_polling: bool,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Shut,
            openings: 0,
            hole_due: now,
            shut_since: now,
            content: Content::Nothing,
            kept: None,
            told: None,
            poll_due: now,
            is_polling: false,
        }
    }
}

/// One topic's state, shared by the feed's tasks and the poller's.
pub(super) type Shared = Arc<Mutex<State>>;

/// A state to be used for a few lines without awaits.
pub(super) fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The states of all topics that are live or followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Topics {
    states: Arc<Mutex<HashMap<Arc<Topic>, Shared>>>,
}

impl Topics {
    /// The state of a topic; one that was unknown is shut.
    pub(super) fn of(&self, topic: &Arc<Topic>) -> Shared {
        let new = || Arc::new(Mutex::new(State::new(Instant::now())));
        self.states().entry(topic.clone()).or_insert_with(new).clone()
    }

    /// Forgets those that are shut and not `wanted`.
    pub(super) fn sweep(&self, wanted: impl Fn(&Topic) -> bool) {
        self.states().retain(|topic, state| {
            let is_used = Arc::strong_count(state) > 1;
            is_used || wanted(topic) || lock(state).phase != Phase::Shut
        });
    }

    fn states(&self) -> MutexGuard<'_, HashMap<Arc<Topic>, Shared>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if a channel brings a topic; what none brings is had by asking only.
pub(super) fn has_channel(live: &exchange::Live, topic: &Topic) -> bool {
    match &topic.stream {
        Stream::Book { depth, .. } => live.book_depths.contains(depth),
        Stream::Candles(timeframe) => live.timeframes.contains(timeframe),
        Stream::Ticker | Stream::Trades | Stream::Native(_) => true,
    }
}

/// The product that a topic brings, and its kind; `None` for what has no unified form.
pub(super) fn product(topic: &Topic) -> Option<(Product, DataKind)> {
    let id = topic.id.clone();
    Some(match &topic.stream {
        Stream::Ticker => (Product::Ticker(id), DataKind::Ticker),
        Stream::Trades => (Product::Trades(id), DataKind::Trades),
        Stream::Book { precision, depth } => {
            let (precision, depth) = (*precision, *depth);
            (Product::Book { id, precision, depth }, DataKind::Orderbook)
        }
        Stream::Candles(timeframe) => {
            (Product::Candles { id, timeframe: *timeframe }, DataKind::Ohlcv)
        }
        Stream::Native(_) => return None,
    })
}

/// Whose calls bring a topic where no channel does.
pub(super) fn families(topic: &Topic) -> &'static [Family] {
    match topic.stream {
        Stream::Ticker => &[Family::Ticker, Family::Tickers],
        Stream::Trades => &[Family::Trades],
        Stream::Book { .. } => &[Family::Book],
        Stream::Candles(_) => &[Family::Candles],
        Stream::Native(_) => &[],
    }
}

/// The topic that brings a product; `None` for what no channel brings.
pub(super) fn topic(product: &Product) -> Option<Topic> {
    let (id, stream) = match product {
        Product::Ticker(id) => (id, Stream::Ticker),
        Product::Trades(id) => (id, Stream::Trades),
        Product::Book { id, precision, depth } => {
            (id, Stream::Book { precision: *precision, depth: *depth })
        }
        Product::Candles { id, timeframe } => (id, Stream::Candles(*timeframe)),
        Product::Markets
        | Product::AllTickers
        | Product::TradeSpan { .. }
        | Product::Conf(_)
        | Product::Native(_) => return None,
    };
    Some(Topic { id: id.clone(), stream })
}
