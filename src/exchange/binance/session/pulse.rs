//! Whether the other side still lives.

use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::SessionError;

/// Streams speak only when there is something new, and the exchange's pings are the socket's
/// business: after so long a silence it is asked something.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// The longest that the answer may take.
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// How often it is told that the connection lives.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// When something was heard last.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    heard: Option<Instant>,
    told: Option<Instant>,
    /// When it was asked something, if nothing has come since.
    asked: Option<Instant>,
}

impl Pulse {
    pub(super) fn opened(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// True if it is time to tell that the connection lives.
    pub(super) fn hears(&mut self, now: Instant) -> bool {
        self.heard = Some(now);
        self.asked = None;
        let due = self.told.is_none_or(|told| now >= told + TOLD_EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// True if it is to be asked something.
    ///
    /// # Errors
    /// Not even the answer has come, for too long.
    pub(super) fn beat(&mut self, now: Instant) -> Result<bool, SessionError> {
        if let Some(asked) = self.asked {
            let silent = now >= asked + SILENT_AFTER;
            return if silent { Err(SessionError::Silent(SILENT_AFTER)) } else { Ok(false) };
        }
        let due = self.heard.is_some_and(|heard| now >= heard + ASK_AFTER);
        if due {
            self.asked = Some(now);
        }
        Ok(due)
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match self.asked {
            Some(asked) => Some(asked + SILENT_AFTER),
            None => self.heard.map(|heard| heard + ASK_AFTER),
        }
    }
}
