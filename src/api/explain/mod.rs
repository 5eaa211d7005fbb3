//! Why and how a request was answered, for those who ask.
//!
//! `?explain=true` puts it beside the keys of an answer that is an object; the header
//! `X-Tidegate-Explain: 1` puts it into the answer's header of the same name, and so do answers
//! that have no place beside their rows. Problems have it in either case.

mod body;
pub(super) mod forecast;
mod part;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header};
use bytes::Bytes;
use tokio::time::Instant;

pub(super) use body::ExplanationBody;
pub(super) use forecast::ForecastBody;

use super::{
    Reader,
    demand::demand,
    params::{EXPLAIN, Params},
    payload::Payload,
};
use crate::{cache::Demand, telemetry::explain::Trail};

/// The header, of requests and of answers.
pub(super) const X_TIDEGATE_EXPLAIN: HeaderName = HeaderName::from_static("x-tidegate-explain");

/// The longest header that is sent.
const MAX_HEADER: usize = 4096;

/// A request that wants to be explained.
#[derive(Clone, Debug)]
pub(super) struct Explained {
    trail: Arc<Trail>,
    id: Arc<str>,
    demand: Demand,
    in_body: bool,
    in_header: bool,
}

/// Marks an answer in whose body the explanation is.
#[derive(Clone, Copy)]
struct Told;

impl Explained {
    /// What a request for market data asks for; `None` where that is no explanation.
    pub(super) fn wanted(
        uri: &Uri,
        headers: &HeaderMap,
        id: &str,
        arrived: Instant,
    ) -> Option<Self> {
        let path = uri.path();
        let own = path.strip_prefix("/api/market-data/");
        let is_own = own.is_some_and(|name| !matches!(name, "stream" | "ws"));
        if !is_own && path != "/v2" && !path.starts_with("/v2/") {
            return None;
        }
        let header = headers.get(&X_TIDEGATE_EXPLAIN);
        let in_header = header.is_some_and(|it| it == "1" || it == "true");
        let in_body = is_own && Params::has_flag(uri.query(), EXPLAIN.name);
        (in_header || in_body).then(|| Self {
            trail: Trail::new(arrived),
            id: id.into(),
            demand: demand(headers).unwrap_or_default(),
            in_body,
            in_header,
        })
    }

    /// Where its steps are noted.
    pub(super) fn trail(&self) -> &Arc<Trail> {
        &self.trail
    }

    /// True if its answer is made for it alone.
    pub(super) fn is_in_body(&self) -> bool {
        self.in_body
    }

    /// All that is known by now.
    pub(super) fn body(&self, reader: &Reader, path: &str) -> ExplanationBody {
        ExplanationBody::of(self, reader, path)
    }

    /// Puts the explanation beside the keys of an answer that is an object, where it is wanted
    /// there.
    pub(super) fn beside(
        &self,
        reader: &Reader,
        path: &str,
        mut response: Response<Payload>,
    ) -> Response<Payload> {
        let Payload::Shared(Some(body)) = response.body() else { return response };
        let is_json = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|media| media.as_bytes().starts_with(b"application/json"));
        let Some(rows) = body.strip_suffix(b"}").filter(|_| self.in_body && is_json) else {
            return response;
        };
        let explanation = super::reader::json(&self.body(reader, path));
        let comma: &[u8] = if rows.ends_with(b"{") { b"" } else { b"," };
        let explained = [rows, comma, b"\"explain\":", &explanation, b"}"].concat();
        *response.body_mut() = Payload::Shared(Some(Bytes::from(explained)));
        let headers = response.headers_mut();
        // It is about this request, and no other is to be given it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(Told);
        response
    }

    /// Puts the explanation into the header, where it is wanted there or was not told elsewhere.
    pub(super) fn complete<B>(&self, reader: &Reader, path: &str, response: &mut Response<B>) {
        let told = response.extensions_mut().remove::<Told>().is_some();
        if self.in_header || !told {
            let value = self.body(reader, path).header(MAX_HEADER);
            response.headers_mut().insert(X_TIDEGATE_EXPLAIN, value);
        }
    }

    /// The explanation of a problem, which has it in its document.
    pub(super) fn of_problem<B>(
        &self,
        reader: &Reader,
        path: &str,
        refuse: impl FnOnce(&ExplanationBody) -> Response<B>,
    ) -> Response<B> {
        let mut response = refuse(&self.body(reader, path));
        let media = response.headers().get(header::CONTENT_TYPE);
        if media.is_some_and(|media| media == "application/problem+json") {
            response.extensions_mut().insert(Told);
        }
        response
    }
}
