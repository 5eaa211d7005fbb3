//! `/ws/2` over sockets: channels that bring what the test has the exchange say, and clients of the
//! exchange's protocol.

#[path = "gateway/client.rs"]
#[allow(dead_code, reason = "shared with the tests of the gateway")]
mod client;
#[path = "gateway/rig.rs"]
#[allow(dead_code, reason = "shared with the tests of the gateway")]
mod rig;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use client::ask;
use futures_util::{SinkExt as _, StreamExt as _};
use rig::{Rig, eventually, lenient, metric, ms, settings};
use serde_json::{Value, json};
use tidegate::{
    app::App,
    clock::Clock,
    config::Config,
    exchange::{
        Endpoints, Event, Output, Session as _, SessionSettings, Topic,
        bitfinex::{self, Conversation, Subscription},
    },
    feed::{Feed, Line, Sink, Turn},
    sim::Family,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};

/// Beyond this a test is stuck, not slow.
const STUCK: Duration = Duration::from_secs(60);
const FLAGS: u64 = 32_768 + 65_536 + 131_072;

/// A gateway and where its channels bring their data.
struct Gateway {
    rig: Rig,
    sink: Arc<dyn Sink>,
}

impl Gateway {
    async fn start(config: Config) -> Self {
        let mut into = None;
        let make = async |config: Config, listener| {
            let settings = &config.exchanges["bitfinex"];
            let (rest_url, request_timeout) = (settings.rest_url.clone(), settings.request_timeout);
            let exchange = bitfinex::SPEC.open(&Endpoints { rest_url, request_timeout }).unwrap();
            let open = |sink, _: &_, _: &_| {
                into = Some(sink);
                Feed::disabled()
            };
            App::with_parts(config, exchange, open, Clock::system(), listener).await
        };
        let rig = Rig::with(lenient(), config, make).await;
        Self { rig, sink: into.expect("a sink") }
    }

    /// Opens a channel that begins with `snapshot`.
    fn open(&self, request: &Value, snapshot: &str) -> Source {
        let subscription: Subscription = serde_json::from_value(request.clone()).unwrap();
        let topic = Arc::new(subscription.topic().unwrap());
        let mut session = Conversation::new(SessionSettings { ack_timeout: STUCK });
        let mut out = Vec::new();
        session.subscribe(&topic, Instant::now(), &mut out);
        let Some(Output::Send(text)) = out.pop() else { panic!("nothing is asked") };
        let mut ack: Value = serde_json::from_str(&text).unwrap();
        ack["event"] = json!("subscribed");
        ack["chanId"] = json!(7);
        self.sink.turn(&topic, &Turn::Opened, Instant::now());
        let mut source = Source { session, topic, sink: self.sink.clone() };
        source.hear(&ack.to_string());
        source.hear(snapshot);
        source
    }

    /// The line of a channel's topic.
    fn line(&self, source: &Source) -> Arc<Line> {
        let desk = self.rig.app.gateway().reader().desks.get(None).unwrap();
        desk.live.hub().line(&source.topic).expect("a line")
    }
}

/// A channel of the exchange that the test speaks for.
struct Source {
    session: Conversation,
    topic: Arc<Topic>,
    sink: Arc<dyn Sink>,
}

impl Source {
    /// The exchange says this.
    fn hear(&mut self, text: &str) {
        let (text, now, mut out) =
            (Bytes::copy_from_slice(text.as_bytes()), Instant::now(), vec![]);
        self.session.on_text(&text, now, &mut out).unwrap();
        for output in out {
            match output {
                Output::Tell(Event::Data(_, data)) => self.sink.data(&self.topic, &data, now),
                Output::Tell(Event::Broken(_, broken)) => panic!("{text:?}: {broken}"),
                _ => {}
            }
        }
    }

    /// The exchange says that this is the checksum of the book.
    fn check(&self, checksum: i32) {
        self.sink.turn(&self.topic, &Turn::Checked(checksum.into()), Instant::now());
    }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn connect(rig: &Rig) -> Self {
        let mut client = Self::try_connect(rig).await.unwrap();
        let info = client.json().await;
        assert_eq!((&info["event"], &info["version"]), (&json!("info"), &json!(2)));
        assert_eq!(info["platform"]["status"], 1);
        client
    }

    async fn try_connect(rig: &Rig) -> Result<Self, Error> {
        let url = format!("ws://{}/ws/2", rig.app.address());
        let connected = timeout(STUCK, connect_async(url)).await.expect("an answer");
        Ok(Self { socket: connected?.0 })
    }

    async fn say(&mut self, message: &Value) {
        let said = self.socket.send(Message::text(message.to_string()));
        timeout(STUCK, said).await.expect("room for a message").unwrap();
    }

    /// The next message that is no protocol ping.
    async fn hear(&mut self) -> Option<Message> {
        loop {
            let message = timeout(STUCK, self.socket.next()).await.expect("a message");
            match message.transpose().unwrap_or(None) {
                Some(Message::Ping(_)) => {}
                message => return message,
            }
        }
    }

    async fn text(&mut self) -> String {
        let message = self.hear().await;
        let Some(Message::Text(text)) = message else { panic!("no text: {message:?}") };
        text.to_string()
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Subscribes; gives the channel's number.
    async fn subscribe(&mut self, request: &Value) -> u64 {
        self.say(request).await;
        let ack = self.json().await;
        assert_eq!(ack["event"], "subscribed", "{ack}");
        ack["chanId"].as_u64().unwrap()
    }
}

fn book() -> Value {
    json!({"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"P0","len":25})
}

fn on(channel: &str) -> Value {
    json!({"event":"subscribe","channel":channel,"symbol":"tBTCUSD"})
}

fn config(heartbeat: u64) -> Config {
    let mut config = settings();
    config.stream.heartbeat = ms(heartbeat);
    config.server.drain_delay = ms(20);
    config.server.drain_grace = ms(30_000);
    config
}

/// Longer than any test.
const QUIET: u64 = 600_000;

#[tokio::test]
async fn what_the_exchange_says_is_what_the_client_reads() {
    let gateway = Gateway::start(config(QUIET)).await;
    const LEVELS: &str = "[[100,1,2.0],[99.5,2,0.50],[101,3,-1e-7]]";
    const TRADES: &str = "[[12,1700000000002,-0.10,100],[11,1700000000001,1,100.0]]";
    const TICKER: &str = "[1,2,3,4,5,0.1,7,8,9,1.0]";
    const HOUR_MS: u64 = 3_600_000;
    let mut levels = gateway.open(&book(), &format!("[7,{LEVELS}]"));
    let mut trades = gateway.open(&on("trades"), &format!("[7,{TRADES}]"));
    let mut ticker = gateway.open(&on("ticker"), &format!("[7,{TICKER}]"));
    let began = Clock::system().now().millis();
    let mut client = Client::connect(&gateway.rig).await;
    let book = client.subscribe(&book()).await;
    assert_eq!(client.text().await, format!("[{book},{LEVELS}]"));
    let trade = client.subscribe(&on("trades")).await;
    assert_eq!(client.text().await, format!("[{trade},{TRADES}]"));
    let tick = client.subscribe(&on("ticker")).await;
    assert_eq!(client.text().await, format!("[{tick},{TICKER}]"));
    assert_eq!([trade, tick], [book + 1, book + 2]);
    // The flags may come after the subscriptions.
    client.say(&json!({"event":"conf","flags":FLAGS})).await;
    assert_eq!(client.json().await, json!({"event":"conf","status":"OK","flags":FLAGS}));
    ticker.hear("[7,[1,2,3,4,5,0.1,7,8,9,1.50,null]]");
    trades.hear("[7,\"te\",[13,1700000000003,1.0,7e-7]]");
    trades.hear("[7,\"tu\",[13,1700000000003,1.0,7e-7]]");
    levels.hear("[7,[99.5,0,1]]");
    levels.check(-1_234);
    for (number, expected) in [
        format!("[{tick},[1,2,3,4,5,0.1,7,8,9,1.50,null]"),
        format!("[{trade},\"te\",[13,1700000000003,1.0,7e-7]"),
        format!("[{trade},\"tu\",[13,1700000000003,1.0,7e-7]"),
        format!("[{book},[99.5,0,1]"),
        format!("[{book},\"cs\",-1234"),
    ]
    .iter()
    .enumerate()
    {
        let text = client.text().await;
        let rest = text.strip_prefix(expected.as_str()).unwrap_or_else(|| panic!("{text}"));
        let time = rest.strip_prefix(&format!(",{},", number + 1));
        let time = time.and_then(|time| time.strip_suffix(']')?.parse::<i64>().ok());
        assert!(time.is_some_and(|time| time.abs_diff(began) < HOUR_MS), "{text}");
    }
    client.say(&json!({"event":"ping","cid":5})).await;
    let pong = client.json().await;
    assert_eq!((&pong["event"], &pong["cid"]), (&json!("pong"), &json!(5)));
    let ping = client.socket.send(Message::Ping("there?".into()));
    timeout(STUCK, ping).await.expect("room for a message").unwrap();
    assert_eq!(client.hear().await, Some(Message::Pong("there?".into())));
    let requests = r#"endpoint="v2_ws",outcome="ok""#;
    assert_eq!(metric(&gateway.rig.app, "tidegate_requests_total", requests).await, 1.0);
    let follows = async || metric(&gateway.rig.app, "tidegate_stream_topics", "bitfinex").await;
    assert_eq!(follows().await, 3.0);
    client.say(&json!({"event":"unsubscribe","chanId":trade.to_string()})).await;
    let gone = json!({"event":"unsubscribed","status":"OK","chanId":trade});
    assert_eq!(client.json().await, gone);
    let line = gateway.line(&levels);
    assert_eq!((gateway.line(&trades).followers(), line.followers()), (0, 1));
    assert_eq!(follows().await, 2.0);
    timeout(STUCK, client.socket.close(None)).await.expect("an end").unwrap();
    let farewell = timeout(STUCK, client.socket.next()).await.expect("an answer");
    assert!(matches!(farewell, Some(Ok(Message::Close(_)))), "{farewell:?}");
    let left = async || (line.followers() == 0).then_some(());
    eventually(STUCK, "a client that is gone follows nothing", left).await;
}

#[tokio::test]
async fn heartbeats_are_numbered_like_everything_else() {
    let gateway = Gateway::start(config(1_000)).await;
    let mut levels = gateway.open(&book(), "[7,[[100,1,2.0]]]");
    let mut client = Client::connect(&gateway.rig).await;
    client.say(&json!({"event":"conf","flags":65_536})).await;
    client.json().await;
    let id = client.subscribe(&book()).await;
    let mut beats = 0;
    for number in 1_u64..100 {
        let frame = client.json().await;
        let row = frame.as_array().unwrap();
        assert_eq!((row[0].as_u64(), row.last().unwrap().as_u64()), (Some(id), Some(number)));
        beats += u32::from(row[1] == "hb");
        if row[1] == "hb" {
            levels.hear(&format!("[7,[{number},1,1]]"));
        }
        if beats == 4 {
            return;
        }
    }
    panic!("{beats} heartbeats among a hundred frames");
}

#[tokio::test]
async fn a_slow_reader_ends_with_the_book_as_it_stands() {
    let gateway = Gateway::start(config(QUIET)).await;
    let mut levels = gateway.open(&book(), "[7,[[100,1,2.0],[101,3,-1]]]");
    let mut client = Client::connect(&gateway.rig).await;
    client.say(&json!({"event":"conf","flags":131_072})).await;
    client.json().await;
    let id = client.subscribe(&book()).await;
    // More than sockets hold, while the client reads nothing.
    const CHANGES: u64 = 200_000;
    for change in 0..CHANGES {
        let price = 50 + change % 20;
        levels.hear(&format!("[7,[{price},{},{}.0]]", 1 + change, 1 + change));
        if change % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    levels.hear("[7,[50,0,1]]");
    levels.check(42);
    let (mut held, mut frames) = (BTreeMap::new(), 0_u64);
    // Checksums may have been of states that were never told; a later one is not.
    let checked = format!("[{id},\"cs\",43]");
    let deadline = Instant::now() + STUCK;
    loop {
        assert!(Instant::now() < deadline, "the book is never told whole");
        let Ok(text) = timeout(ms(200), client.text()).await else {
            levels.check(43);
            continue;
        };
        if text == checked {
            break;
        }
        frames += 1;
        let frame: Value = serde_json::from_str(&text).unwrap();
        let rows = match &frame[1] {
            Value::Array(rows) if rows[0].is_array() => rows.clone(),
            Value::Array(_) => vec![frame[1].clone()],
            _ => continue,
        };
        for row in rows {
            let key = (row[0].to_string(), row[2].as_f64().unwrap() < 0.0);
            if row[1] == 0 {
                held.remove(&key)
            } else {
                held.insert(key, row.to_string())
            };
        }
    }
    let book = gateway.line(&levels).book().unwrap();
    let mut expected: Vec<&str> =
        book.bids.iter().chain(&book.asks).map(|level| level.raw.as_str()).collect();
    let mut held: Vec<&String> = held.values().collect();
    held.sort();
    expected.sort_unstable();
    assert_eq!(held, expected);
    assert!(frames < CHANGES / 2, "{frames} frames: nothing was left out");
    let conflated = metric(&gateway.rig.app, "tidegate_stream_conflated_total", "bitfinex").await;
    assert!(conflated > 0.0);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_asked_of_nobody() {
    let mut config = config(QUIET);
    config.stream.max_topics = 2;
    config.stream.max_total_topics = 3;
    config.stream.max_message_bytes = 1_024;
    let gateway = Gateway::start(config).await;
    let _sources = [
        gateway.open(&book(), "[7,[[100,1,2.0]]]"),
        gateway.open(&on("trades"), "[7,[[12,1700000000002,1,100]]]"),
        gateway.open(&on("ticker"), "[7,[1,2,3,4,5,0.1,7,8,9,1.0]]"),
    ];
    let mut client = Client::connect(&gateway.rig).await;
    for (channel, symbol, code, message) in [
        ("ticker", "tNOPE:USD", 10_300, "symbol: invalid"),
        ("nope", "tBTCUSD", 10_300, "channel: unknown"),
    ] {
        client.say(&json!({"event":"subscribe","channel":channel,"symbol":symbol})).await;
        assert_eq!(
            client.json().await,
            json!({"event":"error","msg":message,"code":code,"channel":channel,"symbol":symbol})
        );
    }
    let id = client.subscribe(&book()).await;
    client.text().await;
    client.say(&book()).await;
    let twice = client.json().await;
    assert_eq!((&twice["code"], &twice["chanId"]), (&json!(10_301), &json!(id)));
    client.subscribe(&on("ticker")).await;
    client.text().await;
    client.say(&on("trades")).await;
    let limit = json!({"event":"error","msg":"subscribe: limit","code":10_305,
        "channel":"trades","symbol":"tBTCUSD"});
    assert_eq!(client.json().await, limit);
    let mut other = Client::connect(&gateway.rig).await;
    other.subscribe(&on("trades")).await;
    other.text().await;
    other.say(&json!({"event":"subscribe","channel":"ticker","symbol":"tETHUSD"})).await;
    let limit = other.json().await;
    assert_eq!((&limit["code"], &limit["symbol"]), (&json!(10_305), &json!("tETHUSD")));
    for family in Family::ALL {
        assert_eq!(gateway.rig.calls(family), 0, "{family:?}");
    }
    let long = json!({"event":"ping","cid":"x".repeat(1_024)});
    client.say(&long).await;
    let Some(Message::Close(Some(frame))) = client.hear().await else { panic!("not closed") };
    assert_eq!(frame.code, CloseCode::Size);
}

#[tokio::test]
async fn there_are_as_many_clients_as_there_may_be() {
    let mut config = config(QUIET);
    config.stream.max_clients = 1;
    let gateway = Gateway::start(config).await;
    let first = Client::connect(&gateway.rig).await;
    let Err(Error::Http(refused)) = Client::try_connect(&gateway.rig).await else {
        panic!("a second")
    };
    assert_eq!(refused.status(), 503);
    let body: Value = serde_json::from_slice(refused.body().as_ref().unwrap()).unwrap();
    assert_eq!(body["error"], "temporarily_unavailable");
    drop(first);
    let connected = async || Client::try_connect(&gateway.rig).await.ok();
    eventually(STUCK, "the place is free again", connected).await;
    let plain = ask(gateway.rig.app.address(), "GET", "/ws/2", &[]).await;
    assert_eq!(plain.status, 426);
    assert_eq!(plain.json()[0], "error", "{plain:?}");
}

#[tokio::test]
async fn who_is_there_when_the_gateway_stops_is_sent_away() {
    let gateway = Gateway::start(config(QUIET)).await;
    let _levels = gateway.open(&book(), "[7,[[100,1,2.0]]]");
    let (mut following, mut idle) =
        (Client::connect(&gateway.rig).await, Client::connect(&gateway.rig).await);
    following.subscribe(&book()).await;
    following.text().await;
    let sent_away = async {
        for client in [&mut following, &mut idle] {
            let stopping =
                json!({"event":"info","code":20_051,"msg":"Stopping. Please try to reconnect"});
            assert_eq!(client.json().await, stopping);
            let close = client.hear().await;
            let Some(Message::Close(Some(frame))) = close else { panic!("not closed: {close:?}") };
            assert_eq!(frame.code, CloseCode::Restart);
            assert_eq!(client.hear().await, None);
        }
    };
    let (drained, ()) = tokio::join!(timeout(STUCK, gateway.rig.app.drain()), sent_away);
    assert_eq!(drained, Ok(true), "within the grace");
}
