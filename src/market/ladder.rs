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
        Book { bids: side(&self.bids), asks: side(&self.asks), ..Book::default() }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(side: BookSide, price: &str, number: i64, amount: Option<&str>) -> Change {
        Change {
            side,
            price: price.parse().unwrap(),
            number,
            amount: amount.map(|amount| amount.parse().unwrap()),
            raw: Raw::copy_of(serde_json::from_str("[]").unwrap()),
        }
    }

    fn shown(ladder: &Ladder, side: BookSide) -> Vec<String> {
        let text = |(number, level): (i64, &Level)| {
            format!("{}/{number} {}", level.price.as_str(), level.amount.as_str())
        };
        ladder.levels(side).map(text).collect()
    }

    #[test]
    fn levels_stand_best_first_by_value() {
        use BookSide::{Ask, Bid};
        let levels = [
            change(Bid, "7e-7", 0, Some("1")),
            change(Bid, "0.0000011", 0, Some("2")),
            change(Bid, "0.000001", 0, Some("3")),
            change(Ask, "1e-5", 0, Some("4")),
            change(Ask, "0.000002", 0, Some("5")),
        ];
        let mut ladder = Ladder::of(Identity::Price, &levels).unwrap();
        assert_eq!(shown(&ladder, Bid), ["0.0000011/0 2", "0.000001/0 3", "7e-7/0 1"]);
        assert_eq!(shown(&ladder, Ask), ["0.000002/0 5", "1e-5/0 4"]);
        assert_eq!((ladder.depth(), ladder.is_crossed(), ladder.book().fault()), (3, false, None));
        // The same price in another spelling is the same level.
        ladder.apply(&change(Bid, "0.0000010", 0, Some("9"))).unwrap();
        assert_eq!(shown(&ladder, Bid)[1], "0.0000010/0 9");
        ladder.apply(&change(Bid, "1e-6", 0, None)).unwrap();
        assert_eq!(shown(&ladder, Bid), ["0.0000011/0 2", "7e-7/0 1"]);
        ladder.apply(&change(Bid, "0.000002", 0, Some("1"))).unwrap();
        assert!(ladder.is_crossed());
        assert!(!Ladder::new(Identity::Price).is_crossed());
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        use BookSide::{Ask, Bid};
        for identity in [Identity::Price, Identity::Number] {
            let mut ladder = Ladder::of(identity, &[change(Bid, "10", 1, Some("2"))]).unwrap();
            let gone = [change(Bid, "11", 2, None), change(Ask, "12", 3, None)];
            for gone in gone {
                assert_eq!(ladder.apply(&gone), Err(BadChange::Absent));
            }
            let beyond = change(Bid, "1e40", 1, Some("2"));
            assert_eq!(ladder.apply(&beyond), Err(BadChange::Price));
            assert_eq!(shown(&ladder, Bid), ["10/1 2"]);
        }
        let mut ladder = Ladder::of(Identity::Price, &[change(Bid, "10", 1, Some("2"))]).unwrap();
        assert_eq!(ladder.apply(&change(Bid, "10", 2, None)), Err(BadChange::Absent));
        assert_eq!(ladder.apply(&change(Ask, "10", 1, None)), Err(BadChange::Absent));
    }

    #[test]
    fn orders_move_with_their_number() {
        use BookSide::{Ask, Bid};
        let levels = [
            change(Bid, "10", 7, Some("1")),
            change(Bid, "10", 5, Some("1")),
            change(Bid, "11", 9, Some("1")),
        ];
        let mut ladder = Ladder::of(Identity::Number, &levels).unwrap();
        assert_eq!(shown(&ladder, Bid), ["11/9 1", "10/5 1", "10/7 1"]);
        ladder.apply(&change(Bid, "9", 9, Some("3"))).unwrap();
        assert_eq!(shown(&ladder, Bid), ["10/5 1", "10/7 1", "9/9 3"]);
        ladder.apply(&change(Ask, "12", 5, Some("4"))).unwrap();
        // Side and price of a removal do not matter.
        ladder.apply(&change(Ask, "0", 7, None)).unwrap();
        assert_eq!(shown(&ladder, Bid), ["9/9 3"]);
        assert_eq!(shown(&ladder, Ask), ["12/5 4"]);
    }

    fn any_change() -> impl Strategy<Value = Change> {
        (any::<bool>(), 1..12_u32, 0..3_i64, proptest::option::of(1..9_u32)).prop_map(
            |(bid, price, number, amount)| {
                let side = if bid { BookSide::Bid } else { BookSide::Ask };
                change(side, &price.to_string(), number, amount.map(|a| a.to_string()).as_deref())
            },
        )
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_list_with_a_key(
            changes in proptest::collection::vec(any_change(), 0..80),
            by_number in any::<bool>(),
        ) {
            let identity = if by_number { Identity::Number } else { Identity::Price };
            let mut ladder = Ladder::new(identity);
            let mut naive: Vec<Change> = Vec::new();
            for change in changes {
                let is_same = |other: &Change| {
                    other.number == change.number
                        && (by_number || other.side == change.side && other.price == change.price)
                };
                let there = naive.iter().any(is_same);
                let expected =
                    if there || change.amount.is_some() { Ok(()) } else { Err(BadChange::Absent) };
                prop_assert_eq!(ladder.apply(&change), expected);
                naive.retain(|other| !is_same(other));
                if change.amount.is_some() {
                    naive.push(change);
                }
                naive.sort_by_key(|change| (change.price.decimal(), change.number));
                for side in [BookSide::Bid, BookSide::Ask] {
                    let mut texts: Vec<(&str, i64)> = naive
                        .iter()
                        .filter(|change| change.side == side)
                        .map(|change| (change.price.as_str(), change.number))
                        .collect();
                    if side == BookSide::Bid {
                        texts.sort_by_key(|(price, number)| {
                            (std::cmp::Reverse(price.parse::<u32>().unwrap()), *number)
                        });
                    }
                    let levels = ladder.levels(side);
                    let levels = levels.map(|(number, level)| (level.price.as_str(), number));
                    prop_assert_eq!(levels.collect::<Vec<_>>(), texts);
                }
            }
        }
    }
}
