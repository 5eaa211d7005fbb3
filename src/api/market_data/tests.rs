//! Several exchanges behind one gateway, in paused virtual time: no request leaves the process.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceExt as _;

use crate::{
    api::{Surface, caller::Caller, router},
    app::{App, Part},
    clock::Clock,
    config::Config,
    exchange::{CandleHistory, EmptyBuckets, Exchange, TradeHistory, UpstreamError},
    feed::Feed,
    market::{Precision, UnixMs},
    service::tests::{START, profile, venue::Venue},
};

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

/// Bitfinex, and a Kraken that has what Bitfinex has not.
struct Bench {
    app: App,
    bitfinex: Arc<Venue>,
    kraken: Arc<Venue>,
}

impl Bench {
    async fn new() -> Self {
        let kraken = profile("kraken", |it| {
            it.candle_history = CandleHistory::Newest(720);
            it.empty_buckets = EmptyBuckets::Filled;
            it.trade_history = TradeHistory::Since;
            it.precisions = &[Precision::P0];
        });
        let bitfinex = profile("bitfinex", |_| {});
        let bitfinex = Arc::new(Venue::new(bitfinex, &[("BTC", "USD")], ("99", "101")));
        let kraken =
            Arc::new(Venue::new(kraken, &[("BTC", "USD"), ("XMR", "USD")], ("98.5", "102")));
        let mut config = Config::default();
        config.upstream.max_attempts = 1;
        let part = |venue: &Arc<Venue>| {
            let exchange: Arc<dyn Exchange> = venue.clone();
            Part::new(exchange, |_, _: &_, _: &_| Feed::disabled())
        };
        let parts = vec![part(&bitfinex), part(&kraken)];
        let clock = Clock::anchored(UnixMs::from_millis(START));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = App::with_many(config, parts, clock, listener).await.unwrap();
        let bench = Self { app, bitfinex, kraken };
        // The market lists are there then.
        sleep(Duration::from_millis(50)).await;
        let desks = bench.app.gateway().reader().desks.all();
        assert!(desks.iter().all(|desk| desk.markets.held().is_some()));
        bench
    }

    async fn get(&self, path: &str) -> Reply {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller::ANYONE);
        let response =
            router(self.app.gateway().clone(), Surface::Whole).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// The problem that it answers with, and what it is told to be.
    async fn refused(&self, path: &str) -> (u16, String, Value) {
        let Reply { status, body, .. } = self.get(path).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned(), body)
    }
}

const COMPARE: &str = "/api/market-data/compare";

#[tokio::test(start_paused = true)]
async fn exchanges_stand_side_by_side() {
    let bench = Bench::new().await;
    let Reply { status, headers, body } =
        bench.get(&format!("{COMPARE}/BTC-USD?exchanges=kraken,bitfinex")).await;
    assert_eq!(status, 200, "{body}");
    assert!(headers.contains_key("age") && headers.contains_key("etag"), "{headers:?}");
    let cached = headers["cache-status"].to_str().unwrap();
    assert!(cached.starts_with("tidegate; fwd=miss"), "{cached}");
    assert_eq!(
        (&body["symbol"], &body["exchanges"][0]["exchange"]),
        (&json!("BTC/USD"), &json!("kraken"))
    );
    let mut side = body["exchanges"][1].clone();
    assert_eq!(side["ticker"]["last"], 100);
    side["ticker"].take();
    let pct = side["spread_pct"].take().as_f64().unwrap();
    assert!((pct - 2.0 / 101.0 * 100.0).abs() < 1e-9, "{pct}");
    // Tickers are gathered for a moment before they are asked for, so the book came first.
    let oldest = side["age_ms"].take().as_u64().unwrap();
    assert!(oldest < 20 && side["quotes_age_ms"].take() == oldest, "{side}");
    assert_eq!(
        side,
        json!({
            "exchange": "bitfinex",
            "symbol": "BTC/USD",
            "ticker": null,
            "best_bid": { "price": 99, "amount": 2 },
            "best_ask": { "price": 101, "amount": 2 },
            "quotes_from": "orderbook",
            "spread": 2,
            "spread_pct": null,
            "quotes_age_ms": null,
            "fresh": true,
            "age_ms": null,
            "source": "rest",
            "problem": null
        })
    );
    let of = |price: i64| {
        json!({
            "exchange": "bitfinex", "symbol": "BTC/USD", "price": price, "amount": 2
        })
    };
    assert_eq!((&body["best_bid"], &body["best_ask"]), (&of(99), &of(101)));
    assert_eq!(
        (&body["spread"], &body["crossed"], &body["mixed_quotes"]),
        (&json!(2), &json!(false), &json!(false))
    );
    bench.kraken.set(|it| (it.bid, it.ask) = ("101", "103"));
    sleep(Duration::from_secs(120)).await;
    let body = bench.get(&format!("{COMPARE}/BTC-USD")).await.body;
    assert_eq!((&body["spread"], &body["crossed"]), (&json!(0), &json!(true)));
    assert_eq!(
        (&body["best_bid"]["exchange"], &body["best_ask"]["exchange"]),
        (&json!("kraken"), &json!("bitfinex"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_problem_stands_in_its_place() {
    let bench = Bench::new().await;
    let body = bench.get(&format!("{COMPARE}/XMR/USD")).await.body;
    let unknown = &body["exchanges"][0];
    assert_eq!(
        (&unknown["symbol"], &unknown["problem"]["code"]),
        (&Value::Null, &json!("unknown_symbol"))
    );
    assert_eq!(unknown["problem"]["instance"], "/api/market-data/compare/XMR/USD");
    assert_eq!((&body["exchanges"][1]["problem"], &body["crossed"]), (&Value::Null, &json!(false)));
    assert_eq!(body["best_bid"]["exchange"], "kraken");
    for (path, expected) in [
        ("/DOGE/USD", (404, "unknown_symbol")),
        ("/BTC/USD?exchanges=kraken,mtgox", (404, "unknown_exchange")),
        ("/BTC/USD?exchanges=kraken,kraken", (422, "invalid_parameter")),
        ("/BTC/USD?exchanges=", (422, "invalid_parameter")),
        ("/BTC/USD?equivalent=perhaps", (422, "invalid_parameter")),
    ] {
        let (status, code, body) = bench.refused(&format!("{COMPARE}{path}")).await;
        assert_eq!((status, code.as_str()), expected, "{path}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_market_that_is_nowhere_is_told_to_be_on_none_of_them() {
    let bench = Bench::new().await;
    let (status, code, body) = bench.refused(&format!("{COMPARE}/XMR/USDT")).await;
    assert_eq!((status, code.as_str()), (404, "unknown_symbol"));
    assert_eq!(body["detail"], "no market \"XMR/USDT\" on bitfinex, kraken");
    let near = body["suggestions"].as_array().unwrap();
    assert!(near.len() <= 3 && near.contains(&json!("XMR/USD")), "only kraken has it: {body}");
    let (_, _, body) = bench.refused(&format!("{COMPARE}/XMR/USDT?exchanges=kraken")).await;
    assert_eq!(body["detail"], "no market \"XMR/USDT\" on kraken");
}

/// A cache of the client's is not to tell a failure for as long as it may tell the data beside it.
#[tokio::test(start_paused = true)]
async fn an_answer_without_all_of_its_parts_is_held_by_nobody() {
    let bench = Bench::new().await;
    let context = "/api/market-data/market-context/BTC-USD?exchange=kraken";
    let validation = "/api/market-data/validate-market/BTC-USD?exchange=kraken";
    let contexts = "/api/market-data/market-context?symbols=BTC/USD&exchange=kraken";
    let paths = [&format!("{COMPARE}/BTC-USD"), context, validation, contexts];
    let held = async |path: &str| {
        let headers = bench.get(path).await.headers;
        headers["cache-control"].to_str().unwrap().to_owned()
    };
    for path in paths {
        assert!(held(path).await.starts_with("max-age="), "{path}");
    }
    // That a market is not listed there will be as true in a moment.
    assert!(held(&format!("{COMPARE}/XMR-USD")).await.starts_with("max-age="));
    sleep(Duration::from_secs(120)).await;
    bench.kraken.set(|it| it.book = Some(UpstreamError::Unavailable { status: 503 }));
    for path in paths {
        assert_eq!(held(path).await, "no-cache", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn quotes_have_an_age_of_their_own() {
    let bench = Bench::new().await;
    let path = format!("{COMPARE}/BTC-USD");
    bench.get(&path).await;
    // The ticker may still be told while it is fetched anew, the book may not.
    sleep(Duration::from_millis(4_500)).await;
    let body = bench.get(&path).await.body;
    let age = |field: &str| body["exchanges"][0][field].as_u64().unwrap();
    assert!(age("age_ms") >= 4_500, "{body}");
    assert!(age("quotes_age_ms") < 20, "{body}");
    let body = bench.get(&format!("{COMPARE}/XMR-USD")).await.body;
    assert_eq!(body["exchanges"][0].get("quotes_age_ms"), Some(&Value::Null), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_and_of_its_exchange() {
    let bench = Bench::new().await;
    bench.kraken.set(|it| it.ticker = Some(UpstreamError::Unavailable { status: 503 }));
    let path = "/api/market-data/ticker/BTC-USD?exchange=kraken";
    let (_, _, body) = bench.refused(path).await;
    assert_eq!(body["detail"], "the exchange is unavailable: HTTP 503");
    bench.refused("/api/market-data/ticker/DOGE-USD").await;
    bench.refused("/api/market-data/ticker/DOGE-USD?exchange=kraken").await;
    bench.refused("/api/market-data/ticker/DOGE-USD?exchange=mtgox").await;
    let status = bench.get("/api/status").await.body;
    let faults = status["faults"].as_array().unwrap().iter();
    let told: Vec<_> = faults.map(|it| (it["code"].clone(), it["exchange"].clone())).collect();
    let row = |code: &str, exchange: Value| (json!(code), exchange);
    assert_eq!(
        told,
        [
            row("unknown_exchange", Value::Null),
            row("unknown_symbol", json!("kraken")),
            row("unknown_symbol", json!("bitfinex")),
            row("exchange_unavailable", json!("kraken")),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_comparison_read_is_explained() {
    let bench = Bench::new().await;
    let body = bench.get(&format!("{COMPARE}/BTC/USD?explain")).await.body;
    let parts = body["explain"]["parts"].as_array().unwrap();
    let mut keys: Vec<_> = parts.iter().filter_map(|part| part["key"].as_str()).collect();
    keys.retain(|key| key.contains("BTC"));
    keys.sort_unstable();
    let expected = [
        "bitfinex orderbook BTC-USD P0 25",
        "bitfinex ticker BTC-USD",
        "kraken orderbook BTC-USD P0 25",
        "kraken ticker BTC-USD",
    ];
    assert_eq!(keys, expected);
}

#[tokio::test(start_paused = true)]
async fn empty_buckets_are_marked() {
    let bench = Bench::new().await;
    let ohlcv = "/api/market-data/ohlcv/BTC-USD?limit=3&exchange";
    let kraken = bench.get(&format!("{ohlcv}=kraken")).await.body;
    assert_eq!(kraken["empty_buckets"], "filled");
    let marks: Vec<_> = (0..3).map(|at| kraken["candles"][at].get("empty").cloned()).collect();
    assert_eq!(marks, [None, Some(json!(true)), None], "{kraken}");
    assert_eq!(kraken["candles"][1]["volume"], 0.0);
    let bitfinex = bench.get(&format!("{ohlcv}=bitfinex&format=arrays")).await.body;
    assert_eq!(bitfinex["empty_buckets"], "left_out");
}

#[tokio::test(start_paused = true)]
async fn what_an_exchange_lacks_is_told_without_a_call() {
    let bench = Bench::new().await;
    let at = "2023-01-01";
    for (path, text) in [
        ("orderbook/BTC-USD?precision=P1&exchange=kraken", "it offers P0"),
        ("ohlcv/BTC-USD?until=2023-01-01&exchange=kraken", "newest 720"),
        ("ohlcv/BTC-USD?since=2023-01-01&exchange=kraken", "newest 720"),
    ] {
        assert!(path.contains("P1") || path.contains(at));
        let (status, code, body) = bench.refused(&format!("/api/market-data/{path}")).await;
        assert_eq!((status, code.as_str()), (501, "unsupported"), "{body}");
        assert!(body["detail"].as_str().unwrap().contains(text), "{body}");
    }
    assert_eq!(bench.kraken.asked(), Vec::<String>::new());
    let offered = bench.get("/api/market-data/orderbook/BTC-USD?precision=P1").await;
    assert_eq!((offered.status, bench.bitfinex.asked().len()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn exchanges_tell_what_they_offer() {
    let bench = Bench::new().await;
    let body = bench.get("/api/market-data/exchanges").await.body;
    let facts = |at: usize| {
        let names = ["exchange", "default", "candle_history", "empty_buckets", "trade_history"];
        names.map(|name| body["exchanges"][at][name].clone())
    };
    assert_eq!(
        facts(0),
        [json!("bitfinex"), json!(true), Value::Null, json!("left_out"), json!("whole")]
    );
    assert_eq!(
        facts(1),
        [json!("kraken"), json!(false), json!(720), json!("filled"), json!("since")]
    );
    let budget = &body["exchanges"][0]["budgets"][0];
    assert_eq!((&budget["unit"], &budget["endpoints"]), (&json!("requests"), &json!(["ticker"])));
    assert_eq!(body["exchanges"][1]["precisions"], json!(["P0"]));
    assert_eq!(body["exchanges"][0]["streams"]["book_depths"], json!([1, 25, 100, 250]));
    let (status, code, body) =
        bench.refused("/api/market-data/ticker/BTC-USD?exchange=binance").await;
    assert_eq!((status, code.as_str()), (404, "unknown_exchange"));
    assert_eq!(body["suggestions"], json!(["bitfinex", "kraken"]));
    assert_eq!(body["detail"], "Binance is not enabled here; served are bitfinex, kraken");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_served_need_not_ask_again() {
    let bench = Bench::new().await;
    bench.kraken.set(|it| it.ticker = Some(UpstreamError::Restricted { status: 451 }));
    let path = "/api/market-data/ticker/BTC-USD?exchange=kraken";
    let (status, code, body) = bench.refused(path).await;
    assert_eq!((status, code.as_str()), (503, "exchange_unavailable"));
    assert_eq!(body["retryable"], false);
    assert!(body["detail"].as_str().unwrap().contains("this address"), "{body}");
    bench.bitfinex.set(|it| {
        let retry_after = Some(Duration::from_secs(7_200));
        it.ticker = Some(UpstreamError::Banned { retry_after });
    });
    let (status, code, body) = bench.refused("/api/market-data/ticker/BTC-USD").await;
    assert_eq!((status, code.as_str()), (503, "exchange_rate_limited"));
    assert_eq!(body["retryable"], true);
    assert!(body["retry_after_ms"].as_u64().unwrap() > 60_000, "{body}");
}
