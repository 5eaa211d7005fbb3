//! Restarts: what the store keeps for the next process.

use std::{fs, path::PathBuf};

use serde_json::json;
use tidegate::{
    app::App,
    config::Config,
    sim::{Family, Fault},
};

use crate::{
    client::Reply,
    rig::{Rig, ms, port, settings},
};

/// A file of its own for each test, gone with it.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn settings(&self) -> Config {
        let mut config = settings();
        config.store.path = Some(self.0.join("store.sqlite"));
        config.server.drain_delay = ms(1);
        config
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Another gateway with the same settings, after the first one has gone.
async fn restarted(rig: Rig, config: &Config) -> Rig {
    let Rig { app, sim, tasks } = rig;
    assert!(app.drain().await);
    let mut config = config.clone();
    config.exchanges["bitfinex"].rest_url = sim.rest_url();
    config.exchanges["bitfinex"].ws_url = sim.ws_url();
    let app = App::start(config, port().await).await.expect("a gateway");
    sim.reset_counts();
    Rig { app, sim, tasks }
}

fn source(reply: &Reply) -> &str {
    reply.cache_status().rsplit("detail=").next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_one_call_a_series_and_the_past_none() {
    let file = File::new("warm");
    let config = file.settings();
    let rig = Rig::start(config.clone()).await;
    let markets = ["BTC-USD", "ETH-USD", "LTC-USD", "XRP-USD"];
    let newest = |market: &str| format!("/api/market-data/ohlcv/{market}?timeframe=5m&limit=240");
    let mut before = Vec::new();
    for market in markets {
        before.push(rig.get(&newest(market)).await.json());
    }
    let rig = restarted(rig, &config).await;
    for (market, before) in markets.iter().zip(&before) {
        let past = |reply: &Reply| {
            let rows = reply.json()["candles"].as_array().unwrap().clone();
            rows.into_iter().filter(|row| row["closed"] == true).collect::<Vec<_>>()
        };
        let until = before["candles"][200]["timestamp"].as_i64().unwrap();
        let path = format!("{}&until={until}", newest(market).replace("=240", "=100"));
        let kept = rig.get(&path).await;
        assert_eq!((kept.status, source(&kept)), (200, "store"), "{}", kept.text());
        assert_eq!(past(&kept)[..], before["candles"].as_array().unwrap()[101..=200]);
        assert_eq!(rig.calls(Family::Candles), 0);
    }
    // A wider one of the past is computed from what is on disk.
    let until = before[0]["candles"][200]["timestamp"].as_i64().unwrap();
    let wide = format!("/api/market-data/ohlcv/BTC-USD?timeframe=1h&limit=5&until={until}");
    let wide = rig.get(&(wide + "&closed_only=true")).await;
    assert_eq!((wide.status, source(&wide)), (200, "store"), "{}", wide.text());
    assert_eq!(rig.calls(Family::Candles), 0);
    for (market, before) in markets.iter().zip(&before) {
        let now = rig.get(&newest(market)).await;
        assert_eq!((now.status, source(&now)), (200, "rest"));
        let (now, before) = (now.json(), before["candles"].as_array().unwrap().clone());
        let rows = now["candles"].as_array().unwrap();
        assert_eq!(rows.len(), 240);
        let first = rows[0]["timestamp"].as_i64().unwrap();
        let begin = before.iter().position(|row| row["timestamp"] == first).unwrap();
        let finals: Vec<_> = before[begin..].iter().filter(|row| row["closed"] == true).collect();
        assert_eq!(rows.iter().take(finals.len()).collect::<Vec<_>>(), finals);
    }
    assert_eq!(rig.calls(Family::Candles), 4, "one for the tail of each");
    assert_eq!(rig.calls(Family::Conf), 0, "the market list was on disk");
    let store = &rig.status().await["store"];
    assert_eq!((&store["state"], &store["last_error"]), (&json!("on"), &json!(null)));
    assert!(store["bars"].as_u64().unwrap() >= 4 * 230, "{store}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_and_a_spent_budget_survive_a_restart() {
    let file = File::new("ban");
    let mut config = file.settings();
    config.exchanges["bitfinex"].budget["trades"] = 1;
    let rig = Rig::start(config.clone()).await;
    assert_eq!(rig.get("/api/market-data/trades/BTC-USD").await.status, 200);
    rig.sim.fault(Fault::RateLimited { retry_after: Some(600) }.times(Family::Candles, 1));
    let (candles, trades) = ("/api/market-data/ohlcv/BTC-USD", "/api/market-data/trades/XRP-USD");
    let banned = rig.get(candles).await.problem(candles, 503, "exchange_rate_limited");
    let rig = restarted(rig, &config).await;
    let still = rig.get(candles).await.problem(candles, 503, "exchange_rate_limited");
    let left = |document: &serde_json::Value| document["retry_after_ms"].as_u64().unwrap();
    assert!(left(&still) <= left(&banned) && left(&still) > 300_000, "{still}");
    let spent = rig.get(trades).await.problem(trades, 503, "budget_exhausted");
    assert!(left(&spent) > 30_000, "{spent}");
    assert_eq!(rig.sim.counts().total(), 0, "the exchange is left alone");
    let other = "/api/market-data/orderbook/BTC-USD";
    assert_eq!(rig.get(other).await.status, 200, "what was not refused goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_used_is_set_aside_and_serving_goes_on() {
    let file = File::new("foreign");
    let config = file.settings();
    fs::create_dir_all(&file.0).unwrap();
    let content = "no database at all, but long enough for a header ".repeat(40);
    fs::write(config.store.path.as_ref().unwrap(), &content).unwrap();
    let rig = Rig::start(config).await;
    assert_eq!(rig.get("/api/market-data/ohlcv/BTC-USD?limit=10").await.status, 200);
    let store = rig.status().await["store"].clone();
    assert_eq!(store["state"], "on", "{store}");
    assert!(store["last_error"]["error"].is_string(), "{store}");
    let names = fs::read_dir(&file.0).unwrap().map(|entry| entry.unwrap().file_name());
    let kept: Vec<_> = names.filter(|name| name.to_string_lossy().contains("set-aside")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read_to_string(file.0.join(&kept[0])).unwrap(), content, "nothing is lost");
    assert!(rig.app.drain().await);
}
