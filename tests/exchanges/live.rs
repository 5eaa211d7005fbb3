//! Its WebSocket: what it brings is what is read, and what it loses is noticed.

use std::collections::HashMap;

use serde_json::Value;
use tidegate::{
    clock::Clock,
    config::Config,
    market::UnixMs,
    sim::{MarketEngine, SimClock, SimConfig, WsAction, WsFault, engine::Window},
};

use crate::{
    Case, Proof,
    client::ask,
    rig::{Rig, STUCK, eventually, lenient, ms, number, rows, settings},
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
    let mut config = followed(case);
    config.feed.max_silence = ms(50_000);
    let rig = Rig::before(case, config, vec![busy(case)]).await;
    rig.is_live().await;
    let paths = ["ticker/{}", "orderbook/{}?limit=25", "trades/{}?limit=20"];
    for path in paths {
        let path = format!("/api/market-data/{}", path.replace("{}", case.market));
        let reply = eventually("it is read from the channel", async || {
            let reply = rig.get(&path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            reply.cache_status().contains("detail=stream").then_some(reply)
        })
        .await;
        assert!((10..=50).contains(&reply.ttl()), "fresh for the longest silence: {reply:?}");
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

/// The next server-sent event's data.
async fn next(response: &mut reqwest::Response, heard: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = heard.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            let data = data.map(|data| serde_json::from_str(data).expect("JSON"));
            *heard = rest.to_owned();
            match data {
                Some(data) => return data,
                None => continue,
            }
        }
        let chunk =
            response.chunk().await.expect("the stream goes on").expect("the stream goes on");
        heard.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
}

fn ids(trades: &Value) -> Vec<String> {
    let trades = trades.as_array().expect("trades");
    trades.iter().map(|trade| trade["id"].as_str().expect("an id").to_owned()).collect()
}

/// When the busiest quarter of an hour of a simulated day begins: quiet ones have few trades.
/// Every case's busy market is made of this one, Binance's too.
fn busiest() -> UnixMs {
    const DAY: i64 = 86_400_000;
    const QUARTER: i64 = DAY / 96;
    let (from, to) = (1_780_272_000_000, 1_780_272_000_000 + DAY);
    let at = UnixMs::from_millis;
    let engine = MarketEngine::new(SimConfig::default().seed, at(from - 400 * DAY), at(from));
    let instrument = engine.find("tBTCUSD").expect("a market");
    let day = Window { start: from, end: to - 1, limit: usize::MAX, ascending: true };
    let mut counts = [0_u32; 96];
    for trade in engine.trades(instrument, day, at(to)) {
        counts[usize::try_from((trade.ms - from) / QUARTER).unwrap()] += 1;
    }
    let busiest = (0_i64..).zip(counts).max_by_key(|(_, count)| *count);
    at(from + busiest.expect("quarters").0 * QUARTER)
}

/// A simulated exchange that refuses nothing, in that quarter of an hour. None of Binance's hours
/// ends in it: numbers of trades leap there, as if some had been lost.
fn busy(case: Case) -> SimConfig {
    SimConfig { clock: SimClock::Wall(Clock::anchored(busiest())), ..lenient(case.kind) }
}

/// Server-sent events of three channels: a snapshot, then changes, each of the exchange's own
/// market; of trades every one, and none twice.
pub(crate) async fn streams_tell_clients_what_channels_bring(case: Case) {
    let mut sim = busy(case);
    sim.ws.ticker_every = ms(500);
    let rig = Rig::before(case, followed(case), vec![sim]).await;
    rig.is_live().await;
    let target = format!(
        "{}/api/market-data/stream?exchange={}&symbols={}&channels={}",
        rig.app.url(),
        case.kind,
        case.market,
        CHANNELS.join(",")
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut response = client.get(target).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut heard = String::new();
    let mut seen: HashMap<String, Vec<Value>> = HashMap::new();
    let mut told: Vec<String> = Vec::new();
    let mut updates = 0;
    let listen = async {
        let is_enough = |seen: &HashMap<String, Vec<Value>>| {
            CHANNELS.iter().all(|channel| seen.get(*channel).is_some_and(|it| it.len() > 2))
        };
        assert_eq!(next(&mut response, &mut heard).await["type"], "welcome");
        while updates < 3 || !is_enough(&seen) {
            let message = next(&mut response, &mut heard).await;
            assert_eq!(message["exchange"], case.kind.as_str(), "{message}");
            assert_eq!(message["symbol"], case.market, "{message}");
            let channel = message["channel"].as_str().unwrap().to_owned();
            match (channel.as_str(), message["type"].as_str().unwrap()) {
                ("trades", "snapshot") => told.extend(ids(&message["data"])),
                ("trades", "update") => {
                    told.push(message["data"]["id"].as_str().unwrap().to_owned());
                    updates += 1;
                }
                ("ticker" | "orderbook", "snapshot" | "update") => {}
                (_, other) => panic!("{other}: {message}"),
            }
            seen.entry(channel).or_default().push(message);
        }
    };
    let ended = tokio::time::timeout(STUCK, listen).await;
    let counts: Vec<_> = seen.iter().map(|(channel, messages)| (channel, messages.len())).collect();
    assert!(ended.is_ok(), "snapshots and changes: {counts:?}, {updates} trades");
    for (channel, messages) in &seen {
        let snapshots = messages.iter().filter(|message| message["type"] == "snapshot").count();
        assert_eq!(messages[0]["type"], "snapshot", "{channel}");
        // A client that is slow to take a book's changes is given the whole of it instead.
        assert!(snapshots == 1 || channel == "orderbook", "{channel}: {snapshots} snapshots");
    }
    let mut distinct = told.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), told.len(), "a trade twice: {told:?}");
    // What requests read was made apart from what is told: every trade between is in both.
    let read = ids(&rig.json(&format!("trades/{}?limit=100", case.market)).await);
    let place = |id: &String| read.iter().position(|other| other == id);
    let (first, last) = (place(&told[told.len() - updates]), place(&told[told.len() - 1]));
    let (first, last) = (first.expect("the first"), last.expect("the last"));
    let missing: Vec<_> = read[first..=last].iter().filter(|id| !told.contains(id)).collect();
    assert!(missing.is_empty() && last > first, "never told: {missing:?}");
}

/// Ids count up by one, so that a trade that does not arrive shows at the next: it is fetched.
#[tokio::test]
async fn a_lost_trade_is_fetched() {
    let case = crate::BINANCE;
    let rig = Rig::before(case, followed(case), vec![busy(case)]).await;
    rig.is_live().await;
    let path = format!("/api/market-data/trades/{}?limit=100", case.market);
    let live = async || {
        let reply = rig.get(&path).await;
        let is_live = reply.cache_status().contains("detail=stream");
        let ids = || ids(&reply.json()).iter().map(|id| id.parse::<i64>().unwrap()).collect();
        is_live.then(ids).map(|ids: Vec<_>| ids)
    };
    let last = *eventually("it is read from the channel", live).await.last().unwrap();
    rig.sim().reset_counts();
    rig.sim().ws_fault(WsFault::LoseFrame.times("trades", "BTCUSDT", 1));
    eventually("it is noticed", async || (rig.calls() > 0).then_some(())).await;
    let before = *eventually("it is read from the channel", live).await.last().unwrap();
    let newest = eventually("there are further trades", async || {
        live().await.filter(|ids| *ids.last().unwrap() >= before + 3)
    })
    .await;
    let known: Vec<i64> = newest.into_iter().filter(|id| *id >= last).collect();
    assert_eq!(known, Vec::from_iter(last..last + known.len() as i64));
    assert!((1..=2).contains(&rig.calls()), "{} calls", rig.calls());
}

/// Six readers of a book each, who ask again as soon as they have an answer, before an exchange that
/// bears one call a second: none of them can read often, and each gets a channel all the same.
#[tokio::test]
async fn who_waits_for_calls_gets_a_channel() {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(10);
    config.cache.orderbook.ttl = ms(200);
    let sim = SimConfig { enforce: true, ..lenient(crate::KRAKEN.kind) };
    let rig = Rig::before(crate::KRAKEN, config, vec![sim]).await;
    let list = rig.json("markets").await;
    let symbols = rows(&list, "markets").iter().map(|it| it["symbol"].as_str().unwrap());
    let paths = symbols.take(6).map(|symbol| format!("orderbook/{symbol}"));
    let paths: Vec<String> = paths.collect();
    let is_live = async || {
        let feed = rig.feed().await;
        rows(&feed, "topics").iter().filter(|topic| topic["state"] == "live").count() == 6
    };
    let read = async |path: &String| {
        // The few who are promoted first read on for the others as well.
        while !is_live().await {
            rig.get(&format!("/api/market-data/{path}")).await;
            tokio::time::sleep(ms(500)).await;
        }
    };
    let all = futures_util::future::join_all(paths.iter().map(read));
    tokio::time::timeout(2 * STUCK, all).await.expect("every book has a channel");
    for path in &paths {
        let path = format!("/api/market-data/{path}");
        // Who waits for a call when the channel speaks gets the call's answer, which takes the
        // place of what the channel said: asked in step with it, it might be so every time.
        eventually("it is read from the channel", async || {
            let held = [("cache-control", "only-if-cached")];
            let reply = ask(rig.app.address(), "GET", &path, &held).await;
            reply.cache_status().contains("detail=stream").then_some(())
        })
        .await;
    }
}
