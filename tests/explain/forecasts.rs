//! What would happen, without its happening.

use serde_json::{Value, json};
use tidegate::sim::Family;

use crate::{
    SOON, TICKER, behind_a_valve, between_candles, during_the_first, explained, only,
    rig::{Rig, eventually, for_each_product, policy, settings},
};

/// Every endpoint that can be asked about.
const ENDPOINTS: [&str; 9] = [
    "ohlcv/BTC-USD?timeframe=1h&limit=30",
    "ticker/BTC-USD",
    "tickers?symbols=BTC-USD,ETH-USD",
    "tickers",
    "orderbook/BTC-USD?limit=5",
    "trades/BTC-USD",
    "market-context/BTC-USD",
    "market-context?symbols=BTC-USD",
    "validate-market/BTC-USD",
];

async fn forecast(rig: &Rig, query: &str) -> Value {
    let reply = rig.get(&format!("/api/explain/{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.json()
}

fn woulds(forecast: &Value) -> Vec<&str> {
    let parts = forecast["parts"].as_array().unwrap();
    parts.iter().map(|part| part["would"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forecast_spends_nothing_and_comes_true() {
    let rig = between_candles().await;
    for endpoint in ENDPOINTS {
        let told = forecast(&rig, endpoint).await;
        let would = woulds(&told);
        assert!(would.iter().all(|it| *it == "call"), "{endpoint}: {told}");
        let expected = match endpoint.split(['/', '?']).next().unwrap() {
            "market-context" | "validate-market" => 3,
            "tickers" if endpoint.contains('?') => 2,
            _ => 1,
        };
        assert_eq!(would.len(), expected, "{endpoint}: {told}");
        for part in told["parts"].as_array().unwrap() {
            assert_eq!(part["entry"], json!(null), "{part}");
            assert_eq!(part["call"]["refused"], json!(null), "{part}");
            assert_eq!(part["call"]["budget"]["left"], 100_000, "{part}");
        }
    }
    assert_eq!(rig.sim.counts().total(), 0);
    let status = rig.status().await;
    assert_eq!(status["cache"]["flights"], 0);
    for endpoint in ENDPOINTS {
        let path = format!("/api/market-data/{endpoint}");
        assert_eq!(rig.get(&path).await.status, 200, "{endpoint}");
    }
    let (calls, lookups) =
        (rig.sim.counts().total(), rig.metric("tidegate_cache_lookups_total", "").await);
    let hits = async || {
        let hot = rig.status().await["hot"].clone();
        let hot = hot.as_array().unwrap().iter().map(|it| it["hits"].as_u64().unwrap());
        hot.sum::<u64>()
    };
    let before = hits().await;
    for endpoint in ENDPOINTS {
        let told = forecast(&rig, endpoint).await;
        assert_eq!(told["would"], "hit", "{endpoint}: {told}");
        for part in told["parts"].as_array().unwrap() {
            assert_eq!((&part["call"], &part["flight"]), (&json!(null), &json!(null)), "{part}");
            assert!(part["decision"].as_str().unwrap().contains(" old, fresh for "), "{part}");
        }
    }
    assert_eq!(rig.sim.counts().total(), calls);
    assert_eq!(hits().await, before, "hits make channels hot, and none was");
    let after = rig.metric("tidegate_cache_lookups_total", "").await;
    assert!(lookups > 0.0 && (after - lookups).abs() < 0.5, "{lookups} {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forecast_sees_what_is_under_way() {
    let (rig, valve) = behind_a_valve(settings()).await;
    valve.close();
    let foreseen = async {
        let told = forecast(&rig, "orderbook/BTC-USD").await;
        valve.open();
        told
    };
    let (first, told) = during_the_first(&rig, foreseen).await;
    assert_eq!((first.status, &told["would"]), (200, &json!("join")), "{told}");
    let flight = &told["parts"][0]["flight"];
    assert_eq!((&flight["role"], &flight["started_by"]), (&json!("joined"), &json!("the-first")));
    assert_eq!(flight["calls"][0]["result"], json!(null), "{flight}");
    assert_eq!(rig.calls(Family::Book), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forecast_heeds_what_is_demanded() {
    let mut config = settings();
    for_each_product(&mut config, policy([200, 60_000, 0, 1_000]));
    let rig = Rig::start(config).await;
    let ask_with = async |demand: &str| {
        let reply = rig.get_with("/api/explain/ticker/BTC-USD", "cache-control", demand).await;
        reply.json()
    };
    let told = ask_with("only-if-cached").await;
    assert_eq!(told["would"], "refuse", "{told}");
    let failure = "only-if-cached was demanded and nothing usable is held";
    assert_eq!(told["parts"][0]["failure"], failure);
    rig.get(TICKER).await;
    let stale = async || {
        let told = forecast(&rig, "ticker/BTC-USD").await;
        (told["would"] == "stale_and_refresh").then_some(told)
    };
    let told = eventually(SOON, "it is stale", stale).await;
    assert_eq!(told["parts"][0]["call"]["family"], "ticker", "{told}");
    assert_eq!(ask_with("only-if-cached").await["would"], "stale");
    assert_eq!(ask_with("no-cache").await["would"], "call");
    assert_eq!(ask_with("min-fresh=5").await["would"], "refuse");
    assert_eq!(rig.calls(Family::Ticker), 1);
    let (_, told) = explained(&rig, TICKER).await;
    assert_eq!(only(&told)["outcome"], "stale", "it came true: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forecast_takes_what_the_endpoint_takes() {
    let rig = Rig::start(settings()).await;
    for (path, status, code) in [
        ("/api/explain/ticker/BTC-UDS", 404, "unknown_symbol"),
        ("/api/explain/ohlcv/BTC-USD?timeframe=9m", 422, "invalid_parameter"),
        ("/api/explain/orderbook/BTC-USD?limit=0", 422, "invalid_parameter"),
        ("/api/explain/ticker/BTC-USD?limit=3", 422, "invalid_parameter"),
        ("/api/explain/nothing/BTC-USD", 404, "not_found"),
    ] {
        rig.get(path).await.problem(path, status, code);
    }
    // What the exchange does not offer is computed from what it does.
    let told = forecast(&rig, "ohlcv/BTC-USD?timeframe=4h").await;
    assert_eq!(told["parts"][0]["key"], "bitfinex ohlcv tBTCUSD 1h", "{told}");
    assert_eq!(told["symbols"], json!(["BTC/USD"]));
    assert_eq!(rig.sim.counts().total(), 0);
}
