//! Cross-origin requests (fetch.spec.whatwg.org, section 3.2, 2026-10): whose pages may read
//! answers. Without configured origins nothing here is done.

use axum::http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{self, Entry},
};

use super::Payload;
use crate::config;

/// Headers of answers that scripts may read, beyond those that always are.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Age, ETag, Cache-Status, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Link",
);
/// Headers that scripts may send. `*` would leave out `Authorization`.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, X-Api-Key, Cache-Control, If-None-Match, Priority, X-Request-Id, \
     X-Tidegate-Explain, Last-Event-ID",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// How long a browser may go by a preflight's answer. Chromium keeps none for longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const EVERYBODY: HeaderValue = HeaderValue::from_static("*");

/// How a request stands to the configured origins.
pub(super) struct Cors {
    allowed: Option<HeaderValue>,
    /// The answer depends on who asks.
    varies: bool,
}

impl Cors {
    /// `None` where no origin is configured.
    pub(super) fn of(settings: &config::Cors, request: &HeaderMap) -> Option<Self> {
        let origins = &settings.origins;
        if origins.is_empty() {
            return None;
        }
        if origins.iter().any(|origin| origin == "*") {
            return Some(Self { allowed: Some(EVERYBODY), varies: false });
        }
        let origin = request.get(header::ORIGIN);
        let listed = |origin: &&HeaderValue| origins.iter().any(|listed| *origin == listed);
        Some(Self { allowed: origin.filter(listed).cloned(), varies: true })
    }

    /// The answer to a preflight; `None` if the request is none.
    pub(super) fn preflight(
        &self,
        method: &Method,
        request: &HeaderMap,
    ) -> Option<Response<Payload>> {
        let asks = |name| request.contains_key(name);
        if *method != Method::OPTIONS
            || !asks(header::ORIGIN)
            || !asks(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut response = Response::new(Payload::Shared(None));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if let Some(allowed) = &self.allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        self.vary(headers);
        Some(response)
    }

    /// Tells the browser who may read an answer.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        if let Some(allowed) = &self.allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        self.vary(headers);
    }

    fn vary(&self, headers: &mut HeaderMap) {
        if !self.varies {
            return;
        }
        const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
        match headers.entry(header::VARY) {
            Entry::Vacant(vacant) => {
                vacant.insert(ORIGIN);
            }
            Entry::Occupied(mut held) => {
                held.append(ORIGIN);
            }
        }
    }
}
