//! What is to be fetched, and how far it has come.

use std::time::Duration;

use crate::{
    cli::page::{Page, Query},
    market::{Timeframe, UnixMs},
};

/// Rows of one page: the most that a gateway gives, and that the exchange gives in one call.
pub(super) const ROWS: u32 = 10_000;

/// One market's candles of one width.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// As it was asked for; the gateway's spelling from the first page on.
    pub(super) symbol: String,
    pub(super) timeframe: Timeframe,
    pub(super) since: UnixMs,
    pub(super) until: UnixMs,
    /// Everything before it is done.
    pub(super) reached: UnixMs,
    pub(super) is_done: bool,
    pub(super) bars: u64,
    pub(super) first: Option<UnixMs>,
    pub(super) last: Option<UnixMs>,
    pub(super) pages: u64,
    /// Pages that the gateway had to ask the exchange for.
    pub(super) calls: u64,
}

impl Series {
    pub(super) fn new(symbol: String, timeframe: Timeframe, since: UnixMs, until: UnixMs) -> Self {
        Self {
            symbol,
            timeframe,
            since,
            until,
            reached: since,
            is_done: false,
            bars: 0,
            first: None,
            last: None,
            pages: 0,
            calls: 0,
        }
    }

    /// `BTC/USD 1m`
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.symbol, self.timeframe)
    }

    /// Path and query of its first page.
    pub(super) fn first_page(&self, exchange: Option<&str>) -> String {
        Query::new(&self.symbol, self.timeframe, ROWS)
            .with("since", Some(self.since.millis()))
            .with("until", Some(self.until.millis()))
            .with("closed_only", Some(true))
            .with("exchange", exchange)
            .path()
    }

    /// Takes note of a page; `next` is the path of the one behind it. False if that one lies not
    /// behind this page, so that going on might never end.
    pub(super) fn take(&mut self, page: &Page, next: Option<&str>, cost_a_call: bool) -> bool {
        self.symbol.clone_from(&page.symbol);
        self.pages += 1;
        self.calls += u64::from(cost_a_call);
        self.bars += page.candles.len() as u64;
        self.first = self.first.or(page.candles.first().map(|bar| bar.at));
        self.last = page.candles.last().map(|bar| bar.at).or(self.last);
        let Some(next) = next else {
            (self.reached, self.is_done) = (self.until, true);
            return true;
        };
        let from = since_of(next).or(self.last.map(|last| self.timeframe.end_of(last)));
        match from.filter(|from| *from > self.reached) {
            Some(from) => self.reached = from,
            None => return false,
        }
        true
    }

    /// The done part of its time: 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        let whole = self.until.since(self.since).as_secs_f64();
        (self.reached.since(self.since).as_secs_f64() / whole).min(1.0)
    }

    /// Calls that are left if nothing of it is stored, and if the market goes on trading in as
    /// many of its buckets as it did up to here.
    pub(super) fn calls_left(&self) -> u64 {
        /// A month, about.
        const MONTH: Duration = Duration::from_secs(30 * 86_400);
        if self.is_done {
            return 0;
        }
        let width = self.timeframe.fixed().unwrap_or(MONTH).as_secs_f64();
        let buckets = |time: Duration| time.as_secs_f64() / width;
        let traded = match self.first.map(|first| buckets(self.reached.since(first))) {
            Some(seen) if seen > 0.0 => (self.bars as f64 / seen).min(1.0),
            _ => 1.0,
        };
        let rows = buckets(self.until.since(self.reached)) * traded;
        // A float as whole as this one loses nothing, and a cast saturates.
        ((rows / f64::from(ROWS)).ceil() as u64).max(1)
    }
}

/// Where a page begins.
fn since_of(path: &str) -> Option<UnixMs> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "since")?.1.parse().ok()
}
