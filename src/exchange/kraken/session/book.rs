//! The book of one channel.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        Broken, Data, UpstreamError,
        json::{self, Quoted, invalid},
    },
    market::{BadChange, BookSide, Change, Changes, Identity, Ladder, Level, Raw},
};

/// The levels a side that a checksum covers, whatever the depth (docs.kraken.com, Book checksum
/// (WebSocket v2), 2026-09).
const SUMMED: usize = 10;

/// The row of a book's message.
#[derive(Debug, Deserialize)]
pub(super) struct BookRow<'a> {
    #[serde(borrow)]
    bids: Vec<&'a RawValue>,
    #[serde(borrow)]
    asks: Vec<&'a RawValue>,
    checksum: i64,
}

#[derive(Deserialize)]
struct LevelRow {
    price: Quoted,
    qty: Quoted,
}

/// A book whose every message ends in a state that has a checksum.
#[derive(Debug)]
pub(super) struct BookState {
    depth: usize,
    ladder: Ladder,
    sum: String,
}

impl BookState {
    pub(super) fn new(depth: u32) -> Self {
        Self {
            depth: usize::try_from(depth).unwrap_or(usize::MAX),
            ladder: Ladder::new(Identity::Price),
            sum: String::new(),
        }
    }

    /// Takes a snapshot in place of all that was known; with it its checksum, which holds.
    pub(super) fn replace(&mut self, row: &BookRow<'_>) -> Result<(Data, i64), Broken> {
        let changes = changes(row)?;
        if changes.iter().any(|change| change.amount.is_none()) {
            return Err(Broken::Invalid("book: a removal in a snapshot".to_owned()));
        }
        self.ladder = Ladder::of(Identity::Price, &changes).map_err(untrue)?;
        if self.ladder.depth() > self.depth {
            return Err(Broken::Invalid("book: more levels than asked for".to_owned()));
        }
        let sum = self.check(row.checksum)?;
        Ok((Data::Book(changes.into_vec()), sum))
    }

    /// Makes the changes of one message, and cuts each side to the depth: the exchange does not
    /// tell of levels that fall out of it. `None`: nothing has changed.
    pub(super) fn update(&mut self, row: &BookRow<'_>) -> Result<(Option<Data>, i64), Broken> {
        let mut made = Changes::new();
        for change in changes(row)? {
            match self.ladder.apply(&change) {
                Ok(()) => made.push(change),
                // A level that has fallen out of the depth may yet be removed.
                Err(BadChange::Absent) => {}
                Err(bad @ BadChange::Price) => return Err(untrue(bad)),
            }
        }
        for side in [BookSide::Bid, BookSide::Ask] {
            let gone = |(number, level): (i64, &Level)| {
                let (price, raw) = (level.price.clone(), level.raw.clone());
                Change { side, price, number, amount: None, raw }
            };
            let cut: Vec<Change> = self.ladder.levels(side).skip(self.depth).map(gone).collect();
            for change in cut {
                self.ladder.apply(&change).map_err(untrue)?;
                made.push(change);
            }
        }
        let sum = self.check(row.checksum)?;
        Ok(((!made.is_empty()).then_some(Data::Levels(made)), sum))
    }

    fn check(&mut self, sum: i64) -> Result<i64, Broken> {
        if i64::from(self.sum()) != sum {
            return Err(Broken::Checksum);
        }
        if self.ladder.is_crossed() {
            return Err(Broken::Invalid("book: crossed".to_owned()));
        }
        Ok(sum)
    }

    /// CRC-32 over price and amount of the best levels, asks before bids, in the digits that the
    /// exchange sent: without the point and the zeros before the first other digit.
    fn sum(&mut self) -> u32 {
        self.sum.clear();
        for side in [BookSide::Ask, BookSide::Bid] {
            for (_, level) in self.ladder.levels(side).take(SUMMED) {
                for number in [&level.price, &level.amount] {
                    let digits = number.as_str().chars().filter(|c| *c != '.');
                    self.sum.extend(digits.skip_while(|c| *c == '0'));
                }
            }
        }
        crc32fast::hash(self.sum.as_bytes())
    }
}

/// The levels of a message; the raw row of each has memory of its own, since a level may stand for
/// hours and would keep the message, or all that was read with it, as long.
fn changes(row: &BookRow<'_>) -> Result<Changes, Broken> {
    let sides = [(BookSide::Bid, &row.bids), (BookSide::Ask, &row.asks)];
    let rows = sides.into_iter().flat_map(|(side, rows)| rows.iter().map(move |row| (side, *row)));
    rows.map(|(side, row)| change(side, row).map_err(unreadable)).collect()
}

fn change(side: BookSide, row: &RawValue) -> Result<Change, UpstreamError> {
    let LevelRow { price: Quoted(price), qty: Quoted(amount) } = json::parse("book", row.get())?;
    if !json::is_positive(&price) || amount.is_negative() {
        return Err(invalid("book", "a level without price or with a negative amount"));
    }
    let amount = (!amount.is_zero()).then_some(amount);
    Ok(Change { side, price, number: 0, amount, raw: Raw::copy_of(row) })
}

fn untrue(bad: BadChange) -> Broken {
    Broken::Invalid(format!("book: {bad}"))
}

pub(super) fn unreadable(error: UpstreamError) -> Broken {
    match error {
        UpstreamError::Invalid(why) => Broken::Invalid(why),
        other => Broken::Invalid(other.to_string()),
    }
}

#[cfg(test)]
#[path = "tests/book.rs"]
pub(super) mod tests;
