//! What of a book has been told to one topic.

use std::{cmp::Ordering, sync::Arc};

use rust_decimal::Decimal;

use super::ladder::{Ladder, Side};
use crate::{
    exchange::{Data, Event, Output, Topic},
    market::{BookSide, Change, Changes, Level},
};

/// The best levels of a book, as many as a topic has.
#[derive(Debug)]
pub(super) struct View {
    pub(super) topic: Arc<Topic>,
    pub(super) depth: usize,
    /// What has been told of bids and asks; `None`: nothing that still counts.
    told: Option<[Vec<(Decimal, Level)>; 2]>,
}

impl View {
    pub(super) fn new(topic: Arc<Topic>, depth: u32) -> Self {
        Self { topic, depth: usize::try_from(depth).unwrap_or(usize::MAX), told: None }
    }

    /// True if what was told is still to be believed.
    pub(super) fn is_live(&self) -> bool {
        self.told.is_some()
    }

    /// What was told counts no more.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }

    /// Tells what is new in the book, of which nothing better than the ranks `touched` has
    /// changed; all of it where nothing counts that was told.
    pub(super) fn tell(
        &mut self,
        ladder: &Ladder,
        touched: [Option<Decimal>; 2],
        out: &mut Vec<Output>,
    ) {
        let sides = [(BookSide::Bid, &ladder.bids), (BookSide::Ask, &ladder.asks)];
        let Some(told) = &mut self.told else {
            let tops = sides.map(|(_, side)| self.top(side));
            let mut levels = Vec::with_capacity(tops[0].len() + tops[1].len());
            for ((side, _), top) in sides.iter().zip(&tops) {
                levels.extend(top.iter().map(|(_, level)| set(*side, level)));
            }
            self.told = Some(tops);
            let data = Data::Book(levels);
            out.push(Output::Tell(Event::Data(Arc::clone(&self.topic), data)));
            return;
        };
        let mut changes = Changes::new();
        for (((side, levels), touched), told) in sides.into_iter().zip(touched).zip(told) {
            let beyond = |touched: Decimal| {
                told.len() >= self.depth && told.last().is_some_and(|(worst, _)| touched > *worst)
            };
            if touched.is_none_or(beyond) {
                continue;
            }
            let now: Vec<_> =
                levels.top(self.depth).map(|(rank, level)| (rank, level.clone())).collect();
            let before = changes.len();
            compare(side, told, &now, &mut changes);
            if changes.len() > before {
                *told = now;
            }
        }
        if !changes.is_empty() {
            // Nobody is to see a level more than there are.
            changes.sort_by_key(|change| change.amount.is_some());
            let data = Data::Levels(changes);
            out.push(Output::Tell(Event::Data(Arc::clone(&self.topic), data)));
        }
        out.push(Output::Tell(Event::Sound(Arc::clone(&self.topic))));
    }

    fn top(&self, side: &Side) -> Vec<(Decimal, Level)> {
        side.top(self.depth).map(|(rank, level)| (rank, level.clone())).collect()
    }
}

fn set(side: BookSide, level: &Level) -> Change {
    let Level { price, amount, raw } = level.clone();
    Change { side, price, number: 0, amount: Some(amount), raw }
}

/// What makes `now` of `told`, both best first.
fn compare(
    side: BookSide,
    told: &[(Decimal, Level)],
    now: &[(Decimal, Level)],
    changes: &mut Changes,
) {
    let (mut told, mut now) = (told.iter().peekable(), now.iter().peekable());
    loop {
        let order = match (told.peek(), now.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        match order {
            Ordering::Less => {
                let gone = told.next().map(|(_, level)| set(side, level));
                changes.extend(gone.map(|level| Change { amount: None, ..level }));
            }
            Ordering::Greater => changes.extend(now.next().map(|(_, level)| set(side, level))),
            Ordering::Equal => {
                let (old, new) = (told.next(), now.next());
                let is_news = |(old, new): &(&Level, &Level)| {
                    (&old.amount, &old.price) != (&new.amount, &new.price)
                };
                let pair = old.zip(new).map(|((_, old), (_, new))| (old, new));
                changes.extend(pair.filter(is_news).map(|(_, level)| set(side, level)));
            }
        }
    }
}
