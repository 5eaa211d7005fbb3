//! The command line: arguments to typed commands. What a command does is the business of
//! [`crate::app`], except for those that only look at settings.

mod backfill;
mod candles;
mod client;
mod connection;
mod endpoint;
mod gateways;
mod health;
mod key;
mod manual;
mod page;
mod plan;
mod problem;
mod screen;
mod settings;
mod status;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use backfill::{Backfill, Outcome, Run};
pub use candles::{Candles, Look};
pub use client::{Client, ClientError, Reply};
pub use connection::Trust;
pub use endpoint::{BadUrl, Endpoint};
pub use gateways::{Failure, FindError, Found, Gateways};
pub use health::{Health, HealthError};
pub use key::{Identity, NewKey};
pub use manual::{Completions, Manual};
pub use plan::{Look as PlanLook, Plan};
pub use problem::Told;
pub use screen::Screen;
pub use settings::{LoadError, Settings, environment};
pub use status::{Budget, Status, StatusError};

use crate::{
    access::{self, Mistakes},
    config::duration,
    exchange::CATALOGUE,
    market::Timeframe,
};

/// A caching market-data gateway.
///
/// Many services share one rate-limited exchange connection. Without a command and settings it
/// serves live Bitfinex on 127.0.0.1:8087.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Settings,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Serve the gateway (also without a command)
    Serve(Settings),
    /// Show what it does: a simulated exchange, the gateway, and clients that hammer it
    Demo(Demo),
    /// Run the simulated exchange alone
    Sim(Sim),
    /// Check the settings and name every mistake
    Check(Check),
    /// Print the settings in force and where each came from
    Config(ShowConfig),
    /// Make a key for a client, and its entry for the keys file
    Key(NewKey),
    /// Fetch the past and keep it in the store, within the budget; a running gateway is used
    Backfill(Backfill),
    /// Print candles as a table, CSV, JSON or a chart
    Candles(Candles),
    /// Tell whether a workload fits the exchange's budgets; nothing is asked of anybody
    Plan(Plan),
    /// Exit 0 if a gateway is alive; for health checks of containers
    Health(Health),
    /// Print a shell's completions
    Completions(Completions),
    /// Print the manual's pages, for man(1)
    Man(Manual),
}

/// `tidegate demo`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Demo {
    /// Clients that ask at once; 0: none
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub clients: usize,
    /// End after so many seconds instead of at Ctrl-C
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// Address of the gateway
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8087")]
    pub listen: SocketAddr,
    /// Seed of the simulated market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The exchanges that are simulated and served; the first answers where a request names none
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        default_value = "bitfinex",
        value_parser = exchange_name
    )]
    pub exchanges: Vec<String>,
}

/// `tidegate sim`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Sim {
    /// The exchange that is simulated
    #[arg(long, value_name = "NAME", default_value = "bitfinex", value_parser = exchange_name)]
    pub exchange: String,
    /// Address of the simulated exchange
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8088")]
    pub listen: SocketAddr,
    /// Seed of the simulated market
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Do not enforce the exchange's rate limits
    #[arg(long)]
    pub no_limits: bool,
    /// Time before each answer, such as 200ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = span)]
    pub latency: Duration,
    /// How often its WebSocket tickers may change
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = span)]
    pub ticker_every: Duration,
}

/// `tidegate check`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Check {
    /// Settings file; without one, the environment is checked
    pub file: Option<PathBuf>,
}

/// `tidegate config`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct ShowConfig {
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Toml)]
    pub format: Format,
    /// The settings to show.
    #[command(flatten)]
    pub settings: Settings,
}

/// How settings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A settings file
    Toml,
    /// A JSON object
    Json,
    /// A table of all settings, with what each may be
    Markdown,
}

/// What a command that is done at once says, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// 0: fine, 1: the settings are wrong, 2: they cannot be read.
    pub code: u8,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// What clap has to say, which includes `--help` and `--version`; [`clap::Error::exit`] prints it
/// to the right stream and ends the process with the right code.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    Ok(cli.command.unwrap_or(Command::Serve(cli.serve)))
}

impl Check {
    /// Checks what `serve --config FILE` would load; `env` as in [`Settings::load`].
    pub fn run(&self, env: Vec<(String, String)>) -> Answer {
        let settings = Settings { config: self.file.clone(), ..Settings::default() };
        match settings.load(env) {
            Ok(loaded) => match loaded.config.access.keys_file.as_deref().map(access::check) {
                None | Some(Ok(())) => {
                    Answer { out: "OK\n".to_owned(), err: String::new(), code: 0 }
                }
                Some(Err(mistakes)) => mistakes.into(),
            },
            Err(error) => error.into(),
        }
    }
}

impl ShowConfig {
    /// Prints the settings in force; `env` as in [`Settings::load`].
    pub fn run(&self, env: Vec<(String, String)>) -> Answer {
        match (self.settings.load(env), self.format) {
            (Ok(loaded), Format::Toml) => {
                Answer { out: loaded.to_toml(), err: String::new(), code: 0 }
            }
            (Ok(loaded), Format::Markdown) => {
                Answer { out: loaded.to_markdown(), err: String::new(), code: 0 }
            }
            (Ok(loaded), Format::Json) => {
                Answer { out: loaded.to_json(), err: String::new(), code: 0 }
            }
            (Err(error), _) => error.into(),
        }
    }
}

impl From<LoadError> for Answer {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::Invalid(_) => 1,
            LoadError::Unreadable { .. } => 2,
        };
        Self { out: String::new(), err: format!("{error}\n"), code }
    }
}

impl From<Mistakes> for Answer {
    fn from(mistakes: Mistakes) -> Self {
        let code = match mistakes {
            Mistakes::Invalid(_) => 1,
            Mistakes::Unreadable { .. } => 2,
        };
        Self { out: String::new(), err: format!("{mistakes}\n"), code }
    }
}

fn timeframe(text: &str) -> Result<Timeframe, String> {
    text.parse().map_err(|_| {
        let names = Timeframe::ALL.map(Timeframe::as_str);
        format!("must be one of {}", names.join(", "))
    })
}

fn exchange_name(text: &str) -> Result<String, String> {
    let names: Vec<&str> = CATALOGUE.iter().map(|spec| spec.name()).collect();
    let known = names.contains(&text).then(|| text.to_owned());
    known.ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

fn span(text: &str) -> Result<Duration, String> {
    let parsed = duration::parse(text);
    parsed.ok_or_else(|| "expected a duration such as 200ms or 1s".to_owned())
}

#[cfg(test)]
mod tests;
