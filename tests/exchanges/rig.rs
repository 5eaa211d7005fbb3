//! One gateway before simulated exchanges.

use std::{future::Future, time::Duration};

use serde_json::Value;
use tidegate::{
    app::App,
    clock::Clock,
    config::{Config, Policy},
    market::UnixMs,
    sim::{Kind, Sim, SimConfig},
    tasks::Tasks,
};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    Case,
    client::{Reply, ask},
};

/// Beyond this a test is stuck, not slow.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The gateway under test and what stands behind it, the case's exchange first.
pub(crate) struct Rig {
    pub(crate) app: App,
    pub(crate) sims: Vec<(Kind, Sim)>,
    pub(crate) case: Case,
    /// What the gateway read, it read after this.
    pub(crate) up_since: UnixMs,
    _tasks: Tasks,
}

/// Settings that leave what was fetched fresh for the whole test, and nothing stale, and that give
/// every call the time of a machine that stands still.
pub(crate) fn settings() -> Config {
    let mut config = Config::default();
    config.feed.enabled = false;
    config.server.request_deadline = ms(30_000);
    for site in &mut config.exchanges.sites {
        site.request_timeout = ms(25_000);
    }
    config.upstream.breaker_open = ms(20);
    config.upstream.breaker_open_max = ms(50);
    let policy = Policy {
        ttl: Duration::from_secs(600),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        negative_ttl: ms(1),
    };
    let cache = &mut config.cache;
    let kinds = [&mut cache.ticker, &mut cache.orderbook, &mut cache.ohlcv, &mut cache.trades];
    kinds.into_iter().for_each(|kind| *kind = policy);
    config
}

/// A simulated exchange that refuses nothing.
pub(crate) fn lenient(exchange: Kind) -> SimConfig {
    SimConfig { exchange, enforce: false, ..SimConfig::default() }
}

impl Rig {
    /// A gateway before the case's exchange, which is the default one and asked for its market list
    /// already; the calls for it are not counted.
    pub(crate) async fn start(case: Case, config: Config) -> Self {
        Self::before(case, config, vec![lenient(case.kind)]).await
    }

    /// With a budget that no test reaches by accident.
    pub(crate) async fn ample(case: Case) -> Self {
        let mut config = settings();
        config.exchanges[case.kind.as_str()].budget.set_all(100_000);
        Self::start(case, config).await
    }

    /// The same before several exchanges.
    pub(crate) async fn before(case: Case, mut config: Config, sims: Vec<SimConfig>) -> Self {
        let tasks = Tasks::new(|name| panic!("the simulated exchange's task {name} panicked"));
        let port = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut running = Vec::new();
        for site in &mut config.exchanges.sites {
            site.enabled = false;
        }
        for sim in sims {
            let kind = sim.exchange;
            let sim = Sim::start(sim, port().await, &tasks).await.expect("a simulated exchange");
            let site = &mut config.exchanges[kind.as_str()];
            site.enabled = true;
            site.rest_url = sim.rest_url();
            site.ws_url = sim.ws_url();
            running.push((kind, sim));
        }
        config.exchanges.default = case.kind.as_str().to_owned();
        let up_since = Clock::system().now();
        let app = App::start(config, port().await).await.expect("a gateway");
        let rig = Self { app, sims: running, case, up_since, _tasks: tasks };
        for (kind, sim) in &rig.sims {
            let path = format!("/api/market-data/markets?exchange={kind}");
            eventually("the market list", async || {
                Some(rig.get(&path).await).filter(|reply| reply.status == 200)
            })
            .await;
            sim.reset_counts();
        }
        rig
    }

    /// The case's exchange.
    pub(crate) fn sim(&self) -> &Sim {
        &self.sims[0].1
    }

    /// Calls that it received.
    pub(crate) fn calls(&self) -> u64 {
        self.sim().counts().total()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        ask(self.app.address(), "GET", path, &[]).await
    }

    /// The body of an answer below `/api/market-data/` that has to be a 200.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> impl Future<Output = Value> {
        let path = format!("/api/market-data/{path}");
        async move {
            let reply = self.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            reply.json()
        }
    }

    /// What `/exchanges` says of the case's exchange.
    pub(crate) async fn offer(&self) -> Value {
        let all = self.json("exchanges").await;
        let all = all["exchanges"].as_array().expect("a list");
        let name = self.case.kind.as_str();
        all.iter().find(|it| it["exchange"] == name).expect("the exchange").clone()
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + STUCK;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {STUCK:?}");
        tokio::time::sleep(ms(20)).await;
    }
}

/// A field that has to be a number.
#[track_caller]
pub(crate) fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or_else(|| panic!("{field} of {value}"))
}

/// A list of texts.
#[track_caller]
pub(crate) fn texts<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    let list = value[field].as_array().unwrap_or_else(|| panic!("{field} of {value}"));
    list.iter().map(|it| it.as_str().expect("a text")).collect()
}

/// The rows of a list.
#[track_caller]
pub(crate) fn rows<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap_or_else(|| panic!("{field} of {value}"))
}
