//! Which rows of a series in the order of time a request means.

use std::ops::Range;

use super::Series;
use crate::market::UnixMs;

/// 2009-01-01, before Bitcoin's first block and so before anything was traded. Nothing earlier is
/// sent: exchanges take a bound of zero for none.
const EPOCH: UnixMs = UnixMs::from_millis(1_230_768_000_000);

/// A request's bounds on a series of rows of type `T`; both times inclusive.
pub(super) struct Bounds<T> {
    /// At most this many rows.
    pub(super) limit: u32,
    /// The first rows from here on; without it the last ones.
    pub(super) since: Option<UnixMs>,
    /// Nothing later than this.
    pub(super) until: Option<UnixMs>,
    /// A row's time.
    pub(super) time: fn(&T) -> UnixMs,
}

impl<T> Clone for Bounds<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Bounds<T> {}

impl<T> Bounds<T> {
    /// True if the newest rows are meant.
    pub(super) fn is_latest(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// True if there can be no such row: the end comes before the beginning, the beginning after
    /// `now`, or the end before there were exchanges.
    pub(super) fn is_void(&self, now: UnixMs) -> bool {
        let start = self.start().unwrap_or(EPOCH);
        start > now || self.until.is_some_and(|until| until < start)
    }

    /// `since`, where it is not so early that it means the very beginning.
    pub(super) fn start(&self) -> Option<UnixMs> {
        self.since.map(|since| since.max(EPOCH))
    }

    /// True if a series of newest rows holds every row that is meant.
    pub(super) fn is_covered_by(&self, series: &Series<T>) -> bool {
        series.is_whole() || self.is_reached_by(series)
    }

    /// The same without believing that a series which is shorter than it may be has no beginning
    /// before its first row.
    pub(super) fn is_reached_by(&self, series: &Series<T>) -> bool {
        match self.since {
            Some(since) => series.rows.first().is_some_and(|first| (self.time)(first) <= since),
            None => select(&series.rows, self).len() >= self.limit as usize,
        }
    }
}

/// The rows that are meant, oldest first.
pub(super) fn select<T>(rows: &[T], bounds: &Bounds<T>) -> Range<usize> {
    let time = bounds.time;
    let limit = bounds.limit as usize;
    let end = match bounds.until {
        Some(until) => rows.partition_point(|row| time(row) <= until),
        None => rows.len(),
    };
    match bounds.since {
        Some(since) => {
            let start = rows.partition_point(|row| time(row) < since).min(end);
            start..end.min(start + limit)
        }
        None => end.saturating_sub(limit)..end,
    }
}

/// How many rows to fetch for a request of `limit`: a few sizes only, so that requests of nearly
/// the same length are the same.
pub(super) fn fetch_size(limit: u32, max: u32) -> u32 {
    const SIZES: [u32; 4] = [250, 1000, 2500, 5000];
    SIZES.into_iter().find(|size| *size >= limit).unwrap_or(max).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(limit: u32, since: Option<i64>, until: Option<i64>) -> Bounds<i64> {
        let at = |ms: Option<i64>| ms.map(UnixMs::from_millis);
        Bounds { limit, since: at(since), until: at(until), time: |ms| UnixMs::from_millis(*ms) }
    }

    #[test]
    fn rows_are_selected_by_time_and_number() {
        let rows = [10, 20, 30, 50, 60];
        for (limit, since, until, expected) in [
            (2, None, None, &[50, 60][..]),
            (9, None, None, &rows[..]),
            (2, Some(20), None, &[20, 30][..]),
            (2, Some(25), None, &[30, 50][..]),
            (2, None, Some(50), &[30, 50][..]),
            (2, None, Some(49), &[20, 30][..]),
            (9, Some(20), Some(50), &[20, 30, 50][..]),
            (9, Some(61), None, &[][..]),
            (9, None, Some(9), &[][..]),
            (9, Some(40), Some(30), &[][..]),
        ] {
            let range = select(&rows, &bounds(limit, since, until));
            assert_eq!(&rows[range], expected, "{limit} {since:?} {until:?}");
        }
    }

    #[test]
    fn bounds_that_nothing_can_meet_are_known() {
        let epoch = EPOCH.millis();
        let now = EPOCH + std::time::Duration::from_millis(100);
        for (since, until, is_void) in [
            (None, None, false),
            (Some(epoch + 100), None, false),
            (Some(epoch + 101), None, true),
            (Some(epoch + 30), Some(epoch + 30), false),
            (Some(epoch + 31), Some(epoch + 30), true),
            (Some(0), Some(epoch), false),
            (Some(0), Some(epoch - 1), true),
            (None, Some(0), true),
        ] {
            assert_eq!(bounds(1, since, until).is_void(now), is_void, "{since:?} {until:?}");
        }
        assert_eq!(bounds(1, Some(0), None).start(), Some(EPOCH));
    }

    #[test]
    fn a_series_covers_what_it_holds_for_certain() {
        let part = Series::new(vec![10, 20, 30], 3);
        assert!(bounds(5, Some(10), None).is_covered_by(&part));
        assert!(!bounds(5, Some(9), None).is_covered_by(&part));
        assert!(bounds(2, None, Some(25)).is_covered_by(&part));
        assert!(!bounds(3, None, Some(25)).is_covered_by(&part));
        let whole = Series::new(vec![10, 20, 30], 4);
        assert!(bounds(5, Some(0), None).is_covered_by(&whole));
        assert!(bounds(3, None, Some(25)).is_covered_by(&whole));
        assert!(!bounds(5, Some(0), None).is_reached_by(&whole));
        assert!(bounds(5, Some(10), None).is_reached_by(&whole));
    }

    #[test]
    fn sizes_are_few() {
        assert_eq!(
            [1, 250, 251, 5001, 10_000].map(|limit| fetch_size(limit, 10_000)),
            [250, 250, 1000, 10_000, 10_000]
        );
        assert_eq!(fetch_size(300, 720), 720);
    }
}
