//! The book that a client holds.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::market::{Book, Change, Identity, Raw};

/// The rows that a client has been sent and not been told to remove.
///
/// The exchange sends one snapshot of a book and then only changes; ccxt.pro (4.5) takes a second
/// one for a change and fails. So a book that is told anew becomes the changes that lead to it,
/// after which the exchange's checksum holds for the client too, since rows keep their text.
#[derive(Debug)]
pub(super) struct Mirror {
    layout: Layout,
    rows: BTreeMap<Key, Raw>,
}

/// How the rows of a book are to be read.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Columns that say which row it is: `PRICE` or `ORDER_ID`, of funding `RATE, PERIOD` or
    /// `OFFER_ID, PERIOD`. One column follows, then the amount.
    key_columns: usize,
    /// Whether a bid and an ask of the same key are two rows.
    by_side: bool,
}

/// The text of the key's columns, and the side where that tells two rows apart.
type Key = (Bytes, bool);

impl Mirror {
    /// Without rows.
    pub(super) fn new(identity: Identity, funding: bool) -> Self {
        let key_columns = if funding { 2 } else { 1 };
        let by_side = identity == Identity::Price;
        Self { layout: Layout { key_columns, by_side }, rows: BTreeMap::new() }
    }

    /// Notes a change that the client is told.
    pub(super) fn change(&mut self, change: &Change) {
        let Some(key) = self.layout.key(&change.raw) else { return };
        match change.amount {
            Some(_) => drop(self.rows.insert(key, change.raw.clone())),
            None => drop(self.rows.remove(&key)),
        }
    }

    /// Notes the book that the client is to hold, and says which rows lead there: first what
    /// goes, so that no book in between is crossed or too deep, then what comes, best first.
    pub(super) fn turn_into(&mut self, book: &Book) -> Vec<String> {
        let levels = || book.bids.iter().chain(&book.asks);
        let keyed = levels().filter_map(|level| Some((self.layout.key(&level.raw)?, &level.raw)));
        let rows: BTreeMap<Key, Raw> = keyed.map(|(key, raw)| (key, raw.clone())).collect();
        let before = std::mem::replace(&mut self.rows, rows);
        let gone = before.iter().filter(|(key, _)| !self.rows.contains_key(*key));
        let gone = gone.map(|((columns, _), row)| self.layout.removal(columns, row));
        let new = levels().filter(|level| {
            let known = self.layout.key(&level.raw).and_then(|key| before.get(&key));
            known != Some(&level.raw)
        });
        gone.chain(new.map(|level| level.raw.as_str().to_owned())).collect()
    }
}

impl Layout {
    fn key(self, row: &Raw) -> Option<Key> {
        let inside = row.as_str().strip_prefix('[')?;
        let end = inside.match_indices(',').nth(self.key_columns - 1)?.0;
        Some((row.bytes().slice(1..=end), self.by_side && self.is_negative(row)))
    }

    fn is_negative(self, row: &Raw) -> bool {
        let amount = row.as_str().split(',').nth(self.key_columns + 1);
        amount.is_some_and(|amount| amount.trim_start().starts_with('-'))
    }

    /// What removes a row: a count or price of 0 and an amount of 1 or -1 (recorded 2021 and
    /// 2026-09).
    fn removal(self, columns: &Bytes, row: &Raw) -> String {
        let columns = std::str::from_utf8(columns).unwrap_or_default();
        let side = if self.is_negative(row) { "-1" } else { "1" };
        format!("[{columns},0,{side}]")
    }
}
