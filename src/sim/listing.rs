//! The market as an exchange other than Bitfinex lists and prints it: common codes, numbers of a
//! fixed number of decimals, and prices near the engine's but not equal to them.

use crate::market::UnixMs;

use super::{
    decimal::Decimal,
    engine::{Bar, BookLevel, Instrument, InstrumentKind, MarketEngine, SimTrade, Window},
};

/// Decimals of amounts.
pub(super) const AMOUNT_PLACES: u32 = 8;
/// More than the engine's five significant digits, so that its prices stay apart.
const SIGNIFICANT: i32 = 6;
const MOST_PLACES: i32 = 10;
pub(super) const DAY_MS: i64 = 86_400_000;

/// A spot pair of the engine under common codes.
#[derive(Clone, Debug)]
pub(super) struct Market {
    /// The engine's name.
    pub(super) symbol: String,
    /// What is bought and sold: `BTC`.
    pub(super) base: String,
    /// What is paid: `USDT`.
    pub(super) quote: String,
    /// Decimals of prices.
    pub(super) places: u32,
    /// The smallest order, base units.
    pub(super) min_order: f64,
    factor: f64,
}

/// All spot pairs of the engine, in its order. `basis`: by how much the exchange's prices differ, as
/// a fraction.
pub(super) fn markets(engine: &MarketEngine, basis: f64) -> Vec<Market> {
    let spot = engine.instruments().iter().filter(|one| one.kind() == InstrumentKind::Spot);
    spot.map(|one| {
        let magnitude = one.usual_price().log10().floor() as i32;
        Market {
            symbol: one.symbol().to_owned(),
            base: common(one.base()).to_owned(),
            quote: common(one.quote()).to_owned(),
            places: (SIGNIFICANT - 1 - magnitude).clamp(1, MOST_PLACES).cast_unsigned(),
            min_order: one.min_order(),
            factor: 1.0 + basis,
        }
    })
    .collect()
}

/// The code that other exchanges use for one of Bitfinex's.
fn common(code: &str) -> &str {
    match code {
        "ALG" => "ALGO",
        "ATO" => "ATOM",
        "DSH" => "DASH",
        "EUT" => "EURT",
        "IOT" => "IOTA",
        "MNA" => "MANA",
        "OMN" => "OMNI",
        "OPX" => "OP",
        "QTM" => "QTUM",
        "UDC" => "USDC",
        "UST" => "USDT",
        "WAX" => "WAXP",
        "WBT" => "WBTC",
        "WHBT" => "WBT",
        other => other,
    }
}

/// One price of a book and what stands at it; nothing if it has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) price: Decimal,
    pub(super) amount: Decimal,
}

/// Both sides of a book, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

impl Depth {
    /// What turns `before` into this, bids and then asks: the new amount at a price, zero where
    /// nothing is left.
    pub(super) fn changes_from(&self, before: &Self) -> [Vec<Level>; 2] {
        let sides = [(&before.bids, &self.bids), (&before.asks, &self.asks)];
        sides.map(|(before, after)| {
            let at = |levels: &[Level], price: Decimal| {
                levels.iter().find(|level| level.price == price).copied()
            };
            let gone = before.iter().filter(|level| at(after, level.price).is_none());
            let nothing = Decimal::of(0.0, AMOUNT_PLACES);
            let gone = gone.map(|level| Level { amount: nothing, ..*level });
            let new = after.iter().filter(|level| at(before, level.price) != Some(**level));
            gone.chain(new.copied()).collect()
        })
    }

    /// The same with a wrong amount at the best bid.
    pub(super) fn corrupt(&self) -> Self {
        let mut wrong = self.clone();
        if let Some(best) = wrong.bids.first_mut() {
            best.amount.units += 50_000_000;
        }
        wrong
    }
}

/// A trade as it is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Deal {
    pub(super) id: i64,
    pub(super) ms: i64,
    pub(super) price: Decimal,
    pub(super) amount: Decimal,
    /// The taker bought.
    pub(super) bought: bool,
}

/// A market of an exchange at one time.
#[derive(Clone, Copy)]
pub(super) struct Quoted<'a> {
    pub(super) engine: &'a MarketEngine,
    pub(super) market: &'a Market,
    pub(super) now: UnixMs,
}

impl<'a> Quoted<'a> {
    pub(super) fn instrument(&self) -> &'a Instrument {
        let found = self.engine.find(&self.market.symbol);
        found.expect("a market is made of an instrument, and none is delisted")
    }

    /// The exchange's price for one of the engine's.
    pub(super) fn price(&self, engines: f64) -> Decimal {
        Decimal::of(engines * self.market.factor, self.market.places)
    }

    /// The exchange's price for one of the engine's, unrounded: of means and sums.
    pub(super) fn exact(&self, engines: f64) -> f64 {
        engines * self.market.factor
    }

    /// The best `len` levels a side. The book stands still within each second.
    pub(super) fn depth(&self, len: usize) -> Depth {
        let [bids, asks] = self.engine.levels(self.instrument(), self.now, 5, len);
        let side = |levels: &[BookLevel], round: fn(f64, u32) -> Decimal| {
            let mut side: Vec<Level> = Vec::with_capacity(levels.len());
            for level in levels {
                let price = round(level.price * self.market.factor, self.market.places);
                let amount = Decimal::of(level.amount, AMOUNT_PLACES);
                match side.last_mut().filter(|last| last.price == price) {
                    Some(last) => last.amount.units += amount.units,
                    None => side.push(Level { price, amount }),
                }
            }
            side
        };
        // Outwards, so that it is not crossed.
        Depth { bids: side(&bids, Decimal::below), asks: side(&asks, Decimal::above) }
    }

    pub(super) fn deal(&self, trade: &SimTrade) -> Deal {
        Deal {
            id: trade.id,
            ms: trade.ms,
            price: self.price(trade.price),
            amount: Decimal::of(trade.amount.abs(), AMOUNT_PLACES),
            bought: trade.amount > 0.0,
        }
    }

    /// Trades in the window's order.
    pub(super) fn trades(&self, window: Window) -> Vec<Deal> {
        let trades = self.engine.trades(self.instrument(), window, self.now);
        trades.iter().map(|trade| self.deal(trade)).collect()
    }

    /// Buckets of `width` milliseconds since the epoch in which something traded and that open
    /// within `start..=end`, oldest first.
    pub(super) fn bars(&self, width: i64, start: i64, end: i64) -> Vec<Bar> {
        let bucket = |ms: i64| ms - ms.rem_euclid(width);
        self.engine.bars(self.instrument(), &bucket, [start, end], self.now)
    }

    /// Everything since a time; `None` if nothing traded.
    pub(super) fn since(&self, ms: i64) -> Option<Bar> {
        self.engine.traded(self.instrument(), ms, self.now.millis())
    }

    /// The last 24 hours; where nothing traded, a flat bar at the last price.
    pub(super) fn day(&self) -> Bar {
        let since = self.now.millis() - DAY_MS;
        self.since(since).unwrap_or_else(|| Bar::flat(since, self.last()))
    }

    /// The engine's last price, or the middle of the book where nothing ever traded.
    pub(super) fn last(&self) -> f64 {
        let instrument = self.instrument();
        self.engine.last_price(instrument, self.now).unwrap_or_else(|| instrument.usual_price())
    }

    /// The engine's last price before `ms`.
    pub(super) fn last_before(&self, ms: i64) -> Option<f64> {
        self.engine.last_price(self.instrument(), UnixMs::from_millis(ms - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: f64, amount: f64) -> Level {
        Level { price: Decimal::of(price, 1), amount: Decimal::of(amount, AMOUNT_PLACES) }
    }

    #[test]
    fn changes_are_removals_and_then_what_is_new() {
        let before = Depth { bids: vec![level(10.0, 1.0), level(9.0, 2.0)], asks: Vec::new() };
        let after = Depth { bids: vec![level(9.0, 3.0)], asks: vec![level(11.0, 1.0)] };
        let [bids, asks] = after.changes_from(&before);
        assert_eq!(bids, [level(10.0, 0.0), level(9.0, 3.0)]);
        assert_eq!(asks, [level(11.0, 1.0)]);
        assert_eq!(after.changes_from(&after), [vec![], vec![]]);
        assert_eq!(after.corrupt().bids, [level(9.0, 3.5)]);
    }

    #[test]
    fn an_exchange_has_prices_of_its_own_near_the_engines() {
        let now = UnixMs::from_millis(1_795_360_452_345);
        let engine = MarketEngine::new(3, UnixMs::from_millis(1_790_000_000_000), now);
        let listed = markets(&engine, 0.000_3);
        let market = listed.iter().find(|one| one.base == "BTC" && one.quote == "USDT").unwrap();
        assert_eq!((market.symbol.as_str(), market.places), ("tBTCUST", 1));
        let quoted = Quoted { engine: &engine, market, now };
        let [ours, theirs] = [quoted.price(quoted.last()).value(), quoted.last()];
        assert!((ours / theirs - 1.000_3).abs() < 1e-5, "{ours} {theirs}");
        let depth = quoted.depth(25);
        assert!(depth.bids[0].price < depth.asks[0].price);
        assert_eq!((depth.bids.len(), depth.asks.len()), (25, 25));
        assert!(depth.bids.is_sorted_by(|a, b| a.price > b.price));
        assert!(depth.asks.is_sorted_by(|a, b| a.price < b.price));
        let day = quoted.day();
        assert_eq!(day.close, quoted.last());
        let minutes = quoted.bars(60_000, now.millis() - DAY_MS, now.millis());
        let hours = quoted.bars(3_600_000, now.millis() - DAY_MS, now.millis());
        assert_eq!(minutes.last().unwrap().close, hours.last().unwrap().close);
        assert!(minutes.len() > 400, "{}", minutes.len());
        assert_eq!(hours.len(), 24);
        let deals = quoted.trades(Window::newest(50));
        assert_eq!(deals[0].price, quoted.price(day.close));
    }
}
