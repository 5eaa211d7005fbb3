//! What is held of one series of candles.

use std::sync::Arc;

use super::want::{EPOCH, Gap, Toward, Want, first_open};
use crate::{
    cache::Stamp,
    market::{Bars, Candle, Mark, Restated, Span, Timeframe, UnixMs},
};

/// More final candles than this are not held of one series.
const MOST: usize = 50_000;
/// Of those that were not asked for last, the newest so many stay.
const NEWEST: usize = 5_000;

/// Of two spans that become one, the older receipt counts.
impl Mark for Arc<Stamp> {
    fn joined(&self, other: &Self) -> Self {
        if other.received < self.received { other.clone() } else { self.clone() }
    }
}

/// The newest candles: those that were not final when they were seen.
#[derive(Clone, Debug)]
pub(in crate::service) struct Head {
    /// All that open from here on are known.
    pub(in crate::service) from: UnixMs,
    /// Oldest first.
    pub(in crate::service) rows: Vec<Candle>,
}

/// A series of candles as far as it is known: final ones, each span of time with its receipt, and
/// those that are not final yet, which are as old as the entry that this is the value of.
#[derive(Clone, Debug, Default)]
pub struct Track {
    pub(in crate::service) bars: Bars<Arc<Stamp>>,
    pub(in crate::service) head: Option<Head>,
    /// An answer without candles tells that there are none, since it is about so many buckets.
    believes_nothing: bool,
}

/// Candles that one request or channel brought: all that open in a span.
pub(in crate::service) struct Page {
    /// The first opening time that is told about.
    pub(in crate::service) from: UnixMs,
    /// Where final candles end; those from there on may change.
    pub(in crate::service) settled: UnixMs,
    /// Oldest first.
    pub(in crate::service) rows: Vec<Candle>,
}

impl Head {
    /// What is known to be final stays so, even if this was seen before that was.
    fn behind(self, bars: &Bars<Arc<Stamp>>) -> Self {
        let from = bars.coverage().at(self.from).map_or(self.from, |(known, _)| known.to);
        let rows = self.rows.into_iter().filter(|row| row.open_time >= from).collect();
        Self { from, rows }
    }
}

impl Page {
    /// The newest candles, seen at `seen`: all that open at `from` or later.
    pub(in crate::service) fn newest(
        timeframe: Timeframe,
        from: UnixMs,
        rows: Vec<Candle>,
        seen: UnixMs,
    ) -> Self {
        let anchor = rows.first().map(|row| row.open_time);
        Self { from, settled: first_open(timeframe, anchor, seen).max(from), rows }
    }

    /// The times for which it tells what is final.
    pub(in crate::service) fn span(&self) -> Span {
        Span::new(self.from, self.settled)
    }

    /// Its final candles, and the others.
    fn parts(&self) -> (&[Candle], &[Candle]) {
        self.rows.split_at(self.rows.partition_point(|row| row.open_time < self.settled))
    }

    /// Its final candles.
    pub(in crate::service) fn finals(&self) -> &[Candle] {
        self.parts().0
    }
}

/// Candles that a track holds for a request.
#[derive(Debug)]
pub(super) struct Selection {
    /// Oldest first.
    pub(super) rows: Vec<Candle>,
    /// So many of them are final.
    pub(super) finals: usize,
    /// Where the time ends of which all final ones are known.
    pub(super) settled: UnixMs,
    /// The receipt of the final ones.
    pub(super) mark: Option<Arc<Stamp>>,
    /// There may be more: later ones from here on where the first ones are wanted, else earlier
    /// ones before this time.
    pub(super) rest: Option<UnixMs>,
}

/// What a track can do for a request.
#[derive(Debug)]
pub(super) enum Found {
    Rows(Selection),
    /// Candles are missing, these first; what there is before them.
    Missing(Gap, Selection),
    /// The newest ones are not known.
    Headless,
}

impl Track {
    /// The newest candles alone.
    pub(in crate::service) fn newest(page: Page, mark: Arc<Stamp>) -> Self {
        Self::default().with_newest(page, mark)
    }

    /// The same of an exchange whose answers are about so many buckets, or are not.
    pub(in crate::service) fn of_pages(self, of_buckets: bool) -> Self {
        Self { believes_nothing: of_buckets, ..self }
    }

    /// The series after its newest candles were told.
    pub(in crate::service) fn with_newest(&self, page: Page, mark: Arc<Stamp>) -> Self {
        let mut bars = self.trusted();
        let (finals, open) = page.parts();
        put(&mut bars, page.span(), finals, mark);
        trim(&mut bars, page.span());
        let head = Head { from: page.settled, rows: open.to_vec() }.behind(&bars);
        Self { bars, head: Some(head), ..*self }
    }

    /// This series after another telling of it, which came later.
    pub(in crate::service) fn overlaid(&self, told: Self) -> Self {
        let mut bars = self.trusted();
        for (span, mark) in told.bars.coverage().spans() {
            let rows: Vec<Candle> = told.bars.rows(*span).cloned().collect();
            put(&mut bars, *span, &rows, mark.clone());
            trim(&mut bars, *span);
        }
        let head = told.head.map(|head| head.behind(&bars)).or_else(|| self.head.clone());
        Self { bars, head, believes_nothing: told.believes_nothing }
    }

    /// The series after candles of the past were told: all that open in `span`.
    pub(in crate::service) fn with_past(
        &self,
        span: Span,
        rows: &[Candle],
        mark: Arc<Stamp>,
    ) -> Self {
        let mut bars = self.trusted();
        put(&mut bars, span, rows, mark);
        trim(&mut bars, span);
        Self { bars, head: self.head.clone(), ..*self }
    }

    /// What is final here and not in the candles of `page`, or the other way round.
    pub(in crate::service) fn restated<'a>(
        &'a self,
        span: Span,
        rows: &'a [Candle],
    ) -> Vec<Restated<'a>> {
        if self.bars.is_empty() { Vec::new() } else { self.bars.restated(span, rows) }
    }

    /// The last known candle of the time that ends with `end`.
    pub(super) fn last_before(&self, end: UnixMs) -> Option<UnixMs> {
        let (span, _) = self.bars.coverage().before(end)?;
        let known = Span::new(span.from, end);
        self.bars.rows(known).next_back().map(|row| row.open_time)
    }

    /// The first known candle of the time that begins with `start`.
    pub(super) fn first_after(&self, start: UnixMs) -> Option<UnixMs> {
        let open = || {
            let head = self.head.as_ref().filter(|head| head.from == start)?;
            head.rows.first().map(|row| row.open_time)
        };
        let known = self.bars.coverage().at(start).map(|(span, _)| Span::new(start, span.to));
        let known = known.and_then(|known| self.bars.rows(known).next());
        known.map(|row| row.open_time).or_else(open)
    }

    /// True if no candle was ever seen.
    pub(super) fn is_blank(&self) -> bool {
        self.bars.is_empty() && self.head.as_ref().is_none_or(|head| head.rows.is_empty())
    }

    /// The newest candles of which none is missing in between; at most so many.
    pub(in crate::service) fn newest_rows(&self, most: usize) -> Vec<Candle> {
        let open = self.head.as_ref().map_or(&[][..], |head| &head.rows);
        let end = self.head.as_ref().map(|head| head.from).or_else(|| self.known_to());
        let known = end.and_then(|end| self.bars.coverage().before(end));
        let finals = known.into_iter().flat_map(|(span, _)| self.bars.rows(*span).rev());
        let mut rows: Vec<Candle> = open.iter().rev().chain(finals).take(most).cloned().collect();
        rows.reverse();
        rows
    }

    /// Held candles that open at `from` or later and that `rows`, in order, do not have.
    pub(in crate::service) fn besides(&self, from: UnixMs, rows: &[Candle]) -> Vec<Candle> {
        let end = UnixMs::from_millis(i64::MAX);
        let open = self.head.as_ref().map_or(&[][..], |head| &head.rows);
        let held = self.bars.rows(Span::new(from, end));
        let held = held.chain(open.iter().filter(|row| row.open_time >= from));
        let is_other =
            |row: &&Candle| rows.binary_search_by_key(&row.open_time, |row| row.open_time).is_err();
        held.filter(is_other).cloned().collect()
    }

    /// Where the time begins that ends with `end` and in which every bucket has one of `rows`, or is
    /// known to have none; not before `from`. `None` if the last one has not.
    pub(in crate::service) fn whole_from(
        &self,
        timeframe: Timeframe,
        (from, end): (UnixMs, UnixMs),
        rows: &[Candle],
    ) -> Option<UnixMs> {
        let known = |at: UnixMs| Some(self.bars.coverage().at(at)?.0.to);
        let reaches = |mut at: UnixMs, to: UnixMs| {
            while timeframe.end_of(at) <= to {
                match known(at) {
                    Some(end) => at = end,
                    None => return false,
                }
            }
            true
        };
        let (mut start, mut at) = (from, from);
        for row in rows {
            if !reaches(at, row.open_time) {
                start = row.open_time;
            }
            at = timeframe.end_of(row.open_time);
        }
        reaches(at, end).then_some(start)
    }

    /// Where the time ends that is known up to the newest candles.
    pub(in crate::service) fn known_to(&self) -> Option<UnixMs> {
        self.bars.coverage().spans().last().map(|(span, _)| span.to)
    }

    /// Bytes, roughly.
    pub(in crate::service) fn weight(&self) -> usize {
        let open = self.head.as_ref().map_or(0, |head| head.rows.len());
        // Each final one is a node of a tree, with its links and counts.
        const NODE: usize = 96;
        self.bars.len() * (size_of::<Candle>() + NODE) + open * size_of::<Candle>()
    }

    /// This series, and what only an earlier telling of it knows.
    pub(in crate::service) fn underlaid(&self, told: &Self) -> Self {
        let mut track = self.clone();
        track.bars.fill_from(&told.trusted());
        track
    }

    /// How many candles are held of the time before `end`, of which everything is known; at most
    /// `most`.
    pub(super) fn depth(&self, end: UnixMs, most: usize) -> usize {
        let known = self.bars.coverage().before(end);
        known.map_or(0, |(span, _)| match span.from <= EPOCH {
            true => most,
            false => self.bars.rows(*span).rev().take(most).count(),
        })
    }

    /// The candles that are wanted.
    pub(super) fn select(&self, want: &Want) -> Found {
        let (head, to) = match (want.head, &self.head) {
            (true, None) => return Found::Headless,
            (true, Some(head)) => (Some(head), want.to.min(head.from)),
            (false, _) => (None, want.past),
        };
        match want.from {
            Some(from) => self.first(want, from, to, head),
            None => self.last(want, to, head),
        }
    }

    /// The first rows from `from` on; final ones open before `to`.
    fn first(&self, want: &Want, from: UnixMs, to: UnixMs, head: Option<&Head>) -> Found {
        let (mut rows, mut mark) = (Vec::new(), None);
        if from < to {
            let known = self.bars.coverage().at(from);
            let end = known.map_or(from, |(span, _)| span.to.min(to));
            rows.extend(self.bars.rows(Span::new(from, end)).take(want.limit).cloned());
            mark = known.map(|(_, mark)| mark.clone());
            if rows.len() < want.limit
                && let Some(gap) = self.bars.coverage().missing(&Span::new(end, to)).first()
            {
                let (span, count) = (*gap, want.limit - rows.len());
                let finals = rows.len();
                let rest = Some(span.from);
                let so_far = Selection { rows, finals, settled: span.from, mark, rest };
                return Found::Missing(
                    Gap { span, toward: Toward::Later, count, anew: false },
                    so_far,
                );
            }
        }
        let finals = rows.len();
        let open = head.map_or(&[][..], |head| &head.rows);
        let open = open.iter().filter(|row| row.open_time >= from && row.open_time < want.to);
        rows.extend(open.take(want.limit - finals).cloned());
        let rest = rows.last().map(|row| want.timeframe.end_of(row.open_time));
        let rest = rest.filter(|rest| rows.len() == want.limit && *rest < want.to);
        let rest = rest.filter(|rest| !self.ends_by(*rest, to, want.to, head));
        Found::Rows(Selection { rows, finals, settled: to, mark, rest })
    }

    /// True if it is known that nothing opens from `from` on: what is not final yet is known only to
    /// those who look there.
    fn ends_by(&self, from: UnixMs, to: UnixMs, end: UnixMs, head: Option<&Head>) -> bool {
        let span = Span::new(from, to);
        let is_open = |row: &Candle| row.open_time >= from && row.open_time < end;
        self.bars.coverage().covers(&span)
            && self.bars.rows(span).next().is_none()
            && head.map_or(to >= end, |head| !head.rows.iter().any(is_open))
    }

    /// The last rows; final ones open before `to`.
    fn last(&self, want: &Want, to: UnixMs, head: Option<&Head>) -> Found {
        let open = head.map_or(&[][..], |head| &head.rows);
        let open = open.iter().rev().filter(|row| row.open_time < want.to);
        let mut rows: Vec<Candle> = open.take(want.limit).cloned().collect();
        let opens = rows.len();
        let mut mark = None;
        if rows.len() < want.limit && to > EPOCH {
            let known = self.bars.coverage().before(to);
            let start = known.map_or(to, |(span, _)| span.from.max(EPOCH));
            let older = self.bars.rows(Span::new(start, to)).rev();
            rows.extend(older.take(want.limit - opens).cloned());
            mark = known.map(|(_, mark)| mark.clone());
            let older = Span::new(EPOCH, start);
            if rows.len() < want.limit
                && let Some(gap) = self.bars.coverage().missing(&older).last()
            {
                let (span, count) = (*gap, want.limit - rows.len());
                rows.reverse();
                let finals = rows.len() - opens;
                let so_far = Selection { rows, finals, settled: to, mark, rest: Some(span.to) };
                return Found::Missing(
                    Gap { span, toward: Toward::Earlier, count, anew: false },
                    so_far,
                );
            }
        }
        rows.reverse();
        Found::Rows(Selection { finals: rows.len() - opens, settled: to, rows, mark, rest: None })
    }

    /// What can be relied on: that there is nothing is not known for good as long as nothing has
    /// been seen at all, since exchanges answer so where something is wrong, too.
    fn trusted(&self) -> Bars<Arc<Stamp>> {
        match self.bars.is_empty() && !self.believes_nothing {
            true => Bars::default(),
            false => self.bars.clone(),
        }
    }
}

/// Puts what is told in its place; answers that were made from what it corrects are made anew.
fn put(bars: &mut Bars<Arc<Stamp>>, span: Span, rows: &[Candle], mark: Arc<Stamp>) {
    let is_corrected = !bars.restated(span, rows).is_empty();
    bars.put(span, rows.iter().cloned(), mark);
    if is_corrected {
        bars.remark(span, |mark| {
            let anew = Arc::new(mark.renewed(mark.policy));
            mark.supersede(&anew);
            anew
        });
    }
}

/// Forgets what is too much, and neither among the newest nor in the span that was told last.
fn trim(bars: &mut Bars<Arc<Stamp>>, told: Span) {
    if bars.len() <= MOST {
        return;
    }
    let all = Span::new(UnixMs::from_millis(i64::MIN), UnixMs::from_millis(i64::MAX));
    let newest = bars.rows(all).rev().nth(NEWEST).map_or(all.from, |row| row.open_time);
    bars.forget(Span::new(all.from, told.from.min(newest)));
    bars.forget(Span::new(told.to, newest));
    if bars.len() > MOST {
        let oldest = bars.rows(all).rev().nth(MOST).map_or(all.from, |row| row.open_time);
        bars.forget(Span::new(all.from, all.to.min(oldest + std::time::Duration::from_millis(1))));
    }
}
