//! Spans of time, and sets of them.

use super::UnixMs;

/// The time from one instant up to, and without, another. Empty unless `from` comes before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first millisecond.
    pub from: UnixMs,
    /// The first millisecond after it.
    pub to: UnixMs,
}

impl Span {
    /// From `from` up to, and without, `to`.
    pub const fn new(from: UnixMs, to: UnixMs) -> Self {
        Self { from, to }
    }

    /// True if no time lies in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// True if `at` lies in it.
    pub fn contains(&self, at: UnixMs) -> bool {
        self.from <= at && at < self.to
    }

    /// True if all of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        other.is_empty() || self.from <= other.from && other.to <= self.to
    }

    /// What both have in common; empty if nothing.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// What is kept of each span of a [`Coverage`] (when its data was received, say).
pub trait Mark: Clone {
    /// What holds for a span that is made of two with these marks.
    #[must_use]
    fn joined(&self, other: &Self) -> Self;
}

/// When something was received: of two, the earlier counts.
impl Mark for UnixMs {
    fn joined(&self, other: &Self) -> Self {
        *self.min(other)
    }
}

/// Times that are known about: spans in order that neither overlap nor touch, each with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage<M> {
    spans: Vec<(Span, M)>,
}

impl<M> Default for Coverage<M> {
    fn default() -> Self {
        Self { spans: Vec::new() }
    }
}

impl<M: Mark> Coverage<M> {
    /// Every span with its mark, earliest first.
    pub fn spans(&self) -> &[(Span, M)] {
        &self.spans
    }

    /// The span that `at` lies in.
    pub fn at(&self, at: UnixMs) -> Option<&(Span, M)> {
        self.spans.iter().find(|(span, _)| span.contains(at))
    }

    /// The span that lies in this one or ends just with `end`: the time before `end` that is known.
    pub fn before(&self, end: UnixMs) -> Option<&(Span, M)> {
        self.spans.iter().find(|(span, _)| span.from < end && end <= span.to)
    }

    /// True if all of `span` is known.
    pub fn covers(&self, span: &Span) -> bool {
        span.is_empty() || self.at(span.from).is_some_and(|(held, _)| held.covers(span))
    }

    /// The parts of `span` that are not known, in order.
    pub fn missing(&self, span: &Span) -> Vec<Span> {
        let mut missing = Vec::new();
        let mut from = span.from;
        for (held, _) in &self.spans {
            let gap = Span::new(from, held.from.min(span.to));
            if !gap.is_empty() {
                missing.push(gap);
            }
            from = from.max(held.to);
        }
        let rest = Span::new(from, span.to);
        if !rest.is_empty() {
            missing.push(rest);
        }
        missing
    }

    /// Adds a span. It becomes one with those that it touches.
    pub fn add(&mut self, span: Span, mark: M) {
        if span.is_empty() {
            return;
        }
        let (mut span, mut mark) = (span, mark);
        let first = self.spans.partition_point(|(held, _)| held.to < span.from);
        let last = self.spans.partition_point(|(held, _)| held.from <= span.to);
        for (held, its) in self.spans.drain(first..last) {
            span = Span::new(span.from.min(held.from), span.to.max(held.to));
            mark = mark.joined(&its);
        }
        self.spans.insert(first, (span, mark));
    }

    /// Changes the marks of the spans that have time in common with `span`.
    pub fn remark(&mut self, span: &Span, mut anew: impl FnMut(&M) -> M) {
        let theirs = self.spans.iter_mut().filter(|(held, _)| !held.common(span).is_empty());
        for (_, mark) in theirs {
            *mark = anew(mark);
        }
    }

    /// Forgets what lies in `span`.
    pub fn remove(&mut self, span: &Span) {
        let cut = |(held, mark): (Span, M)| {
            let before = Span::new(held.from, held.to.min(span.from));
            let after = Span::new(held.from.max(span.to), held.to);
            [(before, mark.clone()), (after, mark)]
        };
        if span.is_empty() {
            return;
        }
        let spans = std::mem::take(&mut self.spans);
        self.spans = spans.into_iter().flat_map(cut).filter(|(span, _)| !span.is_empty()).collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(from: i64, to: i64) -> Span {
        Span::new(UnixMs::from_millis(from), UnixMs::from_millis(to))
    }

    fn plain(coverage: &Coverage<UnixMs>) -> Vec<(i64, i64, i64)> {
        let spans = coverage.spans().iter();
        spans.map(|(span, mark)| (span.from.millis(), span.to.millis(), mark.millis())).collect()
    }

    #[test]
    fn spans_that_touch_become_one_with_the_older_mark() {
        let mut coverage = Coverage::default();
        for (from, to, mark) in [(10, 20, 3), (30, 40, 5), (20, 25, 9), (50, 50, 1)] {
            coverage.add(span(from, to), UnixMs::from_millis(mark));
        }
        assert_eq!(plain(&coverage), [(10, 25, 3), (30, 40, 5)]);
        assert_eq!(coverage.missing(&span(0, 50)), [span(0, 10), span(25, 30), span(40, 50)]);
        assert_eq!(coverage.missing(&span(12, 24)), []);
        assert_eq!(coverage.before(UnixMs::from_millis(40)).unwrap().0, span(30, 40));
        assert!(coverage.before(UnixMs::from_millis(30)).is_none());
        coverage.remove(&span(15, 35));
        assert_eq!(plain(&coverage), [(10, 15, 3), (35, 40, 5)]);
    }

    proptest! {
        #[test]
        fn a_coverage_is_a_set_of_milliseconds(
            steps in proptest::collection::vec((any::<bool>(), 0_i64..40, 0_i64..12), 0..20),
            asked in (0_i64..40, 0_i64..20),
        ) {
            let mut coverage = Coverage::default();
            let mut known = [false; 64];
            for (adds, from, width) in steps {
                let part = span(from, from + width);
                if adds {
                    coverage.add(part, UnixMs::from_millis(0));
                } else {
                    coverage.remove(&part);
                }
                known[from as usize..(from + width) as usize].fill(adds);
            }
            let is_known = |at: i64| coverage.at(UnixMs::from_millis(at)).is_some();
            for (at, expected) in (0..64).zip(known) {
                prop_assert_eq!(is_known(at), expected, "at {}", at);
            }
            let apart = |pair: &[(Span, UnixMs)]| pair[0].0.to < pair[1].0.from;
            prop_assert!(coverage.spans().windows(2).all(apart));
            let asked = span(asked.0, asked.0 + asked.1);
            let missing = coverage.missing(&asked);
            for at in asked.from.millis()..asked.to.millis() {
                let is_missing = missing.iter().any(|gap| gap.contains(UnixMs::from_millis(at)));
                prop_assert_eq!(is_missing, !known[at as usize]);
            }
            prop_assert_eq!(coverage.covers(&asked), missing.is_empty());
        }
    }
}
