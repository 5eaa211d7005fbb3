//! The gateway as its clients and operators meet it: a real listener in front of the simulated
//! exchange, over real sockets, with short times: real ones, or a test's own.
//!
//! ```text
//! rig       one gateway before one simulated exchange;  client: sends exactly these bytes
//! fake      an exchange that answers what no simulated market would
//! time      that stands still or passes for a test alone;  valve: answers held back
//! storm     a thousand clients for one cold key
//! faults    every way in which the exchange goes wrong, and the way back
//! stale     what may be served meanwhile;  budget: limits and bans
//! context   a market context with a part missing;  verdicts: what validate-market says
//! freshness Age, Cache-Control, ETag, gzip;  symbols, contract: what is asked and answered
//! frames    the same rows as CSV, Arrow and Parquet;  candles: pages, widths, waiting for a close
//! live      what channels bring is what is answered;  wire: the same over sockets
//! warm      restarts: what the store keeps for the next process
//! status    what operators are told of all that
//! hostile   slow, greedy and malformed clients;  life: start, panic, drain, end
//! ```

mod budget;
mod candles;
mod client;
mod context;
mod contract;
mod fake;
mod faults;
mod frames;
mod freshness;
mod hostile;
mod life;
mod live;
mod rig;
mod stale;
mod status;
mod storm;
mod symbols;
mod time;
#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../explain/valve.rs"]
mod valve;
mod verdicts;
mod warm;
mod wire;
