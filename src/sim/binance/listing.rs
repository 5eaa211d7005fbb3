//! Which of the simulated market's pairs Binance lists, under which names.

use std::collections::HashMap;

use crate::sim::{
    engine::MarketEngine,
    listing::{Market, markets},
};

/// Quotes that it has.
const QUOTES: [&str; 5] = ["USDT", "USDC", "BTC", "ETH", "EUR"];

/// By how much its prices differ from the engine's, as a fraction.
const BASIS: f64 = 0.000_15;

/// The most decimals that it prints.
const MOST_PLACES: u32 = 8;

/// Listed but not traded at present.
const HALTED: &[&str] = &["LUNAUSDT", "SPELLUSDT"];
/// Traded, but not on the spot market.
const NOT_SPOT: &[&str] = &["SGBUSDT"];

/// A pair.
#[derive(Debug)]
pub(super) struct Listed {
    /// `BTCUSDT`.
    pub(super) symbol: String,
    /// The market behind it, its quote's code being that of this pair.
    pub(super) market: Market,
    /// Its place in the list, from 1.
    pub(super) number: i64,
}

impl Listed {
    /// `TRADING` or `BREAK`.
    pub(super) fn status(&self) -> &'static str {
        if HALTED.contains(&self.symbol.as_str()) { "BREAK" } else { "TRADING" }
    }

    /// True if it is traded on the spot market.
    pub(super) fn is_spot(&self) -> bool {
        !NOT_SPOT.contains(&self.symbol.as_str())
    }
}

/// Every pair, in order of listing.
#[derive(Debug)]
pub(super) struct Listing {
    pairs: Vec<Listed>,
    by_symbol: HashMap<String, usize>,
}

impl Listing {
    /// Binance has Tether where the market has dollars: what stands against Tether here is the busier
    /// market against the dollar there, if there is one.
    pub(super) fn new(engine: &MarketEngine) -> Self {
        let mut listing = Self { pairs: Vec::new(), by_symbol: HashMap::new() };
        let all = markets(engine, BASIS);
        let against_dollar = |base: &str| {
            let mut all = all.iter();
            all.any(|market| market.base == base && market.quote == "USD")
        };
        for market in &all {
            let base = market.base.as_str();
            match market.quote.as_str() {
                "USD" if base != "USDT" => listing.push(market, "USDT"),
                "USDT" if against_dollar(base) => {}
                quote if QUOTES.contains(&quote) => listing.push(market, quote),
                _ => {}
            }
        }
        listing
    }

    fn push(&mut self, market: &Market, quote: &str) {
        let symbol = format!("{}{quote}", market.base);
        self.by_symbol.insert(symbol.clone(), self.pairs.len());
        let mut market = market.clone();
        market.places = market.places.min(MOST_PLACES);
        quote.clone_into(&mut market.quote);
        let number = i64::try_from(self.pairs.len()).unwrap_or(i64::MAX) + 1;
        self.pairs.push(Listed { symbol, market, number });
    }

    pub(super) fn all(&self) -> &[Listed] {
        &self.pairs
    }

    /// By name; letter case matters.
    pub(super) fn find(&self, symbol: &str) -> Option<&Listed> {
        self.place(symbol).map(|place| &self.pairs[place])
    }

    /// Where a name stands in [`Listing::all`].
    pub(super) fn place(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::UnixMs;

    const NOW: UnixMs = UnixMs::from_millis(1_795_360_452_345);

    #[test]
    fn pairs_have_the_names_that_the_world_knows() {
        let engine = MarketEngine::new(1, NOW, NOW);
        let listing = Listing::new(&engine);
        for (symbol, base, quote, market) in [
            ("BTCUSDT", "BTC", "USDT", "tBTCUSD"),
            ("ETHBTC", "ETH", "BTC", "tETHBTC"),
            ("ALGOUSDT", "ALGO", "USDT", "tALGUSD"),
            ("DOGEUSDT", "DOGE", "USDT", "tDOGE:USD"),
            ("EURUSDT", "EUR", "USDT", "tEURUST"),
            ("USDCUSDT", "USDC", "USDT", "tUDCUSD"),
        ] {
            let listed = listing.find(symbol).unwrap_or_else(|| panic!("{symbol} is missing"));
            let found = &listed.market;
            assert_eq!((found.base.as_str(), found.quote.as_str()), (base, quote));
            assert_eq!(found.symbol, market);
        }
        assert_eq!(listing.by_symbol.len(), listing.pairs.len(), "no name is listed twice");
        assert!(listing.find("BTCUSD").is_none() && listing.find("USDTUSDT").is_none());
        assert!(listing.find("btcusdt").is_none());
        for odd in HALTED.iter().chain(NOT_SPOT) {
            assert!(listing.find(odd).is_some(), "{odd}");
        }
        assert_eq!(listing.find("PEPEUSDT").unwrap().market.places, 8);
    }
}
