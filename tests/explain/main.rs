//! What a gateway tells about how it answered, and about how it would.
//!
//! ```text
//! outcomes  each way in which a key is read;   refusals: each way in which it is not
//! places    beside the body, in the header, in problems, below /v2, and nowhere else
//! forecasts the same before it happens, without anything happening
//! ```

#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../gateway/client.rs"]
mod client;
mod forecasts;
mod outcomes;
mod places;
mod refusals;
#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../gateway/rig.rs"]
mod rig;
#[allow(dead_code, reason = "these tests need a part of it")]
mod valve;

use std::time::Duration;

use serde_json::Value;
use tidegate::{
    app::App,
    clock::Clock,
    config::Config,
    sim::{Family, SimClock},
};

use client::{Reply, ask, drain, head, send};
use rig::{Rig, eventually, lenient, ms, settings};
use valve::Valve;

/// Longer than any step takes that works, on the busiest machine.
pub(crate) const SOON: Duration = ms(60_000);

pub(crate) const TICKER: &str = "/api/market-data/ticker/BTC-USD";

pub(crate) const BOOK: &str = "/api/market-data/orderbook/BTC-USD";

/// A gateway in the middle of five minutes, so that no candle ends before a test does.
pub(crate) async fn between_candles() -> Rig {
    let clock = Clock::anchored("2026-11-22T12:32:30Z".parse().unwrap());
    Rig::at(clock.clone(), SimClock::Wall(clock), settings()).await
}

/// A gateway that gets the answers of its exchange through a valve.
pub(crate) async fn behind_a_valve(config: Config) -> (Rig, Valve) {
    let mut made = None;
    let make = async |mut config: Config, listener| {
        let site = &mut config.exchanges["bitfinex"];
        let valve = Valve::before(&site.rest_url).await;
        site.rest_url = valve.rest_url();
        made = Some(valve);
        App::start(config, listener).await
    };
    let rig = Rig::with(lenient(), config, make).await;
    (rig, made.unwrap())
}

/// The request named `the-first`, and once it has called for the book what `meanwhile` gives.
pub(crate) async fn during_the_first<T>(
    rig: &Rig,
    meanwhile: impl Future<Output = T>,
) -> (Reply, T) {
    let first = ask(rig.app.address(), "GET", BOOK, &[("x-request-id", "the-first")]);
    let second = async {
        let sent = async || (rig.calls(Family::Book) == 1).then_some(());
        eventually(SOON, "the call is sent", sent).await;
        meanwhile.await
    };
    tokio::join!(first, second)
}

/// Sends a request, and gives its answer, which comes once `valve` is open. It waits for what keeps
/// it by then: on a runtime of one thread connections are served in their order, and a later one
/// was.
pub(crate) async fn ask_through(rig: &Rig, valve: &Valve, path: &str) -> Reply {
    let request = head("GET", path, &[]);
    let mut stream = send(rig.app.address(), request.as_bytes()).await.expect("a connection");
    for _ in 0..2 {
        rig.status().await;
    }
    valve.open();
    let bytes = drain(&mut stream).await;
    Reply::parse(&bytes, true).expect("an answer").0
}

/// Asks to be told beside the body; gives the answer and what was told.
pub(crate) async fn explained(rig: &Rig, path: &str) -> (Reply, Value) {
    explained_as(rig, path, &[]).await
}

/// The same with headers.
pub(crate) async fn explained_as(
    rig: &Rig,
    path: &str,
    headers: &[(&str, &str)],
) -> (Reply, Value) {
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{mark}explain=true");
    let reply = ask(rig.app.address(), "GET", &path, headers).await;
    let told = reply.json()["explain"].clone();
    assert_eq!(told["request_id"].as_str(), reply.header("x-request-id"), "{}", reply.text());
    assert_eq!(reply.header("x-tidegate-explain"), None);
    (reply, told)
}

/// The only part of an explanation.
#[track_caller]
pub(crate) fn only(told: &Value) -> &Value {
    let parts = told["parts"].as_array().unwrap_or_else(|| panic!("{told}"));
    assert_eq!((parts.len(), &told["omitted_parts"]), (1, &0.into()), "{told}");
    &parts[0]
}

/// What a flight told of its only call.
#[track_caller]
pub(crate) fn only_call(part: &Value) -> &Value {
    let calls = part["flight"]["calls"].as_array().unwrap_or_else(|| panic!("{part}"));
    assert_eq!(calls.len(), 1, "{part}");
    &calls[0]
}
