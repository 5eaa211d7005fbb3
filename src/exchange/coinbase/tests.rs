use std::time::Duration;

use super::*;
use crate::{
    exchange::{
        Family, Output,
        transport::tests::{answer, endpoints, server},
    },
    market::{Precision, Timeframe, UnixMs},
};

/// Sockets that ask for all their books one after the other, each opened one of the feed's pauses
/// after the one before, send no more than the exchange takes from one address.
#[test]
fn all_sockets_together_send_no_more_than_an_address_may() {
    let Profile { live, .. } = &PROFILE;
    let texts = u32::try_from(live.books_per_socket).unwrap() + 1;
    let asking = Duration::from_secs(1) * texts / live.messages_per_second;
    let pause = crate::config::Feed::default().connect_interval.max(live.connect_interval);
    let at_once = u32::try_from(asking.as_millis().div_ceil(pause.as_millis())).unwrap();
    assert!(at_once * live.messages_per_second <= 8, "{at_once} at once");
}

const PRODUCTS: &str = r#"{"products":[
    {"product_id":"BTC-USD","price":"10","base_currency_id":"BTC","quote_currency_id":"USD","product_type":"SPOT","status":"online","base_increment":"1","quote_increment":"1","base_min_size":"1","base_max_size":"9","alias":""},
    {"product_id":"BTC-USDC","price":"10","base_currency_id":"BTC","quote_currency_id":"USDC","product_type":"SPOT","status":"online","base_increment":"1","quote_increment":"1","base_min_size":"1","base_max_size":"9","alias":"BTC-USD"}]}"#;
const TRADES: &str = r#"{"trades":[{"trade_id":"7","price":"10","size":"1","time":"2026-09-01T12:00:00Z","side":"BUY"}],"best_bid":"9","best_ask":"11"}"#;
const BOOK: &str =
    r#"{"pricebook":{"bids":[{"price":"9","size":"1"}],"asks":[{"price":"11","size":"1"}]}}"#;
const CANDLES: &str = r#"{"candles":[{"start":"120","low":"1","high":"1","open":"1","close":"1","volume":"1"},{"start":"60","low":"1","high":"1","open":"1","close":"1","volume":"1"}]}"#;

/// Each method sends one GET of its path, past the exchange's own cache, and turns the answer into
/// its value; an alias is asked for by what it means.
#[tokio::test]
async fn one_method_is_one_request() {
    let bodies = [PRODUCTS, TRADES, PRODUCTS, PRODUCTS, BOOK, CANDLES, TRADES];
    let (root, heads) =
        server(bodies.iter().map(|body| answer("200 OK", body.as_bytes())).collect());
    let exchange = SPEC.open(&endpoints(&root)).unwrap();

    let list = exchange.markets().await.unwrap();
    let markets: Vec<Arc<Listing>> = list.listings.into_iter().map(Arc::new).collect();
    let market = markets[1].clone();
    assert_eq!(market.symbol.as_str(), "BTC/USDC");
    assert_eq!(exchange.ticker(&market).await.unwrap().bid.unwrap().as_str(), "9");
    assert_eq!(exchange.tickers(None).await.unwrap().rows.len(), 2);
    assert_eq!(exchange.tickers(Some(&markets)).await.unwrap().rows[0].0, "BTC-USD");
    let query = BookQuery { market: market.clone(), precision: Precision::P0, depth: 25 };
    assert_eq!(exchange.book(&query).await.unwrap().asks[0].price.as_str(), "11");
    let (limit, since) = (2, Some(UnixMs::from_millis(60_000)));
    let timeframe = Timeframe::M1;
    let query = CandleQuery { market: market.clone(), timeframe, limit, since, until: None };
    assert_eq!(exchange.candles(&query).await.unwrap()[0].open_time.millis(), 60_000);
    let impossible = CandleQuery { until: Some(UnixMs::from_millis(1)), ..query };
    assert_eq!(exchange.candles(&impossible).await.unwrap(), [], "and no request");
    let query = TradeQuery { market, limit, since: None, until: None };
    assert_eq!(exchange.trades(&query).await.unwrap()[0].id, 7);

    let mut lines = Vec::new();
    for head in heads.iter() {
        assert!(head.to_ascii_lowercase().contains("\r\ncache-control: no-cache\r\n"), "{head}");
        let line = head.lines().next().unwrap();
        let line = line.strip_prefix("GET /api/v3/brokerage/market/").unwrap();
        lines.push(line.strip_suffix(" HTTP/1.1").unwrap().to_owned());
    }
    assert_eq!(
        lines,
        [
            "products?product_type=SPOT",
            "products/BTC-USD/ticker?limit=1",
            "products?product_type=SPOT",
            "products?product_type=SPOT&product_ids=BTC-USD",
            "product_book?product_id=BTC-USD&limit=25",
            "products/BTC-USD/candles?start=60&end=120&granularity=ONE_MINUTE",
            "products/BTC-USD/ticker?limit=2",
        ]
    );
}

#[tokio::test]
async fn failures_are_told_apart() {
    let unknown =
        br#"{"error":"NOT_FOUND","error_details":"x","message":"valid product_id is required"}"#;
    let answers = vec![
        answer("404 Not Found", unknown),
        answer("429 Too Many Requests\r\nretry-after: 60", b"slow down"),
        answer("500 Internal Server Error", br#"{"error":"INTERNAL","message":"x"}"#),
        answer("200 OK", b"{}"),
        answer("200 OK", b"<!DOCTYPE html>"),
        answer("200 OK", &TRADES.as_bytes()[..50]),
    ];
    let (root, _heads) = server(answers);
    let exchange = SPEC.open(&endpoints(&root)).unwrap();
    let list = names::markets(&Bytes::from_static(PRODUCTS.as_bytes())).unwrap();
    let mut labels = Vec::new();
    let mut wait = None;
    for _ in 0..6 {
        let error = exchange.ticker(&list.listings[0]).await.unwrap_err();
        labels.push(error.label());
        if let UpstreamError::RateLimited { retry_after } = error {
            wait = retry_after;
        }
    }
    assert_eq!(
        labels,
        ["rejected", "rate_limited", "unavailable", "invalid", "invalid", "invalid"]
    );
    assert_eq!(wait, Some(Duration::from_secs(60)));
}

#[test]
fn the_profile_covers_what_is_asked() {
    let families = Family::ALL.into_iter().filter(|family| PROFILE.pool(*family).is_some());
    assert_eq!(families.count(), 6);
    assert!(PROFILE.timeframes.is_sorted() && PROFILE.book_depths.is_sorted());
    let live = &PROFILE.live;
    assert!(live.book_depths.iter().all(|depth| PROFILE.book_depths.contains(depth)));
    assert!(live.timeframes.is_empty(), "its candles do not say when they are final");
}

#[test]
fn its_sessions_begin_with_heartbeats() {
    let exchange = SPEC.open(&endpoints("http://127.0.0.1:9")).unwrap();
    let settings = SessionSettings { ack_timeout: Duration::from_secs(1) };
    let mut session = exchange.session(settings).unwrap();
    let mut out = Vec::new();
    session.on_open(tokio::time::Instant::now(), &mut out);
    let text = r#"{"type":"subscribe","product_ids":[],"channel":"heartbeats"}"#.to_owned();
    assert_eq!(out, [Output::Send(text)]);
}
