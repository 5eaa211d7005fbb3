//! The series as its readers see it, in paused virtual time, before an exchange that knows what
//! was traded, answers as it stood halfway through each request, and notes what it was asked.

mod close;
mod derived;
mod market;
mod overlap;
mod property;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use self::market::{Market, row};
use super::{CandleView, Candles, Due, DueState, Rest};
use crate::{
    cache::{Ask, Cache, Demand},
    clock::Clock,
    config::{Config, Current, Policy},
    exchange::{Data, Stream, Topic, bitfinex::PROFILE},
    feed::{Feed, Sink, Turn},
    market::{Candle, Listing, Timeframe, UnixMs},
    service::{Desk, ServiceError},
    store::Store,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Upstream,
};

/// 2023-11-14T23:00:00Z, the wall time at which every test begins.
const START: i64 = 1_700_002_800_000;
const MINUTE: i64 = 60_000;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    ms(seconds * 1000)
}

fn minute(number: i64) -> UnixMs {
    UnixMs::from_millis(START + number * MINUTE)
}

/// The last ones of a minute each.
fn last(limit: u32) -> CandleView {
    let (timeframe, since, until) = (Timeframe::M1, None, None);
    CandleView { timeframe, limit, since, until, closed_only: false }
}

/// Those from one minute up to another, both included.
fn between(first: i64, until: i64) -> CandleView {
    CandleView { since: Some(minute(first)), until: Some(minute(until)), ..last(10_000) }
}

struct Bench {
    desk: Desk,
    market: Arc<Market>,
    listing: Arc<Listing>,
    sink: Arc<dyn Sink>,
    metrics: Arc<Metrics>,
    started: Instant,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Candles stay fresh for a minute, so that what is asked again has a reason of its own.
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        let times = (secs(60), Duration::ZERO, Duration::ZERO, secs(2));
        config.cache.ohlcv = Policy {
            ttl: times.0,
            stale_while_revalidate: times.1,
            stale_if_error: times.2,
            negative_ttl: times.3,
        };
        config.exchanges["bitfinex"].budget["candles"] = 100_000;
        change(&mut config);
        let started = Instant::now();
        let clock = Clock::anchored(minute(0));
        let market = Arc::new(Market::new(clock.clone()));
        let (tasks, metrics) = (Tasks::new(|name| panic!("{name} panicked")), Metrics::new());
        let budget = &config.exchanges["bitfinex"].budget;
        let pools: Vec<_> = budget.pools().collect();
        let upstream = Upstream::new(PROFILE.name, &pools, &config.upstream, &metrics, &tasks);
        let cache = Cache::new(1 << 26, secs(30), clock.clone(), metrics.clone(), tasks.clone());
        let mut sink = None;
        let open = |into| {
            sink = Some(into);
            Feed::disabled()
        };
        let desk = Desk::new(
            market.clone(),
            upstream,
            (cache, Store::off()),
            &Current::new(config),
            (clock, &metrics),
            open,
            &tasks,
        );
        let ask = Ask::by(Instant::now() + secs(5));
        let listing = desk.markets.resolve("BTC/USD", ask).await.unwrap();
        Self { desk, market, listing, sink: sink.unwrap(), metrics, started }
    }

    fn ask(&self) -> Ask {
        Ask::by(Instant::now() + secs(10))
    }

    async fn get(&self, view: CandleView) -> Candles {
        self.try_get(view, self.ask()).await.unwrap()
    }

    async fn try_get(&self, view: CandleView, ask: Ask) -> Result<Candles, ServiceError> {
        self.desk.candles.get(&self.listing, view, ask).await
    }

    /// Waits until so long after [`START`].
    async fn until(&self, time: Duration) {
        sleep_until(self.started + time).await;
    }

    /// What the exchange was asked since the last call.
    fn asked(&self) -> Vec<String> {
        self.market.asked()
    }

    fn restated(&self) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.starts_with("tidegate_candles_restated_total{"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap()
    }

    fn topic(&self) -> Arc<Topic> {
        Arc::new(Topic { id: self.listing.id.clone(), stream: Stream::Candles(Timeframe::M1) })
    }

    /// Its channel opens and brings the candles of so many minutes.
    fn open(&self, minutes: i64) {
        self.sink.turn(&self.topic(), &Turn::Opened, Instant::now());
        let now = (self.market.now().millis() - START).div_euclid(MINUTE);
        self.tell(Data::Candles(self.market.rows(now - minutes + 1..=now)));
    }

    fn tell(&self, data: Data) {
        self.sink.data(&self.topic(), &data, Instant::now());
    }
}

/// The minutes of candles.
fn minutes(rows: &[Candle]) -> Vec<i64> {
    rows.iter().map(|row| (row.open_time.millis() - START).div_euclid(MINUTE)).collect()
}

fn closed(candles: &Candles) -> Vec<bool> {
    candles.rows().iter().map(|row| candles.is_closed(row)).collect()
}
