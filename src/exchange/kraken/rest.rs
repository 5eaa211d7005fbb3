//! What an answer of the REST interface means, and how its requests are written.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        Answer, UpstreamError,
        json::{self, invalid, words},
    },
    market::{BookQuery, Candle, CandleQuery, Listing, Timeframe, Trade, TradeQuery},
};

/// `{"error": [...], "result": ...}` (docs.kraken.com, REST introduction, 2026-09).
#[derive(Deserialize)]
struct Envelope<'a> {
    error: Vec<String>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// The result within an answer that is data.
///
/// Failures come with status 200: an entry of `error` that begins with E is one, whatever the
/// status and whatever else is there; one with W is a warning.
pub(super) fn result(answer: Answer) -> Result<Bytes, UpstreamError> {
    let Answer { status, retry_after, ref body, .. } = answer;
    let rejected = |message: String| UpstreamError::Rejected { code: i64::from(status), message };
    let envelope = json::body::<Envelope<'_>>("body", body);
    if let Ok(Envelope { error, .. }) = &envelope
        && let Some(error) = error.iter().find(|entry| !entry.starts_with('W'))
    {
        return Err(failure(error, status, retry_after));
    }
    match status {
        200..=299 => {
            let found = envelope?.result.ok_or_else(|| invalid("body", "no result"))?;
            Ok(body.slice_ref(found.get().as_bytes()))
        }
        429 => Err(UpstreamError::RateLimited { retry_after }),
        451 => Err(UpstreamError::Restricted { status }),
        404 => Err(rejected("no such path".to_owned())),
        400 | 405 | 414 | 422 => Err(rejected(format!("HTTP {status}"))),
        300..=399 => Err(invalid("status", status)),
        _ => Err(UpstreamError::Unavailable { status }),
    }
}

/// What an entry of `error` means (docs.kraken.com, REST error messages, 2026-09).
fn failure(error: &str, status: u16, retry_after: Option<Duration>) -> UpstreamError {
    let lower = error.to_ascii_lowercase();
    let says = |text: &str| lower.contains(text);
    if status == 429
        || ["too many requests", "rate limit", "throttled", "lockout"].into_iter().any(says)
    {
        UpstreamError::RateLimited { retry_after }
    } else if says("maintenance") {
        UpstreamError::Maintenance
    } else if lower.starts_with("eservice:") || says("internal error") || status >= 500 {
        UpstreamError::Unavailable { status }
    } else if error.starts_with('E') {
        UpstreamError::Rejected { code: 0, message: words(error) }
    } else {
        invalid("error", error)
    }
}

/// What requests call a market.
fn name(market: &Listing) -> &str {
    market.listed_as.as_ref().unwrap_or(&market.id)
}

pub(super) fn ticker_path(market: &Listing) -> String {
    format!("0/public/Ticker?pair={}", name(market))
}

pub(super) fn tickers_path<'a>(markets: Option<impl Iterator<Item = &'a Listing>>) -> String {
    let Some(markets) = markets else { return "0/public/Ticker".to_owned() };
    let names: Vec<&str> = markets.map(name).collect();
    format!("0/public/Ticker?pair={}", names.join(","))
}

pub(super) fn book_path(query: &BookQuery) -> String {
    format!("0/public/Depth?pair={}&count={}", name(&query.market), query.depth)
}

/// From the bucket before the first one asked for: whether `since` itself is included differs
/// between the documentation and what was seen (2026-09).
pub(super) fn candles_path(query: &CandleQuery) -> String {
    let width = i64::try_from(width(query.timeframe).as_secs()).unwrap_or(i64::MAX);
    let pair = name(&query.market);
    let mut path = format!("0/public/OHLC?pair={pair}&interval={}", width / 60);
    if let Some(since) = query.since {
        let open = since.millis().div_euclid(1000);
        // Writing to a string does not fail.
        let _ = write!(path, "&since={}", open.saturating_sub(width).max(0));
    }
    path
}

/// Every width on offer is fixed.
fn width(timeframe: Timeframe) -> Duration {
    timeframe.fixed().unwrap_or_default()
}

/// The exchange counts in nanoseconds, and gives what lies after the time named.
pub(super) fn trades_path(query: &TradeQuery) -> Result<String, UpstreamError> {
    let TradeQuery { market, limit, since, until } = query;
    let mut path = format!("0/public/Trades?pair={}&count={limit}", name(market));
    match since {
        Some(since) => {
            let nanos = i128::from(since.millis().max(0)) * 1_000_000;
            let _ = write!(path, "&since={}", (nanos - 1).max(0));
        }
        None if until.is_some() => {
            let message = "it lists trades from a time on, or the newest".to_owned();
            return Err(UpstreamError::Rejected { code: 0, message });
        }
        None => {}
    }
    Ok(path)
}

/// What was asked for of what the exchange gave, which knows no end and no number of rows.
pub(super) fn candles_as_asked(query: &CandleQuery, candles: Vec<Candle>) -> Vec<Candle> {
    let within = |candle: &Candle| {
        query.since.is_none_or(|since| candle.open_time >= since)
            && query.until.is_none_or(|until| candle.open_time <= until)
    };
    let candles: Vec<Candle> = candles.into_iter().filter(within).collect();
    cut(candles, query.limit, query.since.is_some())
}

/// As [`candles_as_asked`].
pub(super) fn trades_as_asked(query: &TradeQuery, trades: Vec<Trade>) -> Vec<Trade> {
    let within = |trade: &Trade| {
        query.since.is_none_or(|since| trade.at >= since)
            && query.until.is_none_or(|until| trade.at <= until)
    };
    let trades: Vec<Trade> = trades.into_iter().filter(within).collect();
    cut(trades, query.limit, query.since.is_some())
}

/// The first so many rows, or the last.
fn cut<T>(mut rows: Vec<T>, limit: u32, first: bool) -> Vec<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if first {
        rows.truncate(limit);
    } else if let Some(more) = rows.len().checked_sub(limit) {
        rows.drain(..more);
    }
    rows
}

#[cfg(test)]
#[path = "tests/rest.rs"]
mod tests;
