//! Instants of the calendar in Unix milliseconds.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnixMs(i64);

/// A text that is neither Unix milliseconds nor ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be Unix milliseconds or ISO 8601 (2024-01-01T00:00:00Z), got {0:?}")]
pub struct BadTime(String);

impl UnixMs {
    /// From a count of milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// The count of milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// ISO 8601 in UTC with milliseconds: `2026-11-22T14:30:00.000Z`.
    pub fn iso(self) -> String {
        let when = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{when:.3}")
    }

    /// The time from `earlier` to this one; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for UnixMs {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for UnixMs {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

impl FromStr for UnixMs {
    type Err = BadTime;

    /// Digits are milliseconds; else an ISO 8601 date or date-time. A date alone is midnight UTC,
    /// a date-time without an offset is UTC.
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.chars().take(40).collect());
        if let Ok(ms) = text.parse::<i64>() {
            let representable = Timestamp::from_millisecond(ms).is_ok();
            return if representable { Ok(Self(ms)) } else { Err(bad()) };
        }
        if let Ok(when) = text.parse::<Timestamp>() {
            return Ok(Self(when.as_millisecond()));
        }
        let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| bad())?;
        let when = jiff::tz::Offset::UTC.to_timestamp(civil).map_err(|_| bad())?;
        Ok(Self(when.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_milliseconds_and_iso() {
        let noon = UnixMs::from_millis(1_704_110_400_000);
        for text in [
            "1704110400000",
            "2024-01-01T12:00:00Z",
            "2024-01-01T12:00:00",
            "2024-01-01T13:00:00+01:00",
        ] {
            assert_eq!(text.parse::<UnixMs>().unwrap(), noon, "{text}");
        }
        assert_eq!("2024-01-01".parse::<UnixMs>().unwrap().iso(), "2024-01-01T00:00:00.000Z");
        assert_eq!(noon.iso(), "2024-01-01T12:00:00.000Z");
        for text in ["", "yesterday", "9223372036854775807", "1e3"] {
            assert!(text.parse::<UnixMs>().is_err(), "{text}");
        }
    }
}
