//! Widths of candles.

use std::{fmt, str::FromStr, time::Duration};

use super::UnixMs;

/// The width of a candle's bucket, named as ccxt does (`1m` … `1d`, `1w`, `2w`, `1M`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are their names")]
pub enum Timeframe {
    M1,
    M3,
    M5,
    M15,
    M30,
    H1,
    H2,
    H3,
    H4,
    H6,
    H8,
    H12,
    D1,
    W1,
    W2,
    Month,
}

/// A text that names no timeframe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown timeframe {0:?}")]
pub struct BadTimeframe(String);

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 1970-01-01 was a Thursday; ISO weeks begin four days later.
const MONDAY_MS: i64 = 4 * DAY_MS;

impl Timeframe {
    /// Every timeframe, narrowest first.
    pub const ALL: [Self; 16] = [
        Self::M1,
        Self::M3,
        Self::M5,
        Self::M15,
        Self::M30,
        Self::H1,
        Self::H2,
        Self::H3,
        Self::H4,
        Self::H6,
        Self::H8,
        Self::H12,
        Self::D1,
        Self::W1,
        Self::W2,
        Self::Month,
    ];

    /// The name clients use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M3 => "3m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::M30 => "30m",
            Self::H1 => "1h",
            Self::H2 => "2h",
            Self::H3 => "3h",
            Self::H4 => "4h",
            Self::H6 => "6h",
            Self::H8 => "8h",
            Self::H12 => "12h",
            Self::D1 => "1d",
            Self::W1 => "1w",
            Self::W2 => "2w",
            Self::Month => "1M",
        }
    }

    /// The bucket's width; `None` for a month, which has no fixed one.
    pub const fn fixed(self) -> Option<Duration> {
        let ms = match self {
            Self::M1 => 60_000,
            Self::M3 => 180_000,
            Self::M5 => 300_000,
            Self::M15 => 900_000,
            Self::M30 => 1_800_000,
            Self::H1 => 3_600_000,
            Self::H2 => 7_200_000,
            Self::H3 => 10_800_000,
            Self::H4 => 14_400_000,
            Self::H6 => 21_600_000,
            Self::H8 => 28_800_000,
            Self::H12 => 43_200_000,
            Self::D1 => 86_400_000,
            Self::W1 => 604_800_000,
            Self::W2 => 1_209_600_000,
            Self::Month => return None,
        };
        Some(Duration::from_millis(ms))
    }

    /// The first instant after the bucket that opens at `open`.
    pub fn end_of(self, open: UnixMs) -> UnixMs {
        match self.fixed() {
            Some(width) => open + width,
            None => Self::next_month(open),
        }
    }

    /// The opening time of the bucket that `at` falls in (UTC; weeks from Monday). Two-week
    /// buckets are aligned to 1970-01-05; exchanges may count them otherwise.
    pub fn start_of(self, at: UnixMs) -> UnixMs {
        let ms = at.millis();
        let origin = if matches!(self, Self::W1 | Self::W2) { MONDAY_MS } else { 0 };
        match self.fixed() {
            Some(width) => {
                let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
                UnixMs::from_millis(ms - (ms - origin).rem_euclid(width))
            }
            None => Self::civil(at).map_or(at, |date| Self::instant(date.first_of_month())),
        }
    }

    /// True if each bucket of `wider` is a whole number of buckets of this width, so that its
    /// candles can be computed from theirs. Beyond a day, exchanges differ in where buckets begin.
    pub fn divides(self, wider: Self) -> bool {
        match (self.fixed(), wider.fixed()) {
            (Some(part), Some(whole)) if self < wider && wider <= Self::D1 => {
                whole.as_millis().is_multiple_of(part.as_millis())
            }
            _ => false,
        }
    }

    /// The widths that divide this one, widest first.
    pub fn sources(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().rev().filter(move |part| part.divides(self))
    }

    fn next_month(open: UnixMs) -> UnixMs {
        let after = Self::civil(open).and_then(|date| date.last_of_month().tomorrow().ok());
        after.map_or(open, Self::instant)
    }

    fn civil(at: UnixMs) -> Option<jiff::civil::Date> {
        let when = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        Some(jiff::tz::Offset::UTC.to_datetime(when).date())
    }

    fn instant(date: jiff::civil::Date) -> UnixMs {
        let midnight = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
        UnixMs::from_millis(midnight.map_or(0, jiff::Timestamp::as_millisecond))
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Timeframe {
    type Err = BadTimeframe;

    /// Accepts the names of [`Timeframe::as_str`] and Bitfinex's own `1D`, `1W`, `7D`, `14D`.
    fn from_str(text: &str) -> Result<Self, BadTimeframe> {
        match text {
            "1D" => Ok(Self::D1),
            "1W" | "7D" => Ok(Self::W1),
            "14D" => Ok(Self::W2),
            _ => Self::ALL
                .into_iter()
                .find(|timeframe| timeframe.as_str() == text)
                .ok_or_else(|| BadTimeframe(text.chars().take(20).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_and_end_where_the_calendar_says() {
        let at = "2024-02-14T13:47:11Z".parse::<UnixMs>().unwrap();
        for (timeframe, start, end) in [
            (Timeframe::M5, "2024-02-14T13:45:00.000Z", "2024-02-14T13:50:00.000Z"),
            (Timeframe::H4, "2024-02-14T12:00:00.000Z", "2024-02-14T16:00:00.000Z"),
            (Timeframe::D1, "2024-02-14T00:00:00.000Z", "2024-02-15T00:00:00.000Z"),
            (Timeframe::W1, "2024-02-12T00:00:00.000Z", "2024-02-19T00:00:00.000Z"),
            (Timeframe::Month, "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
        ] {
            let open = timeframe.start_of(at);
            assert_eq!((open.iso().as_str(), timeframe.end_of(open).iso().as_str()), (start, end));
        }
    }

    #[test]
    fn sources_are_the_widths_that_fit() {
        use Timeframe::*;
        for (timeframe, expected) in [
            (M1, &[] as &[Timeframe]),
            (M5, &[M1]),
            (M15, &[M5, M3, M1]),
            (M30, &[M15, M5, M3, M1]),
            (H2, &[H1, M30, M15, M5, M3, M1]),
            (H3, &[H1, M30, M15, M5, M3, M1]),
            (H4, &[H2, H1, M30, M15, M5, M3, M1]),
            (H6, &[H3, H2, H1, M30, M15, M5, M3, M1]),
            (H8, &[H4, H2, H1, M30, M15, M5, M3, M1]),
            (H12, &[H6, H4, H3, H2, H1, M30, M15, M5, M3, M1]),
            (D1, &[H12, H8, H6, H4, H3, H2, H1, M30, M15, M5, M3, M1]),
            (W1, &[]),
            (W2, &[]),
            (Month, &[]),
        ] {
            assert_eq!(timeframe.sources().collect::<Vec<_>>(), expected, "{timeframe}");
        }
    }

    /// A day that is full of odd times: whatever is divided has the same bounds as its parts.
    #[test]
    fn parts_never_cross_the_bounds_of_what_they_divide() {
        let day = "2024-02-29".parse::<UnixMs>().unwrap().millis();
        for wider in Timeframe::ALL {
            for part in wider.sources() {
                for at in (day..day + DAY_MS).step_by(60_000).map(UnixMs::from_millis) {
                    let (open, end) = (part.start_of(at), part.end_of(part.start_of(at)));
                    assert_eq!(wider.start_of(open), wider.start_of(at), "{part} in {wider}");
                    assert!(end <= wider.end_of(wider.start_of(at)), "{part} in {wider}");
                }
            }
        }
    }

    #[test]
    fn case_matters() {
        assert_eq!("1m".parse(), Ok(Timeframe::M1));
        assert_eq!("1M".parse(), Ok(Timeframe::Month));
        assert_eq!("1D".parse(), Ok(Timeframe::D1));
        assert!("7h".parse::<Timeframe>().is_err());
    }
}
