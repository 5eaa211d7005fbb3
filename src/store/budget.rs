//! Calls and bans in SQL.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use crate::market::UnixMs;

/// No window of a budget is longer (`upstream.window` is at most an hour).
const LONGEST_WINDOW: Duration = Duration::from_secs(3600);

/// Stands for all pools in the table of bans.
const EVERY: &str = "";

/// What is known of an exchange's budget from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedBudget {
    /// Calls that were sent, earliest first: in which pool, for how many units, and when.
    pub calls: Vec<(String, u32, UnixMs)>,
    /// Pools that the exchange has closed, and until when; `None` is every pool.
    pub bans: Vec<(Option<String>, UnixMs)>,
}

pub(super) fn write_call(
    connection: &Connection,
    exchange: &str,
    pool: &str,
    units: u32,
    at: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO calls (exchange, family, sent_at, units) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![exchange, pool, at.millis(), units])?;
    Ok(())
}

/// Forgets calls that no window reaches back to.
pub(super) fn prune(connection: &Connection, now: UnixMs) -> rusqlite::Result<()> {
    let window = i64::try_from(LONGEST_WINDOW.as_millis()).unwrap_or(i64::MAX);
    connection
        .prepare_cached("DELETE FROM calls WHERE sent_at < ?1")?
        .execute([now.millis().saturating_sub(window)])?;
    Ok(())
}

pub(super) fn write_ban(
    connection: &Connection,
    exchange: &str,
    pool: Option<&str>,
    until: Option<UnixMs>,
) -> rusqlite::Result<()> {
    let pool = pool.unwrap_or(EVERY);
    match until {
        Some(until) => connection
            .prepare_cached("INSERT OR REPLACE INTO bans VALUES (?1, ?2, ?3)")?
            .execute(params![exchange, pool, until.millis()])?,
        None => connection
            .prepare_cached("DELETE FROM bans WHERE exchange = ?1 AND family = ?2")?
            .execute(params![exchange, pool])?,
    };
    Ok(())
}

/// Calls at or after `since`, and bans that last beyond `now`.
pub(super) fn read(
    connection: &Connection,
    exchange: &str,
    since: UnixMs,
    now: UnixMs,
) -> rusqlite::Result<SavedBudget> {
    let transaction = connection.unchecked_transaction()?;
    let call = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, UnixMs::from_millis(row.get(2)?)));
    let ban = |row: &Row<'_>| {
        let pool = Some(row.get(0)?).filter(|pool: &String| pool != EVERY);
        Ok((pool, UnixMs::from_millis(row.get(1)?)))
    };
    let mut calls = transaction.prepare_cached(
        "SELECT family, units, sent_at FROM calls WHERE exchange = ?1 AND sent_at >= ?2 \
         ORDER BY sent_at",
    )?;
    let calls = calls.query_map(params![exchange, since.millis()], call)?;
    let mut bans = transaction.prepare_cached(
        "SELECT family, until_time FROM bans WHERE exchange = ?1 AND until_time > ?2",
    )?;
    let bans = bans.query_map(params![exchange, now.millis()], ban)?;
    Ok(SavedBudget {
        calls: calls.collect::<Result<_, _>>()?,
        bans: bans.collect::<Result<_, _>>()?,
    })
}
