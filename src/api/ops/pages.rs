//! The pages and their assets, embedded in the binary, and the description that `/docs` shows.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    routing::{MethodRouter, get},
};

use bytes::Bytes;

use crate::api::{
    Payload, Reader,
    answer::{accepts_gzip, knows},
    gzip::{self, Squeezed},
    openapi,
    reader::json,
    router::Gateway,
};

/// Nothing is loaded from elsewhere, nothing runs that is not from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// What browsers are told about every page and asset.
const SECURITY: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

macro_rules! asset {
    ($name:literal, $type:literal) => {
        Asset::embedded($type, include_str!(concat!("assets/", $name)))
    };
}

/// The routes of the pages.
pub(super) fn routes(reader: &Reader) -> Router<Gateway> {
    let document = openapi::document(reader);
    let streams = Bytes::from(json(&openapi::streams::document(&document)));
    let document = Bytes::from(json(&document));
    Router::new()
        .route("/openapi.json", get(openapi).with_state(document))
        .route("/asyncapi.json", get(openapi).with_state(streams))
        .route("/", asset!("index.html", "text/html; charset=utf-8"))
        .route("/docs", asset!("docs.html", "text/html; charset=utf-8"))
        .route("/assets/app.js", asset!("app.js", "text/javascript; charset=utf-8"))
        .route("/assets/app.css", asset!("app.css", "text/css; charset=utf-8"))
        .route("/assets/docs.js", asset!("docs.js", "text/javascript; charset=utf-8"))
        .route("/assets/style.css", asset!("style.css", "text/css; charset=utf-8"))
        .route("/assets/icon.svg", asset!("icon.svg", "image/svg+xml"))
        .route("/assets/licenses.txt", asset!("licenses.txt", "text/plain; charset=utf-8"))
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "Operations",
    responses((status = 200, description = "The description", body = Object))
)]
pub(crate) async fn openapi(State(document): State<Bytes>) -> Response<Payload> {
    let mut response = Response::new(Payload::Shared(Some(document)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A text of the binary, zipped once.
struct Asset {
    content_type: &'static str,
    plain: Bytes,
    /// `None` where zipping gains nothing.
    zipped: Option<Bytes>,
    tag: String,
}

impl Asset {
    fn embedded(content_type: &'static str, text: &'static str) -> MethodRouter<Gateway> {
        let bytes = text.as_bytes();
        let asset = Arc::new(Self {
            content_type,
            plain: Bytes::from_static(bytes),
            zipped: (bytes.len() >= gzip::MIN_BYTES)
                .then(|| Squeezed::new(bytes).end_with(&[]))
                .flatten(),
            tag: format!("{:08x}{:x}", crc32fast::hash(bytes), bytes.len()),
        });
        get(async move |request: HeaderMap| asset.answer(&request))
    }

    /// A browser asks each time whether it has changed, so that a new binary is a new page.
    fn answer(&self, request: &HeaderMap) -> Response<Payload> {
        let zipped = self.zipped.as_ref().filter(|_| accepts_gzip(request));
        let is_known = knows(request, &self.tag);
        let body = zipped.unwrap_or(&self.plain).clone();
        let mut response = Response::new(Payload::Shared((!is_known).then_some(body)));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        let form = if zipped.is_some() { "-gz" } else { "" };
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}{form}\"", self.tag)) {
            headers.insert(header::ETAG, tag);
        }
        if zipped.is_some() && !is_known {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in SECURITY {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
