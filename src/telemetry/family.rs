//! The metrics of one family of an exchange's endpoints.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Gauge, Histogram, Label, counter, gauge, histogram};
use tokio::time::Instant;

use super::{BreakerState, Wait, tally::Tally};

/// How a call can end: `ok`, [`crate::exchange::UpstreamError::label`], and what is neither.
pub(super) const RESULTS: [&str; 12] = [
    "ok",
    "rate_limited",
    "banned",
    "restricted",
    "maintenance",
    "rejected",
    "unavailable",
    "connect",
    "cut",
    "timeout",
    "invalid",
    OTHER,
];
const RATE_LIMITED: usize = 1;

/// Why a call can be refused before it is made.
pub(super) const REASONS: [&str; 7] =
    ["budget", "banned", "breaker", "queue_full", "deadline", "cordoned", OTHER];

/// Where a name that is none of these is counted, so that the series stay bounded.
const OTHER: &str = "other";

/// Upper ends of the buckets of the families' histograms, in seconds.
pub(super) const BUCKETS: [(&str, &[f64]); 2] = [
    (CALL_DURATION, &[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]),
    (WAIT, &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0]),
];
const CALL_DURATION: &str = "tidegate_upstream_call_duration_seconds";
const WAIT: &str = "tidegate_upstream_wait_seconds";

/// The metrics of one family of one exchange. Clones share the same series.
#[derive(Clone, Debug)]
pub struct FamilyMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exchange: &'static str,
    family: &'static str,
    calls: Tally,
    refusals: Tally,
    units: Tally,
    duration: Histogram,
    waits: Vec<Histogram>,
    window: Gauge,
    limit: Gauge,
    learned: Gauge,
    left: Gauge,
    waiting: Gauge,
    breaker: Vec<Gauge>,
    ban: Gauge,
    banned_until: Mutex<Option<Instant>>,
}

/// Tells the exporter in force what the families' series mean.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("tidegate_upstream_calls_total", "Calls made to an exchange, by result.");
    describe_histogram!(
        CALL_DURATION,
        "How long a call to an exchange took, without its wait for a turn."
    );
    describe_histogram!(WAIT, "How long a call waited for its turn, by who waited.");
    describe_counter!(
        "tidegate_upstream_refusals_total",
        "Calls that were refused before they were made, by reason."
    );
    describe_counter!(
        "tidegate_upstream_units_total",
        "Units of the budget that were spent on calls, by who waited: calls, or what they weigh."
    );
    describe_gauge!("tidegate_budget_window_seconds", "The length of the budget's window.");
    describe_gauge!(
        "tidegate_budget_limit",
        "The operator's limit: units in any window of the budget."
    );
    describe_gauge!(
        "tidegate_budget_learned",
        "The limit in force, which a refusal by the exchange lowers for a time."
    );
    describe_gauge!("tidegate_budget_left", "Units that can be spent now.");
    describe_gauge!("tidegate_budget_waiting", "Calls that wait for their turn.");
    describe_gauge!("tidegate_breaker_state", "1 for the state that the breaker is in.");
    describe_gauge!(
        "tidegate_ban_seconds",
        "How long the exchange's refusal still closes the family."
    );
}

impl FamilyMetrics {
    /// Registers every series of the family with the exporter in force.
    pub(super) fn register(exchange: &'static str, family: &'static str) -> Self {
        let own = vec![
            Label::from_static_parts("exchange", exchange),
            Label::from_static_parts("family", family),
        ];
        let with = |name, value| {
            let mut labels = own.clone();
            labels.push(Label::from_static_parts(name, value));
            labels
        };
        let calls = |result| counter!("tidegate_upstream_calls_total", with("result", result));
        let refusals =
            |reason| counter!("tidegate_upstream_refusals_total", with("reason", reason));
        let units =
            |class: &Wait| counter!("tidegate_upstream_units_total", with("class", class.as_str()));
        let waits = |class: &Wait| histogram!(WAIT, with("class", class.as_str()));
        let breaker =
            |state: &BreakerState| gauge!("tidegate_breaker_state", with("state", state.as_str()));
        let made = Self(Arc::new(Inner {
            exchange,
            family,
            calls: Tally::new(RESULTS.map(calls)),
            refusals: Tally::new(REASONS.map(refusals)),
            units: Tally::new(Wait::ALL.iter().map(units)),
            duration: histogram!(CALL_DURATION, own.clone()),
            waits: Wait::ALL.iter().map(waits).collect(),
            window: gauge!("tidegate_budget_window_seconds", own.clone()),
            limit: gauge!("tidegate_budget_limit", own.clone()),
            learned: gauge!("tidegate_budget_learned", own.clone()),
            left: gauge!("tidegate_budget_left", own.clone()),
            waiting: gauge!("tidegate_budget_waiting", own.clone()),
            breaker: BreakerState::ALL.iter().map(breaker).collect(),
            ban: gauge!("tidegate_ban_seconds", own.clone()),
            banned_until: Mutex::default(),
        }));
        made.breaker(BreakerState::Closed);
        made
    }

    /// True if it is this family's.
    pub(super) fn is(&self, exchange: &str, family: &str) -> bool {
        self.0.exchange == exchange && self.0.family == family
    }

    /// Calls made, and how many of them the exchange refused by its rate limit.
    pub(super) fn calls(&self) -> (u64, u64) {
        (self.0.calls.sum(), self.0.calls.get(RATE_LIMITED))
    }

    /// Brings the exporter up to date.
    pub(super) fn publish(&self) {
        self.0.calls.publish();
        self.0.refusals.publish();
        self.0.units.publish();
        let until = *self.0.banned_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.0.ban.set(left.unwrap_or_default());
    }

    /// A call ended; `result` is `ok` or [`crate::exchange::UpstreamError::label`].
    pub fn called(&self, result: &'static str, took: Duration) {
        self.0.calls.count(position(&RESULTS, result));
        self.0.duration.record(took);
    }

    /// A call that costs so many units got its turn after this wait.
    pub fn waited(&self, class: Wait, wait: Duration, units: u32) {
        self.0.waits[class.index()].record(wait);
        self.0.units.add(class.index(), u64::from(units));
    }

    /// A call was refused: `budget`, `banned`, `breaker`, `queue_full`, `deadline`,
    /// `cordoned`.
    pub fn refused(&self, reason: &'static str) {
        self.0.refusals.count(position(&REASONS, reason));
    }

    /// The budget, in units of a `window`: the operator's limit, the learned ceiling, what is left
    /// now; and the calls that wait.
    pub fn budget(&self, window: Duration, limit: u32, learned: u32, left: u32, waiting: usize) {
        self.0.window.set(window.as_secs_f64());
        self.0.limit.set(limit);
        self.0.learned.set(learned);
        self.0.left.set(left);
        #[expect(clippy::cast_precision_loss, reason = "queues are far shorter than 2^52")]
        self.0.waiting.set(waiting as f64);
    }

    /// The breaker changed.
    pub fn breaker(&self, state: BreakerState) {
        for (gauge, of) in self.0.breaker.iter().zip(BreakerState::ALL) {
            gauge.set(u32::from(*of == state));
        }
    }

    /// The family is closed by a 429 for so long from now; zero: it is not. The series counts
    /// down by itself.
    pub fn banned_for(&self, left: Duration) {
        let until = Instant::now().checked_add(left);
        *self.0.banned_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Where `name` stands in `names`; an unknown one has the last place.
fn position(names: &[&str], name: &str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or(names.len() - 1)
}
