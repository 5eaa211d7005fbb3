//! For those who run it: health, metrics, status, the pages, and what operators do.

pub(super) mod admin;
mod body;
mod clients;
mod disk;
mod feeds;
pub(super) mod health;
pub(super) mod history;
mod hot;
pub(super) mod pages;
pub(super) mod status;
#[cfg(test)]
mod tests;

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
    Router::new()
        .route("/metrics", get(status::metrics))
        .route("/api/status", get(status::status))
        .route("/api/status/history", get(history::history))
        .merge(admin::routes())
}

/// The pages, and the description that they show.
pub(super) fn pages(reader: &Reader) -> Router<Gateway> {
    pages::routes(reader)
}
