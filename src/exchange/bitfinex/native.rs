//! Requests in the exchange's own terms, checked piece by piece.
//!
//! The constructors take decoded text (no `%3A`, no `%2C`) and are the only way to a
//! [`NativeQuery`], so nothing that a client typed is sent unless it has the documented form.
//! Requests that mean the same get the same text: query parameters in alphabetical order,
//! defaults and zeros, which the exchange takes for absent, left out, lists without order sorted.
//! What cannot be right is refused in the exchange's words (`symbol: invalid`).

use std::{collections::BTreeSet, fmt::Write as _};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::exchange::{Family, NativeQuery};

const MAX_SYMBOLS: usize = 500;
const MAX_CONF_KEYS: usize = 32;
const MAX_CONF_KEY_LEN: usize = 64;
/// docs.bitfinex.com/reference/rest-public-candles, -trades, -stats, 2025-11.
const MAX_ROWS: u32 = 10_000;
/// docs.bitfinex.com/reference/rest-public-tickers-history, 2025-11.
const MAX_TICKERS_HISTORY: u32 = 250;
/// docs.bitfinex.com/reference/rest-public-derivatives-status-history, 2025-11.
const MAX_DERIV_HISTORY: u32 = 5_000;
/// Those of the candles' page, and two that clients have long been using: `7D` and `4h`.
const WIDTHS: [&str; 14] =
    ["1m", "5m", "15m", "30m", "1h", "3h", "4h", "6h", "12h", "1D", "1W", "7D", "14D", "1M"];
/// docs.bitfinex.com/reference/rest-public-stats, 2025-11.
const STATISTICS: [&str; 8] = [
    "pos.size",
    "funding.size",
    "credits.size",
    "credits.size.sym",
    "vol.1d",
    "vol.7d",
    "vol.30d",
    "vwap",
];

/// A request that the exchange would refuse, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadNative {
    /// The exchange's number of the error: 10020, bad parameter; 10300, subscription failed.
    pub code: i64,
    /// `symbol: invalid`.
    pub message: String,
}

impl BadNative {
    fn new(parameter: &str) -> Self {
        Self { code: 10_020, message: format!("{parameter}: invalid") }
    }

    /// Of a subscription, `what` being its message as a whole.
    pub(super) fn subscription(what: &str) -> Self {
        Self { code: 10_300, message: what.to_owned() }
    }

    /// True if it is this parameter that is wrong.
    pub fn is_of(&self, parameter: &str) -> bool {
        *self == Self::new(parameter)
    }
}

/// Which rows of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// As many as the page says.
    Hist,
    /// The last one, as a flat row; the page is ignored.
    Last,
}

/// The part of a history that is asked for; `None` and 0 leave it to the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Most rows.
    pub limit: Option<u32>,
    /// Earliest time, Unix milliseconds, inclusive.
    pub start: Option<i64>,
    /// Latest time, Unix milliseconds, inclusive.
    pub end: Option<i64>,
    /// 1: oldest first, -1: newest first, which is the default.
    pub sort: Option<i8>,
}

impl Page {
    /// Reads `limit`, `start`, `end` and `sort` from a request's decoded query; other parameters
    /// are ignored, as the exchange does. The last of a name counts.
    pub fn from_query<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BadNative> {
        let mut page = Self::default();
        for (name, text) in pairs {
            match name {
                "limit" => page.limit = Some(number(name, text)?),
                "start" => page.start = Some(number(name, text)?),
                "end" => page.end = Some(number(name, text)?),
                "sort" => page.sort = Some(number(name, text)?),
                _ => {}
            }
        }
        Ok(page)
    }

    fn write(self, path: &mut String, max_limit: u32) -> Result<(), BadNative> {
        let Self { limit, start, end, sort } = self;
        let [limit, start, end, sort] =
            [limit.map(i64::from), start, end, sort.map(i64::from)].map(Option::unwrap_or_default);
        if limit > i64::from(max_limit) {
            return Err(BadNative::new("limit"));
        }
        if !(-1..=1).contains(&sort) {
            return Err(BadNative::new("sort"));
        }
        for (name, value) in [("start", start), ("end", end)] {
            if !(0..=LATEST_MS).contains(&value) {
                return Err(BadNative::new(name));
            }
        }
        let sort = sort.max(0);
        for (name, value) in [("end", end), ("limit", limit), ("sort", sort), ("start", start)] {
            if value != 0 {
                let mark = if path.contains('?') { '&' } else { '?' };
                // Writing to a string does not fail.
                let _ = write!(path, "{mark}{name}={value}");
            }
        }
        Ok(())
    }
}

/// The end of the year 9999, the last that dates can show.
const LATEST_MS: i64 = 253_402_300_799_999;

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, BadNative> {
    text.parse().map_err(|_| BadNative::new(name))
}

/// `platform/status`.
pub fn platform_status() -> NativeQuery {
    query(Family::Status, "v2/platform/status".to_owned())
}

/// `conf/{keys}`: one element for each key, in the keys' order.
pub fn conf<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<NativeQuery, BadNative> {
    let keys: Vec<&str> = keys.into_iter().take(MAX_CONF_KEYS + 1).collect();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.');
    let documented = |key: &&str| {
        let rest = key.strip_prefix("pub:").unwrap_or_default();
        !rest.is_empty() && key.len() <= MAX_CONF_KEY_LEN && rest.bytes().all(plain)
    };
    if keys.is_empty() || keys.len() > MAX_CONF_KEYS || !keys.iter().all(documented) {
        return Err(BadNative::new("key"));
    }
    Ok(query(Family::Conf, format!("v2/conf/{}", keys.join(","))))
}

/// The elements of the answer to [`conf`], each sharing `body`; `None` if they are not as many as
/// the keys.
pub fn split_conf(keys: &[String], body: &Bytes) -> Option<Vec<Bytes>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let slices = elements.iter().map(|raw| body.slice_ref(raw.get().as_bytes()));
    (elements.len() == keys.len()).then(|| slices.collect())
}

/// `ticker/{symbol}`, of a pair or a funding currency.
pub fn ticker(symbol: &str) -> Result<NativeQuery, BadNative> {
    Ok(query(Family::Ticker, format!("v2/ticker/{}", checked(symbol)?)))
}

/// `tickers`, of pairs and funding currencies or of `ALL`.
pub fn tickers<'a>(symbols: impl IntoIterator<Item = &'a str>) -> Result<NativeQuery, BadNative> {
    Ok(query(Family::Tickers, format!("v2/tickers?symbols={}", list("symbols", symbols)?)))
}

/// `tickers/hist`, hourly bids and asks of pairs.
pub fn tickers_history<'a>(
    symbols: impl IntoIterator<Item = &'a str>,
    page: Page,
) -> Result<NativeQuery, BadNative> {
    let mut path = format!("v2/tickers/hist?symbols={}", list("symbols", symbols)?);
    page.write(&mut path, MAX_TICKERS_HISTORY)?;
    Ok(query(Family::Tickers, path))
}

/// `book/{symbol}/{precision}`, of single orders too (`R0`). `len` is as the client typed it; 25
/// if absent.
pub fn book(symbol: &str, precision: &str, len: Option<&str>) -> Result<NativeQuery, BadNative> {
    let symbol = checked(symbol)?;
    if !["P0", "P1", "P2", "P3", "P4", "R0"].contains(&precision) {
        return Err(BadNative::new("prec"));
    }
    let len = len.unwrap_or("25");
    if !["1", "25", "100", "250"].contains(&len) {
        return Err(BadNative::new("len"));
    }
    Ok(query(Family::Book, format!("v2/book/{symbol}/{precision}?len={len}")))
}

/// `trades/{symbol}/hist`.
pub fn trades(symbol: &str, page: Page) -> Result<NativeQuery, BadNative> {
    let mut path = format!("v2/trades/{}/hist", checked(symbol)?);
    page.write(&mut path, MAX_ROWS)?;
    Ok(query(Family::Trades, path))
}

/// `candles/{key}/{section}`: `trade:1m:tBTCUSD`, `trade:1m:fUSD:p30` or, over several periods,
/// `trade:1h:fUSD:a30:p2:p30`.
pub fn candles(key: &str, section: Section, page: Page) -> Result<NativeQuery, BadNative> {
    split_candles(key)?;
    series(Family::Candles, format!("v2/candles/{key}"), section, page)
}

/// The width and the market of a key of candles, the market with its periods.
pub(super) fn split_candles(key: &str) -> Result<(&str, &str), BadNative> {
    let bad_key = || BadNative::new("key");
    let rest = key.strip_prefix("trade:").ok_or_else(bad_key)?;
    let (width, market) = rest.split_once(':').ok_or_else(bad_key)?;
    if !WIDTHS.contains(&width) {
        return Err(BadNative::new("time_interval"));
    }
    match market.split_once(':').filter(|_| market.starts_with('f')) {
        Some((currency, periods)) => {
            checked(currency)?;
            if !are_periods(periods) {
                return Err(bad_key());
            }
        }
        None if market.starts_with('f') => return Err(bad_key()),
        None => {
            checked(market)?;
        }
    }
    Ok((width, market))
}

/// `stats1/{key}/{section}`: `pos.size:1m:tBTCUSD:long`, `funding.size:1m:fUSD`,
/// `credits.size.sym:1m:fUSD:tBTCUSD`, `vol.1d:30m:BFX`, `vwap:1d:tBTCUSD`.
pub fn stats(key: &str, section: Section, page: Page) -> Result<NativeQuery, BadNative> {
    let mut parts = key.splitn(3, ':');
    let documented = parts.next().is_some_and(|name| STATISTICS.contains(&name))
        && parts.next().is_some_and(|size| ["1m", "30m", "1d"].contains(&size))
        && parts.next().is_some_and(|of| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b':';
            (3..=64).contains(&of.len()) && of.bytes().all(plain)
        });
    if !documented {
        return Err(BadNative::new("key"));
    }
    series(Family::Stats, format!("v2/stats1/{key}"), section, page)
}

/// `status/deriv`, of perpetuals or of `ALL`; without keys the exchange answers an empty list.
pub fn deriv_status<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<NativeQuery, BadNative> {
    let mut keys = keys.into_iter().peekable();
    let mut path = "v2/status/deriv".to_owned();
    if keys.peek().is_some() {
        path = format!("{path}?keys={}", list("keys", keys)?);
    }
    Ok(query(Family::Status, path))
}

/// `status/deriv/{key}/hist`.
pub fn deriv_history(key: &str, page: Page) -> Result<NativeQuery, BadNative> {
    if !is_symbol(key) || !key.starts_with('t') {
        return Err(BadNative::new("key"));
    }
    let mut path = format!("v2/status/deriv/{key}/hist");
    page.write(&mut path, MAX_DERIV_HISTORY)?;
    Ok(query(Family::Status, path))
}

fn query(family: Family, path_and_query: String) -> NativeQuery {
    NativeQuery { family, path_and_query }
}

fn series(
    family: Family,
    mut path: String,
    section: Section,
    page: Page,
) -> Result<NativeQuery, BadNative> {
    match section {
        Section::Hist => {
            path.push_str("/hist");
            page.write(&mut path, MAX_ROWS)?;
        }
        Section::Last => path.push_str("/last"),
    }
    Ok(query(family, path))
}

/// Sorted, without repetition; `ALL` stands for any others beside it.
fn list<'a>(
    parameter: &str,
    symbols: impl IntoIterator<Item = &'a str>,
) -> Result<String, BadNative> {
    let symbols: Vec<&str> = symbols.into_iter().take(MAX_SYMBOLS + 1).collect();
    let fits = !symbols.is_empty()
        && symbols.len() <= MAX_SYMBOLS
        && symbols.iter().all(|symbol| *symbol == "ALL" || is_symbol(symbol));
    if !fits {
        return Err(BadNative::new(parameter));
    }
    let symbols = BTreeSet::from_iter(symbols);
    if symbols.contains("ALL") {
        return Ok("ALL".to_owned());
    }
    Ok(symbols.into_iter().collect::<Vec<_>>().join(","))
}

fn checked(symbol: &str) -> Result<&str, BadNative> {
    if is_symbol(symbol) { Ok(symbol) } else { Err(BadNative::new("symbol")) }
}

/// `tBTCUSD`, `tDOGE:USD`, `fUSD`.
pub(super) fn is_symbol(text: &str) -> bool {
    let plain = |code: &str| {
        (1..=24).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    match text.strip_prefix('t').map(|pair| (pair, pair.split_once(':'))) {
        Some((_, Some((base, quote)))) => plain(base) && plain(quote),
        Some((pair, None)) => pair.len() == 6 && plain(pair),
        None => text.strip_prefix('f').is_some_and(plain),
    }
}

/// `p30`, `a30:p2:p30`.
fn are_periods(text: &str) -> bool {
    let is_period = |text: &str| {
        let days = text.strip_prefix('p').unwrap_or_default();
        (1..=3).contains(&days.len()) && days.bytes().all(|b| b.is_ascii_digit())
    };
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(period), None, None, None) => is_period(period),
        (Some("a10" | "a30"), Some(from), Some(to), None) => is_period(from) && is_period(to),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
