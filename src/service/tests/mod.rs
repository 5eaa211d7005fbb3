//! Products of exchanges that differ in what they tell, in paused virtual time.

mod compare;
mod products;
pub(crate) mod venue;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use self::venue::Venue;
use super::{Desk, ServiceError};
use crate::{
    cache::{Ask, Cache},
    clock::Clock,
    config::{Config, Current, Policy},
    exchange::{Profile, bitfinex::PROFILE},
    feed::Feed,
    market::{Listing, UnixMs},
    store::Store,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Upstream,
};

/// 2023-11-14T23:00:00Z, the wall time at which every test begins.
pub(crate) const START: i64 = 1_700_002_800_000;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ask() -> Ask {
    Ask::by(Instant::now() + ms(5_000))
}

/// Exchanges side by side, before one cache.
struct Town {
    desks: Vec<Desk>,
    venues: Vec<Arc<Venue>>,
}

impl Town {
    /// What was fetched is fresh for a second, and served for a minute where the exchange fails.
    async fn of(venues: Vec<Venue>) -> Self {
        let mut config = Config::default();
        let policy = Policy {
            ttl: ms(1_000),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: ms(60_000),
            negative_ttl: ms(10),
        };
        config.cache.ticker = policy;
        config.cache.orderbook = policy;
        config.cache.trades = policy;
        let (clock, metrics) = (Clock::anchored(UnixMs::from_millis(START)), Metrics::new());
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let cache = Cache::new(1 << 26, ms(30_000), clock.clone(), metrics.clone(), tasks.clone());
        let venues: Vec<Arc<Venue>> = venues.into_iter().map(Arc::new).collect();
        let mut desks = Vec::new();
        for venue in &venues {
            let name = venue.profile.name;
            let pools: Vec<_> = venue.profile.pools.iter().map(|pool| (pool, 100_000)).collect();
            let upstream = Upstream::new(name, &pools, &config.upstream, &metrics, &tasks);
            let desk = Desk::new(
                venue.clone(),
                upstream,
                (cache.clone(), Store::off()),
                &Current::new(config.clone()),
                (clock.clone(), &metrics),
                |_| Feed::disabled(),
                &tasks,
            );
            desk.markets.get(ask()).await.unwrap();
            desks.push(desk);
        }
        Self { desks, venues }
    }

    fn all(&self) -> Vec<&Desk> {
        self.desks.iter().collect()
    }

    async fn market(&self, name: &str) -> Arc<Listing> {
        self.desks[0].markets.resolve(name, ask()).await.unwrap()
    }
}

/// An exchange like Bitfinex but for its name and what `change` says.
pub(crate) fn profile(name: &'static str, change: impl FnOnce(&mut Profile)) -> &'static Profile {
    let mut profile = Profile { name, ..PROFILE.clone() };
    change(&mut profile);
    Box::leak(Box::new(profile))
}

fn unsupported<T>(outcome: Result<T, ServiceError>) -> String {
    match outcome {
        Err(ServiceError::Unsupported(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an answer"),
    }
}
