//! Answers that fail, each with problems that are made as they are made for clients.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::references;
use crate::{
    api::{
        admission::KEY_NEEDED,
        market_data::ohlcv,
        params::{CANDLES, Params},
        problem::{Code, Problem},
    },
    market::Symbol,
    service::{ServiceError, UnknownExchange},
};

const PATH: &str = "/api/market-data/ohlcv/BTC/USD";
const REQUEST_ID: &str = "68aa80d9fbb1c505";

/// The name of a status's component: `NotFound`.
fn name(status: u16) -> String {
    let status = StatusCode::from_u16(status).expect("a problem's status");
    status.canonical_reason().expect("a known status").replace(' ', "")
}

/// A reference to the component of a status.
pub(super) fn reference(status: u16) -> Value {
    json!({ "$ref": format!("#/components/responses/{}", name(status)) })
}

/// One component for each status that a described operation may have.
pub(super) fn responses() -> Value {
    let statuses = [401, 403, 404, 414, 422, 426, 429, 500, 501, 502, 503, 504];
    statuses.into_iter().map(|status| (name(status), response(status))).collect()
}

fn response(status: u16) -> Value {
    let is_of_status = |code: &Code| code.status().as_u16() == status;
    let codes: Vec<_> = Code::ALL.into_iter().filter(is_of_status).map(Code::as_str).collect();
    let problems = problems().into_iter().filter(|problem| is_of_status(&problem.code));
    let examples: serde_json::Map<_, _> = problems
        .map(|problem| {
            let body = problem.body(PATH, REQUEST_ID);
            let value: Value = serde_json::from_slice(&body).expect("a problem is JSON");
            (problem.code.as_str().to_owned(), json!({ "value": value }))
        })
        .collect();
    let headers: &[&str] = match status {
        401 => &["Cache-Control", "WWW-Authenticate", "X-Request-Id"],
        429 => &["Cache-Control", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        503 => &["Cache-Control", "Retry-After", "X-Request-Id"],
        _ => &["Cache-Control", "X-Request-Id"],
    };
    json!({
        "description": about(status),
        "headers": references("headers", headers),
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [
                        { "$ref": "#/components/schemas/Problem" },
                        {
                            "type": "object",
                            "properties": {
                                "status": { "const": status },
                                "code": { "enum": codes }
                            }
                        }
                    ]
                },
                "examples": examples
            }
        }
    })
}

fn about(status: u16) -> &'static str {
    match status {
        401 => "A key is needed, and none or an unknown one was sent",
        403 => "The key's client may not do this",
        404 => "There is no such market or exchange; `suggestions` has near names",
        414 => "Path and query are longer than the gateway reads",
        422 => "A parameter, or a directive of `Cache-Control`, cannot be used",
        426 => "This is a WebSocket, and the request is none for it (RFC 6455, section 4.2.1)",
        429 => "The client's own quota is used up; `Retry-After` tells when there is more",
        500 => "A fault of the gateway's own, which it has logged",
        501 => {
            "The exchange does not offer it: a timeframe that cannot be computed from those that \
             it offers either, candles or trades of a past that it does not tell, an aggregation \
             of prices; streams carry only timeframes that it offers"
        }
        502 => "The exchange answered something that cannot be read or cannot be true",
        503 => "It cannot be answered now; `Retry-After` tells when it can",
        _ => "It could not be answered in time",
    }
}

/// A problem of each code that a GET may be answered with.
fn problems() -> Vec<Problem> {
    let soon = Duration::from_millis(1_840);
    let later = Some(Duration::from_secs(1));
    let limit = Params::parse(Some("limit=20000"), &ohlcv::PARAMS).and_then(|it| it.limit(CANDLES));
    let mut problems = vec![
        ServiceError::UnknownSymbol {
            exchange: "bitfinex".into(),
            asked: "BTC/UDS".to_owned(),
            suggestions: vec![Symbol::spot("BTC", "USD"), Symbol::spot("BTC", "USDT")],
        }
        .into(),
        UnknownExchange { asked: "mtgox".to_owned(), served: vec!["bitfinex"] }.into(),
        Problem::new(Code::Unauthorized, KEY_NEEDED),
        Problem::new(Code::Forbidden, "this needs a key with the right admin"),
        Problem {
            retry_after: Some(soon),
            ..Problem::new(Code::ClientQuotaExceeded, "600 requests in 1m are used up")
        },
        Problem::new(Code::NotFound, "there is nothing at this path"),
        Problem::new(Code::UriTooLong, "path and query may have 4096 bytes"),
        Problem::new(Code::UpgradeRequired, "this is a WebSocket; ask for an upgrade to it"),
        ServiceError::Internal.into(),
        ServiceError::Unsupported("bitfinex offers no 4h candles; it offers 1h, 3h, 6h".to_owned())
            .into(),
        ServiceError::Invalid("a crossed book".to_owned()).into(),
        ServiceError::BudgetExhausted { retry_after: soon }.into(),
        ServiceError::Unavailable {
            reason: "it failed repeatedly and is given a rest".to_owned(),
            retry_after: soon,
        }
        .into(),
        ServiceError::RateLimited { retry_after: Duration::from_secs(60) }.into(),
        ServiceError::Maintenance { retry_after: soon }.into(),
        Problem {
            retry_after: later,
            ..Problem::new(Code::Overloaded, "too many requests wait already")
        },
        Problem {
            retry_after: later,
            ..Problem::new(Code::Draining, "the process is shutting down")
        },
        ServiceError::UpstreamTimeout.into(),
        ServiceError::DeadlineExceeded.into(),
    ];
    problems.extend(limit.err());
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_example_but_that_of_other_methods() {
        let shown: Vec<_> = problems().iter().map(|problem| problem.code).collect();
        let missing: Vec<_> = Code::ALL.into_iter().filter(|code| !shown.contains(code)).collect();
        assert_eq!(missing, [Code::MethodNotAllowed]);
    }
}
