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

/// The routes of operation.
pub(super) fn routes(reader: &Reader) -> Router<Gateway> {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(status::metrics))
        .route("/api/status", get(status::status))
        .route("/api/status/history", get(history::history))
        .merge(admin::routes())
        .merge(pages::routes(reader))
}
