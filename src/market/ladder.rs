//! An order book that changes level by level.

use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::{Book, Level, Number, Raw};

/// A side of an order book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BookSide {
    /// To buy.
    Bid,
    /// To sell.
    Ask,
}

/// What makes two rungs of a ladder the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Side, price and number: levels.
    Price,
    /// The number alone: single orders, whose price may change.
    Number,
}

/// One level that is new, has changed or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which side; of a removal by number it does not matter.
    pub side: BookSide,
    /// Its price; of a removal by number it does not matter.
    pub price: Number,
    /// What tells apart levels of one price: an order's id, the days of a loan; else 0.
    pub number: i64,
    /// The amount, without a sign; `None`: the level is gone.
    pub amount: Option<Number>,
    /// The exchange's row.
    pub raw: Raw,
}

/// The changes of one message.
pub type Changes = SmallVec<[Change; 1]>;

/// A change that no book can bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChange {
    /// The price is beyond the range of a decimal.
    #[error("a price beyond 28 digits")]
    Price,
    /// A level was removed that is not there.
    #[error("a level was removed that is not there")]
    Absent,
}

#[derive(Clone, Debug)]
struct Rung {
    price: Decimal,
    number: i64,
    level: Level,
}

/// Both sides of a book, best first, kept in order while levels come and go.
///
/// Levels of one price stand in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Ladder {
    identity: Identity,
    bids: Vec<Rung>,
    asks: Vec<Rung>,
}

impl Ladder {
    /// Without levels.
    pub fn new(identity: Identity) -> Self {
        Self { identity, bids: Vec::new(), asks: Vec::new() }
    }

    /// With the levels of a snapshot, in any order.
    ///
    /// # Errors
    /// The first change that cannot be made.
    pub fn of(identity: Identity, levels: &[Change]) -> Result<Self, BadChange> {
        let mut ladder = Self::new(identity);
        levels.iter().try_for_each(|level| ladder.apply(level))?;
        Ok(ladder)
    }

    /// Makes one change.
    ///
    /// # Errors
    /// The change cannot be made; the ladder stays as it was.
    pub fn apply(&mut self, change: &Change) -> Result<(), BadChange> {
        match (&change.amount, self.identity) {
            (None, Identity::Number) => self.take(change.number).ok_or(BadChange::Absent),
            (None, Identity::Price) => {
                let price = change.price.decimal().ok_or(BadChange::Price)?;
                let place = self.place(change.side, price, change.number);
                let place = place.map_err(|_| BadChange::Absent)?;
                self.side_mut(change.side).remove(place);
                Ok(())
            }
            (Some(amount), identity) => {
                let price = change.price.decimal().ok_or(BadChange::Price)?;
                if identity == Identity::Number {
                    self.take(change.number);
                }
                let level = Level {
                    price: change.price.clone(),
                    amount: amount.clone(),
                    raw: change.raw.clone(),
                };
                let rung = Rung { price, number: change.number, level };
                match self.place(change.side, price, change.number) {
                    Ok(place) => self.side_mut(change.side)[place] = rung,
                    Err(place) => self.side_mut(change.side).insert(place, rung),
                }
                Ok(())
            }
        }
    }

    /// The levels of a side, best first, each with its number.
    pub fn levels(&self, side: BookSide) -> impl ExactSizeIterator<Item = (i64, &Level)> {
        let rungs = match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        };
        rungs.iter().map(|rung| (rung.number, &rung.level))
    }

    /// How many levels the longer side has.
    pub fn depth(&self) -> usize {
        self.bids.len().max(self.asks.len())
    }

    /// True if the best bid is not below the best ask.
    pub fn is_crossed(&self) -> bool {
        match (self.bids.first(), self.asks.first()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// A copy as it stands now.
    pub fn book(&self) -> Book {
        let side = |rungs: &[Rung]| rungs.iter().map(|rung| rung.level.clone()).collect();
        Book { bids: side(&self.bids), asks: side(&self.asks) }
    }

    fn side_mut(&mut self, side: BookSide) -> &mut Vec<Rung> {
        match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        }
    }

    /// Where a level stands, or would.
    fn place(&self, side: BookSide, price: Decimal, number: i64) -> Result<usize, usize> {
        match side {
            BookSide::Bid => self
                .bids
                .binary_search_by(|rung| price.cmp(&rung.price).then(rung.number.cmp(&number))),
            BookSide::Ask => self
                .asks
                .binary_search_by(|rung| rung.price.cmp(&price).then(rung.number.cmp(&number))),
        }
    }

    /// Removes the rung of a number.
    fn take(&mut self, number: i64) -> Option<()> {
        for rungs in [&mut self.bids, &mut self.asks] {
            if let Some(place) = rungs.iter().position(|rung| rung.number == number) {
                rungs.remove(place);
                return Some(());
            }
        }
        None
    }
}
