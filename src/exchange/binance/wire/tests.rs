use proptest::prelude::*;

use super::*;

/// As the documentation prints one, shortened.
const TICKER: &str = r#"{"symbol":"BNBBTC","priceChange":"-94.99999800","priceChangePercent":"-95.960","weightedAvgPrice":"0.29628482","prevClosePrice":"0.10002000","lastPrice":"4.00000200","lastQty":"200.00000000","bidPrice":"4.00000000","bidQty":"100.00000000","askPrice":"4.00000200","askQty":"7.5","openPrice":"99.00000000","highPrice":"100.00000000","lowPrice":"0.10000000","volume":"8913.30000000","quoteVolume":"15.30000000","openTime":1499783499040,"closeTime":1499869899040,"firstId":28385,"lastId":28460,"count":76}"#;
/// A market without a trade or an order.
const IDLE: &str = r#"{"symbol":"BCCBTC","priceChange":"0.00000000","priceChangePercent":"0.000","weightedAvgPrice":"0.00000000","prevClosePrice":"0.00000000","lastPrice":"0.00000000","lastQty":"0.00000000","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"0.00000000","askQty":"0.00000000","openPrice":"0.00000000","highPrice":"0.00000000","lowPrice":"0.00000000","volume":"0.00000000","quoteVolume":"0.00000000","openTime":0,"closeTime":0,"firstId":-1,"lastId":-1,"count":0}"#;
const STREAMED: &str = r#"{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0009","v":"10000","q":"18","O":0,"C":1672515782000,"F":0,"L":18150,"n":18151}"#;
const KLINES: &str = r#"[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"],[1499040060000,"0.01577100","0.01577100","0.01577100","0.01577100","0.00000000",1499040119999,"0.00000000",0,"0.00000000","0.00000000","0"]]"#;
const TRADES: &str = r#"[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true},{"a":26130,"p":"0.01633100","q":"0.00000001","f":27782,"l":27790,"T":1498793709153,"m":false,"M":true}]"#;
const BOOK: &str = r#"{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"],["3.90000000","1.5"]],"asks":[["4.00000200","12.00000000",[]]]}"#;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn text(number: &Option<Number>) -> Option<&str> {
    number.as_ref().map(Number::as_str)
}

#[test]
fn tickers_are_told_as_the_exchange_gives_them() {
    let (id, ticker) = ticker(&bytes(TICKER)).unwrap();
    assert_eq!((id.as_str(), ticker.raw.as_str()), ("BNBBTC", TICKER));
    for (field, expected) in [
        (&ticker.bid, "4.00000000"),
        (&ticker.bid_volume, "100.00000000"),
        (&ticker.ask, "4.00000200"),
        (&ticker.ask_volume, "7.5"),
        (&ticker.last, "4.00000200"),
        (&ticker.opening, "99.00000000"),
        (&ticker.change, "-94.99999800"),
        (&ticker.change_percent, "-95.960"),
        (&ticker.high, "100.00000000"),
        (&ticker.low, "0.10000000"),
        (&ticker.vwap, "0.29628482"),
        (&ticker.previous_close, "0.10002000"),
        (&ticker.base_volume, "8913.30000000"),
        (&ticker.quote_volume, "15.30000000"),
        (&ticker.average(), "51.500001"),
    ] {
        assert_eq!(text(field), Some(expected));
    }
    assert_eq!(ticker.change_relative, None);
    assert_eq!(ticker.at.unwrap().millis(), 1_499_869_899_040);

    let body = bytes(STREAMED);
    let row: &RawValue = serde_json::from_slice(&body).unwrap();
    let (id, ticker) = one_ticker(row, Raw::slice_of(&body, row)).unwrap();
    assert_eq!((id.as_str(), ticker.raw.as_str()), ("BNBBTC", STREAMED));
    for (field, expected) in [
        (&ticker.bid, "0.0024"),
        (&ticker.bid_volume, "10"),
        (&ticker.ask, "0.0026"),
        (&ticker.ask_volume, "100"),
        (&ticker.last, "0.0025"),
        (&ticker.opening, "0.0010"),
        (&ticker.change, "0.0015"),
        (&ticker.change_percent, "250.00"),
        (&ticker.high, "0.0025"),
        (&ticker.low, "0.0009"),
        (&ticker.vwap, "0.0018"),
        (&ticker.previous_close, "0.0009"),
        (&ticker.base_volume, "10000"),
        (&ticker.quote_volume, "18"),
    ] {
        assert_eq!(text(field), Some(expected));
    }
    assert_eq!(ticker.at.unwrap().millis(), 1_672_515_782_000);
}

#[test]
fn a_zero_among_the_prices_is_none() {
    let (_, ticker) = ticker(&bytes(IDLE)).unwrap();
    let prices = [&ticker.bid, &ticker.ask, &ticker.last, &ticker.high, &ticker.low];
    assert!(prices.into_iter().all(Option::is_none));
    let further = [&ticker.opening, &ticker.vwap, &ticker.previous_close, &ticker.bid_volume];
    assert!(further.into_iter().all(Option::is_none));
    assert_eq!((ticker.percentage(), ticker.average(), ticker.at), (None, None, None));
    assert_eq!(text(&ticker.base_volume), Some("0.00000000"));
    assert_eq!(text(&ticker.change), Some("0.00000000"));
}

#[test]
fn one_odd_ticker_does_not_take_the_others_with_it() {
    let odd = TICKER.replace("BNBBTC", "ODD").replace("100.00000000", "0.01");
    let all = tickers(&bytes(&format!("[{TICKER},{odd},{IDLE}]"))).unwrap();
    let ids: Vec<_> = all.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["BNBBTC", "BCCBTC"]);
    assert_eq!(all[0].1.raw.as_str(), TICKER);
    assert!(tickers(&bytes(&format!("[{TICKER},7]"))).is_err(), "what cannot be read is no list");
    for (from, to) in [
        ("\"4.00000200\"", "\"-4\""),
        ("1499869899040", "-5"),
        ("\"lastPrice\"", "\"price\""),
        ("\"symbol\"", "\"name\""),
        ("\"8913.30000000\"", "\"many\""),
    ] {
        assert!(ticker(&bytes(&TICKER.replace(from, to))).is_err(), "{to}");
    }
}

#[test]
fn a_book_has_a_number_and_no_time() {
    let read = book(&bytes(BOOK), 2).unwrap();
    let side = |levels: &[Level]| -> Vec<String> {
        levels.iter().map(|level| format!("{} {}", level.price, level.amount)).collect()
    };
    assert_eq!(side(&read.bids), ["4.00000000 431.00000000", "3.90000000 1.5"]);
    assert_eq!(side(&read.asks), ["4.00000200 12.00000000"]);
    assert_eq!((read.nonce, read.at), (Some(1_027_024), None));
    assert_eq!(read.asks[0].raw.as_str(), r#"["4.00000200","12.00000000",[]]"#);
    let empty = book(&bytes(r#"{"lastUpdateId":1,"bids":[],"asks":[]}"#), 5).unwrap();
    assert!(empty.bids.is_empty() && empty.asks.is_empty());

    assert!(book(&bytes(BOOK), 1).is_err(), "deeper than asked for");
    for (from, to) in [
        ("\"4.00000200\"", "\"4.0\""),
        ("\"3.90000000\"", "\"4.1\""),
        ("\"1.5\"", "\"0.0\""),
        ("\"1.5\"", "\"-1\""),
        ("\"3.90000000\"", "\"0\""),
        ("\"lastUpdateId\"", "\"id\""),
        (",\"1.5\"", ""),
    ] {
        assert!(book(&bytes(&BOOK.replace(from, to)), 5).is_err(), "{from} {to}");
    }
}

#[test]
fn candles_open_buckets_in_order() {
    let read = candles(&bytes(KLINES), Timeframe::M1).unwrap();
    assert_eq!(read.len(), 2);
    let first = &read[0];
    let columns = [&first.open, &first.high, &first.low, &first.close, &first.volume];
    assert_eq!(
        columns.map(Number::as_str),
        ["0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815"]
    );
    assert_eq!(first.open_time.millis(), 1_499_040_000_000);
    assert!(read[1].volume.is_zero(), "a bucket without a trade is there");
    assert_eq!(candles(&bytes("[]"), Timeframe::M1).unwrap(), []);

    // A Monday opens a week, and 1499040000000 is one.
    let monday = KLINES.split("],[").next().unwrap().to_owned() + "]]";
    assert!(candles(&bytes(&monday), Timeframe::W1).is_ok());
    let tuesday = monday.replace("1499040000000", "1499126400000");
    assert!(candles(&bytes(&tuesday), Timeframe::W1).is_err());
    for (timeframe, from, to) in [
        (Timeframe::M5, "", ""),
        (Timeframe::Month, "", ""),
        (Timeframe::M1, "1499040060000", "1499040000000"),
        (Timeframe::M1, "1499040060000", "1499030000000"),
        (Timeframe::M1, "1499040060000", "1499040060001"),
        (Timeframe::M1, "\"0.80000000\"", "\"0.01\""),
        (Timeframe::M1, "\"0.80000000\"", "null"),
        (Timeframe::M1, "\"148976.11427815\"", "\"-1\""),
    ] {
        let body = if from.is_empty() { KLINES.to_owned() } else { KLINES.replace(from, to) };
        assert!(candles(&bytes(&body), timeframe).is_err(), "{timeframe} {to}");
    }
}

#[test]
fn a_trade_is_its_takers() {
    let read = trades(&bytes(TRADES)).unwrap();
    let shown: Vec<_> = read
        .iter()
        .map(|it| (it.id, it.at.millis(), it.side, it.price.as_str(), it.amount.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (26129, 1_498_793_709_153, Side::Sell, "0.01633102", "4.70443515"),
            (26130, 1_498_793_709_153, Side::Buy, "0.01633100", "0.00000001"),
        ]
    );
    assert!(read[1].raw.as_str().starts_with(r#"{"a":26130,"#));
    for (from, to) in [
        ("26130", "26129"),
        ("\"4.70443515\"", "\"0.0\""),
        ("\"0.01633102\"", "\"-1\""),
        ("\"m\":true", "\"m\":1"),
        ("1498793709153", "0"),
        ("\"a\":26129", "\"id\":26129"),
    ] {
        assert!(trades(&bytes(&TRADES.replace(from, to))).is_err(), "{to}");
    }
}

#[test]
fn a_row_without_a_trade_is_none_and_spoils_no_other() {
    let nothing = r#"{"a":26131,"p":"0.00000000","q":"0.00000000","f":-1,"l":-1,"T":1498793709154,"m":true,"M":true}"#;
    let body = TRADES.replace("},{", &format!("}},{nothing},{{"));
    let ids: Vec<_> = trades(&bytes(&body)).unwrap().iter().map(|trade| trade.id).collect();
    assert_eq!(ids, [26129, 26130]);
    assert_eq!(trades(&bytes(&format!("[{nothing}]"))).unwrap(), []);
    let event: &RawValue = serde_json::from_str(nothing).unwrap();
    assert!(trade(event, Raw::copy_of(event)).is_err(), "no stream tells what is none");
    // Of any other the exchange says that it happened.
    for (from, to) in [
        ("\"f\":-1", "\"f\":27791"),
        ("\"l\":-1", "\"l\":27791"),
        ("\"f\":-1,\"l\":-1,", ""),
        ("\"p\":\"0.00000000\"", "\"p\":\"0.01\""),
        ("\"q\":\"0.00000000\"", "\"q\":\"5\""),
    ] {
        let odd = body.replace(nothing, &nothing.replace(from, to));
        assert!(trades(&bytes(&odd)).is_err(), "{to}");
    }
}

#[test]
fn a_streamed_candle_is_that_of_its_market_and_width() {
    let event = r#"{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0009","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}"#;
    let read = |event: &str, id, timeframe| {
        streamed_candle(serde_json::from_str(event).unwrap(), (id, timeframe))
    };
    let candle = read(event, "BNBBTC", Timeframe::M1).unwrap();
    let columns = [&candle.open, &candle.high, &candle.low, &candle.close, &candle.volume];
    assert_eq!(columns.map(Number::as_str), ["0.0010", "0.0025", "0.0009", "0.0020", "1000"]);
    assert_eq!(candle.open_time.millis(), 1_672_515_780_000);
    assert!(read(event, "BTCUSDT", Timeframe::M1).is_err());
    assert!(read(event, "BNBBTC", Timeframe::M5).is_err());
    assert!(
        read(&event.replace("1672515780000", "1672515780001"), "BNBBTC", Timeframe::M1).is_err()
    );
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![Just(TICKER), Just(STREAMED), Just(KLINES), Just(TRADES), Just(BOOK)];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop_oneof![mutated(), proptest::collection::vec(any::<u8>(), 0..60)],
    ) {
        let body = Bytes::from(body);
        let _ = ticker(&body);
        let _ = tickers(&body);
        let _ = candles(&body, Timeframe::M1);
        let _ = trades(&body);
        let _ = crate::exchange::binance::market_list(&body);
        if let Ok(book) = book(&body, 5) {
            prop_assert_eq!(book.fault(), None);
        }
    }
}
