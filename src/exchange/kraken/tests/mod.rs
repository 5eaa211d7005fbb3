use std::time::Duration;

use super::*;
use crate::{
    exchange::{
        CATALOGUE, Family, Output,
        transport::tests::{answer, endpoints, server},
    },
    market::{Precision, Timeframe, UnixMs},
};

const PAIRS: &str =
    r#"{"error":[],"result":{"XXBTZUSD":{"wsname":"XBT/USD"},"XETHXXBT":{"wsname":"ETH\/XBT"}}}"#;
const TICKER: &str = r#"{"a":["3","1","1"],"b":["2","1","1"],"c":["2","1"],"v":["1","1"],"p":["2","2"],"t":[1,1],"l":["1","1"],"h":["4","4"],"o":"1"}"#;

fn enveloped(result: &str) -> String {
    format!(r#"{{"error":[],"result":{result}}}"#)
}

/// Each method sends one GET of its path and turns the answer into its value.
#[tokio::test]
async fn one_method_is_one_request() {
    let bodies = [
        PAIRS.to_owned(),
        enveloped(&format!(r#"{{"XETHXXBT":{TICKER}}}"#)),
        enveloped(&format!(r#"{{"XXBTZUSD":{TICKER},"XXBTZEUR.d":{TICKER}}}"#)),
        enveloped(&format!(r#"{{"XETHXXBT":{TICKER},"XXBTZUSD":{TICKER}}}"#)),
        enveloped(r#"{"XETHXXBT":{"asks":[["101","1",1]],"bids":[["100","1",1]]}}"#),
        enveloped(
            r#"{"XETHXXBT":[[60,"1","1","1","1","1","1",1],[120,"1","1","1","1","1","1",1],[180,"1","1","1","1","1","1",1]],"last":120}"#,
        ),
        enveloped(r#"{"XETHXXBT":[["1","1",60.5,"b","m","",7]],"last":"60500000000"}"#),
    ];
    let (root, heads) =
        server(bodies.iter().map(|body| answer("200 OK", body.as_bytes())).collect());
    let exchange = SPEC.open(&endpoints(&root)).unwrap();

    let list = exchange.markets().await.unwrap();
    assert_eq!(list.documents, []);
    let markets: Vec<Arc<Listing>> = list.listings.into_iter().map(Arc::new).collect();
    let market = markets[1].clone();
    assert_eq!(exchange.ticker(&market).await.unwrap().raw.as_str(), TICKER);
    let all = exchange.tickers(None).await.unwrap();
    let ids: Vec<_> = all.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["XXBTZUSD", "XXBTZEUR.d"]);
    assert!(bodies[2].contains(std::str::from_utf8(&all.body).unwrap()));
    let some = exchange.tickers(Some(&markets)).await.unwrap();
    let ids: Vec<_> = some.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["ETH/BTC", "BTC/USD"]);
    let query = BookQuery { market: market.clone(), precision: Precision::P0, depth: 25 };
    assert_eq!(exchange.book(&query).await.unwrap().asks[0].price.as_str(), "101");
    let (limit, since) = (1, Some(UnixMs::from_millis(120_000)));
    let timeframe = Timeframe::M1;
    let query = CandleQuery { market: market.clone(), timeframe, limit, since, until: None };
    let candles = exchange.candles(&query).await.unwrap();
    assert_eq!((candles.len(), candles[0].open_time.millis()), (1, 120_000));
    let mut query = TradeQuery { market, limit, since: None, until: None };
    assert_eq!(exchange.trades(&query).await.unwrap()[0].id, 7);
    // What it cannot be asked costs no request.
    query.until = since;
    assert_eq!(exchange.trades(&query).await.unwrap_err().label(), "rejected");

    let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /0/public/AssetPairs HTTP/1.1",
            "GET /0/public/Ticker?pair=XETHXXBT HTTP/1.1",
            "GET /0/public/Ticker HTTP/1.1",
            "GET /0/public/Ticker?pair=XXBTZUSD,XETHXXBT HTTP/1.1",
            "GET /0/public/Depth?pair=XETHXXBT&count=25 HTTP/1.1",
            "GET /0/public/OHLC?pair=XETHXXBT&interval=1&since=60 HTTP/1.1",
            "GET /0/public/Trades?pair=XETHXXBT&count=1 HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn failures_come_with_status_200() {
    let answers = vec![
        answer("200 OK", br#"{"error":["EQuery:Unknown asset pair"]}"#),
        answer("200 OK", br#"{"error":["EGeneral:Too many requests"]}"#),
        answer("502 Bad Gateway", b"<html>"),
        answer("200 OK", br#"{"error":[],"result":{"X":[]}}"#),
    ];
    let (root, _heads) = server(answers);
    let exchange = SPEC.open(&endpoints(&root)).unwrap();
    let list = Bytes::from_static(br#"{"XXBTZUSD":{"wsname":"XBT/USD"}}"#);
    let market = market_list(&list).unwrap().remove(0);
    let mut labels = Vec::new();
    for _ in 0..4 {
        labels.push(exchange.ticker(&market).await.unwrap_err().label());
    }
    assert_eq!(labels, ["rejected", "rate_limited", "unavailable", "invalid"]);
}

#[test]
fn the_profile_is_of_what_is_offered() {
    assert!(CATALOGUE.iter().any(|spec| spec.name() == "kraken"));
    let pooled = Family::ALL.into_iter().filter(|family| PROFILE.pool(*family).is_some());
    assert_eq!(pooled.count(), 6);
    assert!(PROFILE.timeframes.is_sorted() && PROFILE.book_depths.is_sorted());
    // REST gives 500 levels at most, the WebSocket these and others.
    assert!(PROFILE.book_depths.iter().all(|depth| *depth <= 500));
    assert!(PROFILE.live.book_depths.iter().all(|d| [10, 25, 100, 500, 1000].contains(d)));
    let minutes = |timeframe: &Timeframe| timeframe.fixed().unwrap().as_secs() / 60;
    let minutes: Vec<u64> = PROFILE.timeframes.iter().map(minutes).collect();
    assert_eq!(minutes, [1, 5, 15, 30, 60, 240, 1440, 10_080]);
}

#[test]
fn its_sessions_begin_without_a_word() {
    let exchange = SPEC.open(&endpoints("http://127.0.0.1:9")).unwrap();
    let mut session =
        exchange.session(SessionSettings { ack_timeout: Duration::from_secs(1) }).unwrap();
    let mut out: Vec<Output> = Vec::new();
    session.on_open(tokio::time::Instant::now(), &mut out);
    assert_eq!(out, []);
}
