//! What clients see: HTTP in, products out.
//!
//! ```text
//! connection ── fast path ── an encoded answer, fresh ──────────────► socket
//!     │
//!     └─ router ── middleware ── handler ── service ── encode once ──► socket
//! ```
//!
//! Handlers turn a request into a question for [`crate::service`] and its answer into bytes; they
//! hold no state and make no decision about freshness or budget.

mod admission;
mod answer;
mod answers;
mod bitfinex;
mod caller;
mod cors;
mod demand;
mod explain;
mod faults;
mod frames;
mod gzip;
mod market_data;
mod middleware;
mod openapi;
mod ops;
mod params;
mod payload;
mod problem;
mod reader;
mod request_id;
mod router;
mod server;
mod stream;
mod tls;
mod understood;
mod upgrade;

use axum::http::{HeaderValue, Response, header};
use serde::Serialize;

pub use answers::Answers;
pub use payload::Payload;
pub use problem::{Code, InvalidParameter, Problem};
pub use reader::Reader;
pub use router::{Gateway, Surface, router};
pub use server::Server;
pub use tls::{Tls, TlsError};
pub use understood::{Understood, understood};
pub use upgrade::Streams;

/// A JSON answer that is true only now.
fn uncached(body: &impl Serialize) -> Response<Payload> {
    let mut response = Response::new(Payload::Shared(Some(reader::json(body).into())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
