//! What an answer of the REST interface means, and how its requests are written.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;

use crate::{
    exchange::{
        Answer, UpstreamError, bounds,
        json::{first_byte, invalid, words},
        transport::MAX_RETRY_AFTER,
    },
    market::{BookQuery, CandleQuery, Listing, Timeframe, Trade, TradeQuery, UnixMs},
};

/// Everything that is listed, without the groups of accounts that may trade it: most of the answer.
pub(super) const MARKETS_PATH: &str = "api/v3/exchangeInfo?showPermissionSets=false";

/// The longest answer that is looked at for an error; no genuine one comes near.
const MAX_ERROR_BYTES: usize = 4096;

/// Numbers of errors (binance/binance-spot-api-docs, errors.md, 2026-07).
mod code {
    pub(super) const TOO_MANY_REQUESTS: i64 = -1003;
    /// Unknown, disconnected, an unexpected answer or none from behind, busy, shutting down.
    pub(super) const UNAVAILABLE: [i64; 6] = [-1000, -1001, -1006, -1007, -1008, -1016];
    /// The request is wrong: illegal characters, missing or surplus parameters, no such symbol or
    /// interval. A symbol that is not in the status asked for is -1220.
    pub(super) const WRONG: std::ops::RangeInclusive<i64> = -1299..=-1100;
}

/// `{"code":-1121,"msg":"Invalid symbol."}`.
#[derive(Deserialize)]
struct Problem<'a> {
    code: i64,
    #[serde(borrow)]
    msg: Cow<'a, str>,
}

/// The body of an answer that is data. `now` is what the end of a ban is reckoned from where it is
/// only named in words.
///
/// A body of code and message is a failure whatever the status.
pub(super) fn data(answer: Answer, now: UnixMs) -> Result<Bytes, UpstreamError> {
    let Answer { status, retry_after, body } = answer;
    let problem: Option<Problem<'_>> =
        (body.len() <= MAX_ERROR_BYTES).then(|| serde_json::from_slice(&body).ok()).flatten();
    let until = problem.as_ref().and_then(|problem| banned_until(&problem.msg));
    let is_limit = problem.as_ref().is_some_and(|it| it.code == code::TOO_MANY_REQUESTS);
    if status == 418 || (until.is_some() && (status == 429 || is_limit)) {
        let left = until.map(|until| until.since(now).min(MAX_RETRY_AFTER));
        return Err(UpstreamError::Banned { retry_after: retry_after.or(left) });
    }
    if status == 429 || is_limit {
        return Err(UpstreamError::RateLimited { retry_after });
    }
    // A firewall or a forbidden region: asking once more makes the one worse and the other no
    // better.
    if status == 403 || status == 451 {
        return Err(UpstreamError::Restricted { status });
    }
    if let Some(Problem { code, msg }) = &problem {
        return Err(match *code {
            code if code::UNAVAILABLE.contains(&code) => UpstreamError::Unavailable { status },
            _ if status >= 500 => UpstreamError::Unavailable { status },
            code if code::WRONG.contains(&code) || status >= 400 => {
                UpstreamError::Rejected { code, message: words(msg) }
            }
            code => invalid("error", format_args!("{code} {msg}")),
        });
    }
    match status {
        200..=299 if matches!(first_byte(&body), Some(b'[' | b'{')) => Ok(body),
        200..=299 => Err(invalid("body", "not JSON")),
        400 | 404 | 405 | 414 | 422 => Err(UpstreamError::Rejected {
            code: i64::from(status),
            message: format!("HTTP {status}"),
        }),
        300..=399 => Err(invalid("status", status)),
        _ => Err(UpstreamError::Unavailable { status }),
    }
}

/// `Way too much request weight used; IP banned until 1633998511098. Please use …`.
fn banned_until(message: &str) -> Option<UnixMs> {
    let (_, rest) = message.split_once("banned until ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(UnixMs::from_millis)
}

pub(super) fn ticker_path(market: &Listing) -> String {
    format!("api/v3/ticker/24hr?symbol={}", encoded(&market.id))
}

pub(super) fn tickers_path(markets: Option<&[Arc<Listing>]>) -> String {
    let Some(markets) = markets else { return "api/v3/ticker/24hr".to_owned() };
    let ids: Vec<&str> = markets.iter().map(|market| market.id.as_str()).collect();
    let list = serde_json::json!(ids).to_string();
    format!("api/v3/ticker/24hr?symbols={}", encoded(&list))
}

pub(super) fn book_path(query: &BookQuery) -> String {
    format!("api/v3/depth?symbol={}&limit={}", encoded(&query.market.id), query.depth)
}

/// With `startTime` the oldest come first and count first; with `endTime` alone the newest up to
/// it (rest-api.md, Kline/Candlestick data, 2026-07). Both are opening times and inclusive.
pub(super) fn candles_path(query: &CandleQuery) -> String {
    let CandleQuery { market, timeframe, limit, since, until } = query;
    let symbol = encoded(&market.id);
    let mut path = format!("api/v3/klines?symbol={symbol}&interval={timeframe}&limit={limit}");
    // A bucket that opens before is not asked for, and none is left out.
    let since = since.map(|since| {
        let next = next_opening(*timeframe, since);
        if until.is_some_and(|until| next > until) { since } else { next }
    });
    bound(&mut path, "startTime", since);
    bound(&mut path, "endTime", *until);
    path
}

/// With `since` the first trades from there on, and `until` is left to [`trades_as_asked`]: with
/// both, the limit has been seen to count from the end (github.com/binance/binance-spot-api-docs,
/// issue 10, 2021), while with `startTime` alone it counts from there (CHANGELOG, 2022-11).
pub(super) fn trades_path(query: &TradeQuery) -> String {
    let TradeQuery { market, limit, since, until } = query;
    let mut path = format!("api/v3/aggTrades?symbol={}&limit={limit}", encoded(&market.id));
    match since {
        Some(_) => bound(&mut path, "startTime", *since),
        None => bound(&mut path, "endTime", *until),
    }
    path
}

fn bound(path: &mut String, name: &str, at: Option<UnixMs>) {
    if let Some(at) = at {
        // Writing to a string does not fail.
        let _ = write!(path, "&{name}={}", at.millis().max(0));
    }
}

/// As a value in a query: all but letters, digits and `-_.` is written as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

fn next_opening(timeframe: Timeframe, since: UnixMs) -> UnixMs {
    let opening = timeframe.start_of(since);
    if opening == since { since } else { timeframe.end_of(opening) }
}

/// Refuses what was not asked for, and cuts trades after `until` where the exchange was not told of
/// it (see [`trades_path`]).
pub(super) fn trades_as_asked(
    query: &TradeQuery,
    trades: Vec<Trade>,
) -> Result<Vec<Trade>, UpstreamError> {
    let Some((_, until)) = query.since.zip(query.until) else {
        return bounds::trades(query, trades);
    };
    let told = TradeQuery { until: None, ..query.clone() };
    let mut trades = bounds::trades(&told, trades)?;
    trades.retain(|trade| trade.at <= until);
    Ok(trades)
}

#[cfg(test)]
mod tests;
