//! The end in order.

use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::rig::{Rig, STUCK, json, ticker};

#[tokio::test]
async fn clients_are_sent_away_served_on_and_closed() {
    let rig = Rig::start(|config| config.server.drain_delay = Duration::from_millis(400)).await;
    let line = rig.line("BTC/USD", "ticker").await;
    line.put(&ticker("1"));
    let mut socket = rig.socket().await;
    socket.ask(r#"{"op":"subscribe","symbols":["BTC/USD"],"channels":["ticker"]}"#).await;
    assert_eq!(socket.json().await["type"], "snapshot");
    let mut events = rig.events("symbols=BTC/USD").await;
    assert_eq!(events.next().await.event, "snapshot");

    rig.app.gateway().phase().drain();
    let away = [socket.json().await, events.next().await.data()];
    for message in away {
        assert_eq!(
            (message["type"].as_str(), message["reason"].as_str()),
            (Some("goaway"), Some("draining"))
        );
        assert!((500..2500).contains(&message["reconnect_after_ms"].as_u64().unwrap()));
    }
    assert_eq!((rig.metric("goaways_total", "ws"), rig.metric("goaways_total", "sse")), (1.0, 1.0));

    line.put(&ticker("2"));
    assert_eq!(socket.json().await["data"]["last"], 2);
    assert_eq!(events.next().await.data()["data"]["last"], 2);

    let refused = rig.get("stream?symbols=BTC/USD", &[]).await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
        (503, &b"1"[..])
    );
    assert_eq!(json(refused).await["code"], "draining");
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade =
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), key];
    assert_eq!(rig.get("ws", &upgrade).await.status(), 503);

    let (drained, code, end) = tokio::join!(rig.app.drain(), socket.closed(), events.maybe());
    assert!(drained, "within the grace");
    assert_eq!(code, CloseCode::Away);
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_hold_up_the_end() {
    let rig = Rig::start(|config| config.server.drain_grace = 2 * STUCK).await;
    let line = rig.line("BTC/USD", "trades").await;
    let mut socket = rig.socket().await;
    socket.ask(r#"{"op":"subscribe","symbols":["BTC/USD"],"channels":["trades"]}"#).await;
    let events = crate::slow::unread(&rig, "symbols=BTC/USD&channels=trades").await;
    crate::slow::stall(&rig, &line, "ws", crate::slow::long_trade).await;
    let later = |id| crate::slow::long_trade(id + 1000);
    crate::slow::stall(&rig, &line, "sse", later).await;
    let since = tokio::time::Instant::now();
    assert!(rig.app.drain().await, "within the grace");
    assert!(since.elapsed() < STUCK, "{:?}", since.elapsed());
    drop((socket, events));
}
