//! What data of open channels become.

use super::*;
use crate::market::{Number, Side};

fn number(text: &str) -> Option<Number> {
    Some(text.parse().unwrap())
}

fn only(script: &mut Script) -> Data {
    match script.news().as_slice() {
        [Event::Data(_, data)] => data.clone(),
        told => panic!("{told:?}"),
    }
}

#[test]
fn a_ticker_counts_from_the_price_a_day_ago() {
    let row = r#"{"symbol":"BTC/USD","bid":118280.0,"bid_qty":2.50000000,"ask":118280.1,"ask_qty":3.2,"last":118270.0,"volume":163.28908096,"vwap":117000.5,"low":116470.0,"high":118760.0,"change":320.0,"change_pct":0.27,"timestamp":"2026-09-25T09:30:59.123456Z"}"#;
    // Each is whole, the first need not be a snapshot.
    let mut script = Script::with(&ticker());
    script.hear(&data("ticker", "update", row));
    assert!(matches!(only(&mut script), Data::Ticker(told) if told.raw.as_str() == row));
    let mut script = Script::with(&ticker());
    script.hear(&data("ticker", "snapshot", row));
    let Data::Ticker(told) = only(&mut script) else { panic!() };
    assert_eq!((&told.bid, &told.bid_volume), (&number("118280.0"), &number("2.50000000")));
    assert_eq!((&told.ask, &told.ask_volume), (&number("118280.1"), &number("3.2")));
    assert_eq!((told.open(), told.change()), (number("117950"), number("320.0")));
    assert_eq!(told.percentage(), number("0.27"));
    assert_eq!(told.quote_volume, number("19104904.11686048"));
    assert_eq!(told.at.map(|at| at.iso()).as_deref(), Some("2026-09-25T09:30:59.123Z"));
    assert_eq!(told.raw.as_str(), row);
    script.hear(&data("ticker", "update", &row.replace("118270.0", "118271.0")));
    assert!(matches!(only(&mut script), Data::Ticker(told) if told.last == number("118271.0")));
    // A market in which nothing happens.
    script.hear(&data("ticker", "update", r#"{"symbol":"BTC/USD","bid":0.0,"bid_qty":0.0,"ask":0.0,"ask_qty":0.0,"last":0.0,"volume":0.0,"vwap":0.0,"low":0.0,"high":0.0,"change":0.0,"change_pct":0.0,"timestamp":"1970-01-01T00:00:00Z"}"#));
    let Data::Ticker(told) = only(&mut script) else { panic!() };
    assert_eq!(
        (told.bid, told.bid_volume, told.last, told.change, told.change_percent, told.at),
        (None, None, None, None, None, None)
    );
    // Another market's is nobody's.
    script.hear(&data("ticker", "update", &row.replace("BTC/USD", "ETH/USD")));
    assert_eq!(script.news(), []);
}

fn trade(id: i64, side: &str, at: &str) -> String {
    format!(
        r#"{{"symbol":"BTC/USD","side":"{side}","price":5117.0,"qty":40.10,"ord_type":"market","trade_id":{id},"timestamp":"2026-09-25T07:49:{at}Z"}}"#
    )
}

#[test]
fn trades_come_once_and_with_the_takers_side() {
    let mut script = Script::with(&topic(Stream::Trades));
    script.hear(&data("trade", "update", &trade(6, "buy", "30.0")));
    assert_eq!(script.news(), [], "the snapshot comes first");
    let two = [trade(8, "sell", "37.708706"), trade(7, "buy", "36.9")].join(",");
    script.hear(&data("trade", "snapshot", &two));
    let Data::Trades(told) = only(&mut script) else { panic!() };
    let shown: Vec<_> =
        told.iter().map(|t| (t.id, t.side, t.price.as_str(), t.amount.as_str())).collect();
    assert_eq!(shown, [(7, Side::Buy, "5117.0", "40.10"), (8, Side::Sell, "5117.0", "40.10")]);
    assert_eq!(told[1].at.iso(), "2026-09-25T07:49:37.708Z");
    assert_eq!(told[1].raw.as_str(), trade(8, "sell", "37.708706"));
    let three = [trade(8, "sell", "37.708706"), trade(9, "buy", "38.0"), trade(10, "buy", "38.0")];
    script.hear(&data("trade", "update", &three.join(",")));
    let ids: Vec<i64> = script
        .news()
        .iter()
        .map(|event| match event {
            Event::Data(_, Data::Trade(trade, Report::Confirmed)) => trade.id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [9, 10]);
    for bad in [
        trade(11, "none", "39"),
        trade(11, "buy", "99"),
        trade(11, "buy", "39").replace("5117.0", "0"),
    ] {
        let mut script = Script::with(&topic(Stream::Trades));
        script.hear(&data("trade", "snapshot", &bad));
        assert!(
            matches!(script.news().as_slice(), [Event::Broken(_, Broken::Invalid(_))]),
            "{bad}"
        );
    }
}

fn candle(interval: u32, begin: &str, close: &str) -> String {
    format!(
        r#"{{"symbol":"BTC/USD","open":10.0,"high":12.0,"low":9.0,"close":{close},"trades":3,"volume":1.50,"vwap":10.1,"interval_begin":"2026-09-25T{begin}.000000000Z","interval":{interval},"timestamp":"2026-09-25T{begin}.000000000Z"}}"#
    )
}

#[test]
fn candles_of_two_widths_are_told_apart() {
    let (five, hour) = (candles(Timeframe::M5), candles(Timeframe::H1));
    let mut script = Script::with(&five);
    script.subscribe(&hour);
    script.acknowledge("subscribe", 2);
    assert_eq!(script.news(), [Event::Subscribed(Arc::clone(&hour))]);
    let rows = [
        candle(5, "10:05:00", "11.0"),
        candle(5, "10:00:00", "10.0"),
        candle(60, "10:00:00", "11.0"),
    ];
    script.hear(&data("ohlc", "snapshot", &rows.join(",")));
    match script.news().as_slice() {
        [Event::Data(first, Data::Candles(two)), Event::Data(second, Data::Candles(one))] => {
            assert_eq!((first, second), (&five, &hour));
            assert_eq!(
                (two.len(), two[0].close.as_str(), two[1].close.as_str()),
                (2, "10.0", "11.0")
            );
            assert_eq!(
                (two[1].volume.as_str(), two[1].open_time.iso().as_str()),
                ("1.50", "2026-09-25T10:05:00.000Z")
            );
            assert_eq!(one.len(), 1);
        }
        told => panic!("{told:?}"),
    }
    script.hear(&data("ohlc", "update", &candle(60, "11:00:00", "9.5")));
    assert!(matches!(only(&mut script), Data::Candle(candle) if candle.close.as_str() == "9.5"));
    // A width that nobody asked for.
    script.hear(&data("ohlc", "update", &candle(7, "11:00:00", "9.5")));
    assert_eq!(script.news(), []);
    script.hear(&data("ohlc", "update", &candle(60, "11:30:00", "9.5")));
    assert!(matches!(script.news().as_slice(), [Event::Broken(topic, _)] if *topic == hour));
}

#[test]
fn a_row_that_says_not_what_it_is_of_ends_the_conversation() {
    let mut script = Script::with(&ticker());
    for bad in [
        r#"{"channel":"ticker","type":"update","data":[{"bid":1}]}"#,
        r#"{"channel":"book","data":{}}"#,
        "",
        "[1]",
        "{",
    ] {
        assert!(matches!(script.try_hear(bad), Err(SessionError::Protocol(_))), "{bad}");
    }
    for unknown in [
        r#"{"channel":"instrument","type":"snapshot","data":[{"assets":[]}]}"#,
        r#"{"method":"pong","req_id":1}"#,
        "{}",
    ] {
        script.hear(unknown);
    }
    assert_eq!(script.news(), []);
    let spoken = r#"{"channel":"status","data":[{"api_version":"v3","system":"online"}]}"#;
    assert_eq!(script.try_hear(spoken), Err(SessionError::Protocol("v3".to_owned())));
}
