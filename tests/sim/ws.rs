//! The WebSocket API over real sockets: what is said to whom, limits, and ends.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tidegate::sim::{SimConfig, WsAction, WsConfig, WsCounts, WsFault, WsRule};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use crate::support::{Bench, NOW, calm, start};

type Error = tungstenite::Error;

struct Client(WebSocketStream<TcpStream>);

async fn try_connect(bench: &Bench) -> Result<Client, Error> {
    let stream = TcpStream::connect(bench.sim.addr()).await.unwrap();
    Ok(Client(client_async(bench.sim.ws_url(), stream).await?.0))
}

/// The status of a refused upgrade.
async fn refusal(bench: &Bench) -> u16 {
    match try_connect(bench).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("let in"),
    }
}

impl Client {
    /// Connects and takes the greeting.
    async fn open(bench: &Bench) -> Self {
        let mut client = try_connect(bench).await.unwrap();
        let greeting = client.next().await;
        assert_eq!((&greeting["event"], &greeting["version"]), (&json!("info"), &json!(2)));
        client
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(Duration::from_secs(60), self.0.next()).await.expect("in time")
    }

    async fn next(&mut self) -> Value {
        let message = self.message().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.say(&request.to_string()).await;
        self.next().await
    }

    /// Subscribes; the acknowledgement and the snapshot.
    async fn subscribe(&mut self, mut fields: Value) -> (Value, Value) {
        fields["event"] = json!("subscribe");
        let ack = self.ask(fields).await;
        assert_eq!(ack["event"], "subscribed", "{ack}");
        let snapshot = self.next().await;
        assert_eq!(snapshot[0], ack["chanId"]);
        (ack, snapshot)
    }

    /// Reads until the connection ends; the code of a close frame, if there was one.
    async fn end(&mut self) -> Option<CloseCode> {
        loop {
            match self.message().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

#[tokio::test]
async fn a_connection_is_greeted_and_every_request_has_its_answer() {
    let bench = start(calm()).await;
    assert_eq!(bench.sim.ws_url(), format!("ws://{}/ws/2", bench.sim.addr()));
    let mut client = try_connect(&bench).await.unwrap();
    let greeting = client.next().await;
    assert_eq!(greeting["serverId"].as_str().unwrap().len(), 36);
    assert_eq!(greeting["platform"], json!({"status":1}));

    let pong = client.ask(json!({"event":"ping","cid":1234})).await;
    assert_eq!(pong, json!({"event":"pong","ts":NOW,"cid":1234}));
    assert_eq!(client.ask(json!({"event":"ping"})).await, json!({"event":"pong","ts":NOW}));
    let conf = client.ask(json!({"event":"conf","flags":98_304})).await;
    assert_eq!(conf, json!({"event":"conf","status":"OK","flags":98_304}));
    client.ask(json!({"event":"conf","flags":0})).await;

    let (ack, row) = client.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"})).await;
    let id = &ack["chanId"];
    assert_eq!(
        ack,
        json!({"event":"subscribed","channel":"ticker","chanId":id,"symbol":"tBTCUSD","pair":"BTCUSD"})
    );
    assert_eq!(row[1].as_array().unwrap().len(), 11);
    let request = json!({"channel":"ticker","symbol":"fUST","subId":"mine"});
    let (ack, _) = client.subscribe(request).await;
    assert_eq!(
        ack,
        json!({"event":"subscribed","channel":"ticker","chanId":ack["chanId"],"symbol":"fUST",
               "subId":"mine","currency":"UST"})
    );
    let (ack, rows) = client.subscribe(json!({"channel":"trades","symbol":"DOGE:USD"})).await;
    assert_eq!((&ack["symbol"], &ack["pair"]), (&json!("tDOGE:USD"), &json!("DOGE:USD")));
    assert_eq!(rows[1].as_array().unwrap().len(), 30);
    let request =
        json!({"channel":"book","symbol":"tBTCUSD","prec":"P1","freq":"F1","len":100,"subId":7});
    let (ack, rows) = client.subscribe(request).await;
    assert_eq!(
        ack,
        json!({"event":"subscribed","channel":"book","chanId":ack["chanId"],"symbol":"tBTCUSD",
               "prec":"P1","freq":"F1","len":"100","subId":7,"pair":"BTCUSD"})
    );
    assert_eq!(rows[1].as_array().unwrap().len(), 200);
    let (ack, _) = client.subscribe(json!({"channel":"book","symbol":"tBTCUSD"})).await;
    let defaults = [&ack["prec"], &ack["freq"], &ack["len"]];
    assert_eq!(defaults, [&json!("P0"), &json!("F0"), &json!("25")]);
    let (ack, rows) = client.subscribe(json!({"channel":"candles","key":"trade:1m:tBTCUSD"})).await;
    assert_eq!(
        ack,
        json!({"event":"subscribed","channel":"candles","chanId":ack["chanId"],"key":"trade:1m:tBTCUSD"})
    );
    assert_eq!(rows[1].as_array().unwrap().len(), 240);
    let (ack, row) = client.subscribe(json!({"channel":"status","key":"deriv:tBTCF0:USTF0"})).await;
    assert_eq!((&ack["key"], row[1].as_array().unwrap().len()), (&json!("deriv:tBTCF0:USTF0"), 23));

    // As a text too; what is gone can be subscribed to again.
    let text = ack["chanId"].to_string();
    let answer = client.ask(json!({"event":"unsubscribe","chanId":text})).await;
    assert_eq!(answer, json!({"event":"unsubscribed","status":"OK","chanId":ack["chanId"]}));
    let (again, _) = client.subscribe(json!({"channel":"status","key":"deriv:tBTCF0:USTF0"})).await;
    assert_ne!(again["chanId"], ack["chanId"]);
}

#[tokio::test]
async fn mistakes_have_the_codes_of_the_exchange_and_repeat_the_request() {
    let bench = start(calm()).await;
    let mut client = Client::open(&bench).await;
    for (request, code, message) in [
        (json!({"channel":"ticker","symbol":"tNOPE"}), 10_300, "symbol: invalid"),
        (json!({"channel":"trades"}), 10_300, "symbol: invalid"),
        (json!({"channel":"book","symbol":"tBTCUSD","len":"7"}), 10_300, "length: invalid"),
        (json!({"channel":"book","symbol":"tBTCUSD","prec":"P9"}), 10_300, "precision: invalid"),
        (json!({"channel":"nope","symbol":"tBTCUSD","subId":5}), 10_300, "channel: unknown"),
        (json!({"channel":"candles","key":"trade:2m:tBTCUSD"}), 10_300, "key: invalid"),
        (json!({"channel":"candles","key":"trade:1m:fUSD"}), 10_300, "key: invalid"),
    ] {
        let mut sent = request.clone();
        sent["event"] = json!("subscribe");
        let mut expected = json!({"event":"error","msg":message,"code":code});
        for (name, value) in request.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(client.ask(sent).await, expected);
    }
    let (ack, _) = client.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"})).await;
    let again = json!({"event":"subscribe","channel":"ticker","symbol":"tBTCUSD"});
    assert_eq!(
        client.ask(again).await,
        json!({"event":"error","msg":"subscribe: dup","code":10_301,"channel":"ticker",
               "symbol":"tBTCUSD","chanId":ack["chanId"]})
    );
    assert_eq!(
        client.ask(json!({"event":"unsubscribe","chanId":5})).await,
        json!({"event":"error","msg":"unsubscribe: invalid","code":10_400,"chanId":5})
    );
    assert_eq!(
        client.ask(json!({"event":"nope"})).await,
        json!({"event":"error","msg":"event: invalid (nope)","code":10_000})
    );
    // Neither of these is answered: the next thing said is the pong.
    client.say("no json").await;
    client.say("[0,\"on\",null,{}]").await;
    client.say(r#"{"event":"subscribe","channel":"status","key":"deriv:tNOPEF0:USTF0"}"#).await;
    assert_eq!(client.ask(json!({"event":"ping","cid":1})).await["event"], "pong");
}

#[tokio::test]
async fn a_connection_has_so_many_channels_and_no_more() {
    let bench = start(calm()).await;
    let mut client = Client::open(&bench).await;
    let symbols = bench.sim.market().instruments().iter().map(|one| one.symbol().to_owned());
    let symbols: Vec<String> = symbols.filter(|one| one.starts_with('t')).take(26).collect();
    let mut first = Value::Null;
    for symbol in &symbols[..25] {
        let (ack, _) = client.subscribe(json!({"channel":"ticker","symbol":symbol})).await;
        if first.is_null() {
            first = ack["chanId"].clone();
        }
    }
    let more = json!({"event":"subscribe","channel":"ticker","symbol":symbols[25]});
    assert_eq!(
        client.ask(more.clone()).await,
        json!({"event":"error","msg":"subscribe: limit","code":10_305,"channel":"ticker",
               "symbol":symbols[25]})
    );
    client.ask(json!({"event":"unsubscribe","chanId":first})).await;
    assert_eq!(client.ask(more).await["event"], "subscribed");
    assert_eq!(bench.sim.counts().ws.subscribes, 27);

    let ws = WsConfig { max_channels: 1, ..WsConfig::default() };
    let bench = start(SimConfig { ws, ..calm() }).await;
    let mut client = Client::open(&bench).await;
    client.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"})).await;
    let more = json!({"event":"subscribe","channel":"ticker","symbol":"tETHUSD"});
    assert_eq!(client.ask(more).await["code"], 10_305);
}

#[tokio::test]
async fn too_many_connections_are_refused_for_a_while() {
    // Longer than three connections take.
    let time = Duration::from_secs(6);
    let ws = WsConfig {
        max_connections: Some(3),
        connection_window: Some(time),
        connection_block: Some(time),
        ..WsConfig::default()
    };
    let bench = start(SimConfig { ws, enforce: true, ..calm() }).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::open(&bench).await);
    }
    assert_eq!(refusal(&bench).await, 429);
    let mut refused = 1;
    let let_in = async {
        while try_connect(&bench).await.is_err() {
            refused += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), let_in).await.expect("the block ends");
    let counts = bench.get("/sim/counts").await.json()["ws"].clone();
    assert_eq!(
        (&counts["connections"], &counts["refused_connections"]),
        (&json!(4), &json!(refused))
    );
    // It is not enforced where nothing is.
    let bench = start(SimConfig { ws, ..calm() }).await;
    for _ in 0..5 {
        clients.push(Client::open(&bench).await);
    }
    assert_eq!(bench.sim.counts().ws.open, 5);
    assert_eq!(bench.sim.counts().total(), 0, "an upgrade is no REST call");
}

#[tokio::test]
async fn the_documented_limit_is_twenty_connections() {
    let bench = start(SimConfig { enforce: true, ..calm() }).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::open(&bench).await);
    }
    assert_eq!((refusal(&bench).await, refusal(&bench).await), (429, 429));
    assert_eq!(bench.get("/v2/platform/status").await.status, 200, "REST goes on");
}

#[tokio::test]
async fn a_silent_connection_without_channels_ends_and_others_do_not() {
    let bench = start(calm()).await;
    let mut silent = Client::open(&bench).await;
    let mut talking = Client::open(&bench).await;
    let mut listening = Client::open(&bench).await;
    listening.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"})).await;
    bench.time.advance(Duration::from_secs(59));
    talking.ask(json!({"event":"ping","cid":1})).await;
    bench.time.advance(Duration::from_secs(1));
    assert_eq!(silent.end().await, None, "without a close frame");
    assert_eq!(talking.ask(json!({"event":"ping","cid":2})).await["cid"], 2);
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        kinds.push(listening.next().await[1].clone());
    }
    assert!(
        kinds.iter().any(|kind| kind == "hb") && kinds.iter().any(Value::is_array),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn closing_is_answered_and_plain_requests_are_told_to_upgrade() {
    let bench = start(calm()).await;
    assert_eq!(bench.get("/ws/2").await.status, 426);
    let mut client = Client::open(&bench).await;
    client.0.close(None).await.unwrap();
    while let Some(message) = client.message().await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
    while bench.sim.counts().ws.open > 0 {
        tokio::task::yield_now().await;
    }
    bench.sim.reset_counts();
    assert_eq!(bench.sim.counts().ws, WsCounts::default());
}

#[tokio::test]
async fn what_happens_to_all_connections_at_once() {
    let bench = start(calm()).await;
    let mut client = Client::open(&bench).await;
    let post = async |body: &'static str| {
        let url = format!("{}/sim/ws", bench.sim.rest_url());
        bench.client.post(url).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(r#""maintenance_start""#).await, 200);
    assert_eq!(client.next().await["code"], 20_060);
    let mut late = try_connect(&bench).await.unwrap();
    assert_eq!(late.next().await["platform"]["status"], 0);
    bench.sim.ws_now(WsAction::MaintenanceEnd);
    assert_eq!(
        (client.next().await["code"].clone(), late.next().await["code"].clone()),
        (json!(20_061), json!(20_061))
    );
    bench.sim.ws_now(WsAction::Restart);
    assert_eq!(client.next().await["code"], 20_051);
    assert_eq!(client.end().await, Some(CloseCode::Restart));
    assert_eq!(late.end().await, Some(CloseCode::Restart));
    let mut client = Client::open(&bench).await;
    assert_eq!(post(r#""drop""#).await, 200);
    assert_eq!(client.end().await, None);
    assert_eq!(post(r#""nonsense""#).await, 400);
    Client::open(&bench).await;
}

#[tokio::test]
async fn upgrades_are_refused_by_script_and_rules_are_read_over_http() {
    let bench = start(calm()).await;
    let url = format!("{}/sim/faults", bench.sim.rest_url());
    let body = r#"[{"ws":"refuse","times":2},{"kind":"hang","times":1},{"ws":"refuse","status":502,"for_ms":5000}]"#;
    let rules = bench.client.post(&url).body(body).send().await.unwrap().text().await.unwrap();
    let rules: Vec<Value> = serde_json::from_str(&rules).unwrap();
    assert_eq!(rules.len(), 3);
    assert_eq!((&rules[0]["kind"], &rules[1]["ws"]), (&json!("hang"), &json!("refuse")));
    let statuses = [refusal(&bench).await, refusal(&bench).await, refusal(&bench).await];
    assert_eq!(statuses, [503, 503, 502]);
    bench.time.advance(Duration::from_secs(5));
    Client::open(&bench).await;
    assert_eq!(bench.sim.counts().ws.refused_connections, 3);
    let wrong = bench.client.post(&url).body(r#"{"ws":"nonsense"}"#).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    bench.sim.ws_fault(WsRule { times: Some(1), ..WsFault::Drop { after_frames: 2 }.always() });
    let mut client = Client::open(&bench).await;
    client.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"})).await;
    client.subscribe(json!({"channel":"ticker","symbol":"tETHUSD"})).await;
    client.say(r#"{"event":"subscribe","channel":"ticker","symbol":"tXRPUSD"}"#).await;
    assert_eq!(client.end().await, None);
    let none = bench.client.delete(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(none, "[]");
}
