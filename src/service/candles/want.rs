//! What a request for candles means, in times.

use std::time::Duration;

use super::CandleView;
use crate::market::{Span, Timeframe, UnixMs};

/// 2009-01-01, before Bitcoin's first block and so before anything was traded. Nothing earlier is
/// asked for: exchanges take a bound of zero for none.
pub(in crate::service) const EPOCH: UnixMs = UnixMs::from_millis(1_230_768_000_000);

/// Trades may arrive late: a bucket counts as closed this long after its end.
pub(in crate::service) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Which candles of a series are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) timeframe: Timeframe,
    /// At most this many.
    pub(super) limit: usize,
    /// The first ones that open here or later; without it the last ones.
    pub(super) from: Option<UnixMs>,
    /// Only those that open before.
    pub(super) to: UnixMs,
    /// Where the final ones among them end.
    pub(super) past: UnixMs,
    /// Whether candles that are not final may be among them.
    pub(super) head: bool,
    /// They end where final ones end now: the next one to become final belongs to them.
    pub(super) grows: bool,
}

/// In which direction rows are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    /// From the beginning of a gap on.
    Later,
    /// From the end of a gap back.
    Earlier,
}

/// Time that is not known and needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) span: Span,
    pub(super) toward: Toward,
    /// How many rows are needed of it.
    pub(super) count: usize,
    /// The exchange is to tell them, whatever is on disk.
    pub(super) anew: bool,
}

impl Want {
    /// What `view` means at `at`. `anchor` is the opening time of any candle of the series:
    /// exchanges count weeks from days of their own.
    pub(super) fn new(view: &CandleView, at: UnixMs, anchor: Option<UnixMs>) -> Self {
        let timeframe = view.timeframe;
        let settled = first_open(timeframe, anchor, at);
        let from = view.since.map(|since| opening(timeframe, since.max(EPOCH)));
        // What opens later than this instant does not belong to the answer.
        let now = if is_aligned(timeframe) {
            timeframe.end_of(timeframe.start_of(at))
        } else {
            at + Duration::from_millis(1)
        };
        let until = view.until.map_or(now, |until| last_opening_end(timeframe, until).min(now));
        let grows = view.closed_only && until > settled;
        let to = if view.closed_only { until.min(settled) } else { until };
        let limit = usize::try_from(view.limit).unwrap_or(usize::MAX);
        // So many buckets without an end in between reach the newest candles in any case.
        let reaches = from.is_none_or(|from| buckets(timeframe, from, to) <= limit);
        let past = to.min(settled);
        Self { timeframe, limit, from, to, past, head: to > past && reaches, grows }
    }

    /// The same, the newest candles among them.
    pub(super) fn with_head(self) -> Self {
        Self { head: true, ..self }
    }

    /// What is wanted of a narrower series, for these to be computed from.
    pub(super) fn of_parts(self, timeframe: Timeframe) -> Self {
        let whole = Span::new(EPOCH, EPOCH + self.timeframe.fixed().unwrap_or_default());
        let parts = buckets(timeframe, whole.from, whole.to).max(1);
        Self { timeframe, limit: self.limit.saturating_mul(parts), ..self }
    }

    /// True if so many final rows are all that is wanted.
    pub(super) fn is_past(&self, rows: usize) -> bool {
        rows >= self.limit || self.to <= self.past
    }

    /// True if nothing can be meant.
    pub(super) fn is_void(&self) -> bool {
        self.from.unwrap_or(EPOCH) >= self.to
    }
}

/// Weeks begin where an exchange says.
pub(super) fn is_aligned(timeframe: Timeframe) -> bool {
    !matches!(timeframe, Timeframe::W1 | Timeframe::W2)
}

/// The first opening time at `at` or later.
fn opening(timeframe: Timeframe, at: UnixMs) -> UnixMs {
    match timeframe.start_of(at) {
        start if is_aligned(timeframe) && start != at => timeframe.end_of(start),
        _ => at,
    }
}

/// The end of the openings up to `until`.
fn last_opening_end(timeframe: Timeframe, until: UnixMs) -> UnixMs {
    if is_aligned(timeframe) {
        timeframe.end_of(timeframe.start_of(until))
    } else {
        until + Duration::from_millis(1)
    }
}

/// The last opening time before `end`.
pub(super) fn last_opening(timeframe: Timeframe, end: UnixMs) -> UnixMs {
    let last = end - Duration::from_millis(1);
    if is_aligned(timeframe) { timeframe.start_of(last) } else { last }
}

/// The opening time of the first bucket that was not over for good at `seen`.
pub(in crate::service) fn first_open(
    timeframe: Timeframe,
    anchor: Option<UnixMs>,
    seen: UnixMs,
) -> UnixMs {
    let over = seen - CLOSE_GRACE;
    match (timeframe.fixed(), anchor) {
        (Some(width), Some(anchor)) => {
            let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
            let past = (over.millis() - anchor.millis()).div_euclid(width) * width;
            UnixMs::from_millis(anchor.millis() + past)
        }
        _ => timeframe.start_of(over),
    }
}

/// Whether the bucket that opened then was over for good at `seen`.
pub(in crate::service) fn is_closed(timeframe: Timeframe, open_time: UnixMs, seen: UnixMs) -> bool {
    timeframe.end_of(open_time) + CLOSE_GRACE <= seen
}

/// At most so many buckets open from `from` on and before `to`.
pub(super) fn buckets(timeframe: Timeframe, from: UnixMs, to: UnixMs) -> usize {
    const SHORTEST_MONTH: Duration = Duration::from_secs(28 * 86_400);
    let width = timeframe.fixed().unwrap_or(SHORTEST_MONTH).as_millis();
    let time = to.since(from).as_millis();
    usize::try_from(time.div_ceil(width)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        text.parse().unwrap()
    }

    fn view(timeframe: Timeframe) -> CandleView {
        CandleView { timeframe, limit: 10, since: None, until: None, closed_only: false }
    }

    #[test]
    fn the_first_open_bucket_is_behind_the_grace() {
        for (seen, open) in [
            ("2024-02-14T13:00:01.999Z", "2024-02-14T12:00:00.000Z"),
            ("2024-02-14T13:00:02.000Z", "2024-02-14T13:00:00.000Z"),
        ] {
            assert_eq!(first_open(Timeframe::H1, None, at(seen)).iso(), open);
            let anchor = Some(at("2020-01-01T05:00:00Z"));
            assert_eq!(first_open(Timeframe::H1, anchor, at(seen)).iso(), open);
        }
        // A week that begins on a Thursday.
        let anchor = Some(at("1970-01-01"));
        let open = first_open(Timeframe::W1, anchor, at("2024-02-14T13:00:00Z"));
        assert_eq!(open.iso(), "2024-02-08T00:00:00.000Z");
    }

    #[test]
    fn a_request_ends_where_its_instant_says() {
        let now = at("2024-02-14T12:59:59.980Z");
        let want = Want::new(&view(Timeframe::H1), now, None);
        assert_eq!((want.to.iso().as_str(), want.head), ("2024-02-14T13:00:00.000Z", true));
        let want = Want::new(&CandleView { closed_only: true, ..view(Timeframe::H1) }, now, None);
        assert_eq!(
            (want.to.iso().as_str(), want.head, want.grows),
            ("2024-02-14T12:00:00.000Z", false, true)
        );
        let past = CandleView { until: Some(at("2024-02-14T09:30:00Z")), ..view(Timeframe::H1) };
        let want = Want::new(&past, now, None);
        assert_eq!(
            (want.to.iso().as_str(), want.head, want.grows),
            ("2024-02-14T10:00:00.000Z", false, false)
        );
    }

    #[test]
    fn a_beginning_is_the_next_opening() {
        let now = at("2024-02-14T12:59:59.980Z");
        let since = |text: &str| {
            let view = CandleView { since: Some(at(text)), ..view(Timeframe::H1) };
            let want = Want::new(&view, now, None);
            (want.from.unwrap().iso(), want.head, want.is_void())
        };
        assert_eq!(since("2024-02-14T09:00:01Z"), ("2024-02-14T10:00:00.000Z".into(), true, false));
        // Ten rows may be there before the newest one.
        assert_eq!(
            since("2024-02-13T09:00:00Z"),
            ("2024-02-13T09:00:00.000Z".into(), false, false)
        );
        assert!(since("2024-02-14T12:00:01Z").2);
        assert_eq!(since("1970-01-01").0, EPOCH.iso());
    }
}
