//! What an answer of the REST interface means, and how its requests are written.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{profile::timeframe_name, wire};
use crate::{
    exchange::{
        Answer, UpstreamError,
        json::{first_byte, words},
    },
    market::{BookQuery, CandleQuery, Listing, Timeframe, TradeQuery, UnixMs},
};

/// Numbers of errors (docs.bitfinex.com/docs/abbreviations-glossary, 2025-11).
mod code {
    pub(super) const CONCURRENCY: i64 = 10_008;
    pub(super) const PARAMS: i64 = 10_020;
    /// Authentication and permission: 10100 to 10299.
    pub(super) const AUTH: std::ops::Range<i64> = 10_100..10_300;
    pub(super) const NOT_READY: i64 = 11_000;
    pub(super) const RATE_LIMIT: i64 = 11_010;
    pub(super) const STOPPING: i64 = 20_051;
    pub(super) const MAINTENANCE: i64 = 20_060;
    pub(super) const RESUMED: i64 = 20_061;
}

/// The body of an answer that is data.
///
/// An error array is a failure whatever the status: the exchange sends most with 500, bad
/// parameters too, but some of its gateways with 200.
pub(super) fn data(answer: Answer) -> Result<Bytes, UpstreamError> {
    let Answer { status, retry_after, body } = answer;
    if status == 429 || says_rate_limit(&body) {
        return Err(UpstreamError::RateLimited { retry_after });
    }
    if let Some((code, message)) = error_array(&body) {
        return Err(match code {
            code::RATE_LIMIT => UpstreamError::RateLimited { retry_after },
            code::MAINTENANCE => UpstreamError::Maintenance,
            code::PARAMS => UpstreamError::Rejected { code, message },
            code if code::AUTH.contains(&code) => UpstreamError::Rejected { code, message },
            code::NOT_READY | code::CONCURRENCY | code::STOPPING | code::RESUMED => {
                UpstreamError::Unavailable { status }
            }
            _ if status >= 500 => UpstreamError::Unavailable { status },
            code => wire::invalid("error", format_args!("{code} {message}")),
        });
    }
    match status {
        200..=299 if matches!(first_byte(&body), Some(b'[' | b'{')) => Ok(body),
        200..=299 => Err(wire::invalid("body", "not JSON")),
        404 => {
            Err(UpstreamError::Rejected { code: 404, message: "no such path or symbol".to_owned() })
        }
        400 | 405 | 414 | 422 => Err(UpstreamError::Rejected {
            code: i64::from(status),
            message: format!("HTTP {status}"),
        }),
        300..=399 => Err(wire::invalid("status", status)),
        _ => Err(UpstreamError::Unavailable { status }),
    }
}

/// Proves that `body` is one JSON value.
pub(super) fn json(body: Bytes) -> Result<Bytes, UpstreamError> {
    serde_json::from_slice::<IgnoredAny>(&body).map_err(|error| wire::invalid("body", error))?;
    // The exchange's texts reach clients as they are, so they have to be UTF-8 everywhere.
    std::str::from_utf8(&body).map_err(|error| wire::invalid("body", error))?;
    Ok(body)
}

/// `{"error":"ERR_RATE_LIMIT"}` (docs.bitfinex.com/docs/requirements-and-limitations, 2025-11).
fn says_rate_limit(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Refusal<'a> {
        error: &'a str,
    }
    first_byte(body) == Some(b'{')
        && serde_json::from_slice::<Refusal<'_>>(body)
            .is_ok_and(|refusal| refusal.error == "ERR_RATE_LIMIT")
}

/// `["error", CODE, "text"]`, with what may follow. Code and text are optional: the word alone is
/// an error too.
fn error_array(body: &[u8]) -> Option<(i64, String)> {
    let start = body.trim_ascii_start().strip_prefix(b"[")?.trim_ascii_start();
    start.strip_prefix(b"\"error\"")?;
    let columns = serde_json::from_slice::<Vec<&RawValue>>(body).unwrap_or_default();
    let code = columns.get(1).and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
    let text: Option<String> = columns.get(2).and_then(|raw| serde_json::from_str(raw.get()).ok());
    Some((code, words(text.as_deref().unwrap_or("error"))))
}

pub(super) fn book_path(query: &BookQuery) -> String {
    format!("v2/book/{}/{}?len={}", query.market.id, query.precision, query.depth)
}

/// With `since` in ascending order, else the newest first, which is the exchange's own order.
///
/// An unaligned `start` has been reported to bring nothing (github.com/ccxt/ccxt/issues/3393), so
/// it is moved up to the next opening, which leaves out no candle.
pub(super) fn candles_path(query: &CandleQuery) -> String {
    let CandleQuery { market, timeframe, limit, since, until } = query;
    let key = format!("trade:{}:{}", timeframe_name(*timeframe), market.id);
    let mut path = format!("v2/candles/{key}/hist?limit={limit}");
    span(&mut path, since.map(|since| next_opening(*timeframe, since)), *until);
    path
}

pub(super) fn trades_path(query: &TradeQuery) -> String {
    let TradeQuery { market, limit, since, until } = query;
    let mut path = format!("v2/trades/{}/hist?limit={limit}", market.id);
    span(&mut path, *since, *until);
    path
}

pub(super) fn tickers_path<'a>(ids: Option<impl Iterator<Item = &'a Listing>>) -> String {
    let Some(markets) = ids else { return "v2/tickers?symbols=ALL".to_owned() };
    let ids: Vec<&str> = markets.map(|market| market.id.as_str()).collect();
    format!("v2/tickers?symbols={}", ids.join(","))
}

fn span(path: &mut String, start: Option<UnixMs>, end: Option<UnixMs>) {
    // Writing to a string does not fail.
    if let Some(start) = start {
        let _ = write!(path, "&start={}&sort=1", start.millis().max(0));
    }
    if let Some(end) = end {
        let _ = write!(path, "&end={}", end.millis().max(0));
    }
}

fn next_opening(timeframe: Timeframe, since: UnixMs) -> UnixMs {
    // Where weeks begin is not documented; midnight is on the safe side.
    let width = match timeframe {
        Timeframe::W1 | Timeframe::W2 => Timeframe::D1,
        _ => timeframe,
    };
    let opening = width.start_of(since);
    if opening == since { since } else { width.end_of(opening) }
}

#[cfg(test)]
mod tests;
