//! Candles: trades gathered into buckets.

use std::ops::RangeInclusive;

use crate::market::{Timeframe, UnixMs};

use super::{
    Instrument, MarketEngine, SimTrade,
    trades::{HOUR, MINUTE},
};

/// The trades of one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Opening time of the bucket, Unix milliseconds.
    pub start: i64,
    /// Price of the first trade.
    pub open: f64,
    /// Price of the last trade.
    pub close: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Sum of the amounts, base units.
    pub volume: f64,
    /// Sum of amount times price.
    pub turnover: f64,
    /// How many trades there were.
    pub trades: u32,
    /// The part of the volume in which the taker bought.
    pub bought: f64,
    /// The part of the turnover in which the taker bought.
    pub bought_turnover: f64,
}

impl Bar {
    fn of(start: i64, trade: &SimTrade) -> Self {
        let (price, volume, bought) = (trade.price, trade.amount.abs(), trade.amount.max(0.0));
        Self {
            volume,
            turnover: volume * price,
            trades: 1,
            bought,
            bought_turnover: bought * price,
            ..Self::flat(start, price)
        }
    }

    /// A bucket in which nothing traded, at the price before it.
    pub(crate) const fn flat(start: i64, price: f64) -> Self {
        Self {
            start,
            open: price,
            close: price,
            high: price,
            low: price,
            volume: 0.0,
            turnover: 0.0,
            trades: 0,
            bought: 0.0,
            bought_turnover: 0.0,
        }
    }

    /// Adds what came after.
    pub(super) fn append(&mut self, later: &Self) {
        self.close = later.close;
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.volume += later.volume;
        self.turnover += later.turnover;
        self.trades += later.trades;
        self.bought += later.bought;
        self.bought_turnover += later.bought_turnover;
    }
}

/// Gathers bars in ascending order into the buckets that `bucket` names.
pub(super) fn gather(bars: impl IntoIterator<Item = Bar>, bucket: impl Fn(i64) -> i64) -> Vec<Bar> {
    let mut out: Vec<Bar> = Vec::new();
    for bar in bars {
        let start = bucket(bar.start);
        match out.last_mut() {
            Some(last) if last.start == start => last.append(&bar),
            _ => out.push(Bar { start, ..bar }),
        }
    }
    out
}

/// Which rows of a history are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows at or after this time, Unix milliseconds.
    pub start: i64,
    /// Rows at or before this time, Unix milliseconds.
    pub end: i64,
    /// How many at most, from the first in order.
    pub limit: usize,
    /// Oldest first, so that `limit` cuts off the newest; else the reverse.
    pub ascending: bool,
}

impl Window {
    /// The newest `limit` rows, newest first.
    pub fn newest(limit: usize) -> Self {
        Self { start: i64::MIN, end: i64::MAX, limit, ascending: false }
    }

    /// Collects rows chunk by chunk in the window's order until there are enough. `rows` yields a
    /// chunk's rows in ascending order; `time` is what the window compares.
    pub(super) fn collect<T>(
        &self,
        chunks: impl DoubleEndedIterator<Item = i64>,
        mut rows: impl FnMut(i64) -> Vec<T>,
        time: impl Fn(&T) -> i64,
    ) -> Vec<T> {
        let mut out = Vec::new();
        let wanted = |row: &T| (self.start..=self.end).contains(&time(row));
        if self.ascending {
            for chunk in chunks {
                out.extend(rows(chunk).into_iter().filter(wanted));
                if out.len() >= self.limit {
                    break;
                }
            }
        } else {
            for chunk in chunks.rev() {
                out.extend(rows(chunk).into_iter().rev().filter(wanted));
                if out.len() >= self.limit {
                    break;
                }
            }
        }
        out.truncate(self.limit);
        out
    }
}

impl MarketEngine {
    /// Candles as they stand at `now`: every bucket in which something traded, the newest one
    /// unfinished. For funding only trades of `periods` count; others have none, so any range does.
    pub fn candles(
        &self,
        instrument: &Instrument,
        width: Timeframe,
        periods: &RangeInclusive<u32>,
        window: Window,
        now: UnixMs,
    ) -> Vec<Bar> {
        let now = now.millis();
        let bucket = |ms| width.start_of(UnixMs::from_millis(ms)).millis();
        // Hours are what is remembered, so a chunk is an hour or a whole bucket.
        let chunk = width.max(Timeframe::H1);
        let chunk_of = |ms| chunk.start_of(UnixMs::from_millis(ms)).millis();
        let chunk_end = |start| chunk.end_of(UnixMs::from_millis(start)).millis();
        let first = chunk_of(window.start.max(instrument.listed));
        let last = window.end.min(now);
        let mut chunks = Vec::new();
        let mut start = first;
        while start <= last {
            chunks.push(start);
            start = chunk_end(start);
        }
        let rows = |start| {
            let hours = (start..chunk_end(start)).step_by(HOUR as usize);
            let hours = hours.filter(|&hour| hour <= now && hour + HOUR > instrument.listed);
            if width < Timeframe::H1 || instrument.is_funding() {
                let minutes = hours.flat_map(|hour| self.minutes(instrument, hour, now, periods));
                gather(minutes, bucket)
            } else {
                gather(hours.filter_map(|hour| self.hour(instrument, hour, now)), bucket)
            }
        };
        window.collect(chunks.into_iter(), rows, |bar: &Bar| bar.start)
    }

    /// Buckets of any kind in which something traded and that open within `opening`, oldest first;
    /// `bucket` tells in which one a time is. They are of minutes that divide an hour, or of hours.
    pub(crate) fn bars(
        &self,
        instrument: &Instrument,
        bucket: &dyn Fn(i64) -> i64,
        opening: [i64; 2],
        now: UnixMs,
    ) -> Vec<Bar> {
        let ([start, end], now) = (opening, now.millis());
        let first = start.max(bucket(instrument.listed));
        let edge = first - first.rem_euclid(HOUR);
        // A bucket that opens at the end goes on behind it.
        let hours = (edge..=now).step_by(HOUR as usize).take_while(|&hour| bucket(hour) <= end);
        let narrow = bucket(edge) != bucket(edge + HOUR - MINUTE);
        let mut bars = if narrow {
            let every = 0..=0;
            let minutes = hours.flat_map(|hour| self.minutes(instrument, hour, now, &every));
            gather(minutes, bucket)
        } else {
            gather(hours.filter_map(|hour| self.hour(instrument, hour, now)), bucket)
        };
        bars.retain(|bar| (start..=end).contains(&bar.start));
        bars
    }

    fn minutes(
        &self,
        instrument: &Instrument,
        hour: i64,
        now: i64,
        periods: &RangeInclusive<u32>,
    ) -> Vec<Bar> {
        if self.known_empty(instrument, hour, now) {
            return Vec::new();
        }
        let mut trades = Vec::new();
        instrument.trades_of_hour(hour, now, &mut trades);
        if instrument.is_funding() {
            trades.retain(|trade| periods.contains(&trade.period));
        }
        minute_bars(&trades)
    }
}

/// Candles of a minute out of trades in ascending order.
pub(super) fn minute_bars(trades: &[SimTrade]) -> Vec<Bar> {
    let minute = |ms: i64| ms - ms.rem_euclid(MINUTE);
    gather(trades.iter().map(|trade| Bar::of(trade.ms, trade)), minute)
}
