//! Whether the other side still lives.

use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::SessionError;

/// A socket without a channel and without a word of ours is closed after 60 s (seen 2026-09);
/// channels send a heartbeat every 15 s (docs.bitfinex.com/docs/ws-general, 2025-11).
const PING_AFTER: Duration = Duration::from_secs(15);
/// The whole of what an answer to a ping may take; 0.2 s have been seen.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// When something was heard or said last.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    active: Option<Instant>,
    /// When the ping went out after which nothing was heard yet.
    pinged: Option<Instant>,
    pings: u64,
}

impl Pulse {
    pub(super) fn said(&mut self, now: Instant) {
        self.active = Some(now);
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.active = Some(now);
        self.pinged = None;
    }

    /// The ping that is due.
    ///
    /// # Errors
    /// Nothing has come since the last one, for too long.
    pub(super) fn beat(&mut self, now: Instant) -> Result<Option<String>, SessionError> {
        if let Some(pinged) = self.pinged {
            let silent = now >= pinged + SILENT_AFTER;
            return if silent { Err(SessionError::Silent(SILENT_AFTER)) } else { Ok(None) };
        }
        if self.active.is_none_or(|active| now < active + PING_AFTER) {
            return Ok(None);
        }
        self.pings += 1;
        self.pinged = Some(now);
        self.active = Some(now);
        Ok(Some(format!(r#"{{"event":"ping","cid":{}}}"#, self.pings)))
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match self.pinged {
            Some(pinged) => Some(pinged + SILENT_AFTER),
            None => self.active.map(|active| active + PING_AFTER),
        }
    }
}
