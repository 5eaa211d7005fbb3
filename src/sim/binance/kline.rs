//! Klines: candles with every bucket since the first trade.

use crate::{
    market::{Timeframe, UnixMs},
    sim::engine::Bar,
};

use super::tape::{HOUR, Trade, View};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const MONDAY: i64 = 4 * DAY;

/// The width of a kline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) name: &'static str,
    /// Milliseconds; 0 for a month.
    width: i64,
}

const fn interval(name: &'static str, width: i64) -> Interval {
    Interval { name, width }
}

const INTERVALS: [Interval; 16] = [
    interval("1s", SECOND),
    interval("1m", MINUTE),
    interval("3m", 3 * MINUTE),
    interval("5m", 5 * MINUTE),
    interval("15m", 15 * MINUTE),
    interval("30m", 30 * MINUTE),
    interval("1h", HOUR),
    interval("2h", 2 * HOUR),
    interval("4h", 4 * HOUR),
    interval("6h", 6 * HOUR),
    interval("8h", 8 * HOUR),
    interval("12h", 12 * HOUR),
    interval("1d", DAY),
    interval("3d", 3 * DAY),
    interval("1w", 7 * DAY),
    interval("1M", 0),
];

impl Interval {
    /// By name; letter case matters: `1m` is a minute and `1M` a month.
    pub(super) fn parse(name: &str) -> Option<Self> {
        INTERVALS.into_iter().find(|one| one.name == name)
    }

    /// How often a stream tells of an unfinished kline, milliseconds
    /// (binance-spot-api-docs, web-socket-streams.md, 2026-07).
    pub(super) const fn pace(self) -> i64 {
        if self.width == SECOND { SECOND } else { 2 * SECOND }
    }

    /// The opening time of the bucket that `ms` lies in.
    pub(super) fn start_of(self, ms: i64) -> i64 {
        match self.width {
            0 => Timeframe::Month.start_of(UnixMs::from_millis(ms)).millis(),
            week if week == 7 * DAY => ms - (ms - MONDAY).rem_euclid(week),
            width => ms - ms.rem_euclid(width),
        }
    }

    /// The first instant after the bucket that opens at `start`.
    pub(super) fn end_of(self, start: i64) -> i64 {
        match self.width {
            0 => Timeframe::Month.end_of(UnixMs::from_millis(start)).millis(),
            width => start + width,
        }
    }
}

/// A bucket and what was traded in it; flat where nothing was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kline {
    /// The last instant of the bucket.
    pub(super) close_time: i64,
    pub(super) bar: Bar,
}

/// Which klines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Opening times at or after this.
    pub(super) start: Option<i64>,
    /// Opening times at or before this.
    pub(super) end: Option<i64>,
    /// How many at most: the oldest if there is a start, else the newest.
    pub(super) limit: usize,
}

impl View<'_> {
    /// Klines, oldest first; the one that is not closed yet among them.
    pub(super) fn klines(&self, interval: Interval, range: Range) -> Vec<Kline> {
        let Some(first) = self.first_since(i64::MIN) else { return Vec::new() };
        let oldest = interval.start_of(first.ms);
        let newest = interval.start_of(range.end.unwrap_or(i64::MAX).min(self.now.millis()));
        let mut opens = Vec::new();
        match range.start {
            Some(start) => {
                // Not aligned: begins with the next bucket (recorded 2020).
                let start = start.max(oldest);
                let bucket = interval.start_of(start);
                let mut open = if bucket < start { interval.end_of(bucket) } else { bucket };
                while open <= newest && opens.len() < range.limit {
                    opens.push(open);
                    open = interval.end_of(open);
                }
            }
            None => {
                let mut open = newest;
                while open >= oldest && opens.len() < range.limit {
                    opens.push(open);
                    open = interval.start_of(open - 1);
                }
                opens.reverse();
            }
        }
        let (Some(&from), Some(&last)) = (opens.first(), opens.last()) else { return Vec::new() };
        let bars = self.bars(interval, from, last);
        self.filled(interval, &opens, &bars)
    }

    /// The kline that opens at `open`.
    pub(super) fn kline(&self, interval: Interval, open: i64) -> Option<Kline> {
        self.klines(interval, Range { start: Some(open), end: Some(open), limit: 1 }).pop()
    }

    /// The buckets in which something was traded, of those that open within two times.
    fn bars(&self, interval: Interval, from: i64, last: i64) -> Vec<Bar> {
        if interval.width == SECOND {
            return self.seconds(from, last);
        }
        let instrument = self.quoted.instrument();
        let bucket = |ms| interval.start_of(ms);
        let bars = self.quoted.engine.bars(instrument, &bucket, [from, last], self.now);
        bars.into_iter().map(|bar| self.quote(bar)).collect()
    }

    /// A bar of the engine at the exchange's prices.
    fn quote(&self, bar: Bar) -> Bar {
        Bar {
            open: self.price(bar.open),
            high: self.price(bar.high),
            low: self.price(bar.low),
            close: self.price(bar.close),
            turnover: self.quoted.exact(bar.turnover),
            bought_turnover: self.quoted.exact(bar.bought_turnover),
            ..bar
        }
    }

    fn seconds(&self, from: i64, last: i64) -> Vec<Bar> {
        let end = last + SECOND - 1;
        let wanted = |trade: &Trade| (from..=end).contains(&trade.ms);
        let mut bars: Vec<Bar> = Vec::new();
        for trade in self.oldest(usize::MAX, from, end, Self::hour, wanted) {
            let start = trade.ms - trade.ms.rem_euclid(SECOND);
            if bars.last().is_none_or(|bar| bar.start != start) {
                bars.push(Bar::flat(start, trade.price));
            }
            let Some(bar) = bars.last_mut() else { continue };
            let (turnover, bought) = (trade.amount * trade.price, !trade.buyer_is_maker);
            bar.close = trade.price;
            bar.high = bar.high.max(trade.price);
            bar.low = bar.low.min(trade.price);
            bar.volume += trade.amount;
            bar.turnover += turnover;
            bar.trades += 1;
            bar.bought += if bought { trade.amount } else { 0.0 };
            bar.bought_turnover += if bought { turnover } else { 0.0 };
        }
        bars
    }

    /// Binance has no gaps: a bucket without trades stands at the price before it (believed; its
    /// documentation does not say).
    fn filled(&self, interval: Interval, opens: &[i64], bars: &[Bar]) -> Vec<Kline> {
        let before = opens.first().map_or(i64::MIN, |open| open - 1);
        let mut price = self.last_until(before).map(|trade| trade.price);
        let mut bars = bars.iter().peekable();
        let mut out = Vec::with_capacity(opens.len());
        for &start in opens {
            let bar = match (bars.next_if(|bar| bar.start == start), price) {
                (Some(bar), _) => *bar,
                (None, Some(price)) => Bar::flat(start, price),
                (None, None) => continue,
            };
            price = Some(bar.close);
            out.push(Kline { close_time: interval.end_of(start) - 1, bar });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_where_the_calendar_says() {
        let ms = 1_795_360_452_345; // 2026-11-22 14:34:12.345, a Sunday
        let start = |name| Interval::parse(name).unwrap().start_of(ms);
        assert_eq!(start("1s"), 1_795_360_452_000);
        assert_eq!(start("1m"), 1_795_360_440_000);
        assert_eq!(start("8h"), 1_795_334_400_000);
        assert_eq!(start("1w"), 1_794_787_200_000);
        assert_eq!(start("1M"), 1_793_491_200_000);
        assert_eq!(Interval::parse("1M").unwrap().end_of(start("1M")), 1_796_083_200_000);
        assert_eq!(Interval::parse("1H"), None);
    }
}
