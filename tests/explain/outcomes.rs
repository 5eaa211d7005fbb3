//! Each way in which a key is read.

use serde_json::{Value, json};
use tidegate::{
    app::App,
    config::Config,
    feed::Mode,
    market::Channel,
    sim::{Family, Limits, SimConfig},
};

use crate::{
    BOOK, SOON, TICKER, ask_through, behind_a_valve, during_the_first, explained, explained_as,
    only, only_call,
    rig::{Rig, eventually, for_each_product, lenient, ms, policy, port, settings},
};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_names_its_call_and_a_hit_its_age() {
    let rig = Rig::start(settings()).await;
    let (reply, told) = explained(&rig, TICKER).await;
    let part = only(&told);
    for (field, expected) in [
        ("key", json!("bitfinex ticker tBTCUSD")),
        ("kind", json!("ticker")),
        ("outcome", json!("miss")),
        ("decision", json!("nothing is held")),
        ("failure", json!(null)),
        ("feed", json!({ "state": "not_followed", "reason": "there is no feed" })),
        (
            "policy",
            json!({ "ttl_ms": 60_000, "stale_while_revalidate_ms": 0, "stale_if_error_ms": 0 }),
        ),
    ] {
        assert_eq!(part[field], expected, "{part}");
    }
    assert_eq!(part["entry"]["source"], "rest");
    assert_eq!(part["entry"]["received_at"], reply.json()["timestamp"]);
    assert_eq!(part["entry"]["datetime"], reply.json()["datetime"]);
    let flight = &part["flight"];
    assert_eq!((&flight["role"], &flight["keys"]), (&json!("started"), &json!(1)), "{flight}");
    assert_eq!(flight["started_by"].as_str(), reply.header("x-request-id"));
    let call = only_call(part);
    for (field, expected) in [
        ("family", json!("ticker")),
        ("client", json!("anonymous")),
        ("class", json!("client")),
        ("attempt", json!(1)),
        ("sent", json!(true)),
        ("result", json!("ok")),
        ("budget_left", json!(99_999)),
    ] {
        assert_eq!(call[field], expected, "{call}");
    }
    let took = number(&call["upstream_ms"]);
    assert!(took > 0.0 && took <= number(&told["total_ms"]), "{told}");
    assert_eq!((&told["client"], &told["class"]), (&json!("anonymous"), &json!("client")));
    assert_eq!(told["market_list"]["outcome"], "hit", "{told}");
    assert_eq!(told["market_list"]["key"], "bitfinex markets");

    let (_, told) = explained_as(&rig, TICKER, &[("cache-control", "max-stale=9")]).await;
    let part = only(&told);
    assert_eq!((&part["outcome"], &part["flight"]), (&json!("hit"), &json!(null)), "{part}");
    let decision = part["decision"].as_str().unwrap();
    assert!(decision.ends_with(" old, fresh for 60 s"), "{decision}");
    let demand = json!({
        "max_age_seconds": null, "min_fresh_seconds": null, "max_stale_seconds": 9,
        "only_if_cached": false
    });
    assert_eq!(told["demand"], demand);
    assert_eq!(rig.sim.counts().total(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_names_its_refresh() {
    let mut config = settings();
    for_each_product(&mut config, policy([200, 60_000, 0, 1_000]));
    let (rig, valve) = behind_a_valve(config).await;
    rig.get(TICKER).await;
    valve.close();
    let stale = async || {
        let (reply, told) = explained(&rig, TICKER).await;
        (only(&told)["outcome"] == "stale").then_some((reply, told))
    };
    let (reply, told) = eventually(SOON, "it is stale", stale).await;
    let part = only(&told);
    let decision = part["decision"].as_str().unwrap();
    let end = " old, fresh for 200 ms: stale, and given for 60 s more meanwhile";
    assert!(decision.ends_with(end), "{decision}");
    assert_eq!(part["flight"]["role"], "refresh_started", "{part}");
    assert_eq!(part["flight"]["started_by"].as_str(), reply.header("x-request-id"));
    assert!(part["entry"]["age_ms"].as_u64() >= Some(200), "{part}");
    let (_, told) = explained(&rig, TICKER).await;
    assert_eq!(only(&told)["flight"]["role"], "refresh_under_way", "{told}");
    assert_eq!(only(&told)["flight"]["started_by"].as_str(), reply.header("x-request-id"));
    let charged = async || {
        let (_, told) = explained(&rig, TICKER).await;
        let call = only(&told)["flight"]["calls"][0].clone();
        (call["class"] == "refresh").then_some(())
    };
    eventually(SOON, "the refresh has asked for its turn", charged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waited_for_a_turn_is_told_how_long() {
    // One at once, then one in four seconds.
    let window = ms(12_000);
    let limits = Limits { book: 3, ..Limits::all(1_000) };
    let sim = SimConfig { limits: Some(limits), window, ban: window, ..SimConfig::default() };
    let mut config = settings();
    config.exchanges["bitfinex"].budget["book"] = 3;
    config.upstream.window = window;
    let rig = Rig::before(sim, config).await;
    let book = |symbol: &str| format!("/api/market-data/orderbook/{symbol}");
    let both = [book("BTC-USD"), book("ETH-USD")];
    let (one, other) = tokio::join!(explained(&rig, &both[0]), explained(&rig, &both[1]));
    let mut both = [one, other];
    both.sort_by_key(|(reply, _)| reply.took);
    let [(_, first), (reply, second)] = both;
    assert_eq!(only_call(only(&first))["budget_left"], 2, "{first}");
    let flight = &only(&second)["flight"];
    let (waited, total) = (number(&flight["queue_wait_ms"]), number(&second["total_ms"]));
    assert!(waited >= 100.0 && waited <= total, "{second}");
    assert!(total <= reply.took.as_secs_f64() * 1000.0, "{second}");
    let call = only_call(only(&second));
    assert_eq!(
        (&call["queue_wait_ms"], &call["budget_left"]),
        (&flight["queue_wait_ms"], &json!(1))
    );
    assert_eq!((&flight["attempts"], &flight["upstream_ms"]), (&json!(1), &call["upstream_ms"]));
}

#[tokio::test]
async fn who_shares_a_fetch_is_told_whose_it_is() {
    let (rig, valve) = behind_a_valve(settings()).await;
    valve.close();
    let path = format!("{BOOK}?limit=3&explain=true");
    let second = ask_through(&rig, &valve, &path);
    let (first, second) = during_the_first(&rig, second).await;
    assert_eq!((first.status, second.status), (200, 200));
    let told = second.json()["explain"].clone();
    let part = only(&told);
    assert_eq!(part["outcome"], "collapsed", "{part}");
    let flight = &part["flight"];
    assert_eq!((&flight["role"], &flight["started_by"]), (&json!("joined"), &json!("the-first")));
    assert!(number(&flight["under_way_ms"]) > 0.0, "{flight}");
    assert_eq!(only_call(part)["result"], "ok");
    assert_eq!(rig.calls(Family::Book), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gathered_into_one_call_is_told_of_how_many() {
    let mut config = settings();
    // Longer than the machine takes from the first to the last of them.
    config.upstream.merge_window = ms(2_000);
    let rig = Rig::start(config).await;
    let symbols = "/api/market-data/tickers?symbols=BTC-USD,ETH-USD,XRP-USD";
    let (reply, told) = explained(&rig, symbols).await;
    let parts = told["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "{told}");
    for part in parts {
        assert_eq!((&part["outcome"], &part["flight"]["keys"]), (&json!("miss"), &json!(3)));
        assert_eq!(part["flight"]["started_by"].as_str(), reply.header("x-request-id"));
        assert_eq!(only_call(part)["family"], "tickers", "{part}");
    }
    assert_eq!(rig.sim.counts().total(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_has_three_parts() {
    let rig = Rig::start(settings()).await;
    let (_, told) = explained(&rig, "/api/market-data/market-context/BTC-USD").await;
    let mut keys: Vec<_> = told["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    let expected = [
        "bitfinex ohlcv tBTCUSD 5m",
        "bitfinex orderbook tBTCUSD P0 25",
        "bitfinex ticker tBTCUSD",
    ];
    assert_eq!(keys, expected);
    for part in told["parts"].as_array().unwrap() {
        assert_eq!(
            (&part["outcome"], &part["flight"]["role"]),
            (&json!("miss"), &json!("started"))
        );
        assert_eq!(only_call(part)["result"], "ok", "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_keeps_is_live() {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(50);
    config.feed.pinned = vec!["BTC/USD".to_owned()];
    config.feed.pinned_channels = vec![Channel::Ticker];
    let mut sim = lenient();
    sim.ws.ticker_every = ms(200);
    let rig = Rig::before(sim, config).await;
    let hub = rig.app.gateway().reader().desks.all()[0].live.hub().clone();
    let live = async || hub.all().iter().any(|line| line.mode() == Mode::Live).then_some(());
    eventually(SOON, "what is pinned is live", live).await;
    let streamed = async || {
        let (_, told) = explained(&rig, TICKER).await;
        (only(&told)["entry"]["source"] == "stream").then_some(told)
    };
    let told = eventually(SOON, "it is answered from its channel", streamed).await;
    let part = only(&told);
    assert_eq!(part["feed"], json!({ "state": "live", "reason": null }), "{part}");
    assert_eq!((&part["outcome"], &part["flight"]), (&json!("hit"), &json!(null)), "{part}");
    let (_, told) = explained(&rig, "/api/market-data/tickers").await;
    assert_eq!(only(&told)["feed"]["reason"], "no channel brings it", "{told}");
}

/// The settings of a gateway that keeps what it learns.
fn keeping(dir: &tempfile::TempDir) -> Config {
    let mut config = settings();
    config.store.path = Some(dir.path().join("store.sqlite"));
    config.server.drain_delay = ms(1);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candles_of_the_past_are_fetched_once_and_come_from_disk_after_that() {
    let dir = tempfile::tempdir().unwrap();
    let config = keeping(&dir);
    let rig = Rig::start(config.clone()).await;
    let newest = rig.get("/api/market-data/ohlcv/BTC-USD?limit=1").await.json();
    let until = newest["candles"][0]["timestamp"].as_i64().unwrap() - 1_000 * 300_000;
    let path = format!("/api/market-data/ohlcv/BTC-USD?limit=10&until={until}");
    let (_, told) = explained(&rig, &path).await;
    let part = only(&told);
    assert_eq!((&part["kind"], &part["outcome"]), (&json!("history"), &json!("miss")), "{part}");
    assert_eq!(part["flight"]["store"], json!(["missing"]), "{part}");
    assert_eq!(only_call(part)["family"], "candles");
    let decision = part["decision"].as_str().unwrap();
    assert!(decision.starts_with("candles ") && decision.ends_with(" are not held"), "{decision}");
    let (_, told) = explained(&rig, &path).await;
    assert_eq!((&only(&told)["outcome"], &only(&told)["flight"]), (&json!("hit"), &json!(null)));

    let Rig { app, sim, tasks } = rig;
    assert!(app.drain().await);
    let mut config = config;
    config.exchanges["bitfinex"].rest_url = sim.rest_url();
    let app = App::start(config, port().await).await.expect("a gateway");
    sim.reset_counts();
    let rig = Rig { app, sim, tasks };
    let foreseen = rig.get(&path.replace("market-data", "explain")).await.json();
    assert_eq!(foreseen["would"], "store", "{foreseen}");
    assert_eq!(foreseen["parts"][0]["call"], json!(null), "{foreseen}");
    let (_, told) = explained(&rig, &path).await;
    let part = only(&told);
    assert_eq!(part["entry"]["source"], "store", "{part}");
    assert_eq!((&told["store"], &part["flight"]), (&json!(["found"]), &json!(null)), "{told}");
    assert_eq!(rig.sim.counts().total(), 0);
}
