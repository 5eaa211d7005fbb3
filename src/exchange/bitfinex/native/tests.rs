use proptest::prelude::*;

use super::*;

const NO_PAGE: Page = Page { limit: None, start: None, end: None, sort: None };

fn path(query: Result<NativeQuery, BadNative>) -> String {
    query.unwrap().path_and_query().to_owned()
}

fn refusal<T: std::fmt::Debug>(query: Result<T, BadNative>) -> String {
    let bad = query.unwrap_err();
    assert_eq!(bad.code, 10_020);
    bad.message
}

#[test]
fn each_route_has_its_path_and_family() {
    for (query, path, family) in [
        (Ok(platform_status()), "v2/platform/status", Family::Status),
        (
            conf(["pub:map:currency:sym", "pub:list:pair:exchange"]),
            "v2/conf/pub:map:currency:sym,pub:list:pair:exchange",
            Family::Conf,
        ),
        (ticker("fUSD"), "v2/ticker/fUSD", Family::Ticker),
        (
            tickers(["tDOGE:USD", "fUSD", "tBTCUSD"]),
            "v2/tickers?symbols=fUSD,tBTCUSD,tDOGE:USD",
            Family::Tickers,
        ),
        (tickers(["tBTCUSD", "ALL"]), "v2/tickers?symbols=ALL", Family::Tickers),
        (
            tickers_history(["tBTCUSD"], Page { limit: Some(250), ..NO_PAGE }),
            "v2/tickers/hist?symbols=tBTCUSD&limit=250",
            Family::Tickers,
        ),
        (book("tBTCUSD", "R0", None), "v2/book/tBTCUSD/R0?len=25", Family::Book),
        (book("fUSD", "P0", Some("100")), "v2/book/fUSD/P0?len=100", Family::Book),
        (trades("tA:B", NO_PAGE), "v2/trades/tA:B/hist", Family::Trades),
        (
            candles("trade:1h:fUSD:a30:p2:p30", Section::Hist, NO_PAGE),
            "v2/candles/trade:1h:fUSD:a30:p2:p30/hist",
            Family::Candles,
        ),
        (
            candles("trade:7D:tDOGE:USD", Section::Last, Page { limit: Some(9), ..NO_PAGE }),
            "v2/candles/trade:7D:tDOGE:USD/last",
            Family::Candles,
        ),
        (
            stats("credits.size.sym:1m:fUSD:tBTCUSD", Section::Hist, NO_PAGE),
            "v2/stats1/credits.size.sym:1m:fUSD:tBTCUSD/hist",
            Family::Stats,
        ),
        (deriv_status([]), "v2/status/deriv", Family::Status),
        (deriv_status(["tBTCF0:USTF0"]), "v2/status/deriv?keys=tBTCF0:USTF0", Family::Status),
        (
            deriv_history("tBTCF0:USTF0", Page { limit: Some(5000), ..NO_PAGE }),
            "v2/status/deriv/tBTCF0:USTF0/hist?limit=5000",
            Family::Status,
        ),
    ] {
        let query = query.unwrap();
        assert_eq!((query.path_and_query(), query.family()), (path, family));
    }
}

#[test]
fn requests_that_mean_the_same_are_the_same() {
    let page = |pairs: &[(&'static str, &'static str)]| {
        path(trades("tBTCUSD", Page::from_query(pairs.iter().copied()).unwrap()))
    };
    let expected = "v2/trades/tBTCUSD/hist?end=9&limit=10&sort=1&start=5";
    assert_eq!(page(&[("limit", "10"), ("start", "5"), ("end", "9"), ("sort", "1")]), expected);
    assert_eq!(
        page(&[("sort", "+1"), ("end", "9"), ("_", "x"), ("start", "05"), ("limit", "10")]),
        expected
    );
    assert_eq!(page(&[("limit", "0"), ("start", "0"), ("end", "0"), ("sort", "0")]), page(&[]));
    assert_eq!(page(&[("sort", "-1")]), page(&[]));
    assert_eq!(book("tBTCUSD", "P0", None), book("tBTCUSD", "P0", Some("25")));
    assert_eq!(tickers(["tBTCUSD", "tBTCUSD"]), tickers(["tBTCUSD"]));
}

#[test]
fn what_cannot_be_right_is_refused_in_the_exchanges_words() {
    for symbol in [
        "",
        "t",
        "BTCUSD",
        "tbtcusd",
        "tBTCUSDT",
        "tBTC:USD:X",
        "tBTC:",
        "t:USD",
        "f",
        "fusd",
        "tBTC/USD",
        "tBTCUS ",
        "tBTC%3AUSD",
        "tBTCUS\u{c9}",
        "../../x",
    ] {
        assert_eq!(refusal(ticker(symbol)), "symbol: invalid", "{symbol}");
    }
    assert_eq!(refusal(ticker(&format!("t{}:USD", "A".repeat(25)))), "symbol: invalid");
    assert_eq!(refusal(book("tBTCUSD", "P5", None)), "prec: invalid");
    for len in ["7", "10", "50", "025", "", "x"] {
        assert_eq!(refusal(book("tBTCUSD", "P0", Some(len))), "len: invalid");
    }
    let page = Page { limit: Some(10_001), ..NO_PAGE };
    assert_eq!(refusal(trades("tBTCUSD", page)), "limit: invalid");
    assert_eq!(refusal(candles("trade:1m:tBTCUSD", Section::Hist, page)), "limit: invalid");
    assert_eq!(
        refusal(deriv_history("tBTCF0:USTF0", Page { limit: Some(5001), ..NO_PAGE })),
        "limit: invalid"
    );
    assert_eq!(
        refusal(tickers_history(["tBTCUSD"], Page { limit: Some(251), ..NO_PAGE })),
        "limit: invalid"
    );
    assert_eq!(refusal(trades("tBTCUSD", Page { sort: Some(2), ..NO_PAGE })), "sort: invalid");
    assert_eq!(refusal(trades("tBTCUSD", Page { start: Some(-1), ..NO_PAGE })), "start: invalid");
    assert_eq!(refusal(trades("tBTCUSD", Page { end: Some(i64::MAX), ..NO_PAGE })), "end: invalid");
    for (name, text) in
        [("limit", "-1"), ("limit", "ten"), ("start", "1e3"), ("end", ""), ("sort", "200")]
    {
        assert_eq!(refusal(Page::from_query([(name, text)])), format!("{name}: invalid"));
    }
    for (key, expected) in [
        ("trade:2h:tBTCUSD", "time_interval: invalid"),
        ("trade:1m:BTCUSD", "symbol: invalid"),
        ("trade:1m:fUSD", "key: invalid"),
        ("trade:1m:fUSD:30", "key: invalid"),
        ("trade:1m:fUSD:a20:p2:p30", "key: invalid"),
        ("trade:1m:fUSD:a30:p2:p30:p1", "key: invalid"),
        ("trade:1m:fUSD:p9999", "key: invalid"),
        ("trade:1m", "key: invalid"),
        ("deriv:1m:tBTCUSD", "key: invalid"),
    ] {
        assert_eq!(refusal(candles(key, Section::Hist, NO_PAGE)), expected, "{key}");
    }
    for key in [
        "",
        "pos.size",
        "pos.size:1m",
        "pos.size:1m:",
        "nope:1m:tBTCUSD",
        "vwap:1x:tBTCUSD",
        "vwap:1d:t/BTC",
    ] {
        assert_eq!(refusal(stats(key, Section::Hist, NO_PAGE)), "key: invalid", "{key}");
    }
    assert_eq!(refusal(tickers([])), "symbols: invalid");
    assert_eq!(refusal(tickers(["tBTCUSD", "x"])), "symbols: invalid");
    assert_eq!(refusal(tickers(vec!["tBTCUSD"; 501])), "symbols: invalid");
    assert_eq!(refusal(deriv_status(["x"])), "keys: invalid");
    assert_eq!(refusal(deriv_history("fUSD", NO_PAGE)), "key: invalid");
    let long = format!("pub:{}", "a".repeat(61));
    for key in ["", "pub:", "priv:x", "pub:a/b", "pub:a,b", "pub:a?b", &long] {
        assert_eq!(refusal(conf([key])), "key: invalid", "{key}");
    }
    assert_eq!(refusal(conf(vec!["pub:x"; 33])), "key: invalid");
    assert_eq!(refusal(conf([])), "key: invalid");
}

#[test]
fn conf_is_split_by_key() {
    let body = Bytes::from_static(br#"[ ["BTCUSD"], null ,{"a":[1,2]}]"#);
    let keys = ["a", "b", "c"].map(str::to_owned);
    let parts = split_conf(&keys, &body).unwrap();
    assert_eq!(parts, [&br#"["BTCUSD"]"#[..], b"null", br#"{"a":[1,2]}"#]);
    assert_eq!(split_conf(&keys[..2], &body), None);
    assert_eq!(split_conf(&keys, &Bytes::from_static(b"[1,2,3")), None);
}

proptest! {
    #[test]
    fn nothing_unchecked_is_sent(text in "\\PC{0,40}|[tf][A-Z0-9:]{0,20}|trade:1m:[tf][A-Z:p0-9]{0,12}") {
        let page = NO_PAGE;
        let queries = [
            ticker(&text),
            tickers([text.as_str()]),
            book(&text, "P0", None),
            book("tBTCUSD", &text, None),
            book("tBTCUSD", "P0", Some(&text)),
            trades(&text, page),
            candles(&text, Section::Hist, page),
            stats(&text, Section::Last, page),
            deriv_status([text.as_str()]),
            deriv_history(&text, page),
            conf([text.as_str()]),
        ];
        for query in queries.into_iter().flatten() {
            let path = query.path_and_query();
            prop_assert!(path.starts_with("v2/") && !path.contains("..") && path.len() < 200);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/:,._?=&".contains(&b);
            prop_assert!(path.bytes().all(plain), "{}", path);
        }
    }
}
