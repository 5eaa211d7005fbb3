//! Streams to clients, measured: how long an update takes from the exchange's socket to the
//! clients', what it costs, what stalled clients do to the others; beside a plain relay.
//!
//!     bench_stream TIDEGATE RELAY
//!
//! `CLIENTS=1,100`, `SECONDS_EACH=5`, `ROUNDS=1` and `RATE=5` (updates a second of each of twenty
//! books) change what is run; a row is the median of its rounds. Linux; servers run on core 0, this
//! on core 1.

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

use clients::{Crowd, Dialect};
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

/// What one round measured.
#[derive(Clone, Copy)]
struct Round {
    updates: usize,
    p50: f64,
    p99: f64,
    cores: f64,
    kib_a_client: f64,
    grown_kib: f64,
}

/// The median of what the rounds measured.
fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(name: &str, (clients, stalled): (usize, usize), rounds: &[Round]) {
    let of = |value: fn(&Round) -> f64| median(rounds, value);
    println!(
        "{name:<20} {clients:>7} {stalled:>8} {:>9} {:>8.2} {:>8.2} {:>6.2} {:>11.1} {:>10.0}",
        rounds.iter().map(|round| round.updates).sum::<usize>(),
        of(|round| round.p50),
        of(|round| round.p99),
        of(|round| round.cores),
        of(|round| round.kib_a_client),
        of(|round| round.grown_kib),
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let tidegate = args.next().context("usage: bench_stream TIDEGATE RELAY")?;
    let relay = args.next().context("usage: bench_stream TIDEGATE RELAY")?;
    let counts = setting("CLIENTS", "1,100,1000,10000");
    let counts: Vec<usize> = counts.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let time = Duration::from_secs(setting("SECONDS_EACH", "10").parse()?);
    let rounds: usize = setting("ROUNDS", "3").parse()?;
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
        "{:<20} {:>7} {:>8} {:>9} {:>8} {:>8} {:>6} {:>11} {:>10}",
        "", "clients", "stalled", "updates", "p50 ms", "p99 ms", "cores", "KiB/client", "grown KiB"
    );
    for clients in counts {
        let crowds: Vec<(usize, usize)> = match clients / 100 {
            0 => vec![(clients, 0)],
            stalled => vec![(clients, 0), (clients, stalled)],
        };
        let mut measured: Vec<Vec<Round>> = vec![Vec::new(); crowds.len()];
        let mut others = Vec::new();
        let mut args = vec![feed.clone()];
        args.extend(symbols.iter().cloned());
        for _ in 0..rounds {
            for (crowd, measured) in crowds.iter().zip(&mut measured) {
                let gateway = start_gateway(&tidegate, &sim, &feed).await?;
                measured.push(run(&gateway, &symbols, *crowd, &sent, time).await?);
                gateway.stop().await;
            }
            let name = "relay, a queue each";
            let relay = Server::start(name, Dialect { path: "/" }, &relay, &args, &[]).await?;
            others.push(run(&relay, &symbols, (clients, 0), &sent, time).await?);
            relay.stop().await;
        }
        for (crowd, measured) in crowds.iter().zip(&measured) {
            print("tidegate", *crowd, measured);
        }
        if let [alone, disturbed] = measured.as_slice() {
            let p99 = |rounds: &[Round]| median(rounds, |round| round.p99);
            let ratio = p99(disturbed) / p99(alone);
            println!("{:<20} p99 of the others beside stalled clients: x{ratio:.2}", "");
        }
        print("relay, a queue each", (clients, 0), &others);
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
) -> anyhow::Result<Round> {
    tokio::time::sleep(SETTLE).await;
    let alone = server.used()?;
    let crowd = (clients, stalled);
    let mut crowd = Crowd::connect(&server.address, server.dialect, symbols, crowd, sent).await?;
    tokio::time::sleep(SETTLE).await;
    let before = server.used()?;
    let mut latencies = crowd.measure(time).await;
    let after = server.used()?;
    crowd.leave().await;
    Ok(Round {
        updates: latencies.count(),
        p50: latencies.quantile(0.50),
        p99: latencies.quantile(0.99),
        cores: after.cores_since(&before),
        kib_a_client: (before.resident_mib - alone.resident_mib) * 1024.0
            / (clients + stalled) as f64,
        grown_kib: (after.resident_mib - before.resident_mib) * 1024.0,
    })
}
