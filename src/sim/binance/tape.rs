//! Trades with Binance's numbers.

use crate::{
    market::UnixMs,
    sim::{
        engine::{MarketEngine, SimTrade, Window},
        listing::Quoted,
    },
};

use super::listing::Listed;

pub(super) const HOUR: i64 = 3_600_000;
/// 2013-01-01, before any simulated trade.
const EPOCH: i64 = 1_356_998_400_000;
/// Ids of an hour: more than it can have trades.
const IDS: i64 = 4096;

/// A trade. Ids count up by one within an hour and leap at its end, so that the number of a trade
/// is known without counting all those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trade {
    pub(super) id: i64,
    pub(super) ms: i64,
    pub(super) price: f64,
    pub(super) amount: f64,
    /// The taker sold.
    pub(super) buyer_is_maker: bool,
}

/// The fills of one order at one price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) id: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// `id` is that of the aggregate, `amount` the sum.
    pub(super) trade: Trade,
}

/// A market at one time.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) listed: &'a Listed,
    pub(super) quoted: Quoted<'a>,
    pub(super) now: UnixMs,
}

impl<'a> View<'a> {
    pub(super) fn new(engine: &'a MarketEngine, listed: &'a Listed, now: UnixMs) -> Self {
        Self { listed, quoted: Quoted { engine, market: &listed.market, now }, now }
    }

    /// The exchange's price for one of the engine's.
    pub(super) fn price(&self, engines: f64) -> f64 {
        self.quoted.price(engines).value()
    }

    fn engines(&self, window: Window) -> Vec<SimTrade> {
        self.quoted.engine.trades(self.quoted.instrument(), window, self.now)
    }

    /// Trades of the hour that `ms` lies in, oldest first.
    pub(super) fn hour(&self, ms: i64) -> Vec<Trade> {
        let start = ms - ms.rem_euclid(HOUR);
        let end = start + HOUR - 1;
        let window = Window { start, end, limit: usize::MAX, ascending: true };
        let trades = self.engines(window);
        let base = (start - EPOCH).div_euclid(HOUR) * IDS;
        let number = |(n, trade): (i64, &SimTrade)| Trade {
            id: base + n,
            ms: trade.ms,
            price: self.price(trade.price),
            amount: trade.amount.abs(),
            buyer_is_maker: trade.amount < 0.0,
        };
        (0..).zip(&trades).map(number).collect()
    }

    /// The first trade at or after `ms`.
    pub(super) fn first_since(&self, ms: i64) -> Option<Trade> {
        let window = Window { start: ms, end: i64::MAX, limit: 1, ascending: true };
        let found = *self.engines(window).first()?;
        self.hour(found.ms).into_iter().find(|trade| trade.ms >= ms)
    }

    /// The last trade at or before `ms`.
    pub(super) fn last_until(&self, ms: i64) -> Option<Trade> {
        let window = Window { start: i64::MIN, end: ms, limit: 1, ascending: false };
        let found = *self.engines(window).first()?;
        self.hour(found.ms).into_iter().rfind(|trade| trade.ms <= ms)
    }

    /// The newest `limit` rows that `rows` makes of the hours up to `until`, oldest first.
    pub(super) fn newest<T>(
        &self,
        limit: usize,
        until: i64,
        rows: impl Fn(&Self, i64) -> Vec<T>,
    ) -> Vec<T> {
        let mut hours = Vec::new();
        let mut count = 0;
        let mut next = until.min(self.now.millis());
        while count < limit {
            // Hours in which nothing was traded are leapt over.
            let window = Window { start: i64::MIN, end: next, limit: 1, ascending: false };
            let found = self.engines(window);
            let Some(newest) = found.first() else { break };
            let of_hour = rows(self, newest.ms);
            count += of_hour.len();
            hours.push(of_hour);
            next = newest.ms - newest.ms.rem_euclid(HOUR) - 1;
        }
        let all: Vec<T> = hours.into_iter().rev().flatten().collect();
        let surplus = all.len().saturating_sub(limit);
        all.into_iter().skip(surplus).collect()
    }

    /// The first `limit` rows that `rows` makes of the hours from `since` to `until` and that are
    /// `wanted`, oldest first.
    pub(super) fn oldest<T>(
        &self,
        limit: usize,
        since: i64,
        until: i64,
        rows: impl Fn(&Self, i64) -> Vec<T>,
        wanted: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let mut out = Vec::new();
        let mut next = since;
        while out.len() < limit {
            let window = Window { start: next, end: until, limit: 1, ascending: true };
            let found = self.engines(window);
            let Some(oldest) = found.first() else { break };
            out.extend(rows(self, oldest.ms).into_iter().filter(&wanted));
            next = oldest.ms - oldest.ms.rem_euclid(HOUR) + HOUR;
        }
        out.truncate(limit);
        out
    }

    /// Aggregates of the hour that `ms` lies in, oldest first.
    pub(super) fn aggregates(&self, ms: i64) -> Vec<Aggregate> {
        aggregate(&self.hour(ms))
    }
}

/// The hour that an id belongs to.
pub(super) fn hour_of(id: i64) -> i64 {
    EPOCH + id.div_euclid(IDS).clamp(0, 1_000_000) * HOUR
}

/// Trades of one hour, gathered.
pub(super) fn aggregate(trades: &[Trade]) -> Vec<Aggregate> {
    let mut out: Vec<Aggregate> = Vec::new();
    for trade in trades {
        let same = |one: &&mut Aggregate| {
            let one = &one.trade;
            one.ms == trade.ms
                && one.price == trade.price
                && one.buyer_is_maker == trade.buyer_is_maker
        };
        if let Some(one) = out.last_mut().filter(same) {
            one.last = trade.id;
            one.trade.amount += trade.amount;
            continue;
        }
        let id = trade.id.div_euclid(IDS) * IDS + i64::try_from(out.len()).unwrap_or(i64::MAX);
        let (first, last) = (trade.id, trade.id);
        out.push(Aggregate { id, first, last, trade: *trade });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(id: i64, ms: i64, price: f64, buyer_is_maker: bool) -> Trade {
        Trade { id, ms, price, amount: 0.5, buyer_is_maker }
    }

    #[test]
    fn fills_of_one_order_at_one_price_are_one_aggregate() {
        let start = 7 * IDS;
        let trades = [
            trade(start, 5, 10.0, true),
            trade(start + 1, 5, 10.0, true),
            trade(start + 2, 5, 9.0, true),
            trade(start + 3, 6, 9.0, true),
            trade(start + 4, 6, 9.0, false),
        ];
        let found: Vec<_> = aggregate(&trades)
            .iter()
            .map(|one| (one.id - start, one.first - start, one.last - start, one.trade.amount))
            .collect();
        assert_eq!(found, [(0, 0, 1, 1.0), (1, 2, 2, 0.5), (2, 3, 3, 0.5), (3, 4, 4, 0.5)]);
        assert_eq!(hour_of(start + 4), EPOCH + 7 * HOUR);
    }
}
