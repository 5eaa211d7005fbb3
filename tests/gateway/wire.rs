//! Live over sockets: the simulated exchange speaks, and clients read.

use serde_json::{Value, json};
use tidegate::{
    config::Config,
    feed::Mode,
    market::Channel,
    sim::{Family, WsAction, WsFault},
};
use tokio::io::AsyncReadExt as _;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    client::{Reply, head, send},
    rig::{Rig, SOON, eventually, for_each_product, lenient, ms, policy, settings},
    time::passes,
};

const TICKER: &str = "/api/market-data/ticker/BTC-USD";
const BOOK: &str = "/api/market-data/orderbook/BTC-USD";

/// A gateway with one pinned market.
async fn live(adjust: impl FnOnce(&mut Config)) -> Rig {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(50);
    config.feed.pinned = vec!["BTC/USD".to_owned()];
    config.feed.pinned_channels = vec![Channel::Ticker, Channel::Orderbook];
    adjust(&mut config);
    let mut sim = lenient();
    sim.ws.ticker_every = ms(200);
    let rig = Rig::before(sim, config).await;
    // Not by asking for it: what is asked for too early is fetched.
    let hub = rig.app.gateway().reader().desks.all()[0].live.hub().clone();
    let all_live = async || {
        let lines = hub.all();
        let live = lines.iter().filter(|line| line.mode() == Mode::Live).count();
        (live == 2).then_some(())
    };
    eventually(SOON, "what is pinned is live", all_live).await;
    rig
}

fn came_from(reply: &Reply, source: &str) -> bool {
    reply.status == 200 && reply.cache_status().ends_with(&format!("detail={source}"))
}

/// Waits until a path is answered from its channel and as fresh.
async fn is_streamed(rig: &Rig, path: &str) -> Reply {
    let streamed = async || {
        let reply = rig.get(path).await;
        came_from(&reply, "stream").then_some(reply)
    };
    eventually(SOON, "it is live", streamed).await
}

/// Events of a stream.
struct Events {
    socket: TcpStream,
    unread: String,
}

impl Events {
    async fn follow(rig: &Rig, query: &str) -> Self {
        let request = head("GET", &format!("/api/market-data/stream?{query}"), &[]);
        let socket = send(rig.app.address(), request.as_bytes()).await.expect("a connection");
        Self { socket, unread: String::new() }
    }

    /// The data of the next event of a type; those before it are passed over.
    async fn next(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let found = field("event: ") == Some(name);
                let data = field("data: ").filter(|_| found).map(serde_json::from_str);
                self.unread = rest.to_owned();
                if let Some(data) = data {
                    return data.expect("JSON");
                }
            }
            let mut bytes = [0; 4096];
            let read = timeout_at(deadline, self.socket.read(&mut bytes)).await;
            let read = read.unwrap_or_else(|_| panic!("no {name} within {SOON:?}"));
            let read = read.expect("an event before the end");
            assert_ne!(read, 0, "no {name} before the end");
            self.unread.push_str(std::str::from_utf8(&bytes[..read]).expect("ASCII"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_live_is_answered_without_a_call_and_comes_back_after_a_lost_connection() {
    let rig = live(|_| {}).await;
    let before = rig.sim.counts().ws;
    let mut events = Events::follow(&rig, "symbols=BTC-USD&channels=ticker").await;
    let first = events.next("snapshot").await;
    assert_eq!((&first["mode"], &first["source"]), (&json!("live"), &json!("stream")), "{first}");
    let told = events.next("update").await;
    let current = async || {
        let ticker = is_streamed(&rig, TICKER).await.json();
        (ticker["timestamp"].as_i64() >= told["data"]["timestamp"].as_i64()).then_some(ticker)
    };
    let ticker = eventually(SOON, "what followers are told is what is answered", current).await;
    assert!(ticker["bid"].as_f64() < ticker["ask"].as_f64(), "{ticker}");
    let book = is_streamed(&rig, BOOK).await.json();
    assert!(book["bids"][0][0].as_f64() < book["asks"][0][0].as_f64(), "{book}");
    let counts = rig.sim.counts();
    assert_eq!(counts.total(), 0, "{:?}", rig.sim.log());
    assert_eq!(counts.ws.subscribes, before.subscribes, "a follower of what is live costs nothing");

    rig.sim.ws_now(WsAction::Drop);
    let stale = events.next("stale").await;
    assert_eq!(stale["reason"], "disconnected", "{stale}");
    let live = events.next("live").await;
    assert!(live["timestamp"].as_i64() >= stale["timestamp"].as_i64(), "{live}");
    events.next("update").await;
    for path in [TICKER, BOOK] {
        is_streamed(&rig, path).await;
    }
    // What a channel has brought is given before it is subscribed to again.
    let subscribed =
        async || (rig.sim.counts().ws.subscribes == before.subscribes + 2).then_some(());
    eventually(SOON, "both channels again", subscribed).await;
    let counts = rig.sim.counts();
    assert_eq!(counts.ws.connections, before.connections + 1, "{counts:?}");
    assert_eq!(counts.total(), 0, "what was live is fresh for longer than that took");
}

#[tokio::test(start_paused = true)]
async fn what_a_frozen_channel_brought_is_no_older_than_its_policy_and_lives_again() {
    passes();
    const TTL: u64 = 300;
    let rig = live(|config| {
        config.feed.max_silence = ms(1_000);
        config.feed.ack_timeout = ms(300);
        config.feed.backoff_max = ms(200);
        for_each_product(config, policy([TTL, 0, 0, 1_000]));
    })
    .await;
    let mut events = Events::follow(&rig, "symbols=BTC-USD&channels=ticker").await;
    events.next("snapshot").await;
    assert_eq!(rig.sim.counts().total(), 0);
    // Asking for the channel anew does not help either.
    rig.sim.ws_fault(WsFault::SlowAck { ms: 60_000 }.always());
    rig.sim.ws_fault(WsFault::Freeze { heartbeats: false }.always());
    let stale = events.next("stale").await;
    assert_eq!(stale["reason"], "silent", "{stale}");
    let fetched = async || {
        let reply = rig.get(TICKER).await;
        let age = reply.header("age").and_then(|age| age.parse::<u64>().ok());
        assert!(reply.status == 200 && age.is_some_and(|age| age <= 2), "{reply:?}");
        came_from(&reply, "rest").then_some(())
    };
    eventually(SOON, "it is asked for", fetched).await;
    assert!(rig.calls(Family::Ticker) > 0);
    rig.sim.clear_faults();
    let live = events.next("live").await;
    assert!(live["timestamp"].as_i64() >= stale["timestamp"].as_i64(), "{live}");
    events.next("update").await;
    is_streamed(&rig, TICKER).await;
}
