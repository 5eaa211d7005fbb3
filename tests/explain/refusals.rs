//! Each way in which a key is not read: problems tell most of all.

use serde_json::json;
use tidegate::sim::{Family, Fault, Limits, SimConfig};

use crate::{
    TICKER, explained, explained_as, only, only_call,
    rig::{Rig, for_each_product, ms, policy, settings},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_with_its_tries_and_remembered() {
    let mut config = settings();
    config.cache.ticker.negative_ttl = ms(60_000);
    let rig = Rig::start(config).await;
    rig.sim.fault(Fault::Status { status: 502, body: None }.always());
    let (reply, told) = explained(&rig, TICKER).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let part = only(&told);
    assert_eq!((&part["outcome"], &part["entry"]), (&json!("negative"), &json!(null)), "{part}");
    assert_eq!(part["decision"], "nothing is held");
    assert!(part["failure"].as_str().unwrap().contains("unavailable"), "{part}");
    let calls = part["flight"]["calls"].as_array().unwrap();
    let tries: Vec<_> = calls.iter().map(|it| (it["attempt"].clone(), &it["result"])).collect();
    let failed = json!("unavailable");
    assert_eq!(tries, [(json!(1), &failed), (json!(2), &failed)], "{part}");
    assert_eq!(part["flight"]["attempts"], 2);
    assert_eq!(part["policy"]["ttl_ms"], 60_000, "{part}");

    let before = rig.sim.counts().total();
    let (reply, told) = explained(&rig, TICKER).await;
    assert_eq!(reply.status, 503);
    let part = only(&told);
    let remembered = "nothing is held; a fetch failed a moment ago and is not repeated yet";
    assert_eq!((&part["decision"], &part["flight"]), (&json!(remembered), &json!(null)), "{part}");
    assert_eq!(rig.sim.counts().total(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_budget_spent_is_told_so() {
    let window = ms(120_000);
    let limits = Limits { book: 3, ..Limits::all(1_000) };
    let sim = SimConfig { limits: Some(limits), window, ban: window, ..SimConfig::default() };
    let mut config = settings();
    config.exchanges["bitfinex"].budget["book"] = 3;
    config.upstream.window = window;
    // The next turn is in forty seconds.
    config.server.request_deadline = ms(10_000);
    let rig = Rig::before(sim, config).await;
    let book = |symbol: &str| format!("/api/market-data/orderbook/{symbol}");
    assert_eq!(rig.get(&book("BTC-USD")).await.status, 200);
    let foreseen = rig.get("/api/explain/orderbook/ETH-USD").await.json();
    let (reply, told) = explained(&rig, &book("ETH-USD")).await;
    let path = book("ETH-USD");
    let problem = reply.problem(&path, 503, "budget_exhausted");
    let call = only_call(only(&told));
    assert_eq!((&call["sent"], &call["result"]), (&json!(false), &json!("budget")), "{call}");
    assert_eq!((&call["budget_left"], &call["upstream_ms"]), (&json!(2), &json!(null)), "{call}");
    assert_eq!(only(&told)["flight"]["attempts"], 0);

    assert_eq!(foreseen["would"], "refuse", "{foreseen}");
    let call = &foreseen["parts"][0]["call"];
    assert_eq!(call["refused"], problem["detail"], "{foreseen}");
    let (next, told) =
        (call["budget"]["next_slot_ms"].as_u64(), problem["retry_after_ms"].as_u64());
    // It was asked earlier, and what is told to clients is rounded up.
    assert!(next.map(|next| next + 1) >= told && next <= Some(120_000), "{next:?} {told:?}");
    assert!(told > Some(10_000), "{told:?}");
    assert_eq!((&call["family"], &call["budget"]["left"]), (&json!("book"), &json!(2)));
    assert_eq!(rig.calls(Family::Book), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_is_told_by_the_one_who_met_it_and_by_those_who_come_after() {
    let mut config = settings();
    for_each_product(&mut config, policy([60_000, 0, 0, 60_000]));
    let rig = Rig::start(config).await;
    rig.sim.fault(Fault::RateLimited { retry_after: Some(300) }.times(Family::Book, 1));
    let book = |symbol: &str| format!("/api/market-data/orderbook/{symbol}");
    for (symbol, sent, result) in [("BTC-USD", true, "rate_limited"), ("ETH-USD", false, "banned")]
    {
        let (reply, told) = explained(&rig, &book(symbol)).await;
        reply.problem(&book(symbol), 503, "exchange_rate_limited");
        let call = only_call(only(&told));
        assert_eq!((&call["sent"], &call["result"]), (&json!(sent), &json!(result)), "{call}");
    }
    let foreseen = rig.get("/api/explain/orderbook/XRP-USD").await.json();
    assert_eq!(foreseen["would"], "refuse", "{foreseen}");
    let call = &foreseen["parts"][0]["call"];
    assert_eq!(call["refused"], "the exchange limits our requests", "{call}");
    assert!(call["budget"]["banned_ms"].as_u64() > Some(30_000), "{call}");
    let foreseen = rig.get("/api/explain/orderbook/BTC-USD").await.json();
    assert_eq!(foreseen["would"], "negative", "{foreseen}");
    assert_eq!(foreseen["parts"][0]["failure"], "the exchange limits our requests");
    assert_eq!(rig.calls(Family::Book), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_demanded_in_vain_is_told() {
    let rig = Rig::start(settings()).await;
    let demand = [("cache-control", "only-if-cached")];
    let (reply, told) = explained_as(&rig, TICKER, &demand).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    let part = only(&told);
    assert_eq!(
        (&part["outcome"], &part["failure"]),
        (&json!(null), &json!("only-if-cached was demanded"))
    );
    assert_eq!(told["demand"]["only_if_cached"], true);
    let (reply, told) = explained(&rig, "/api/market-data/ticker/BTC-UDS").await;
    assert_eq!((reply.status, &told["parts"]), (404, &json!([])), "{told}");
    assert_eq!(told["market_list"]["outcome"], "hit", "{told}");
    let (reply, told) = explained(&rig, "/api/market-data/orderbook/BTC-USD?limit=0").await;
    assert_eq!((reply.status, &told["market_list"]), (422, &json!(null)), "{told}");
    assert_eq!(rig.sim.counts().total(), 0);
}
