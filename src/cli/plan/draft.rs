//! What was written of a workload, and what it means.

use std::{collections::HashSet, fmt, time::Duration};

use crate::{
    config::duration,
    exchange::Profile,
    market::Timeframe,
    plan::{Demand, MAX_ASKS, Rhythm, What, Workload, has_candles},
};

/// What a group of clients may be described by; the first two may be lists, and `what` as well.
pub(super) const FIELDS: [&str; 8] =
    ["symbols", "timeframes", "what", "clients", "every", "max_age", "limit", "rhythm"];

const KINDS: &str = "must be one of ticker, orderbook, trades, candles, context";
const MOST_CLIENTS: u32 = 1_000_000;
const MOST_ROWS: u32 = 10_000;
const DAY: Duration = Duration::from_secs(86_400);
/// What the endpoints give who does not say how much he wants.
const LEVELS: u32 = 20;
const TRADES: u32 = 50;

/// A value as it was written, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) place: String,
    pub(super) text: String,
}

/// A workload as it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The groups of clients.
    pub(super) drafts: Vec<Draft>,
    pub(super) latency: Option<Text>,
    pub(super) exchange: Option<Text>,
}

/// A group of clients as it was written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Where it begins.
    place: String,
    given: Vec<(&'static str, Text)>,
}

/// Everything that is wrong, each with its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(super) fn add(&mut self, place: &str, what: impl fmt::Display) {
        self.0.push(if place.is_empty() { what.to_string() } else { format!("{place}: {what}") });
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(f, "1 mistake in the workload:")?,
            count => writeln!(f, "{count} mistakes in the workload:")?,
        }
        self.0.iter().try_for_each(|mistake| writeln!(f, "  {mistake}"))
    }
}

impl Draft {
    pub(super) fn at(place: &str) -> Self {
        Self { place: place.to_owned(), given: Vec::new() }
    }

    pub(super) fn give(&mut self, field: &'static str, place: &str, text: &str) {
        let (place, text) = (place.to_owned(), text.to_owned());
        self.given.push((field, Text { place, text }));
    }

    fn all(&self, field: &str) -> impl Iterator<Item = &Text> {
        self.given.iter().filter(move |(name, _)| *name == field).map(|(_, text)| text)
    }

    /// A value of which there is one, `otherwise` where it was not given or is wrong.
    fn one<T>(
        &self,
        field: &str,
        otherwise: T,
        mistakes: &mut Mistakes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let Some(given) = self.all(field).last() else { return otherwise };
        parse(&given.text).unwrap_or_else(|what| {
            mistakes.add(&given.place, format!("{what}, got {:?}", given.text));
            otherwise
        })
    }

    fn check(&self, profile: &Profile, mistakes: &mut Mistakes) -> Vec<Demand> {
        let symbols = self.symbols(mistakes);
        let widths = self.widths(profile, mistakes);
        let clients = self.one("clients", 1, mistakes, |text| whole(text, MOST_CLIENTS));
        let second = Duration::from_secs(1);
        let every = self.one("every", second, mistakes, |text| match duration::parse(text) {
            Some(every) if every >= Duration::from_millis(1) && every <= DAY => Ok(every),
            _ => Err("expected a duration from 1ms to 24h, such as 5s".to_owned()),
        });
        let max_age = self.one("max_age", None, mistakes, |text| match duration::parse(text) {
            Some(age) if age.subsec_nanos() == 0 && age <= DAY => Ok(Some(age)),
            _ => Err("expected a duration of whole seconds up to 24h, such as 10s".to_owned()),
        });
        let limit = self.one("limit", 100, mistakes, |text| whole(text, MOST_ROWS));
        let rhythm = self.one("rhythm", Rhythm::Even, mistakes, |text| match text {
            "even" => Ok(Rhythm::Even),
            "random" => Ok(Rhythm::Random),
            _ => Err("must be even or random".to_owned()),
        });
        let demand = |what: What| {
            let limit = match what {
                What::Orderbook => LEVELS,
                What::Trades => TRADES,
                What::Ticker | What::Candles(_) | What::Context(_) => limit,
            };
            Demand { what, symbols: symbols.clone(), clients, every, max_age, limit, rhythm }
        };
        self.kinds(&widths, mistakes).into_iter().map(demand).collect()
    }

    fn symbols(&self, mistakes: &mut Mistakes) -> Vec<String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | ':');
        let (mut symbols, mut seen) = (Vec::new(), HashSet::new());
        for given in self.all("symbols") {
            let text = &given.text;
            if text.len() < 3 || text.len() > 40 || !text.chars().all(is_allowed) {
                let what = "expected a market such as BTC/USD";
                mistakes.add(&given.place, format!("{what}, got {text:?}"));
            } else if seen.insert(text.to_ascii_uppercase()) {
                symbols.push(text.clone());
            }
        }
        if self.all("symbols").next().is_none() {
            mistakes.add(&self.place, "symbols are missing");
        }
        symbols
    }

    fn widths(&self, profile: &Profile, mistakes: &mut Mistakes) -> Vec<Timeframe> {
        let known = Timeframe::ALL.into_iter().filter(|width| has_candles(profile, *width));
        let known: Vec<&str> = known.map(Timeframe::as_str).collect();
        let mut widths = Vec::new();
        for given in self.all("timeframes") {
            let width = given.text.parse().ok();
            match width.filter(|width| has_candles(profile, *width)) {
                Some(width) if widths.contains(&width) => {}
                Some(width) => widths.push(width),
                None => mistakes.add(
                    &given.place,
                    format!("unknown timeframe {:?}; known are {}", given.text, known.join(", ")),
                ),
            }
        }
        if self.all("timeframes").next().is_none() {
            widths.push(Timeframe::M5);
        }
        widths
    }

    fn kinds(&self, widths: &[Timeframe], mistakes: &mut Mistakes) -> Vec<What> {
        let mut kinds = Vec::new();
        for given in self.all("what") {
            match given.text.as_str() {
                "ticker" => kinds.push(What::Ticker),
                "orderbook" => kinds.push(What::Orderbook),
                "trades" => kinds.push(What::Trades),
                "candles" => kinds.extend(widths.iter().copied().map(What::Candles)),
                "context" => kinds.extend(widths.iter().copied().map(What::Context)),
                text => mistakes.add(&given.place, format!("{KINDS}, got {text:?}")),
            }
        }
        if self.all("what").next().is_none() {
            mistakes.add(&self.place, format!("what is missing: it {KINDS}"));
        }
        let mut seen = HashSet::new();
        kinds.retain(|kind| seen.insert(*kind));
        kinds
    }
}

fn whole(text: &str, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}

/// The workload that drafts describe.
///
/// # Errors
/// `mistakes`, and all that are found here.
pub(super) fn check(
    written: &Written,
    profile: &Profile,
    mut mistakes: Mistakes,
) -> Result<Workload, Mistakes> {
    let mut demands = Vec::new();
    for draft in &written.drafts {
        demands.extend(draft.check(profile, &mut mistakes));
    }
    let mut workload = Workload { demands, latency: Duration::from_millis(150) };
    if let Some(given) = &written.latency {
        match duration::parse(&given.text).filter(|latency| *latency <= Duration::from_secs(60)) {
            Some(latency) => workload.latency = latency,
            None => {
                let what = "expected a duration up to 60s, such as 150ms";
                mistakes.add(&given.place, format!("{what}, got {:?}", given.text));
            }
        }
    }
    if workload.asks() > MAX_ASKS {
        let asks = workload.asks();
        let what = format!("{asks} kinds of data and market together; at most {MAX_ASKS}");
        mistakes.add("", what);
    }
    if mistakes.0.is_empty() { Ok(workload) } else { Err(mistakes) }
}
