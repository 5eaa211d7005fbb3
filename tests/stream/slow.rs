//! Clients that do not read, and many that do.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tidegate::{
    exchange::Data,
    feed::{Bell, Item},
    market::{Identity, Raw},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::rig::{Feeding, Rig, STUCK, Socket, eventually, ticker, trade};

/// Characters of a message that make a socket full soon.
const MUCH: usize = 8 * 1024;
/// A client that was sent nothing between so many looks is taken for stalled. Everything that could
/// send takes turns with the looks, so that a machine that stands still stalls nobody.
const LOOKS: u32 = 50;
/// More messages than this no stalled client may be sent: there is nowhere that they could wait.
const MOST: u64 = 200;

/// A stream of events of which only the beginning is read.
pub(crate) async fn unread(rig: &Rig, query: &str) -> TcpStream {
    let mut stream = rig.narrow().await;
    // Without chunks between the events.
    let request = format!("GET /api/market-data/stream?{query} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(std::str::from_utf8(&first).unwrap(), "HTTP/1.0 200 OK");
    stream
}

/// Publishes one message after the other until one is not sent; gives how many there were.
pub(crate) async fn stall(
    rig: &Rig,
    line: &Feeding,
    kind: &str,
    data: impl Fn(u64) -> Data,
) -> u64 {
    for count in 1..=MOST {
        let sent = rig.metric("messages_total", kind);
        line.put(&data(count));
        if !is_soon(|| rig.metric("messages_total", kind) > sent).await {
            return count;
        }
    }
    panic!("{MOST} messages were sent to a client that does not read");
}

async fn is_soon(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

pub(crate) fn long_trade(id: u64) -> Data {
    trade(i64::try_from(id).unwrap(), MUCH)
}

fn long_ticker(last: u64) -> Data {
    let Data::Ticker(mut ticker) = ticker(&last.to_string()) else { unreachable!("a ticker") };
    let row = format!("[{last},\"{}\"]", "x".repeat(MUCH));
    ticker.raw = Raw::copy_of(serde_json::from_str(&row).unwrap());
    Data::Ticker(ticker)
}

/// A client that does not read until it is told to.
enum Sleeper {
    Sse(TcpStream, String),
    Ws(Box<Socket>),
}

impl Sleeper {
    async fn of(rig: &Rig, kind: &str, channel: &str) -> Self {
        if kind == "sse" {
            let query = format!("symbols=BTC/USD&channels={channel}");
            return Self::Sse(unread(rig, &query).await, String::new());
        }
        let mut socket = rig.socket().await;
        let subscribe =
            format!(r#"{{"op":"subscribe","symbols":["BTC/USD"],"channels":["{channel}"]}}"#);
        assert_eq!(socket.ask(&subscribe).await["type"], "ack");
        Self::Ws(Box::new(socket))
    }

    /// The next snapshot, update or notice of skipped ones.
    async fn next(&mut self) -> Value {
        loop {
            let text = match self {
                Self::Ws(socket) => socket.text().await,
                Self::Sse(stream, buffer) => loop {
                    if let Some((event, rest)) = buffer.split_once("\n\n") {
                        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                        let data = data.map(str::to_owned);
                        *buffer = rest.to_owned();
                        match data {
                            Some(data) => break data,
                            None => continue,
                        }
                    }
                    let mut bytes = [0; 4096];
                    let count = timeout(STUCK, stream.read(&mut bytes)).await.unwrap().unwrap();
                    assert!(count > 0, "the stream ended");
                    buffer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                },
            };
            let value: Value = serde_json::from_str(&text).unwrap();
            if ["snapshot", "update", "skipped"].contains(&value["type"].as_str().unwrap()) {
                return value;
            }
        }
    }
}

#[tokio::test]
async fn trades_that_a_stalled_client_misses_are_counted_for_him() {
    for kind in ["sse", "ws"] {
        let rig = Rig::start(|config| config.stream.buffer = 16).await;
        let line = rig.line("BTC/USD", "trades").await;
        let mut client = Sleeper::of(&rig, kind, "trades").await;
        let stalled = stall(&rig, &line, kind, long_trade).await;
        let last = stalled + 100;
        (stalled + 1..=last).for_each(|id| line.put(&long_trade(id)));
        let (mut seen, mut skipped) = (0, 0);
        while seen + skipped < last {
            let message = client.next().await;
            match message["type"].as_str().unwrap() {
                "skipped" => {
                    skipped += message["count"].as_u64().unwrap();
                    assert!(message.get("seq").is_none() && message["mode"].is_string());
                }
                // The first trade is the line's first picture, or is told as such.
                "snapshot" => seen += message["data"].as_array().unwrap().len() as u64,
                _ => {
                    seen += 1;
                    let id: u64 = message["data"]["id"].as_str().unwrap().parse().unwrap();
                    assert_eq!((id, message["seq"].as_u64()), (seen + skipped, Some(id)));
                }
            }
        }
        assert!(seen < stalled + 64 && skipped >= 36, "{kind}: {seen} seen, {skipped} skipped");
        assert_eq!(seen + skipped, last);
        assert_eq!(rig.metric("skipped_total", kind), skipped as f64);
    }
}

#[tokio::test]
async fn a_stalled_client_gets_the_latest_ticker_only() {
    for kind in ["sse", "ws"] {
        let rig = Rig::start(|_| {}).await;
        let line = rig.line("BTC/USD", "ticker").await;
        let mut client = Sleeper::of(&rig, kind, "ticker").await;
        let stalled = stall(&rig, &line, kind, long_ticker).await;
        let last = stalled + 50;
        (stalled + 1..=last).for_each(|price| line.put(&long_ticker(price)));
        let (mut messages, mut latest, mut seq) = (0, 0, 0);
        while latest < last {
            let message = client.next().await;
            latest = message["data"]["last"].as_u64().unwrap();
            assert!(message["seq"].as_u64().unwrap() > seq);
            seq = message["seq"].as_u64().unwrap();
            messages += 1;
        }
        assert_eq!(seq, last);
        assert!(messages <= stalled + 2, "{kind}: {messages} of {last}");
        assert_eq!(rig.metric("conflated_total", kind), (last - messages) as f64, "{kind}");
        assert_eq!(rig.metric("skipped_total", kind), 0.0);
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    for kind in ["sse", "ws"] {
        let rig = Rig::start(|config| config.stream.heartbeat = Duration::from_secs(1)).await;
        let line = rig.line("BTC/USD", "trades").await;
        let client = Sleeper::of(&rig, kind, "trades").await;
        stall(&rig, &line, kind, long_trade).await;
        eventually("it is cut", || rig.metric("clients", kind) == 0.0).await;
        eventually("nothing is followed", || rig.followers() == 0).await;
        drop(client);
    }
}

#[tokio::test]
async fn many_clients_get_the_same_text_which_is_made_once() {
    const CLIENTS: usize = 300;
    let rig = Rig::start(|_| {}).await;
    let line = rig.line("BTC/USD", "ticker").await;
    let (topic, bell) = (line.0.topic().clone(), Arc::new(Bell::default()));
    let market = line.0.market().cloned();
    let mut witness =
        rig.hub().follow(&topic, market.as_ref(), Identity::Price, &bell, None).unwrap();
    let mut clients = join_all((0..CLIENTS).map(|_| rig.events("symbols=BTC/USD"))).await;
    let mut socket = rig.socket().await;
    socket.ask(r#"{"op":"subscribe","symbols":["BTC/USD"],"channels":["ticker"]}"#).await;
    assert_eq!(rig.followers(), CLIENTS + 2);
    assert_eq!((rig.metric("clients", "sse"), rig.metric("clients", "ws")), (300.0, 1.0));
    for last in ["100", "101", "102"] {
        line.put(&ticker(last));
        let text = socket.text().await;
        for event in join_all(clients.iter_mut().map(|client| client.next())).await {
            assert_eq!(event.text, text);
        }
        let mut items = Vec::new();
        witness.take(rig.hub().published(), &mut items);
        let updates = items.iter().filter_map(|item| match item {
            Item::Update(update) if update.news.counts() => Some(update),
            _ => None,
        });
        let texts: Vec<_> =
            updates.map(|it| it.text(|_| panic!("nobody has made it")).clone()).collect();
        assert_eq!(texts, [text.as_bytes()]);
    }
    drop(clients);
    eventually("two are left", || rig.followers() == 2).await;
}
