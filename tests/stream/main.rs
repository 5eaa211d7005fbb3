//! Streams as their clients meet them: over real sockets, from a hub that the tests feed.
//!
//! ```text
//! rig   a gateway whose exchange answers nothing but its list of markets, and clients
//! sse   server-sent events;  ws: the WebSocket;  slow: clients that do not read, and many that do
//! drain the end in order;  described: every message is as /asyncapi.json says
//! ```

mod described;
mod drain;
mod rig;
#[path = "../openapi/schema.rs"]
mod schema;
mod slow;
mod sse;
mod ws;
