//! The simulated exchange, judged over real sockets.

mod coinbase;
mod exchanges;
mod faults;
mod kraken;
mod limits;
mod market;
mod shapes;
mod support;
mod talk;
mod ws;
mod ws_faults;
mod ws_market;
