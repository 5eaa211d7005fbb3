//! `tidegate backfill` and `tidegate candles`: commands that are clients of a gateway.

use std::process::ExitCode;

use tokio::select;

use super::{reach::Reach, say, stop_signal};
use crate::{
    cli::{Answer, Backfill, Candles, Endpoint, Failure, Outcome, Screen, Settings},
    clock::Clock,
    config::{Config, Origin},
    telemetry::logs,
};

/// Fetches the past until it is there, or until it is told to stop.
///
/// # Errors
/// The settings are wrong, or signals cannot be caught.
pub(super) async fn backfill(
    backfill: &Backfill,
    env: Vec<(String, String)>,
) -> anyhow::Result<ExitCode> {
    let key = backfill.identity.key(&env);
    let config = settings(&backfill.settings, env)?;
    let mut run = match backfill.plan(Clock::system().now()) {
        Ok(run) => run,
        Err(failure) => return Ok(refuse(&failure)),
    };
    let mut reach = reach(backfill.url.as_deref(), config)?.with_key(key).with_store();
    let outcome = select! {
        outcome = run.go(&mut reach) => outcome,
        signal = stop_signal() => signal.map(|()| Outcome::Interrupted)?,
    };
    let is_closed = reach.close().await;
    if !is_closed {
        tracing::warn!("not everything was written in time; it is fetched again when needed");
    }
    Ok(say(&run.finish(&outcome)))
}

/// Prints candles.
///
/// # Errors
/// The settings are wrong, or signals cannot be caught.
pub(super) async fn candles(
    candles: &Candles,
    env: Vec<(String, String)>,
) -> anyhow::Result<ExitCode> {
    let key = candles.identity.key(&env);
    let config = settings(&candles.settings, env)?;
    let mut reach = reach(candles.url.as_deref(), config)?.with_key(key);
    let screen = Screen::of_stdout();
    let printed = select! {
        printed = candles.run(&mut reach, &screen) => printed,
        signal = stop_signal() => {
            signal?;
            reach.close().await;
            return Ok(ExitCode::from(Outcome::Interrupted.code()));
        }
    };
    reach.close().await;
    Ok(match printed {
        Ok(out) => say(&Answer { out, err: String::new(), code: 0 }),
        Err(failure) => refuse(&failure),
    })
}

fn refuse(failure: &Failure) -> ExitCode {
    let err = format!("tidegate: {failure}\n");
    say(&Answer { out: String::new(), err, code: failure.code() })
}

fn reach(url: Option<&str>, config: Config) -> anyhow::Result<Reach> {
    Ok(match url {
        Some(url) => Reach::only(Endpoint::of_url(url)?),
        None => Reach::with(config),
    })
}

/// The settings in force. What these commands have to tell they tell themselves: of the log, they
/// show errors only, unless they are told otherwise.
fn settings(settings: &Settings, env: Vec<(String, String)>) -> anyhow::Result<Config> {
    let loaded = settings.load(env)?;
    let asked_for_logs = loaded.origin("log.filter") != &Origin::Default;
    let mut config = loaded.config;
    if !asked_for_logs {
        "error".clone_into(&mut config.log.filter);
    }
    logs::init(&config.log.filter, config.log.format, None)?;
    Ok(config)
}
