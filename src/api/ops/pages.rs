//! The pages and their assets, embedded in the binary, and the description that `/docs` shows.

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Response, header},
    routing::get,
};

use bytes::Bytes;

use crate::api::{Payload, Reader, openapi, reader::json, router::Gateway};

/// Nothing is loaded from elsewhere, nothing runs that is not from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

macro_rules! asset {
    ($name:literal, $type:literal) => {
        get(async || embedded($type, include_str!(concat!("assets/", $name))))
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
        .route("/assets/docs.js", asset!("docs.js", "text/javascript; charset=utf-8"))
        .route("/assets/style.css", asset!("style.css", "text/css; charset=utf-8"))
        .route("/assets/icon.svg", asset!("icon.svg", "image/svg+xml"))
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

fn embedded(content_type: &'static str, text: &'static str) -> Response<Payload> {
    let mut response = Response::new(Payload::Shared(Some(text.into())));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
