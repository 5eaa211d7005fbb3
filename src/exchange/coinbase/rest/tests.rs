use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    exchange::coinbase::names,
    market::{Number, Precision, Raw, Side},
};

fn answer(status: u16, body: &str) -> Result<Bytes, UpstreamError> {
    let retry_after = Some(Duration::from_secs(9)).filter(|_| status == 429);
    data(Answer { status, retry_after, body: Bytes::copy_from_slice(body.as_bytes()) })
}

fn error(name: &str, message: &str) -> String {
    format!(r#"{{"error":"{name}","error_details":"{message}","message":"{message}"}}"#)
}

#[test]
fn data_is_what_is_no_error() {
    for body in [r#"{"products":[]}"#, r#" {"trades":[],"errors":[]}"#, r#"{"error":null}"#] {
        assert_eq!(answer(200, body).unwrap(), body);
    }
    for body in ["", "<html>", "null", "OK", "[]", "\"x\""] {
        assert!(matches!(answer(200, body), Err(UpstreamError::Invalid(_))), "{body}");
    }
}

#[test]
fn a_rate_limit_is_known_in_every_form() {
    let waiting = |seconds: Option<u64>| {
        Err(UpstreamError::RateLimited { retry_after: seconds.map(Duration::from_secs) })
    };
    for body in ["", "<html>", "{}", "slow down", &error("NOT_FOUND", "x")] {
        assert_eq!(answer(429, body), waiting(Some(9)), "{body}");
    }
    for status in [200, 403, 500] {
        assert_eq!(answer(status, &error("RESOURCE_EXHAUSTED", "x")), waiting(None));
        assert_eq!(
            answer(status, r#"{"errors":[{"id":"rate_limit_exceeded","message":"Slow down"}]}"#),
            waiting(None)
        );
    }
}

#[test]
fn refusals_are_in_the_exchanges_words() {
    let rejected = |code: i64, message: &str| {
        Err(UpstreamError::Rejected { code, message: message.to_owned() })
    };
    let unknown = "valid product_id is required";
    let wide = "number of candles requested should be less than 350 ";
    for status in [200, 404] {
        assert_eq!(answer(status, &error("NOT_FOUND", unknown)), rejected(404, unknown));
    }
    assert_eq!(answer(400, &error("INVALID_ARGUMENT", wide)), rejected(400, wide));
    assert_eq!(answer(200, &error("INVALID_ARGUMENT", wide)), rejected(400, wide));
    assert_eq!(answer(403, &error("PERMISSION_DENIED", "no")), rejected(403, "no"));
    assert_eq!(answer(401, "Unauthorized\n"), rejected(401, "HTTP 401"));
    assert_eq!(answer(404, "<html>"), rejected(404, "no such path or product"));
    assert_eq!(
        answer(404, r#"{"errors":[{"id":"not_found","message":"Not found"}]}"#),
        rejected(404, "Not found")
    );
    assert_eq!(answer(400, r#"{"error":"X","message":""}"#), rejected(400, "X"));
    let long = error("INVALID_ARGUMENT", &format!("a\\nb{}", "x".repeat(1000)));
    let Err(UpstreamError::Rejected { message, .. }) = answer(400, &long) else { panic!() };
    assert!(message.starts_with("abx") && message.len() == 200);
    assert!(matches!(answer(200, &error("WHAT", "x")), Err(UpstreamError::Invalid(_))));
}

#[test]
fn other_statuses_speak_for_themselves() {
    let unavailable = |status| Err(UpstreamError::Unavailable { status });
    assert_eq!(answer(500, &error("INTERNAL", "x")), unavailable(500));
    assert_eq!(answer(200, &error("INTERNAL", "x")), unavailable(200));
    assert_eq!(answer(503, "<html>down for maintenance</html>"), unavailable(503));
    assert_eq!(answer(403, "<html>"), unavailable(403));
    assert_eq!(answer(502, ""), unavailable(502));
    assert_eq!(
        answer(503, &error("UNAVAILABLE", "Under Maintenance")),
        Err(UpstreamError::Maintenance)
    );
    assert_eq!(answer(451, "{}"), Err(UpstreamError::Restricted { status: 451 }));
    assert!(matches!(answer(302, ""), Err(UpstreamError::Invalid(_))));
}

fn market(id: &str) -> Arc<Listing> {
    let (base, quote) = id.split_once('-').unwrap();
    let body = format!(
        r#"{{"products":[{{"product_id":"{id}","base_currency_id":"{base}","quote_currency_id":"{quote}",
        "product_type":"SPOT","status":"online","base_increment":"1","quote_increment":"1",
        "base_min_size":"","base_max_size":""}}]}}"#
    );
    Arc::new(names::markets(&Bytes::from(body)).unwrap().listings.remove(0))
}

fn query(timeframe: Timeframe, limit: u32, since: Option<i64>, until: Option<i64>) -> CandleQuery {
    let (since, until) = (since.map(UnixMs::from_millis), until.map(UnixMs::from_millis));
    CandleQuery { market: market("BTC-USD"), timeframe, limit, since, until }
}

/// The path of a query that is made 2026-11-22T14:07:30Z.
fn path(query: &CandleQuery) -> Option<String> {
    let now = "2026-11-22T14:07:30Z".parse().unwrap();
    let path = candles_path(query, Buckets::of(query, now)?);
    Some(path.strip_prefix("api/v3/brokerage/market/products/BTC-USD/candles?").unwrap().into())
}

#[test]
fn candles_are_asked_for_by_their_opening_times() {
    let noon = "2026-11-22T12:00:00Z".parse::<UnixMs>().unwrap().millis();
    let seconds = noon / 1000;
    let asked = |start: i64, end: i64, granularity: &str| {
        Some(format!("start={}&end={}&granularity={granularity}", seconds + start, seconds + end))
    };
    let m5 = |limit, since, until| path(&query(Timeframe::M5, limit, since, until));
    // The newest, and one more: the bucket may have ended on the way here.
    assert_eq!(m5(3, None, None), asked(6_600, 7_500, "FIVE_MINUTE"));
    assert_eq!(m5(3, None, Some(noon + 1)), asked(-600, 0, "FIVE_MINUTE"));
    assert_eq!(m5(3, Some(noon), None), asked(0, 600, "FIVE_MINUTE"));
    assert_eq!(m5(3, Some(noon + 1), None), asked(300, 900, "FIVE_MINUTE"));
    assert_eq!(m5(3, Some(noon), Some(noon + 599_999)), asked(0, 300, "FIVE_MINUTE"));
    assert_eq!(m5(3, Some(noon + 1), Some(noon + 2)), None);
    assert_eq!(m5(300, Some(noon), None), asked(0, 299 * 300, "FIVE_MINUTE"));
    let epoch = path(&query(Timeframe::H4, 2, Some(-5), None)).unwrap();
    assert_eq!(epoch, "start=0&end=14400&granularity=FOUR_HOUR");
    for timeframe in super::super::PROFILE.timeframes {
        let path = path(&query(*timeframe, 1, Some(0), None)).unwrap();
        assert!(!path.contains("UNKNOWN"), "{path}");
    }
}

#[test]
fn what_was_not_asked_for_is_cut_off() {
    let candle = |minute: i64| Candle {
        open_time: UnixMs::from_millis(minute * 60_000),
        open: "1".parse().unwrap(),
        high: "1".parse().unwrap(),
        low: "1".parse().unwrap(),
        close: "1".parse().unwrap(),
        volume: "1".parse().unwrap(),
    };
    let cut = |limit, since: Option<i64>, until: Option<i64>, told: &[i64]| -> Vec<i64> {
        let minute = |at: i64| at * 60_000;
        let query = query(Timeframe::M1, limit, since.map(minute), until.map(minute));
        let buckets = Buckets::of(&query, UnixMs::from_millis(minute(100) + 1)).unwrap();
        let kept = buckets.cut(&query, told.iter().map(|at| candle(*at)).collect());
        kept.iter().map(|candle| candle.open_time.millis() / 60_000).collect()
    };
    assert_eq!(cut(3, Some(10), None, &[9, 10, 12, 13]), [10, 12]);
    assert_eq!(cut(3, Some(10), Some(11), &[10, 11, 12]), [10, 11]);
    assert_eq!(cut(3, None, Some(20), &[17, 18, 20, 21]), [18, 20]);
    assert_eq!(cut(3, None, None, &[96, 97, 98, 99, 100, 101]), [98, 99, 100]);
    assert_eq!(cut(3, None, None, &[97, 100]), [97, 100]);
    assert_eq!(cut(3, None, None, &[]), [0; 0]);
}

#[test]
fn requests_are_explicit() {
    let query = BookQuery { market: market("BTC-USD"), precision: Precision::P0, depth: 100 };
    assert_eq!(
        book_path(&query),
        "api/v3/brokerage/market/product_book?product_id=BTC-USD&limit=100"
    );
    assert_eq!(
        trades_path(&market("ETH-BTC"), 7),
        "api/v3/brokerage/market/products/ETH-BTC/ticker?limit=7"
    );
    let several = [market("BTC-USD"), market("ETH-USD"), market("BTC-USD")];
    assert_eq!(
        products_path(Some(several.iter().map(Arc::as_ref))),
        "api/v3/brokerage/market/products?product_type=SPOT&product_ids=BTC-USD&product_ids=ETH-USD"
    );
    assert_eq!(
        products_path(None::<std::iter::Empty<&Listing>>),
        "api/v3/brokerage/market/products?product_type=SPOT"
    );
}

#[test]
fn trades_are_those_between_the_times() {
    let one: Number = "1".parse().unwrap();
    let trades: Vec<Trade> = (1..=5)
        .map(|id| Trade {
            id,
            at: UnixMs::from_millis(id * 10),
            side: Side::Buy,
            price: one.clone(),
            amount: one.clone(),
            raw: Raw::copy_of(serde_json::from_str("{}").unwrap()),
        })
        .collect();
    let kept = |limit, since: Option<i64>, until: Option<i64>| -> Vec<i64> {
        let (since, until) = (since.map(UnixMs::from_millis), until.map(UnixMs::from_millis));
        let query = TradeQuery { market: market("BTC-USD"), limit, since, until };
        trades_as_asked(&query, trades.clone()).iter().map(|trade| trade.id).collect()
    };
    assert_eq!(kept(2, None, None), [4, 5]);
    assert_eq!(kept(2, None, Some(30)), [2, 3]);
    assert_eq!(kept(2, Some(20), None), [2, 3]);
    assert_eq!(kept(9, Some(21), Some(40)), [3, 4]);
}
