//! One call to an exchange: deadline, breaker, budget, retry, and the merging of single asks.
//!
//! ```text
//! Upstream::call
//!   cordon    refuses while operators say so
//!   breaker   admits, or refuses at once
//!   queue     client before refresh before background, first come first served within a class
//!   gate      closed by a 429, reopened by one probe; one per family and one for the exchange
//!   window    the ceiling: slots held from send to completion and one window more
//!   pace      governor's GCRA below that ceiling: a third of it at once after idle, then what the
//!             window has left, spread evenly until it has more
//!   request   sent once, bounded by the deadline
//!   finish    window, gate, breaker and learned ceiling are told how it ended
//! ```
//!
//! **Why no window of 60 s holds more calls than the limit.** The exchange counts a call at some
//! instant between our sending it and its end. A slot is held from the sending until one window
//! after the end. Take any window at the exchange: every call counted in it was sent before the
//! window's last instant and ended no earlier than its first, so at its last instant all of them
//! hold a slot, and there are no more slots than the limit.
//!
//! This goes on over restarts: a [`Journal`] is told of each call before it is sent, and of bans.
//! [`Upstream::resume`] holds the slots of calls that were noted, each as if it had ended as late
//! as it can have, since that is not known ([`Memory::longest_call`]).
//!
//! All decisions are taken on plain values under one lock that is never held across an await
//! (`ledger`); guards give slots, permits and queue places back when a caller hangs up
//! (`turn`); a task that lives only while someone waits hands out the turns.

mod ahead;
mod breaker;
mod budget;
mod call;
mod cordon;
mod error;
mod gate;
mod journal;
mod lane;
mod ledger;
mod limits;
mod merge;
mod order;
mod pace;
mod queue;
mod shares;
mod snapshot;
#[cfg(test)]
mod tests;
mod turn;
mod window;

pub use call::Upstream;
pub use error::CallError;
pub use journal::{Journal, Memory, Saved};
pub use merge::{Lost, Merge};
pub use shares::ClientShare;
pub use snapshot::{FamilySnapshot, LastError, UpstreamSnapshot, Waiting};
