//! What operators are told of live data.

use serde_json::{Value, json};
use tidegate::{config::Config, market::Channel};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::rig::{Rig, SOON, eventually, ms, settings};

fn live() -> Config {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(100);
    config.feed.pinned = vec!["BTC/USD".to_owned()];
    config.feed.pinned_channels = vec![Channel::Ticker];
    config
}

/// The topic of that name in a status.
fn topic<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    let topics = status["feeds"][0]["topics"].as_array().expect("a list");
    topics.iter().find(|topic| topic["topic"] == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_streams_and_their_share_of_the_answers_are_shown() {
    let rig = Rig::start(live()).await;
    let mut follower = TcpStream::connect(rig.app.address()).await.expect("a connection");
    let request = "GET /api/market-data/stream?symbols=ETH-USD&channels=orderbook HTTP/1.1\r\n\
                   host: tidegate\r\n\r\n";
    follower.write_all(request.as_bytes()).await.expect("it is sent");
    let status = eventually(SOON, "both topics live", async || {
        let status = rig.status().await;
        let names = ["ticker tBTCUSD", "orderbook tETHUSD P0 25"];
        let is_live = |name| topic(&status, name).is_some_and(|topic| topic["state"] == "live");
        let is_told = status["streams"]["kinds"][0]["messages"].as_u64() > Some(0);
        (names.into_iter().all(is_live) && is_told).then_some(status)
    })
    .await;

    let feed = &status["feeds"][0];
    assert_eq!(
        (&feed["exchange"], &feed["enabled"], &feed["state"]),
        (&json!("bitfinex"), &json!(true), &json!("connected"))
    );
    assert_eq!((&feed["channels"], &feed["wanted"]), (&json!(2), &json!(2)));
    let pinned = &feed["topics"][0];
    assert_eq!((&pinned["topic"], &pinned["wanted"]), (&json!("ticker tBTCUSD"), &json!("pinned")));
    assert_eq!((&pinned["followers"], &pinned["reason"]), (&json!(0), &Value::Null));
    let followed = &feed["topics"][1];
    assert_eq!((&followed["wanted"], &followed["followers"]), (&json!("followed"), &json!(1)));
    assert!(followed["last_message_age_seconds"].as_f64().expect("an age") < 20.0, "{followed}");
    let socket = &feed["sockets"][0];
    assert_eq!((&socket["state"], &socket["channels"]), (&json!("open"), &json!(2)));
    assert_eq!((&socket["max_channels"], &socket["reconnects"]), (&json!(25), &json!(0)));
    assert!(feed["counters"]["messages"].as_u64() >= Some(2), "{feed}");
    assert_eq!(feed["counters"]["connect_attempts"], 1);
    let streams = &status["streams"];
    assert_eq!((&streams["clients"], &streams["topics"]), (&json!(1), &json!(1)));
    let kind = &streams["kinds"][0];
    assert_eq!(
        (&kind["kind"], &kind["clients"], &kind["topics"]),
        (&json!("sse"), &json!(1), &json!(1))
    );

    let before = status["requests"].clone();
    assert_eq!(before["from_streams"], 0, "{before}");
    assert_eq!(before["from_streams_share"], 0.0, "{before}");
    for _ in 0..before["total"].as_u64().expect("a count") {
        let reply = rig.get("/api/market-data/ticker/BTC-USD").await;
        assert!(reply.cache_status().contains("detail=stream"), "{}", reply.cache_status());
    }
    assert_eq!(rig.status().await["requests"]["from_streams_share"], 0.5);

    let health = rig.get("/readyz?verbose").await.json();
    assert_eq!(health["exchanges"][0]["feed"], "connected");
    drop(follower);
    eventually(SOON, "the follower gone", async || {
        let status = rig.status().await;
        let is_gone = status["streams"]["clients"] == 0 && status["streams"]["topics"] == 0;
        is_gone.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_followed_is_told_with_and_without_a_feed() {
    let rig = Rig::start(live()).await;
    let streams =
        rig.get("/api/market-data/exchanges").await.json()["exchanges"][0]["streams"].take();
    assert_eq!((&streams["live"], &streams["max_channels"]), (&json!(true), &json!(200)));
    let channels = streams["channels"].as_array().expect("a list");
    assert_eq!(channels[..4], ["ticker", "trades", "orderbook", "ohlcv:1m"]);
    assert_eq!(channels.last().expect("one"), "ohlcv:1M");

    let rig = Rig::start(settings()).await;
    let streams =
        rig.get("/api/market-data/exchanges").await.json()["exchanges"][0]["streams"].take();
    assert_eq!((&streams["live"], &streams["max_channels"]), (&json!(false), &json!(0)));
    assert_eq!(streams["channels"], json!(channels), "polled");
    let feed = &rig.status().await["feeds"][0];
    assert_eq!((&feed["state"], &feed["topics"]), (&json!("off"), &json!([])));
    assert_eq!(rig.get("/readyz?verbose").await.json()["exchanges"][0]["feed"], "off");
}
