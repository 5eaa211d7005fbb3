//! Microseconds of the model's own clock.

use std::time::Duration;

/// Microseconds since the model began, or a length of time in them.
pub(super) type Us = u64;

/// One second.
pub(super) const SECOND: Us = 1_000_000;

/// A length of time in whole microseconds.
pub(super) fn us(duration: Duration) -> Us {
    Us::try_from(duration.as_micros()).unwrap_or(Us::MAX / 4).min(Us::MAX / 4)
}

/// The same as seconds.
pub(super) fn seconds(time: Us) -> f64 {
    time as f64 / SECOND as f64
}
