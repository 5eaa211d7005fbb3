//! The order book, and the numbers of its updates.

use std::{cmp::Ordering, fmt::Write as _};

use crate::sim::listing::{Depth, Level};

use super::tape::View;

/// The simulated market's books stand still within each second.
pub(super) const SECOND: i64 = 1_000;
/// Update ids of a second. They count on whether or not anything changed, so that the number of a
/// book is known without looking at those before it.
const IDS: i64 = 40;
/// 2017-07-01.
const EPOCH: i64 = 1_498_867_200;
/// Ids of neighbouring markets differ.
const APART: i64 = 1_000_003;
/// More levels than a book has.
const ALL: usize = 100_000;

/// A whole book as it stood at some second.
#[derive(Debug)]
pub(super) struct Ladder {
    /// The id of the last update in it.
    pub(super) id: i64,
    depth: Depth,
}

/// What changed since another book: the new amounts, zero for what is gone.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

impl View<'_> {
    /// The id of the last update of the book.
    pub(super) fn update_id(&self) -> i64 {
        let second = self.now.millis().div_euclid(SECOND);
        self.listed.number * APART + (second - EPOCH) * IDS
    }

    pub(super) fn ladder(&self) -> Ladder {
        Ladder { id: self.update_id(), depth: self.quoted.depth(ALL) }
    }
}

impl Ladder {
    /// What makes this book of `before`; `None` if nothing does.
    pub(super) fn since(&self, before: &Self) -> Option<Change> {
        let (then, now) = (&before.depth, &self.depth);
        let bids = changed(&then.bids, &now.bids, |a, b| b.price.cmp(&a.price));
        let asks = changed(&then.asks, &now.asks, |a, b| a.price.cmp(&b.price));
        if bids.is_empty() && asks.is_empty() {
            return None;
        }
        Some(Change { first: before.id + 1, last: self.id, bids, asks })
    }
}

/// Two sides, both in `order`, gone through together.
fn changed(before: &[Level], after: &[Level], order: fn(&Level, &Level) -> Ordering) -> Vec<Level> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut out = Vec::new();
    loop {
        let next = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => order(old, new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return out,
        };
        let old = if next.is_le() { before.next() } else { None };
        let new = if next.is_ge() { after.next() } else { None };
        match (old, new) {
            (Some(old), Some(new)) if old == new => {}
            (_, Some(new)) => out.push(*new),
            (Some(old), None) => {
                let mut gone = *old;
                gone.amount.units = 0;
                out.push(gone);
            }
            (None, None) => {}
        }
    }
}

/// `[["0.10000000","5.00000000"],...]`.
pub(super) fn print(levels: &[Level], out: &mut String) {
    out.push('[');
    for (place, Level { price, amount }) in levels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let price = price.value();
        let _infallible = write!(out, "{comma}[\"{price:.8}\",\"{amount}\"]");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{decimal::Decimal, listing::AMOUNT_PLACES};

    fn ladder(id: i64, bids: &[(f64, f64)], asks: &[(f64, f64)]) -> Ladder {
        let level = |&(price, amount): &(f64, f64)| Level {
            price: Decimal::of(price, 1),
            amount: Decimal::of(amount, AMOUNT_PLACES),
        };
        let side = |levels: &[(f64, f64)]| levels.iter().map(level).collect();
        Ladder { id, depth: Depth { bids: side(bids), asks: side(asks) } }
    }

    #[test]
    fn a_change_tells_what_is_gone_what_is_new_and_what_is_not_the_same() {
        let before = ladder(40, &[(10.0, 1.0), (9.0, 2.0), (8.0, 1.0)], &[(11.0, 1.0)]);
        let after = ladder(80, &[(9.5, 3.0), (9.0, 2.5), (8.0, 1.0)], &[(10.5, 2.0), (11.0, 1.0)]);
        let change = after.since(&before).unwrap();
        assert_eq!((change.first, change.last), (41, 80));
        let text = |levels: &[Level]| {
            let mut text = String::new();
            print(levels, &mut text);
            text.replace("0000000\"", "\"")
        };
        assert_eq!(text(&change.bids), r#"[["10.0","0.0"],["9.5","3.0"],["9.0","2.5"]]"#);
        assert_eq!(text(&change.asks), r#"[["10.5","2.0"]]"#);
        assert!(after.since(&after).is_none());
    }
}
