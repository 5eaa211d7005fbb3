//! Every metric of the process in one struct, and the set-up of tracing.
//!
//! Callers say what happened; names, units and labels of metrics are known only here. Labels are
//! enums or static names, so the number of series is bounded by type.

mod candles;
mod client;
mod cordon;
pub mod explain;
mod family;
mod faults;
mod feed;
mod gate;
mod histogram;
mod history;
mod labels;
mod latency;
pub mod logs;
mod metrics;
mod process;
mod recent;
mod store;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod tls;
pub mod traces;

pub use candles::CandleMetrics;
pub use client::{ClientId, ClientMetrics, ClientTotals, Clients, Payer};
pub use cordon::CordonMetrics;
pub use family::FamilyMetrics;
pub use faults::{Fault, Faults};
pub use feed::{FeedMetrics, FeedTotals, LastWords};
pub use gate::Gate;
pub use history::{BudgetLeft, History, Past, Sample, Spread};
pub use labels::{
    BreakerState, CacheOutcome, Connect, DataKind, Endpoint, FeedKind, Outcome, Reconnect, Resync,
    Source, StoreFault, StoreState, StreamKind, Wait,
};
pub use metrics::{Metrics, Totals};
pub use store::{StoreMetrics, StoreTotals};
pub use stream::{SlowFollower, StreamClient, StreamMetrics, StreamTotals};
pub use tls::TlsMetrics;
