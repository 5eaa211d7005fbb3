//! `/ws/2`: the exchange's own public WebSocket protocol, version 2, out of the live topics that
//! all clients share (docs.bitfinex.com/docs/ws-general and ws-public, 2025-11).
//!
//! `request` reads what a client says, `market` finds the topic that it means, `conversation`
//! answers and tells, `channel` and `mirror` know what a client has been told, `frame` writes
//! arrays as its flags want them, `pump` moves all that between hub and socket.

mod channel;
mod conversation;
mod frame;
mod market;
mod mirror;
mod pump;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{extract::State, http::Response};

use self::{conversation::Terms, pump::Pump, request::Request};
use crate::{
    api::{
        caller::Caller,
        payload::Payload,
        problem::Problem,
        reader::Reader,
        upgrade::{Streams, Upgrade},
    },
    exchange::bitfinex::PROFILE,
    telemetry::StreamKind,
};

/// Channels of one socket. Documented are 25 (docs.bitfinex.com/docs/ws-public, 2025-11) and 30
/// (docs/ws-general); the exchange's Python client opens no more than 25, its Node client goes to
/// 30 and has no way to do with less.
const MAX_CHANNELS: usize = 30;

/// True if a text is a message that can be answered with something else than an error.
pub(in crate::api) fn is_message(text: &str) -> bool {
    match Request::parse(text) {
        None => false,
        Some(Request::Subscribe(wish)) => wish.subscription.topic().is_ok(),
        Some(_) => true,
    }
}

/// Becomes a WebSocket that speaks the exchange's protocol.
pub(in crate::api) async fn ws(
    State(reader): State<Arc<Reader>>,
    State(streams): State<Streams>,
    caller: Caller,
    upgrade: Upgrade,
) -> Result<Response<Payload>, Problem> {
    let desk = reader.desks.get(Some(PROFILE.name))?.clone();
    let client = reader.metrics.stream(StreamKind::Bitfinex).client(caller.payer.client);
    let config = reader.config.now();
    let terms = Terms {
        heartbeat: config.stream.heartbeat,
        ack_timeout: config.feed.ack_timeout,
        max_channels: config.stream.max_topics.min(MAX_CHANNELS),
    };
    let patience = config.server.request_deadline;
    let stopping = streams.tasks().stopping();
    upgrade.accept(&streams, move |socket| async move {
        Pump::new(socket, desk, terms, patience, stopping, client).run().await;
    })
}
