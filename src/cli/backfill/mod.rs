//! `tidegate backfill`: makes a gateway fetch the past, so that its store keeps it.
//!
//! It is a client like others: it reads candles page by page, oldest first, in the background
//! class, and forgets them. The gateway's budget, flights and store do the work; pages that are
//! stored already cost no call, which is what makes it resumable.
//!
//! ```text
//! walk      page after page of one series after the other; what to wait for, when to give up
//! series    what is to be fetched, and how far it has come
//! estimate  calls and time that are left
//! show      bars on a terminal, else lines
//! summary   what was done
//! ```

mod estimate;
mod series;
mod show;
mod summary;
mod walk;

use clap::Args;
use tokio::time::Instant;

use super::{
    Identity, Settings,
    client::Client,
    gateways::{Failure, Gateways},
    status::Budget,
};
use crate::market::{Timeframe, UnixMs};
use estimate::Pace;
use series::Series;
use show::Show;

/// `tidegate backfill`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Backfill {
    /// Markets, separated by commas, such as BTC/USD,ETH/USD
    #[arg(long, value_name = "MARKETS", value_delimiter = ',', required = true)]
    pub symbol: Vec<String>,
    /// Widths of candles, separated by commas, such as 1m,1h
    #[arg(
        long,
        value_name = "WIDTHS",
        value_delimiter = ',',
        required = true,
        value_parser = super::timeframe
    )]
    pub timeframe: Vec<Timeframe>,
    /// From here on: 2024-01-01, 2024-01-01T12:00:00Z, or Unix milliseconds
    #[arg(long, value_name = "TIME")]
    pub since: UnixMs,
    /// Up to here; without it, up to now
    #[arg(long, value_name = "TIME")]
    pub until: Option<UnixMs>,
    /// Exchange; without it, the default one of the settings
    #[arg(long, value_name = "NAME")]
    pub exchange: Option<String>,
    /// Gateway to use, such as http://gateway:8087; without one, the one where the settings
    /// listen, and if none is there, one in this process
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The key to show.
    #[command(flatten)]
    pub identity: Identity,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Settings of the gateway.
    #[command(flatten)]
    pub settings: Settings,
}

impl Backfill {
    /// What is to be done, told on standard error while it is; `now` is where it ends if it is
    /// not told where. Narrower candles come first: from them the gateway may compute wider ones.
    ///
    /// # Errors
    /// There is no time between its two ends.
    pub fn plan(&self, now: UnixMs) -> Result<Run, Failure> {
        let (since, until) = (self.since, self.until.unwrap_or(now));
        if since >= now {
            return Err(Failure::Usage(format!("--since {since} is in the future")));
        }
        if since >= until {
            return Err(Failure::Usage(format!("--since {since} is not before --until {until}")));
        }
        let mut widths = self.timeframe.clone();
        widths.sort_unstable();
        widths.dedup();
        let until = until.min(now);
        let of_symbol = |symbol: &String| {
            let series = |width: &Timeframe| Series::new(symbol.clone(), *width, since, until);
            widths.iter().map(series).collect::<Vec<_>>()
        };
        let series: Vec<_> = self.symbol.iter().flat_map(of_symbol).collect();
        Ok(Run {
            show: Show::on_stderr(&series),
            series,
            exchange: self.exchange.clone(),
            json: self.json,
            began: Instant::now(),
            pace: Pace::default(),
            budget: None,
            asked: None,
        })
    }
}

/// A backfill under way, and what it has done so far.
pub struct Run {
    exchange: Option<String>,
    json: bool,
    series: Vec<Series>,
    show: Show,
    began: Instant,
    pace: Pace,
    budget: Option<Budget>,
    asked: Option<Client>,
}

/// How a backfill ended.
#[derive(Debug)]
pub enum Outcome {
    /// Everything is there.
    Done,
    /// It was told to stop.
    Interrupted,
    /// It could not go on.
    Failed(Failure),
}

impl Outcome {
    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Done => 0,
            // As a shell tells the end by SIGINT.
            Self::Interrupted => 130,
            Self::Failed(failure) => failure.code(),
        }
    }
}
