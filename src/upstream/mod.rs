//! One call to an exchange: deadline, breaker, budget, retry, and the merging of single asks.
//!
//! ```text
//! Upstream::call
//!   cordon    refuses while operators say so
//!   breaker   admits, or refuses at once
//!   queue     client before refresh before background; within a class clients by weight and what
//!             they had (`order`), and of one client first come first served
//!   gate      closed by a 429, reopened by one probe; one per pool and one for the exchange
//!   window    the ceiling: slots held from send to completion and one window more
//!   shares    which of the free slots are kept for clients who hold less
//!   pace      governor's GCRA below that ceiling: a third of it at once after idle, then what the
//!             window has left, spread evenly until it has more
//!   request   sent once, bounded by the deadline
//!   finish    window, gate, breaker and learned ceiling are told how it ended
//! ```
//!
//! **What is counted.** An exchange counts endpoints together (a [`Pool`](crate::exchange::Pool)),
//! and a call may cost more than one unit ([`Charge`]). A call takes as many slots, and turns of the
//! pace, as it costs, all at once. Whoever is next and needs more than is free keeps his place, and
//! the rest wait with him; so where the largest calls are a good part of the limit, some of it lies
//! idle while slots gather. Where a pool bears few units at once, its window is that part of a
//! minute in which so many are due. What an exchange says of its own count
//! ([`Meter`](crate::exchange::Meter)) beyond what is held here was spent by others from the same
//! address: that many slots are nobody's for a window.
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
//! **What a client is promised beside greedy ones.** Each call is made for a client
//! ([`Payer`](crate::telemetry::Payer)), and slots of the window are shared out by client and
//! weight, pool by pool.
//!
//! - Who wants all he can get has his share by weight: of three such with weights 1, 2 and 5 the
//!   last gets five eighths. What one does not want is the others'.
//! - Who keeps to what he lately had, with all others' such wants within the budget, does not
//!   notice the greedy: he finds his slots free and his turns due as if they were not there. For
//!   that, a call of a client that wants more than the window has for him, and any background work,
//!   leaves as many slots as the others held or waited for at their common peak of the last three
//!   windows, and do not hold now; and it uses up a pace of its own.
//! - Who is greedy gets what is left over: the slots that the others did not hold at that peak. A
//!   client that asks once a minute holds two slots while it is answered, since each is held for a
//!   minute from the answer on; so of 30 slots with 20 such clients some 8 are left, not 10.
//! - Nothing is kept for long for one who is silent: within three windows and a third all is had
//!   by those who want it, and one who is alone is not bound by anything here.
//! - Nobody is without anything for ever: who holds no slot and has waited for the starvation bound
//!   passes what is kept for others, one call of a pool in each such time.
//!
//! The limits of it: memory is all it rests on. A newcomer, or one who asks for more than he did,
//! finds the window as the greedy left it and has to wait for the slots that come free, of which he
//! is the first to get one, each time; from his third window on he is known. Those who together
//! want more than the budget wait for each other as they would without the greedy. A second try
//! belongs to whoever asked; calls of an earlier process belong to nobody.
//!
//! What is told to one who has to wait is found by serving the queue ahead of time by the same
//! rules on a copy of the budget (`ahead`). It is true unless somebody else comes, leaves, or is
//! answered at another time than usual.
//!
//! All decisions are taken on plain values under one lock that is never held across an await
//! (`ledger`); guards give slots, permits and queue places back when a caller hangs up
//! (`turn`); a task that lives only while someone waits hands out the turns.

mod ahead;
mod breaker;
mod budget;
mod call;
mod charge;
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
mod shape;
mod shares;
mod shortage;
mod snapshot;
#[cfg(test)]
mod tests;
mod turn;
mod window;

pub use call::Upstream;
pub use charge::Charge;
pub use error::CallError;
pub use journal::{Journal, Memory, Saved, SavedBan, SavedCall};
pub use merge::{Lost, Merge};
pub use shares::ClientShare;
pub use snapshot::{LastError, PoolSnapshot, UpstreamSnapshot, Waiting};
