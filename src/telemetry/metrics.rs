//! The metrics.

use std::{sync::Arc, time::Duration};

use super::{BreakerState, CacheOutcome, DataKind, Endpoint, Outcome, Wait};

/// Every metric of one gateway. Made per gateway, not static: two fit in one test process.
#[derive(Debug, Default)]
pub struct Metrics {}

/// The metrics of one family of one exchange.
#[derive(Clone, Debug)]
pub struct FamilyMetrics {}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A request was answered.
    pub fn answered(&self, _endpoint: Endpoint, _outcome: Outcome, _took: Duration) {}

    /// The cache was asked.
    pub fn looked_up(&self, _kind: DataKind, _outcome: CacheOutcome) {}

    /// Data of this age was served.
    pub fn served(&self, _kind: DataKind, _age: Duration) {}

    /// The cache holds this much.
    pub fn cache_holds(&self, _entries: u64, _bytes: u64) {}

    /// A task panicked.
    pub fn task_panicked(&self, _name: &'static str) {}

    /// So many connections are open.
    pub fn connections(&self, _open: usize) {}

    /// A connection was refused because there were too many.
    pub fn connection_refused(&self) {}

    /// Handles for a family; made once and kept.
    pub fn family(&self, _exchange: &'static str, _family: &'static str) -> FamilyMetrics {
        FamilyMetrics {}
    }

    /// The text for `/metrics`.
    pub fn render(&self) -> String {
        String::new()
    }

    /// Moves recorded samples into their buckets; to be called about once a second.
    pub fn upkeep(&self) {}
}

impl FamilyMetrics {
    /// A call ended; `result` is `ok` or [`crate::exchange::UpstreamError::label`].
    pub fn called(&self, _result: &'static str, _took: Duration) {}

    /// A call got its turn after this wait.
    pub fn waited(&self, _class: Wait, _wait: Duration) {}

    /// A call was refused: `budget`, `banned`, `breaker`, `queue_full`, `deadline`.
    pub fn refused(&self, _reason: &'static str) {}

    /// The budget: the operator's limit, the learned ceiling, what is left now, calls waiting.
    pub fn budget(&self, _limit: u32, _learned: u32, _left: u32, _waiting: usize) {}

    /// The breaker changed.
    pub fn breaker(&self, _state: BreakerState) {}

    /// The family is closed by a 429 for so long from now; zero: it is not.
    pub fn banned_for(&self, _left: Duration) {}
}
