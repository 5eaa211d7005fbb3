//! The listeners: TLS, the one for operators, other origins, and what changes while they serve.
//!
//! ```text
//! rig      a gateway before the simulated exchange; clients with and without TLS
//! tls      handshakes, renewal, sockets and streams inside;  admin: who is served what
//! cors     whose pages may read;  reload: settings that change;  process: the built program
//! ```

mod admin;
mod cors;
mod process;
mod reload;
mod rig;
mod tls;
#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../explain/valve.rs"]
mod valve;
