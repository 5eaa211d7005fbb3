use super::*;
use crate::registry::Registry;

const PAIRS: &str = r#"{
 "XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT\/USD","base":"XXBT","quote":"ZUSD","pair_decimals":1,
   "lot_decimals":8,"leverage_buy":[2,3],"ordermin":"0.00005","tick_size":"0.1","status":"online"},
 "XXBTZUSD.d":{"altname":"XBTUSD.d","wsname":"XBT/USD"},
 "XETHXXBT":{"altname":"ETHXBT","wsname":"ETH/XBT","pair_decimals":5,"lot_decimals":8,
   "leverage_buy":[],"status":"online"},
 "XDGUSD":{"altname":"XDGUSD","wsname":"XDG/USD","status":"online"},
 "XTZUSD":{"altname":"XTZUSD","wsname":"XTZ/USD","status":"online"},
 "LUNAUSD":{"altname":"LUNAUSD","wsname":"LUNA/USD","status":"online"},
 "LUNA2USD":{"altname":"LUNA2USD","wsname":"LUNA2/USD","status":"online"},
 "USTUSD":{"altname":"USTUSD","wsname":"UST/USD","status":"online"},
 "NEWUSD":{"altname":"NEWUSD","wsname":"NEW/USD","status":"limit_only"},
 "HALTUSD":{"altname":"HALTUSD","wsname":"HALT/USD","status":"cancel_only"},
 "NAMELESS":{"altname":"NAMELESS","status":"online"},
 "BTNL:XBTUSD":{"altname":"x","wsname":"QQQ/USD","status":"online"},
 "A&B":{"altname":"x","wsname":"A/B","status":"online"}
}"#;

fn listed() -> Vec<Listing> {
    markets(&Bytes::from_static(PAIRS.as_bytes())).unwrap()
}

#[test]
fn pairs_become_markets_by_the_name_that_tells_their_currencies() {
    let listings = listed();
    let names: Vec<_> = listings
        .iter()
        .map(|one| (one.symbol.as_str(), one.id.as_str(), one.listed_as.as_deref().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("BTC/USD", "BTC/USD", "XXBTZUSD"),
            ("ETH/BTC", "ETH/BTC", "XETHXXBT"),
            ("DOGE/USD", "DOGE/USD", "XDGUSD"),
            ("XTZ/USD", "XTZ/USD", "XTZUSD"),
            ("LUNC/USD", "LUNA/USD", "LUNAUSD"),
            ("LUNA/USD", "LUNA2/USD", "LUNA2USD"),
            ("USTC/USD", "UST/USD", "USTUSD"),
            ("NEW/USD", "NEW/USD", "NEWUSD"),
        ]
    );
    let bitcoin = &listings[0];
    assert_eq!((bitcoin.base.as_str(), bitcoin.quote.as_str()), ("BTC", "USD"));
    assert_eq!(
        (bitcoin.margin, listings[1].margin, listings[2].margin),
        (Some(true), Some(false), None)
    );
    let text =
        |number: &Option<Number>| number.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(text(&bitcoin.amount.min), "0.00005");
    assert_eq!(
        (text(&bitcoin.amount_step), text(&bitcoin.price_step)),
        ("0.00000001".into(), "0.1".into())
    );
    assert_eq!(bitcoin.amount_decimals, Some(8));
    // Lists of 2021 have decimals alone.
    assert_eq!(text(&listings[1].price_step), "0.00001");
    assert_eq!(listings[2].amount_step, None);
    assert_eq!(bitcoin.aliases, ["XBT/USD"]);
    assert_eq!(listings[1].aliases, ["ETH/XBT"]);
}

#[test]
fn every_spelling_finds_its_market() {
    let registry = Registry::new(listed());
    for (text, id) in [
        ("BTC/USD", "BTC/USD"),
        ("xbt-usd", "BTC/USD"),
        ("XBTUSD", "BTC/USD"),
        ("btcusd", "BTC/USD"),
        ("XXBTZUSD", "BTC/USD"),
        ("eth_xbt", "ETH/BTC"),
        ("XDG/USD", "DOGE/USD"),
        ("DOGEUSD", "DOGE/USD"),
        // What others call LUNA is not what is listed so here.
        ("LUNA/USD", "LUNA2/USD"),
        ("LUNC/USD", "LUNA/USD"),
        ("LUNA2USD", "LUNA2/USD"),
        ("UST/USD", "UST/USD"),
        ("USTCUSD", "UST/USD"),
    ] {
        assert_eq!(registry.resolve(text).map(|found| found.id.as_str()), Ok(id), "{text}");
    }
    for text in ["HALT/USD", "QQQ/USD", "A/B", "TZ/USD"] {
        assert!(registry.resolve(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_list_is_refused() {
    for bad in ["{}", "[]", "null", r#"{"A":1}"#, r#"{"A":{"wsname":1}}"#, r#"{"A":{"#, "\u{1}"] {
        let error = markets(&Bytes::from(bad)).unwrap_err();
        assert_eq!(error.label(), "invalid", "{bad}");
    }
    // Decimals beyond every number are none.
    let odd = r#"{"AB":{"wsname":"A/B","pair_decimals":99,"lot_decimals":4000000000}}"#;
    let odd = markets(&Bytes::from(odd)).unwrap();
    assert_eq!((&odd[0].price_step, &odd[0].amount_step), (&None, &None));
}
