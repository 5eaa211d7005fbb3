//! WebSockets: what conversations of all exchanges share, and Bitfinex's own, version 2.
//!
//! Bitfinex's messages follow docs.bitfinex.com/docs/ws-general and docs.bitfinex.com/reference/ws-public-*
//! (2025-11), with what was recorded from the exchange until 2026-09 where the two differ.
//!
//! ```text
//! socket        the upgrade, and one socket that drives one conversation
//! talk          one connection without I/O, of any exchange: texts and times in, frames out
//! line          its outgoing side;  freeze: channels that stand still;  tape: trades
//! door          who is let in, counts, and what happens to all at once
//! faults        which connection or channel goes wrong, and how
//!
//! conversation  Bitfinex's side of a connection
//! link          flags and sequence numbers;     request: what clients say
//! topic         what can be subscribed to, and how it is acknowledged
//! feed          a channel's snapshot and updates;  book: levels and checksums
//! ```

mod book;
mod conversation;
mod door;
mod faults;
mod feed;
mod freeze;
mod line;
mod link;
mod request;
pub(super) mod socket;
mod talk;
mod tape;
mod topic;

use std::time::Duration;

pub use door::{Refused, WsCounts};
pub use faults::{WsAction, WsFault, WsRule};
pub use talk::{Conversation, Frame};

pub(super) use conversation::BitfinexTalk;
pub(super) use door::Door;
pub(super) use faults::{Occasion, WsScript};
pub(super) use freeze::{Freeze, Freezer};
pub(super) use line::{Line, late_ack, strikes};
pub(super) use talk::{Opening, Talk};
pub(super) use tape::Tape;

/// How the WebSocket half is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsConfig {
    /// Channels on one connection of Bitfinex
    /// (docs.bitfinex.com/docs/requirements-and-limitations, 2025-11).
    pub max_channels: usize,
    /// New connections within one window; `None` for the exchange's own limit.
    /// [`super::SimConfig::enforce`] switches it off.
    pub max_connections: Option<usize>,
    /// The sliding window in which connections are counted; `None` for the exchange's own. Real
    /// time.
    pub connection_window: Option<Duration>,
    /// How long connections are refused after a breach; `None` for the exchange's own. Real time.
    pub connection_block: Option<Duration>,
    /// A connection without a channel ends when its client has been silent for so long. The
    /// market's time.
    pub idle: Duration,
    /// Rows in the snapshot of a candles channel.
    pub candle_rows: usize,
    /// How often a ticker is looked at for a change. The market's time.
    pub ticker_every: Duration,
    /// After so long a connection is ended, on Binance. The market's time.
    pub lifetime: Duration,
}

impl Default for WsConfig {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            max_channels: 25,
            max_connections: None,
            connection_window: None,
            connection_block: None,
            idle: MINUTE,
            candle_rows: 240,
            ticker_every: Duration::from_secs(10),
            lifetime: Duration::from_secs(86_400),
        }
    }
}
