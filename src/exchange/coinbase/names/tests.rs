use super::*;
use crate::registry::Registry;

/// A product as the exchange lists it, with what differs from the usual.
fn product(id: &str, alias: &str, further: &str) -> String {
    let (base, quote) = id.split_once('-').unwrap();
    format!(
        r#"{{"product_id":"{id}", "price":"1.5", "base_increment":"0.00000001", "quote_increment":"0.01",
        "base_min_size":"0.00000001", "base_max_size":"3400", "is_disabled":false, "cancel_only":false,
        "trading_disabled":false, "status":"online", "product_type":"SPOT", "alias":"{alias}",
        "alias_to":[], "base_currency_id":"{base}", "quote_currency_id":"{quote}",
        "fcm_trading_session_details":null, "price_increment":"0.1"{further}}}"#
    )
}

fn body(products: &[String]) -> Bytes {
    let (rows, count) = (products.join(","), products.len());
    Bytes::from(format!(
        r#"{{"products":[{rows}],"num_products":{count},"pagination":{{"prev_cursor":"","next_cursor":"","has_next":false,"has_prev":false}}}}"#
    ))
}

fn ids(list: &MarketList) -> Vec<(&str, &str, Option<&str>)> {
    list.listings
        .iter()
        .map(|it| (it.symbol.as_str(), it.id.as_str(), it.listed_as.as_deref()))
        .collect()
}

#[test]
fn aliases_are_markets_of_the_same_id_behind_what_they_mean() {
    let list = markets(&body(&[
        product("BTC-USDC", "BTC-USD", ""),
        product("BTC-USD", "", ""),
        product("BTC-EUR", "", ""),
    ]))
    .unwrap();
    assert_eq!(
        ids(&list),
        [
            ("BTC/USD", "BTC-USD", None),
            ("BTC/EUR", "BTC-EUR", None),
            ("BTC/USDC", "BTC-USD", Some("BTC-USDC")),
        ]
    );
    assert!(list.documents.is_empty());
    let registry = Registry::new(list.listings);
    for (text, symbol) in [
        ("BTC-USD", "BTC/USD"),
        ("btc-usd", "BTC/USD"),
        ("BTCUSD", "BTC/USD"),
        ("BTC-USDC", "BTC/USDC"),
        ("btcusdc", "BTC/USDC"),
        ("btc_eur", "BTC/EUR"),
    ] {
        assert_eq!(registry.resolve(text).unwrap().symbol.as_str(), symbol, "{text}");
    }
    assert_eq!(registry.by_id("BTC-USD").unwrap().symbol.as_str(), "BTC/USD");
    assert_eq!(registry.by_id("BTC-USDC").unwrap().symbol.as_str(), "BTC/USDC");
}

#[test]
fn a_listing_has_what_the_exchange_says() {
    let list = markets(&body(&[product("ETH-BTC", "", "")])).unwrap();
    let [listing] = list.listings.as_slice() else { panic!() };
    let text = |number: &Option<crate::market::Number>| number.as_ref().unwrap().to_string();
    assert_eq!((listing.base.as_str(), listing.quote.as_str()), ("ETH", "BTC"));
    assert_eq!((listing.kind, listing.margin, listing.settle.as_ref()), (Kind::Spot, None, None));
    assert_eq!(text(&listing.amount.min), "0.00000001");
    assert_eq!(text(&listing.amount.max), "3400");
    assert_eq!(text(&listing.amount_step), "0.00000001");
    assert_eq!(text(&listing.price_step), "0.1");
    assert_eq!((listing.amount_decimals, listing.price_significant_digits), (None, None));
    // Where there is no step of the price, that of the quote counts.
    let without = product("ETH-BTC", "", "").replace(r#""price_increment":"0.1""#, r#""x":1"#);
    let list = markets(&body(&[without])).unwrap();
    assert_eq!(text(&list.listings[0].price_step), "0.01");
}

#[test]
fn what_is_not_traded_is_left_out() {
    let list = markets(&body(&[
        product("DAI-USD", "", "").replace("online", "delisted"),
        product("A-USD", "", "").replace(r#""is_disabled":false"#, r#""is_disabled":true"#),
        product("B-USD", "", "").replace(r#""cancel_only":false"#, r#""cancel_only":true"#),
        product("C-USD", "", "")
            .replace(r#""trading_disabled":false"#, r#""trading_disabled":true"#),
        product("BIT-26APR24", "", "").replace("SPOT", "FUTURE"),
        product("D-USD", "", "").replace(r#""product_id":"D-USD""#, r#""product_id":"D-USD-2""#),
        product("E-USD", "", "").replace(r#""product_id":"E-USD""#, r#""product_id":"../x""#),
        product("F-USD", "../x", ""),
        product("XRP-USD", "", r#","limit_only":true,"post_only":true"#),
    ]))
    .unwrap();
    assert_eq!(ids(&list), [("XRP/USD", "XRP-USD", None)]);
}

#[test]
fn codes_are_ccxts_unless_another_bears_them() {
    let list = markets(&body(&[product("CGLD-USD", "", "")])).unwrap();
    assert_eq!(ids(&list), [("CELO/USD", "CGLD-USD", None)]);
    assert_eq!(list.listings[0].aliases, ["CGLD/USD"]);
    let registry = Registry::new(list.listings);
    for text in ["celo-usd", "CGLD/USD", "CGLD-USD", "cgldusd"] {
        assert_eq!(registry.resolve(text).unwrap().id, "CGLD-USD", "{text}");
    }
    let both = [product("CGLD-USD", "", ""), product("CELO-USD", "", "")];
    let list = markets(&body(&both)).unwrap();
    assert_eq!(ids(&list), [("CGLD/USD", "CGLD-USD", None), ("CELO/USD", "CELO-USD", None)]);
}

#[test]
fn a_list_that_is_none_is_refused() {
    let whole = String::from_utf8(body(&[product("BTC-USD", "", "")]).to_vec()).unwrap();
    assert!(markets(&Bytes::from(whole.clone())).is_ok());
    for bad in [
        r#"{"products":[]}"#.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        String::new(),
        whole[..whole.len() - 3].to_owned(),
        whole.replace(r#""has_next":false"#, r#""has_next":true"#),
        whole.replace(r#""status":"online""#, r#""status":1"#),
        whole.replace(r#""base_min_size":"0.00000001""#, r#""base_min_size":"x""#),
    ] {
        let refused = markets(&Bytes::from(bad.clone()));
        assert!(matches!(refused, Err(UpstreamError::Invalid(_))), "{bad}");
    }
}
