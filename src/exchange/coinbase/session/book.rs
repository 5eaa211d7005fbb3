//! The whole book of one product, and the best levels of it that are told.

use std::{cmp::Ordering, sync::Arc};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        Data, Event, Output, Stream, Topic, UpstreamError,
        json::{self, Quoted, invalid},
    },
    market::{BookSide, Change, Changes, Number, Raw},
};

/// Messages after which the book may be crossed until one comes that mends it. No recording shows
/// any.
const MOST_HELD_BACK: usize = 8;
/// Levels of a side that are kept; BTC-USD had 27,236 (recorded 2026-08).
const MOST_LEVELS: usize = 200_000;
const SIDES: [BookSide; 2] = [BookSide::Bid, BookSide::Ask];

/// A product's levels, and what is told of them.
///
/// Their rows are not kept: a snapshot has five megabytes of them.
#[derive(Debug)]
pub(super) struct Book {
    sides: [Side; 2],
    windows: Vec<Window>,
    /// Messages since the book was last told, while it is crossed.
    held_back: usize,
    no_row: Raw,
}

/// The levels of one side, best last: most changes are near the best price, and move few there.
#[derive(Debug)]
struct Side {
    of: BookSide,
    rungs: Vec<Rung>,
}

#[derive(Clone, Debug)]
struct Rung {
    at: Decimal,
    price: Number,
    amount: Number,
}

/// The best levels, as deep as a topic shows them.
#[derive(Debug)]
struct Window {
    topic: Arc<Topic>,
    depth: usize,
    /// What was told of each side, best first.
    told: [Vec<Rung>; 2],
    /// A side has changed where it was told.
    touched: [bool; 2],
}

#[derive(Deserialize)]
struct Row<'a> {
    side: &'a str,
    price_level: Quoted,
    new_quantity: Quoted,
}

/// One level as it is from now on; without an amount it is gone.
struct Set {
    side: usize,
    rung: Rung,
}

fn read(updates: &RawValue) -> Result<Vec<Set>, UpstreamError> {
    let rows: Vec<Row<'_>> = json::parse("book", updates.get())?;
    let set = |row: Row<'_>| {
        let side = match row.side {
            "bid" => 0,
            "offer" => 1,
            other => return Err(invalid("book", format_args!("side {other}"))),
        };
        let (price, amount) = (json::positive("book", row.price_level.0)?, row.new_quantity.0);
        if amount.is_negative() {
            return Err(invalid("book", "a negative amount"));
        }
        let at = price.decimal().ok_or_else(|| invalid("book", "a price beyond 28 digits"))?;
        Ok(Set { side, rung: Rung { at, price, amount } })
    };
    rows.into_iter().map(set).collect()
}

impl Book {
    /// From a snapshot's rows. Nothing is told yet.
    pub(super) fn of(updates: &RawValue) -> Result<Self, UpstreamError> {
        let mut sides = SIDES.map(|of| Side { of, rungs: Vec::new() });
        for Set { side, rung } in read(updates)? {
            if rung.amount.is_zero() {
                return Err(invalid("book", "a removal in a snapshot"));
            }
            sides[side].rungs.push(rung);
        }
        for side in &mut sides {
            let of = side.of;
            side.rungs.sort_unstable_by(|one, other| worse_first(of, one.at, other.at));
            if side.rungs.windows(2).any(|pair| pair[0].at == pair[1].at) {
                return Err(invalid("book", "a level twice"));
            }
            side.is_bounded()?;
        }
        let book =
            Self { sides, windows: Vec::new(), held_back: 0, no_row: Raw::copy_of(RawValue::NULL) };
        if book.is_crossed() { Err(invalid("book", "crossed")) } else { Ok(book) }
    }

    /// Shows the topic the book as it stands, and what changes from then on.
    pub(super) fn show(&mut self, topic: &Arc<Topic>, out: &mut Vec<Output>) {
        let Stream::Book { depth, .. } = topic.stream else { return };
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let told = [0, 1].map(|side| self.sides[side].best(depth).cloned().collect::<Vec<_>>());
        let levels = told
            .iter()
            .zip(SIDES)
            .flat_map(|(rungs, side)| rungs.iter().map(move |rung| (side, rung)));
        let levels = levels.map(|(side, rung)| change(side, rung, false, &self.no_row)).collect();
        out.push(Output::Tell(Event::Data(Arc::clone(topic), Data::Book(levels))));
        self.windows.retain(|window| window.topic != *topic);
        let touched = [false; 2];
        self.windows.push(Window { topic: Arc::clone(topic), depth, told, touched });
    }

    /// Nobody follows the topic any more.
    pub(super) fn hide(&mut self, topic: &Topic) {
        self.windows.retain(|window| *window.topic != *topic);
    }

    /// Makes the changes of one message, and tells them where they show.
    ///
    /// # Errors
    /// The book is not to be believed any more.
    pub(super) fn update(
        &mut self,
        updates: &RawValue,
        out: &mut Vec<Output>,
    ) -> Result<(), UpstreamError> {
        for Set { side, rung } in read(updates)? {
            let of = self.sides[side].of;
            for window in &mut self.windows {
                let told = &window.told[side];
                let shows = told.len() < window.depth
                    || told.last().is_none_or(|last| worse_first(of, rung.at, last.at).is_ge());
                window.touched[side] |= shows;
            }
            self.sides[side].set(rung);
        }
        for side in &self.sides {
            side.is_bounded()?;
        }
        if self.is_crossed() {
            self.held_back += 1;
            let is_broken = self.held_back > MOST_HELD_BACK;
            return if is_broken { Err(invalid("book", "crossed")) } else { Ok(()) };
        }
        self.held_back = 0;
        for window in &mut self.windows {
            let changes = window.turn(&self.sides, &self.no_row);
            if !changes.is_empty() {
                let data = Data::Levels(changes);
                out.push(Output::Tell(Event::Data(Arc::clone(&window.topic), data)));
            }
            out.push(Output::Tell(Event::Sound(Arc::clone(&window.topic))));
        }
        Ok(())
    }

    /// Nothing is on its way that could mend the book.
    pub(super) fn rest(&self) -> Result<(), UpstreamError> {
        if self.held_back == 0 { Ok(()) } else { Err(invalid("book", "crossed")) }
    }

    fn is_crossed(&self) -> bool {
        let [bids, asks] = &self.sides;
        matches!((bids.rungs.last(), asks.rungs.last()), (Some(bid), Some(ask)) if bid.at >= ask.at)
    }
}

/// The order in which a side's levels are kept.
fn worse_first(side: BookSide, one: Decimal, other: Decimal) -> Ordering {
    match side {
        BookSide::Bid => one.cmp(&other),
        BookSide::Ask => other.cmp(&one),
    }
}

fn change(side: BookSide, rung: &Rung, is_gone: bool, no_row: &Raw) -> Change {
    Change {
        side,
        price: rung.price.clone(),
        number: 0,
        amount: (!is_gone).then(|| rung.amount.clone()),
        raw: no_row.clone(),
    }
}

impl Side {
    fn best(&self, depth: usize) -> impl Iterator<Item = &Rung> {
        self.rungs.iter().rev().take(depth)
    }

    /// Levels are removed that are not there, too (52 of 1,188 recorded 2026-08).
    fn set(&mut self, rung: Rung) {
        let place = self.rungs.binary_search_by(|other| worse_first(self.of, other.at, rung.at));
        match place {
            Ok(place) if rung.amount.is_zero() => drop(self.rungs.remove(place)),
            Ok(place) => self.rungs[place] = rung,
            Err(_) if rung.amount.is_zero() => {}
            Err(place) => self.rungs.insert(place, rung),
        }
    }

    fn is_bounded(&self) -> Result<(), UpstreamError> {
        if self.rungs.len() <= MOST_LEVELS {
            Ok(())
        } else {
            Err(invalid("book", "more levels than can be true"))
        }
    }
}

impl Window {
    /// What has changed since it was told: levels that are gone or have left it first, so that it
    /// is never deeper than it may be.
    fn turn(&mut self, sides: &[Side; 2], no_row: &Raw) -> Changes {
        let mut changes = Changes::new();
        let mut set = Changes::new();
        for (index, side) in sides.iter().enumerate() {
            if !std::mem::take(&mut self.touched[index]) {
                continue;
            }
            let now: Vec<Rung> = side.best(self.depth).cloned().collect();
            let before = std::mem::take(&mut self.told[index]);
            let mut old = before.iter().peekable();
            for rung in &now {
                let is_better = |old: &&Rung| worse_first(side.of, old.at, rung.at).is_gt();
                while let Some(gone) = old.next_if(is_better) {
                    changes.push(change(side.of, gone, true, no_row));
                }
                let same = old.next_if(|old| old.at == rung.at);
                let is_told =
                    same.is_some_and(|old| old.amount == rung.amount && old.price == rung.price);
                if !is_told {
                    set.push(change(side.of, rung, false, no_row));
                }
            }
            changes.extend(old.map(|gone| change(side.of, gone, true, no_row)));
            self.told[index] = now;
        }
        changes.extend(set);
        changes
    }
}

#[cfg(test)]
#[path = "tests/book.rs"]
mod tests;
