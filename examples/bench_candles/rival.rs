//! What services do without a gateway that understands candles: each request of a client is one of
//! the exchange's, kept under its URL for a while, or not at all.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use tidegate::{config, sim::Venue};
use tokio::time::Instant;

use crate::{
    bars::{by_the_clock, judge},
    tally::Outcome,
    trace::{Request, Wish},
};

/// A cache in front of the exchange, as an HTTP proxy is one: the whole URL is the key. It is as
/// good as such a cache can be made: what is past its ttl is given while it is fetched anew, what
/// cannot be fetched is given as long as errors may be bridged, and failures are remembered. Without
/// policies it keeps nothing.
pub(crate) struct Rival {
    venue: Venue,
    policies: Option<config::Cache>,
    kept: HashMap<String, Kept>,
    failed: HashMap<String, Instant>,
}

struct Kept {
    body: Arc<str>,
    received: Instant,
}

impl Rival {
    pub(crate) fn new(venue: Venue, policies: Option<config::Cache>) -> Self {
        Self { venue, policies, kept: HashMap::new(), failed: HashMap::new() }
    }

    /// What a client gets.
    pub(crate) fn ask(&mut self, request: &Request) -> Outcome {
        let Request { market, .. } = request;
        let candles = self.policies.as_ref().map(|it| it.ohlcv);
        let (limit, span) = match request.wish {
            Wish::Newest { limit } | Wish::Context { limit } => (limit, String::new()),
            // The unfinished one comes with them and is left out by the client.
            Wish::Closed { limit } => (limit + 1, String::new()),
            Wish::Since { bars, limit } => {
                let since = request.since(bars, self.venue.now()).millis();
                (limit, format!("&start={since}&sort=1"))
            }
        };
        let width = request.timeframe.as_str();
        let url = format!("/v2/candles/trade:{width}:{market}/hist?limit={limit}{span}");
        let Some((body, age)) = self.get(url, candles) else { return Outcome::Nothing };
        match request.wish {
            Wish::Closed { .. } => {
                let rows: Value = serde_json::from_str(&body).unwrap_or_default();
                let bar = by_the_clock(&rows, request, self.venue.now());
                judge(&self.venue, request, bar)
            }
            Wish::Context { .. } => {
                let ticker = self.policies.as_ref().map(|it| it.ticker);
                let book = self.policies.as_ref().map(|it| it.orderbook);
                let ticker = self.get(format!("/v2/ticker/{market}"), ticker);
                let book = self.get(format!("/v2/book/{market}/P0?len=25"), book);
                // A context without its book is one, as it is for the gateway.
                let book = book.map_or(Duration::ZERO, |(_, age)| age);
                ticker.map_or(Outcome::Nothing, |(_, of)| Outcome::Data(age.max(of).max(book)))
            }
            Wish::Newest { .. } | Wish::Since { .. } => Outcome::Data(age),
        }
    }

    fn get(&mut self, url: String, policy: Option<config::Policy>) -> Option<(Arc<str>, Duration)> {
        let Some(policy) = policy else {
            return self.fetch(&url).map(|body| (body, Duration::ZERO));
        };
        let now = Instant::now();
        let kept = self.kept.get(&url).map(|kept| (kept.body.clone(), now - kept.received));
        let is_within =
            |bridged: Duration| kept.as_ref().is_some_and(|(_, age)| *age < policy.ttl + bridged);
        if is_within(Duration::ZERO) {
            return kept;
        }
        let failed = self.failed.get(&url).is_some_and(|at| now - *at < policy.negative_ttl);
        let fetched = if failed { None } else { self.fetch(&url) };
        match &fetched {
            Some(body) => {
                self.kept.insert(url, Kept { body: body.clone(), received: now });
            }
            None if !failed => {
                self.failed.insert(url, now);
            }
            None => {}
        }
        if is_within(policy.stale_while_revalidate) {
            return kept;
        }
        let fetched = fetched.map(|body| (body, Duration::ZERO));
        fetched.or_else(|| kept.clone().filter(|_| is_within(policy.stale_if_error)))
    }

    fn fetch(&self, url: &str) -> Option<Arc<str>> {
        let (status, body) = self.venue.rest(url);
        (status == 200).then(|| body.into())
    }
}
