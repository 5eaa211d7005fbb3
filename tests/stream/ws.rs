//! The WebSocket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::rig::{self, Rig, STUCK, eventually, ticker, trade};

#[tokio::test]
async fn topics_are_followed_and_left() {
    let rig = Rig::start(|_| {}).await;
    let line = rig.line("BTC/USD", "ticker").await;
    line.live();
    line.put(&ticker("100"));
    let mut socket = rig.socket().await;
    let subscribe = r#"{"op":"subscribe","request":1,"symbols":["btcusd"],"channels":["ticker"]}"#;
    let topics = json!([{ "symbol": "BTC/USD", "channel": "ticker", "ok": true, "mode": "live" }]);
    let ack = json!({ "type": "ack", "op": "subscribe", "request": 1, "topics": topics });
    assert_eq!(socket.ask(subscribe).await, ack);
    let snapshot = socket.json().await;
    assert_eq!((&snapshot["type"], &snapshot["data"]["last"]), (&json!("snapshot"), &json!(100)));
    assert_eq!(rig.metric("topics", "ws"), 1.0);

    // Once more is no second time.
    assert_eq!(socket.ask(subscribe).await, ack);
    assert_eq!(rig.followers(), 1);
    line.put(&ticker("101"));
    let update = socket.json().await;
    assert_eq!((&update["type"], &update["seq"]), (&json!("update"), &json!(2)));
    let pong = json!({ "type": "pong", "request": "p" });
    assert_eq!(socket.ask(r#"{"op":"ping","request":"p"}"#).await, pong);

    let leave = r#"{"op":"unsubscribe","symbols":["BTC/USD"],"channels":["ticker","trades"]}"#;
    let left = socket.ask(leave).await;
    assert_eq!((&left["op"], &left["request"]), (&json!("unsubscribe"), &Value::Null));
    let ticker_left = json!({ "symbol": "BTC/USD", "channel": "ticker", "ok": true });
    assert_eq!(left["topics"][0], ticker_left);
    assert_eq!(left["topics"][1]["problem"]["code"], "not_subscribed");
    assert_eq!((rig.followers(), rig.metric("topics", "ws")), (0, 0.0));
    line.put(&ticker("102"));
    assert_eq!(socket.ask(r#"{"op":"ping","request":"p"}"#).await, pong);
}

#[tokio::test]
async fn one_bad_topic_does_not_spoil_the_others() {
    let rig = Rig::start(|config| config.stream.max_topics = 4).await;
    let mut socket = rig.socket().await;
    let ack = socket
        .ask(
            r#"{"op":"subscribe","symbols":["BTC/USD","BTC/UDS"],"channels":["ticker","ohlcv:7m"]}"#,
        )
        .await;
    let found = |index: usize| {
        let topic = &ack["topics"][index];
        (topic["ok"].as_bool().unwrap(), topic["problem"]["code"].as_str().unwrap_or_default())
    };
    assert_eq!(found(0), (true, ""));
    assert_eq!(found(1), (false, "invalid_parameter"));
    assert_eq!(found(2), (false, "unknown_symbol"));
    assert_eq!(ack["topics"][2]["problem"]["suggestions"], json!(["BTC/USD"]));
    assert_eq!(ack["topics"][2]["symbol"], "BTC/UDS");
    let four = r#"{"op":"subscribe","symbols":["ETH/USD"],"channels":["ticker","trades","orderbook","ohlcv:1m"]}"#;
    let ack = socket.ask(four).await;
    let oks: Vec<_> = ack["topics"].as_array().unwrap().iter().map(|it| it["ok"] == true).collect();
    assert_eq!(oks, [true, true, true, false]);
    let detail = ack["topics"][3]["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("stream.max_topics"), "{detail}");
    assert_eq!(rig.followers(), 4);
    let too_old = r#"{"op":"subscribe","symbols":["XRP/USD"],"channels":["ohlcv:4h"]}"#;
    assert_eq!(socket.ask(too_old).await["topics"][0]["problem"]["code"], "unsupported");
}

#[tokio::test]
async fn a_topic_goes_on_after_a_token() {
    let rig = Rig::start(|_| {}).await;
    let line = rig.line("BTC/USD", "trades").await;
    let subscribe = |after: &str| {
        format!(
            r#"{{"op":"subscribe","symbols":["BTC/USD"],"channels":["trades"],"after":"{after}"}}"#
        )
    };
    let mut first = rig.socket().await;
    assert_eq!(first.ask(&subscribe("nonsense")).await["topics"][0]["resume"], "unknown_token");
    line.put(&trade(1, 0));
    let token = first.json().await["id"].as_str().unwrap().to_owned();
    drop(first);
    line.put(&trade(2, 0));
    let mut second = rig.socket().await;
    assert_eq!(second.ask(&subscribe(&token)).await["topics"][0]["resume"], "continued");
    let next = second.json().await;
    assert_eq!((&next["data"]["id"], &next["seq"]), (&json!("2"), &json!(2)));
}

#[tokio::test]
async fn bad_messages_are_answered_and_the_socket_stays_open() {
    let rig = Rig::start(|config| config.stream.max_topics = 2).await;
    let mut socket = rig.socket().await;
    for (text, code, says, request) in [
        ("nonsense", "not_json", "expected", Value::Null),
        ("", "not_json", "EOF", Value::Null),
        ("[1]", "invalid_message", "object", Value::Null),
        (r#"{"op":"dance","request":7}"#, "invalid_message", "dance", json!(7)),
        (r#"{"request":"x"}"#, "invalid_message", "op", json!("x")),
        (r#"{"op":"ping","extra":1}"#, "invalid_message", "extra", Value::Null),
        (r#"{"op":"ping","request":{}}"#, "invalid_message", "request", Value::Null),
        (r#"{"op":"subscribe","symbols":["BTC/USD"]}"#, "invalid_message", "channels", Value::Null),
        (
            r#"{"op":"subscribe","symbols":"BTC/USD","channels":["ticker"]}"#,
            "invalid_message",
            "sequence",
            Value::Null,
        ),
        (
            r#"{"op":"subscribe","symbols":[],"channels":["ticker"]}"#,
            "invalid_message",
            "at least one",
            Value::Null,
        ),
        (
            r#"{"op":"subscribe","symbols":["a","b","c"],"channels":["ticker"]}"#,
            "invalid_parameter",
            "stream.max_topics",
            Value::Null,
        ),
        (
            r#"{"op":"unsubscribe","symbols":["a"],"channels":["ticker"],"after":"x"}"#,
            "invalid_message",
            "after",
            Value::Null,
        ),
        (
            r#"{"op":"subscribe","symbols":["a"],"channels":["ticker"],"exchange":"mtgox"}"#,
            "unknown_exchange",
            "mtgox",
            Value::Null,
        ),
    ] {
        let error = socket.ask(text).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{text}");
        assert!(error["detail"].as_str().unwrap().contains(says), "{text}: {error}");
        assert_eq!(error["request"], request, "{text}");
    }
    let name = "x".repeat(65);
    let error = socket.ask(&format!(r#"{{"op":"ping","request":"{name}"}}"#)).await;
    assert_eq!((&error["code"], &error["request"]), (&json!("invalid_message"), &Value::Null));
    socket.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(socket.json().await["code"], "unsupported_data");
    assert_eq!(socket.ask(r#"{"op":"ping"}"#).await["type"], "pong");
}

#[tokio::test]
async fn too_many_mistakes_in_a_row_close_the_socket() {
    let rig = Rig::start(|_| {}).await;
    let mut socket = rig.socket().await;
    for _ in 0..19 {
        assert_eq!(socket.ask("x").await["type"], "error");
    }
    assert_eq!(socket.ask(r#"{"op":"ping"}"#).await["type"], "pong");
    for _ in 0..20 {
        assert_eq!(socket.ask("x").await["type"], "error");
    }
    assert_eq!(socket.closed().await, CloseCode::Policy);
    eventually("nobody is counted", || rig.metric("clients", "ws") == 0.0).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_the_socket() {
    let rig = Rig::start(|config| config.stream.max_message_bytes = 1024).await;
    let mut socket = rig.socket().await;
    let fits = format!(r#"{{"op":"ping","extra":"{}"}}"#, "x".repeat(1000));
    assert_eq!(socket.ask(&fits).await["code"], "invalid_message");
    socket.say(&"x".repeat(1025)).await;
    assert_eq!(socket.closed().await, CloseCode::Size);
}

#[tokio::test]
async fn what_is_no_websocket_is_told_so() {
    let rig = Rig::start(|_| {}).await;
    let response = rig.get("ws", &[]).await;
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(rig::json(response).await["code"], "upgrade_required");
    let response = rig.get("ws?symbols=BTC/USD", &[]).await;
    assert_eq!(response.status(), 422);
}

#[tokio::test]
async fn a_client_that_goes_is_forgotten_however_he_goes() {
    let rig = Rig::start(|_| {}).await;
    let subscribe =
        r#"{"op":"subscribe","symbols":["BTC/USD","ETH/USD"],"channels":["ticker","trades"]}"#;
    for is_polite in [true, false] {
        let mut socket = rig.socket().await;
        socket.ask(subscribe).await;
        assert_eq!((rig.followers(), rig.metric("clients", "ws")), (4, 1.0));
        if is_polite {
            socket.0.close(None).await.unwrap();
            assert!(matches!(socket.message().await, Message::Close(None)));
            let end = tokio::time::timeout(STUCK, socket.0.next()).await.unwrap();
            assert!(end.is_none(), "{end:?}");
        } else {
            drop(socket);
        }
        eventually("nothing is followed", || rig.followers() == 0).await;
        eventually("nobody is counted", || rig.metric("clients", "ws") == 0.0).await;
        assert_eq!(rig.metric("topics", "ws"), 0.0);
    }
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_given_up() {
    // A client is given up after three of them: more than a machine stands still.
    let rig = Rig::start(|config| config.stream.heartbeat = Duration::from_secs(2)).await;
    let mut alive = rig.socket().await;
    // A client's pongs are written when it reads.
    let silent = rig.socket().await;
    assert_eq!(rig.metric("clients", "ws"), 2.0);
    let deadline = tokio::time::Instant::now() + STUCK;
    while rig.metric("clients", "ws") > 1.0 {
        assert_eq!(alive.json().await["type"], "heartbeat");
        assert!(tokio::time::Instant::now() < deadline);
    }
    alive.say(r#"{"op":"subscribe","symbols":["BTC/USD"],"channels":["ticker"]}"#).await;
    // Heartbeats may have been on their way.
    let mut said = alive.json().await;
    while said["type"] == "heartbeat" {
        assert!(tokio::time::Instant::now() < deadline);
        said = alive.json().await;
    }
    assert_eq!(said["type"], "ack");
    drop(silent);
}
