//! Simulated.
pub mod engine;
mod clock;
mod family;
mod faults;
mod calls;
mod json;
mod rest;
pub use clock::{ManualTime, SimClock};
pub use family::*;
pub use faults::*;
pub use calls::*;
