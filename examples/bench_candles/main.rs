//! Candles, measured: what a fleet of bots costs in calls to the exchange, beside what it costs
//! without a gateway that understands candles.
//!
//!     bench_candles TIDEGATE PYTHON CCXT_FLEET

mod bars;
#[path = "../../tests/chaos/exchange.rs"]
mod exchange;
mod fleet;
mod gateway;
mod rival;
mod tally;
mod trace;

fn main() -> anyhow::Result<()> {
    let requests = fleet::requests()?;
    println!("{} requests", requests.len());
    println!("{:?}", &requests[..3]);
    fleet::compare(&requests)
}
