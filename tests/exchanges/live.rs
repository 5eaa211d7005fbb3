//! Its WebSocket: what it brings is what is read, and what it loses is noticed.

use serde_json::Value;
use tidegate::{
    config::Config,
    sim::{WsAction, WsFault},
};

use crate::{
    Case, Proof,
    rig::{Rig, eventually, ms, number, rows, settings},
};

const CHANNELS: [&str; 3] = ["ticker", "orderbook", "trades"];

fn followed(case: Case) -> Config {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(10);
    config.feed.pinned = vec![case.market.to_owned()];
    config.feed.pinned_channels = CHANNELS.map(|name| name.parse().unwrap()).into();
    config.exchanges[case.kind.as_str()].budget.set_all(100_000);
    config
}

impl Rig {
    async fn feed(&self) -> Value {
        let status = self.get("/api/status").await.json();
        let name = self.case.kind.as_str();
        rows(&status, "feeds").iter().find(|it| it["exchange"] == name).expect("a feed").clone()
    }

    async fn is_live(&self) -> Value {
        eventually("every pinned channel is live", async || {
            let feed = self.feed().await;
            let live =
                rows(&feed, "topics").iter().filter(|topic| topic["state"] == "live").count();
            (live >= CHANNELS.len()).then_some(feed)
        })
        .await
    }
}

pub(crate) async fn channels_carry_what_is_read(case: Case) {
    let rig = Rig::start(case, followed(case)).await;
    rig.is_live().await;
    let paths = ["ticker/{}", "orderbook/{}?limit=25", "trades/{}?limit=20"];
    for path in paths {
        let path = format!("/api/market-data/{}", path.replace("{}", case.market));
        eventually("it is read from the channel", async || {
            let reply = rig.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            reply.cache_status().contains("detail=stream").then_some(reply)
        })
        .await;
    }
    rig.sim().reset_counts();
    for _ in 0..50 {
        let book = rig.json(&format!("orderbook/{}?limit=25", case.market)).await;
        let (bid, ask) = (&book["bids"][0][0], &book["asks"][0][0]);
        assert!(bid.as_f64() < ask.as_f64(), "{book}");
        assert_eq!((rows(&book, "bids").len(), rows(&book, "asks").len()), (25, 25));
        let ticker = rig.json(&format!("ticker/{}", case.market)).await;
        assert!(number(&ticker, "last") > 0.0, "{ticker}");
    }
    assert_eq!(rig.calls(), 0, "what is live costs nothing");
}

pub(crate) async fn a_lost_connection_comes_back(case: Case) {
    let rig = Rig::start(case, followed(case)).await;
    rig.is_live().await;
    rig.sim().ws_now(WsAction::Drop);
    eventually("it has noticed and is live again", async || {
        let feed = rig.feed().await;
        let reconnects = rows(&feed, "sockets").iter().map(|it| it["reconnects"].as_u64().unwrap());
        (reconnects.sum::<u64>() > 0).then_some(())
    })
    .await;
    rig.is_live().await;
}

/// A message that does not arrive ends what was built on it, and a new snapshot begins it anew.
pub(crate) async fn a_lost_message_is_noticed(case: Case) {
    let rig = Rig::start(case, followed(case)).await;
    rig.is_live().await;
    let fault = match case.proof {
        Proof::Checksums => WsFault::CorruptLevel,
        Proof::Numbers | Proof::Chain => WsFault::LoseFrame,
    };
    let mut rule = fault.always();
    rule.times = Some(1);
    rule.channel = (case.proof != Proof::Numbers).then(|| "book".to_owned());
    rig.sim().ws_fault(rule);
    eventually("it was noticed", async || {
        let feed = rig.feed().await;
        let sum = |names: &[&str]| {
            let counters = feed["counters"].as_object().unwrap();
            names.iter().filter_map(|name| counters.get(*name)?.as_u64()).sum::<u64>()
        };
        let noticed = match case.proof {
            Proof::Numbers => sum(&["reconnects"]),
            Proof::Checksums | Proof::Chain => sum(&["resyncs"]),
        };
        (noticed > 0).then_some(())
    })
    .await;
    rig.is_live().await;
    let book = rig.json(&format!("orderbook/{}?limit=25", case.market)).await;
    assert!(book["bids"][0][0].as_f64() < book["asks"][0][0].as_f64(), "{book}");
}

/// Server-sent events of two channels: a snapshot, then changes, each of the exchange's own market.
pub(crate) async fn streams_tell_clients_what_channels_bring(case: Case) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let rig = Rig::start(case, followed(case)).await;
    rig.is_live().await;
    let mut socket = tokio::net::TcpStream::connect(rig.app.address()).await.unwrap();
    let target = format!(
        "/api/market-data/stream?exchange={}&symbols={}&channels=orderbook,ticker",
        case.kind, case.market
    );
    let request = format!("GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut buffer = vec![0; 64 * 1024];
    let listen = async {
        loop {
            let read = socket.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the stream ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
            let books = heard.matches("\"channel\":\"orderbook\"").count();
            if books >= 3 && heard.contains("\"channel\":\"ticker\"") {
                return;
            }
        }
    };
    tokio::time::timeout(crate::rig::STUCK, listen).await.expect("a snapshot and changes");
    assert!(heard.contains(&format!("\"exchange\":\"{}\"", case.kind)), "{heard}");
    assert!(heard.contains(case.market), "{heard}");
}
