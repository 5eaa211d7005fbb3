use super::*;
use crate::{
    exchange::{
        Asked, Family, Reading,
        transport::tests::{answer, endpoints, server},
    },
    market::{Precision, Timeframe, UnixMs},
};

const INFO: &str = r#"{"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true}]}"#;
const TICKER: &str = r#"{"symbol":"BTCUSDT","lastPrice":"3"}"#;
const TRADE: &str = r#"{"a":1,"p":"1","q":"1","T":60000,"m":true}"#;

/// Each method sends one GET of its path and turns the answer into its value; every answer is
/// metered.
#[tokio::test]
async fn one_method_is_one_request() {
    let bodies = [
        INFO,
        TICKER,
        &TICKER.replace("BTC", "ETH"),
        &format!("[{TICKER}]"),
        &format!("[{TICKER}]"),
        r#"{"lastUpdateId":7,"bids":[["1","1"]],"asks":[["2","1"]]}"#,
        r#"[[60000,"1","1","1","1","0"]]"#,
        &format!("[{TRADE}]"),
    ];
    let used = |body: (usize, &&str)| {
        let head = format!("200 OK\r\nX-MBX-USED-WEIGHT-1M: {}", 20 + body.0);
        answer(&head, body.1.as_bytes())
    };
    let (root, heads) = server(bodies.iter().enumerate().map(used).collect());
    let exchange = SPEC.open(&endpoints(&root)).unwrap();
    let meter = exchange.meter().unwrap();

    let list = exchange.markets().await.unwrap();
    assert_eq!(meter.take(), Reading { used: Some(20), limit: Some(3000) });
    let market = Arc::new(list.listings.into_iter().next().unwrap());
    assert_eq!(exchange.ticker(&market).await.unwrap().raw.as_str(), TICKER);
    assert_eq!(meter.take(), Reading { used: Some(21), limit: None });
    let other = exchange.ticker(&market).await.unwrap_err();
    assert_eq!(other, UpstreamError::Invalid("ticker: of another market".to_owned()));
    assert_eq!(exchange.tickers(None).await.unwrap().rows[0].0, "BTCUSDT");
    assert_eq!(exchange.tickers(Some(std::slice::from_ref(&market))).await.unwrap().rows.len(), 1);
    let query = BookQuery { market: market.clone(), precision: Precision::P0, depth: 25 };
    assert_eq!(exchange.book(&query).await.unwrap().nonce, Some(7));
    let (limit, since) = (2, Some(UnixMs::from_millis(60_000)));
    let timeframe = Timeframe::M1;
    let query = CandleQuery { market: market.clone(), timeframe, limit, since, until: None };
    assert_eq!(exchange.candles(&query).await.unwrap()[0].open_time.millis(), 60_000);
    let query = TradeQuery { market, limit, since: None, until: since };
    assert_eq!(exchange.trades(&query).await.unwrap()[0].raw.as_str(), TRADE);
    assert_eq!(meter.take().used, Some(27));

    let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    let expected = [
        "exchangeInfo?showPermissionSets=false",
        "ticker/24hr?symbol=BTCUSDT",
        "ticker/24hr?symbol=BTCUSDT",
        "ticker/24hr",
        "ticker/24hr?symbols=%5B%22BTCUSDT%22%5D",
        "depth?symbol=BTCUSDT&limit=25",
        "klines?symbol=BTCUSDT&interval=1m&limit=2&startTime=60000",
        "aggTrades?symbol=BTCUSDT&limit=2&endTime=60000",
    ];
    assert_eq!(lines, expected.map(|path| format!("GET /api/v3/{path} HTTP/1.1")));
}

#[tokio::test]
async fn failures_are_told_apart_and_metered() {
    let answers = vec![
        answer(
            "429 Too Many Requests\r\nretry-after: 31\r\nx-mbx-used-weight-1m: 6001",
            br#"{"code":-1003,"msg":"Too much request weight used."}"#,
        ),
        answer("418 I'm a teapot\r\nretry-after: 120", b"{}"),
        answer("400 Bad Request", br#"{"code":-1121,"msg":"Invalid symbol."}"#),
        answer("403 Forbidden", b"<html>"),
        answer("200 OK\r\nx-mbx-used-weight-1m: soon", b"<html>"),
        answer("200 OK", br#"{"symbol":"BTCUSDT","last"#),
    ];
    let (root, _heads) = server(answers);
    let exchange = SPEC.open(&endpoints(&root)).unwrap();
    let list = names::markets(&Bytes::from_static(INFO.as_bytes())).unwrap();
    let mut labels = Vec::new();
    for expected in [Some(6001), None, None, None, None, None] {
        labels.push(exchange.ticker(&list.listings[0]).await.unwrap_err().label());
        assert_eq!(exchange.meter().unwrap().take().used, expected);
    }
    assert_eq!(labels, ["rate_limited", "banned", "rejected", "restricted", "invalid", "invalid"]);
}

#[test]
fn the_profile_is_the_documentations() {
    let of = |family| PROFILE.pool(family).map(|pool| pool.name);
    for family in Family::ALL {
        let is_native = matches!(family, Family::Status | Family::Stats);
        assert_eq!(of(family), (!is_native).then_some("weight"), "{family:?}");
    }
    let cost = PROFILE.cost;
    let books = [25, 100, 101, 500, 1000].map(|depth| cost(Asked::Book { depth }));
    assert_eq!(books, [5, 5, 25, 25, 50]);
    let tickers = [Some(1), Some(20), Some(21), Some(100), Some(101), None]
        .map(|count| cost(Asked::Tickers { count }));
    assert_eq!(tickers, [2, 2, 40, 40, 80, 80]);
    assert_eq!(cost(Asked::Trades { limit: 1000 }), 4);
    assert!(PROFILE.timeframes.is_sorted() && PROFILE.book_depths.is_sorted());
    assert!(PROFILE.live.book_depths.iter().all(|depth| PROFILE.book_depths.contains(depth)));
    for absent in [Timeframe::H3, Timeframe::W2] {
        assert!(!PROFILE.timeframes.contains(&absent));
    }
}
