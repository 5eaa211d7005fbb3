//! What is known of a market's book.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        UpstreamError,
        binance::{profile::LADDER_DEPTH, wire},
        json::invalid,
    },
    market::{Book, BookSide, Level, Raw},
};

/// Levels a side that are kept; the worst go first.
const MOST_LEVELS: usize = 2 * LADDER_DEPTH as usize;

/// Both sides of a book, as far as the snapshot reached that it began with: of what lies beyond,
/// only what has changed since would be known.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) bids: Side,
    pub(super) asks: Side,
    /// Number of the last change.
    pub(super) last: i64,
}

/// One side by rank: the better the price, the lower.
#[derive(Debug)]
pub(super) struct Side {
    levels: BTreeMap<Decimal, Level>,
    /// The last rank that is known; `None`: all of them are.
    edge: Option<Decimal>,
}

/// The order of prices on a side, the best first.
pub(super) fn rank(side: BookSide, level: &Level) -> Option<Decimal> {
    let price = level.price.decimal()?;
    Some(match side {
        BookSide::Bid => -price,
        BookSide::Ask => price,
    })
}

impl Ladder {
    /// As a snapshot shows it. One that was asked for [`LADDER_DEPTH`] levels and has fewer is
    /// whole.
    pub(super) fn of(book: &Book, last: i64) -> Result<Self, UpstreamError> {
        let bids = Side::of(BookSide::Bid, &book.bids)?;
        Ok(Self { bids, asks: Side::of(BookSide::Ask, &book.asks)?, last })
    }

    /// Makes the changes of one event, each a level as it stands now; a level without an amount is
    /// gone, if it was there. Returns the best rank on each side that has changed.
    pub(super) fn apply(
        &mut self,
        last: i64,
        bids: &[&RawValue],
        asks: &[&RawValue],
    ) -> Result<[Option<Decimal>; 2], UpstreamError> {
        let touched =
            [self.bids.apply(BookSide::Bid, bids)?, self.asks.apply(BookSide::Ask, asks)?];
        let best = |side: &Side| side.levels.keys().next().copied();
        // Ranks of bids are negative prices.
        if let (Some(bid), Some(ask)) = (best(&self.bids), best(&self.asks))
            && -bid >= ask
        {
            return Err(invalid("book", "crossed"));
        }
        self.last = last;
        Ok(touched)
    }

    /// True if the best `depth` levels of both sides are known, or all there are.
    pub(super) fn reaches(&self, depth: usize) -> bool {
        [&self.bids, &self.asks]
            .into_iter()
            .all(|side| side.edge.is_none() || side.levels.len() >= depth)
    }
}

impl Side {
    fn of(side: BookSide, levels: &[Level]) -> Result<Self, UpstreamError> {
        let mut ranked = BTreeMap::new();
        for level in levels {
            ranked.insert(ranked_at(side, level)?, level.clone());
        }
        let is_cut = levels.len() >= LADDER_DEPTH as usize;
        let edge = ranked.keys().next_back().copied().filter(|_| is_cut);
        Ok(Self { levels: ranked, edge })
    }

    /// The best levels, each with its rank.
    pub(super) fn top(&self, depth: usize) -> impl Iterator<Item = (Decimal, &Level)> {
        self.levels.iter().take(depth).map(|(rank, level)| (*rank, level))
    }

    fn apply(
        &mut self,
        side: BookSide,
        rows: &[&RawValue],
    ) -> Result<Option<Decimal>, UpstreamError> {
        let mut touched: Option<Decimal> = None;
        for row in rows {
            let (price, amount) = wire::level(row)?;
            let is_gone = amount.is_zero();
            // A level may stand for hours and would keep the message as long.
            let level = Level { price, amount, raw: Raw::copy_of(row) };
            let rank = ranked_at(side, &level)?;
            if self.edge.is_some_and(|edge| rank > edge) {
                continue;
            }
            if is_gone {
                self.levels.remove(&rank);
            } else {
                self.levels.insert(rank, level);
            }
            touched = Some(touched.map_or(rank, |best| best.min(rank)));
        }
        while self.levels.len() > MOST_LEVELS {
            self.levels.pop_last();
            self.edge = self.levels.keys().next_back().copied();
        }
        Ok(touched)
    }
}

fn ranked_at(side: BookSide, level: &Level) -> Result<Decimal, UpstreamError> {
    rank(side, level).ok_or_else(|| invalid("book", "a price beyond 28 digits"))
}
