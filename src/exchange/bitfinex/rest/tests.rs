use std::{sync::Arc, time::Duration};

use super::*;
use crate::market::{Bound, Kind, Precision, Symbol};

fn answer(status: u16, body: &str) -> Result<Bytes, UpstreamError> {
    let retry_after = Some(Duration::from_secs(9)).filter(|_| status == 429);
    data(Answer { status, retry_after, body: Bytes::copy_from_slice(body.as_bytes()) })
}

#[test]
fn data_is_what_is_no_error() {
    for body in ["[]", "[[1,2]]", " [1]", "{}", "[[\"error\"]]", "[\"errors\",1]"] {
        assert_eq!(answer(200, body).unwrap(), body);
    }
    for body in ["", "<html>", "null", "OK", "\"x\""] {
        assert!(matches!(answer(200, body), Err(UpstreamError::Invalid(_))), "{body}");
    }
}

#[test]
fn a_rate_limit_is_known_in_every_form() {
    let waiting = |seconds: Option<u64>| {
        Err(UpstreamError::RateLimited { retry_after: seconds.map(Duration::from_secs) })
    };
    let array = r#"["error",11010,"ratelimit: error"]"#;
    let object = r#"{"error":"ERR_RATE_LIMIT"}"#;
    for body in [array, object, "<html>", "", "[]"] {
        assert_eq!(answer(429, body), waiting(Some(9)), "{body}");
    }
    for status in [200, 500, 503] {
        assert_eq!(answer(status, array), waiting(None));
        assert_eq!(answer(status, object), waiting(None));
    }
}

#[test]
fn an_error_array_is_a_failure_whatever_the_status() {
    for status in [200, 400, 500] {
        let rejected = UpstreamError::Rejected { code: 10_020, message: "symbol: invalid".into() };
        assert_eq!(answer(status, r#"["error",10020,"symbol: invalid"]"#), Err(rejected));
        assert_eq!(
            answer(status, r#" [ "error", 20060, "maintenance"]"#),
            Err(UpstreamError::Maintenance)
        );
        let not_ready = answer(status, r#"["error",11000,"ready: invalid"]"#).unwrap_err();
        assert_eq!(not_ready, UpstreamError::Unavailable { status });
        assert!(not_ready.may_retry());
    }
    assert!(matches!(
        answer(500, r#"["error",10100,"apikey: invalid"]"#),
        Err(UpstreamError::Rejected { .. })
    ));
    let unavailable = Err(UpstreamError::Unavailable { status: 500 });
    for body in
        [r#"["error",10001,"text"]"#, r#"["error"]"#, r#"["error",null,null]"#, r#"["error",1"#]
    {
        assert_eq!(answer(500, body), unavailable);
        assert!(matches!(answer(200, body), Err(UpstreamError::Invalid(_))), "{body}");
    }
    let long = format!(r#"["error",10020,"a\nb{}"]"#, "x".repeat(1000));
    let Err(UpstreamError::Rejected { message, .. }) = answer(500, &long) else { panic!() };
    assert!(message.starts_with("abx") && message.len() == 200);
}

#[test]
fn other_statuses_speak_for_themselves() {
    let unavailable = |status| Err(UpstreamError::Unavailable { status });
    assert_eq!(answer(503, r#"{"code":503,"error":"temporarily_unavailable"}"#), unavailable(503));
    assert_eq!(answer(502, "<html>Bad gateway</html>"), unavailable(502));
    assert_eq!(answer(500, "[]"), unavailable(500));
    assert_eq!(answer(403, "<html>"), unavailable(403));
    assert!(matches!(
        answer(404, "Cannot GET /api/v2/nope"),
        Err(UpstreamError::Rejected { code: 404, .. })
    ));
    assert!(matches!(answer(414, ""), Err(UpstreamError::Rejected { code: 414, .. })));
    assert!(matches!(answer(302, ""), Err(UpstreamError::Invalid(_))));
}

#[test]
fn native_documents_are_whole_json() {
    assert_eq!(json(Bytes::from_static(b"[1]")).unwrap(), "[1]");
    for body in [&b"[1"[..], b"[1]]", b"[\"\xff\"]", b"[NaN]", b""] {
        assert!(json(Bytes::from_static(body)).is_err(), "{body:?}");
    }
}

fn market() -> Arc<Listing> {
    Arc::new(Listing {
        symbol: Symbol::spot("DOGE", "USD"),
        id: "tDOGE:USD".into(),
        base: "DOGE".into(),
        quote: "USD".into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: vec![],
    })
}

fn candle_query(timeframe: Timeframe, since: Option<i64>, until: Option<i64>) -> CandleQuery {
    let (since, until) = (since.map(UnixMs::from_millis), until.map(UnixMs::from_millis));
    CandleQuery { market: market(), timeframe, limit: 50, since, until }
}

#[test]
fn requests_are_explicit() {
    let query = BookQuery { market: market(), precision: Precision::P1, depth: 100 };
    assert_eq!(book_path(&query), "v2/book/tDOGE:USD/P1?len=100");
    let path = |timeframe, since, until| candles_path(&candle_query(timeframe, since, until));
    assert_eq!(path(Timeframe::M1, None, None), "v2/candles/trade:1m:tDOGE:USD/hist?limit=50");
    assert_eq!(
        path(Timeframe::D1, None, Some(5)),
        "v2/candles/trade:1D:tDOGE:USD/hist?limit=50&end=5"
    );
    assert_eq!(
        path(Timeframe::M1, Some(60_001), Some(240_000)),
        "v2/candles/trade:1m:tDOGE:USD/hist?limit=50&start=120000&sort=1&end=240000"
    );
    assert!(path(Timeframe::M1, Some(60_000), None).contains("&start=60000&sort=1"));
    assert!(path(Timeframe::M1, Some(-60_001), None).contains("&start=0&"));
    // A week may begin on any day: only up to midnight.
    assert!(
        path(Timeframe::W1, Some(1), None)
            .contains("trade:7D:tDOGE:USD/hist?limit=50&start=86400000&")
    );
    assert!(path(Timeframe::W2, None, None).contains("trade:14D:"));
    assert!(
        path(Timeframe::Month, Some(1), None)
            .contains("trade:1M:tDOGE:USD/hist?limit=50&start=2678400000&")
    );
    let trades = TradeQuery { market: market(), limit: 7, since: None, until: None };
    assert_eq!(trades_path(&trades), "v2/trades/tDOGE:USD/hist?limit=7");
    let trades = TradeQuery { since: Some(UnixMs::from_millis(123)), ..trades };
    assert_eq!(trades_path(&trades), "v2/trades/tDOGE:USD/hist?limit=7&start=123&sort=1");
    let two = [market(), market()];
    assert_eq!(
        tickers_path(Some(two.iter().map(Arc::as_ref))),
        "v2/tickers?symbols=tDOGE:USD,tDOGE:USD"
    );
    assert_eq!(tickers_path(None::<std::iter::Empty<&Listing>>), "v2/tickers?symbols=ALL");
}
