use std::time::Duration;

use super::*;
use crate::{
    exchange::transport::tests::{answer, endpoints, server},
    market::{Precision, Timeframe, UnixMs},
};

const CONF: &str = r#"[["BTCUSD","DOGE:USD"],["BTCUSD"],[],null,[],null,null]"#;

/// Each method sends one GET of its path and turns the answer into its value.
#[tokio::test]
async fn one_method_is_one_request() {
    let bodies = [
        CONF,
        "[1,2,3,4,5,6,7,8,9,1]",
        r#"[["tBTCUSD",1,2,3,4,5,6,7,8,9,1],["fUSD",1]]"#,
        r#"[["tDOGE:USD",1,2,3,4,5,6,7,8,9,1],["tBTCUSD",1,2,3,4,5,6,7,8,9,1]]"#,
        "[[100,1,1],[101,1,-1]]",
        "[[120000,1,1,1,1,1],[60000,1,1,1,1,1]]",
        "[[2,120000,1,1],[1,60000,-1,1]]",
        "[1]",
    ];
    let (root, heads) =
        server(bodies.iter().map(|body| answer("200 OK", body.as_bytes())).collect());
    let exchange = SPEC.open(&endpoints(&root)).unwrap();

    let list = exchange.markets().await.unwrap();
    let markets: Vec<Arc<Listing>> = list.listings.into_iter().map(Arc::new).collect();
    let market = markets[1].clone();
    assert_eq!(exchange.ticker(&market).await.unwrap().raw.as_str(), bodies[1]);
    assert_eq!(exchange.tickers(None).await.unwrap().rows.len(), 1);
    assert_eq!(exchange.tickers(Some(&markets)).await.unwrap().rows[0].0, "tDOGE:USD");
    let query = BookQuery { market: market.clone(), precision: Precision::P0, depth: 25 };
    assert_eq!(exchange.book(&query).await.unwrap().asks[0].price.as_str(), "101");
    let (limit, since) = (2, Some(UnixMs::from_millis(60_000)));
    let timeframe = Timeframe::M1;
    let query = CandleQuery { market: market.clone(), timeframe, limit, since, until: None };
    assert_eq!(exchange.candles(&query).await.unwrap()[0].open_time.millis(), 60_000);
    let query = TradeQuery { market, limit, since: None, until: since };
    let refused = exchange.trades(&query).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the exchange's answer is invalid: trades: times that were not asked for"
    );
    assert_eq!(exchange.native(&native::platform_status()).await.unwrap(), "[1]");

    let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /v2/conf/pub:list:pair:exchange,pub:list:pair:margin,pub:list:pair:futures,\
         pub:list:pair:securities,pub:map:currency:sym,pub:info:pair,pub:info:pair:futures HTTP/1.1",
            "GET /v2/ticker/tDOGE:USD HTTP/1.1",
            "GET /v2/tickers?symbols=ALL HTTP/1.1",
            "GET /v2/tickers?symbols=tBTCUSD,tDOGE:USD HTTP/1.1",
            "GET /v2/book/tDOGE:USD/P0?len=25 HTTP/1.1",
            "GET /v2/candles/trade:1m:tDOGE:USD/hist?limit=2&start=60000&sort=1 HTTP/1.1",
            "GET /v2/trades/tDOGE:USD/hist?limit=2&end=60000 HTTP/1.1",
            "GET /v2/platform/status HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn failures_are_told_apart() {
    let answers = vec![
        answer("500 Internal Server Error", br#"["error",10020,"symbol: invalid"]"#),
        answer(
            "429 Too Many Requests\r\nretry-after: 60",
            br#"["error",11010,"ratelimit: error"]"#,
        ),
        answer("200 OK", br#"["error",20060,"maintenance"]"#),
        answer("200 OK", b"[]"),
        answer("200 OK", b"<!DOCTYPE html>"),
    ];
    let (root, _heads) = server(answers);
    let exchange = SPEC.open(&endpoints(&root)).unwrap();
    let list = names::markets(&Bytes::from_static(CONF.as_bytes())).unwrap();
    let mut labels = Vec::new();
    let mut wait = None;
    for _ in 0..5 {
        let error = exchange.ticker(&list.listings[0]).await.unwrap_err();
        labels.push(error.label());
        if let UpstreamError::RateLimited { retry_after } = error {
            wait = retry_after;
        }
    }
    assert_eq!(labels, ["rejected", "rate_limited", "maintenance", "invalid", "invalid"]);
    assert_eq!(wait, Some(Duration::from_secs(60)));
}

#[test]
fn the_profile_covers_every_family_and_nothing_unproved() {
    assert!(crate::exchange::Family::ALL.into_iter().all(|family| PROFILE.pool(family).is_some()));
    assert!(!PROFILE.timeframes.contains(&Timeframe::H4));
    assert!(PROFILE.timeframes.is_sorted() && PROFILE.book_depths.is_sorted());
}

#[test]
fn its_sessions_begin_with_their_flags() {
    let exchange = SPEC.open(&endpoints("http://127.0.0.1:9")).unwrap();
    let settings = SessionSettings { ack_timeout: Duration::from_secs(1) };
    let mut session = exchange.session(settings).unwrap();
    let mut out = Vec::new();
    session.on_open(tokio::time::Instant::now(), &mut out);
    let flags = r#"{"event":"conf","flags":196608}"#.to_owned();
    assert_eq!(out, [crate::exchange::Output::Send(flags)]);
}
