//! Candles, measured: what a fleet of bots costs in calls to the exchange, with and without a gateway
//! that understands candles; bars served in a second; a warm start; bytes of a bar.
//!
//!     bench_candles TIDEGATE PYTHON CCXT_FLEET
//!
//! Linux; gateways that are processes of their own run on core 0, this is to run on core 1.

mod bars;
mod ccxt;
mod client;
#[path = "../../tests/chaos/exchange.rs"]
mod exchange;
mod fleet;
mod gateway;
mod process;
mod rival;
mod served;
mod tally;
mod trace;
mod warm;

use std::{env, time::Duration};

use anyhow::Context as _;
use tidegate::{
    sim::{Sim, SimConfig},
    tasks::Tasks,
};
use tokio::{net::TcpListener, runtime::Builder};

/// What the simulated exchange takes for an answer where starts are measured.
const LATENCY: Duration = Duration::from_millis(50);

fn main() -> anyhow::Result<()> {
    const USAGE: &str = "usage: bench_candles TIDEGATE PYTHON CCXT_FLEET";
    let args: Vec<String> = env::args().skip(1).collect();
    let [tidegate, python, script] = args.as_slice() else { anyhow::bail!(USAGE) };
    let requests = fleet::requests()?;
    let parts = env::var("PARTS").unwrap_or_else(|_| "fleet,ccxt,served,warm".to_owned());
    let is_asked = |part: &str| parts.split(',').any(|it| it == part);
    if is_asked("fleet") {
        fleet::compare(&requests)?;
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let tasks = Tasks::new(|name| panic!("the task {name} panicked"));
        if is_asked("ccxt") {
            let sim = exchange(Duration::ZERO, &tasks).await?;
            ccxt::measure((python, script), &sim, &requests).await?;
        }
        let folder = tempfile::tempdir().context("no room for a store")?;
        if is_asked("served") {
            let sim = exchange(Duration::ZERO, &tasks).await?;
            let store = folder.path().join("served.sqlite");
            let markets = fleet::most_traded(sim.market(), sim.now());
            let served = served::Served {
                program: tidegate,
                sim: &sim,
                store: &store,
                markets: &markets,
                tasks: &tasks,
            };
            served.measure().await?;
        }
        if is_asked("warm") {
            let sim = exchange(LATENCY, &tasks).await?;
            let markets = fleet::most_traded(sim.market(), sim.now());
            warm::measure((tidegate, &sim, folder.path()), &markets, &tasks).await?;
        }
        Ok(())
    })
}

/// A simulated exchange over sockets that counts and refuses nothing.
async fn exchange(latency: Duration, tasks: &Tasks) -> anyhow::Result<Sim> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let config = SimConfig { enforce: false, latency, ..SimConfig::default() };
    Ok(Sim::start(config, listener, tasks).await?)
}
