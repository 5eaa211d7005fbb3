//! For those who run it: health, metrics, status, and the pages.

mod disk;
mod feeds;
pub(super) mod health;
pub(super) mod pages;
pub(super) mod status;

use axum::{Router, routing::get};

use super::{Reader, router::Gateway};

/// Whether the process is well; for whoever keeps it running, on every listener.
pub(super) fn health() -> Router<Gateway> {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
}

/// What operators see and do.
pub(super) fn routes() -> Router<Gateway> {
    Router::new().route("/metrics", get(status::metrics)).route("/api/status", get(status::status))
}

/// The pages, and the description that they show.
pub(super) fn pages(reader: &Reader) -> Router<Gateway> {
    pages::routes(reader)
}
