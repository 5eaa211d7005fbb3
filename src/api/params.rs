//! Query parameters, read strictly: what is not known, given twice or out of range is refused.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use super::problem::Problem;
use crate::market::{Timeframe, UnixMs};

/// The parameters of one request, each given once and known to its endpoint.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query string; `known` are the endpoint's parameters.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let allowed = if known.is_empty() {
                    "this endpoint takes no parameters".to_owned()
                } else {
                    format!("not a parameter; known are {}", known.join(", "))
                };
                return Err(Problem::parameter(&name, &value, allowed));
            }
            if params.insert(name.clone().into_owned(), value.clone().into_owned()).is_some() {
                return Err(Problem::parameter(&name, &value, "given more than once"));
            }
        }
        Ok(Self(params))
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        name: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let allowed =
                format!("must be a whole number from {} to {}", range.start(), range.end());
            Problem::parameter(name, text, allowed)
        })
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
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
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
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
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
