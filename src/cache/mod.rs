//! The memory between clients and exchanges.
//!
//! Generic: it knows neither markets nor exchanges; what to load is passed in. An [`Entry`] knows
//! when it was received and under which policy; whether it may be served is decided at each read
//! ([`Demand::judge`]). moka bounds space and nothing else: its own timers do not follow tokio's
//! clock. Loads run in tasks of their own ([`flight`](Flights)), one per key.

mod ask;
mod clear;
mod content;
mod demand;
mod entry;
mod flight;
mod foresee;
mod read;
mod readers;
mod reason;
#[cfg(test)]
mod tests;

pub use crate::telemetry::Source;
pub use ask::{Ask, Read, ReadError};
pub use content::{Content, Failure, Loaded};
pub use demand::{Demand, Verdict};
pub use entry::{Entry, Stamp};
pub use flight::{Boarding, Flights, Landed};
pub use foresee::{Foresight, Prospect};
pub use read::Cache;
