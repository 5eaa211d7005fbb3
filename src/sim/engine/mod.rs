//! The simulated market: a pure function of seed, symbol and time.
//!
//! A symbol's trades of any minute can be computed without those before it: a log price that
//! wanders as a sum of value noise, and a random number generator keyed by seed, symbol and minute.
//! Candles and tickers are counted from those trades; the book stands around the same path. Hence
//! any two views at one time agree, and equal seeds give equal bytes.

mod assets;
mod book;
mod candles;
mod instrument;
mod noise;
mod price;
#[cfg(test)]
mod tests;
mod ticker;
mod trades;

use moka::sync::Cache;

use crate::market::UnixMs;

pub(crate) use assets::{ALIASES, ASSETS, INDICES, SECURITIES};
pub use book::{BookLevel, Order, RawBook};
pub use candles::{Bar, Window};
pub use instrument::{Instrument, InstrumentKind};
pub use ticker::SimTicker;
pub use trades::SimTrade;

use instrument::Universe;
use trades::HOUR;

/// Hours whose bars are remembered: a year of a few symbols, or a day of all with room to spare.
const HOURS_REMEMBERED: u64 = 200_000;

/// The truth behind every answer of the simulated exchange.
///
/// All methods are pure in their arguments; what is remembered only saves work.
#[derive(Debug)]
pub struct MarketEngine {
    universe: Universe,
    hours: Cache<(u16, i64), Option<Bar>>,
}

impl MarketEngine {
    /// The market of a seed whose history begins at `listed_from`. A tenth of the quieter markets
    /// are listed between then and `start`.
    pub fn new(seed: u64, listed_from: UnixMs, start: UnixMs) -> Self {
        Self {
            universe: Universe::new(seed, listed_from.millis(), start.millis()),
            hours: Cache::new(HOURS_REMEMBERED),
        }
    }

    /// Everything listed, in order of listing, funding currencies last.
    pub fn instruments(&self) -> &[Instrument] {
        &self.universe.instruments
    }

    /// By the exchange's own name (`tBTCUSD`, `fUSD`); letter case matters.
    pub fn find(&self, symbol: &str) -> Option<&Instrument> {
        self.universe.find(symbol)
    }

    /// Trades up to `now`.
    pub fn trades(&self, instrument: &Instrument, window: Window, now: UnixMs) -> Vec<SimTrade> {
        let last = window.end.min(now.millis());
        let first = window.start.max(instrument.listed);
        let first = first - first.rem_euclid(HOUR);
        let count = (last - first).div_euclid(HOUR) + 1;
        let hours = (0..count.max(0)).map(|n| first + n * HOUR);
        let rows = |hour| {
            let mut trades = Vec::new();
            if !self.known_empty(instrument, hour, now.millis()) {
                instrument.trades_of_hour(hour, now.millis(), &mut trades);
            }
            trades
        };
        window.collect(hours, rows, |trade| trade.ms)
    }

    /// A figure that wanders around `around`, for statistics that no trade explains.
    pub(crate) fn level(&self, name: &str, around: f64, now: UnixMs) -> f64 {
        let waves = [noise::Wave::new(noise::named(self.universe.seed, name), 0.02, 1.0)];
        let path = noise::HourPath::new(&waves, around.ln(), now.millis());
        price::eight_decimals(path.price(now.millis()))
    }

    /// The bar of the hour that begins at `hour`, as it stands at `now`.
    fn hour(&self, instrument: &Instrument, hour: i64, now: i64) -> Option<Bar> {
        let compute = || {
            let mut trades = Vec::new();
            instrument.trades_of_hour(hour, now, &mut trades);
            candles::gather(candles::minute_bars(&trades), |_| hour).pop()
        };
        if hour + HOUR > now {
            return compute();
        }
        self.hours.get_with((instrument.index, hour), compute)
    }

    /// True if it is remembered that nothing traded in that hour.
    fn known_empty(&self, instrument: &Instrument, hour: i64, now: i64) -> bool {
        hour + HOUR <= now && self.hours.get(&(instrument.index, hour)) == Some(None)
    }
}

/// The `number`th random number of a seed, in [0, 1).
pub(crate) fn lot(seed: u64, number: u64) -> f64 {
    noise::unit(noise::mix(noise::mix(seed ^ 0x6c6f_7473) ^ number))
}
