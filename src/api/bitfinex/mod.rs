//! Drop-in routes for Bitfinex's own clients: `/v2/...` in the exchange's shapes, out of the same
//! entries, fetches and budget as everything else.
//!
//! `route` reads a request, `rest` answers it, `rows` joins the exchange's rows, `refusal` says no
//! in the exchange's words. What cannot be right, and every path that is not known to be public,
//! is refused here and never reaches the exchange.

mod refusal;
mod rest;
mod route;
mod rows;

use crate::telemetry::Endpoint;

pub(super) use refusal::Refusal;
pub(super) use rest::rest;

/// The metrics' name of a path below `/v2`; `None` for every other path.
pub(super) fn endpoint(path: &str) -> Option<Endpoint> {
    let below = path.strip_prefix("/v2")?;
    (below.is_empty() || below.starts_with('/')).then(|| route::endpoint(path))
}
