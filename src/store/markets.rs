//! The market list in SQL.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::candles::{count, number, text};
use crate::{
    exchange::MarketList,
    market::{Bound, Kind, Listing, Number, Symbol, UnixMs},
};

/// Replaces an exchange's list.
pub(super) fn write(
    connection: &Connection,
    exchange: &str,
    list: &MarketList,
    received_at: UnixMs,
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM markets WHERE exchange = ?1", [exchange])?;
    connection.execute("DELETE FROM documents WHERE exchange = ?1", [exchange])?;
    connection.execute(
        "INSERT OR REPLACE INTO market_lists VALUES (?1, ?2)",
        params![exchange, received_at.millis()],
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO markets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    for (position, listing) in list.listings.iter().enumerate() {
        insert.execute(params![
            exchange,
            count(position),
            listing.id.as_str(),
            listing.symbol.as_str(),
            listing.base.as_str(),
            listing.quote.as_str(),
            listing.settle.as_deref(),
            listing.margin,
            listing.amount.min.as_ref().map(Number::as_str),
            listing.amount.max.as_ref().map(Number::as_str),
            listing.amount_decimals,
            listing.price_significant_digits,
            serde_json::json!(listing.aliases).to_string(),
            listing.listed_as.as_deref(),
            listing.amount_step.as_ref().map(Number::as_str),
            listing.price_step.as_ref().map(Number::as_str),
        ])?;
    }
    let mut insert = connection.prepare_cached("INSERT INTO documents VALUES (?1, ?2, ?3, ?4)")?;
    for (position, (name, body)) in list.documents.iter().enumerate() {
        insert.execute(params![exchange, count(position), name, body.as_ref()])?;
    }
    Ok(())
}

/// The list that was last written of an exchange, and when it was received.
pub(super) fn read(
    connection: &Connection,
    exchange: &str,
) -> rusqlite::Result<Option<(MarketList, UnixMs)>> {
    let transaction = connection.unchecked_transaction()?;
    let received_at = transaction
        .prepare_cached("SELECT received_at FROM market_lists WHERE exchange = ?1")?
        .query_row([exchange], |row| row.get(0))
        .optional()?;
    let Some(received_at) = received_at.map(UnixMs::from_millis) else {
        return Ok(None);
    };
    let mut statement = transaction.prepare_cached(
        "SELECT market, base, quote, settle, margin, amount_min, amount_max, amount_decimals, \
         price_significant_digits, aliases, listed_as, amount_step, price_step FROM markets WHERE exchange = ?1 ORDER BY position",
    )?;
    let listings = statement.query_map([exchange], listing)?.collect::<Result<_, _>>()?;
    let mut statement = transaction
        .prepare_cached("SELECT name, body FROM documents WHERE exchange = ?1 ORDER BY position")?;
    let document =
        |row: &Row<'_>| Ok((row.get(0)?, Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?)));
    let documents = statement.query_map([exchange], document)?.collect::<Result<_, _>>()?;
    Ok(Some((MarketList { listings, documents }, received_at)))
}

fn listing(row: &Row<'_>) -> rusqlite::Result<Listing> {
    let optional = |index| match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => number(row, index).map(Some),
    };
    let (base, quote) = (text(row, 1)?, text(row, 2)?);
    let settle: Option<String> = row.get(3)?;
    let (kind, symbol) = match &settle {
        Some(settle) => (Kind::Swap, Symbol::swap(&base, &quote, settle)),
        None => (Kind::Spot, Symbol::spot(&base, &quote)),
    };
    let aliases = row.get_ref(9)?.as_str()?;
    let aliases = serde_json::from_str(aliases).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(9, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Listing {
        symbol,
        id: text(row, 0)?,
        base,
        quote,
        settle: settle.map(Into::into),
        kind,
        margin: row.get(4)?,
        amount: Bound { min: optional(5)?, max: optional(6)? },
        amount_decimals: row.get(7)?,
        price_significant_digits: row.get(8)?,
        listed_as: row.get::<_, Option<String>>(10)?.map(Into::into),
        amount_step: optional(11)?,
        price_step: optional(12)?,
        aliases,
    })
}
