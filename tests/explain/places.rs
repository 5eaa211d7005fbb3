//! Where an explanation is, and where it is not.

use serde_json::{Value, json};

use crate::{
    TICKER, between_candles,
    client::{Reply, ask},
    explained, only,
    rig::{Rig, settings},
};

const HEADER: &str = "x-tidegate-explain";

/// What an answer's header tells.
#[track_caller]
fn header(reply: &Reply) -> Value {
    let text = reply.header(HEADER).unwrap_or_else(|| panic!("no header: {reply:?}"));
    assert!(text.is_ascii() && text.len() <= 4096, "{text}");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_was_told_to_another() {
    let rig = Rig::start(settings()).await;
    let plain = rig.get(TICKER).await;
    assert_eq!((plain.header(HEADER), plain.json().get("explain")), (None, None));
    let (first, told) = explained(&rig, TICKER).await;
    let (second, again) = explained(&rig, TICKER).await;
    assert_ne!(told["request_id"], again["request_id"]);
    for reply in [&first, &second] {
        let mut body = reply.json();
        assert!(body.as_object_mut().unwrap().remove("explain").is_some());
        assert_eq!(body, plain.json());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    let with_header = rig.get_with(TICKER, HEADER, "1").await;
    assert_eq!(with_header.body, plain.body, "the body stays as it is");
    assert_eq!(with_header.header("etag"), plain.header("etag"));
    assert_eq!(only(&header(&with_header))["outcome"], "hit");
    let etag = plain.header("etag").unwrap();
    let headers = [(HEADER, "1"), ("if-none-match", etag)];
    let known = ask(rig.app.address(), "GET", TICKER, &headers).await;
    assert_eq!((known.status, &only(&header(&known))["outcome"]), (304, &json!("hit")));
    let after = rig.get(TICKER).await;
    assert_eq!((after.header(HEADER), &after.body), (None, &plain.body));
    assert_eq!(rig.sim.counts().total(), 1, "it is the same read");
    let refused = rig.get(&format!("{TICKER}?explain=perhaps")).await;
    let problem = refused.problem(TICKER, 422, "invalid_parameter");
    assert_eq!(problem["parameter"]["name"], "explain");
}

/// An explained hit counts as any other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explained_read_is_a_read() {
    let rig = Rig::start(settings()).await;
    rig.get(TICKER).await;
    let hits = async || {
        let hot = rig.status().await["hot"].clone();
        let found =
            hot.as_array().unwrap().iter().find(|it| it["key"] == "ticker tBTCUSD").cloned();
        found.unwrap()["hits"].as_u64().unwrap()
    };
    let before = hits().await;
    explained(&rig, TICKER).await;
    rig.get_with(TICKER, HEADER, "1").await;
    assert_eq!(hits().await, before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_keys_is_told_in_the_header() {
    let rig = between_candles().await;
    for path in [
        "/api/market-data/trades/BTC-USD?explain=true",
        "/api/market-data/trades/BTC-USD?format=csv&explain=true",
        "/api/market-data/ohlcv/BTC-USD?format=parquet&limit=3&explain=true",
    ] {
        for outcome in ["miss", "hit"] {
            let reply = rig.get(path).await;
            assert_eq!(reply.status, 200, "{path}");
            let told = header(&reply);
            // The second table is made of the rows of the first.
            let is_known = path.contains("csv") || outcome == "hit";
            assert_eq!(only(&told)["outcome"], if is_known { "hit" } else { "miss" }, "{path}");
        }
    }
    let (reply, told) = explained(&rig, "/api/market-data/exchanges").await;
    assert!(reply.json()["exchanges"].is_array());
    assert_eq!(told["parts"], json!([]), "it reads nothing");
    let (_, told) = explained(&rig, "/api/market-data/markets").await;
    assert_eq!(only(&told)["key"], "bitfinex markets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_has_its_bound() {
    let rig = Rig::start(settings()).await;
    let markets = rig.get("/api/market-data/markets").await.json();
    let names: Vec<_> = markets["markets"].as_array().unwrap().iter().take(60).collect();
    let names: Vec<_> = names.iter().map(|it| it["symbol"].as_str().unwrap()).collect();
    assert!(names.len() >= 30, "{}", names.len());
    let path = format!("/api/market-data/tickers?symbols={}", names.join(","));
    let told = header(&rig.get_with(&path, HEADER, "1").await);
    let (shown, omitted) =
        (told["parts"].as_array().unwrap().len(), told["omitted_parts"].as_u64().unwrap());
    assert!(shown >= 1 && omitted > 0, "{told}");
    assert_eq!(shown as u64 + omitted, names.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchanges_own_clients_are_told_in_the_header() {
    let rig = Rig::start(settings()).await;
    let path = "/v2/ticker/tBTCUSD";
    let reply = rig.get_with(path, HEADER, "1").await;
    let told = header(&reply);
    let part = only(&told);
    assert_eq!(
        (&part["key"], &part["outcome"]),
        (&json!("bitfinex ticker tBTCUSD"), &json!("miss"))
    );
    assert_eq!(part["flight"]["started_by"].as_str(), reply.header("x-request-id"));
    let plain = rig.get(path).await;
    assert_eq!((plain.header(HEADER), &plain.body), (None, &reply.body));
    let refused = rig.get_with("/v2/ticker/tZZZUSD", HEADER, "1").await;
    assert_eq!(refused.json()[0], "error", "in the exchange's own words");
    assert_eq!(header(&refused)["market_list"]["outcome"], "hit");
    let unknown = rig.get(&format!("{path}?explain=true")).await;
    assert_eq!(unknown.header(HEADER), None, "there the parameter means nothing");
}
