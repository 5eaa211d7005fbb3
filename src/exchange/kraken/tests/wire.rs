use proptest::prelude::*;

use super::*;
use crate::exchange::kraken::names;

const TICKER: &str = r#"{"a":["2432.77000","1","1.000"],"b":["2431.37000","2","2.500"],"c":["2430.58000","0.04408910"],"v":["4147.94474901","8896.96086304"],"p":["2456.22239","2568.63032"],"t":[3907,10056],"l":["2302.18000","2301.1"],"h":["2621.14000","2860.01000"],"o":"2571.56000"}"#;

fn of(body: impl Into<String>) -> Bytes {
    Bytes::from(body.into())
}

fn text(number: &Option<Number>) -> &str {
    number.as_ref().map_or("none", Number::as_str)
}

#[test]
fn a_ticker_is_of_a_day_and_opens_at_midnight() {
    let body = of(format!(r#"{{"XETHZUSD":{TICKER}}}"#));
    let ticker = ticker(&body).unwrap();
    let (change, average) = (ticker.change(), ticker.average());
    let got = [
        &ticker.bid,
        &ticker.bid_volume,
        &ticker.ask,
        &ticker.ask_volume,
        &ticker.last,
        &ticker.opening,
        &ticker.high,
        &ticker.low,
        &ticker.vwap,
        &ticker.base_volume,
        &ticker.quote_volume,
        &change,
        &average,
        &ticker.previous_close,
    ]
    .map(text);
    assert_eq!(
        got,
        [
            "2431.37000",
            "2.500",
            "2432.77000",
            "1.000",
            "2430.58000",
            "2571.56000",
            "2860.01000",
            "2301.1",
            "2568.63032",
            "8896.96086304",
            // 8896.96086304 times 2568.63032, exactly.
            "22853003.4286579113728",
            "-140.98",
            "2501.07",
            "none",
        ]
    );
    let percentage = ticker.percentage().unwrap().f64();
    assert!((percentage - -140.98 / 2571.56 * 100.0).abs() < 1e-9, "{percentage}");
    assert_eq!((ticker.at, ticker.raw.as_str()), (None, TICKER));
    assert!(ticker.is_complete());
}

#[test]
fn what_there_is_none_of_is_none() {
    let empty = r#"{"X":{"a":["0.00000","0","0.000"],"b":["0.00000","0","0.000"],"c":["0.0","0"],"v":["0.0","0.0"],"p":["0","0.0"],"t":[0,0],"l":["0","0"],"h":["0","0"],"o":"0.0"}}"#;
    let ticker = ticker(&of(empty)).unwrap();
    let prices =
        [&ticker.bid, &ticker.bid_volume, &ticker.ask, &ticker.last, &ticker.opening, &ticker.vwap];
    assert_eq!(prices.map(text), ["none"; 6]);
    assert_eq!([text(&ticker.base_volume), text(&ticker.quote_volume)], ["0.0", "0"]);
    assert_eq!((ticker.change(), ticker.percentage()), (None, None));
}

#[test]
fn tickers_are_named_by_the_market_they_are_of() {
    let list = of(
        r#"{"XXBTZUSD":{"wsname":"XBT/USD"},"XETHXXBT":{"wsname":"ETH/XBT"},"SOLUSD":{"wsname":"SOL/USD"}}"#,
    );
    let markets: Vec<Arc<Listing>> =
        names::markets(&list).unwrap().into_iter().map(Arc::new).collect();
    let odd = TICKER.replace("2860.01000", "1.0");
    let rows = |keys: [&str; 3]| {
        of(format!(
            r#"{{"{}":{TICKER},"{}":{TICKER},"{}":{TICKER},"OTHER":{TICKER},"ODD":{odd}}}"#,
            keys[0], keys[1], keys[2]
        ))
    };
    let ids = |keys, markets| -> Vec<String> {
        tickers(&rows(keys), markets).unwrap().into_iter().map(|(id, _)| id).collect()
    };
    for keys in [
        ["XXBTZUSD", "XETHXXBT", "SOLUSD"],
        ["XBT\\/USD", "ETH/XBT", "SOL/USD"],
        ["XBTUSD", "ETHXBT", "SOLUSD"],
    ] {
        assert_eq!(ids(keys, Some(&markets)), ["BTC/USD", "ETH/BTC", "SOL/USD"]);
    }
    // Of all markets by the list's names; what cannot be true is left out.
    assert_eq!(
        ids(["XXBTZUSD", "XETHXXBT", "SOLUSD"], None),
        ["XXBTZUSD", "XETHXXBT", "SOLUSD", "OTHER"]
    );
    assert!(tickers(&of(r#"{"A":{}}"#), None).is_err());
    assert_eq!(tickers(&of("{}"), Some(&markets)).unwrap(), []);
}

#[test]
fn a_book_keeps_the_exchanges_text() {
    let body = of(
        r#"{"XXBTZUSD":{"asks":[["30384.10000","2.059",1688671659],["30387.9","1.500",1688671380]],"bids":[["30297.0","1.115",1688671636]]}}"#,
    );
    let book = book(&body, 2).unwrap();
    let levels: Vec<_> = book.asks.iter().map(|l| (l.price.as_str(), l.amount.as_str())).collect();
    assert_eq!(levels, [("30384.10000", "2.059"), ("30387.9", "1.500")]);
    assert_eq!(book.bids[0].raw.as_str(), r#"["30297.0","1.115",1688671636]"#);
    assert_eq!((book.at, book.nonce), (None, None));
    assert!(super::book(&body, 1).is_err(), "more than asked for");
    for bad in [
        r#"{"X":{"asks":[["10","1",1]],"bids":[["10","1",1]]}}"#,
        r#"{"X":{"asks":[["11","1",1],["10","1",1]],"bids":[]}}"#,
        r#"{"X":{"asks":[["11","0",1]],"bids":[]}}"#,
        r#"{"X":{"asks":[["0","1",1]],"bids":[]}}"#,
        r#"{"X":{"asks":[["11"]],"bids":[]}}"#,
        r#"{"X":{"asks":[["11",null]],"bids":[]}}"#,
        r#"{"X":{"asks":[]}}"#,
        r#"{"X":{"asks":[],"bids":[]},"Y":{}}"#,
        "{}",
    ] {
        assert_eq!(super::book(&of(bad), 25).unwrap_err().label(), "invalid", "{bad}");
    }
    assert_eq!(super::book(&of(r#"{"X":{"asks":[],"bids":[]}}"#), 25).unwrap(), Book::default());
}

#[test]
fn candles_are_rows_of_one_width() {
    let body = of(
        r#"{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23],[1688671260,"30305.7","30305.7","30305.7","30305.7","0.0","0.00000000",0]],"last":1688671200}"#,
    );
    let candles = candles(&body, Timeframe::M1).unwrap();
    let shown = |candle: &Candle| {
        let Candle { open, high, low, close, volume, .. } = candle;
        format!("{} {open} {high} {low} {close} {volume}", candle.open_time.millis())
    };
    let shown: Vec<_> = candles.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "1688671200000 30306.1 30306.2 30305.7 30305.7 3.39243896",
            "1688671260000 30305.7 30305.7 30305.7 30305.7 0.00000000",
        ]
    );
    assert!(super::candles(&body, Timeframe::M5).is_err(), "no bucket opens then");
    // Weeks begin on whatever day, but all on the same.
    let weeks = |second: i64| {
        of(format!(
            r#"{{"X":[[1616025600,"1","1","1","1","1","1",1],[{second},"1","1","1","1","1","1",1]],"last":1}}"#
        ))
    };
    assert!(super::candles(&weeks(1_616_630_400), Timeframe::W1).is_ok());
    assert!(super::candles(&weeks(1_616_716_800), Timeframe::W1).is_err());
    for bad in [
        r#"{"X":[[60,"1","2","1","1","1","1",1],[60,"1","2","1","1","1","1",1]]}"#,
        r#"{"X":[[120,"1","2","1","1","1","1",1],[60,"1","2","1","1","1","1",1]]}"#,
        r#"{"X":[[60,"1","0.5","1","1","1","1",1]]}"#,
        r#"{"X":[[60,"1","2","1","1","1"]]}"#,
        r#"{"X":[[60,"a","2","1","1","1","1",1]]}"#,
        r#"{"X":[[60.5,"1","2","1","1","1","1",1]]}"#,
        r#"{"X":{},"last":1}"#,
        r#"{"last":1}"#,
    ] {
        assert_eq!(
            super::candles(&of(bad), Timeframe::M1).unwrap_err().label(),
            "invalid",
            "{bad}"
        );
    }
    assert_eq!(super::candles(&of(r#"{"X":[],"last":0}"#), Timeframe::M1).unwrap(), []);
}

#[test]
fn trades_tell_the_takers_side() {
    let body = of(
        r#"{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.30000","0.00000000",1688669598.28,"s","l","",61044953]],"last":"1688669598280000000"}"#,
    );
    let trades = trades(&body).unwrap();
    let shown: Vec<_> = trades
        .iter()
        .map(|t| (t.id, t.at.millis(), t.side, t.price.as_str(), t.amount.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (61_044_952, 1_688_669_597_827, Side::Buy, "30243.40000", "0.34507674"),
            // Dust is an amount too.
            (61_044_953, 1_688_669_598_280, Side::Sell, "30243.30000", "0.00000000"),
        ]
    );
    assert_eq!(
        trades[1].raw.as_str(),
        r#"["30243.30000","0.00000000",1688669598.28,"s","l","",61044953]"#
    );
    for bad in [
        r#"{"X":[["1","1",1.5,"b","m",""]]}"#,
        r#"{"X":[["1","1",1.5,"x","m","",1]]}"#,
        r#"{"X":[["0","1",1.5,"b","m","",1]]}"#,
        r#"{"X":[["1","-1",1.5,"b","m","",1]]}"#,
        r#"{"X":[["1","1",0,"b","m","",1]]}"#,
        r#"{"X":[["1","1",1.5,"b","m","","x"]]}"#,
        r#"{"X":[["1","1",1.5,"b","m","",1],["1","1",1.5,"b","m","",1]]}"#,
    ] {
        assert_eq!(super::trades(&of(bad)).unwrap_err().label(), "invalid", "{bad}");
    }
    assert_eq!(super::trades(&of(r#"{"X":[],"last":"0"}"#)).unwrap(), []);
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(format!(r#"{{"X":{TICKER}}}"#)),
        Just(r#"{"X":{"asks":[["11","1",1]],"bids":[["10","1",1]]}}"#.to_owned()),
        Just(r#"{"X":[[60,"1","2","1","1","1","1",1]],"last":60}"#.to_owned()),
        Just(r#"{"X":[["1","1",1.5,"b","m","",1]],"last":"1"}"#.to_owned()),
        Just(r#"{"XXBTZUSD":{"wsname":"XBT/USD","lot_decimals":8}}"#.to_owned()),
    ];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    /// Whatever comes is a value that can be true or an error.
    #[test]
    fn no_bytes_make_it_panic(bytes in prop_oneof![mutated(), proptest::collection::vec(any::<u8>(), 0..80)]) {
        let body = Bytes::from(bytes);
        let _ = (ticker(&body), tickers(&body, None), names::markets(&body));
        if let Ok(book) = book(&body, 25) {
            prop_assert_eq!(book.fault(), None);
        }
        if let Ok(candles) = candles(&body, Timeframe::M1) {
            prop_assert!(candles.iter().all(|candle| candle.high.f64() >= candle.low.f64()));
        }
        if let Ok(trades) = trades(&body) {
            prop_assert!(trades.iter().all(|trade| trade.price.f64() > 0.0));
        }
    }
}
