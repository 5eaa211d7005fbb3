//! `tidegate candles`: candles in the terminal.

mod axis;
mod chart;
mod table;

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{
    Identity, Settings,
    client::{Client, Reply},
    gateways::{Failure, Gateways},
    page::{Page, Query},
    problem::Told,
    screen::Screen,
};
use crate::market::{Timeframe, UnixMs};

/// Longer than a gateway takes for any answer that it gives at all: its deadline is 300 s at most.
const PATIENCE: Duration = Duration::from_secs(310);

/// `tidegate candles`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Candles {
    /// Market, such as BTC/USD
    pub symbol: String,
    /// Width of a candle, such as 1m or 1h
    #[arg(long, value_name = "WIDTH", default_value = "1h", value_parser = super::timeframe)]
    pub timeframe: Timeframe,
    /// At most so many
    #[arg(
        long,
        value_name = "N",
        default_value_t = 48,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub limit: u32,
    /// The first ones from here on: 2024-01-01, 2024-01-01T12:00:00Z, or Unix milliseconds;
    /// without it, the newest ones
    #[arg(long, value_name = "TIME")]
    pub since: Option<UnixMs>,
    /// Up to here
    #[arg(long, value_name = "TIME")]
    pub until: Option<UnixMs>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Look::Table)]
    pub format: Look,
    /// Exchange; without it, the default one of the settings
    #[arg(long, value_name = "NAME")]
    pub exchange: Option<String>,
    /// Gateway to ask, such as http://gateway:8087; without one, the one where the settings
    /// listen, and if none is there, one in this process
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The key to show.
    #[command(flatten)]
    pub identity: Identity,
    /// Settings of the gateway.
    #[command(flatten)]
    pub settings: Settings,
}

/// How candles are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Look {
    /// Columns for people
    Table,
    /// The gateway's own CSV
    Csv,
    /// The gateway's own JSON
    Json,
    /// A picture
    Chart,
}

impl Candles {
    /// Asks once, and gives what is to be printed. Dropping it hangs up.
    ///
    /// # Errors
    /// There is no gateway, or it does not give the candles.
    pub async fn run(
        &self,
        gateways: &mut impl Gateways,
        screen: &Screen,
    ) -> Result<String, Failure> {
        let found = gateways.find().await?;
        let reply = self.ask(&found.client).await?;
        let page = || {
            let who = found.client.endpoint();
            Page::of(&reply)
                .map_err(|error| Failure::Unusable(format!("{who}: unreadable: {error}")))
        };
        Ok(match self.format {
            Look::Csv => String::from_utf8_lossy(&reply.body).into_owned(),
            Look::Json => format!("{}\n", String::from_utf8_lossy(&reply.body)),
            Look::Table => table::text(&page()?, self.timeframe),
            Look::Chart => chart::text(&page()?, self.timeframe, screen),
        })
    }

    async fn ask(&self, client: &Client) -> Result<Reply, Failure> {
        let format = matches!(self.format, Look::Csv).then_some("csv");
        let path = Query::new(&self.symbol, self.timeframe, self.limit)
            .with("since", self.since.map(UnixMs::millis))
            .with("until", self.until.map(UnixMs::millis))
            .with("exchange", self.exchange.as_deref())
            .with("format", format)
            .path();
        let reply = client.get(&path, &[], PATIENCE).await;
        let reply = reply.map_err(|error| Failure::Unusable(error.to_string()))?;
        if reply.status == 200 { Ok(reply) } else { Err(Failure::Refused(Told::of(&reply))) }
    }
}

/// When a bucket opens, as people write it, in UTC: the time of day only where it differs from one
/// bucket to the next.
fn opens(at: UnixMs, timeframe: Timeframe) -> String {
    let iso = at.iso();
    match timeframe.fixed() {
        Some(width) if width < Duration::from_secs(86_400) => iso[..16].replace('T', " "),
        _ => iso[..10].to_owned(),
    }
}

/// What has to be said below the candles.
fn notes(page: &Page, mark: &str) -> String {
    let mut notes = Vec::new();
    if page.candles.is_empty() {
        notes.push("nothing was traded then".to_owned());
    }
    if page.candles.iter().any(|bar| !bar.closed) {
        notes.push(format!("{mark} is not closed yet"));
    }
    if let Some(narrower) = &page.derived {
        notes.push(format!("computed from candles of {narrower}"));
    }
    if notes.is_empty() { String::new() } else { format!("{}\n", notes.join("; ")) }
}

#[cfg(test)]
mod tests;
