//! Streams to clients, measured: how long an update takes from the exchange's socket to the
//! clients', what it costs, what stalled clients do to the others; beside a plain relay.
//!
//!     bench_stream TIDEGATE RELAY
//!
//! `CLIENTS=1,100`, `SECONDS_EACH=5` and `RATE=5` (updates a second of each of twenty books) change
//! what is run. Linux; servers run on core 0, this on core 1.

mod clients;
mod feeder;
mod live;
mod server;

use std::{env, sync::Arc, time::Duration};

use anyhow::Context as _;
use tidegate::{
    sim::{Sim, SimConfig},
    tasks::Tasks,
};
use tokio::net::TcpListener;

use clients::{Crowd, Dialect, Latencies};
use feeder::Sent;
use server::Server;

/// Markets that the simulated exchange lists.
const MARKETS: [&str; 20] = [
    "tBTCUSD", "tETHUSD", "tLTCUSD", "tXRPUSD", "tEOSUSD", "tBTCUST", "tETHUST", "tETHBTC",
    "tLTCBTC", "tXRPBTC", "tSOLUSD", "tADAUSD", "tDOTUSD", "tUNIUSD", "tXMRUSD", "tZECUSD",
    "tETCUSD", "tNEOUSD", "tTRXUSD", "tXLMUSD",
];

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// One row of the table.
struct Row {
    latencies: Latencies,
    clients: usize,
    stalled: usize,
    cores: f64,
    kib_a_client: f64,
    grown_kib: f64,
}

impl Row {
    fn print(&mut self, name: &str) {
        let (p50, p99) = (self.latencies.quantile(0.50), self.latencies.quantile(0.99));
        println!(
            "{name:<22} {:>7} {:>8} {:>9} {p50:>9.2} {p99:>9.2} {:>7.2} {:>11.1} {:>9.0}",
            self.clients,
            self.stalled,
            self.latencies.count(),
            self.cores,
            self.kib_a_client,
            self.grown_kib,
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let tidegate = args.next().context("usage: bench_stream TIDEGATE RELAY")?;
    let relay = args.next().context("usage: bench_stream TIDEGATE RELAY")?;
    let counts = setting("CLIENTS", "1,100,1000,10000");
    let counts: Vec<usize> = counts.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let time = Duration::from_secs(setting("SECONDS_EACH", "10").parse()?);
    let rate: u32 = setting("RATE", "5").parse()?;

    let tasks = Tasks::new(|name| panic!("the task {name} panicked"));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let config = SimConfig { enforce: false, ..SimConfig::default() };
    let sim = Sim::start(config, listener, &tasks).await?;
    let listed = sim.market();
    let symbols: Vec<String> =
        MARKETS.iter().copied().filter(|id| listed.find(id).is_some()).map(str::to_owned).collect();
    let symbols = Arc::new(symbols);
    let sent = Sent::default();
    let feed = feeder::start(&tasks, rate, sent.clone()).await;

    println!(
        "{} books, {rate} updates a second each; each client follows one of them, a stalled one all\n",
        symbols.len()
    );
    println!(
        "{:<22} {:>7} {:>8} {:>9} {:>9} {:>9} {:>7} {:>11} {:>9}",
        "", "clients", "stalled", "updates", "p50 ms", "p99 ms", "cores", "KiB/client", "grown KiB"
    );
    for clients in counts {
        let mut p99 = Vec::new();
        for stalled in [0, (clients / 100).max(1)] {
            let gateway = start_gateway(&tidegate, &sim, &feed).await?;
            let mut row = run(&gateway, &symbols, (clients, stalled), &sent, time).await?;
            row.print(gateway.name);
            p99.push(row.latencies.quantile(0.99));
            gateway.stop().await;
        }
        println!("{:<22} p99 of the others with stalled clients: x{:.2}", "", p99[1] / p99[0]);
        let mut args = vec![feed.clone()];
        args.extend(symbols.iter().cloned());
        let dialect = Dialect { path: "/" };
        let relay = Server::start("relay, a queue each", dialect, &relay, &args, &[]).await?;
        run(&relay, &symbols, (clients, 0), &sent, time).await?.print(relay.name);
        relay.stop().await;
    }
    println!();
    live::decoding();
    live::freshness(&tidegate, &sim).await?;
    Ok(())
}

async fn start_gateway(program: &str, sim: &Sim, feed: &str) -> anyhow::Result<Server> {
    let settings = [
        ("TIDEGATE__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("TIDEGATE__SERVER__LIMITS__MAX_CONNECTIONS", "20000".to_owned()),
        ("TIDEGATE__SERVER__DRAIN_DELAY", "0s".to_owned()),
        ("TIDEGATE__STREAM__MAX_CLIENTS", "20000".to_owned()),
        ("TIDEGATE__FEED__CONNECT_INTERVAL", "10ms".to_owned()),
        ("TIDEGATE__EXCHANGES__BITFINEX__REST_URL", sim.rest_url()),
        ("TIDEGATE__EXCHANGES__BITFINEX__WS_URL", feed.to_owned()),
    ];
    let dialect = Dialect { path: "/api/market-data/ws" };
    Server::start("tidegate", dialect, program, &["serve".to_owned()], &settings).await
}

/// Time for what connecting stirred up to settle.
const SETTLE: Duration = Duration::from_secs(3);

async fn run(
    server: &Server,
    symbols: &Arc<Vec<String>>,
    (clients, stalled): (usize, usize),
    sent: &Sent,
    time: Duration,
) -> anyhow::Result<Row> {
    tokio::time::sleep(SETTLE).await;
    let alone = server.used()?;
    let crowd = (clients, stalled);
    let mut crowd = Crowd::connect(&server.address, server.dialect, symbols, crowd, sent).await?;
    tokio::time::sleep(SETTLE).await;
    let before = server.used()?;
    let latencies = crowd.measure(time).await;
    let after = server.used()?;
    crowd.leave().await;
    Ok(Row {
        latencies,
        clients,
        stalled,
        cores: after.cores_since(&before),
        kib_a_client: (before.resident_mib - alone.resident_mib) * 1024.0
            / (clients + stalled) as f64,
        grown_kib: (after.resident_mib - before.resident_mib) * 1024.0,
    })
}
