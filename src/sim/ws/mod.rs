//! The exchange's public WebSocket API, version 2: `GET /ws/2`.
//!
//! Messages follow docs.bitfinex.com/docs/ws-general and docs.bitfinex.com/reference/ws-public-*
//! (2025-11), with what was recorded from the exchange until 2026-09 where the two differ.
//!
//! ```text
//! socket        the upgrade, and one socket that drives one conversation
//! conversation  one connection without I/O: texts and times in, frames out
//! link          flags and sequence numbers;     request: what clients say
//! topic         what can be subscribed to, and how it is acknowledged
//! feed          a channel's snapshot and updates;  book: levels and checksums;  tape: trades
//! door          who is let in, counts, and what happens to all at once
//! faults        which connection or channel goes wrong, and how
//! ```

mod book;
mod conversation;
mod door;
mod faults;
mod feed;
mod link;
mod request;
pub(super) mod socket;
mod tape;
mod topic;

use std::time::Duration;

pub use conversation::Conversation;
pub use door::{Refused, WsCounts};
pub use faults::{WsAction, WsFault, WsRule};
pub use link::Frame;

pub(super) use door::Door;
pub(super) use faults::WsScript;

/// How the WebSocket half is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsConfig {
    /// Channels on one connection (docs.bitfinex.com/docs/requirements-and-limitations, 2025-11).
    pub max_channels: usize,
    /// New connections within one window; [`super::SimConfig::enforce`] switches it off.
    pub max_connections: usize,
    /// The sliding window in which connections are counted. Real time.
    pub connection_window: Duration,
    /// How long connections are refused after a breach. Real time.
    pub connection_block: Duration,
    /// A connection without a channel ends when its client has been silent for so long. The
    /// market's time.
    pub idle: Duration,
    /// Rows in the snapshot of a candles channel.
    pub candle_rows: usize,
    /// How often a ticker is looked at for a change. The market's time.
    pub ticker_every: Duration,
}

impl Default for WsConfig {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            max_channels: 25,
            max_connections: 20,
            connection_window: MINUTE,
            connection_block: MINUTE,
            idle: MINUTE,
            candle_rows: 240,
            ticker_every: Duration::from_secs(10),
        }
    }
}
