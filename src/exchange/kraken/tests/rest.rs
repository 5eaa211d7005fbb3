use std::sync::Arc;

use super::*;
use crate::{
    exchange::kraken::{names, wire},
    market::{Precision, UnixMs},
};

fn market() -> Arc<Listing> {
    let list = Bytes::from_static(br#"{"XXBTZUSD":{"wsname":"XBT/USD"}}"#);
    Arc::new(names::markets(&list).unwrap().remove(0))
}

fn answer(status: u16, body: &'static str) -> Answer {
    Answer {
        status,
        retry_after: Some(Duration::from_secs(7)),
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn asked(timeframe: Timeframe, limit: u32, since: Option<i64>, until: Option<i64>) -> CandleQuery {
    let [since, until] = [since, until].map(|ms| ms.map(UnixMs::from_millis));
    CandleQuery { market: market(), timeframe, limit, since, until }
}

#[test]
fn the_result_of_an_answer_is_data() {
    let got = result(answer(200, r#" {"error":[],"result":{"a":[1.50]}} "#)).unwrap();
    assert_eq!(got, r#"{"a":[1.50]}"#);
    let warned = r#"{"error":["WGeneral:Deprecated"],"result":[1],"more":null}"#;
    assert_eq!(result(answer(200, warned)).unwrap(), "[1]");
}

#[test]
fn every_failure_has_its_kind_whatever_the_status() {
    let wait = Some(Duration::from_secs(7));
    let rejected =
        |code, message: &str| UpstreamError::Rejected { code, message: message.to_owned() };
    let unavailable = |status| UpstreamError::Unavailable { status };
    let limited = UpstreamError::RateLimited { retry_after: wait };
    for (status, body, error) in [
        (200, r#"{"error":["EGeneral:Too many requests"]}"#, limited.clone()),
        (200, r#"{"error":["EAPI:Rate limit exceeded"],"result":{}}"#, limited.clone()),
        (200, r#"{"error":["EGeneral:Temporary lockout"]}"#, limited.clone()),
        (200, r#"{"error":["EService: Throttled: [1790000000]"]}"#, limited.clone()),
        (429, "<html>", limited.clone()),
        (429, r#"{"error":["EQuery:x"]}"#, limited),
        (200, r#"{"error":["EService:Unavailable"]}"#, unavailable(200)),
        (200, r#"{"error":["WGeneral:x","EService:Busy"]}"#, unavailable(200)),
        (503, r#"{"error":["EService:Timeout"]}"#, unavailable(503)),
        (200, r#"{"error":["EGeneral:Internal error"]}"#, unavailable(200)),
        (200, r#"{"error":["EService:Down for maintenance"]}"#, UpstreamError::Maintenance),
        (
            200,
            r#"{"error":["EQuery:Unknown asset pair"]}"#,
            rejected(0, "EQuery:Unknown asset pair"),
        ),
        (
            200,
            r#"{"error":["EGeneral:Invalid arguments"]}"#,
            rejected(0, "EGeneral:Invalid arguments"),
        ),
        (404, r#"{"error":["EGeneral:Unknown method"]}"#, rejected(0, "EGeneral:Unknown method")),
        (404, "<html>", rejected(404, "no such path")),
        (414, "", rejected(414, "HTTP 414")),
        (451, "", UpstreamError::Restricted { status: 451 }),
        (403, "<html>", unavailable(403)),
        (520, "<!DOCTYPE html>", unavailable(520)),
        (502, "", unavailable(502)),
    ] {
        assert_eq!(result(answer(status, body)), Err(error), "{status} {body}");
    }
    for (status, body) in [
        (200, ""),
        (200, "<html>maintenance</html>"),
        (200, r#"{"error":[]}"#),
        (200, r#"{"result":{}}"#),
        (200, r#"{"error":[],"result":"#),
        (200, r#"{"error":["odd"],"result":{}}"#),
        (200, r#"{"error":null,"result":{}}"#),
        (200, "[]"),
        (302, ""),
    ] {
        let error = result(answer(status, body)).unwrap_err();
        assert_eq!(error.label(), "invalid", "{status} {body}");
    }
    let invalid_utf8 =
        Answer { body: Bytes::from_static(b"{\"error\":[\"\xff\"]}"), ..answer(200, "") };
    assert_eq!(result(invalid_utf8).unwrap_err().label(), "invalid");
}

#[test]
fn requests_name_the_market_as_it_is_listed() {
    assert_eq!(ticker_path(&market()), "0/public/Ticker?pair=XXBTZUSD");
    let two = [market(), market()];
    assert_eq!(
        tickers_path(Some(two.iter().map(Arc::as_ref))),
        "0/public/Ticker?pair=XXBTZUSD,XXBTZUSD"
    );
    assert_eq!(tickers_path(None::<std::iter::Empty<&Listing>>), "0/public/Ticker");
    let query = BookQuery { market: market(), precision: Precision::P0, depth: 100 };
    assert_eq!(book_path(&query), "0/public/Depth?pair=XXBTZUSD&count=100");
    let path = |timeframe, since| candles_path(&asked(timeframe, 5, since, None));
    assert_eq!(path(Timeframe::H4, None), "0/public/OHLC?pair=XXBTZUSD&interval=240");
    assert_eq!(
        path(Timeframe::M5, Some(1_700_000_400_000)),
        "0/public/OHLC?pair=XXBTZUSD&interval=5&since=1700000100"
    );
    assert_eq!(path(Timeframe::W1, Some(0)), "0/public/OHLC?pair=XXBTZUSD&interval=10080&since=0");
    let query = |since: Option<i64>, until: Option<i64>| {
        let [since, until] = [since, until].map(|ms| ms.map(UnixMs::from_millis));
        trades_path(&TradeQuery { market: market(), limit: 9, since, until })
    };
    assert_eq!(query(None, None).unwrap(), "0/public/Trades?pair=XXBTZUSD&count=9");
    // What is asked for lies after the nanosecond named.
    assert_eq!(
        query(Some(1_700_000_000_001), Some(2_000_000_000_000)).unwrap(),
        "0/public/Trades?pair=XXBTZUSD&count=9&since=1700000000000999999"
    );
    assert_eq!(query(Some(-5), None).unwrap(), "0/public/Trades?pair=XXBTZUSD&count=9&since=0");
    assert_eq!(query(None, Some(1)).unwrap_err().label(), "rejected");
}

#[test]
fn what_was_not_asked_for_is_cut() {
    let row = |minute: i64| format!(r#"[{},"1","1","1","1","0.0","0",0]"#, minute * 60);
    let rows: Vec<String> = (1..=6).map(row).collect();
    let body = Bytes::from(format!(r#"{{"X":[{}],"last":300}}"#, rows.join(",")));
    let minutes = |limit, since: Option<i64>, until: Option<i64>| -> Vec<i64> {
        let ms = |minute| minute * 60_000;
        let query = asked(Timeframe::M1, limit, since.map(ms), until.map(ms));
        let candles = candles_as_asked(&query, wire::candles(&body, Timeframe::M1).unwrap());
        candles.iter().map(|candle| candle.open_time.millis() / 60_000).collect()
    };
    assert_eq!(minutes(720, None, None), [1, 2, 3, 4, 5, 6]);
    assert_eq!(minutes(2, None, None), [5, 6]);
    assert_eq!(minutes(2, None, Some(4)), [3, 4]);
    assert_eq!(minutes(2, Some(2), None), [2, 3]);
    assert_eq!(minutes(9, Some(2), Some(3)), [2, 3]);
    assert_eq!(minutes(9, Some(7), None), [0; 0]);

    let row = |second: i64| format!(r#"["1","1",{second}.5,"b","m","",{second}]"#);
    let rows: Vec<String> = (1..=5).map(row).collect();
    let body = Bytes::from(format!(r#"{{"X":[{}],"last":"5500000000"}}"#, rows.join(",")));
    let ids = |limit, since: Option<i64>, until: Option<i64>| -> Vec<i64> {
        let [since, until] = [since, until].map(|ms| ms.map(UnixMs::from_millis));
        let query = TradeQuery { market: market(), limit, since, until };
        let trades = trades_as_asked(&query, wire::trades(&body).unwrap());
        trades.iter().map(|trade| trade.id).collect()
    };
    assert_eq!(ids(2, None, None), [4, 5]);
    assert_eq!(ids(2, Some(2_500), None), [2, 3]);
    assert_eq!(ids(9, Some(2_501), Some(4_499)), [3]);
}
