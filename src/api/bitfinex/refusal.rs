//! Refusals in the exchange's own shapes.
//!
//! Most are an array, `["error", CODE, "text"]`, with the exchange's status: 500 for a bad
//! parameter, 429 for the rate limit (docs.bitfinex.com/docs/abbreviations-glossary, 2025-11).
//! What stands before the exchange says 503 with an object, and 404 with a page.

use std::{fmt::Write as _, time::Duration};

use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::route::NotAsked;
use crate::{
    api::{
        faults::Reason,
        payload::Payload,
        problem::{CHALLENGE, Code, Problem, seconds_rounded_up},
        reader::json,
    },
    exchange::bitfinex::native::BadNative,
    service::ServiceError,
    telemetry::Outcome,
};

/// Numbers of errors (docs.bitfinex.com/docs/abbreviations-glossary, 2025-11).
mod code {
    pub(super) const UNKNOWN: i64 = 10_000;
    pub(super) const GENERIC: i64 = 10_001;
    pub(super) const PARAMS: i64 = 10_020;
    pub(super) const AUTH: i64 = 10_100;
    pub(super) const RATE_LIMIT: i64 = 11_010;
    pub(super) const MAINTENANCE: i64 = 20_060;
}

/// An answer that could not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum Refusal {
    /// There is nothing at this path.
    NoRoute,
    /// An error array.
    Error {
        /// HTTP status.
        status: StatusCode,
        /// Number of the error.
        code: i64,
        /// Text of the error.
        message: String,
        /// When to come back.
        retry_after: Option<Duration>,
    },
    /// Out of service for now.
    Unavailable {
        /// Why.
        reason: String,
        /// When to come back.
        retry_after: Option<Duration>,
    },
}

#[derive(Serialize)]
struct UnavailableBody<'a> {
    code: u16,
    error: &'static str,
    error_description: &'a str,
}

impl Refusal {
    /// The exchange's words for a parameter that it cannot use: `symbol: invalid`.
    pub(super) fn invalid(parameter: &str) -> Self {
        let message = format!("{parameter}: invalid");
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, code::PARAMS, message)
    }

    fn error(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self::Error { status, code, message: message.into(), retry_after: None }
    }

    fn rate_limit(retry_after: Option<Duration>) -> Self {
        let (status, message) = (StatusCode::TOO_MANY_REQUESTS, "ratelimit: error".to_owned());
        Self::Error { status, code: code::RATE_LIMIT, message, retry_after }
    }

    fn maintenance(retry_after: Option<Duration>) -> Self {
        let (status, message) = (StatusCode::INTERNAL_SERVER_ERROR, "maintenance".to_owned());
        Self::Error { status, code: code::MAINTENANCE, message, retry_after }
    }

    fn late(message: String) -> Self {
        Self::error(StatusCode::GATEWAY_TIMEOUT, code::GENERIC, message)
    }

    /// Clients take 10001 with status 500 for a lack of permission.
    fn internal(message: String) -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, code::UNKNOWN, message)
    }

    fn reason(&self) -> Reason {
        let (code, detail) = match self {
            Self::NoRoute => ("not_found".into(), "there is no such route"),
            Self::Error { code, message, .. } => (code.to_string().into(), message.as_str()),
            Self::Unavailable { reason, .. } => ("temporarily_unavailable".into(), reason.as_str()),
        };
        Reason { code, detail: detail.to_owned() }
    }

    /// The response to a request of this method and path.
    pub(in crate::api) fn respond(&self, method: &str, path: &str) -> Response<Payload> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
        const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        let (status, content_type, body, retry_after) = match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, HTML, not_found(method, path), None),
            Self::Error { status, code, message, retry_after } => {
                (*status, JSON, json(&("error", code, message)), *retry_after)
            }
            Self::Unavailable { reason, retry_after } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let error = "temporarily_unavailable";
                let body =
                    UnavailableBody { code: status.as_u16(), error, error_description: reason };
                (status, JSON, json(&body), *retry_after)
            }
        };
        let mut response = Response::new(Payload::Shared(Some(body.into())));
        *response.status_mut() = status;
        if matches!(self, Self::Error { code: code::PARAMS, .. }) {
            // The exchange's status says 500, yet it is the client's mistake.
            response.extensions_mut().insert(Outcome::ClientError);
        }
        response.extensions_mut().insert(self.reason());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_rounded_up(wait)));
        }
        response
    }
}

/// What the exchange's web framework says of a path that it does not know.
fn not_found(method: &str, path: &str) -> Vec<u8> {
    let mut escaped = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            _ => escaped.push(c),
        }
    }
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Error</title>\n</head>\n<body>\n<pre>Cannot {method} /api{escaped}</pre>\n\
         </body>\n</html>\n"
    );
    page.into_bytes()
}

impl From<BadNative> for Refusal {
    fn from(bad: BadNative) -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, bad.code, bad.message)
    }
}

impl From<NotAsked> for Refusal {
    fn from(not_asked: NotAsked) -> Self {
        match not_asked {
            NotAsked::NoRoute => Self::NoRoute,
            NotAsked::Bad(bad) => bad.into(),
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        let (retry_after, text) = (error.retry_after(), error.to_string());
        match error {
            ServiceError::UnknownSymbol { .. } => Self::invalid("symbol"),
            ServiceError::Unsupported(_) => Self::invalid("time_interval"),
            ServiceError::Rejected { code: 400..500, .. } => Self::NoRoute,
            ServiceError::Rejected { code, message } => {
                Self::error(StatusCode::INTERNAL_SERVER_ERROR, code, message)
            }
            ServiceError::BudgetExhausted { .. } | ServiceError::RateLimited { .. } => {
                Self::rate_limit(retry_after)
            }
            ServiceError::Maintenance { .. } => Self::maintenance(retry_after),
            ServiceError::Unavailable { .. } | ServiceError::Restricted { .. } => {
                Self::Unavailable { reason: text, retry_after }
            }
            ServiceError::UpstreamTimeout
            | ServiceError::DeadlineExceeded
            | ServiceError::NotCached
            | ServiceError::Unmeetable => Self::late(text),
            ServiceError::Invalid(_) => Self::error(StatusCode::BAD_GATEWAY, code::GENERIC, text),
            ServiceError::Internal => Self::internal(text),
            ServiceError::Part { source, .. } => (*source).into(),
        }
    }
}

impl From<&Problem> for Refusal {
    fn from(problem: &Problem) -> Self {
        let (retry_after, text) = (problem.retry_after, problem.detail.clone());
        match problem.code {
            // The exchange's web framework knows no 405 either: a path has its methods.
            Code::NotFound | Code::UnknownExchange | Code::MethodNotAllowed => Self::NoRoute,
            Code::UnknownSymbol => Self::invalid("symbol"),
            Code::InvalidParameter => {
                Self::invalid(problem.parameter.as_ref().map_or("request", |one| &one.name))
            }
            Code::UriTooLong | Code::UpgradeRequired => {
                Self::error(problem.code.status(), code::GENERIC, text)
            }
            Code::Unsupported => Self::error(StatusCode::NOT_IMPLEMENTED, code::GENERIC, text),
            Code::UpstreamInvalid => Self::error(StatusCode::BAD_GATEWAY, code::GENERIC, text),
            Code::BudgetExhausted | Code::ExchangeRateLimited | Code::ClientQuotaExceeded => {
                Self::rate_limit(retry_after)
            }
            Code::Unauthorized | Code::Forbidden => {
                Self::error(problem.code.status(), code::AUTH, text)
            }
            Code::ExchangeMaintenance => Self::maintenance(retry_after),
            Code::ExchangeUnavailable | Code::Overloaded | Code::Draining => {
                Self::Unavailable { reason: text, retry_after }
            }
            Code::UpstreamTimeout | Code::DeadlineExceeded => Self::late(text),
            Code::Internal => Self::internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(refusal: impl Into<Refusal>) -> (u16, String, Option<String>) {
        let response = refusal.into().respond("GET", "/v2/x");
        let wait = response.headers().get(header::RETRY_AFTER);
        let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let Payload::Shared(Some(body)) = response.into_body() else { panic!("no body") };
        (status, String::from_utf8(body.to_vec()).unwrap(), wait)
    }

    #[test]
    fn errors_are_the_exchanges_own() {
        let wait = Duration::from_millis(1500);
        let rejected = |code| ServiceError::Rejected { code, message: "symbol: invalid".into() };
        for (error, status, body, retry_after) in [
            (rejected(10_020), 500, r#"["error",10020,"symbol: invalid"]"#, None),
            (
                ServiceError::BudgetExhausted { retry_after: wait },
                429,
                r#"["error",11010,"ratelimit: error"]"#,
                Some("2"),
            ),
            (
                ServiceError::RateLimited { retry_after: wait },
                429,
                r#"["error",11010,"ratelimit: error"]"#,
                Some("2"),
            ),
            (
                ServiceError::Maintenance { retry_after: wait },
                500,
                r#"["error",20060,"maintenance"]"#,
                Some("2"),
            ),
            (
                ServiceError::Unavailable { reason: "HTTP 503".into(), retry_after: wait },
                503,
                r#"{"code":503,"error":"temporarily_unavailable","error_description":"the exchange is unavailable: HTTP 503"}"#,
                Some("2"),
            ),
            (
                ServiceError::UpstreamTimeout,
                504,
                r#"["error",10001,"the exchange did not answer in time"]"#,
                None,
            ),
            (
                ServiceError::Invalid("book: crossed".into()),
                502,
                r#"["error",10001,"the exchange's answer is invalid: book: crossed"]"#,
                None,
            ),
        ] {
            let expected = (status, body.to_owned(), retry_after.map(str::to_owned));
            assert_eq!(said(error), expected);
        }
        let (status, page, _) = said(rejected(404));
        assert_eq!(status, 404);
        assert!(page.contains("<pre>Cannot GET /api/v2/x</pre>"), "{page}");
    }

    #[test]
    fn problems_are_no_documents_here() {
        let mut overloaded = Problem::new(Code::Overloaded, "too many requests wait already");
        overloaded.retry_after = Some(Duration::from_secs(1));
        let body = r#"{"code":503,"error":"temporarily_unavailable","error_description":"too many requests wait already"}"#;
        assert_eq!(said(&overloaded), (503, body.to_owned(), Some("1".to_owned())));
        let panicked = Problem::new(Code::Internal, "the request's handler panicked");
        let body = r#"["error",10000,"the request's handler panicked"]"#;
        assert_eq!(said(&panicked), (500, body.to_owned(), None));
    }

    /// ccxt takes 10100 for a failed authentication, and 11010 for a rate limit.
    #[test]
    fn those_who_may_not_ask_are_told_in_the_exchanges_words() {
        let unknown = Problem::new(Code::Unauthorized, "the key is not known here");
        let body = r#"["error",10100,"the key is not known here"]"#;
        assert_eq!(said(&unknown), (401, body.to_owned(), None));
        let response = Refusal::from(&unknown).respond("GET", "/v2/x");
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"tidegate\"");
        let forbidden = Problem::new(Code::Forbidden, "no");
        assert_eq!(said(&forbidden), (403, r#"["error",10100,"no"]"#.to_owned(), None));
        let mut exceeded = Problem::new(Code::ClientQuotaExceeded, "used up");
        exceeded.retry_after = Some(Duration::from_millis(1001));
        let body = r#"["error",11010,"ratelimit: error"]"#;
        assert_eq!(said(&exceeded), (429, body.to_owned(), Some("2".to_owned())));
    }

    #[test]
    fn paths_are_escaped() {
        let response = Refusal::NoRoute.respond("POST", "/v2/<script>&'\"");
        let Payload::Shared(Some(body)) = response.into_body() else { panic!("no body") };
        let page = String::from_utf8(body.to_vec()).unwrap();
        let expected = "<pre>Cannot POST /api/v2/&#60;script&#62;&#38;&#39;&#34;</pre>";
        assert!(page.contains(expected), "{page}");
    }
}
