//! The composition root: the only file that names every room.

mod demo;
mod gateway;
mod memory;
mod outside;
mod past;
mod reach;
mod reload;
mod setup;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use outside::{Outside, Request, Signals, tell_manager, tell_reloading};
use sd_notify::NotifyState;
use tokio::net::TcpListener;

pub use gateway::App;
pub use reload::Reloaded;
pub use setup::Setup;

use crate::{
    cli::{self, Answer, Command, Settings},
    exchange::bitfinex::PROFILE,
    sim::{Sim, SimConfig, WsConfig},
    tasks::Tasks,
    telemetry::{logs, traces::Traces},
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
        Command::Plan(plan) => Ok(say(&plan.run(env, &PROFILE))),
        Command::Key(key) => Ok(say_at_last(&key.run())),
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

/// The same with what goes to standard error first, where the rest follows on it.
fn say_at_last(answer: &Answer) -> ExitCode {
    let _told = io::stderr().write_all(answer.err.as_bytes());
    say(&Answer { err: String::new(), ..answer.clone() })
}

async fn serve(settings: &Settings, env: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let config = settings.load(env.clone())?.config;
    let traces = Traces::start(&config.traces)?;
    let logs = logs::init(&config.log.filter, config.log.format, traces.as_ref())?;
    let outside = Outside::new(settings, env);
    let mut signals = Signals::new()?;
    let listener = bind(config.server.listen).await?;
    let app = App::start(Setup { config, logs }, listener).await?;
    println!("tidegate is listening on {}", app.url());
    tracing::info!(url = app.url(), version = env!("CARGO_PKG_VERSION"), "listening");
    if let Some(url) = app.admin_url() {
        println!("operators are served on {url}");
        tracing::info!(url, "listening for operators");
    }
    tell_manager(&[NotifyState::Ready]);
    let is_told = app.gateway().phase().clone();
    loop {
        let request = tokio::select! {
            request = signals.next() => request,
            () = is_told.drains() => Request::Stop,
        };
        if request != Request::Reload {
            break;
        }
        tell_reloading();
        app.reload_from(&outside);
        tell_manager(&[NotifyState::Ready]);
    }
    tell_manager(&[NotifyState::Stopping]);
    tracing::info!("draining");
    let is_done = app.drain().await;
    if let Some(traces) = traces {
        tokio::task::block_in_place(|| traces.finish());
    }
    if is_done {
        return Ok(ExitCode::SUCCESS);
    }
    tracing::error!("requests were still under way when the drain's grace was over");
    Ok(ExitCode::FAILURE)
}

async fn simulate(options: cli::Sim) -> anyhow::Result<ExitCode> {
    let config = SimConfig {
        exchange: options.exchange.parse()?,
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
