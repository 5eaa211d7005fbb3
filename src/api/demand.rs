//! A request's `Cache-Control` (RFC 9111, section 5.2.1).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};

use super::problem::Problem;
use crate::{cache::Demand, telemetry::Wait};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// How a request waits for its turn at the exchange: with `Priority: u=7`, the urgency of
/// background work (RFC 9218, section 4.1), behind all others.
pub(super) fn priority(headers: &HeaderMap) -> Wait {
    let values = headers.get_all(PRIORITY).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut urgencies = texts.flat_map(|text| text.split(',')).map(str::trim);
    if urgencies.any(|parameter| parameter == "u=7") { Wait::Background } else { Wait::Client }
}

/// What the client asks of the answer's age. Directives that are not known are ignored, as the
/// RFC says; known ones with a value that cannot be read are refused rather than guessed.
pub(super) fn demand(headers: &HeaderMap) -> Result<Demand, Problem> {
    let mut demand = Demand::default();
    for value in headers.get_all(header::CACHE_CONTROL) {
        let text = value.to_str().unwrap_or_default();
        for directive in text.split(',') {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name.trim(), Some(argument.trim().trim_matches('"'))),
                None => (directive.trim(), None),
            };
            match name.to_ascii_lowercase().as_str() {
                "max-age" => demand.max_age = Some(seconds(name, argument)?),
                "min-fresh" => demand.min_fresh = Some(seconds(name, argument)?),
                "max-stale" if argument.is_none() => demand.max_stale = Some(Duration::MAX),
                "max-stale" => demand.max_stale = Some(seconds(name, argument)?),
                "no-cache" => demand.max_age = Some(Duration::ZERO),
                "only-if-cached" => demand.only_if_cached = true,
                _ => {}
            }
        }
    }
    Ok(demand)
}

fn seconds(directive: &str, argument: Option<&str>) -> Result<Duration, Problem> {
    let argument = argument.unwrap_or_default();
    // A number beyond u32 means the same as its largest value: RFC 9111, section 1.2.2.
    let digits = !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        let allowed = format!("{directive} takes whole seconds");
        return Err(Problem::parameter("Cache-Control", argument, allowed));
    }
    let count = argument.parse::<u32>().unwrap_or(u32::MAX);
    Ok(Duration::from_secs(u64::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Result<Demand, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, text.parse().unwrap());
        demand(&headers)
    }

    #[test]
    fn directives_are_read() {
        let secs = |count| Some(Duration::from_secs(count));
        let none = Demand::default();
        assert_eq!(
            of("max-age=3, min-fresh=1"),
            Ok(Demand { max_age: secs(3), min_fresh: secs(1), ..none })
        );
        assert_eq!(of("Max-Stale"), Ok(Demand { max_stale: Some(Duration::MAX), ..none }));
        assert_eq!(
            of("max-stale=5,only-if-cached"),
            Ok(Demand { max_stale: secs(5), only_if_cached: true, ..none })
        );
        assert_eq!(of("no-cache"), Ok(Demand { max_age: secs(0), ..none }));
        assert_eq!(of("no-transform, x=1"), Ok(none));
        assert_eq!(
            of("max-age=99999999999999999999"),
            Ok(Demand { max_age: secs(u64::from(u32::MAX)), ..none })
        );
        for bad in ["max-age", "max-age=-1", "max-age=x", "min-fresh=1.5"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
