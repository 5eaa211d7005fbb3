//! The newest rows of a series as a channel brings them, and what they make of a held series.

use crate::{
    market::{Candle, Trade, UnixMs},
    service::Series,
};

/// Rows that a series of the cache keeps at least, where there are as many.
pub(super) const ROWS: usize = 250;

/// A row of a series.
pub(super) trait Row: Clone + PartialEq {
    /// Its place in the series, which no other row has.
    type Place: Ord + Copy;

    /// Where it stands.
    fn place(&self) -> Self::Place;
}

impl Row for Trade {
    type Place = (UnixMs, i64);

    fn place(&self) -> Self::Place {
        (self.at, self.id)
    }
}

impl Row for Candle {
    type Place = UnixMs;

    fn place(&self) -> UnixMs {
        self.open_time
    }
}

/// Rows in order and without a hole between them: a snapshot and what followed it.
#[derive(Clone, Debug)]
pub(super) struct Tail<T> {
    rows: Vec<T>,
}

impl<T: Row> Tail<T> {
    /// Rows of one moment, in whatever order: of several at one place the last one counts.
    pub(super) fn of(rows: &[T]) -> Self {
        let mut tail = Self { rows: Vec::with_capacity(rows.len()) };
        for row in rows {
            tail.take_late(row);
        }
        tail
    }

    /// These rows behind those that were fetched meanwhile; where they differ, these count.
    pub(super) fn behind(&self, fetched: &[T]) -> Vec<T> {
        let mut all = Self::of(fetched);
        let is_cut = self.rows.len() >= ROWS;
        let meets = self.rows.first().is_some_and(|first| all.has(first));
        // Rows in between may have been forgotten.
        if is_cut && !meets {
            return self.rows.clone();
        }
        for row in &self.rows {
            all.take_late(row);
        }
        all.rows
    }

    /// Puts a row in its place, unless it is older than all of them: there may be others between
    /// it and these.
    pub(super) fn take(&mut self, row: &T) {
        match self.rows.binary_search_by_key(&row.place(), T::place) {
            Ok(place) => self.rows[place] = row.clone(),
            Err(0) if !self.rows.is_empty() => {}
            Err(place) => self.insert(place, row),
        }
    }

    /// Puts a row in its place that has just happened, even if others that happened later were
    /// told before it.
    pub(super) fn take_late(&mut self, row: &T) {
        match self.rows.first() {
            Some(first) if row.place() < first.place() => self.insert(0, row),
            _ => self.take(row),
        }
    }

    fn insert(&mut self, place: usize, row: &T) {
        self.rows.insert(place, row.clone());
        if self.rows.len() > ROWS {
            self.rows.remove(0);
        }
    }

    pub(super) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// True if a row of this place is among them.
    pub(super) fn has(&self, row: &T) -> bool {
        has(&self.rows, row)
    }

    /// The series that held rows and these are together; where they differ, these count. They have
    /// to be without a hole between them. At most `most` rows.
    pub(super) fn after(&self, held: &Held<'_, T>, most: u32) -> Series<T> {
        let known = held.series.rows.iter().filter(|row| !self.has(row)).cloned();
        let mut rows: Vec<T> = known.chain(self.rows.iter().cloned()).collect();
        rows.sort_by_key(T::place);
        series(rows, held.series.is_whole(), held.depth(), most)
    }

    /// The series that these rows are alone. `depth` rows were wanted before.
    pub(super) fn alone(&self, depth: u32, most: u32) -> Series<T> {
        series(self.rows.clone(), false, depth, most)
    }
}

impl Tail<Trade> {
    /// As [`Tail::behind`], where ids count up by one. `None` if trades are missing that may be told
    /// yet: what is fetched can be behind what the channel brings. What an answer leaves out between
    /// two trades that it lists is none.
    pub(super) fn behind_all(&self, fetched: &[Trade]) -> Option<Vec<Trade>> {
        let mut rows = self.behind(fetched);
        let first = fetched.iter().map(|row| row.id).min();
        let last = fetched.iter().map(|row| row.id).max();
        let is_listed = |row: &Trade| first <= Some(row.id) && Some(row.id) <= last;
        let is_hole = |pair: &[Trade]| {
            skips(&pair[0], &pair[1]) && !(is_listed(&pair[0]) && is_listed(&pair[1]))
        };
        let Some(before) = rows.windows(2).rposition(is_hole) else { return Some(rows) };
        let rest = rows.split_off(before + 1);
        // A hole before all that was fetched is not told by asking again.
        rest.first().is_some_and(|row| Some(row.id) <= last).then_some(rest)
    }

    /// True if there are trades between the newest one and this, where ids count up by one.
    pub(super) fn lacks_before(&self, trade: &Trade) -> bool {
        self.rows.last().is_some_and(|newest| skips(newest, trade))
    }
}

fn skips(older: &Trade, newer: &Trade) -> bool {
    newer.id.saturating_sub(older.id) > 1
}

/// A held series that rows are added to.
pub(super) struct Held<'a, T> {
    pub(super) series: &'a Series<T>,
    /// It is what one request brought, which asked for as many rows as clients wanted.
    pub(super) is_fetched: bool,
}

impl<T> Held<'_, T> {
    /// How many rows are to be kept for those who want them.
    pub(super) fn depth(&self) -> u32 {
        self.series.deepest().max(if self.is_fetched { self.series.asked } else { 0 })
    }
}

impl Held<'_, Trade> {
    /// True if nothing can be missing between the held trades and those of the tail.
    pub(super) fn meets(&self, tail: &Tail<Trade>) -> bool {
        let newest_held = self.series.rows.last().is_some_and(|newest| tail.has(newest));
        // Exchanges whose ids are not in the order of time list trades of one moment in any order.
        let holds = |newest: &Trade| self.series.rows.iter().rev().any(|row| row.id == newest.id);
        newest_held || tail.rows.last().is_some_and(holds)
    }
}

fn has<T: Row>(rows: &[T], row: &T) -> bool {
    rows.binary_search_by_key(&row.place(), T::place).is_ok()
}

/// A series that is as long as it has to be: a series is whole only if a request has said so.
pub(super) fn series<T>(mut rows: Vec<T>, is_whole: bool, depth: u32, most: u32) -> Series<T> {
    let kept = (depth.min(most) as usize).max(ROWS);
    let surplus = rows.len().saturating_sub(kept);
    rows.drain(..surplus);
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let series = Series::new(rows, count + u32::from(is_whole && surplus == 0));
    series.wanted(depth);
    series
}
