//! Drop-in routes for Bitfinex's own clients: `/v2/...` in the exchange's shapes, out of the same
//! entries, fetches and budget as everything else.
//!
//! `route` reads a request, `rest` answers it, `rows` joins the exchange's rows, `refusal` says no
//! in the exchange's words, `ws` speaks the exchange's WebSocket protocol. What cannot be right, and
//! every path that is not known to be public, is refused here and never reaches the exchange.

mod refusal;
mod rest;
mod route;
mod rows;
mod ws;

use crate::{exchange::bitfinex::PROFILE, telemetry::Endpoint};

pub(super) use refusal::Refusal;
pub(super) use rest::rest;
pub(super) use ws::{is_message, ws};

/// True if a path with its query leads somewhere.
pub(super) fn is_route(target: &str) -> bool {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    route::Route::parse(path, query).is_ok()
}

/// Whose clients are answered here.
pub(super) fn exchange() -> &'static str {
    PROFILE.name
}

/// The metrics' name of `/ws/2` and of a path below `/v2`; `None` for every other path.
pub(super) fn endpoint(path: &str) -> Option<Endpoint> {
    if path == "/ws/2" {
        return Some(Endpoint::V2Ws);
    }
    let below = path.strip_prefix("/v2")?;
    (below.is_empty() || below.starts_with('/')).then(|| route::endpoint(path))
}
