//! How an answer was come by, noted where it happens for whoever asks to be told.
//!
//! ```text
//! request ── names itself ([`asked`]) ── reads note their parts on its [`Trail`], if it has one
//!    └ starts or boards a flight ── the flight's task fills its [`FlightRecord`] ── all aboard read it
//! ```
//!
//! Who notes finds where in the task it runs in, so that nothing has to be handed down. A request
//! that does not want to be explained has no trail, and its notes are not made; a flight is always
//! recorded, since a later request that joins it may want to know.

mod flight;
#[cfg(test)]
mod tests;
mod trail;

use std::{future::Future, sync::Arc};

use compact_str::CompactString;

pub use flight::{CallNote, CallRecord, FlightRecord};
pub use trail::{Boarded, Facts, Note, Part, Role, Trail};

tokio::task_local! {
    static REQUEST: Request;
    static FLIGHT: Arc<FlightRecord>;
}

/// The request that a task works for.
struct Request {
    id: CompactString,
    trail: Option<Arc<Trail>>,
}

/// Runs what is done for the request named `id`; what it does is noted on `trail`.
pub async fn asked<F: Future>(id: &str, trail: Option<Arc<Trail>>, request: F) -> F::Output {
    REQUEST.scope(Request { id: id.into(), trail }, request).await
}

/// Runs a load whose calls are noted in `record`.
pub async fn aboard<F: Future>(record: Arc<FlightRecord>, load: F) -> F::Output {
    FLIGHT.scope(record, load).await
}

/// The load that this task makes is a part of `load`.
pub fn merges_into(load: &Arc<FlightRecord>) {
    let _outside = FLIGHT.try_with(|flight| flight.merges_into(load));
}

/// Disk was asked, and had what was wanted or had not.
pub fn looked_on_disk(found: bool) {
    let aboard = FLIGHT.try_with(|flight| flight.looked_on_disk(found));
    if aboard.is_err()
        && let Some(trail) = trail()
    {
        trail.looked_on_disk(found);
    }
}

fn trail() -> Option<Arc<Trail>> {
    REQUEST.try_with(|request| request.trail.clone()).ok().flatten()
}

fn flight() -> Option<Arc<FlightRecord>> {
    FLIGHT.try_with(Arc::clone).ok()
}

/// The request for which something is done; `None` where the gateway does it by itself.
fn requester() -> Option<CompactString> {
    let request = REQUEST.try_with(|request| request.id.clone()).ok();
    request.or_else(|| flight()?.started_by().map(CompactString::from))
}
