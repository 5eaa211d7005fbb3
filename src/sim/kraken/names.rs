//! Pairs and assets, each with the names that Kraken has for it.

use std::collections::{BTreeMap, HashMap};

use crate::sim::{
    engine::MarketEngine,
    listing::{Market, markets},
};

/// A pair under its names.
pub(super) struct Pair {
    pub(super) market: Market,
    /// `XXBTZUSD`, `XBTUSDT`: what answers are keyed by.
    pub(super) id: String,
    /// `XBTUSD`.
    pub(super) altname: String,
    /// `XBT/USD`: the name on the first version's WebSocket.
    pub(super) wsname: String,
    /// `BTC/USD`: the name on the second's.
    pub(super) symbol: String,
    /// Ids of its assets.
    pub(super) base: String,
    pub(super) quote: String,
}

/// What is listed, in order of its ids.
pub(super) struct Pairs {
    pub(super) all: Vec<Pair>,
    by_name: HashMap<String, usize>,
    by_symbol: HashMap<String, usize>,
    /// Asset ids with their alternative names.
    pub(super) assets: BTreeMap<String, String>,
}

const QUOTES: [&str; 8] = ["USD", "USDT", "USDC", "EUR", "GBP", "JPY", "BTC", "ETH"];

impl Pairs {
    pub(super) fn new(engine: &MarketEngine, basis: f64) -> Self {
        let listed = markets(engine, basis).into_iter();
        let listed = listed.filter(|market| QUOTES.contains(&market.quote.as_str()));
        let mut all: Vec<Pair> = listed.map(Pair::new).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        let mut by_name = HashMap::new();
        let mut by_symbol = HashMap::new();
        let mut assets = BTreeMap::new();
        for (place, pair) in all.iter().enumerate() {
            for name in [&pair.id, &pair.altname, &pair.wsname] {
                by_name.insert(name.clone(), place);
            }
            by_symbol.insert(pair.symbol.clone(), place);
            for (id, code) in [(&pair.base, &pair.market.base), (&pair.quote, &pair.market.quote)] {
                assets.insert(id.clone(), altname(code).to_owned());
            }
        }
        Self { all, by_name, by_symbol, assets }
    }

    /// By id, alternative name or the WebSocket's first.
    pub(super) fn find(&self, name: &str) -> Option<&Pair> {
        self.by_name.get(name).map(|&place| &self.all[place])
    }

    /// By the name of the second version's WebSocket, and no other.
    pub(super) fn place_of(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied()
    }
}

impl Pair {
    fn new(market: Market) -> Self {
        let (base, quote) = (altname(&market.base), altname(&market.quote));
        let [base_id, quote_id] = [base, quote].map(asset);
        let altname = format!("{base}{quote}");
        // Pairs younger than the prefixes are named without them, as XBTUSDT and XDGUSD.
        let old = base_id != base && quote_id != quote && (base != "XDG" || quote == "XBT");
        let id = if old { format!("{base_id}{quote_id}") } else { altname.clone() };
        Self {
            id,
            altname,
            wsname: format!("{base}/{quote}"),
            symbol: format!("{}/{}", market.base, market.quote),
            base: base_id,
            quote: quote_id,
            market,
        }
    }

    /// A few pairs are being closed.
    pub(super) fn status(&self) -> &'static str {
        if self.market.base == "RRT" { "cancel_only" } else { "online" }
    }
}

fn altname(code: &str) -> &str {
    match code {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// The id of an asset: the oldest have a prefix, X for coins and Z for money.
fn asset(altname: &str) -> String {
    const COINS: [&str; 11] =
        ["XBT", "ETH", "ETC", "LTC", "MLN", "REP", "XDG", "XLM", "XMR", "XRP", "ZEC"];
    const MONEY: [&str; 6] = ["USD", "EUR", "GBP", "AUD", "CAD", "JPY"];
    if COINS.contains(&altname) {
        format!("X{altname}")
    } else if MONEY.contains(&altname) {
        format!("Z{altname}")
    } else {
        altname.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::UnixMs;

    #[test]
    fn each_pair_has_the_names_that_kraken_gave_it() {
        let now = UnixMs::from_millis(1_795_360_452_345);
        let engine = MarketEngine::new(1, UnixMs::from_millis(1_790_000_000_000), now);
        let pairs = Pairs::new(&engine, 0.0);
        let names = |symbol: &str| {
            let pair = &pairs.all[pairs.place_of(symbol).unwrap()];
            [&pair.id, &pair.altname, &pair.wsname, &pair.base, &pair.quote].map(String::as_str)
        };
        assert_eq!(names("BTC/USD"), ["XXBTZUSD", "XBTUSD", "XBT/USD", "XXBT", "ZUSD"]);
        assert_eq!(names("BTC/USDT"), ["XBTUSDT", "XBTUSDT", "XBT/USDT", "XXBT", "USDT"]);
        assert_eq!(names("DOGE/USD"), ["XDGUSD", "XDGUSD", "XDG/USD", "XXDG", "ZUSD"]);
        assert_eq!(names("ETH/BTC"), ["XETHXXBT", "ETHXBT", "ETH/XBT", "XETH", "XXBT"]);
        assert_eq!(names("XTZ/USD"), ["XTZUSD", "XTZUSD", "XTZ/USD", "XTZ", "ZUSD"]);
        assert!(pairs.place_of("XBT/USD").is_none(), "the second version refuses it");
        for name in ["XXBTZUSD", "XBTUSD", "XBT/USD"] {
            assert_eq!(pairs.find(name).unwrap().symbol, "BTC/USD");
        }
        assert!(pairs.find("BTCUSD").is_none());
        assert_eq!(pairs.assets["XXBT"], "XBT");
    }
}
