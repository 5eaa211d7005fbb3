use super::*;
use crate::market::{Bound, Kind};

fn spot(id: &str, base: &str, quote: &str, aliases: &[&str]) -> Listing {
    Listing {
        symbol: Symbol::spot(base, quote),
        id: id.into(),
        base: base.into(),
        quote: quote.into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: aliases.iter().map(|alias| CompactString::from(*alias)).collect(),
    }
}

fn swap(id: &str, base: &str, quote: &str, aliases: &[&str]) -> Listing {
    let symbol = Symbol::swap(base, quote, quote);
    Listing {
        symbol,
        kind: Kind::Swap,
        settle: Some(quote.into()),
        ..spot(id, base, quote, aliases)
    }
}

fn registry() -> Registry {
    Registry::new(vec![
        spot("tBTCUSD", "BTC", "USD", &[]),
        spot("tLTCUSD", "LTC", "USD", &[]),
        spot("tETHUSD", "ETH", "USD", &[]),
        spot("tBTCUST", "BTC", "USDT", &["BTC/UST"]),
        spot("tBTCEUR", "BTC", "EUR", &[]),
        spot("tDSHUSD", "DASH", "USD", &["DSH/USD"]),
        spot("tDOGE:USD", "DOGE", "USD", &[]),
        spot("tWBTUSD", "WBTC", "USD", &[]),
        spot("tWHBT:USD", "WBT", "USD", &["WHBT/USD"]),
        spot("tAB:CDE", "AB", "CDE", &[]),
        spot("tABC:DE", "ABC", "DE", &[]),
        spot("tTRXUSD", "TRX", "USD", &[]),
        spot("tTETH:USD", "TETH", "USD", &[]),
        spot("tLEOUST", "LEO-EOS", "USDT", &["LEO/USDT"]),
        swap("tBTCF0:USTF0", "BTC", "USDT", &["BTC/UST:UST", "BTCF0/USTF0"]),
    ])
}

fn symbol(registry: &Registry, text: &str) -> Result<String, Vec<String>> {
    match registry.resolve(text) {
        Ok(listing) => Ok(listing.symbol.to_string()),
        Err(unknown) => {
            assert!(text.starts_with(&unknown.asked));
            Err(unknown.suggestions.iter().map(ToString::to_string).collect())
        }
    }
}

#[test]
fn every_spelling_names_its_market() {
    let registry = registry();
    for (texts, expected) in [
        (
            &["BTC/USD", "BTC-USD", "BTC_USD", "BTC:USD", "BTCUSD", "tBTCUSD", "TBTCUSD"][..],
            "BTC/USD",
        ),
        (
            &[
                "BTC/USDT", "BTC-USDT", "BTC_USDT", "BTCUSDT", "BTC/UST", "BTC-UST", "BTCUST",
                "tBTCUST",
            ],
            "BTC/USDT",
        ),
        (
            &["BTC/USDT:USDT", "BTC-USDT-USDT", "BTC/UST:UST", "BTCF0/USTF0", "BTCF0:USTF0"],
            "BTC/USDT:USDT",
        ),
        (&["tBTCF0:USTF0", "BTCF0-USTF0", "BTCF0USTF0"], "BTC/USDT:USDT"),
        (&["DASH/USD", "DASHUSD", "DSHUSD", "DSH-USD", "tDSHUSD"], "DASH/USD"),
        (&["DOGE/USD", "DOGE:USD", "DOGEUSD", "tDOGE:USD", "tDOGEUSD", "tdogeusd"], "DOGE/USD"),
        (&["WBTC/USD", "WBTC-USD", "WBTCUSD", "tWBTUSD", "TWBTUSD"], "WBTC/USD"),
        (&["WBT/USD", "WBT-USD", "WBT:USD", "WHBT/USD", "WHBTUSD", "tWHBT:USD"], "WBT/USD"),
        (&["AB/CDE", "tAB:CDE"], "AB/CDE"),
        (&["LEO-EOS/USDT", "LEO_EOS_USDT", "LEO/USDT", "tLEOUST"], "LEO-EOS/USDT"),
    ] {
        for text in texts {
            for text in [(*text).to_owned(), text.to_lowercase(), mixed(text)] {
                assert_eq!(symbol(&registry, &text).as_deref(), Ok(expected), "{text}");
            }
        }
    }
}

fn mixed(text: &str) -> String {
    let upper = |(at, c): (usize, char)| if at % 2 == 0 { c } else { c.to_ascii_lowercase() };
    text.chars().enumerate().map(upper).collect()
}

#[test]
fn what_fits_two_markets_names_neither() {
    let registry = registry();
    let both = |a: &str, b: &str| Err(vec![a.to_owned(), b.to_owned()]);
    assert_eq!(symbol(&registry, "abcde"), both("AB/CDE", "ABC/DE"));
    // The exchange's pair WBTUSD is WBTC/USD, while the unified WBT/USD is another market.
    assert_eq!(symbol(&registry, "WBTUSD"), both("WBTC/USD", "WBT/USD"));
    // In its own case it is an id, in another it may as well be a pair of codes.
    assert_eq!(symbol(&registry, "tETHUSD").as_deref(), Ok("ETH/USD"));
    assert_eq!(symbol(&registry, "TETHUSD"), both("ETH/USD", "TETH/USD"));
}

#[test]
fn nothing_is_guessed() {
    let registry = registry();
    for text in [
        "",
        "/",
        "BT/CUSD",
        "BTC/",
        "/USD",
        "tBTC/USD",
        "TBTC/USD",
        "BTC//USD",
        " BTC/USD",
        "BTC USD",
        "USD/BTC",
        "tBTCUSDT",
        "BTC/UsdT:",
        "fUSD",
        "ＢＴＣ/USD",
        "BTC/USD\0",
    ] {
        assert!(symbol(&registry, text).is_err(), "{text}");
    }
}

#[test]
fn near_names_are_suggested() {
    let registry = registry();
    let err = |symbols: &[&str]| Err(symbols.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    assert_eq!(symbol(&registry, "DOEG/USD"), err(&["DOGE/USD"]));
    assert_eq!(symbol(&registry, "BTC/JPY"), err(&["BTC/USD", "BTC/USDT", "BTC/EUR"]));
    assert_eq!(symbol(&registry, "BTCXYZ"), err(&["BTC/USD", "BTC/USDT", "BTC/EUR"]));
    assert_eq!(symbol(&registry, "ETH/USDD").unwrap_err()[0], "ETH/USD");
    assert_eq!(symbol(&registry, "QQQQQQQQ"), err(&[]));
}

#[test]
fn long_texts_are_cut_and_compared_with_nothing() {
    let registry = registry();
    let text = "BTC/".to_owned() + &"USD".repeat(1000);
    let unknown = registry.resolve(&text).unwrap_err();
    assert_eq!((unknown.asked.len(), unknown.suggestions.len()), (40, 0));
    let unknown = registry.resolve(&"é".repeat(100)).unwrap_err();
    assert_eq!(unknown.asked.chars().count(), 40);
}

#[test]
fn exact_lookups_are_exact() {
    let registry = registry();
    assert_eq!(registry.by_id("tDOGE:USD").unwrap().symbol.as_str(), "DOGE/USD");
    assert!(registry.by_id("TDOGE:USD").is_none());
    assert!(registry.by_id("DOGE:USD").is_none());
    let listing = registry.by_symbol(&Symbol::spot("WBT", "USD")).unwrap();
    assert_eq!(listing.id, "tWHBT:USD");
    assert_eq!(registry.all().len(), 15);
    assert_eq!(registry.all()[0].id, "tBTCUSD");
}

#[test]
fn of_two_listings_with_one_symbol_the_first_counts() {
    let twice = vec![spot("tAAABBB", "AAA", "BBB", &[]), spot("tAAA:BBB", "AAA", "BBB", &[])];
    let registry = Registry::new(twice);
    assert_eq!(registry.resolve("AAA/BBB").unwrap().id, "tAAABBB");
    assert_eq!(registry.resolve("tAAA:BBB").unwrap().id, "tAAA:BBB");
}

proptest::proptest! {
    #[test]
    fn any_text_is_known_or_refused(text in "\\PC{0,60}") {
        let registry = registry();
        if let Err(unknown) = registry.resolve(&text) {
            proptest::prop_assert!(unknown.suggestions.len() <= 3);
            proptest::prop_assert!(unknown.asked.chars().count() <= 40);
        }
    }
}

/// Of two markets that are one to the exchange, the names made of their id mean the first.
#[test]
fn a_shared_id_names_the_first_of_its_bearers() {
    let alias =
        Listing { listed_as: Some("BTC-USDC".into()), ..spot("BTC-USD", "BTC", "USDC", &[]) };
    let registry = Registry::new(vec![spot("BTC-USD", "BTC", "USD", &[]), alias]);
    for (text, symbol) in [
        ("BTCUSD", "BTC/USD"),
        ("btc-usd", "BTC/USD"),
        ("BTC-USD", "BTC/USD"),
        ("btcusdc", "BTC/USDC"),
        ("BTC-USDC", "BTC/USDC"),
    ] {
        assert_eq!(registry.resolve(text).unwrap().symbol.as_str(), symbol, "{text}");
    }
}
