//! Query parameters: each is declared once, and from its declaration it is read and described.
//!
//! They are read strictly: what is not known, given twice or out of range is refused.

use std::{borrow::Cow, collections::BTreeMap, str::FromStr, time::Duration};

use super::problem::Problem;
use crate::market::{Precision, Timeframe, UnixMs};

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    /// What it means, for people.
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

/// Which values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A whole number within a limit.
    Count(Limit),
    /// Unix milliseconds or ISO 8601.
    Time,
    /// A candle's width; `5m` where none is given.
    Timeframe,
    /// One of these; the first where none is given.
    Choice(&'static [&'static str]),
    /// `true` or `false`; false where none is given, true where it has no value.
    Flag,
    /// Whole milliseconds, as many as a request may take; none where it is not given.
    Wait,
    /// Markets, separated by commas.
    Symbols { required: bool },
    /// Kinds of live data, separated by commas; the ticker where none is given.
    Channels,
    /// An opaque text that the gateway gave.
    Token,
    /// The name of an exchange; the default one where none is given.
    Exchange,
    /// Names of exchanges, separated by commas; all where none is given.
    Exchanges,
}

impl Param {
    pub(super) const fn new(name: &'static str, about: &'static str, kind: Kind) -> Self {
        Self { name, about, kind }
    }
}

/// `limit`: how much is wanted, from 1 on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) default: u32,
    pub(super) max: u32,
}

impl Limit {
    pub(super) const fn param(self, about: &'static str) -> Param {
        Param::new("limit", about, Kind::Count(self))
    }
}

/// `exchange`
pub(super) const EXCHANGE: Param = Param::new(
    "exchange",
    "Which exchange; without it, the configured default one.",
    Kind::Exchange,
);
/// `explain`
pub(super) const EXPLAIN: Param = Param::new(
    "explain",
    "Adds `explain` to the answer: why and how it was come by. Answers that are no object have it \
     in the header `X-Tidegate-Explain`; a request with the header `X-Tidegate-Explain: 1` gets it \
     there, and the body as it is.",
    Kind::Flag,
);
/// `timeframe`
pub(super) const TIMEFRAME: Param = Param::new(
    "timeframe",
    "Width of a candle. Bitfinex's own `1D`, `1W`, `7D` and `14D` are understood too. `/exchanges` \
     tells which ones an exchange offers (`timeframes`), and which others are computed from those, \
     exactly (`derived_timeframes`, such as `4h`); any other is a 501.",
    Kind::Timeframe,
);
/// `precision`
pub(super) const PRECISION: Param = Param::new(
    "precision",
    "How prices are aggregated: `P0` to 5 significant digits, `P4` to 1, on Bitfinex. Others tell \
     them as they are, which is their `P0`; what an exchange does not offer is a 501.",
    Kind::Choice(&[
        Precision::P0.as_str(),
        Precision::P1.as_str(),
        Precision::P2.as_str(),
        Precision::P3.as_str(),
        Precision::P4.as_str(),
    ]),
);
/// `limit` where candles are part of an answer.
pub(super) const CANDLES: Limit = Limit { default: 100, max: 10_000 };
/// The same as a parameter.
pub(super) const CANDLES_LIMIT: Param = CANDLES.param("At most this many candles.");

/// The parameters of one request, each given once and known to its endpoint.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query string; `known` are the endpoint's parameters.
    pub(super) fn parse(query: Option<&str>, known: &[Param]) -> Result<Self, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.iter().any(|param| param.name == name) {
                let names: Vec<_> = known.iter().map(|param| param.name).collect();
                let allowed = if names.is_empty() {
                    "this endpoint takes no parameters".to_owned()
                } else {
                    format!("not a parameter; known are {}", names.join(", "))
                };
                return Err(Problem::parameter(&name, &value, allowed));
            }
            if params.insert(name.clone().into_owned(), value.clone().into_owned()).is_some() {
                return Err(Problem::parameter(&name, &value, "given more than once"));
            }
        }
        Ok(Self(params))
    }

    /// True if a query has a flag, whatever else is in it.
    pub(super) fn has_flag(query: Option<&str>, name: &str) -> bool {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.any(|(key, value)| key == name && matches!(&*value, "true" | "True" | "1" | ""))
    }

    /// The first value of a parameter of a query, whatever else is in it.
    pub(super) fn first<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How much is wanted.
    pub(super) fn limit(&self, Limit { default, max }: Limit) -> Result<u32, Problem> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        let number = text.parse::<u32>().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| {
            Problem::parameter("limit", text, format!("must be a whole number from 1 to {max}"))
        })
    }

    /// How long a client wants to wait, at most so long.
    pub(super) fn wait(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wait = text.parse().ok().map(Duration::from_millis);
        let wait = wait.filter(|wait| !wait.is_zero() && *wait <= most).ok_or_else(|| {
            let most = most.as_millis();
            let allowed = format!("must be a whole number of milliseconds from 1 to {most}");
            Problem::parameter(name, text, allowed)
        });
        wait.map(Some)
    }

    /// Unix milliseconds or ISO 8601.
    pub(super) fn time(&self, name: &str) -> Result<Option<UnixMs>, Problem> {
        self.parsed(name, |bad| {
            let bad: crate::market::BadTime = bad;
            bad.to_string()
        })
    }

    /// A timeframe, `5m` where none is given.
    pub(super) fn timeframe(&self) -> Result<Timeframe, Problem> {
        let allowed = |_: crate::market::BadTimeframe| {
            let names: Vec<_> = Timeframe::ALL.iter().map(|width| width.as_str()).collect();
            format!("must be one of {}", names.join(", "))
        };
        Ok(self.parsed("timeframe", allowed)?.unwrap_or(Timeframe::M5))
    }

    /// `true` or `false`; false where none is given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            // Python writes its booleans with a capital.
            None | Some("false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1" | "") => Ok(true),
            Some(text) => Err(Problem::parameter(name, text, "must be true or false")),
        }
    }

    /// One of the named values; the first where none is given.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
        let text = self.text(name).unwrap_or(choices[0].0);
        let found = choices.iter().find(|(choice, _)| *choice == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            Problem::parameter(name, text, format!("must be one of {}", names.join(", ")))
        })
    }

    /// A comma-separated list of at most `max` items without empty ones.
    pub(super) fn list(&self, name: &str, max: usize) -> Result<Option<Vec<&str>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let items: Vec<&str> = text.split(',').map(str::trim_ascii).collect();
        if items.len() > max || items.iter().any(|item| item.is_empty()) {
            let allowed = format!("must be 1 to {max} names, separated by commas");
            return Err(Problem::parameter(name, text, allowed));
        }
        Ok(Some(items))
    }

    fn parsed<T: FromStr>(
        &self,
        name: &str,
        allowed: impl Fn(T::Err) -> String,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|bad| Problem::parameter(name, text, allowed(bad)))
    }
}
