//! Every way to write a market's name, and what an unknown name costs.

use serde_json::{Value, json};
use tidegate::sim::Family;

use crate::{
    rig::{Rig, settings},
    time::passes,
};

async fn market(rig: &Rig, id: &str) -> Value {
    let body = rig.get("/api/market-data/markets").await.json();
    let markets = body["markets"].as_array().unwrap();
    markets.iter().find(|market| market["id"] == id).unwrap_or_else(|| panic!("{id}")).clone()
}

/// All of these are one market, and one call.
async fn name(rig: &Rig, symbol: &str, spellings: &[&str]) {
    rig.sim.reset_counts();
    for spelling in spellings {
        let reply = rig.get(&format!("/api/market-data/ticker/{spelling}")).await;
        assert_eq!(reply.status, 200, "{spelling}: {}", reply.text());
        assert_eq!(reply.json()["symbol"], symbol, "{spelling}");
    }
    assert_eq!(rig.sim.counts().total(), 1, "{symbol}: {:?}", rig.sim.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_names_the_same_market() {
    let rig = Rig::start(settings()).await;
    let spellings = [
        "BTC/USD",
        "BTC%2FUSD",
        "BTC%2fUSD",
        "BTC-USD",
        "BTC_USD",
        "BTCUSD",
        "tBTCUSD",
        "btc/usd",
        "btc%2Fusd",
        "Btc-Usd",
        "btc_usd",
        "btcusd",
        "tbtcusd",
        "TBTCUSD",
        "BTC:USD",
        "%42TC-USD",
    ];
    name(&rig, "BTC/USD", &spellings).await;
    name(&rig, "BTC/USDT", &["BTC/UST", "BTC/USDT", "BTC-USDt", "tBTCUST", "btcust", "BTCUSDT"])
        .await;
    name(&rig, "DASH/USD", &["DASH/USD", "DSH/USD", "dsh-usd", "tDSHUSD", "DASHUSD"]).await;
    name(&rig, "DOGE/USD", &["DOGE/USD", "DOGE:USD", "tDOGE:USD", "tDOGE%3AUSD", "dogeusd"]).await;
    let perpetual = market(&rig, "tBTCF0:USTF0").await;
    assert_eq!(perpetual["type"], "swap");
    let symbol = perpetual["symbol"].as_str().unwrap();
    assert_eq!(symbol, "BTC/USDT:USDT");
    name(&rig, symbol, &[symbol, "BTC%2FUSDT%3AUSDT", "tBTCF0:USTF0", "btcf0:ustf0", "BTCF0USTF0"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint_takes_a_raw_slash() {
    let rig = Rig::start(settings()).await;
    for endpoint in ["ohlcv", "ticker", "orderbook", "trades", "market-context", "validate-market"]
    {
        for spelling in ["eth/usd", "ETH%2FUSD", "ETH-USD"] {
            let reply = rig.get(&format!("/api/market-data/{endpoint}/{spelling}")).await;
            let body = reply.json();
            let echoed = body.get(0).unwrap_or(&body)["symbol"].clone();
            assert_eq!((reply.status, echoed), (200, json!("ETH/USD")), "{endpoint}/{spelling}");
        }
    }
    assert_eq!(rig.sim.counts().total(), 4, "candles, ticker, book, trades: {:?}", rig.sim.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_symbol_costs_nothing_and_is_told_near_ones() {
    let rig = Rig::start(settings()).await;
    let cases = [
        ("BTC-USX", "BTC/USD"),
        ("BTX/USD", "BTC/USD"),
        ("ETH%2FUDS", "ETH/USD"),
        ("dogeusb", "DOGE/USD"),
        ("BTCUSDX", "BTC/USD"),
    ];
    for (asked, meant) in cases {
        for endpoint in
            ["ohlcv", "ticker", "orderbook", "trades", "market-context", "validate-market"]
        {
            let path = format!("/api/market-data/{endpoint}/{asked}");
            let document = rig.get(&path).await.problem(&path, 404, "unknown_symbol");
            let near = document["suggestions"].as_array().unwrap();
            assert!((1..=3).contains(&near.len()) && near.contains(&json!(meant)), "{document}");
        }
    }
    for nothing_like_it in ["ZZZZZZZZZZZZ", "0", "BTC//USD", "-", "tickers/BTC-USD"] {
        let path = format!("/api/market-data/ticker/{nothing_like_it}");
        rig.get(&path).await.problem(&path, 404, "unknown_symbol");
    }
    let batch = "/api/market-data/tickers?symbols=BTC-USD,NO-PE";
    rig.get(batch).await.problem(batch, 404, "unknown_symbol");
    assert_eq!(rig.sim.counts().total(), 0, "{:?}", rig.sim.log());
}

#[tokio::test(start_paused = true)]
async fn single_tickers_asked_at_once_are_one_call() {
    passes();
    let mut config = settings();
    config.upstream.merge_window = crate::rig::ms(200);
    let rig = Rig::start(config).await;
    let paths = ["BTC-USD", "ETH-USD", "tDOGE:USD", "btcusd"]
        .map(|symbol| format!("/api/market-data/ticker/{symbol}"));
    let replies = futures_util::future::join_all(paths.iter().map(|path| rig.get(path))).await;
    let symbols: Vec<Value> = replies.iter().map(|reply| reply.json()["symbol"].clone()).collect();
    assert_eq!(symbols, ["BTC/USD", "ETH/USD", "DOGE/USD", "BTC/USD"]);
    let counts = rig.sim.counts();
    assert_eq!((counts.of(Family::Tickers), counts.total()), (1, 1), "{:?}", rig.sim.log());

    let list = "/api/market-data/tickers?symbols=BTC/USD,ETHUSD,XRP-USD,ltc-usd";
    let body = rig.get(list).await.json();
    let tickers = body["tickers"].as_object().unwrap();
    assert_eq!(tickers.keys().collect::<Vec<_>>(), ["BTC/USD", "ETH/USD", "LTC/USD", "XRP/USD"]);
    assert_eq!(tickers["BTC/USD"], replies[0].json(), "from the same entry");
    assert_eq!(rig.sim.counts().total(), 2, "one call for the two that were not held");

    let all = rig.get("/api/market-data/tickers").await.json();
    let known =
        rig.get("/api/market-data/markets").await.json()["markets"].as_array().unwrap().len();
    assert_eq!(all["tickers"].as_object().unwrap().len(), known);
    assert_eq!(rig.sim.counts().total(), 3, "all in one call");
    let reply = rig.get("/api/market-data/ticker/SOL-USD").await;
    let rows = [&reply.json()["info"], &all["tickers"]["SOL/USD"]["info"]];
    assert_eq!(rows[0], rows[1], "every ticker of the list is held now");
    assert_eq!(rig.sim.counts().total(), 3);
}
