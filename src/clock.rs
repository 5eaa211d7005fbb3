//! Wall time. Nothing else in the crate reads the system clock.
//!
//! Durations and deadlines are measured with [`tokio::time::Instant`], which follows a paused
//! clock in tests; wall time is needed only where a date is shown or compared with the exchange's.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use crate::market::UnixMs;

/// A source of wall time that moves with tokio's clock.
///
/// The wall clock is read once, when the value is made; from then on it advances with
/// [`Instant`], so a paused clock in a test also pauses the date. The drift against the system's
/// clock is corrected by [`Clock::system`] on every read.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Anchored(Arc<(Instant, UnixMs)>),
}

impl Clock {
    /// The system's wall clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that shows `start` now and advances with tokio's clock.
    pub fn anchored(start: UnixMs) -> Self {
        Self(Kind::Anchored(Arc::new((Instant::now(), start))))
    }

    /// The present wall time.
    pub fn now(&self) -> UnixMs {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the system clock"
            )]
            Kind::System => {
                let since_epoch =
                    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                UnixMs::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Kind::Anchored(anchor) => anchor.1 + anchor.0.elapsed(),
        }
    }
}

/// Stops a paused clock for as long as the value is held. Tokio moves such a clock on while it waits
/// for a socket, but not while a thread blocks; with a clock that stands, a test with real sockets
/// is late for nothing, however slow the machine is.
#[cfg(test)]
pub(crate) fn stopped() -> std::sync::mpsc::Sender<()> {
    /// Who waits so long waits for time to pass: it does then, and he runs into his limit.
    const STUCK: std::time::Duration = std::time::Duration::from_secs(180);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    drop(tokio::task::spawn_blocking(move || held.recv_timeout(STUCK)));
    hold
}
