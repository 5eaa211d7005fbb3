//! What the simulated exchange would have said at a moment, compared with what was served.

use serde_json::Value;
use tidegate::{
    market::{Timeframe, UnixMs},
    sim::{
        MarketEngine,
        engine::{BookLevel, Window},
    },
};

/// Levels of a context's book.
const LEVELS: usize = 20;

/// A part of a market context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Ohlcv,
    Ticker,
    Orderbook,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Ohlcv, Self::Ticker, Self::Orderbook];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ohlcv => "ohlcv",
            Self::Ticker => "ticker",
            Self::Orderbook => "orderbook",
        }
    }

    /// The part of a context, in numbers.
    pub(crate) fn served(self, context: &Value) -> Vec<Vec<f64>> {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let row = |row: &Value, names: &[&str]| names.iter().map(|it| number(&row[it])).collect();
        let rows = |list: &Value| list.as_array().cloned().unwrap_or_default();
        match self {
            Self::Ohlcv => {
                let names = ["timestamp", "open", "high", "low", "close", "volume"];
                rows(&context["ohlcv_data"]).iter().map(|bar| row(bar, &names)).collect()
            }
            Self::Ticker => {
                let names = ["bid", "ask", "last", "change", "high", "low", "baseVolume"];
                vec![row(&context["ticker"], &names)]
            }
            Self::Orderbook => {
                let side = |name: &str| {
                    let levels = rows(&context["orderbook"][name]);
                    levels.iter().flat_map(rows).map(|it| number(&it)).collect()
                };
                vec![side("bids"), side("asks")]
            }
        }
    }

    /// The same as the exchange would have said it at `at`.
    pub(crate) fn true_at(self, engine: &MarketEngine, id: &str, at: UnixMs) -> Vec<Vec<f64>> {
        let market = engine.find(id).expect("a listed market");
        match self {
            Self::Ohlcv => {
                let window = Window::newest(100);
                let mut bars = engine.candles(market, Timeframe::M1, &(0..=0), window, at);
                bars.reverse();
                let row = |bar: &tidegate::sim::engine::Bar| {
                    vec![bar.start as f64, bar.open, bar.high, bar.low, bar.close, bar.volume]
                };
                bars.iter().map(row).collect()
            }
            Self::Ticker => {
                let it = engine.ticker(market, at);
                vec![vec![it.bid, it.ask, it.last, it.change, it.high, it.low, it.volume]]
            }
            Self::Orderbook => {
                let side = |levels: &[BookLevel]| {
                    levels
                        .iter()
                        .take(LEVELS)
                        .flat_map(|level| [level.price, level.amount])
                        .collect()
                };
                engine.book(market, at).levels(5, 25).iter().map(|levels| side(levels)).collect()
            }
        }
    }
}

/// True if two parts have the same numbers. The JSON parser may miss one by its last bit.
pub(crate) fn same(served: &[Vec<f64>], truth: &[Vec<f64>]) -> bool {
    let number = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs();
    let row = |(a, b): (&Vec<f64>, &Vec<f64>)| a.len() == b.len() && a.iter().zip(b).all(number);
    served.len() == truth.len() && served.iter().zip(truth).all(row)
}
