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

use std::time::Duration;

use serde_json::Value;

use client::{Reply, ask};
use rig::{Rig, ms};

pub(crate) const SOON: Duration = ms(10_000);

pub(crate) const TICKER: &str = "/api/market-data/ticker/BTC-USD";

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
