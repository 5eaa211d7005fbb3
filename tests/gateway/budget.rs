//! The budget is never exceeded, whatever is asked; who is refused is told the true wait; a 429
//! closes a family for every key, and one call reopens it.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tidegate::{
    config::Config,
    sim::{Family, Fault, Limits, SimConfig},
};
use tokio::time::Instant;

use crate::{
    rig::{Rig, eventually, ms, settings},
    time::passes,
};

const WINDOW: Duration = ms(2_000);
const LIMIT: u32 = 6;

const SYMBOLS: [&str; 12] = [
    "BTC-USD", "ETH-USD", "XRP-USD", "LTC-USD", "SOL-USD", "ADA-USD", "DOGE-USD", "AVAX-USD",
    "DOT-USD", "LINK-USD", "TRX-USD", "XLM-USD",
];

fn book(symbol: &str) -> String {
    format!("/api/market-data/orderbook/{symbol}")
}

fn candles(symbol: &str) -> String {
    format!("/api/market-data/ohlcv/{symbol}?limit=10")
}

/// Few books a window, on either side; plenty of everything else.
fn scarce(limit: u32, window: Duration) -> (SimConfig, Config) {
    let limits = Limits { book: limit, ..Limits::all(1_000) };
    let sim = SimConfig { limits: Some(limits), window, ban: window, ..SimConfig::default() };
    let mut config = settings();
    config.exchanges["bitfinex"].budget["book"] = limit;
    config.upstream.window = window;
    config.server.request_deadline = ms(900);
    config.exchanges["bitfinex"].request_timeout = ms(900);
    (sim, config)
}

/// Demand beyond the budget is refused with a wait after which coming back succeeds.
#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_when_to_come_back() {
    passes();
    // One at once, then one a second.
    let window = ms(3_000);
    let (sim, config) = scarce(3, window);
    let rig = Rig::before(sim, config).await;
    let started = Instant::now();
    let ask = async |symbol| (symbol, rig.get(&book(symbol)).await, started.elapsed());
    let replies = join_all(SYMBOLS.map(ask)).await;
    let served = replies.iter().filter(|(_, reply, _)| reply.status == 200).count();
    assert_eq!(served, 1);
    let mut told = None;
    for (symbol, reply, at) in &replies {
        if reply.status != 200 {
            let document = reply.problem(&book(symbol), 503, "budget_exhausted");
            told = Some((*symbol, *at, ms(document["retry_after_ms"].as_u64().unwrap())));
        }
    }
    let (symbol, at, wait) = told.expect("some are refused");
    assert!(wait <= window, "{wait:?}");

    // Another family has a budget of its own.
    assert_eq!(rig.get(&candles("BTC-USD")).await.status, 200);
    assert_eq!(rig.get("/api/market-data/ticker/BTC-USD").await.status, 200);

    tokio::time::sleep_until(started + at + wait).await;
    let reply = rig.get(&book(symbol)).await;
    assert_eq!(reply.status, 200, "after {wait:?}: {}", reply.text());
    assert!(reply.took < ms(300), "the wait that was told is all of it: {:?} more", reply.took);
    assert_eq!(rig.sim.counts().refused_total(), 0);
}

/// Clients who never stop asking get as much as there is, and the exchange never has to refuse.
#[tokio::test(start_paused = true)]
async fn no_window_holds_more_calls_than_the_limit() {
    passes();
    let (sim, mut config) = scarce(LIMIT, WINDOW);
    config.cache.orderbook = crate::rig::policy([1, 0, 0, 0]);
    let rig = Rig::before(sim, config).await;
    let end = Instant::now() + WINDOW * 3;
    let greedy = async |symbol| {
        while Instant::now() < end {
            let reply = rig.get(&book(symbol)).await;
            match reply.status {
                200 => {}
                // His turn came so late that his deadline passed before the answer was there.
                504 => assert_eq!(reply.json()["retryable"], true, "{}", reply.text()),
                _ => drop(reply.problem(&book(symbol), 503, "budget_exhausted")),
            }
        }
    };
    let modest = async || {
        while Instant::now() < end {
            let reply = rig.get_with(&candles("BTC-USD"), "cache-control", "no-cache").await;
            assert_eq!(reply.status, 200, "another family: {}", reply.text());
            tokio::time::sleep(ms(50)).await;
        }
    };
    join(join_all(SYMBOLS.map(greedy)), modest()).await;
    let counts = rig.sim.counts();
    assert_eq!(counts.refused_total(), 0, "{counts:?}");
    assert!(counts.peak_of(Family::Book) <= u64::from(LIMIT), "{counts:?}");
    assert!(counts.of(Family::Book) >= u64::from(2 * LIMIT), "used: {counts:?}");
}

/// A 429 in either form is not repeated, closes the family for every key and no other, and after
/// the ban one call finds out.
#[tokio::test(start_paused = true)]
async fn a_429_closes_the_family_until_one_probe_has_passed() {
    passes();
    // Without a time of the exchange's own, the setting counts.
    let forms = [
        (Fault::RateLimited { retry_after: None }, 1_500),
        (Fault::RateLimited { retry_after: Some(2) }, 2_000),
        (Fault::RateLimitedObject { retry_after: None }, 1_500),
        (Fault::RateLimitedObject { retry_after: Some(2) }, 2_000),
        (Fault::ErrorArray { code: 11_010, message: "ratelimit: error".to_owned() }, 1_500),
    ];
    join_all(forms.map(|(fault, ban)| banned(fault, ms(ban)))).await;
}

async fn banned(fault: Fault, ban: Duration) {
    let mut config = settings();
    config.upstream.ban = ms(1_500);
    // Those who come during the ban are refused, not made to wait.
    config.server.request_deadline = ms(1_000);
    config.exchanges["bitfinex"].request_timeout = ms(1_000);
    let rig = Rig::start(config).await;
    rig.sim.fault(fault.times(Family::Candles, 1));
    let mut end = Instant::now() + ban;
    for symbol in ["BTC-USD", "BTC-USD", "ETH-USD", "XRP-USD"] {
        let path = candles(symbol);
        let document = rig.get(&path).await.problem(&path, 503, "exchange_rate_limited");
        let wait = ms(document["retry_after_ms"].as_u64().unwrap());
        assert!(wait <= ban, "{wait:?}");
        end = end.max(Instant::now() + wait);
        assert_eq!(rig.calls(Family::Candles), 1, "neither repeated nor sent for another key");
    }
    assert_eq!(rig.get(&book("BTC-USD")).await.status, 200, "another family is open");
    let status = rig.status().await;
    assert_eq!(status["requests"]["rate_limited"], 1);
    let budgets = status["exchanges"][0]["budgets"].as_array().unwrap().clone();
    let closed = budgets.iter().filter(|budget| budget["banned_ms"].as_u64() > Some(0));
    assert_eq!(closed.map(|budget| budget["family"].clone()).collect::<Vec<_>>(), ["candles"]);

    let delay = ms(250);
    rig.sim.fault(Fault::delay(delay).times(Family::Candles, 1));
    tokio::time::sleep_until(end).await;
    let paths = ["SOL-USD", "ADA-USD", "DOT-USD"].map(candles);
    for reply in join_all(paths.iter().map(|path| rig.get(path))).await {
        // Who cannot wait for the probe's answer is refused.
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
    }
    let log = rig.sim.log();
    let calls: Vec<_> = log.iter().filter(|call| call.family == Family::Candles).collect();
    assert!(calls[1].when.since(calls[0].when) >= ban - ms(1), "the ban was kept: {calls:?}");
    if let Some(next) = calls.get(2) {
        assert!(next.when.since(calls[1].when) >= delay - ms(1), "the probe went alone: {calls:?}");
    }
    for path in &paths {
        rig.recovers(ms(3_000), path).await;
    }
}

/// Limits of the exchange's own that are lower than believed: the ban is kept, and the family
/// opens again by itself.
#[tokio::test(start_paused = true)]
async fn a_limit_lower_than_believed_is_learned() {
    passes();
    let limits = Limits { book: 4, ..Limits::all(1_000) };
    let ban = ms(800);
    let sim = SimConfig { limits: Some(limits), window: ms(800), ban, ..SimConfig::default() };
    let mut config = settings();
    config.exchanges["bitfinex"].budget["book"] = 30;
    config.upstream.window = ms(800);
    config.upstream.ban = ban;
    let rig = Rig::before(sim, config).await;
    let ask = async |symbol| rig.get(&book(symbol)).await;
    for reply in join_all(SYMBOLS.map(ask)).await {
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
    }
    assert!(rig.sim.counts().refused_total() > 0);
    let learned = async || {
        let status = rig.status().await;
        let budgets = status["exchanges"][0]["budgets"].as_array().unwrap();
        let book = budgets.iter().find(|budget| budget["family"] == "book").unwrap();
        (book["learned"].as_u64() < Some(30)).then_some(())
    };
    eventually(ms(1_000), "a lower ceiling", learned).await;
    for symbol in SYMBOLS {
        rig.recovers(ms(5_000), &book(symbol)).await;
    }
}
