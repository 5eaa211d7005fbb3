//! Every message is as `/asyncapi.json` says.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate::{
    exchange::Data,
    feed::{Gap, Lapse, Mode},
    market::{BookSide, UnixMs},
};
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    rig::{Rig, STUCK, Socket, book, candle, json, level, ticker, trade},
    schema::Schemas,
};

async fn document(rig: &Rig) -> Value {
    let response = rig.client.get(format!("{}/asyncapi.json", rig.app.url())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    json(response).await
}

fn mistakes(document: &Value, name: &str, message: &Value) -> Vec<String> {
    let payload = &document["components"]["messages"][name]["payload"];
    assert!(payload.is_object(), "{name} is not described: {message}");
    let mut mistakes = Vec::new();
    Schemas::of(document).check(payload, message, name, &mut mistakes);
    mistakes
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| references(part, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_is_whole_and_its_examples_are_right() {
    let rig = Rig::start(|_| {}).await;
    let document = document(&rig).await;
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 50, "{}", all.len());
    for reference in all {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    let messages = document["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            let mistakes = mistakes(&document, name, &example["payload"]);
            assert!(mistakes.is_empty(), "{name}: {mistakes:#?}");
        }
    }
    // What the gateway hears is understood as it is described.
    let mut socket = rig.socket().await;
    for operation in ["subscribe", "unsubscribe", "ping"] {
        for example in messages[operation]["examples"].as_array().unwrap() {
            let answer = socket.ask(&example["payload"].to_string()).await;
            assert!(["ack", "pong"].contains(&answer["type"].as_str().unwrap()), "{answer}");
        }
    }
}

/// Reads until a message of this name.
async fn until(socket: &mut Socket, seen: &mut Vec<Value>, name: &str) {
    let deadline = Instant::now() + STUCK;
    loop {
        assert!(Instant::now() < deadline, "no {name}");
        if let Message::Text(text) = socket.message().await {
            let value: Value = serde_json::from_str(&text).unwrap();
            let is_it = value["type"] == name;
            seen.push(value);
            if is_it {
                return;
            }
        }
    }
}

#[tokio::test]
async fn every_message_is_described_and_every_description_sent() {
    let rig = Rig::start(|config| {
        config.stream.buffer = 2;
        // The client is given up after three of them without a sign of life, and a machine that stands
        // still gives none.
        config.stream.heartbeat = Duration::from_secs(3);
    })
    .await;
    let document = document(&rig).await;
    let mut seen = Vec::new();
    let mut socket = rig.socket().await;
    let channels = ["ticker", "trades", "orderbook", "ohlcv:1m"];
    let subscribe = r#"{"op":"subscribe","request":1,"symbols":["BTC/USD","nix"],"channels":["ticker","trades","orderbook","ohlcv:1m"],"after":"x"}"#;
    socket.say(subscribe).await;
    until(&mut socket, &mut seen, "ack").await;
    let line = async |channel: &str| rig.line("BTC/USD", channel).await;
    let [tickers, trades, books, candles] = [
        line("ticker").await,
        line("trades").await,
        line("orderbook").await,
        line("ohlcv:1m").await,
    ];
    for (line, event, data) in [
        (&tickers, "snapshot", ticker("1")),
        (&tickers, "update", ticker("2")),
        (&trades, "snapshot", Data::Trades(Vec::new())),
        (&trades, "update", trade(1, 0)),
        (&books, "snapshot", book()),
        (
            &books,
            "update",
            Data::Levels([level(BookSide::Ask, "100.10", None)].into_iter().collect()),
        ),
        (&candles, "snapshot", Data::Candles(vec![candle(7, "1.5")])),
        (&candles, "update", Data::Candle(candle(7, "1.6"))),
    ] {
        line.put(&data);
        until(&mut socket, &mut seen, event).await;
    }
    let now = Instant::now();
    for (mode, name) in [
        (Mode::Starting, "starting"),
        (Mode::Live, "live"),
        (Mode::Polled, "polled"),
        (Mode::Stale(Lapse::NoRoom), "stale"),
    ] {
        // Whatever it was before, it is news.
        trades.0.feed_by(if mode == Mode::Live { Mode::Polled } else { Mode::Live }, now);
        trades.0.feed_by(mode, now);
        until(&mut socket, &mut seen, name).await;
    }
    let at = UnixMs::from_millis;
    trades.0.gap(Gap { after: at(1), before: at(2) }, now);
    until(&mut socket, &mut seen, "gap").await;
    // Published without a pause, so that a buffer of two cannot hold them.
    (2..40).for_each(|id| trades.put(&trade(id, 0)));
    until(&mut socket, &mut seen, "skipped").await;
    for (text, name) in [
        (r#"{"op":"unsubscribe","symbols":["BTC/USD"],"channels":["ticker"]}"#, "ack"),
        (r#"{"op":"ping"}"#, "pong"),
        ("?", "error"),
    ] {
        socket.say(text).await;
        until(&mut socket, &mut seen, name).await;
    }
    until(&mut socket, &mut seen, "heartbeat").await;
    let query = "symbols=BTC/USD&channels=ticker&last_event_id=x";
    let mut events = rig.events_with(query, &[]).await;
    seen.extend([events.next().await.data(), events.next().await.data()]);
    rig.app.gateway().phase().drain();
    until(&mut socket, &mut seen, "goaway").await;

    let mut sent = BTreeSet::new();
    for message in &seen {
        let name = message["type"].as_str().unwrap();
        let mistakes = mistakes(&document, name, message);
        assert!(mistakes.is_empty(), "{mistakes:#?}\n{message}");
        sent.insert(name);
    }
    let messages = document["components"]["messages"].as_object().unwrap();
    let requests = ["subscribe", "unsubscribe", "ping"];
    let described = messages.keys().map(String::as_str).filter(|name| !requests.contains(name));
    assert_eq!(sent, described.collect());
    let updates = |channel: &str| {
        let is_it = |it: &&Value| it["type"] == "update" && it["channel"] == channel;
        seen.iter().filter(is_it).count()
    };
    assert!(channels.iter().all(|channel| updates(channel) > 0));
}
