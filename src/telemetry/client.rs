//! Those who ask, by their configured names, and what is counted of each.

use std::{
    num::NonZeroU16,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use metrics::{Histogram, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{Outcome, Wait, tally::Tally};

const REQUESTS: &str = "tidegate_client_requests_total";
const CALLS: &str = "tidegate_client_upstream_calls_total";
const REFUSALS: &str = "tidegate_client_upstream_refusals_total";
const WAIT: &str = "tidegate_client_upstream_wait_seconds";

/// Bounds of its histogram.
pub(super) const BUCKETS: (&str, &[f64]) =
    (WAIT, &[0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]);

/// Names beyond this many are not taken, so that labels stay bounded over any number of reloads.
const MOST: usize = 256;

const CALLED: usize = 0;
const REFUSED: usize = 1;

/// Who asks: a name that the settings know, or one of the two that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u16);

impl ClientId {
    /// The gateway's own upkeep.
    pub const GATEWAY: Self = Self(0);
    /// Everyone who shows no key, where none is needed.
    pub const ANONYMOUS: Self = Self(1);

    /// Position among all clients, in the order in which their names became known.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The client of [`ClientId::bits`].
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The client as a number, for where many are kept in little room.
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
}

/// For whom an upstream call is made, how it waits for its turn, and how large a share of the
/// budget it may claim there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payer {
    /// How the call waits.
    pub class: Wait,
    /// Whose share it takes from.
    pub client: ClientId,
    /// How large that share is beside others'.
    pub weight: NonZeroU16,
}

impl Payer {
    /// A client's own request, with a share of 1.
    pub const fn of(client: ClientId) -> Self {
        Self { class: Wait::Client, client, weight: NonZeroU16::MIN }
    }

    /// The same, waiting as `class`.
    #[must_use]
    pub const fn waiting_as(self, class: Wait) -> Self {
        Self { class, ..self }
    }
}

/// The gateway itself.
impl From<Wait> for Payer {
    fn from(class: Wait) -> Self {
        Self::of(ClientId::GATEWAY).waiting_as(class)
    }
}

/// Handles for one client; clones count together.
#[derive(Clone, Debug)]
pub struct ClientMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    requests: Tally,
    upstream: Tally,
    wait: Histogram,
}

/// What one client did since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTotals {
    /// Its name.
    pub name: String,
    /// Requests answered, in whatever way.
    pub requests: u64,
    /// Those that were refused: 429 or 503.
    pub refused: u64,
    /// Calls to exchanges made for it.
    pub upstream_calls: u64,
}

/// Every client whose name became known; clones know the same.
#[derive(Clone, Debug)]
pub struct Clients(Arc<RwLock<Vec<ClientMetrics>>>);

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by who asked.");
    describe_counter!(CALLS, "Calls sent to exchanges, by who caused them.");
    describe_counter!(REFUSALS, "Calls refused before they were sent, by who wanted them.");
    describe_histogram!(WAIT, "How long calls waited for their turn, by who caused them.");
}

impl Clients {
    /// The two that are always there, with the exporter in force.
    pub(super) fn register() -> Self {
        let always = ["gateway", "anonymous"].map(ClientMetrics::register);
        Self(Arc::new(RwLock::new(always.to_vec())))
    }

    /// The client of this name, from now on known; `None` if there are too many.
    pub(super) fn named(&self, name: &str, recorder: &PrometheusRecorder) -> Option<ClientId> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|known| known.0.name == name);
        let index = known.or_else(|| {
            (all.len() < MOST).then(|| {
                let register = || ClientMetrics::register(name);
                all.push(metrics::with_local_recorder(recorder, register));
                all.len() - 1
            })
        })?;
        u16::try_from(index).ok().map(ClientId)
    }

    /// Handles for a client.
    pub fn get(&self, client: ClientId) -> ClientMetrics {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all[client.index()].clone()
    }

    pub(super) fn all(&self) -> Vec<ClientMetrics> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientMetrics {
    /// Registers every series of the client with the exporter in force.
    fn register(name: &str) -> Self {
        let requests = Outcome::ALL.iter().map(|outcome| {
            counter!(REQUESTS, "client" => name.to_owned(), "outcome" => outcome.as_str())
        });
        let upstream =
            [CALLS, REFUSALS].map(|series| counter!(series, "client" => name.to_owned()));
        Self(Arc::new(Inner {
            name: name.to_owned(),
            requests: Tally::new(requests),
            upstream: Tally::new(upstream),
            wait: histogram!(WAIT, "client" => name.to_owned()),
        }))
    }

    /// Brings the exporter up to date.
    pub(super) fn publish(&self) {
        self.0.requests.publish();
        self.0.upstream.publish();
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// One of its requests was answered.
    pub fn answered(&self, outcome: Outcome) {
        self.0.requests.count(outcome.index());
    }

    /// A call was sent for it.
    pub fn called(&self) {
        self.0.upstream.count(CALLED);
    }

    /// A call for it was refused before it was sent.
    pub fn refused(&self) {
        self.0.upstream.count(REFUSED);
    }

    /// A call for it got its turn after this wait.
    pub fn waited(&self, wait: Duration) {
        self.0.wait.record(wait);
    }

    /// What it did since the start.
    pub fn totals(&self) -> ClientTotals {
        ClientTotals {
            name: self.0.name.clone(),
            requests: self.0.requests.sum(),
            refused: self.0.requests.get(Outcome::Refused.index()),
            upstream_calls: self.0.upstream.get(CALLED),
        }
    }
}
