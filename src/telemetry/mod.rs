//! Every metric of the process in one struct, and the set-up of tracing.
//!
//! Callers say what happened; names, units and labels of metrics are known only here. Labels are
//! enums or static names, so the number of series is bounded by type.

mod candles;
mod client;
mod family;
mod feed;
mod gate;
mod histogram;
mod labels;
mod latency;
pub mod logs;
mod metrics;
mod process;
mod store;
mod stream;
mod tally;
#[cfg(test)]
mod tests;

pub use candles::CandleMetrics;
pub use client::{ClientId, ClientMetrics, ClientTotals, Clients, Payer};
pub use family::FamilyMetrics;
pub use feed::{FeedMetrics, FeedTotals, LastWords};
pub use gate::Gate;
pub use labels::{
    BreakerState, CacheOutcome, Connect, DataKind, Endpoint, FeedKind, Outcome, Reconnect, Resync,
    Source, StoreFault, StoreState, StreamKind, Wait,
};
pub use metrics::{Metrics, Totals};
pub use store::{StoreMetrics, StoreTotals};
pub use stream::{StreamClient, StreamMetrics, StreamTotals};
