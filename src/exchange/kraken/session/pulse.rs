//! Whether the other side still lives.

use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::SessionError;

/// A socket on which nothing is said is closed after about 60 s (docs.kraken.com, Ping, 2026-09).
const PING_AFTER_WORD: Duration = Duration::from_secs(30);
/// Heartbeats come every second, though only once a channel is open.
const PING_AFTER_SILENCE: Duration = Duration::from_secs(10);
/// The whole of what an answer to a ping may take.
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// That the connection lives is told no more often.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// When something was heard or said last.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    said: Option<Instant>,
    heard: Option<Instant>,
    /// When the ping went out after which nothing was heard yet.
    pinged: Option<Instant>,
    pings: u64,
    /// When it was told last that the connection lives.
    told: Option<Instant>,
}

impl Pulse {
    pub(super) fn said(&mut self, now: Instant) {
        self.said = Some(now);
    }

    /// True if it is to be told that the connection lives: at a heartbeat, and at other messages
    /// where it has not been for a second.
    pub(super) fn heard(&mut self, now: Instant, heartbeat: bool) -> bool {
        self.heard = Some(now);
        self.pinged = None;
        let tell = heartbeat || self.told.is_none_or(|told| now >= told + ALIVE_EVERY);
        if tell {
            self.told = Some(now);
        }
        tell
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
        if self.wakes_at().is_none_or(|due| now < due) {
            return Ok(None);
        }
        self.pings += 1;
        (self.pinged, self.said) = (Some(now), Some(now));
        Ok(Some(format!(r#"{{"method":"ping","req_id":{}}}"#, self.pings)))
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        if let Some(pinged) = self.pinged {
            return Some(pinged + SILENT_AFTER);
        }
        let said = self.said?;
        let heard = self.heard.unwrap_or(said).max(said);
        Some((said + PING_AFTER_WORD).min(heard + PING_AFTER_SILENCE))
    }
}
