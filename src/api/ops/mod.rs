//! For those who run it: health, metrics, status, and the pages.

mod disk;
mod feeds;
pub(super) mod health;
pub(super) mod pages;
pub(super) mod status;

use axum::{Router, routing::get};

use super::{Reader, router::Gateway};

/// The routes of operation.
pub(super) fn routes(reader: &Reader) -> Router<Gateway> {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(status::metrics))
        .route("/api/status", get(status::status))
        .merge(pages::routes(reader))
}
