//! Calls and bans in SQL.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use crate::{exchange::Family, market::UnixMs};

/// No window of a budget is longer (`upstream.window` is at most an hour).
const LONGEST_WINDOW: Duration = Duration::from_secs(3600);

/// Stands for all families in the table of bans.
const EVERY: &str = "";

/// What is known of an exchange's budget from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedBudget {
    /// Calls that were sent, earliest first: which family, and when.
    pub calls: Vec<(Family, UnixMs)>,
    /// What the exchange has closed and until when; `None` is every family.
    pub bans: Vec<(Option<Family>, UnixMs)>,
}

pub(super) fn write_call(
    connection: &Connection,
    exchange: &str,
    family: Family,
    at: UnixMs,
) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO calls VALUES (?1, ?2, ?3)")?.execute(params![
        exchange,
        family.as_str(),
        at.millis()
    ])?;
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
    family: Option<Family>,
    until: Option<UnixMs>,
) -> rusqlite::Result<()> {
    let family = family.map_or(EVERY, Family::as_str);
    match until {
        Some(until) => connection
            .prepare_cached("INSERT OR REPLACE INTO bans VALUES (?1, ?2, ?3)")?
            .execute(params![exchange, family, until.millis()])?,
        None => connection
            .prepare_cached("DELETE FROM bans WHERE exchange = ?1 AND family = ?2")?
            .execute(params![exchange, family])?,
    };
    Ok(())
}

/// Calls at or after `since`, and bans that last beyond `now`. Families that this version does not
/// know are left out.
pub(super) fn read(
    connection: &Connection,
    exchange: &str,
    since: UnixMs,
    now: UnixMs,
) -> rusqlite::Result<SavedBudget> {
    let transaction = connection.unchecked_transaction()?;
    let entry = |row: &Row<'_>| Ok((row.get(0)?, UnixMs::from_millis(row.get(1)?)));
    let named = |(name, at): (String, UnixMs)| {
        let family = Family::ALL.into_iter().find(|family| family.as_str() == name);
        (name, family, at)
    };
    let mut calls = transaction.prepare_cached(
        "SELECT family, sent_at FROM calls WHERE exchange = ?1 AND sent_at >= ?2 ORDER BY sent_at",
    )?;
    let calls = calls.query_map(params![exchange, since.millis()], entry)?;
    let calls: Vec<_> = calls.map(|row| row.map(named)).collect::<Result<_, _>>()?;
    let mut bans = transaction.prepare_cached(
        "SELECT family, until_time FROM bans WHERE exchange = ?1 AND until_time > ?2",
    )?;
    let bans = bans.query_map(params![exchange, now.millis()], entry)?;
    let bans: Vec<_> = bans.map(|row| row.map(named)).collect::<Result<_, _>>()?;
    let of_all = |(name, family, at): (String, Option<Family>, UnixMs)| {
        (name == EVERY || family.is_some()).then_some((family, at))
    };
    Ok(SavedBudget {
        calls: calls.into_iter().filter_map(|(_, family, at)| Some((family?, at))).collect(),
        bans: bans.into_iter().filter_map(of_all).collect(),
    })
}
