//! The room as its callers see it, in paused virtual time.

mod ban;
mod breaker;
mod budget;
mod cordon;
mod fair;
mod limits;
mod merge;
mod pools;
mod restart;
mod retry;
mod shut_out;
mod units;
mod waiting;

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use super::{CallError, Charge, PoolSnapshot, Upstream};
use crate::{
    config,
    exchange::{Family, Pool, Unit, UpstreamError},
    tasks::Tasks,
    telemetry::{ClientId, Metrics, Payer, Wait},
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tasks() -> Tasks {
    Tasks::new(|name| panic!("the task {name} panicked"))
}

/// A call as the exchange of a test will answer it.
#[derive(Clone, Debug)]
struct Call {
    charge: Charge,
    payer: Payer,
    within: Duration,
    latency: Duration,
    answer: Result<(), UpstreamError>,
}

impl Call {
    /// A client's, answered well in 150 ms.
    fn within(within: Duration) -> Self {
        let (charge, payer) = (Family::Candles.into(), Wait::Client.into());
        Self { charge, payer, within, latency: millis(150), answer: Ok(()) }
    }

    fn of(self, family: Family) -> Self {
        Self { charge: Charge::new(family, self.charge.units()), ..self }
    }

    fn costing(self, units: u32) -> Self {
        Self { charge: Charge::new(self.charge.family(), units), ..self }
    }

    fn class(self, class: Wait) -> Self {
        Self { payer: self.payer.waiting_as(class), ..self }
    }

    fn by(self, client: ClientId) -> Self {
        Self { payer: Payer { client, ..self.payer }, ..self }
    }

    fn weighing(self, weight: u16) -> Self {
        let weight = NonZeroU16::new(weight).unwrap();
        Self { payer: Payer { weight, ..self.payer }, ..self }
    }

    fn taking(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    fn failing(self, error: UpstreamError) -> Self {
        Self { answer: Err(error), ..self }
    }
}

fn banned(seconds: u64) -> UpstreamError {
    UpstreamError::RateLimited { retry_after: Some(secs(seconds)) }
}

fn unavailable() -> UpstreamError {
    UpstreamError::Unavailable { status: 503 }
}

fn settings() -> config::Upstream {
    config::Upstream { max_attempts: 1, ..config::Upstream::default() }
}

/// A pool for one family, of its name.
fn pool_of(family: Family) -> Pool {
    Pool {
        name: family.as_str(),
        about: "",
        unit: Unit::Requests,
        per_minute: 0,
        burst: None,
        families: match family {
            Family::Candles => &[Family::Candles],
            Family::Book => &[Family::Book],
            Family::Trades => &[Family::Trades],
            Family::Stats => &[Family::Stats],
            other => panic!("no test calls {other:?}"),
        },
    }
}

/// Pools of tests, each with its limit.
fn pools(families: &[(Family, u32)]) -> Vec<(&'static Pool, u32)> {
    let leak = |family| &*Box::leak(Box::new(pool_of(family)));
    families.iter().map(|(family, limit)| (leak(*family), *limit)).collect()
}

/// An upstream and what reached its exchange.
#[derive(Clone)]
struct Rig {
    upstream: Arc<Upstream>,
    sends: Arc<Mutex<Vec<(Family, Instant)>>>,
    metrics: Arc<Metrics>,
    start: Instant,
}

impl Rig {
    fn new(limit: u32) -> Self {
        Self::with(&[(Family::Candles, limit)], &settings())
    }

    fn with(families: &[(Family, u32)], settings: &config::Upstream) -> Self {
        let metrics = Metrics::new();
        Self::of(Upstream::new("test", &pools(families), settings, &metrics, &tasks()), metrics)
    }

    fn of(upstream: Arc<Upstream>, metrics: Arc<Metrics>) -> Self {
        let (sends, start) = (Arc::default(), Instant::now());
        Self { upstream, sends, metrics, start }
    }

    /// Clients that nothing is known of.
    fn clients<const N: usize>(&self) -> [ClientId; N] {
        std::array::from_fn(|index| self.metrics.client(&format!("client {index}")).unwrap())
    }

    /// Returns when the request was sent.
    async fn call(&self, call: Call) -> Result<Instant, CallError> {
        let deadline = Instant::now() + call.within;
        let request = || {
            let sent = Instant::now();
            self.sends.lock().unwrap().push((call.charge.family(), sent));
            let call = call.clone();
            async move {
                sleep(call.latency).await;
                call.answer.map(|()| sent)
            }
        };
        self.upstream.call(call.charge, call.payer, deadline, request).await
    }

    #[expect(clippy::disallowed_methods, reason = "callers of a test, joined or aborted by it")]
    fn spawn(&self, call: Call) -> JoinHandle<Result<Instant, CallError>> {
        let rig = self.clone();
        tokio::spawn(async move { rig.call(call).await })
    }

    /// `count` calls that are sent at once.
    async fn burst(&self, count: usize) {
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let rig = self.clone();
            calls.spawn(async move { rig.call(Call::within(millis(1000))).await });
        }
        let before = Instant::now();
        for sent in calls.join_all().await {
            assert_eq!(sent.unwrap(), before);
        }
    }

    fn sent(&self) -> usize {
        self.sends.lock().unwrap().len()
    }

    fn family(&self, family: Family) -> PoolSnapshot {
        let pools = self.upstream.snapshot().pools;
        pools.into_iter().find(|snapshot| snapshot.pool.families.contains(&family)).unwrap()
    }

    fn candles(&self) -> PoolSnapshot {
        self.family(Family::Candles)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Equal up to the resolution of tokio's clock.
fn assert_about(actual: Duration, expected: Duration) {
    assert!(actual.abs_diff(expected) <= millis(3), "expected about {expected:?}, got {actual:?}");
}
