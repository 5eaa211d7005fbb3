//! Answers that succeed: their headers, and examples of their bodies as a gateway gave them.

use serde_json::{Value, json};

use super::references;
use crate::api::answer::Format;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("examples/", $name))
    };
}

/// Headers of answers.
pub(super) fn headers() -> Value {
    let header = |schema: Value, required: bool, example: Value, about: &str| {
        json!({
            "description": about, "required": required, "schema": schema, "example": example
        })
    };
    let text = || json!({ "type": "string" });
    json!({
        "Age": header(
            json!({ "type": "integer", "minimum": 0 }), true, 0.into(),
            "Seconds since the oldest part of the answer was received from the exchange; absent \
             where every part is a problem."
        ),
        "Cache-Control": header(
            text(), true, "max-age=3, stale-while-revalidate=3, stale-if-error=30".into(),
            "How long the answer is fresh, and how long it may be used after that; `no-cache` \
             where it was waited for or a part is missing, `no-store` where it is true only now."
        ),
        "Cache-Status": header(
            text(), true, "tidegate; hit; ttl=2; detail=rest".into(),
            "Whether the answer was held (`hit`) or fetched (`fwd=miss`, `fwd=stale`, with \
             `collapsed` where it was fetched for another request), the seconds for which it is \
             still fresh, and where it came from: `stream`, `rest` or `store` (RFC 9211)."
        ),
        "Content-Disposition": header(
            text(), false, "attachment; filename=\"BTC-USD-5m.csv\"".into(),
            "A name for the file; present where the answer is a table (CSV, Arrow, Parquet)."
        ),
        "ETag": header(
            text(), true, "\"18c18b9e49c009a9\"".into(),
            "The name of this answer, for `If-None-Match`."
        ),
        "Link": header(
            text(), false,
            "</api/market-data/ohlcv/BTC/USD?since=1795360200000&limit=2>; rel=\"next\"".into(),
            "Where the range that was asked for goes on (RFC 8288); present where it does."
        ),
        "RateLimit": header(
            text(), false, "\"bots\";r=5990;t=60".into(),
            "What is left of the client's quota: `r` requests, and in `t` the seconds over which \
             to spread them so that they are followed by as many again, or until the next one \
             where none is left; present where the client has a quota \
             (draft-ietf-httpapi-ratelimit-headers-11)."
        ),
        "RateLimit-Policy": header(
            text(), false, "\"bots\";q=6000;w=60".into(),
            "The client's quota: `q` requests in `w` seconds; present where it has one."
        ),
        "Retry-After": header(
            json!({ "type": "integer", "minimum": 1 }), true, 2.into(),
            "Seconds after which it is worth asking again; `retry_after_ms`, rounded up."
        ),
        "Vary": header(
            text(), false, "accept-encoding".into(),
            "Present where the answer is long enough to be compressed."
        ),
        "X-Tidegate-Derived": header(
            text(), false, "1h".into(),
            "The narrower timeframe that the candles were computed from; present where they were."
        ),
        "X-Tidegate-Last-Due": header(
            text(), false, "1795363200000; final".into(),
            "The opening time of the last candle that was due, and whether it is `final`, `empty` \
             or `pending`; present where `wait_final` was given and a candle was due."
        ),
        "WWW-Authenticate": header(
            text(), true, "Bearer realm=\"tidegate\"".into(), "How a key is shown (RFC 6750)."
        ),
        "X-Tidegate-Explain": header(
            text(), false, "{\"request_id\":\"68aa80d9fbb1c505\",\"client\":\"anonymous\",...}".into(),
            "Why and how the request was answered, as the `Explanation` in JSON, cut to 4 KiB \
             (`omitted_parts`); present where it was asked for and is not in the body."
        ),
        "X-Request-Id": header(
            text(), true, "order-bot-7f3a".into(),
            "The name that the request came with, or was given."
        )
    })
}

/// Adds headers and examples to the 200 of an operation.
pub(super) fn complete(operation: &str, response: &mut Value, is_cached: bool) {
    response["headers"] = match (is_cached, operation) {
        (true, _) => of_held(operation),
        (false, "metrics") => references("headers", &["X-Request-Id"]),
        (false, _) => references("headers", &["Cache-Control", "X-Request-Id"]),
    };
    for (media, name, example) in examples(operation) {
        let example = match *media {
            "application/json" => serde_json::from_str(example).expect("a recorded answer"),
            _ => Value::from(*example),
        };
        response["content"][media]["examples"][name]["value"] = example;
    }
    if FRAMES.contains(&operation) {
        complete_frames(operation, response);
    }
}

/// Adds to an answer what clients with a quota are told of it.
pub(super) fn tell_quota(response: &mut Value) {
    let more = references("headers", &["RateLimit", "RateLimit-Policy"]);
    for (name, reference) in more.as_object().into_iter().flatten() {
        response["headers"][name] = reference.clone();
    }
}

/// Operations that answer with tables as well.
const FRAMES: [&str; 2] = ["ohlcv", "trades"];

/// Adds the formats that are no text. A schema of bytes has no type (OpenAPI
/// 3.1.1, "Working with Binary Data"), and their examples are given by address.
fn complete_frames(operation: &str, response: &mut Value) {
    response["headers"]["Content-Disposition"] =
        references("headers", &["Content-Disposition"])["Content-Disposition"].take();
    for (format, name, title) in [
        (Format::Arrow, "arrow", "An Arrow IPC stream"),
        (Format::Parquet, "parquet", "A Parquet file"),
    ] {
        let media = format.media_type();
        let place = format!("/api/market-data/{operation}/BTC/USD?format={name}");
        response["content"][media] = json!({
            "schema": { "description": title, "contentMediaType": media },
            "examples": { name: { "summary": title, "externalValue": place } }
        });
    }
}

/// The 304 of an operation.
pub(super) fn not_modified(operation: &str) -> Value {
    json!({
        "description": "The client holds this answer already",
        "headers": of_held(operation)
    })
}

/// The headers of an answer that may be held.
fn of_held(operation: &str) -> Value {
    let names = ["Age", "Cache-Control", "Cache-Status", "ETag", "Vary", "X-Request-Id"];
    let mut all = references("headers", &names);
    if matches!(operation, "market_contexts" | "compare") {
        for name in ["Age", "Cache-Status"] {
            all[name] = headers()[name].take();
            all[name]["required"] = false.into();
        }
    }
    if operation == "ohlcv" {
        let more = references("headers", &["Link", "X-Tidegate-Derived", "X-Tidegate-Last-Due"]);
        for (name, reference) in more.as_object().into_iter().flatten() {
            all[name] = reference.clone();
        }
    }
    all
}

/// Media type, name and text.
fn examples(operation: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    const JSON: &str = "application/json";
    const TEXT: &str = "text/plain";
    match operation {
        "ohlcv" => &[
            (JSON, "objects", recorded!("ohlcv.json")),
            (JSON, "arrays", recorded!("ohlcv_arrays.json")),
            (JSON, "waited", recorded!("ohlcv_waited.json")),
            ("text/csv", "csv", recorded!("ohlcv.csv")),
        ],
        "ticker" => &[(JSON, "ticker", recorded!("ticker.json"))],
        "tickers" => &[(JSON, "two", recorded!("tickers.json"))],
        "orderbook" => &[(JSON, "book", recorded!("orderbook.json"))],
        "trades" => {
            &[(JSON, "two", recorded!("trades.json")), ("text/csv", "csv", recorded!("trades.csv"))]
        }
        "market_context" => &[(JSON, "context", recorded!("market_context.json"))],
        "market_contexts" => &[(JSON, "one_unknown", recorded!("market_contexts.json"))],
        "validate_market" => &[(JSON, "valid", recorded!("validate_market.json"))],
        "markets" => &[(JSON, "two", recorded!("markets.json"))],
        "stream" => &[("text/event-stream", "begin", recorded!("stream.txt"))],
        "compare" => &[(JSON, "two", recorded!("compare.json"))],
        "exchanges" => &[(JSON, "exchanges", recorded!("exchanges.json"))],
        "livez" | "healthz" => {
            &[(TEXT, "plain", "ok\n"), (JSON, "verbose", recorded!("health.json"))]
        }
        "readyz" => &[(TEXT, "plain", "ready\n"), (JSON, "verbose", recorded!("health.json"))],
        "status" => &[(JSON, "status", recorded!("status.json"))],
        "status_history" => &[(JSON, "history", recorded!("status_history.json"))],
        "drain" => &[(JSON, "draining", r#"{"state":"draining"}"#)],
        "clear" => &[(JSON, "cleared", r#"{"cleared":true}"#)],
        "cordon" => &[(JSON, "cordoned", r#"{"exchange":"bitfinex","cordoned":true}"#)],
        "uncordon" => &[(JSON, "open", r#"{"exchange":"bitfinex","cordoned":false}"#)],
        "log" => &[(JSON, "log", r#"{"filter":"info,tidegate=debug","before":"info"}"#)],
        "metrics" => &[(TEXT, "some", recorded!("metrics.txt"))],
        _ => &[],
    }
}
