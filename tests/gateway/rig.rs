//! One gateway before one simulated exchange.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tidegate::{
    app::App,
    clock::Clock,
    config::{Config, Policy},
    exchange::{Endpoints, Exchange, bitfinex},
    feed::Feed,
    market::UnixMs,
    sim::{Family, Fault, FaultRule, ManualTime, Sim, SimClock, SimConfig},
    tasks::Tasks,
};
use tokio::{net::TcpListener, time::Instant};

use crate::client::{Reply, ask};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longer than any step takes that works, on the busiest machine.
pub(crate) const SOON: Duration = ms(30_000);

/// The end of a minute in which the simulated market had a trade, as it had in the one before and
/// in the one after.
pub(crate) const BUSY: UnixMs = UnixMs::from_millis(1_772_452_980_000);

/// Times of a policy in milliseconds: ttl, stale-while-revalidate, stale-if-error, negative ttl.
pub(crate) const fn policy(times: [u64; 4]) -> Policy {
    Policy {
        ttl: ms(times[0]),
        stale_while_revalidate: ms(times[1]),
        stale_if_error: ms(times[2]),
        negative_ttl: ms(times[3]),
    }
}

/// Settings of a gateway that is in nobody's way: a budget for everything, long lives of what was
/// fetched, and nothing stale.
pub(crate) fn settings() -> Config {
    let mut config = Config::default();
    config.feed.enabled = false;
    config.server.request_deadline = ms(30_000);
    config.exchanges["bitfinex"].request_timeout = ms(25_000);
    const PLENTY: u32 = 100_000;
    config.exchanges["bitfinex"].budget.set_all(PLENTY);
    for_each_product(&mut config, policy([60_000, 0, 0, 1_000]));
    config
}

/// Gives tickers, books, candles and trades the same policy.
pub(crate) fn for_each_product(config: &mut Config, policy: Policy) {
    let cache = &mut config.cache;
    let kinds = [&mut cache.ticker, &mut cache.orderbook, &mut cache.ohlcv, &mut cache.trades];
    kinds.into_iter().for_each(|kind| *kind = policy);
}

/// A simulated exchange that refuses nothing, and whose clock is the runtime's.
pub(crate) fn lenient() -> SimConfig {
    let clock = SimClock::Wall(Clock::anchored(Clock::system().now()));
    SimConfig { enforce: false, clock, ..SimConfig::default() }
}

pub(crate) async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// The gateway under test and what stands behind it.
pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) sim: Sim,
    pub(crate) tasks: Tasks,
}

impl Rig {
    /// A gateway that knows the market list already; the calls for it are not counted.
    pub(crate) async fn start(config: Config) -> Self {
        Self::before(lenient(), config).await
    }

    /// The same before a simulated exchange of another kind.
    pub(crate) async fn before(sim: SimConfig, config: Config) -> Self {
        Self::with(sim, config, App::start).await
    }

    /// The same with a gateway that is made in another way.
    pub(crate) async fn with<E: std::fmt::Debug>(
        sim: SimConfig,
        mut config: Config,
        make: impl AsyncFnOnce(Config, TcpListener) -> Result<App, E>,
    ) -> Self {
        let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
        let sim = Sim::start(sim, port().await, &tasks).await.expect("a simulated exchange");
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.exchanges["bitfinex"].ws_url = sim.ws_url();
        let app = make(config, port().await).await.expect("a gateway");
        let rig = Self { app, sim, tasks };
        assert_eq!(rig.get("/api/market-data/markets").await.status, 200);
        rig.sim.reset_counts();
        rig
    }

    /// A gateway that shows another time than now, and goes on from there; the market as `sim` says.
    pub(crate) async fn at(clock: Clock, sim: SimClock, config: Config) -> Self {
        let sim = SimConfig { clock: sim, ..lenient() };
        let make = async |config: Config, listener| {
            let site = &config.exchanges["bitfinex"];
            let (rest_url, request_timeout) = (site.rest_url.clone(), site.request_timeout);
            let exchange = bitfinex::SPEC.open(&Endpoints { rest_url, request_timeout })?;
            let open = |_, _: &_, _: &_| Feed::disabled();
            App::with_parts(config, exchange, open, clock, listener).await
        };
        Self::with(sim, config, make).await
    }

    /// Before a market that stands still: its own answer is the same however often it is asked.
    pub(crate) async fn still() -> (Self, UnixMs) {
        let now = BUSY + ms(20_000);
        let market = SimClock::Manual(ManualTime::new(now));
        (Self::at(Clock::anchored(now), market, settings()).await, now)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        ask(self.app.address(), "GET", path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, header: &str, value: &str) -> Reply {
        ask(self.app.address(), "GET", path, &[(header, value)]).await
    }

    /// The same request from several clients at once.
    pub(crate) async fn crowd(&self, clients: usize, path: &str) -> Vec<Reply> {
        join_all((0..clients).map(|_| self.get(path))).await
    }

    /// Asks until the answer is a 200.
    pub(crate) async fn recovers(&self, within: Duration, path: &str) -> Reply {
        let healthy = async || Some(self.get(path).await).filter(|reply| reply.status == 200);
        eventually(within, path, healthy).await
    }

    /// Nothing goes wrong any more but this.
    pub(crate) fn only_fault(&self, rule: FaultRule) {
        self.sim.clear_faults();
        self.sim.fault(rule);
    }

    pub(crate) fn calls(&self, family: Family) -> u64 {
        self.sim.counts().of(family)
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/api/status").await.json()
    }

    /// The sum over the samples of a metric whose line contains `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        metric(&self.app, name, labels).await
    }
}

pub(crate) async fn metric(app: &App, name: &str, labels: &str) -> f64 {
    let text = ask(app.address(), "GET", "/metrics", &[]).await;
    let samples = text.text().lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(labels)
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// A gateway before any exchange.
pub(crate) async fn before(exchange: impl Exchange, config: Config) -> App {
    App::with_exchange(config, Arc::new(exchange), port().await).await.expect("a gateway")
}

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn eventually<T>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {within:?}: {what} ({place})");
            tokio::time::sleep(ms(10)).await;
        }
    }
}

/// A status and body in the true one's place.
pub(crate) fn says(body: impl Into<String>) -> Fault {
    Fault::Status { status: 200, body: Some(body.into()) }
}
