//! What is given up so that the store keeps to its bounds.
//!
//! By age: what is older than `store.retention`. By size: the bar that lies the most buckets back
//! goes first, whatever its series. A minute bar of yesterday (1,440 buckets ago) goes before an hour
//! bar of last month (720): narrow bars go long before wide ones, every series keeps its newest, and
//! what goes would cost the fewest calls to fetch again, since a call brings so many rows of any
//! width. Coverage is cut together with the bars, in steps that are small transactions.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::candles::count;
use crate::market::{Timeframe, UnixMs};

/// Rows that one step deletes at most.
pub(super) const STEP: usize = 5_000;

/// Pages that one step gives back to the file system: 4 MiB.
const PAGES: i64 = 1_000;

/// Unused pages that are kept for what comes next.
const SPARE: i64 = 1_024;

/// A month counts as this long where series are compared by how far back they reach.
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of the file.
    pub(super) max_bytes: u64,
    /// Age of a bar; zero: any.
    pub(super) retention: Duration,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bars deleted.
    pub(super) bars: usize,
    /// True if another step should follow.
    pub(super) more: bool,
}

/// How full the file is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    page_bytes: i64,
    pages: i64,
    free: i64,
}

impl Usage {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self {
            page_bytes: pragma("page_size")?,
            pages: pragma("page_count")?,
            free: pragma("freelist_count")?,
        })
    }

    fn used(&self) -> u64 {
        u64::try_from((self.pages - self.free) * self.page_bytes).unwrap_or(0)
    }

    fn size(&self) -> u64 {
        u64::try_from(self.pages * self.page_bytes).unwrap_or(0)
    }

    /// True if more is held than may be.
    pub(super) fn is_over(&self, bounds: Bounds) -> bool {
        self.used() > bounds.max_bytes
    }

    fn wastes(&self, bounds: Bounds) -> bool {
        let beyond = self.free > 0 && self.size() > bounds.max_bytes;
        beyond || (self.free > SPARE && self.free > self.pages / 4)
    }
}

/// One step towards the bounds. `shrinking` is true from the moment the size was over its bound
/// until it is a twentieth below it, so that not every bar that comes makes another one go.
pub(super) fn step(
    connection: &mut Connection,
    bounds: Bounds,
    now: UnixMs,
    shrinking: &mut bool,
) -> rusqlite::Result<Step> {
    let usage = Usage::of(connection)?;
    let low = bounds.max_bytes - bounds.max_bytes / 20;
    *shrinking = usage.is_over(bounds) || (*shrinking && usage.used() > low);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut done = expire(&transaction, bounds.retention, now)?;
    if !done.more && *shrinking {
        let shrunk = shrink(&transaction, now)?;
        done = Step { bars: done.bars + shrunk.bars, more: shrunk.more };
    }
    transaction.commit()?;
    if usage.wastes(bounds) {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        done.more |= Usage::of(connection)?.wastes(bounds);
    }
    Ok(done)
}

/// Deletes what is older than `retention`.
fn expire(connection: &Connection, retention: Duration, now: UnixMs) -> rusqlite::Result<Step> {
    let mut done = Step::default();
    if retention.is_zero() {
        return Ok(done);
    }
    let cutoff = before(now, retention);
    for (id, timeframe, first) in series(
        connection,
        "SELECT id, timeframe, \
         (SELECT min(from_time) FROM coverage WHERE series_id = id) AS first \
         FROM series WHERE first < ?1",
        cutoff,
    )? {
        let cut_at = timeframe.start_of(cutoff);
        if first < cut_at {
            let one = cut(connection, id, cut_at, STEP - done.bars)?;
            done = Step { bars: done.bars + one.bars, more: one.more };
        }
        if done.more || done.bars >= STEP {
            return Ok(Step { more: true, ..done });
        }
    }
    Ok(done)
}

/// Deletes the bars that lie the most buckets back.
fn shrink(connection: &Connection, now: UnixMs) -> rusqlite::Result<Step> {
    let mut deepest: Vec<(u64, i64, Timeframe)> = series(
        connection,
        "SELECT id, timeframe, \
         (SELECT min(open_time) FROM bars WHERE series_id = id) AS first \
         FROM series WHERE first <= ?1",
        UnixMs::from_millis(i64::MAX),
    )?
    .into_iter()
    .map(|(id, timeframe, first)| (buckets(timeframe, now.since(first)), id, timeframe))
    .collect();
    deepest.sort_unstable_by_key(|(depth, ..)| std::cmp::Reverse(*depth));
    let depths: Vec<u64> = deepest.iter().map(|(depth, ..)| *depth).collect();
    let keep = level(&depths, STEP as u64);
    let mut done = Step::default();
    for (depth, id, timeframe) in deepest {
        if depth <= keep || done.bars >= STEP {
            break;
        }
        let reach = timeframe.fixed().unwrap_or(MONTH).as_millis().saturating_mul(keep.into());
        let reach = Duration::from_millis(u64::try_from(reach).unwrap_or(u64::MAX));
        let cut_at = timeframe.end_of(timeframe.start_of(before(now, reach)));
        done.bars += cut(connection, id, cut_at, STEP - done.bars)?.bars;
    }
    Ok(Step { more: done.bars > 0, ..done })
}

/// How many buckets back bars may lie so that `rows` of them lie farther. `depths` of the series
/// come deepest first.
fn level(depths: &[u64], rows: u64) -> u64 {
    let (mut above, mut count) = (0_u64, 0_u64);
    for (index, depth) in depths.iter().enumerate() {
        above = above.saturating_add(*depth);
        count += 1;
        let next = depths.get(index + 1).copied().unwrap_or(0);
        if above.saturating_sub(next.saturating_mul(count)) >= rows {
            return above.saturating_sub(rows) / count;
        }
    }
    0
}

fn buckets(timeframe: Timeframe, age: Duration) -> u64 {
    let width = timeframe.fixed().unwrap_or(MONTH);
    u64::try_from(age.as_millis().div_ceil(width.as_millis())).unwrap_or(u64::MAX)
}

fn before(now: UnixMs, age: Duration) -> UnixMs {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    UnixMs::from_millis(now.millis().saturating_sub(age))
}

/// Number, timeframe and first time of each series that `query` finds with `bound`.
fn series(
    connection: &Connection,
    query: &str,
    bound: UnixMs,
) -> rusqlite::Result<Vec<(i64, Timeframe, UnixMs)>> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([bound.millis()], |row| {
        let timeframe = row.get_ref(1)?.as_str()?.parse().map_err(|error| {
            let text = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(1, text, Box::new(error))
        })?;
        Ok((row.get(0)?, timeframe, UnixMs::from_millis(row.get(2)?)))
    })?;
    rows.collect()
}

/// Deletes what a series holds before a time, at most so many bars and at least one, and a series of
/// which nothing is left.
fn cut(connection: &Connection, id: i64, before: UnixMs, most: usize) -> rusqlite::Result<Step> {
    let mut nth = connection.prepare_cached(
        "SELECT open_time FROM bars WHERE series_id = ?1 AND open_time < ?2 \
         ORDER BY open_time LIMIT 1 OFFSET ?3",
    )?;
    let mut found = nth.query(params![id, before.millis(), count(most.max(1))])?;
    let (end, more) = match found.next()? {
        Some(row) => (row.get(0)?, true),
        None => (before.millis(), false),
    };
    let bars = connection
        .prepare_cached("DELETE FROM bars WHERE series_id = ?1 AND open_time < ?2")?
        .execute([id, end])?;
    for statement in [
        "DELETE FROM coverage WHERE series_id = ?1 AND to_time <= ?2",
        "UPDATE coverage SET from_time = ?2 WHERE series_id = ?1 AND from_time < ?2",
    ] {
        connection.prepare_cached(statement)?.execute([id, end])?;
    }
    connection
        .prepare_cached("UPDATE series SET bars = bars - ?2 WHERE id = ?1")?
        .execute([id, count(bars)])?;
    connection
        .prepare_cached(
            "DELETE FROM series WHERE id = ?1 \
             AND NOT EXISTS (SELECT 1 FROM coverage WHERE series_id = ?1)",
        )?
        .execute([id])?;
    Ok(Step { bars, more })
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn so_many_rows_lie_beyond_the_level() {
        for (depths, rows, expected) in [
            (&[][..], 10, 0),
            (&[3][..], 10, 0),
            (&[100][..], 10, 90),
            (&[100, 95, 20][..], 10, 92),
            (&[100, 95, 20][..], 5, 95),
            (&[100, 100, 100][..], 30, 90),
            (&[100, 20, 20][..], 100, 13),
            (&[u64::MAX, u64::MAX][..], 10, u64::MAX / 2 - 5),
        ] {
            assert_eq!(level(depths, rows), expected, "{depths:?} {rows}");
        }
    }
}
