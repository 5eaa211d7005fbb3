use proptest::prelude::*;

use super::*;

const CONF: &str = r#"[
  ["BTCUSD","BTCUST","DSHUSD","DOGE:USD","WBTUSD","WHBT:USD","XAUT:BTC","TESTBTC:TESTUSD","OPX:USD","ODDPAIR","bad:USD","BTC:USD"],
  ["BTCUSD","BTCUST"],
  ["BTCF0:USTF0","ALGF0:USTF0","XAUTF0:BTCF0","TESTBTCF0:TESTUSDTF0","BTCUSD"],
  ["TITAN1:USD","BTCUSD"],
  [["UST","USDt"],["USTF0","USDt"],["DSH","DASH"],["ALG","ALGO"],["WBT","WBTC"],["WHBT","WBT"],["XAUT","XAUt"],["OPX","OP"]],
  [["BTCUSD",[null,null,null,"0.00004","2000.0",null,null,null,0.2,0.1,null,null]],["DSHUSD",[null,null,null,"0.02",null]],["XAUT:BTC",null]],
  [["BTCF0:USTF0",[null,null,null,"0.00008","100.0",null,null,null,0.01,0.005],"more"]]
]"#;

fn listed(text: &str) -> MarketList {
    markets(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn of<'a>(list: &'a MarketList, id: &str) -> &'a Listing {
    list.listings.iter().find(|listing| listing.id == id).unwrap()
}

#[test]
fn names_are_the_exchanges_own() {
    let list = listed(CONF);
    let names: Vec<_> = list
        .listings
        .iter()
        .map(|l| format!("{} {} {}", l.id, l.symbol, l.aliases.join(" ")))
        .collect();
    assert_eq!(
        names.iter().map(|name| name.trim_end()).collect::<Vec<_>>(),
        [
            "tBTCUSD BTC/USD",
            "tBTCUST BTC/USDT BTC/UST",
            "tDSHUSD DASH/USD DSH/USD",
            "tDOGE:USD DOGE/USD",
            // WBT is the name of another currency, so it is no alias here.
            "tWBTUSD WBTC/USD",
            "tWHBT:USD WBT/USD WHBT/USD",
            "tXAUT:BTC XAUT/BTC",
            "tTESTBTC:TESTUSD TESTBTC/TESTUSD",
            "tOPX:USD OP/USD OPX/USD",
            "tTITAN1:USD TITAN1/USD",
            "tBTCF0:USTF0 BTC/USDT:USDT BTC/UST:UST BTCF0/USTF0",
            "tALGF0:USTF0 ALGO/USDT:USDT ALGO/UST:UST ALG/USDT:USDT ALG/UST:UST ALGF0/USTF0",
            "tXAUTF0:BTCF0 XAUT/BTC:BTC XAUTF0/BTCF0",
            "tTESTBTCF0:TESTUSDTF0 TESTBTC/TESTUSDT:TESTUSDT TESTBTCF0/TESTUSDTF0",
        ]
    );
    let swap = of(&list, "tBTCF0:USTF0");
    assert_eq!((swap.kind, swap.settle.as_deref()), (Kind::Swap, Some("USDT")));
    assert_eq!((swap.base.as_str(), swap.quote.as_str()), ("BTC", "USDT"));
}

#[test]
fn sizes_and_margin_come_from_the_other_documents() {
    let list = listed(CONF);
    let bitcoin = of(&list, "tBTCUSD");
    assert_eq!(bitcoin.margin, Some(true));
    assert_eq!(bitcoin.amount.min.as_ref().unwrap().as_str(), "0.00004");
    assert_eq!(bitcoin.amount.max.as_ref().unwrap().as_str(), "2000.0");
    assert_eq!((bitcoin.amount_decimals, bitcoin.price_significant_digits), (Some(8), Some(5)));
    let dash = of(&list, "tDSHUSD");
    assert_eq!((dash.margin, dash.amount.max.is_none()), (Some(false), true));
    assert_eq!(of(&list, "tXAUT:BTC").amount, Bound::default());
    assert_eq!(of(&list, "tBTCF0:USTF0").amount.max.as_ref().unwrap().as_str(), "100.0");
}

#[test]
fn documents_are_the_elements() {
    let list = listed(CONF);
    let keys: Vec<_> = list.documents.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, CONF_KEYS);
    assert_eq!(list.documents[1].1, r#"["BTCUSD","BTCUST"]"#);
    for (_, document) in &list.documents {
        serde_json::from_slice::<serde_json::Value>(document).unwrap();
    }
}

#[test]
fn a_name_is_never_given_twice() {
    // OP is listed itself, so OPX keeps its own code; so do both that would be called USDT.
    let conf = r#"[["OPX:USD","OP:BTC","BTCUST","BTC:USTX"],null,[],null,
        [["OPX","OP"],["UST","USDt"],["USTX","USDT"]],null,null]"#;
    let list = listed(conf);
    let symbols: Vec<_> = list.listings.iter().map(|listing| listing.symbol.as_str()).collect();
    assert_eq!(symbols, ["OPX/USD", "OP/BTC", "BTC/UST", "BTC/USTX"]);
    assert!(list.listings.iter().all(|listing| listing.aliases.is_empty()));
}

#[test]
fn margin_and_sizes_may_be_missing() {
    for conf in [r#"[["BTCUSD"],null,[],null,[],null,null]"#, r#"[["BTCUSD"],null,[],null,[]]"#] {
        let list = listed(conf);
        assert_eq!(list.listings.len(), 1);
        assert_eq!((list.listings[0].margin, &list.listings[0].amount), (None, &Bound::default()));
    }
}

#[test]
fn the_lists_may_not() {
    for (conf, expected) in [
        ("[null,null,[],null,[]]", "pub:list:pair:exchange: missing"),
        ("[[],null,[],null,[]]", "pub:list:pair:exchange: empty"),
        ("[[\"BTCUSD\"],null,null,null,[]]", "pub:list:pair:futures: missing"),
        ("[[\"BTCUSD\"],null,[],null,null]", "pub:map:currency:sym: missing"),
        ("[[\"BTCUSD\"]]", "pub:list:pair:futures: missing"),
        ("[[1],null,[],null,[]]", "invalid type"),
        ("[[\"BTCUSD\"],null,[],null,[],[[\"BTCUSD\"]]]", "row too short"),
        ("{}", "expected a sequence"),
    ] {
        let error = markets(&Bytes::copy_from_slice(conf.as_bytes())).unwrap_err();
        assert!(error.to_string().contains(expected), "{conf}: {error}");
    }
}

proptest! {
    #[test]
    fn no_mutation_makes_it_panic(at in any::<prop::sample::Index>(), text in "[\\[\\]\",:0-9nul]{0,4}") {
        let mut conf = CONF.to_owned();
        let at = at.index(conf.len());
        conf.replace_range(at..=at, &text);
        if let Ok(list) = markets(&Bytes::from(conf)) {
            let symbols: HashSet<_> = list.listings.iter().map(|l| l.symbol.clone()).collect();
            prop_assert_eq!(symbols.len(), list.listings.len());
        }
    }
}
