use proptest::prelude::*;

use super::*;

const TRADES: &str = r#"{"trades":[
    {"trade_id":"502","product_id":"BTC-USD","price":"28208.10","size":"0.0065","time":"2026-09-01T12:00:01.492746Z","side":"BUY","bid":"","ask":"","exchange":"coinbase"},
    {"trade_id":"503","product_id":"BTC-USD","price":"28208.11","size":"0.5","time":"2026-09-01T12:00:01.492001Z","side":"SELL","bid":"","ask":"","exchange":"coinbase"},
    {"trade_id":"501","product_id":"BTC-USD","price":"28208","size":"1","time":"2026-09-01T12:00:00Z","side":"SELL","bid":"","ask":"","exchange":"coinbase"}],
    "best_bid":"28208.61","best_ask":"28208.620"}"#;
const PRODUCTS: &str = r#"{"products":[
    {"product_id":"BTC-USD", "price":"110", "price_percentage_change_24h":"10", "volume_24h":"20", "approximate_quote_24h_volume":"2100.00", "best_bid_price":"", "best_ask_price":"", "high_24h":"120","low_24h":"90"},
    {"product_id":"BAT-BTC", "price":"0.00000103", "price_percentage_change_24h":"", "volume_24h":"", "approximate_quote_24h_volume":""},
    {"product_id":"ODD-USD", "price":"-1", "price_percentage_change_24h":"0", "volume_24h":"1", "approximate_quote_24h_volume":"1"},
    {"product_id":"LTC-EUR", "price":"39.85", "price_percentage_change_24h":"0", "volume_24h":"0", "approximate_quote_24h_volume":"0"}],
    "num_products":4}"#;
const BOOK: &str = r#"{"pricebook":{"product_id":"BTC-USD",
    "bids":[{"price":"65083.66","size":"0.20371215"},{"price":"65083.2","size":"1.0"}],
    "asks":[{"price":"65083.67","size":"0.24"}],"time":"2026-09-01T12:00:00.123456789Z"},
    "last":"65083.66","mid_market":"65083.665","spread_bps":"0.001","spread_absolute":"0.01"}"#;
const CANDLES: &str = r#"{"candles":[
    {"start":"1788264300","low":"1.5","high":"3","open":"2.0","close":"2.50","volume":"10"},
    {"start":"1788263700","low":"1","high":"2","open":"1","close":"2","volume":"0.1"}]}"#;
const TICKER: &str = r#"{"type":"ticker","product_id":"BTC-USD","price":"110","volume_24_h":"2867.5","low_24_h":"90","high_24_h":"120.00","low_52_w":"1","high_52_w":"500","price_percent_chg_24_h":"10","best_bid":"109.9","best_ask":"110.1","best_bid_quantity":"0.2","best_ask_quantity":"0.30"}"#;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn text(number: &Option<Number>) -> &str {
    number.as_ref().map_or("none", Number::as_str)
}

fn is_invalid<T: std::fmt::Debug>(result: Result<T, UpstreamError>) -> bool {
    matches!(result, Err(UpstreamError::Invalid(_)))
}

#[test]
fn one_ticker_is_the_last_trade_and_the_best_prices() {
    let ticker = super::ticker(&bytes(TRADES)).unwrap();
    assert_eq!((text(&ticker.bid), text(&ticker.ask)), ("28208.61", "28208.620"));
    assert_eq!(text(&ticker.last), "28208.10");
    assert_eq!(ticker.at.unwrap().iso(), "2026-09-01T12:00:01.492Z");
    assert!(ticker.raw.as_str().starts_with(r#"{"trade_id":"502","#));
    assert!(ticker.raw.as_str().ends_with(r#""exchange":"coinbase"}"#));
    let bare = Ticker {
        bid: ticker.bid.clone(),
        ask: ticker.ask.clone(),
        last: ticker.last.clone(),
        at: ticker.at,
        ..Ticker::bare(ticker.raw.clone())
    };
    assert_eq!(ticker, bare, "nothing else is known");
    let none = super::ticker(&bytes(r#"{"trades":[],"best_bid":"","best_ask":"0"}"#)).unwrap();
    assert_eq!(none, Ticker::bare(none.raw.clone()));
    assert_eq!(none.raw.as_str(), "{}");
    for bad in ["{}", "[]", "", r#"{"trades":[],"best_bid":"-1"}"#, r#"{"trades":[{}]}"#] {
        assert!(is_invalid(super::ticker(&bytes(bad))), "{bad}");
    }
}

#[test]
fn tickers_are_what_products_say() {
    let rows = tickers(&bytes(PRODUCTS)).unwrap();
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["BTC-USD", "BAT-BTC", "LTC-EUR"], "one that cannot be true is left out");
    let btc = &rows[0].1;
    assert_eq!((text(&btc.last), text(&btc.change_percent)), ("110", "10"));
    assert_eq!((text(&btc.opening), text(&btc.vwap)), ("100", "105"));
    assert_eq!((text(&btc.base_volume), text(&btc.quote_volume)), ("20", "2100.00"));
    assert_eq!((text(&btc.change()), text(&btc.average())), ("10", "105"));
    assert_eq!(
        (&btc.bid, &btc.ask, &btc.high, &btc.low, btc.at),
        (&None, &None, &None, &None, None)
    );
    assert!(btc.raw.as_str().starts_with(r#"{"product_id":"BTC-USD", "price":"110","#));
    let quiet = &rows[1].1;
    assert_eq!(text(&quiet.last), "0.00000103");
    let nothing = [&quiet.opening, &quiet.vwap, &quiet.base_volume, &quiet.change_percent];
    assert!(nothing.into_iter().all(Option::is_none));
    let flat = &rows[2].1;
    assert_eq!(
        (text(&flat.opening), text(&flat.change()), text(&flat.vwap)),
        ("39.85", "0", "none")
    );
    assert!(is_invalid(tickers(&bytes(&PRODUCTS.replace("\"110\"", "\"x\"")))));
    assert!(is_invalid(tickers(&bytes("{}"))));
}

/// The text that ccxt 4.5.90 computes of these.
#[test]
fn openings_are_computed_to_eighteen_decimals() {
    let row = r#"{"products":[{"product_id":"BTC-USD","price":"65086.18","price_percentage_change_24h":"0.09601107287722"}]}"#;
    let opening = tickers(&bytes(row)).unwrap().remove(0).1.opening.unwrap();
    assert_eq!(opening.as_str(), "65023.749999999998661535");
    let row = row.replace("0.09601107287722", "-100");
    assert_eq!(tickers(&bytes(&row)).unwrap().remove(0).1.opening, None);
}

#[test]
fn live_tickers_have_both_sides() {
    let body = bytes(TICKER);
    let row = |text: &'static str| -> &'static RawValue { serde_json::from_str(text).unwrap() };
    let read = |text: &'static str| live_ticker(row(text), Raw::copy_of(row(text)));
    let ticker = read(TICKER).unwrap();
    assert_eq!((text(&ticker.bid), text(&ticker.bid_volume)), ("109.9", "0.2"));
    assert_eq!((text(&ticker.ask), text(&ticker.ask_volume)), ("110.1", "0.30"));
    assert_eq!((text(&ticker.high), text(&ticker.low)), ("120.00", "90"));
    assert_eq!((text(&ticker.last), text(&ticker.opening)), ("110", "100"));
    assert_eq!((text(&ticker.base_volume), text(&ticker.quote_volume)), ("2867.5", "none"));
    assert_eq!((text(&ticker.vwap), ticker.at), ("none", None));
    assert_eq!(ticker.raw.bytes(), &body);
    for (from, to) in [("\"120.00\"", "\"80\""), ("\"109.9\"", "\"-1\""), ("\"110\"", "[]")] {
        let bad: &'static str = TICKER.replace(from, to).leak();
        assert!(is_invalid(read(bad)), "{bad}");
    }
    let none: &'static str = TICKER.replace("\"109.9\"", "\"\"").leak();
    let ticker = read(none).unwrap();
    assert_eq!((ticker.bid, ticker.bid_volume), (None, None));
}

#[test]
fn books_keep_their_text_and_their_time() {
    let book = super::book(&bytes(BOOK), 25).unwrap();
    assert_eq!((book.bids.len(), book.asks.len(), book.nonce), (2, 1, None));
    assert_eq!((book.bids[1].price.as_str(), book.bids[1].amount.as_str()), ("65083.2", "1.0"));
    assert_eq!(book.asks[0].raw.as_str(), r#"{"price":"65083.67","size":"0.24"}"#);
    assert_eq!(book.at.unwrap().iso(), "2026-09-01T12:00:00.123Z");
    let empty = r#"{"pricebook":{"product_id":"X-USD","bids":[],"asks":[]}}"#;
    assert_eq!(super::book(&bytes(empty), 25).unwrap(), Book::default());
    for (from, to) in [
        ("65083.67", "65083.66"),
        ("65083.2\"", "65083.9\""),
        ("\"0.24\"", "\"0\""),
        ("\"65083.67\"", "\"\""),
        ("\"asks\"", "\"offers\""),
        ("2026-09-01T12", "noon"),
        ("[{", "{{"),
    ] {
        assert!(is_invalid(super::book(&bytes(&BOOK.replace(from, to)), 25)), "{from} {to}");
    }
    assert!(is_invalid(super::book(&bytes(BOOK), 1)), "deeper than asked for");
}

#[test]
fn candles_are_oldest_first() {
    let rows = candles(&bytes(CANDLES), Timeframe::M5).unwrap();
    let times: Vec<i64> = rows.iter().map(|row| row.open_time.millis()).collect();
    assert_eq!(times, [1_788_263_700_000, 1_788_264_300_000]);
    let Candle { open, high, low, close, volume, .. } = &rows[1];
    let prices = [open, high, low, close, volume].map(Number::as_str);
    assert_eq!(prices, ["2.0", "3", "1.5", "2.50", "10"]);
    assert_eq!(candles(&bytes(r#"{"candles":[]}"#), Timeframe::M5).unwrap(), []);
    for (from, to) in [
        ("1788264300", "1788263700"),
        ("1788264300", "1788264301"),
        ("\"3\"", "\"2.4\""),
        ("\"10\"", "\"-10\""),
        ("\"2.0\"", "\"0\""),
        ("\"volume\"", "\"v\""),
    ] {
        let bad = CANDLES.replace(from, to);
        assert!(is_invalid(candles(&bytes(&bad), Timeframe::M5)), "{from} {to}");
    }
    assert!(is_invalid(candles(&bytes(CANDLES), Timeframe::H1)));
}

#[test]
fn the_takers_side_is_the_other_one() {
    let rows = trades(&bytes(TRADES)).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.side, row.price.as_str())).collect();
    assert_eq!(
        told,
        [(501, Side::Buy, "28208"), (502, Side::Sell, "28208.10"), (503, Side::Buy, "28208.11")],
        "by number within a millisecond"
    );
    assert_eq!(rows[2].at.iso(), "2026-09-01T12:00:01.492Z");
    assert_eq!(rows[0].amount.as_str(), "1");
    assert!(rows[0].raw.as_str().starts_with(r#"{"trade_id":"501""#));
    assert_eq!(trades(&bytes(r#"{"trades":[]}"#)).unwrap(), []);
    for (from, to) in [
        ("\"503\"", "\"502\""),
        ("\"BUY\"", "\"UNKNOWN_ORDER_SIDE\""),
        ("\"501\"", "\"5a\""),
        ("\"0.5\"", "\"0\""),
        ("\"28208\"", "\"\""),
        ("2026-09-01T12:00:00Z", "1788264300"),
        ("\"trades\"", "\"t\""),
    ] {
        assert!(is_invalid(trades(&bytes(&TRADES.replace(from, to)))), "{from} {to}");
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![Just(TRADES), Just(PRODUCTS), Just(BOOK), Just(CANDLES), Just(TICKER)];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    #[test]
    fn what_is_read_can_be_true(body in mutated()) {
        let body = Bytes::from(body);
        let _ = (super::ticker(&body), tickers(&body), crate::exchange::coinbase::market_list(&body));
        if let Ok(book) = super::book(&body, 25) {
            prop_assert_eq!(book.fault(), None);
        }
        if let Ok(rows) = candles(&body, Timeframe::M5) {
            prop_assert!(rows.windows(2).all(|pair| pair[0].open_time < pair[1].open_time));
        }
        if let Ok(rows) = trades(&body) {
            prop_assert!(rows.windows(2).all(|pair| (pair[0].at, pair[0].id) < (pair[1].at, pair[1].id)));
        }
        let row: Option<&RawValue> = serde_json::from_slice(&body).ok();
        let _ = row.map(|row| live_ticker(row, Raw::copy_of(row)));
    }
}
