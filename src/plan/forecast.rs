//! What is to be expected.

use std::time::Duration;

use super::{
    What, Workload,
    build::{Built, build},
    key::{Key, Product},
    tally::Tally,
    time::{SECOND, Us, seconds, us},
};
use crate::{
    config::Config,
    exchange::{Asked, Family, Pool, Profile},
};

/// A workload fits if no more than this share of any group's requests is refused: chance crowds
/// requests now and then, however few they are.
pub const TOLERATED: f64 = 0.005;

/// Until then caches fill and channels open; it does not count.
pub const WARM_UP: Duration = Duration::from_secs(300);
/// Time that counts, if there is no reason for less.
const LONGEST: Us = 3600 * SECOND;
const SHORTEST: Us = 600 * SECOND;
/// Work that a forecast may make: keys and asks, times seconds.
const MOST_WORK: Us = 1_000_000;
/// Most gateways that are played through, each with other dice.
const MOST_RUNS: Us = 8;

/// What is to be expected of a workload.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// No group is refused more than [`TOLERATED`] of its requests, or given that share of contexts
    /// without their book, or of data that is older than the settings allow.
    pub fits: bool,
    /// The share of all requests that is refused.
    pub refused_share: f64,
    /// Requests a minute of all clients.
    pub requests_per_minute: f64,
    /// Pools that are called, or have refused a call.
    pub pools: Vec<PoolForecast>,
    /// In the order of the workload's demands.
    pub demands: Vec<DemandForecast>,
    /// Every entry of the cache.
    pub entries: Vec<EntryForecast>,
    /// Channels and sockets.
    pub live: LiveForecast,
    /// The time that the figures are means over, after [`WARM_UP`].
    pub span: Duration,
}

/// Calls that the exchange counts together.
#[derive(Clone, Copy, Debug)]
pub struct PoolForecast {
    /// Which.
    pub pool: &'static Pool,
    /// Calls a minute.
    pub calls_per_minute: f64,
    /// What they cost a minute.
    pub units_per_minute: f64,
    /// Units a minute that the settings allow.
    pub limit: u32,
}

/// What becomes of the requests of one group of clients.
#[derive(Clone, Copy, Debug)]
pub struct DemandForecast {
    /// The share that is refused.
    pub refused_share: f64,
    /// The share that is a context without its book.
    pub degraded_share: f64,
    /// The share that is given although it is older than the settings allow, since no call was left
    /// to fetch it anew (`stale_if_error`).
    pub overdue_share: f64,
    /// Mean and highest age of the oldest part, in seconds, of what is served.
    pub age_seconds: (f64, f64),
    /// Mean and longest wait for an answer, in seconds.
    pub wait_seconds: (f64, f64),
}

impl DemandForecast {
    /// True if none of its shares is more than [`TOLERATED`].
    pub fn fits(&self) -> bool {
        let shares = [self.refused_share, self.degraded_share, self.overdue_share];
        shares.iter().all(|share| *share <= TOLERATED)
    }
}

/// One entry of the cache.
#[derive(Clone, Debug)]
pub struct EntryForecast {
    /// As the workload writes it first.
    pub symbol: String,
    /// What it holds: ticker, book, trades or candles.
    pub what: What,
    /// A channel keeps it.
    pub is_live: bool,
    /// It was read often enough for a channel and there was no room.
    pub lacks_room: bool,
    /// Times a minute that it is fetched; a call may bring several tickers.
    pub fetches_per_minute: f64,
}

/// Channels of the exchange's WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct LiveForecast {
    /// Whether it is used.
    pub is_enabled: bool,
    /// Channels of what is asked.
    pub channels: usize,
    /// The most that settings allow.
    pub max_channels: usize,
    /// Sockets that hold them, and pinned ones that nobody asks for.
    pub sockets: usize,
    /// Reads a minute that earn a channel.
    pub promote_reads: u32,
}

/// Says what is to be expected of a gateway with these settings before an exchange of this kind.
/// The same workload has the same forecast each time.
pub fn forecast(config: &Config, profile: &Profile, workload: &Workload) -> Forecast {
    play(config, profile, workload, LONGEST, MOST_RUNS)
}

/// The same in a fraction of the time, and less exact.
pub(super) fn glance(config: &Config, profile: &Profile, workload: &Workload) -> Forecast {
    play(config, profile, workload, SHORTEST, 1)
}

fn play(
    config: &Config,
    profile: &Profile,
    workload: &Workload,
    longest: Us,
    most_runs: Us,
) -> Forecast {
    let warm_up = us(WARM_UP);
    let start = |seed| build(config, profile, workload, warm_up, seed);
    let Built { mut model, of, markets } = start(0);
    let size = (model.keys.len() + model.asks.len()).max(1) as Us;
    let seconds_each = MOST_WORK / size;
    let span = (seconds_each * SECOND).clamp(SHORTEST, longest);
    let runs = (seconds_each * SECOND / span).clamp(1, most_runs);
    model.run(warm_up + span);
    for seed in 1..runs {
        let mut other = start(seed).model;
        other.run(warm_up + span);
        model.add(&other);
    }
    let minutes = seconds(span * runs) / 60.0;

    let mut tallies = vec![Tally::default(); workload.demands.len()];
    for (ask, demand) in model.asks.iter().zip(of) {
        tallies[demand].add(&ask.tally);
    }
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    let demands: Vec<_> = tallies.iter().map(of_demand).collect();

    let markets_list = markets_list(config, workload);
    let pools = config.exchanges[profile.name].budget.pools().zip(&model.sent);
    let pools = pools.filter_map(|((pool, limit), (calls, units))| {
        let lists = if pool.families.contains(&Family::Conf) { markets_list } else { 0.0 };
        let cost = f64::from((profile.cost)(Asked::Markets));
        let calls_per_minute = *calls as f64 / minutes + lists;
        let units_per_minute = *units as f64 / minutes + lists * cost;
        let is_asked = |key: &Key| pool.families.contains(&key.asked.family());
        let is_used = calls_per_minute > 0.0 || model.keys.iter().any(is_asked);
        is_used.then_some(PoolForecast { pool, calls_per_minute, units_per_minute, limit })
    });
    let pools = pools.collect();
    let entries: Vec<_> = model
        .keys
        .iter()
        .map(|key| EntryForecast {
            symbol: markets[key.market].clone(),
            what: what(key),
            is_live: key.warmth.is_seated(),
            lacks_room: key.warmth.is_wanted() && !key.warmth.is_seated(),
            fetches_per_minute: key.fetches as f64 / minutes,
        })
        .collect();
    let live = LiveForecast {
        is_enabled: config.feed.enabled,
        channels: entries.iter().filter(|entry| entry.is_live).count(),
        max_channels: config.feed.max_channels,
        sockets: model.live.sockets(),
        promote_reads: config.feed.promote_reads,
    };
    let fits = demands.iter().all(DemandForecast::fits);
    Forecast {
        fits,
        refused_share: share(all.refused, all.reads),
        requests_per_minute: workload.per_minute(),
        pools,
        demands,
        entries,
        live,
        span: Duration::from_micros(span * runs),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn of_demand(tally: &Tally) -> DemandForecast {
    let served = (tally.reads - tally.refused).max(1) as f64;
    let per_read = |sum: f64, count: f64| sum / count / SECOND as f64;
    DemandForecast {
        refused_share: share(tally.refused, tally.reads),
        degraded_share: share(tally.degraded, tally.reads),
        overdue_share: share(tally.overdue, tally.reads),
        age_seconds: (per_read(tally.age, served), seconds(tally.oldest)),
        wait_seconds: (
            per_read(tally.wait, tally.reads.max(1) as f64),
            seconds(tally.longest_wait),
        ),
    }
}

/// Each request looks its market up in a list that is fetched again once it is read after its ttl.
fn markets_list(config: &Config, workload: &Workload) -> f64 {
    let per_minute = workload.per_minute();
    if per_minute <= 0.0 {
        return 0.0;
    }
    let period = config.cache.markets.ttl.as_secs_f64() + workload.latency.as_secs_f64();
    60.0 / (period + 60.0 / per_minute)
}

fn what(key: &Key) -> What {
    match key.product {
        Product::Ticker => What::Ticker,
        Product::Book { .. } => What::Orderbook,
        Product::Trades => What::Trades,
        Product::Candles(width) => What::Candles(width),
    }
}
