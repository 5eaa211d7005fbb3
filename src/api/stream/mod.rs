//! Streams to clients: `/api/market-data/stream` (server-sent events) and `/api/market-data/ws`
//! (WebSocket).
//!
//! ```text
//! hub ──bell──► session ──► following: takes all that is new, in order ──► sse, ws ──► socket
//!                  ▲ heartbeat, drain, stop
//! ```
//!
//! A client has no queue. His task takes what is new when his socket has taken what was before,
//! and while it has not, the hub leaves out what a later state makes superfluous. Every text is made
//! once for all clients (`message`); `request` reads what WebSocket clients say, `reply` answers it.

mod following;
mod message;
mod reply;
mod request;
mod session;
pub(super) mod sse;
#[cfg(test)]
mod tests;
pub(super) mod wire;
pub(super) mod ws;

use std::time::Duration;

use super::{
    problem::{Code, Problem},
    router::Phase,
};

/// When to try again for a place.
const COME_BACK: Duration = Duration::from_secs(1);
/// How long a client has to take the end of his stream.
const FAREWELL: Duration = Duration::from_secs(1);

/// No new streams begin once the gateway drains.
fn refuse_draining(phase: &Phase) -> Result<(), Problem> {
    if !phase.is_draining() {
        return Ok(());
    }
    let mut problem = Problem::new(Code::Draining, "the process is shutting down");
    problem.retry_after = Some(COME_BACK);
    Err(problem)
}

/// True if a text is a message that a client may send.
pub(super) fn is_message(text: &str) -> bool {
    const ANY: usize = usize::MAX;
    request::read(text, ANY).1.is_ok()
}
