//! The book channel: a snapshot, then what changes, and checksums.

use std::collections::{HashMap, HashSet};

use crate::{
    market::UnixMs,
    sim::{
        engine::{Instrument, MarketEngine},
        json::{Json, number_text},
        rest::precision_digits,
    },
};

use super::feed::Update;

/// The simulated market's books stand still within each second.
const SECOND_MS: i64 = 1_000;
/// Frequency F1 (docs.bitfinex.com/reference/ws-public-books, 2025-11).
const SLOW_MS: i64 = 2_000;
/// The pace at which checksums of changing books were recorded in 2021 and 2026.
const CHECKSUM_MS: i64 = 2_500;
/// Levels a side that a checksum covers (docs.bitfinex.com/docs/ws-websocket-checksum, 2025-11).
const CHECKED: usize = 25;

/// A row as it is printed: a level, or an order if it has an id.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    bid: bool,
    id: Option<i64>,
    price: f64,
    period: u32,
    count: u32,
    /// With the sign that tells the side.
    amount: f64,
}

type Key = (bool, u64, u32);

impl Row {
    fn key(&self) -> Key {
        let name = self.id.map_or(self.price.to_bits(), i64::cast_unsigned);
        (self.bid, name, self.period)
    }

    fn print(&self, json: &mut Json, funding: bool) {
        json.array(|json| {
            match self.id {
                Some(id) => json.int(id),
                None => json.number(self.price),
            };
            if funding {
                json.int(i64::from(self.period));
            }
            match self.id {
                Some(_) => json.number(self.price),
                None => json.int(i64::from(self.count)),
            };
            json.number(self.amount);
        });
    }

    /// What takes the row away: an order has the price 0, a level the count 0, and the amount only
    /// tells the side.
    fn gone(self) -> Self {
        let price = if self.id.is_some() { 0.0 } else { self.price };
        Self { price, count: 0, amount: self.amount.signum(), ..self }
    }
}

pub(super) struct BookFeed {
    /// `None`: a row for each order.
    digits: Option<u32>,
    len: usize,
    every_ms: i64,
    /// The number of the last interval whose book was looked at.
    step: i64,
    truth: Vec<Row>,
    /// The best level is told wrong.
    pub(super) corrupt: bool,
    changed: bool,
    checksum_due: i64,
}

impl BookFeed {
    pub(super) fn new(precision: &str, frequency: &str, len: usize) -> Self {
        let every_ms = if frequency == "F1" { SLOW_MS } else { SECOND_MS };
        let digits = precision_digits(precision).flatten();
        let (step, checksum_due) = (i64::MIN, i64::MIN);
        let (truth, corrupt, changed) = (Vec::new(), false, false);
        Self { digits, len, every_ms, step, truth, corrupt, changed, checksum_due }
    }

    pub(super) fn snapshot(
        &mut self,
        engine: &MarketEngine,
        instrument: &Instrument,
        now: UnixMs,
    ) -> String {
        self.step = now.millis().div_euclid(self.every_ms);
        self.checksum_due = now.millis() + CHECKSUM_MS;
        self.truth = self.rows(engine, instrument, now);
        print(&self.truth, instrument.is_funding())
    }

    /// True if the book may have changed since the last look.
    pub(super) const fn is_due(&self, now: UnixMs) -> bool {
        now.millis().div_euclid(self.every_ms) != self.step
    }

    /// What has changed; `corrupt` from now on if it says so. `bulk`: all in one update.
    pub(super) fn changes(
        &mut self,
        engine: &MarketEngine,
        instrument: &Instrument,
        now: UnixMs,
        bulk: bool,
        corrupt: bool,
    ) -> Vec<Update> {
        self.step = now.millis().div_euclid(self.every_ms);
        let before = shown(&self.truth, self.corrupt);
        self.corrupt |= corrupt;
        self.truth = self.rows(engine, instrument, now);
        let after = shown(&self.truth, self.corrupt);
        let changes = diff(&before, &after);
        self.changed |= !changes.is_empty();
        let funding = instrument.is_funding();
        if bulk {
            let all = (!changes.is_empty()).then(|| Update::row(print(&changes, funding)));
            return all.into_iter().collect();
        }
        let one = |row: &Row| {
            let mut json = Json::new();
            row.print(&mut json, funding);
            Update::row(json.finish())
        };
        changes.iter().map(one).collect()
    }

    /// The checksum of the true book if one is due. How a funding book's is made is not documented.
    pub(super) fn checksum(&mut self, instrument: &Instrument, now: UnixMs) -> Option<Update> {
        let due = self.changed && now.millis() >= self.checksum_due;
        if !due || instrument.is_funding() {
            return None;
        }
        self.changed = false;
        self.checksum_due = now.millis() + CHECKSUM_MS;
        Some(Update { tag: Some("cs"), payload: checksum(&self.truth).to_string(), is_row: false })
    }

    fn rows(&self, engine: &MarketEngine, instrument: &Instrument, now: UnixMs) -> Vec<Row> {
        // The sign tells the side; for funding it is the lender who has the positive one.
        let sign = |bid: bool| if bid == instrument.is_funding() { -1.0 } else { 1.0 };
        match self.digits {
            Some(digits) => {
                let [bids, asks] = engine.levels(instrument, now, digits, self.len);
                let sides = [(true, bids), (false, asks)];
                let rows = sides.into_iter().flat_map(|(bid, levels)| {
                    levels.into_iter().map(move |level| Row {
                        bid,
                        id: None,
                        price: level.price,
                        period: level.period,
                        count: level.count,
                        amount: sign(bid) * level.amount,
                    })
                });
                rows.collect()
            }
            None => {
                let book = engine.top_of_book(instrument, now, self.len);
                let sides = [(true, book.bids()), (false, book.asks())];
                let rows = sides.into_iter().flat_map(|(bid, orders)| {
                    orders.iter().take(self.len).map(move |order| Row {
                        bid,
                        id: Some(order.id),
                        price: order.price,
                        period: order.period,
                        count: 1,
                        amount: sign(bid) * order.amount,
                    })
                });
                rows.collect()
            }
        }
    }
}

fn print(rows: &[Row], funding: bool) -> String {
    crate::sim::rest::array(|json| rows.iter().for_each(|row| row.print(json, funding)))
}

/// The rows as the client is told them.
fn shown(truth: &[Row], corrupt: bool) -> Vec<Row> {
    let mut rows = truth.to_vec();
    if let Some(best) = rows.first_mut().filter(|_| corrupt) {
        best.amount += best.amount.signum() * 0.5;
    }
    rows
}

/// Removals first, so that a client's book is never longer than asked for and never crossed.
fn diff(before: &[Row], after: &[Row]) -> Vec<Row> {
    let stays: HashSet<Key> = after.iter().map(Row::key).collect();
    let known: HashMap<Key, &Row> = before.iter().map(|row| (row.key(), row)).collect();
    let gone = before.iter().filter(|row| !stays.contains(&row.key())).map(|row| row.gone());
    let new = after.iter().filter(|row| known.get(&row.key()) != Some(row));
    gone.chain(new.copied()).collect()
}

/// CRC-32 of price (or order id) and amount of the best bids and asks, taken in turn
/// (docs.bitfinex.com/docs/ws-websocket-checksum, 2025-11).
fn checksum(rows: &[Row]) -> i32 {
    let side = |bid| rows.iter().filter(move |row| row.bid == bid).take(CHECKED);
    let (mut bids, mut asks) = (side(true), side(false));
    let mut text = String::new();
    for _ in 0..CHECKED {
        for row in [bids.next(), asks.next()].into_iter().flatten() {
            if !text.is_empty() {
                text.push(':');
            }
            let name = row.id.map_or_else(|| number_text(row.price), |id| id.to_string());
            text.push_str(&name);
            text.push(':');
            text.push_str(&number_text(row.amount));
        }
    }
    crc32fast::hash(text.as_bytes()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(bid: bool, price: f64, count: u32, amount: f64) -> Row {
        Row { bid, id: None, price, period: 0, count, amount }
    }

    #[test]
    fn changes_are_removals_and_then_what_is_new() {
        let before =
            [level(true, 10.0, 2, 1.5), level(true, 9.0, 1, 1.0), level(false, 11.0, 1, -1.0)];
        let after =
            [level(true, 9.0, 3, 4.0), level(false, 10.0, 1, -2.0), level(false, 11.0, 1, -1.0)];
        assert_eq!(print(&diff(&before, &after), false), "[[10,0,1],[9,3,4],[10,1,-2]]");
        assert!(diff(&after, &after).is_empty());
        let order = Row { id: Some(7), ..level(false, 11.0, 1, -2.5) };
        assert_eq!(print(&diff(&[order], &[]), false), "[[7,0,-1]]");
        let offer = Row { period: 30, ..level(false, 0.000_000_7, 1, 2.5) };
        assert_eq!(print(&diff(&[offer], &[]), true), "[[7e-7,30,0,1]]");
    }

    /// The text is written down here, so that neither order nor number format can drift.
    #[test]
    fn the_checksum_takes_the_sides_in_turn_with_the_text_that_is_sent() {
        let rows =
            [level(true, 7e-7, 1, 3.0), level(true, 6e-7, 1, 2.5), level(false, 8e-7, 2, -4.0)];
        let expected = crc32fast::hash(b"7e-7:3:8e-7:-4:6e-7:2.5").cast_signed();
        assert_eq!(checksum(&rows), expected);
        let many: Vec<Row> = (0..40).map(|n| level(true, f64::from(100 - n), 1, 1.0)).collect();
        assert_eq!(checksum(&many), checksum(&many[..25]));
    }
}
