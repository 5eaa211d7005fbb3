//! `tidegate plan`: whether a workload fits an exchange's budgets. Asks nobody anything.
//!
//! ```text
//! file     a workload file as drafts, each value with its place
//! draft    drafts to a checked workload; every mistake at once
//! show     the forecast for people
//! json     the same for machines
//! ```

mod draft;
mod file;
mod json;
mod show;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Answer, LoadError, Settings};
use crate::{
    exchange::{CATALOGUE, Profile, spec},
    plan::{Workload, advise, forecast},
};
use draft::{Draft, Mistakes, Text, Written};

/// `tidegate plan`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Plan {
    /// Exchange whose budgets it has to fit, enabled or not; without it the one that a workload file
    /// names, else the default one of the settings
    #[arg(long, value_name = "NAME")]
    pub exchange: Option<String>,
    /// Markets, separated by commas, such as BTC/USD,ETH/USD
    #[arg(long, value_name = "MARKETS", value_delimiter = ',', required_unless_present = "file")]
    pub symbols: Vec<String>,
    /// Widths of candles and contexts, separated by commas, such as 1m,5m; 5m without it
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',')]
    pub timeframes: Vec<String>,
    /// What is asked for, separated by commas: ticker, orderbook, trades, candles, context
    #[arg(
        long,
        value_name = "KINDS",
        value_delimiter = ',',
        default_value = "ticker,orderbook,candles"
    )]
    pub ask: Vec<String>,
    /// Clients, each of whom asks for all of that of every market
    #[arg(long, value_name = "N", default_value = "10")]
    pub clients: String,
    /// How often each of them asks for each thing
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub every: String,
    /// The oldest data that they take (Cache-Control: max-age), such as 10s; without it, what the
    /// settings allow
    #[arg(long, value_name = "DURATION")]
    pub max_age: Option<String>,
    /// Candles that they want; levels of a book and trades are asked for at their defaults
    #[arg(long, value_name = "N", default_value = "100")]
    pub limit: String,
    /// How one client's requests follow each other: even (in fixed intervals) or random
    #[arg(long, value_name = "RHYTHM", default_value = "even")]
    pub rhythm: String,
    /// The time that the exchange takes to answer
    #[arg(long, value_name = "DURATION", default_value = "150ms")]
    pub latency: String,
    /// Workload of several groups of clients, in TOML, in place of these flags
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "symbols", "timeframes", "ask", "clients", "every", "max_age", "limit", "rhythm",
            "latency",
        ]
    )]
    pub file: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Look::Text)]
    pub format: Look,
    /// Settings of the gateway.
    #[command(flatten)]
    pub settings: Settings,
}

/// How a forecast is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Look {
    /// For people
    Text,
    /// A JSON object
    Json,
}

impl Plan {
    /// The forecast before one exchange; `env` as in [`Settings::load`].
    /// Exit code 0: it fits, 1: it does not, 2: settings or workload are wrong.
    pub fn run(&self, env: Vec<(String, String)>) -> Answer {
        let wrong = |err: String| Answer { out: String::new(), err, code: 2 };
        let loaded = self.settings.load(env).map_err(|error| told(&error));
        let default = loaded.as_ref().ok().and_then(|it| spec(&it.config.exchanges.default));
        let workload = self.workload(default.unwrap_or(CATALOGUE[0]).profile);
        let (config, (profile, workload)) = match (loaded, workload) {
            (Ok(loaded), Ok(workload)) => (loaded.config, workload),
            (loaded, workload) => {
                let errors = [loaded.err(), workload.err().map(|mistakes| mistakes.to_string())];
                return wrong(errors.into_iter().flatten().collect());
            }
        };
        let found = forecast(&config, profile, &workload);
        let advice = advise(&config, profile, &workload, &found);
        let out = match self.format {
            Look::Text => show::text(profile.name, &workload, &found, &advice),
            Look::Json => format!("{:#}\n", json::value(profile.name, &workload, &found, &advice)),
        };
        Answer { out, err: String::new(), code: u8::from(!found.fits) }
    }

    /// The workload, and the exchange that it is for.
    fn workload(
        &self,
        default: &'static Profile,
    ) -> Result<(&'static Profile, Workload), Mistakes> {
        let mut mistakes = Mistakes::default();
        let written = match &self.file {
            Some(path) => file::read(path, &mut mistakes),
            None => self.drafted(),
        };
        let flag = |name: &String| Text { place: "--exchange".to_owned(), text: name.clone() };
        let named = self.exchange.as_ref().map(flag).or(written.exchange.clone());
        let profile = named.map_or(default, |named| {
            spec(&named.text).map(|spec| spec.profile).unwrap_or_else(|| {
                let known: Vec<&str> = CATALOGUE.iter().map(|spec| spec.name()).collect();
                let (text, known) = (&named.text, known.join(", "));
                mistakes.add(&named.place, format!("no exchange {text:?}; known are {known}"));
                default
            })
        });
        Ok((profile, draft::check(&written, profile, mistakes)?))
    }

    fn drafted(&self) -> Written {
        let mut draft = Draft::at("");
        for (flag, texts) in [
            ("symbols", &self.symbols),
            ("timeframes", &self.timeframes),
            ("what", &self.ask),
            ("clients", &vec![self.clients.clone()]),
            ("every", &vec![self.every.clone()]),
            ("max_age", &Vec::from_iter(self.max_age.clone())),
            ("limit", &vec![self.limit.clone()]),
            ("rhythm", &vec![self.rhythm.clone()]),
        ] {
            let place = match flag {
                "what" => "--ask".to_owned(),
                flag => format!("--{}", flag.replace('_', "-")),
            };
            for text in texts {
                draft.give(flag, &place, text.trim());
            }
        }
        let latency = Text { place: "--latency".to_owned(), text: self.latency.clone() };
        Written { drafts: vec![draft], latency: Some(latency), exchange: None }
    }
}

fn told(error: &LoadError) -> String {
    format!("{error}\n")
}
