//! The book of one channel.

use std::fmt::Write as _;

use serde::de::SeqAccess;
use serde_json::value::RawValue;

use super::subscription::Aggregation;
use crate::{
    exchange::{
        Broken, Data, UpstreamError,
        bitfinex::wire::{Columns, LevelRow, Row, columns, invalid, is_positive},
    },
    market::{BookSide, Change, Changes, Identity, Ladder, Level, Number, Raw},
};

/// Changes that may come between two states of a book that can be true.
///
/// Nothing says that a level goes before another comes that crosses it or is one too many, though
/// no recording shows otherwise; so changes are held back until the book can be true again, and
/// what is still impossible after this many, at a checksum or at a heartbeat is broken.
const MOST_HELD_BACK: usize = 8;

/// The levels a side that a checksum covers (docs.bitfinex.com/docs/ws-websocket-checksum,
/// 2025-11).
const SUMMED: usize = 25;

#[derive(Debug)]
pub(super) struct BookState {
    rows: Rows,
    depth: usize,
    ladder: Ladder,
    held_back: Changes,
    sum: String,
}

/// The columns of a book's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// `[PRICE, COUNT, AMOUNT]`, gone with a count of 0.
    Levels,
    /// `[ORDER_ID, PRICE, AMOUNT]`, gone with a price of 0.
    Orders,
    /// `[RATE, PERIOD, COUNT, AMOUNT]`, a positive amount being an offer.
    FundingLevels,
    /// `[OFFER_ID, PERIOD, RATE, AMOUNT]`, a positive amount being an offer.
    FundingOrders,
}

impl Rows {
    fn identity(self) -> Identity {
        match self {
            Self::Levels | Self::FundingLevels => Identity::Price,
            Self::Orders | Self::FundingOrders => Identity::Number,
        }
    }

    fn of_funding(self) -> bool {
        matches!(self, Self::FundingLevels | Self::FundingOrders)
    }

    /// One row as a change; its raw row has memory of its own, since a level may stand for hours
    /// and would keep the message, or all that was read with it, as long.
    fn change(self, row: &RawValue) -> Result<Change, UpstreamError> {
        let (number, price, amount, gone) = match self {
            Self::Levels => {
                let LevelRow { price, count, amount } = columns("book", row)?;
                (0, price, amount, is_gone(count)?)
            }
            Self::Orders => {
                let OrderRow { id, price, amount } = columns("book", row)?;
                let gone = price.is_zero();
                (id, price, amount, gone)
            }
            Self::FundingLevels => {
                let FundingLevelRow { rate, period, count, amount } = columns("book", row)?;
                (period, rate, amount, is_gone(count)?)
            }
            Self::FundingOrders => {
                let FundingOrderRow { id, rate, amount } = columns("book", row)?;
                let gone = rate.is_zero();
                (id, rate, amount, gone)
            }
        };
        let by_number = self.identity() == Identity::Number;
        if amount.is_zero() || !(is_positive(&price) || gone && by_number) {
            return Err(invalid("book", "a level without price or amount"));
        }
        let ask = amount.is_negative() != self.of_funding();
        let side = if ask { BookSide::Ask } else { BookSide::Bid };
        let amount = (!gone).then(|| amount.abs());
        Ok(Change { side, price, number, amount, raw: Raw::copy_of(row) })
    }
}

fn is_gone(count: i64) -> Result<bool, UpstreamError> {
    match count {
        0 => Ok(true),
        1.. => Ok(false),
        _ => Err(invalid("book", "a negative count")),
    }
}

impl BookState {
    pub(super) fn new(aggregation: Aggregation, funding: bool, depth: u32) -> Self {
        let rows = match (aggregation, funding) {
            (Aggregation::Levels(_), false) => Rows::Levels,
            (Aggregation::Orders, false) => Rows::Orders,
            (Aggregation::Levels(_), true) => Rows::FundingLevels,
            (Aggregation::Orders, true) => Rows::FundingOrders,
        };
        Self {
            rows,
            depth: usize::try_from(depth).unwrap_or(usize::MAX),
            ladder: Ladder::new(rows.identity()),
            held_back: Changes::new(),
            sum: String::new(),
        }
    }

    /// Takes a snapshot in place of all that was known.
    pub(super) fn replace(&mut self, rows: &[&RawValue]) -> Result<Data, Broken> {
        let changes = rows.iter().map(|row| self.change(row)).collect::<Result<Vec<_>, _>>()?;
        if changes.iter().any(|change| change.amount.is_none()) {
            return Err(Broken::Invalid("book: a removal in a snapshot".to_owned()));
        }
        self.ladder = Ladder::of(self.rows.identity(), &changes).map_err(untrue)?;
        self.held_back.clear();
        match self.fault() {
            None => Ok(Data::Book(changes)),
            Some(fault) => Err(fault),
        }
    }

    /// Makes one change. `None`: it is held back.
    pub(super) fn update(&mut self, row: &RawValue) -> Result<Option<Data>, Broken> {
        let change = self.change(row)?;
        self.ladder.apply(&change).map_err(untrue)?;
        self.held_back.push(change);
        match self.fault() {
            None => Ok(Some(Data::Levels(std::mem::take(&mut self.held_back)))),
            Some(_) if self.held_back.len() < MOST_HELD_BACK => Ok(None),
            Some(fault) => Err(fault),
        }
    }

    /// Nothing is on its way that could mend the book.
    pub(super) fn rest(&self) -> Result<(), Broken> {
        match self.fault() {
            Some(fault) if !self.held_back.is_empty() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Compares with the exchange's checksum. `None`: it covers something else than this book;
    /// the exchange's own client does not check books of funding, and what is summed where fewer
    /// levels than it covers were asked for is not documented.
    pub(super) fn check(&mut self, sum: i64) -> Result<Option<i32>, Broken> {
        self.rest()?;
        if self.rows.of_funding() || self.depth < SUMMED {
            return Ok(None);
        }
        let own = self.sum();
        if i64::from(own) == sum { Ok(Some(own)) } else { Err(Broken::Checksum) }
    }

    /// Signed CRC-32 over key and amount of the best levels, bid and ask in turn, in the
    /// exchange's own text; the amounts of asks are negative.
    fn sum(&mut self) -> i32 {
        let text = &mut self.sum;
        text.clear();
        let by_number = self.rows.identity() == Identity::Number;
        let mut bids = self.ladder.levels(BookSide::Bid).take(SUMMED);
        let mut asks = self.ladder.levels(BookSide::Ask).take(SUMMED);
        let mut push = |(number, level): (i64, &Level), sign: &str| {
            let colon = if text.is_empty() { "" } else { ":" };
            let amount = level.amount.as_str();
            // Writing to a string does not fail.
            let _ = if by_number {
                write!(text, "{colon}{number}:{sign}{amount}")
            } else {
                write!(text, "{colon}{}:{sign}{amount}", level.price.as_str())
            };
        };
        loop {
            let (bid, ask) = (bids.next(), asks.next());
            if bid.is_none() && ask.is_none() {
                break;
            }
            bid.into_iter().for_each(|level| push(level, ""));
            ask.into_iter().for_each(|level| push(level, "-"));
        }
        crc32fast::hash(text.as_bytes()).cast_signed()
    }

    fn change(&self, row: &RawValue) -> Result<Change, Broken> {
        self.rows.change(row).map_err(unreadable)
    }

    /// Why the book cannot be true. Rates of loans of different length may cross.
    fn fault(&self) -> Option<Broken> {
        let fault = if self.ladder.depth() > self.depth {
            "book: more levels than asked for"
        } else if !self.rows.of_funding() && self.ladder.is_crossed() {
            "book: crossed"
        } else {
            return None;
        };
        Some(Broken::Invalid(fault.to_owned()))
    }
}

fn untrue(bad: crate::market::BadChange) -> Broken {
    Broken::Invalid(format!("book: {bad}"))
}

pub(super) fn unreadable(error: UpstreamError) -> Broken {
    match error {
        UpstreamError::Invalid(why) => Broken::Invalid(why),
        other => Broken::Invalid(other.to_string()),
    }
}

struct OrderRow {
    id: i64,
    price: Number,
    amount: Number,
}

impl<'de> Row<'de> for OrderRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        Ok(Self { id: row.next()?, price: row.next()?, amount: row.next()? })
    }
}

struct FundingLevelRow {
    rate: Number,
    period: i64,
    count: i64,
    amount: Number,
}

impl<'de> Row<'de> for FundingLevelRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        let (rate, period) = (row.next()?, row.next()?);
        Ok(Self { rate, period, count: row.next()?, amount: row.next()? })
    }
}

struct FundingOrderRow {
    id: i64,
    rate: Number,
    amount: Number,
}

impl<'de> Row<'de> for FundingOrderRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        let id = row.next()?;
        let _period: i64 = row.next()?;
        Ok(Self { id, rate: row.next()?, amount: row.next()? })
    }
}

#[cfg(test)]
#[path = "tests/book.rs"]
mod tests;
