//! What a channel brings is what every endpoint answers with.

use std::sync::{Arc, Mutex};

use compact_str::CompactString;
use serde_json::json;
use tidegate::{
    app::App,
    clock::Clock,
    exchange::{Data, Stream, Topic, bitfinex::wire},
    feed::{Feed, Sink, Turn},
    market::{BookSide, Change, Precision, Timeframe},
};
use tokio::time::Instant;

use crate::{
    client::{Reply, ask},
    fake::{Fake, book, candles},
    rig::{port, settings},
    time::stands_still,
};

struct Live {
    app: App,
    sink: Arc<dyn Sink>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Live {
    async fn start() -> Self {
        let calls = Arc::<Mutex<Vec<&'static str>>>::default();
        let fetched = |what: &'static str| {
            let calls = calls.clone();
            move || calls.lock().unwrap().push(what)
        };
        let (tickers, books, series) = (fetched("ticker"), fetched("book"), fetched("candles"));
        let row = bytes::Bytes::from_static(b"[1,5,2,5,1,0.01,1.5,1234,101,98]");
        let fake = Fake {
            ticker: Box::new(move |_| {
                tickers();
                wire::ticker(&row)
            }),
            candles: Box::new(move |_| {
                series();
                Ok(candles(&[1.0, 2.0]))
            }),
            book: Box::new(move |_| {
                books();
                Ok(book(&[1.0], &[2.0]))
            }),
        };
        let mut into = None;
        let open = |sink, _: &_, _: &_| {
            into = Some(sink);
            Feed::disabled()
        };
        let listener = port().await;
        let app = App::with_parts(settings(), Arc::new(fake), open, Clock::system(), listener);
        let live = Self { app: app.await.expect("a gateway"), sink: into.expect("a sink"), calls };
        assert_eq!(live.get("/api/market-data/markets").await.status, 200);
        live
    }

    async fn get(&self, path: &str) -> Reply {
        ask(self.app.address(), "GET", path, &[]).await
    }

    fn open(&self, stream: Stream, snapshot: &Data) -> Arc<Topic> {
        let id = CompactString::const_new("tBTCUSD");
        let (topic, now) = (Arc::new(Topic { id, stream }), Instant::now());
        self.sink.turn(&topic, &Turn::Opened, now);
        self.sink.data(&topic, snapshot, now);
        topic
    }

    fn ticker(&self, last: u32) -> Data {
        let row = format!("[99.9,5,100.1,5,1,0.01,{last},1234,101,98]");
        Data::Ticker(wire::ticker(&row.into()).expect("a row"))
    }

    fn book(&self) -> Data {
        let level = |side, price: &str| Change {
            side,
            price: price.parse().expect("a number"),
            number: 0,
            amount: Some("3".parse().expect("a number")),
            raw: book(&[1.0], &[]).bids[0].raw.clone(),
        };
        Data::Book(vec![level(BookSide::Bid, "99.9"), level(BookSide::Ask, "100.1")])
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().expect("no panics"))
    }
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_answers_from_the_channels_without_a_call() {
    let _time = stands_still();
    let live = Live::start().await;
    live.open(Stream::Ticker, &live.ticker(104));
    live.open(Stream::Book { precision: Precision::P0, depth: 25 }, &live.book());
    let rows = candles(&[100.0, 101.0, 102.0]);
    live.open(Stream::Candles(Timeframe::M5), &Data::Candles(rows));
    for (path, pointer, value) in [
        ("/api/market-data/ticker/BTC-USD", "/last", json!(104)),
        ("/api/market-data/orderbook/BTC-USD", "/bids/0/0", json!(99.9)),
        ("/api/market-data/ohlcv/BTC-USD?limit=3", "/candles/2/close", json!(102)),
        ("/v2/ticker/tBTCUSD", "/6", json!(104)),
        ("/v2/candles/trade:5m:tBTCUSD/hist?limit=3", "/0/2", json!(102)),
    ] {
        let reply = live.get(path).await;
        assert_eq!(reply.json().pointer(pointer), Some(&value), "{path}: {}", reply.text());
        let status = reply.cache_status();
        assert!(
            status.starts_with("tidegate; hit") && status.contains("detail=stream"),
            "{status}"
        );
        assert!((15..=20).contains(&reply.ttl()), "fresh for the longest silence: {status}");
    }
    let context = live.get("/api/market-data/market-context/BTC-USD?limit=3").await.json();
    let parts = &context["data_quality"]["parts"];
    for part in ["ohlcv", "ticker", "orderbook"] {
        assert_eq!(parts[part]["source"], "stream", "{context}");
    }
    assert_eq!((&context["current_price"], &context["best_bid"]), (&json!(102), &json!(99.9)));
    assert_eq!(live.calls(), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn an_encoded_answer_ends_with_the_message_it_was_made_from() {
    let _time = stands_still();
    let live = Live::start().await;
    const PATH: &str = "/api/market-data/ticker/BTC-USD";
    let topic = live.open(Stream::Ticker, &live.ticker(104));
    let first = live.get(PATH).await;
    assert_eq!(live.get(PATH).await.header("etag"), first.header("etag"));
    live.sink.data(&topic, &live.ticker(105), Instant::now());
    let second = live.get(PATH).await;
    assert_eq!(second.json()["last"], 105);
    assert_ne!(second.header("etag"), first.header("etag"));
    live.sink.turn(&topic, &Turn::Closed, Instant::now());
    let ended = live.get(PATH).await;
    assert!(ended.cache_status().contains("detail=stream"), "{}", ended.cache_status());
    assert!((50..=60).contains(&ended.ttl()), "under the policy of what is fetched");
    assert_eq!(live.calls(), Vec::<&str>::new());
}
