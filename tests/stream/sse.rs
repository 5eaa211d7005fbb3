//! Server-sent events.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate::{
    exchange::Data,
    feed::{Lapse, Mode},
    market::BookSide,
};
use tokio::time::Instant;

use crate::rig::{self, Rig, book, candle, confirmed, eventually, level, ticker, trade};

const ALL: &str = "symbols=BTC-USD&channels=ticker,trades,orderbook,ohlcv:1m";

#[tokio::test]
async fn a_snapshot_comes_first_and_then_what_changes() {
    let rig = Rig::start(|_| {}).await;
    let lines = [
        rig.line("BTC/USD", "ticker").await,
        rig.line("BTC/USD", "trades").await,
        rig.line("BTC/USD", "orderbook").await,
        rig.line("BTC/USD", "ohlcv:1m").await,
    ];
    lines.iter().for_each(|line| line.live());
    let [tickers, trades, books, candles] = &lines;
    tickers.put(&ticker("100.0"));
    trades.put(&trade(1, 0));
    books.put(&book());
    candles.put(&Data::Candles(vec![candle(7, "1.50")]));

    let mut events = rig.events(ALL).await;
    let mut ids = Vec::new();
    let mut texts = Vec::new();
    for channel in ["ticker", "trades", "orderbook", "ohlcv:1m"] {
        let event = events.next().await;
        let data = event.data();
        assert_eq!((event.event.as_str(), &data["channel"]), ("snapshot", &json!(channel)));
        assert_eq!((&data["seq"], &data["mode"]), (&json!(1), &json!("live")), "{data}");
        assert_eq!((&data["symbol"], &data["source"]), (&json!("BTC/USD"), &json!("stream")));
        ids.push(event.id.is_some());
        texts.push(event.text);
    }
    // The others' ids would promise snapshots that have not arrived yet.
    assert_eq!(ids, [false, false, false, true]);
    let bar = |at: i64, close: &str, closed: bool| {
        format!(
            "{{\"timestamp\":{at},\"open\":1.10,\"high\":2,\"low\":1,\"close\":{close},\
             \"volume\":7e-7,\"closed\":{closed}}}"
        )
    };
    let bars = format!("\"timeframe\":\"1m\",\"candles\":[{}]", bar(420_000, "1.50", false));
    for (text, says) in texts.iter().zip([
        "\"last\":100.0,",
        "\"data\":[{\"id\":\"1\",",
        "\"bids\":[[99.90,1]],\"asks\":[[100.10,2.50]]",
        &bars,
    ]) {
        assert!(text.contains(says), "{says} is not in {text}");
    }

    tickers.put(&ticker("101.50"));
    let event = events.next().await;
    assert_eq!(event.data()["id"].as_str(), event.id.as_deref());
    assert_eq!((&event.data()["type"], &event.data()["seq"]), (&json!("update"), &json!(2)));
    assert!(event.text.contains("\"last\":101.50,"), "{}", event.text);

    // That a trade is confirmed is not told.
    trades.put(&confirmed(1));
    trades.put(&trade(2, 0));
    let event = events.next().await;
    assert_eq!((&event.data()["data"]["id"], &event.data()["seq"]), (&json!("2"), &json!(2)));
    assert!(event.text.contains("\"price\":100.10,"), "{}", event.text);

    let mut ends = async |says: &str| {
        let text = events.next().await.text;
        assert!(text.ends_with(&format!(",\"source\":\"stream\",\"data\":{says}}}")), "{text}");
    };
    let changes = [level(BookSide::Bid, "99.90", None), level(BookSide::Ask, "100.20", Some("3"))];
    books.put(&Data::Levels(changes.into_iter().collect()));
    ends("{\"bids\":[[99.90,0]],\"asks\":[[100.20,3]]}").await;

    // A newer bar ends the one before it.
    candles.put(&Data::Candle(candle(8, "1.60")));
    ends(&bar(420_000, "1.50", true)).await;
    ends(&bar(480_000, "1.60", false)).await;
}

#[tokio::test]
async fn a_topic_without_data_sends_its_snapshot_when_there_is_one() {
    let rig = Rig::start(|_| {}).await;
    let mut events = rig.events("symbols=eth-usd").await;
    let line = rig.line("ETH/USD", "ticker").await;
    line.put(&ticker("5"));
    let event = events.next().await;
    assert_eq!((event.event.as_str(), &event.data()["data"]["last"]), ("snapshot", &json!(5)));
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut() {
    let rig = Rig::start(|config| config.stream.buffer = 4).await;
    let line = rig.line("BTC/USD", "trades").await;
    let mut events = rig.events("symbols=BTC/USD&channels=trades").await;
    for id in 1..=3 {
        line.put(&trade(id, 0));
    }
    let cut = loop {
        let event = events.next().await;
        let newest = event.data()["data"]["id"] == "2";
        if newest {
            break event.id.unwrap();
        }
    };
    drop(events);
    for by_header in [true, false] {
        let (query, headers) = match by_header {
            true => (String::new(), vec![("last-event-id", cut.as_str())]),
            false => (format!("&last_event_id={cut}"), vec![]),
        };
        let query = format!("symbols=BTC/USD&channels=trades{query}");
        let mut events = rig.events_with(&query, &headers).await;
        assert_eq!(events.next().await.data()["topics"][0]["resume"], "continued");
        let resume = events.next().await.data();
        assert_eq!((&resume["type"], &resume["after"]), (&json!("resume"), &json!(cut)));
        let next = events.next().await.data();
        assert_eq!((&next["data"]["id"], &next["type"]), (&json!("3"), &json!("update")));
    }
    for id in 4..=9 {
        line.put(&trade(id, 0));
    }
    for (token, reason) in [(cut.as_str(), "too_old"), ("0badcafe-1", "unknown_token")] {
        let headers = [("last-event-id", token)];
        let mut events = rig.events_with("symbols=BTC/USD&channels=trades", &headers).await;
        events.next().await;
        let resume = events.next().await.data();
        let expected = json!([{ "symbol": "BTC/USD", "channel": "trades", "resume": reason }]);
        assert_eq!(resume["topics"], expected);
        let snapshot = events.next().await.data();
        assert_eq!((&snapshot["type"], &snapshot["seq"]), (&json!("snapshot"), &json!(9)));
        assert_eq!(snapshot["data"].as_array().unwrap().len(), 9);
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_before_a_stream_begins() {
    let rig = Rig::start(|config| {
        config.stream.max_topics = 3;
        config.stream.max_total_topics = 2;
    })
    .await;
    for (query, status, code, says) in [
        ("", 422, "invalid_parameter", "symbols"),
        ("symbols=", 422, "invalid_parameter", "symbols"),
        ("symbols=BTC/USD&channels=", 422, "invalid_parameter", "channels"),
        ("symbols=BTC/USD&channels=candles", 422, "invalid_parameter", "ohlcv:TIMEFRAME"),
        ("symbols=BTC/USD&depth=3", 422, "invalid_parameter", "depth"),
        ("symbols=BTC/USD&symbols=ETH/USD", 422, "invalid_parameter", "more than once"),
        ("symbols=BTC/USD,ETH/USD&channels=ticker,trades", 422, "invalid_parameter", "max_topics"),
        ("symbols=BTC/UDS", 404, "unknown_symbol", "BTC/UDS"),
        ("symbols=BTC/USD&exchange=mtgox", 404, "unknown_exchange", "mtgox"),
        ("symbols=BTC/USD&channels=ohlcv:4h", 501, "unsupported", "4h"),
        ("symbols=BTC/USD&channels=ticker,trades,orderbook", 503, "overloaded", "2 topics"),
    ] {
        let response = rig.get(&format!("stream?{query}"), &[]).await;
        assert_eq!(response.status(), status, "{query}");
        let problem = rig::json(response).await;
        assert_eq!(problem["code"], code, "{query}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        let has_names = problem["suggestions"].as_array().is_some_and(|it| !it.is_empty());
        assert_eq!(has_names, status == 404, "{problem}");
    }
    eventually("nothing is followed", || rig.followers() == 0).await;
    assert_eq!(rig.metric("clients", "sse"), 0.0);
}

#[tokio::test]
async fn the_same_market_twice_is_one_topic() {
    let rig = Rig::start(|_| {}).await;
    let _events = rig.events("symbols=BTC/USD,tBTCUSD&channels=ticker,ticker").await;
    assert_eq!((rig.followers(), rig.metric("topics", "sse")), (1, 1.0));
}

#[tokio::test]
async fn headers_tell_proxies_to_pass_everything_at_once_and_head_begins_nothing() {
    let rig = Rig::start(|_| {}).await;
    let url = format!("{}/api/market-data/stream?symbols=BTC/USD", rig.app.url());
    let head = rig.client.head(&url).send().await.unwrap();
    let get = rig.client.get(&url).send().await.unwrap();
    for response in [&head, &get] {
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        assert!(response.headers().contains_key("x-request-id"));
    }
    assert_eq!(rig.metric("clients", "sse"), 1.0);
}

#[tokio::test]
async fn silence_is_broken_by_heartbeats() {
    let beat = Duration::from_millis(50);
    let rig = Rig::start(|config| config.stream.heartbeat = beat).await;
    let line = rig.line("BTC/USD", "ticker").await;
    let since = Instant::now();
    line.put(&ticker("1"));
    let mut events = rig.events("symbols=BTC/USD").await;
    let snapshot = events.next().await;
    assert_eq!(snapshot.event, "snapshot");
    let (first, second) = (events.next().await, events.next().await);
    assert!(since.elapsed() >= 2 * beat, "{:?}", since.elapsed());
    for event in [first, second] {
        assert_eq!(event.event, "heartbeat");
        let data = event.data();
        assert_eq!(data["id"].as_str(), event.id.as_deref());
        let number = |id: &str| id.rsplit('-').next().unwrap().parse::<u64>().unwrap();
        assert!(number(&event.id.unwrap()) >= number(snapshot.id.as_deref().unwrap()));
        assert!(data["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_his_place_and_topics() {
    let rig = Rig::start(|config| config.stream.max_clients = 1).await;
    let query = "symbols=BTC/USD,ETH/USD&channels=ticker,trades";
    let events = rig.events(query).await;
    assert_eq!((rig.followers(), rig.metric("topics", "sse")), (4, 4.0));
    let refused = rig.get(&format!("stream?{query}"), &[]).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(rig::json(refused).await["code"], "overloaded");
    drop(events);
    eventually("nothing is followed", || rig.followers() == 0).await;
    eventually("nobody is counted", || rig.metric("clients", "sse") == 0.0).await;
    assert_eq!(rig.metric("topics", "sse"), 0.0);
    let url = format!("{}/api/market-data/stream?{query}", rig.app.url());
    let deadline = Instant::now() + crate::rig::STUCK;
    while rig.client.get(&url).send().await.unwrap().status() != 200 {
        assert!(Instant::now() < deadline, "the place is never free again");
    }
}

#[tokio::test]
async fn a_snapshot_tells_that_its_topic_is_stale() {
    let rig = Rig::start(|_| {}).await;
    let line = rig.line("BTC/USD", "ticker").await;
    line.live();
    line.put(&ticker("1"));
    // Not fed any more, and nobody follows: whoever comes then gets what there was.
    line.0.feed_by(Mode::Stale(Lapse::Silent), Instant::now());
    let mut events = rig.events("symbols=BTC/USD").await;
    let data = events.next().await.data();
    assert_eq!((&data["type"], &data["mode"]), (&json!("snapshot"), &json!("stale")));
    assert_eq!((&data["reason"], &data["source"]), (&json!("silent"), &Value::Null));
}
