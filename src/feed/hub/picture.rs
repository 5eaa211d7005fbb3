//! What is known of a topic, and what a message makes of it.

use std::collections::VecDeque;

use super::{Gap, News, Shown};
use crate::{
    exchange::{Data, Report},
    market::{Book, Candle, Identity, Ladder, Raw, Ticker, Trade},
};

/// Trades that a snapshot shows.
const TRADES: usize = 100;
/// Candles that a snapshot shows.
const CANDLES: usize = 240;
/// More candles than this at once are told as a snapshot.
const CANDLES_AT_ONCE: usize = 8;

/// The state of a topic.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a topic")]
pub(super) enum Picture {
    /// Nothing is known yet.
    Blank,
    Ticker(Ticker),
    /// Oldest first, each with whether it is confirmed.
    Trades(VecDeque<(Trade, bool)>),
    Book(Ladder),
    /// Oldest first, each with whether it is final.
    Candles(VecDeque<(Candle, bool)>),
    Row(Raw),
}

/// What there is to be told after a message.
pub(super) type Told = Vec<News>;

impl Picture {
    /// An immutable copy; `None` while nothing is known.
    pub(super) fn shown(&self) -> Option<Shown> {
        match self {
            Self::Blank => None,
            Self::Ticker(ticker) => Some(Shown::Ticker(ticker.clone())),
            Self::Trades(trades) => {
                Some(Shown::Trades(trades.iter().map(|(trade, _)| trade.clone()).collect()))
            }
            Self::Book(ladder) => Some(Shown::Book(ladder.book())),
            Self::Candles(bars) => Some(Shown::Candles(bars.iter().cloned().collect())),
            Self::Row(row) => Some(Shown::Row(row.clone())),
        }
    }

    /// The book as it stands.
    pub(super) fn book(&self) -> Option<Book> {
        match self {
            Self::Book(ladder) => Some(ladder.book()),
            _ => None,
        }
    }

    /// Takes in what a message says; `identity` is that of the topic's levels.
    pub(super) fn take(&mut self, data: &Data, identity: Identity) -> Told {
        match data {
            Data::Ticker(ticker) => {
                let first = matches!(self, Self::Blank);
                *self = Self::Ticker(ticker.clone());
                if first { self.snapshot() } else { vec![News::Ticker(ticker.clone())] }
            }
            Data::Row(row) => {
                let first = matches!(self, Self::Blank);
                *self = Self::Row(row.clone());
                if first { self.snapshot() } else { vec![News::Row(row.clone())] }
            }
            Data::Book(levels) => match Ladder::of(identity, levels) {
                Ok(ladder) => {
                    *self = Self::Book(ladder);
                    self.snapshot()
                }
                Err(_) => Vec::new(),
            },
            Data::Levels(changes) => {
                let Self::Book(ladder) = self else { return Vec::new() };
                // The session has made the same changes to a book of its own.
                let made = changes.iter().all(|change| ladder.apply(change).is_ok());
                if made { vec![News::Levels(changes.clone())] } else { Vec::new() }
            }
            Data::Trades(trades) => self.trades(trades),
            Data::Trade(trade, report) => self.trade(trade, *report),
            Data::Candles(candles) => self.candles(candles),
            Data::Candle(candle) => self.candle(candle),
        }
    }

    /// Candles of the past, in between or before those that are known.
    pub(super) fn fill(&mut self, candles: &[Candle]) -> Told {
        let Self::Candles(bars) = self else { return Vec::new() };
        let newest = bars.back().map(|(bar, _)| bar.open_time);
        let past = candles.iter().filter(|candle| newest.is_none_or(|it| candle.open_time < it));
        for candle in past {
            upsert(bars, candle.clone(), true);
        }
        trim(bars, CANDLES);
        self.snapshot()
    }

    /// Marks the newest candle as final.
    pub(super) fn close(&mut self) -> Told {
        match self {
            Self::Candles(bars) => match bars.back_mut() {
                Some((candle, closed @ false)) => {
                    *closed = true;
                    vec![News::Candle(candle.clone(), true)]
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn snapshot(&self) -> Told {
        self.shown().map(News::Snapshot).into_iter().collect()
    }

    fn trades(&mut self, trades: &[Trade]) -> Told {
        let known = match self {
            Self::Trades(known) => known.back().map(|(trade, _)| (trade.id, trade.at)),
            _ => None,
        };
        let anew = |told: Told, picture: &mut Self| {
            let mut newest: VecDeque<_> =
                trades.iter().map(|trade| (trade.clone(), true)).collect();
            trim(&mut newest, TRADES);
            *picture = Self::Trades(newest);
            told.into_iter().chain(picture.snapshot()).collect()
        };
        let Some((id, at)) = known else { return anew(Vec::new(), self) };
        let Some(first) = trades.first() else { return Vec::new() };
        if !trades.iter().any(|trade| trade.id == id) {
            let gap = Gap { after: at, before: first.at };
            return anew(vec![News::Gap(gap)], self);
        }
        // What the exchange lists is on its books.
        trades.iter().flat_map(|trade| self.trade(trade, Report::Confirmed)).collect()
    }

    /// Each trade is told once as executed and then once as confirmed.
    fn trade(&mut self, trade: &Trade, report: Report) -> Told {
        if matches!(self, Self::Blank) {
            *self = Self::Trades(VecDeque::new());
        }
        let Self::Trades(known) = self else { return Vec::new() };
        let mut told = Vec::new();
        if !known.iter().rev().any(|(other, _)| other.id == trade.id) {
            let key = (trade.at, trade.id);
            let place = known.partition_point(|(other, _)| (other.at, other.id) < key);
            // Older than all that is shown: long told, and forgotten since.
            if place == 0 && known.len() >= TRADES {
                return told;
            }
            known.insert(place, (trade.clone(), false));
            trim(known, TRADES);
            told.push(News::Trade(trade.clone(), Report::Executed));
        }
        let same = known.iter_mut().rev().find(|(other, _)| other.id == trade.id);
        if let (Report::Confirmed, Some((_, is_confirmed @ false))) = (report, same) {
            *is_confirmed = true;
            told.push(News::Trade(trade.clone(), report));
        }
        told
    }

    fn candles(&mut self, candles: &[Candle]) -> Told {
        let (Some(first), Self::Candles(bars)) = (candles.first(), &mut *self) else {
            let last = candles.len().saturating_sub(1);
            let mut bars: VecDeque<_> = candles.iter().cloned().enumerate().collect();
            trim(&mut bars, CANDLES);
            let bars = bars.into_iter().map(|(at, candle)| (candle, at < last)).collect();
            *self = Self::Candles(bars);
            return self.snapshot();
        };
        let newest = bars.back().map(|(bar, _)| bar.open_time);
        if let Some(newest) = newest
            && newest < first.open_time
        {
            let gap = Gap { after: newest, before: first.open_time };
            *self = Self::Blank;
            let told = self.candles(candles);
            return [News::Gap(gap)].into_iter().chain(told).collect();
        }
        let told: Told = candles.iter().flat_map(|candle| self.candle(candle)).collect();
        if told.len() > CANDLES_AT_ONCE { self.snapshot() } else { told }
    }

    /// A newer candle ends the one before it.
    fn candle(&mut self, candle: &Candle) -> Told {
        if matches!(self, Self::Blank) {
            *self = Self::Candles(VecDeque::new());
        }
        let Self::Candles(bars) = self else { return Vec::new() };
        let mut told = Vec::new();
        if let Some((last, closed @ false)) = bars.back_mut()
            && last.open_time < candle.open_time
        {
            *closed = true;
            told.push(News::Candle(last.clone(), true));
        }
        let newest = bars.back().map(|(bar, _)| bar.open_time);
        let closed = newest.is_some_and(|newest| candle.open_time < newest);
        if upsert(bars, candle.clone(), closed) {
            let closed = bars.iter().rev().find(|(bar, _)| bar.open_time == candle.open_time);
            told.push(News::Candle(candle.clone(), closed.is_some_and(|(_, closed)| *closed)));
        }
        trim(bars, CANDLES);
        told
    }
}

/// Puts a candle in its place; false if it stood there already, just as it is. One that was final
/// stays so.
fn upsert(bars: &mut VecDeque<(Candle, bool)>, candle: Candle, closed: bool) -> bool {
    let place = bars.partition_point(|(bar, _)| bar.open_time < candle.open_time);
    match bars.get_mut(place).filter(|(bar, _)| bar.open_time == candle.open_time) {
        Some((bar, was_closed)) => {
            let news = *bar != candle || (closed && !*was_closed);
            *bar = candle;
            *was_closed |= closed;
            news
        }
        None => {
            bars.insert(place, (candle, closed));
            true
        }
    }
}

fn trim<T>(rows: &mut VecDeque<T>, most: usize) {
    let surplus = rows.len().saturating_sub(most);
    rows.drain(..surplus);
}
