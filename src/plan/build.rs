//! From settings and a workload to a model.

use std::collections::HashMap;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{
    What, Workload,
    arrivals::Arrivals,
    key::{Key, Product, Times},
    lane::Lane,
    live::Live,
    model::{Ask, Model, Settings},
    pace::Rules,
    tally::Tally,
    time::{Us, us},
    workload::spelling,
};
use crate::{
    config::Config,
    exchange::{Family, Profile},
    market::{Channel, Timeframe},
};

/// The depth that most clients ask for: smaller ones share its entry.
const SHARED_DEPTH: u32 = 25;
/// Levels a side of a context's book.
const CONTEXT_LEVELS: u32 = 20;
/// Rows that a fetch of candles asks for: the first of these that is enough.
const FETCH_SIZES: [u32; 4] = [250, 1000, 2500, 5000];

/// A model, and what its parts stand for.
pub(super) struct Built<'a> {
    pub(super) model: Model<'a>,
    /// The demand that each ask belongs to.
    pub(super) of: Vec<usize>,
    /// Each market as it was first written.
    pub(super) markets: Vec<String>,
}

struct Keys<'a> {
    config: &'a Config,
    profile: &'a Profile,
    markets: Vec<String>,
    by_spelling: HashMap<String, usize>,
    by_product: HashMap<(usize, Product), usize>,
    keys: Vec<Key>,
}

impl Keys<'_> {
    fn market(&mut self, symbol: &str) -> usize {
        let markets = &mut self.markets;
        *self.by_spelling.entry(spelling(symbol)).or_insert_with(|| {
            markets.push(symbol.to_owned());
            markets.len() - 1
        })
    }

    fn key(&mut self, market: usize, product: Product) -> usize {
        let cache = &self.config.cache;
        let policy = match product {
            Product::Ticker => &cache.ticker,
            Product::Book { .. } => &cache.orderbook,
            Product::Trades => &cache.trades,
            Product::Candles(_) => &cache.ohlcv,
        };
        let (times, silence) = (Times::of(policy), us(self.config.feed.max_silence));
        let keys = &mut self.keys;
        *self.by_product.entry((market, product)).or_insert_with(|| {
            let asked = product.asked(0, self.profile);
            keys.push(Key::new(market, product, asked, times, silence));
            keys.len() - 1
        })
    }

    /// The series that tells about a width, and the rows of it that tell about `limit` wide ones.
    fn candles(&mut self, market: usize, width: Timeframe, limit: u32) -> (usize, u32) {
        let (source, parts) = source(self.profile, width).unwrap_or((width, 1));
        let rows = limit.saturating_mul(parts);
        let key = self.key(market, Product::Candles(source));
        let most = self.profile.max_candles;
        let size = FETCH_SIZES.into_iter().find(|size| *size >= rows).unwrap_or(most).min(most);
        self.keys[key].rows = self.keys[key].rows.max(size);
        (key, rows)
    }

    fn book(&mut self, market: usize, levels: u32) -> usize {
        let depths = self.profile.book_depths;
        let depth = depths.iter().copied().find(|depth| *depth >= levels.max(SHARED_DEPTH));
        let depth = depth.or(depths.last().copied()).unwrap_or(SHARED_DEPTH);
        self.key(market, Product::Book { depth })
    }
}

/// The series that candles of a width are read from: itself where the exchange offers it, else the
/// widest that it can be computed from; and how many of its rows make one.
pub(super) fn source(profile: &Profile, width: Timeframe) -> Option<(Timeframe, u32)> {
    let fits = |width: &Timeframe| profile.timeframes.contains(width);
    let source = [width].into_iter().chain(width.sources()).find(fits)?;
    let parts = match (width.fixed(), source.fixed()) {
        (Some(whole), Some(part)) => whole.as_millis() / part.as_millis(),
        _ => 1,
    };
    Some((source, u32::try_from(parts).unwrap_or(1)))
}

/// The model of a gateway that starts with nothing in its memory. Events before `counts_from` do
/// not count. Equal seeds make equal models.
pub(super) fn build<'a>(
    config: &Config,
    profile: &'a Profile,
    workload: &Workload,
    counts_from: Us,
    seed: u64,
) -> Built<'a> {
    let mut keys = Keys {
        config,
        profile,
        markets: Vec::new(),
        by_spelling: HashMap::new(),
        by_product: HashMap::new(),
        keys: Vec::new(),
    };
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let (mut asks, mut of) = (Vec::new(), Vec::new());
    for (number, demand) in workload.demands.iter().enumerate() {
        for symbol in &demand.symbols {
            let market = keys.market(symbol);
            let (list, rows) = match demand.what {
                What::Ticker => (vec![keys.key(market, Product::Ticker)], 0),
                What::Orderbook => (vec![keys.book(market, demand.limit)], 0),
                What::Trades => (vec![keys.key(market, Product::Trades)], 0),
                What::Candles(width) => {
                    let (key, rows) = keys.candles(market, width, demand.limit);
                    (vec![key], rows)
                }
                What::Context(width) => {
                    let (candles, rows) = keys.candles(market, width, demand.limit);
                    let ticker = keys.key(market, Product::Ticker);
                    (vec![candles, ticker, keys.book(market, CONTEXT_LEVELS)], rows)
                }
            };
            let every = us(demand.every);
            asks.push(Ask {
                arrivals: Arrivals::new(demand.clients, every, demand.rhythm, &mut dice),
                keys: list,
                is_context: matches!(demand.what, What::Context(_)),
                max_age: demand.max_age.map(us),
                rows,
                tally: Tally::default(),
            });
            of.push(number);
        }
    }
    let foreign = pin(&mut keys);
    let latency = us(workload.latency);
    let upstream = &config.upstream;
    let rules = Rules {
        window: us(upstream.window),
        burst: None,
        latency,
        starvation_bound: us(upstream.starvation_bound),
        max_queue: upstream.max_queue,
    };
    let pools: Vec<_> = config.exchanges[profile.name].budget.pools().collect();
    let mut lanes: Vec<_> = pools
        .iter()
        .map(|(pool, limit)| Lane::new(*limit, Rules { burst: pool.burst, ..rules }))
        .collect();
    // Of families that the exchange does not offer.
    lanes.push(Lane::new(0, rules));
    let lane_of = Family::ALL.map(|family| {
        let at = pools.iter().position(|(pool, _)| pool.families.contains(&family));
        at.unwrap_or(pools.len())
    });
    for key in &mut keys.keys {
        key.asked = key.product.asked(key.rows, profile);
        key.warmth.is_mute = !key.product.has_channel(profile);
    }
    let settings = Settings {
        request_deadline: us(config.server.request_deadline),
        refresh_deadline: us(upstream.refresh_deadline),
        merge_window: us(upstream.merge_window),
        latency,
        profile,
        lane_of,
    };
    let live = Live::new(&config.feed, profile.live.channels_per_socket, foreign, latency);
    let mut model = Model::new(settings, counts_from, keys.keys, lanes, live, dice);
    model.asks = asks;
    Built { model, of, markets: keys.markets }
}

/// Pins what settings name; the number of pinned channels that nobody asks for.
fn pin(keys: &mut Keys<'_>) -> usize {
    let feed = &keys.config.feed;
    if !feed.enabled {
        return 0;
    }
    let mut foreign = 0;
    for (symbol, _) in feed.pinned_at(keys.profile.name) {
        let market = keys.by_spelling.get(&spelling(symbol));
        for channel in &feed.pinned_channels {
            let product = match channel {
                Channel::Ticker => Product::Ticker,
                Channel::Trades => Product::Trades,
                Channel::Orderbook => Product::Book { depth: SHARED_DEPTH },
                Channel::Ohlcv(width) if keys.profile.live.timeframes.contains(width) => {
                    Product::Candles(*width)
                }
                Channel::Ohlcv(_) => continue,
            };
            match market.and_then(|market| keys.by_product.get(&(*market, product))) {
                Some(key) => keys.keys[*key].warmth.pinned = true,
                None => foreign += 1,
            }
        }
    }
    foreign
}
