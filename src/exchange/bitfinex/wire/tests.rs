use proptest::prelude::*;

use super::*;

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn number(text: &str) -> Option<Number> {
    Some(text.parse().unwrap())
}

fn why<T: fmt::Debug>(result: Result<T, UpstreamError>) -> String {
    match result {
        Err(UpstreamError::Invalid(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

const TICKER: &str = "[118280,11.7,118290,18.5,320,0.00271301,118270,135.91000000000003,118760,116470,1412294400000]";
const CANDLES: &str = "[[1754820720000,118000,118050.5,118100,117900,0.015486090000000001],\
                       [1754820600000,1.7e-7,1.8e-7,2e-7,1e-7,0,\"new\",null]]";
const TRADES: &str = "[[30,1754820720001,-0.5,41646.35995408],[29,1754820720001,2e-5,7e-7,null],\
                      [12,1754820000000,1,3]]";
const BOOK: &str = "[[100.5,1,0.10],[100,2,3],[99,1,1,\"more\"],[101,3,-2.5],[102,1,-1e-8]]";
const TICKERS: &str = "[[\"tBTCUSD\",1,2,3,4,-5,-0.1,7,8,9,1,null],[\"fUSD\",1,2,30],\
                       [ \"tDOGE:USD\" , 0,0,0,0,0,0,0,0,0,0]]";

#[test]
fn ticker_keeps_text_and_leaves_out_sums_and_zeros() {
    let whole = body(TICKER);
    let got = ticker(&whole).unwrap();
    assert_eq!(
        (got.bid, got.ask, got.last),
        (number("118280"), number("118290"), number("118270"))
    );
    assert_eq!((got.bid_volume, got.ask_volume), (None, None));
    assert_eq!((got.change, got.change_relative), (number("320"), number("0.00271301")));
    assert_eq!((got.high, got.low), (number("118760"), number("116470")));
    assert_eq!(got.base_volume, number("135.91000000000003"));
    assert_eq!(got.raw.as_str(), TICKER);
    assert_eq!(got.raw.bytes().as_ptr(), whole.as_ptr(), "the row shares its body");

    let dead = ticker(&body("[0,0,0.0,0,0,0,0e3,0,0,null]")).unwrap();
    assert_eq!([dead.bid, dead.ask, dead.last, dead.high, dead.low], [const { None }; 5]);
    assert_eq!((dead.change, dead.base_volume), (number("0"), number("0")));
}

#[test]
fn tickers_lose_their_symbol_and_the_funding_rows() {
    let got = tickers(&body(TICKERS)).unwrap();
    let ids: Vec<_> = got.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["tBTCUSD", "tDOGE:USD"]);
    assert_eq!(got[0].1.raw.as_str(), "[1,2,3,4,-5,-0.1,7,8,9,1,null]");
    assert_eq!(got[0].1.change, number("-5"));
    assert_eq!(got[1].1.raw.as_str(), "[0,0,0,0,0,0,0,0,0,0]");
    assert_eq!(tickers(&body("[]")).unwrap(), vec![]);
    // The second row cannot be true and does not take the first with it.
    let odd = "[[\"tA:B\",1,2,3,4,5,6,7,8,9,1],[\"tC:D\",-1,2,3,4,5,6,7,8,9,1]]";
    assert_eq!(tickers(&body(odd)).unwrap().len(), 1);
}

#[test]
fn candles_come_oldest_first_and_in_the_order_of_their_columns() {
    let whole = body(CANDLES);
    let got = candles(&whole, Timeframe::M1).unwrap();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].open_time.millis(), 1_754_820_600_000);
    assert_eq!(got[0].volume.as_str(), "0");
    let last = &got[1];
    let texts = [&last.open, &last.high, &last.low, &last.close, &last.volume].map(Number::as_str);
    assert_eq!(texts, ["118000", "118100", "117900", "118050.5", "0.015486090000000001"]);
    let row = |ms: i64| format!("[{ms},1,1,1,1,1]");
    let ascending = format!("[{},{}]", row(1_754_820_600_000), row(1_754_820_660_000));
    assert_eq!(
        candles(&body(&ascending), Timeframe::M1).unwrap()[1].open_time.millis(),
        1_754_820_660_000
    );
    assert_eq!(candles(&body("[]"), Timeframe::M1).unwrap(), vec![]);
}

#[test]
fn candles_stand_on_their_buckets() {
    let row = |ms: i64| format!("[{ms},1,1,1,1,1]");
    let check = |timeframe, times: &[i64]| {
        let rows: Vec<_> = times.iter().copied().map(row).collect();
        candles(&body(&format!("[{}]", rows.join(","))), timeframe).is_ok()
    };
    let day = 86_400_000;
    assert!(check(Timeframe::Month, &[1_704_067_200_000, 1_706_745_600_000]));
    assert!(!check(Timeframe::Month, &[1_704_067_200_000 + day]));
    assert!(!check(Timeframe::M5, &[1_754_820_660_000]));
    // Weeks may begin on any day, but all on the same.
    assert!(check(Timeframe::W1, &[14 * day, 21 * day, 35 * day]));
    assert!(check(Timeframe::W1, &[15 * day, 22 * day]));
    assert!(!check(Timeframe::W1, &[15 * day, 23 * day]));
    assert!(!check(Timeframe::W2, &[15 * day, 22 * day]));
    assert!(!check(Timeframe::W1, &[14 * day + 1]));
}

#[test]
fn trades_come_oldest_first_with_their_side() {
    let got = trades(&body(TRADES)).unwrap();
    let summary: Vec<_> =
        got.iter().map(|t| (t.id, t.side, t.price.as_str(), t.amount.as_str())).collect();
    assert_eq!(
        summary,
        [
            (12, Side::Buy, "3", "1"),
            (29, Side::Buy, "7e-7", "2e-5"),
            (30, Side::Sell, "41646.35995408", "0.5"),
        ]
    );
    assert_eq!(got[1].raw.as_str(), "[29,1754820720001,2e-5,7e-7,null]");
    assert_eq!(trades(&body("[]")).unwrap(), vec![]);
}

#[test]
fn book_sides_go_by_the_sign() {
    let got = book(&body(BOOK), 25).unwrap();
    let side = |levels: &[Level]| -> Vec<String> {
        levels.iter().map(|level| format!("{} {}", level.price, level.amount)).collect()
    };
    assert_eq!(side(&got.bids), ["100.5 0.10", "100 3", "99 1"]);
    assert_eq!(side(&got.asks), ["101 2.5", "102 1e-8"]);
    assert_eq!(got.asks[0].raw.as_str(), "[101,3,-2.5]");
    assert!(book(&body("[]"), 25).unwrap().bids.is_empty());
    assert_eq!(why(book(&body(BOOK), 1)), "book: more levels than asked for");
}

#[test]
fn what_cannot_be_true_is_refused() {
    for (text, expected) in [
        ("[[100,1,1],[100,1,-1]]", "crossed"),
        ("[[99,1,1],[100,1,1]]", "out of order"),
        ("[[100,1,1],[100,2,1]]", "out of order"),
        ("[[100,0,1]]", "without price"),
        ("[[0,1,1]]", "without price"),
        ("[[-1,1,1]]", "without price"),
        ("[[1,1,0]]", "without price"),
        ("[[1,1]]", "no column 3"),
        ("[[\"1\",1,1]]", "not a number"),
        ("[[null,1,1]]", "not a number"),
        ("[[NaN,1,1]]", "expected"),
        ("[[1,1,1]", "EOF"),
        ("{}", "expected a sequence"),
        ("<html>", "expected value"),
        ("[1]", "expected a row"),
    ] {
        let why = why(book(&body(text), 25));
        assert!(why.contains(expected), "{text}: {why}");
    }
    for (text, expected) in [
        ("[[60000,1,1,0.9,1,1]]", "outside of high and low"),
        ("[[60000,1,1,1,1.1,1]]", "outside of high and low"),
        ("[[60000,0,1,1,1,1]]", "not positive"),
        ("[[60000,1,1,1,1,-1]]", "not positive"),
        ("[[60000,1,1,1,1,null]]", "not a number"),
        ("[[60000,1,1,1,1]]", "no column 6"),
        ("[[60001,1,1,1,1,1]]", "opens no bucket"),
        ("[[60000,1,1,1,1,1],[60000,1,1,1,1,1]]", "out of order or twice"),
        ("[[60000,1,1,1,1,1],[180000,1,1,1,1,1],[120000,1,1,1,1,1]]", "out of order or twice"),
        ("[[-60000,1,1,1,1,1]]", "is no time"),
        ("[[9e18,1,1,1,1,1]]", "invalid type"),
        ("[[9000000000000000000,1,1,1,1,1]]", "is no time"),
        ("[[60000,1,1,1e999,1,1]]", "not a number"),
    ] {
        let why = why(candles(&body(text), Timeframe::M1));
        assert!(why.contains(expected), "{text}: {why}");
    }
    for (text, expected) in [
        ("[[1,60000,1,0]]", "without price"),
        ("[[1,60000,0,1]]", "without price"),
        ("[[1,60000,1,-1]]", "without price"),
        ("[[1,60000,1,\"NaN\"]]", "not a number"),
        ("[[1,60000,1,1],[1,60000,1,1]]", "twice"),
    ] {
        let why = why(trades(&body(text)));
        assert!(why.contains(expected), "{text}: {why}");
    }
    for (text, expected) in [
        ("[]", "no column 1"),
        ("[1,2,3,4,5,6,7,8,9]", "no column 10"),
        ("[\"1\",2,3,4,5,6,7,8,9,1]", "not a number"),
        ("[-1,2,3,4,5,6,7,8,9,1]", "negative"),
        ("[1,2,3,4,5,6,7,8,1,9]", "high is below"),
    ] {
        let why = why(ticker(&body(text)));
        assert!(why.contains(expected), "{text}: {why}");
    }
    assert!(why(tickers(&body("[[1,2,3]]"))).contains("invalid type"));
    assert!(why(tickers(&body("[[\"tBTCUSD\"]]"))).contains("no column 2"));
    let long = why(trades(&body(&format!("[[\"{}\"]]", "x".repeat(5000)))));
    assert!(long.len() <= 200);
    assert!(why(trades(&Bytes::from_static(b"[[\xff]]"))).contains("utf-8"));
}

/// Runs every decoder; what one of them accepts has to be what it promises.
fn decode_all(bytes: &Bytes) {
    let _may_be_refused = (ticker(bytes), tickers(bytes));
    if let Ok(book) = book(bytes, 25) {
        assert_eq!(book.fault(), None);
        assert!(book.bids.len().max(book.asks.len()) <= 25);
    }
    for timeframe in Timeframe::ALL {
        if let Ok(candles) = candles(bytes, timeframe) {
            assert!(candles.is_sorted_by(|a, b| a.open_time < b.open_time));
            assert!(candles.iter().all(|c| c.high.f64() >= c.low.f64() && c.low.f64() >= 0.0));
        }
    }
    if let Ok(trades) = trades(bytes) {
        assert!(trades.iter().all(|trade| !trade.price.is_zero() && !trade.amount.is_negative()));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn no_mutation_makes_a_decoder_panic(
        which in 0..5_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), edit()), 1..5),
    ) {
        let mut bytes = [TICKER, TICKERS, BOOK, CANDLES, TRADES][which].as_bytes().to_vec();
        for (index, edit) in edits {
            let at = index.index(bytes.len());
            match edit {
                Edit::Set(byte) => bytes[at] = byte,
                Edit::Cut => bytes.truncate(at + 1),
                Edit::Insert(text) => { bytes.splice(at..at, text.bytes()); }
            }
        }
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn number_text_survives(
        digits in "[1-9][0-9]{0,16}(\\.[0-9]{1,17})?(e-[1-9])?",
        amount in "-?[1-9][0-9]{0,8}(\\.[0-9]{1,8})?",
    ) {
        let text = format!("[[7,1754820720000,{amount},{digits}]]");
        let got = trades(&body(&text)).unwrap();
        prop_assert_eq!(got[0].price.as_str(), &digits);
        prop_assert_eq!(got[0].amount.as_str(), amount.trim_start_matches('-'));
        prop_assert_eq!(got[0].raw.as_str(), &text[1..text.len() - 1]);
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Cut,
    Insert(&'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    const INSERTS: [&str; 12] =
        ["[", "]", ",", "null", "\"", "-", "1e999", "NaN", "0", ".", "[]", "9999999999999999999"];
    prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        Just(Edit::Cut),
        prop::sample::select(&INSERTS[..]).prop_map(Edit::Insert),
    ]
}
