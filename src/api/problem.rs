//! Errors as clients see them: `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::explain::ExplanationBody;
use crate::{
    market::Symbol,
    service::{ServiceError, UnknownExchange},
};

/// Stable names of errors: clients match on them, so they are never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProblemCode)]
#[expect(missing_docs, reason = "the variants are their names")]
pub enum Code {
    Unauthorized,
    Forbidden,
    ClientQuotaExceeded,
    UnknownSymbol,
    UnknownExchange,
    NotFound,
    MethodNotAllowed,
    UriTooLong,
    UpgradeRequired,
    InvalidParameter,
    Unsupported,
    UpstreamInvalid,
    BudgetExhausted,
    ExchangeUnavailable,
    ExchangeRateLimited,
    ExchangeMaintenance,
    Overloaded,
    Draining,
    UpstreamTimeout,
    DeadlineExceeded,
    Internal,
}

impl Code {
    /// Every code, by status.
    pub const ALL: [Self; 21] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownSymbol,
        Self::UnknownExchange,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UriTooLong,
        Self::InvalidParameter,
        Self::UpgradeRequired,
        Self::ClientQuotaExceeded,
        Self::Internal,
        Self::Unsupported,
        Self::UpstreamInvalid,
        Self::BudgetExhausted,
        Self::ExchangeUnavailable,
        Self::ExchangeRateLimited,
        Self::ExchangeMaintenance,
        Self::Overloaded,
        Self::Draining,
        Self::UpstreamTimeout,
        Self::DeadlineExceeded,
    ];

    const fn facts(self) -> (StatusCode, &'static str, &'static str, bool) {
        use StatusCode as S;
        match self {
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "A key is needed", false),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed", false),
            Self::ClientQuotaExceeded => {
                (S::TOO_MANY_REQUESTS, "client_quota_exceeded", "Quota exceeded", true)
            }
            Self::UnknownSymbol => (S::NOT_FOUND, "unknown_symbol", "Unknown symbol", false),
            Self::UnknownExchange => (S::NOT_FOUND, "unknown_exchange", "Unknown exchange", false),
            Self::NotFound => (S::NOT_FOUND, "not_found", "Not found", false),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", false)
            }
            Self::UriTooLong => (S::URI_TOO_LONG, "uri_too_long", "URI too long", false),
            Self::UpgradeRequired => {
                (S::UPGRADE_REQUIRED, "upgrade_required", "Upgrade required", false)
            }
            Self::InvalidParameter => {
                (S::UNPROCESSABLE_ENTITY, "invalid_parameter", "Invalid parameter", false)
            }
            Self::Unsupported => (S::NOT_IMPLEMENTED, "unsupported", "Unsupported", false),
            Self::UpstreamInvalid => {
                (S::BAD_GATEWAY, "upstream_invalid", "Invalid answer from the exchange", true)
            }
            Self::BudgetExhausted => {
                (S::SERVICE_UNAVAILABLE, "budget_exhausted", "Request budget exhausted", true)
            }
            Self::ExchangeUnavailable => {
                (S::SERVICE_UNAVAILABLE, "exchange_unavailable", "Exchange unavailable", true)
            }
            Self::ExchangeRateLimited => (
                S::SERVICE_UNAVAILABLE,
                "exchange_rate_limited",
                "Rate-limited by the exchange",
                true,
            ),
            Self::ExchangeMaintenance => {
                (S::SERVICE_UNAVAILABLE, "exchange_maintenance", "Exchange in maintenance", true)
            }
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", true),
            Self::Draining => (S::SERVICE_UNAVAILABLE, "draining", "Shutting down", true),
            Self::UpstreamTimeout => (
                S::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The exchange did not answer in time",
                true,
            ),
            Self::DeadlineExceeded => {
                (S::GATEWAY_TIMEOUT, "deadline_exceeded", "Deadline exceeded", true)
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error", true),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// The text in answers.
    pub const fn as_str(self) -> &'static str {
        self.facts().1
    }
}

/// An error on its way to a client. The middleware adds the request's path and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// What happened, for people.
    pub detail: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Near names, where a name is unknown.
    pub suggestions: Option<Vec<String>>,
    /// The parameter, where one is invalid.
    pub parameter: Option<Box<InvalidParameter>>,
    /// The part, where one of a composed answer failed.
    pub part: Option<&'static str>,
    /// True if it will not pass, although problems of its code mostly do.
    pub is_lasting: bool,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InvalidParameter {
    /// Its name.
    pub name: String,
    /// What was given, cut to 80 characters.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// `urn:tidegate:problem:` and the code.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What happened, for people.
    detail: &'a str,
    /// The request's path.
    instance: &'a str,
    /// What happened, for programs: never renamed.
    #[schema(value_type = Code)]
    code: &'static str,
    /// Whether the same request may succeed later; not where an exchange does not serve the
    /// gateway's address.
    retryable: bool,
    /// When to come back; on every 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    /// The same as in `X-Request-Id`.
    request_id: &'a str,
    /// Near names, where a name is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    suggestions: Option<&'a [String]>,
    /// The parameter, where one is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = InvalidParameter, required = false)]
    parameter: Option<&'a InvalidParameter>,
    /// The part, where one of a composed answer failed: `ohlcv` or `ticker`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    part: Option<&'static str>,
    /// How it came to this, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ExplanationBody, required = false)]
    explain: Option<&'a ExplanationBody>,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            code,
            detail,
            retry_after: None,
            suggestions: None,
            parameter: None,
            part: None,
            is_lasting: false,
        }
    }

    /// A parameter that cannot be used.
    pub fn parameter(name: &str, value: &str, allowed: impl Into<String>) -> Self {
        let allowed = allowed.into();
        let value: String = value.chars().take(80).collect();
        let name: String = name.chars().take(40).collect();
        let detail = format!("{name}={value:?}: {allowed}");
        let parameter = Some(Box::new(InvalidParameter { name, value, allowed }));
        Self { parameter, ..Self::new(Code::InvalidParameter, detail) }
    }

    /// The document as JSON.
    pub fn body(&self, instance: &str, request_id: &str) -> Vec<u8> {
        self.document(instance, request_id, None)
    }

    fn document(
        &self,
        instance: &str,
        request_id: &str,
        explain: Option<&ExplanationBody>,
    ) -> Vec<u8> {
        let (status, code, title, retryable) = self.code.facts();
        let document = Document {
            r#type: format!("urn:tidegate:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance,
            code,
            retryable: retryable && !self.is_lasting,
            // A client that did not wait at all would only come with those who were refused.
            retry_after_ms: self.retry_after.map(|wait| millis_rounded_up(wait).max(1)),
            request_id,
            suggestions: self.suggestions.as_deref(),
            parameter: self.parameter.as_deref(),
            part: self.part,
            explain,
        };
        serde_json::to_vec(&document).expect("a struct of strings and numbers serialises")
    }

    /// The response for a request of this path and id.
    pub(super) fn respond(
        &self,
        instance: &str,
        request_id: &str,
        explanation: Option<&ExplanationBody>,
    ) -> Response<Body> {
        let document = self.document(instance, request_id, explanation);
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if self.code == Code::UpgradeRequired {
            // RFC 9110, section 15.5.22.
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_rounded_up(wait)));
        }
        response
    }
}

/// How a key is asked for (RFC 9110, section 11.6.1; RFC 6750, section 3).
pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tidegate\"");

/// A client that waits as long as it was told is not to come too early.
pub(super) fn millis_rounded_up(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Whole seconds for `Retry-After`.
pub(super) fn seconds_rounded_up(wait: Duration) -> u64 {
    millis_rounded_up(wait).div_ceil(1000).max(1)
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let retry_after = error.retry_after();
        let detail = error.to_string();
        let is_lasting = matches!(error, ServiceError::Restricted { .. });
        let code = match error {
            ServiceError::Part { part, source } => {
                let inner = Self::from(*source);
                return Self { detail, part: Some(part), ..inner };
            }
            ServiceError::UnknownSymbol { suggestions, .. } => {
                let suggestions = suggestions.iter().map(Symbol::to_string).collect();
                let suggestions = Some(suggestions);
                return Self { suggestions, ..Self::new(Code::UnknownSymbol, detail) };
            }
            ServiceError::Unsupported(_) => Code::Unsupported,
            ServiceError::Rejected { .. } | ServiceError::Invalid(_) => Code::UpstreamInvalid,
            ServiceError::BudgetExhausted { .. } => Code::BudgetExhausted,
            ServiceError::RateLimited { .. } => Code::ExchangeRateLimited,
            ServiceError::Maintenance { .. } => Code::ExchangeMaintenance,
            ServiceError::Unavailable { .. } | ServiceError::Restricted { .. } => {
                Code::ExchangeUnavailable
            }
            ServiceError::UpstreamTimeout => Code::UpstreamTimeout,
            ServiceError::DeadlineExceeded | ServiceError::NotCached | ServiceError::Unmeetable => {
                Code::DeadlineExceeded
            }
            ServiceError::Internal => Code::Internal,
        };
        Self { retry_after, is_lasting, ..Self::new(code, detail) }
    }
}

impl From<UnknownExchange> for Problem {
    fn from(error: UnknownExchange) -> Self {
        let suggestions = error.served.iter().map(|name| (*name).to_owned()).collect();
        Self {
            suggestions: Some(suggestions),
            ..Self::new(Code::UnknownExchange, error.to_string())
        }
    }
}

impl IntoResponse for Problem {
    /// A response that the middleware completes: it alone knows the request's path and id.
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.code.status();
        response.extensions_mut().insert(self);
        response
    }
}
