//! Final candles of one market and width, and the times for which they are known.

use rpds::RedBlackTreeMapSync;

use super::{Candle, Coverage, Mark, Span, UnixMs};

/// Candles that will not change any more, with the spans of opening times for which every one of
/// them is known. Where a time is covered and has no candle, nothing was traded in its bucket.
///
/// A clone shares its rows with the original and costs next to nothing.
#[derive(Clone, Debug)]
pub struct Bars<M> {
    rows: RedBlackTreeMapSync<UnixMs, Candle>,
    coverage: Coverage<M>,
}

impl<M> Default for Bars<M> {
    fn default() -> Self {
        Self { rows: RedBlackTreeMapSync::new_sync(), coverage: Coverage::default() }
    }
}

impl<M: Mark> Bars<M> {
    /// The times that are known.
    pub fn coverage(&self) -> &Coverage<M> {
        &self.coverage
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.size()
    }

    /// True if there are none; times may be known all the same.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Those that open in `span`, oldest first.
    pub fn rows(&self, span: Span) -> impl DoubleEndedIterator<Item = &Candle> {
        // The range of a map must not end before it begins.
        let to = span.to.max(span.from);
        self.rows.range(span.from..to).map(|(_, row)| row)
    }

    /// Those of `rows` that differ from what was known before, and how many known ones are not
    /// among them: what the exchange has restated if `rows` is all that opens in `span`.
    pub fn restated<'a>(&'a self, span: Span, rows: &'a [Candle]) -> Vec<Restated<'a>> {
        let mut restated = Vec::new();
        for (held, _) in self.coverage.spans() {
            let common = held.common(&span);
            if common.is_empty() {
                continue;
            }
            let told = rows.iter().filter(|row| common.contains(row.open_time));
            restated.extend(told.filter_map(|now| {
                let before = self.rows.get(&now.open_time);
                let is_same = before.is_some_and(|before| before.is_same(now));
                (!is_same).then_some(Restated { before, now: Some(now) })
            }));
            let gone = |row: &&Candle| {
                rows.binary_search_by_key(&row.open_time, |now| now.open_time).is_err()
            };
            let gone = self.rows(common).filter(gone);
            restated.extend(gone.map(|before| Restated { before: Some(before), now: None }));
        }
        restated
    }

    /// Makes `rows`, oldest first, all that opens in `span`, whatever was known of it; one that tells
    /// the same as before stays as it was written. Rows outside of it are left out.
    pub fn put(&mut self, span: Span, rows: impl IntoIterator<Item = Candle>, mark: M) {
        if span.is_empty() {
            return;
        }
        let before: Vec<UnixMs> = self.rows(span).map(|row| row.open_time).collect();
        let mut gone = before.into_iter().peekable();
        for row in rows.into_iter().filter(|row| span.contains(row.open_time)) {
            while let Some(open_time) = gone.next_if(|gone| *gone <= row.open_time) {
                if open_time < row.open_time {
                    self.rows.remove_mut(&open_time);
                }
            }
            if self.rows.get(&row.open_time).is_none_or(|before| !before.is_same(&row)) {
                self.rows.insert_mut(row.open_time, row);
            }
        }
        for open_time in gone {
            self.rows.remove_mut(&open_time);
        }
        self.coverage.add(span, mark);
    }

    /// Adds what the other knows and this does not.
    pub fn fill_from(&mut self, other: &Self) {
        for (span, mark) in other.coverage.spans() {
            for gap in self.coverage.missing(span) {
                self.put(gap, other.rows(gap).cloned(), mark.clone());
            }
        }
    }

    /// Forgets what opens in `span`.
    pub fn forget(&mut self, span: Span) {
        let gone: Vec<UnixMs> = self.rows(span).map(|row| row.open_time).collect();
        for open_time in gone {
            self.rows.remove_mut(&open_time);
        }
        self.coverage.remove(&span);
    }

    /// Changes the marks of the spans that have time in common with `span`.
    pub fn remark(&mut self, span: Span, anew: impl FnMut(&M) -> M) {
        self.coverage.remark(&span, anew);
    }
}

/// A candle that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restated<'a> {
    /// As it was known; `None`: its bucket was known to be empty.
    pub before: Option<&'a Candle>,
    /// As it is told now; `None`: it is not there any more.
    pub now: Option<&'a Candle>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> UnixMs {
        UnixMs::from_millis(ms)
    }

    fn span(from: i64, to: i64) -> Span {
        Span::new(at(from), at(to))
    }

    fn candle(ms: i64, close: &str) -> Candle {
        let number = |text: &str| text.parse().unwrap();
        let (open, high, low) = (number("1"), number("9"), number("1"));
        Candle { open_time: at(ms), open, high, low, close: number(close), volume: number("1") }
    }

    fn closes(bars: &Bars<UnixMs>, within: Span) -> Vec<(i64, String)> {
        let rows = bars.rows(within);
        rows.map(|row| (row.open_time.millis(), row.close.to_string())).collect()
    }

    fn bars() -> Bars<UnixMs> {
        let mut bars = Bars::default();
        bars.put(span(10, 40), [candle(10, "1"), candle(30, "3")], at(5));
        bars
    }

    #[test]
    fn what_is_put_is_all_there_is() {
        let mut bars = bars();
        bars.put(span(20, 50), [candle(20, "2"), candle(40, "4"), candle(60, "6")], at(3));
        let all = [(10, "1"), (20, "2"), (40, "4")].map(|(ms, close)| (ms, close.to_owned()));
        assert_eq!(closes(&bars, span(0, 99)), all);
        assert_eq!(bars.coverage().spans(), [(span(10, 50), at(3))]);
        bars.forget(span(15, 45));
        assert_eq!(closes(&bars, span(0, 99)), all[..1]);
        assert_eq!(
            bars.coverage().missing(&span(0, 60)),
            [span(0, 10), span(15, 45), span(50, 60)]
        );
        assert_eq!(closes(&bars, span(40, 20)), []);
        bars.put(span(10, 15), [candle(10, "1.0")], at(4));
        assert_eq!(closes(&bars, span(0, 15)), all[..1], "what is the same stays as it was");
    }

    #[test]
    fn what_is_known_is_not_replaced_by_filling() {
        let mut mine = bars();
        let mut other = Bars::default();
        other.put(span(0, 60), [0, 10, 20, 50].map(|ms| candle(ms, "8")), at(9));
        mine.fill_from(&other);
        let all = [(0, "8"), (10, "1"), (30, "3"), (50, "8")];
        assert_eq!(closes(&mine, span(0, 99)), all.map(|(ms, close)| (ms, close.to_owned())));
        assert_eq!(mine.coverage().spans(), [(span(0, 60), at(5))]);
    }

    #[test]
    fn restatements_are_what_was_known_and_is_different() {
        let bars = bars();
        let told = [candle(0, "7"), candle(10, "1"), candle(20, "2"), candle(40, "4")];
        let of = |restated: &Restated<'_>| {
            let close = |row: Option<&Candle>| row.map(|row| row.close.to_string());
            (close(restated.before), close(restated.now))
        };
        let found: Vec<_> = bars.restated(span(0, 50), &told).iter().map(of).collect();
        assert_eq!(found, [(None, Some("2".to_owned())), (Some("3".to_owned()), None)]);
        assert_eq!(bars.restated(span(40, 50), &told), []);
    }
}
