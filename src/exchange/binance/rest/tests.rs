use std::time::Duration;

use super::*;
use crate::{
    exchange::binance::names,
    market::{Candle, Precision, Side},
};

const NOW: UnixMs = UnixMs::from_millis(1_790_000_000_000);

fn answer(status: u16, body: &str) -> Result<Bytes, UpstreamError> {
    answer_after(status, None, body)
}

fn answer_after(status: u16, retry_after: Option<u64>, body: &str) -> Result<Bytes, UpstreamError> {
    let retry_after = retry_after.map(Duration::from_secs);
    data(Answer { status, retry_after, body: Bytes::copy_from_slice(body.as_bytes()) }, NOW)
}

fn market(id: &str) -> Arc<Listing> {
    let row = serde_json::json!({"symbols": [{"symbol": id, "status": "TRADING", "baseAsset": "A",
        "quoteAsset": "B", "isSpotTradingAllowed": true}]});
    let list = names::markets(&Bytes::from(row.to_string())).unwrap();
    Arc::new(list.listings.into_iter().next().unwrap())
}

#[test]
fn data_is_what_is_no_error() {
    for body in ["[]", "{}", " [1]", r#"{"lastUpdateId":1,"bids":[],"asks":[]}"#] {
        assert_eq!(answer(200, body).unwrap(), body);
    }
    for body in ["", "<!DOCTYPE html>", "null", "OK", "\"x\""] {
        assert!(matches!(answer(200, body), Err(UpstreamError::Invalid(_))), "{body}");
    }
}

#[test]
fn limits_and_bans_say_when_to_come_back() {
    let limited = |wait: Option<u64>| {
        Err(UpstreamError::RateLimited { retry_after: wait.map(Duration::from_secs) })
    };
    let banned = |wait: Option<u64>| {
        Err(UpstreamError::Banned { retry_after: wait.map(Duration::from_secs) })
    };
    let much = r#"{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket Streams."}"#;
    assert_eq!(answer_after(429, Some(17), much), limited(Some(17)));
    assert_eq!(answer_after(429, Some(17), "<html>"), limited(Some(17)));
    assert_eq!(answer(400, much), limited(None), "known by its number alone");
    assert_eq!(answer(200, much), limited(None));
    let ban = r#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1790000120000. Please use WebSocket Streams for live updates to avoid bans."}"#;
    assert_eq!(answer_after(418, Some(90), ban), banned(Some(90)));
    assert_eq!(answer(418, ban), banned(Some(120)));
    assert_eq!(answer(429, ban), banned(Some(120)), "a ban is one whatever the status");
    assert_eq!(answer(418, &ban.replace("1790000120000", "1789999999999")), banned(Some(0)));
    let of_three_days = ban.replace("1790000120000", "1790259200000");
    assert_eq!(answer(418, &of_three_days), banned(Some(3 * 86_400)));
    let endless = ban.replace("1790000120000", "9790000120000");
    assert_eq!(answer(418, &endless), banned(Some(3 * 86_400)));
    for body in ["", "<html>", &ban.replace("1790000120000", "soon")] {
        assert_eq!(answer(418, body), banned(None), "{body}");
    }
}

#[test]
fn refusals_are_told_apart() {
    for (status, code, message) in [
        (400, -1121, "Invalid symbol."),
        (400, -1120, "Invalid interval."),
        (400, -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z]$'."),
        (400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        (400, -1104, "Not all sent parameters were read; read '2' parameter(s) but was sent '3'."),
        (400, -1130, "Data sent for parameter 'limit' is not valid."),
        (400, -1220, "The symbol's status does not match the requested symbolStatus."),
        (200, -1121, "Invalid symbol."),
        (401, -2014, "API-key format invalid."),
    ] {
        let body = serde_json::json!({"code": code, "msg": message}).to_string();
        let rejected = UpstreamError::Rejected { code, message: message.to_owned() };
        assert_eq!(answer(status, &body), Err(rejected));
    }
    for code in [-1000, -1001, -1006, -1007, -1008, -1016] {
        let body = serde_json::json!({"code": code, "msg": "busy"}).to_string();
        for status in [200, 400, 503] {
            let error = answer(status, &body).unwrap_err();
            assert_eq!(error, UpstreamError::Unavailable { status });
            assert!(error.may_retry());
        }
    }
    let region = r#"{"code":0,"msg":"Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms."}"#;
    for (status, body) in [(451, region), (451, ""), (403, "<html>403 Forbidden</html>"), (403, "")]
    {
        let error = answer(status, body).unwrap_err();
        assert_eq!(error, UpstreamError::Restricted { status });
        assert!(!error.may_retry());
    }
    for (status, body) in [
        (500, "<html>"),
        (502, ""),
        (503, r#"{"code":-9999,"msg":"x"}"#),
        (504, r#"{"code":"#),
        (401, ""),
    ] {
        assert_eq!(answer(status, body), Err(UpstreamError::Unavailable { status }), "{body}");
    }
    assert!(matches!(answer(404, "<html>"), Err(UpstreamError::Rejected { code: 404, .. })));
    for (status, body) in [(301, ""), (200, r#"{"code":-9999,"msg":"x"}"#)] {
        assert!(matches!(answer(status, body), Err(UpstreamError::Invalid(_))), "{body}");
    }
}

#[test]
fn requests_are_written_as_the_exchange_reads_them() {
    let btc = market("BTCUSDT");
    let at = |ms| Some(UnixMs::from_millis(ms));
    assert_eq!(ticker_path(&btc), "api/v3/ticker/24hr?symbol=BTCUSDT");
    assert_eq!(
        tickers_path(Some(&[btc.clone(), market("币A")])),
        "api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22%E5%B8%81A%22%5D"
    );
    assert_eq!(tickers_path(None), "api/v3/ticker/24hr");
    let book = BookQuery { market: btc.clone(), precision: Precision::P0, depth: 25 };
    assert_eq!(book_path(&book), "api/v3/depth?symbol=BTCUSDT&limit=25");

    let candles = |timeframe, since, until| {
        let market = btc.clone();
        candles_path(&CandleQuery { market, timeframe, limit: 5, since, until })
    };
    let start = "api/v3/klines?symbol=BTCUSDT";
    for (timeframe, since, until, rest) in [
        (Timeframe::M1, None, None, "&interval=1m&limit=5"),
        (Timeframe::M1, at(60_000), None, "&interval=1m&limit=5&startTime=60000"),
        (
            Timeframe::M1,
            at(60_001),
            at(180_001),
            "&interval=1m&limit=5&startTime=120000&endTime=180001",
        ),
        (Timeframe::Month, None, at(7), "&interval=1M&limit=5&endTime=7"),
        // 1970-01-05 was a Monday.
        (Timeframe::W1, at(1), None, "&interval=1w&limit=5&startTime=345600000"),
        // No bucket opens in between: nothing is to come, and the bounds stay in order.
        (Timeframe::H1, at(1), at(2), "&interval=1h&limit=5&startTime=1&endTime=2"),
        (Timeframe::D1, at(-86_400_000), None, "&interval=1d&limit=5&startTime=0"),
    ] {
        assert_eq!(candles(timeframe, since, until), format!("{start}{rest}"));
    }
    let trades =
        |since, until| trades_path(&TradeQuery { market: btc.clone(), limit: 5, since, until });
    let start = "api/v3/aggTrades?symbol=BTCUSDT&limit=5";
    assert_eq!(trades(None, None), start);
    assert_eq!(trades(None, at(9)), format!("{start}&endTime=9"));
    assert_eq!(trades(at(3), None), format!("{start}&startTime=3"));
    assert_eq!(trades(at(3), at(9)), format!("{start}&startTime=3"));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let at = |ms| Some(UnixMs::from_millis(ms));
    let number = || "1".parse().unwrap();
    let candles = |times: &[i64]| -> Vec<Candle> {
        let candle = |ms: &i64| Candle {
            open_time: UnixMs::from_millis(*ms),
            open: number(),
            high: number(),
            low: number(),
            close: number(),
            volume: number(),
        };
        times.iter().map(candle).collect()
    };
    let trades = |times: &[i64]| -> Vec<Trade> {
        let raw = || crate::market::Raw::copy_of(serde_json::from_str("{}").unwrap());
        let trade = |ms: &i64| Trade {
            id: *ms,
            at: UnixMs::from_millis(*ms),
            side: Side::Buy,
            price: number(),
            amount: number(),
            raw: raw(),
        };
        times.iter().map(trade).collect()
    };
    let (market, timeframe, limit) = (market("BTCUSDT"), Timeframe::M1, 3);
    let query =
        CandleQuery { market: market.clone(), timeframe, limit, since: at(60), until: at(90) };
    assert_eq!(bounds::candles(&query, candles(&[60, 70, 90])).unwrap().len(), 3);
    for times in [&[60, 70, 80, 90][..], &[59], &[91]] {
        assert!(bounds::candles(&query, candles(times)).is_err(), "{times:?}");
    }
    let query = TradeQuery { market, limit, since: at(60), until: at(90) };
    let told = trades_as_asked(&query, trades(&[60, 90, 91])).unwrap();
    assert_eq!(told.iter().map(|trade| trade.id).collect::<Vec<_>>(), [60, 90]);
    for times in [&[60, 70, 80, 90][..], &[59]] {
        assert!(trades_as_asked(&query, trades(times)).is_err(), "{times:?}");
    }
    let query = TradeQuery { since: None, ..query };
    assert!(trades_as_asked(&query, trades(&[91])).is_err());
}
