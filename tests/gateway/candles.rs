//! Candles page by page, computed ones, and those who wait for a bar to close.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidegate::{
    clock::Clock,
    market::{Timeframe, UnixMs},
    sim::{Family, Fault, SimClock},
};

use crate::{
    client::{Reply, ask},
    rig::{BUSY, Rig, eventually, ms, settings},
    time::{passes, stands_still},
};

/// The end of a minute without a trade, after one with trades.
const QUIET: UnixMs = UnixMs::from_millis(1_772_453_160_000);

/// A market that goes on from `start`.
async fn moving(start: UnixMs) -> (Rig, Clock) {
    let clock = Clock::anchored(start);
    let mut config = settings();
    config.exchanges["bitfinex"].request_timeout = ms(6_000);
    config.server.request_deadline = ms(8_000);
    (Rig::at(clock.clone(), SimClock::Wall(clock.clone()), config).await, clock)
}

/// The exchange's own rows in the order of the gateway's: `[time, open, high, low, close, volume]`.
async fn own_rows(rig: &Rig, id: &str, timeframe: &str, since: UnixMs, limit: u32) -> Vec<Value> {
    let start = since.millis();
    let path =
        format!("/v2/candles/trade:{timeframe}:{id}/hist?sort=1&start={start}&limit={limit}");
    let reply = ask(rig.sim.addr(), "GET", &path, &[]).await;
    let [time, open, close, high, low, volume] = [0, 1, 2, 3, 4, 5];
    let order = [time, open, high, low, close, volume];
    let rows = reply.json();
    let rows = rows.as_array().unwrap_or_else(|| panic!("{rows}"));
    rows.iter().map(|row| order.map(|column| row[column].clone()).into()).collect()
}

fn arrays(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["candles"].as_array().unwrap().clone()
}

/// The rows of a table, without its headings and the last column (`closed`).
fn table(reply: &Reply) -> Vec<Value> {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let row = |line: &str| line.split(',').take(6).map(number).collect();
    reply.text().lines().skip(1).map(row).collect()
}

/// What `Link` says is next.
fn link(reply: &Reply) -> Option<String> {
    let told = reply.header("link")?.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    assert!(told.starts_with("/api/market-data/ohlcv/"), "{told}");
    Some(told.to_owned())
}

fn last_due(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["last_due"].clone()
}

#[tokio::test(start_paused = true)]
async fn next_leads_through_every_row_once() {
    let _time = stands_still();
    let (rig, now) = Rig::still().await;
    let hours = |hours: i64| UnixMs::from_millis(now.millis() - hours * 3_600_000);
    let (since, limit) = (hours(5), 41);
    let base = "/api/market-data/ohlcv/BTC%2FUSD?timeframe=1m&format=arrays";
    let mut page = Some(format!("{base}&since={}&limit={limit}", since.iso()));
    let mut rows = Vec::new();
    let mut pages = 0;
    while let Some(path) = page {
        let reply = rig.get(&path).await;
        let body = reply.json();
        page = body["next"].as_str().map(str::to_owned);
        assert_eq!((link(&reply), body.as_object().unwrap().len()), (page.clone(), 7), "{path}");
        assert_eq!(body["empty_buckets"], "left_out");
        let here = arrays(&reply);
        assert!(here.len() == limit || page.is_none(), "{} rows of {path}", here.len());
        rows.extend(here);
        pages += 1;
        assert!(pages < 10, "{page:?}");
        if let Some(page) = &page {
            let next = rows.last().unwrap()[0].as_i64().unwrap() + 60_000;
            assert_eq!(*page, format!("{base}&since={next}&limit={limit}"));
        }
    }
    assert!(rig.calls(Family::Candles) <= 3, "{:?}", rig.sim.log());
    let own = own_rows(&rig, "tBTCUSD", "1m", since, 1000).await;
    assert_eq!((rows.len(), pages), (own.len(), own.len().div_ceil(limit)));
    assert_eq!(rows, own);

    // A market in which many minutes have no trade, as a table.
    let since = hours(24 * 3);
    let path = format!(
        "/api/market-data/ohlcv/tBTTUSD?timeframe=1m&format=csv&since={}&limit=97",
        since.millis()
    );
    let (mut page, mut rows) = (Some(path), Vec::new());
    while let Some(path) = page {
        let reply = rig.get(&path).await;
        rows.extend(table(&reply));
        page = link(&reply);
        assert!(rows.len() < 5_000);
    }
    let own = own_rows(&rig, "tBTTUSD", "1m", since, 10_000).await;
    assert!(own.len() > 200 && own.len() < 4_000, "{} rows", own.len());
    assert_eq!(rows, own);
}

/// The header belongs to the answer however it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_an_answer_tells_what_is_next() {
    let (rig, now) = Rig::still().await;
    let since = Timeframe::H1.start_of(now - Duration::from_secs(86_400)).millis();
    let path = format!("/api/market-data/ohlcv/BTC/USD?since={since}&timeframe=1h&limit=5");
    let next = path.replace(&since.to_string(), &(since + 5 * 3_600_000).to_string());
    for format in ["", "&format=arrays", "&format=csv", "&format=arrow", "&format=parquet"] {
        let (path, next) = (format!("{path}{format}"), format!("{next}{format}"));
        for _ in 0..2 {
            assert_eq!(link(&rig.get(&path).await).as_deref(), Some(&*next));
        }
        let reply = rig.get(&path).await;
        assert!(reply.cache_status().starts_with("tidegate; hit"), "{reply:?}");
        let known = rig.get_with(&path, "if-none-match", reply.header("etag").unwrap()).await;
        assert_eq!((known.status, link(&known).as_deref()), (304, Some(&*next)));
        let head = ask(rig.app.address(), "HEAD", &path, &[]).await;
        assert_eq!((head.status, link(&head).as_deref()), (200, Some(&*next)));
    }
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());

    // Nothing is left, or the last ones are asked for.
    let until = since + 4 * 3_600_000;
    for query in [format!("limit=5&since={since}&until={until}"), "limit=5".to_owned()] {
        for format in ["objects", "csv"] {
            let path =
                format!("/api/market-data/ohlcv/BTC/USD?timeframe=1h&{query}&format={format}");
            let reply = rig.get(&path).await;
            assert_eq!((reply.status, link(&reply)), (200, None));
            assert!(format == "csv" || reply.json()["next"].is_null(), "{}", reply.text());
        }
    }
}

fn sum(rows: &[&Value], name: &str) -> f64 {
    rows.iter().map(|row| row[name].as_f64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hours_are_four_times_one() {
    let (rig, now) = Rig::still().await;
    let end = Timeframe::H4.start_of(now);
    let since = end - Duration::from_secs(3 * 86_400);
    let until = end.millis() - 1;
    let path = |timeframe: &str| {
        let base = "/api/market-data/ohlcv/ETH-USD";
        format!("{base}?timeframe={timeframe}&since={}&until={until}", since.millis())
    };
    let wide = rig.get(&path("4h")).await;
    let narrow = rig.get(&path("1h")).await.json();
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());
    assert_eq!((wide.status, wide.header("x-tidegate-derived")), (200, Some("1h")));
    let wide = wide.json();
    assert_eq!((&wide["timeframe"], &wide["derived"]), (&json!("4h"), &json!("1h")));
    assert_eq!(narrow["derived"], Value::Null);
    let (wide, narrow) = (wide["candles"].as_array().unwrap(), &narrow["candles"]);
    let narrow = narrow.as_array().unwrap();
    assert_eq!((wide.len(), narrow.len()), (18, 72));
    let value = |row: &Value, name: &str| row[name].as_f64().unwrap();
    for candle in wide {
        let open = candle["timestamp"].as_i64().unwrap();
        let parts = narrow.iter().filter(|row| {
            (open..open + 4 * 3_600_000).contains(&row["timestamp"].as_i64().unwrap())
        });
        let parts: Vec<&Value> = parts.collect();
        assert_eq!((open % (4 * 3_600_000), parts.len()), (0, 4));
        assert_eq!((&candle["open"], &candle["close"]), (&parts[0]["open"], &parts[3]["close"]));
        let highest = parts.iter().map(|row| value(row, "high")).fold(f64::MIN, f64::max);
        let lowest = parts.iter().map(|row| value(row, "low")).fold(f64::MAX, f64::min);
        assert_eq!((value(candle, "high"), value(candle, "low")), (highest, lowest));
        assert!((value(candle, "volume") - sum(&parts, "volume")).abs() < 1e-6, "{candle}");
        assert_eq!(candle["closed"], true);
    }
    for format in ["csv", "arrow", "parquet"] {
        let of = async |timeframe| rig.get(&format!("{}&format={format}", path(timeframe))).await;
        let (wide, narrow) = (of("4h").await, of("1h").await);
        assert_eq!((wide.status, wide.header("x-tidegate-derived")), (200, Some("1h")));
        assert_eq!((narrow.status, narrow.header("x-tidegate-derived")), (200, None));
    }

    let context = "/api/market-data/market-context/ETH-USD?limit=5&timeframe=";
    let parts = async |timeframe| {
        let body = rig.get(&format!("{context}{timeframe}")).await.json();
        body["data_quality"]["parts"].clone()
    };
    let (wide, narrow) = (parts("4h").await, parts("1h").await);
    assert_eq!((&wide["ohlcv"]["derived"], wide["ticker"].get("derived")), (&json!("1h"), None));
    assert_eq!(
        (narrow["ohlcv"]["source"].as_str(), narrow["ohlcv"].get("derived")),
        (Some("rest"), None)
    );
    let exchanges = rig.get("/api/market-data/exchanges").await.json();
    let exchange = &exchanges["exchanges"][0];
    assert_eq!(exchange["derived_timeframes"], json!(["3m", "2h", "4h", "8h"]));
    assert!(!exchange["timeframes"].as_array().unwrap().contains(&json!("4h")));
    let stream = "/api/market-data/stream?symbols=ETH/USD&channels=ohlcv:4h";
    rig.get(stream).await.problem(stream, 501, "unsupported");
}

/// Two hundred wait for the same minute, a hundred before it is over and a hundred after.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_bar_gets_it_for_one_call() {
    passes();
    let end = BUSY;
    let minute = |back: i64| end.millis() - back * 60_000;
    let (rig, clock) = moving(end - ms(4_000)).await;
    let path = "/api/market-data/ohlcv/BTC/USD?timeframe=1m&limit=20&wait_final=6000";
    let early = rig.crowd(100, path).await;
    assert!(clock.now() < end, "before the minute is over");
    for reply in &early {
        assert_eq!(last_due(reply), json!({ "timestamp": minute(2), "state": "final" }));
        assert_eq!(reply.header("x-tidegate-last-due"), Some(&*format!("{}; final", minute(2))));
    }
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());

    eventually(ms(8_000), "the minute's end", async || (clock.now() >= end).then_some(())).await;
    rig.sim.reset_counts();
    let asked = clock.now();
    let late = rig.crowd(200, path).await;
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());
    let own = own_rows(&rig, "tBTCUSD", "1m", UnixMs::from_millis(minute(1)), 1).await;
    for reply in &late {
        assert_eq!(last_due(reply), json!({ "timestamp": minute(1), "state": "final" }));
        let body = reply.json();
        let rows = body["candles"].as_array().unwrap();
        let due = rows.iter().find(|row| row["timestamp"] == minute(1)).unwrap();
        let row =
            ["timestamp", "open", "high", "low", "close", "volume"].map(|name| due[name].clone());
        assert_eq!((Value::from(row.to_vec()), &due["closed"]), (own[0].clone(), &json!(true)));
    }
    let grace = (end + ms(2_000)).since(asked);
    let shortest = late.iter().map(|reply| reply.took).min().unwrap();
    assert!(shortest + ms(100) >= grace, "{shortest:?} of {grace:?}");
    let longest = late.iter().map(|reply| reply.took).max().unwrap();
    assert!(longest < ms(6_000), "{longest:?}");

    // What is final already is not waited for.
    let again = rig.get(path).await;
    assert_eq!(last_due(&again)["state"], "final");
    assert!(again.took < ms(1_000) && rig.calls(Family::Candles) == 2, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_is_told_in_time_and_never_again() {
    passes();
    let end = BUSY;
    let (rig, clock) = moving(end - ms(1_500)).await;
    let path = "/api/market-data/ohlcv/BTC/USD?timeframe=1m&limit=5";
    assert_eq!(rig.get(path).await.status, 200);
    assert!(rig.get(path).await.json().get("last_due").is_none());
    eventually(ms(8_000), "the minute's end", async || (clock.now() >= end).then_some(())).await;
    rig.sim.fault(Fault::Hang.on(Family::Candles));
    let path = format!("{path}&wait_final=300");
    let due = end.millis() - 60_000;
    let reply = rig.get(&path).await;
    assert_eq!(last_due(&reply), json!({ "timestamp": due, "state": "pending" }));
    assert_eq!(reply.header("x-tidegate-last-due"), Some(&*format!("{due}; pending")));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert!(reply.took >= ms(300) && reply.took < ms(1_500), "{:?}", reply.took);
    let body = reply.json();
    let row = body["candles"].as_array().unwrap().iter().find(|row| row["timestamp"] == due);
    assert_eq!(row.unwrap()["closed"], false, "{body}");

    // Nor is it waited for longer where the exchange says nothing.
    eventually(ms(8_000), "the grace's end", async || {
        (clock.now() >= end + ms(2_100)).then_some(())
    })
    .await;
    let csv = rig.get(&format!("{path}&format=csv")).await;
    assert_eq!(csv.header("x-tidegate-last-due"), Some(&*format!("{due}; pending")));
    assert!(csv.took >= ms(300) && csv.took < ms(1_500), "{:?}", csv.took);
    assert!(rig.calls(Family::Candles) >= 2, "it was asked");
    rig.sim.clear_faults();
    let settled = async || {
        let reply = rig.get(&path).await;
        (last_due(&reply)["state"] == "final").then_some(reply)
    };
    let reply = eventually(ms(20_000), "the same request is answered anew", settled).await;
    assert_eq!(last_due(&reply)["timestamp"], due);

    // A bucket that is not over is nobody's to wait for.
    let reply = rig.get(&format!("{path}&since={}", end.millis())).await;
    assert_eq!(
        (reply.json().get("last_due"), reply.header("x-tidegate-last-due")),
        (Some(&Value::Null), None)
    );
}

/// A minute without a trade has no candle, and nobody waits for one.
#[tokio::test(start_paused = true)]
async fn that_nothing_was_traded_is_told() {
    passes();
    let (rig, _) = moving(QUIET + ms(2_500)).await;
    let reply =
        rig.get("/api/market-data/ohlcv/BTC/USD?timeframe=1m&limit=3&wait_final=8000").await;
    let due = QUIET.millis() - 60_000;
    assert_eq!(last_due(&reply), json!({ "timestamp": due, "state": "empty" }));
    assert_eq!(reply.header("x-tidegate-last-due"), Some(&*format!("{due}; empty")));
    let body = reply.json();
    let rows = body["candles"].as_array().unwrap();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["timestamp"] != due), "{body}");
    assert!(reply.took < ms(4_000) && rig.calls(Family::Candles) == 1, "{reply:?}");
}

/// `Priority: u=7` is background work (RFC 9218): clients who come later go before.
#[tokio::test(start_paused = true)]
async fn background_work_waits_behind_clients() {
    passes();
    let mut config = settings();
    // One call at once, then one a second.
    config.exchanges["bitfinex"].budget["candles"] = 3;
    config.upstream.window = ms(3_000);
    let rig = Rig::start(config).await;
    let path = |symbol: &str| format!("/api/market-data/ohlcv/{symbol}?limit=10");
    assert_eq!(rig.get(&path("BTC-USD")).await.status, 200);
    let background = join_all(
        ["ETH-USD", "XRP-USD"]
            .map(async |symbol| rig.get_with(&path(symbol), "priority", "u=7, i").await),
    );
    let clients = async {
        let waiting = async || {
            let status = rig.status().await;
            let budgets = status["exchanges"][0]["budgets"].as_array().unwrap().clone();
            let candles = budgets.iter().find(|budget| budget["family"] == "candles").unwrap();
            (candles["waiting"] == 2).then_some(())
        };
        eventually(ms(5_000), "background work waits", waiting).await;
        join_all(
            ["LTC-USD", "SOL-USD"]
                .map(async |symbol| rig.get_with(&path(symbol), "priority", "u=1").await),
        )
        .await
    };
    let (background, clients) = tokio::join!(background, clients);
    assert!(background.iter().chain(&clients).all(|reply| reply.status == 200));
    let first = |reply: &Reply| reply.json()["symbol"].as_str().unwrap()[..3].to_owned();
    assert_eq!(background.iter().map(first).collect::<Vec<_>>(), ["ETH", "XRP"]);
    let log = rig.sim.log();
    let asked: Vec<&str> =
        log.iter().filter_map(|call| call.path.split(":t").nth(1)?.get(..3)).collect();
    assert_eq!((asked[0], asked.len()), ("BTC", 5));
    let place = |symbol| asked.iter().position(|it| *it == symbol).unwrap();
    let last_client = place("LTC").max(place("SOL"));
    assert!(place("ETH").min(place("XRP")) > last_client, "{asked:?}");
}

/// Two hundred at once for the past, whole and in parts: what is missing is fetched, each of it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_for_the_past_costs_what_is_missing_once() {
    let (rig, _) = Rig::still().await;
    let path = |first: i64, last: i64| {
        let at = |hour: i64| BUSY.millis() - hour * 3_600_000;
        let (since, until) = (at(first), at(last));
        format!(
            "/api/market-data/ohlcv/BTC-USD?timeframe=1m&limit=10000&since={since}&until={until}"
        )
    };
    for round in 0..10 {
        let (first, last) = (900 - round * 60, 860 - round * 60);
        let clients = (0..200).map(|client| {
            let path = if client % 2 == 0 { path(first, last) } else { path(first, last + 20) };
            let rig = &rig;
            async move { rig.get(&path).await }
        });
        rig.sim.reset_counts();
        let replies = join_all(clients).await;
        let (whole, part) = (arrays(&replies[0]), arrays(&replies[1]));
        assert!(whole.len() > part.len() && whole.starts_with(&part), "round {round}");
        for (client, reply) in replies.iter().enumerate() {
            // Word for word: to read them all takes longer than to have them.
            assert!(reply.body == replies[client % 2].body, "round {round}: {}", reply.text());
        }
        // Whoever comes first decides whether it takes one or two.
        assert!((1..=2).contains(&rig.calls(Family::Candles)), "round {round}");
    }
}
