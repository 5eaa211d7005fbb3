//! Every way in which the exchange goes wrong: the right answer in time, nothing invented, no more
//! calls than the fault is worth, and the way back by itself.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tidegate::{
    config::Config,
    sim::{Family, Fault},
};

use crate::{
    client::Reply,
    rig::{Rig, for_each_product, ms, policy, settings},
    time::passes,
};

/// Of one call, where it is to run out; a request may take twice as long.
const SHORT: Duration = ms(1_000);
/// Of one call, where it is not to run out on the busiest machine.
const LONG: Duration = ms(5_000);
const WINDOW: Duration = ms(5_000);
/// What a busy machine may add to the time that an answer takes.
const SLACK: Duration = ms(1_000);
const CLIENTS: usize = 8;

/// What a fault comes to: the problem's status and code, and the calls that it is worth.
type Outcome = (u16, &'static str, u64);

/// An answer as if nothing had happened.
const FINE: Outcome = (200, "", 1);
/// What cannot be read or cannot be true is not asked for twice.
const INVALID: Outcome = (502, "upstream_invalid", 1);
/// A second try may mend it.
const DOWN: Outcome = (503, "exchange_unavailable", 2);
const MAINTENANCE: Outcome = (503, "exchange_maintenance", 1);
/// The time is spent.
const LATE: Outcome = (504, "upstream_timeout", 1);

const PATHS: [&str; 4] = [
    "/api/market-data/ticker/BTC-USD",
    "/api/market-data/ohlcv/BTC-USD?limit=50",
    "/api/market-data/orderbook/BTC-USD",
    "/api/market-data/trades/BTC-USD",
];

fn config(timeout: Duration) -> Config {
    let mut config = settings();
    config.server.request_deadline = timeout * 2;
    config.exchanges["bitfinex"].request_timeout = timeout;
    config.upstream.window = WINDOW;
    // A rest that outlasts the crowd, so that no probe is counted among its calls.
    config.upstream.breaker_open = ms(1_500);
    for_each_product(&mut config, policy([60_000, 0, 0, 1_500]));
    config
}

/// The calls made for an endpoint; a ticker may come by either of two.
fn calls(rig: &Rig, path: &str) -> u64 {
    let families: &[Family] = match path.split('/').nth(3) {
        Some("ticker") => &[Family::Ticker, Family::Tickers],
        Some("ohlcv") => &[Family::Candles],
        Some("orderbook") => &[Family::Book],
        _ => &[Family::Trades],
    };
    families.iter().map(|family| rig.calls(*family)).sum()
}

/// The figures of an answer are there, and are not zero.
fn is_true(reply: &Reply, path: &str) -> bool {
    let body = reply.json();
    match path.split('/').nth(3) {
        Some("ticker") => {
            ["bid", "ask", "last", "high", "low"].iter().all(|key| body[key].as_f64() > Some(0.0))
        }
        Some("ohlcv") => body["candles"].as_array().is_some_and(|rows| rows.len() == 50),
        Some("orderbook") => body["bids"][0][0].as_f64() < body["asks"][0][0].as_f64(),
        _ => body.as_array().is_some_and(|rows| rows.len() == 50),
    }
}

/// A crowd meets the fault, comes again at once, and comes again when the fault is over.
async fn meets(
    rig: &Rig,
    fault: &Fault,
    path: &str,
    (status, code, worth): Outcome,
    deadline: Duration,
) {
    let what = format!("{fault:?} {path}");
    for reply in rig.crowd(CLIENTS, path).await {
        assert!(reply.took < deadline + SLACK, "{what} took {:?}", reply.took);
        if status == 200 {
            assert!(reply.status == 200 && is_true(&reply, path), "{what}: {}", reply.text());
        } else {
            let document = reply.problem(path, status, code);
            assert!(document.get("part").is_none(), "{document}");
        }
    }
    assert_eq!(calls(rig, path), worth, "{what}: {:?}", rig.sim.log());
    let again = rig.get(path).await;
    assert_eq!(again.status, status, "{what}: {}", again.text());
    assert_eq!(calls(rig, path), worth, "{what} was asked for again at once");
}

async fn recovers(rig: &Rig, fault: &Fault, path: &str, (status, _, worth): Outcome) {
    let reply = rig.recovers(WINDOW, path).await;
    assert!(is_true(&reply, path), "after {fault:?}: {}", reply.text());
    let more = u64::from(status != 200);
    assert_eq!(calls(rig, path), worth + more, "after {fault:?} {path}: {:?}", rig.sim.log());
}

/// One fault for ticker, candles, book and trades.
async fn befalls(fault: Fault, outcomes: [Outcome; 4]) {
    let timeout = if outcomes[0] == LATE { SHORT } else { LONG };
    let rig = Rig::start(config(timeout)).await;
    rig.sim.fault(fault.clone().always());
    let cases = || PATHS.into_iter().zip(outcomes);
    join_all(cases().map(|(path, outcome)| meets(&rig, &fault, path, outcome, timeout * 2))).await;
    rig.sim.clear_faults();
    join_all(cases().map(|(path, outcome)| recovers(&rig, &fault, path, outcome))).await;
    assert_eq!(rig.metric("tidegate_task_panics_total", "").await, 0.0);
}

/// The connection is there, and what comes over it is late or broken.
#[tokio::test(start_paused = true)]
async fn silent_and_broken_connections() {
    passes();
    let dripping = Fault::Drip { chunk: 4, ms: 200 };
    join_all([
        befalls(Fault::Hang, [LATE; 4]),
        befalls(dripping, [LATE; 4]),
        befalls(Fault::Reset, [DOWN; 4]),
        befalls(Fault::Cut { bytes: None }, [DOWN; 4]),
        befalls(Fault::Delay { ms: 200 }, [FINE; 4]),
    ])
    .await;
}

/// A whole answer that is none.
#[tokio::test(start_paused = true)]
async fn answers_that_say_no() {
    passes();
    let array = |code, message: &str| Fault::ErrorArray { code, message: message.to_owned() };
    let status = |status| Fault::Status { status, body: None };
    join_all([
        befalls(status(503), [DOWN; 4]),
        befalls(status(500), [DOWN; 4]),
        befalls(Fault::NotReady, [DOWN; 4]),
        befalls(Fault::Html { status: 503 }, [DOWN; 4]),
        befalls(Fault::Html { status: 200 }, [INVALID; 4]),
        befalls(Fault::Maintenance, [MAINTENANCE; 4]),
        befalls(array(10_001, "unknown"), [INVALID; 4]),
        befalls(array(10_020, "symbol: invalid"), [INVALID; 4]),
    ])
    .await;
}

/// An answer of the right form whose content cannot be read or cannot be true.
#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_true() {
    passes();
    let endless = Fault::Oversized { bytes: None };
    let (bodiless, text) = (Fault::Status { status: 200, body: Some(String::new()) }, "soon");
    join_all([
        befalls(Fault::Strings, [INVALID; 4]),
        befalls(Fault::NotANumber, [INVALID; 4]),
        befalls(Fault::TruncatedRows, [INVALID; 4]),
        befalls(endless, [INVALID; 4]),
        befalls(bodiless, [INVALID; 4]),
        befalls(crate::rig::says(text), [INVALID; 4]),
        befalls(Fault::Crossed, [FINE, FINE, INVALID, FINE]),
    ])
    .await;
}

/// What the exchange does not know is null, or an error where nothing can be said without it.
#[tokio::test(start_paused = true)]
async fn nulls_stay_nulls() {
    passes();
    let rig = Rig::start(config(LONG)).await;
    rig.sim.fault(Fault::Nulls.always());
    let [ticker, ohlcv, orderbook, trades] = PATHS;
    let body = rig.get(ticker).await.json();
    assert!(body["bid"].as_f64() > Some(0.0), "the one figure that came");
    for key in ["ask", "last", "close", "open", "high", "low", "change", "percentage", "average"] {
        assert!(body[key].is_null(), "{key} in {body}");
    }
    for path in [ohlcv, orderbook, trades] {
        rig.get(path).await.problem(path, 502, "upstream_invalid");
    }
    let context = "/api/market-data/market-context/BTC-USD";
    assert_eq!(rig.get(context).await.problem(context, 502, "upstream_invalid")["part"], "ohlcv");
}

/// Nothing where nothing was before is believed for a moment; nothing where something was is not.
#[tokio::test(start_paused = true)]
async fn emptiness_is_not_taken_for_truth() {
    passes();
    let rig = Rig::start(config(LONG)).await;
    rig.sim.fault(Fault::Empty.always());
    let [ticker, ohlcv, orderbook, trades] = PATHS;
    rig.get(ticker).await.problem(ticker, 502, "upstream_invalid");
    for (path, rows) in [(ohlcv, "/candles"), (orderbook, "/bids"), (trades, "")] {
        let reply = rig.get(path).await;
        let empty = reply.json().pointer(rows).and_then(|rows| rows.as_array().map(Vec::len));
        assert_eq!((reply.status, empty), (200, Some(0)), "{}", reply.text());
        assert!(reply.ttl() <= 1, "believed for no longer than a failure: {reply:?}");
    }
    rig.sim.clear_faults();
    for path in PATHS {
        let found = async || {
            Some(rig.get(path).await).filter(|reply| reply.status == 200 && is_true(reply, path))
        };
        crate::rig::eventually(WINDOW, path, found).await;
    }
    let rig = Rig::start(config(LONG)).await;
    assert!(is_true(&rig.get(ohlcv).await, ohlcv));
    rig.sim.fault(Fault::Empty.always());
    let reply = rig.get_with(ohlcv, "cache-control", "no-cache").await;
    reply.problem(ohlcv, 502, "upstream_invalid");
    assert!(is_true(&rig.get(ohlcv).await, ohlcv), "what was known is still known");
}

/// After repeated faults the exchange is left alone, whatever the key, and one call finds out
/// whether it is back.
#[tokio::test(start_paused = true)]
async fn an_exchange_that_keeps_failing_is_given_a_rest() {
    passes();
    let mut config = config(LONG);
    config.upstream.breaker_failures = 4;
    let rig = Rig::start(config).await;
    rig.sim.fault(Fault::NotReady.on(Family::Book));
    let book = |symbol: &str| format!("/api/market-data/orderbook/{symbol}");
    for symbol in ["BTC-USD", "ETH-USD"] {
        rig.get(&book(symbol)).await.problem(&book(symbol), 503, "exchange_unavailable");
    }
    assert_eq!(rig.calls(Family::Book), 4, "two tries for each");

    let mut waits = Vec::new();
    for symbol in ["XRP-USD", "LTC-USD", "BTC-USD"] {
        let reply = rig.get(&book(symbol)).await;
        let document = reply.problem(&book(symbol), 503, "exchange_unavailable");
        waits.push(ms(document["retry_after_ms"].as_u64().unwrap()));
        assert!(reply.took < SLACK);
    }
    assert_eq!(rig.calls(Family::Book), 4, "nobody is sent on");
    assert_eq!(rig.get("/api/market-data/ticker/BTC-USD").await.status, 200, "others are served");

    rig.only_fault(Fault::delay(ms(400)).times(Family::Book, 1));
    tokio::time::sleep(*waits.iter().max().unwrap()).await;
    let (xrp, ltc) = (book("XRP-USD"), book("LTC-USD"));
    let (probe, late) = join(rig.get(&xrp), async {
        let one = async || (rig.calls(Family::Book) == 5).then_some(());
        crate::rig::eventually(SLACK, "the probe", one).await;
        rig.get(&ltc).await
    })
    .await;
    assert_eq!(probe.status, 200, "{}", probe.text());
    late.problem(&ltc, 503, "exchange_unavailable");
    assert_eq!(rig.calls(Family::Book), 5, "one call found out");
    rig.recovers(WINDOW, &ltc).await;
}
