//! Final bars and coverage in SQL.

use compact_str::CompactString;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{Held, SeriesId, StoreError, Take};
use crate::market::{Candle, Coverage, Mark as _, Number, Span, UnixMs};

/// Bars that one read brings at most, whatever it asks for: about 20 MiB.
pub(super) const MOST: usize = 100_000;

/// What is written about a series.
#[derive(Debug)]
pub(super) struct Candles {
    pub(super) series: SeriesId,
    pub(super) known: Span,
    pub(super) received_at: UnixMs,
    /// Ascending, each time once, all inside `known`.
    pub(super) bars: Vec<Candle>,
}

/// The number of a series, if there is one.
fn find(connection: &Connection, series: &SeriesId) -> rusqlite::Result<Option<(i64, bool)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, symbol = ?4 FROM series WHERE exchange = ?1 AND market = ?2 AND timeframe = ?3",
    )?;
    let SeriesId { exchange, market, symbol, timeframe } = series;
    let key = params![exchange, market.as_str(), timeframe.as_str(), symbol.as_str()];
    statement.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

impl Candles {
    /// `None` if there is nothing to be said.
    pub(super) fn checked(
        series: &SeriesId,
        known: Span,
        received_at: UnixMs,
        mut bars: Vec<Candle>,
    ) -> Result<Option<Self>, StoreError> {
        if !bars.iter().all(|bar| known.contains(bar.open_time)) {
            return Err(StoreError::Outside);
        }
        bars.sort_by_key(|bar| bar.open_time);
        bars.dedup_by(|later, earlier| {
            let same = later.open_time == earlier.open_time;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let series = series.clone();
        Ok((!known.is_empty()).then_some(Self { series, known, received_at, bars }))
    }

    /// Replaces what is held inside the span.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let id = self.series_id(connection)?;
        let (from, to) = (self.known.from.millis(), self.known.to.millis());
        let gone = connection
            .prepare_cached(
                "DELETE FROM bars WHERE series_id = ?1 AND open_time >= ?2 AND open_time < ?3",
            )?
            .execute(params![id, from, to])?;
        let mut insert =
            connection.prepare_cached("INSERT INTO bars VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for bar in &self.bars {
            insert.execute(params![
                id,
                bar.open_time.millis(),
                bar.open.as_str(),
                bar.high.as_str(),
                bar.low.as_str(),
                bar.close.as_str(),
                bar.volume.as_str(),
            ])?;
        }
        if gone != self.bars.len() {
            connection
                .prepare_cached("UPDATE series SET bars = bars + ?2 - ?3 WHERE id = ?1")?
                .execute(params![id, count(self.bars.len()), count(gone)])?;
        }
        self.cover(connection, id)
    }

    fn series_id(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let SeriesId { exchange, market, symbol, timeframe } = &self.series;
        match find(connection, &self.series)? {
            Some((id, true)) => Ok(id),
            Some((id, false)) => {
                connection
                    .prepare_cached("UPDATE series SET symbol = ?2 WHERE id = ?1")?
                    .execute(params![id, symbol.as_str()])?;
                Ok(id)
            }
            None => {
                connection
                    .prepare_cached(
                        "INSERT INTO series (exchange, market, symbol, timeframe) \
                         VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![
                        exchange,
                        market.as_str(),
                        symbol.as_str(),
                        timeframe.as_str()
                    ])?;
                Ok(connection.last_insert_rowid())
            }
        }
    }

    /// Makes one span of the new one and those it touches. The receipt of one that is replaced as a
    /// whole no longer counts.
    fn cover(&self, connection: &Connection, id: i64) -> rusqlite::Result<()> {
        let mut touching = connection.prepare_cached(
            "SELECT from_time, to_time, received_at FROM coverage \
             WHERE series_id = ?1 AND from_time <= ?3 AND to_time >= ?2",
        )?;
        let span = params![id, self.known.from.millis(), self.known.to.millis()];
        let (mut known, mut received_at) = (self.known, self.received_at);
        for held in touching.query_map(span, covered)? {
            let (held, received) = held?;
            if !self.known.covers(&held) {
                received_at = received_at.joined(&received);
            }
            known = Span::new(known.from.min(held.from), known.to.max(held.to));
        }
        let (from, to) = (known.from.millis(), known.to.millis());
        connection
            .prepare_cached(
                "DELETE FROM coverage WHERE series_id = ?1 AND from_time >= ?2 AND to_time <= ?3",
            )?
            .execute(params![id, from, to])?;
        connection
            .prepare_cached("INSERT INTO coverage VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, from, to, received_at.millis()])?;
        Ok(())
    }
}

/// What is held inside a span; see [`super::Store::read`].
pub(super) fn read(
    connection: &Connection,
    series: &SeriesId,
    span: Span,
    take: Take,
) -> rusqlite::Result<Held> {
    let (most, newest_first) = match take {
        Take::First(most) => (most.min(MOST), false),
        Take::Last(most) => (most.min(MOST), true),
    };
    if most == 0 || span.is_empty() {
        return Ok(Held::default());
    }
    // One snapshot for both tables.
    let transaction = connection.unchecked_transaction()?;
    let Some((id, _)) = find(&transaction, series)? else {
        return Ok(Held::default());
    };
    let mut statement = transaction.prepare_cached(if newest_first {
        "SELECT open_time, open, high, low, close, volume FROM bars \
         WHERE series_id = ?1 AND open_time >= ?2 AND open_time < ?3 \
         ORDER BY open_time DESC LIMIT ?4"
    } else {
        "SELECT open_time, open, high, low, close, volume FROM bars \
         WHERE series_id = ?1 AND open_time >= ?2 AND open_time < ?3 \
         ORDER BY open_time LIMIT ?4"
    })?;
    let asked = params![id, span.from.millis(), span.to.millis(), count(most)];
    let mut bars: Vec<Candle> = statement.query_map(asked, candle)?.collect::<Result<_, _>>()?;
    let mut within = span;
    if bars.len() == most {
        match (newest_first, bars.last()) {
            (true, Some(first)) => within.from = first.open_time,
            (false, Some(last)) => {
                within.to = within.to.min(series.timeframe.end_of(last.open_time));
            }
            (_, None) => {}
        }
    }
    if newest_first {
        bars.reverse();
    }
    Ok(Held { known: known(&transaction, id, within)?, bars })
}

fn known(connection: &Connection, id: i64, within: Span) -> rusqlite::Result<Coverage<UnixMs>> {
    // Spans are disjoint, so that the first one of interest is the last that begins before `from`.
    let mut statement = connection.prepare_cached(
        "SELECT from_time, to_time, received_at FROM coverage \
         WHERE series_id = ?1 AND from_time < ?3 AND from_time >= coalesce( \
             (SELECT max(from_time) FROM coverage WHERE series_id = ?1 AND from_time <= ?2), ?2) \
         ORDER BY from_time",
    )?;
    let asked = params![id, within.from.millis(), within.to.millis()];
    let mut known = Coverage::default();
    for held in statement.query_map(asked, covered)? {
        let (span, received_at) = held?;
        known.add(span.common(&within), received_at);
    }
    Ok(known)
}

fn covered(row: &Row<'_>) -> rusqlite::Result<(Span, UnixMs)> {
    let time = |index| row.get(index).map(UnixMs::from_millis);
    Ok((Span::new(time(0)?, time(1)?), time(2)?))
}

fn candle(row: &Row<'_>) -> rusqlite::Result<Candle> {
    Ok(Candle {
        open_time: UnixMs::from_millis(row.get(0)?),
        open: number(row, 1)?,
        high: number(row, 2)?,
        low: number(row, 3)?,
        close: number(row, 4)?,
        volume: number(row, 5)?,
    })
}

/// A column that holds a number's text.
pub(super) fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<Number> {
    let unreadable =
        |error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error));
    row.get_ref(index)?.as_str()?.parse().map_err(unreadable)
}

/// A column that holds a short text.
pub(super) fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<CompactString> {
    Ok(row.get_ref(index)?.as_str()?.into())
}

/// A length as SQLite counts.
pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
