//! The composition root: the only file that names every room.

mod demo;
mod gateway;
mod memory;
mod past;
mod reach;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use tokio::net::TcpListener;

pub use gateway::App;

use crate::{
    cli::{self, Answer, Command, Settings},
    sim::{Sim, SimConfig, WsConfig},
    tasks::Tasks,
    telemetry::logs,
};

/// Does what a command line asks for, until it is done or the process is told to stop.
///
/// # Errors
/// What keeps the command from being done, for people to read.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let env = cli::environment();
    match command {
        Command::Serve(settings) => serve(&settings, env).await,
        Command::Sim(options) => simulate(options).await,
        Command::Check(check) => Ok(say(&check.run(env))),
        Command::Config(show) => Ok(say(&show.run(env))),
        Command::Backfill(backfill) => past::backfill(&backfill, env).await,
        Command::Candles(candles) => past::candles(&candles, env).await,
        Command::Health(health) => {
            health.run(env).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(options) => demo::run(options, env).await,
        Command::Completions(completions) => Ok(say(&completions.run())),
        Command::Man(manual) => Ok(say(&manual.run())),
    }
}

/// Prints an answer. Whoever reads only the beginning of it (`| head`) has seen enough.
fn say(answer: &Answer) -> ExitCode {
    let _seen = io::stdout().write_all(answer.out.as_bytes());
    let _told = io::stderr().write_all(answer.err.as_bytes());
    ExitCode::from(answer.code)
}

async fn serve(settings: &Settings, env: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let config = settings.load(env)?.config;
    logs::init(&config.log.filter, config.log.format)?;
    let listener = bind(config.server.listen).await?;
    let app = App::start(config, listener).await?;
    println!("tidegate is listening on {}", app.url());
    tracing::info!(url = app.url(), version = env!("CARGO_PKG_VERSION"), "listening");
    stop_signal().await?;
    tracing::info!("draining");
    if app.drain().await {
        return Ok(ExitCode::SUCCESS);
    }
    tracing::error!("requests were still under way when the drain's grace was over");
    Ok(ExitCode::FAILURE)
}

async fn simulate(options: cli::Sim) -> anyhow::Result<ExitCode> {
    let config = SimConfig {
        seed: options.seed,
        latency: options.latency,
        enforce: !options.no_limits,
        ws: WsConfig { ticker_every: options.ticker_every, ..WsConfig::default() },
        ..SimConfig::default()
    };
    let tasks = Tasks::new(|_| {});
    let sim = Sim::start(config, bind(options.listen).await?, &tasks).await?;
    println!("the simulated exchange is listening on {}", sim.rest_url());
    stop_signal().await?;
    tasks.drain(std::time::Duration::from_secs(1)).await;
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Waits for SIGINT or SIGTERM.
async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
