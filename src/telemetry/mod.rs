//! Every metric of the process in one struct, and the set-up of tracing.
//!
//! Callers say what happened; names, units and labels of metrics are known only here. Labels are
//! enums or static names, so the number of series is bounded by type.

mod labels;
mod metrics;

pub use labels::{BreakerState, CacheOutcome, DataKind, Endpoint, Outcome, Wait};
pub use metrics::{FamilyMetrics, Metrics};
