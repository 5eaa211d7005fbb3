//! What an answer of the REST interface means, and how its requests are written.

use bytes::Bytes;
use serde::Deserialize;

use super::profile::granularity;
use crate::{
    exchange::{Answer, UpstreamError, json},
    market::{BookQuery, Candle, CandleQuery, Listing, Timeframe, Trade, TradeQuery, UnixMs},
};

/// Where the public interface begins.
const BASE: &str = "api/v3/brokerage/market";

/// `{"error": "NOT_FOUND", "error_details": …, "message": …}`; of older endpoints
/// `{"errors": [{"id": "not_found", "message": …}]}`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<String>,
    error_details: Option<String>,
    message: Option<String>,
    errors: Vec<Older>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Older {
    id: String,
    message: Option<String>,
}

impl Refusal {
    /// Of a body that names an error.
    fn of(body: &[u8]) -> Option<Self> {
        let refusal: Self = serde_json::from_slice(body).ok()?;
        (refusal.error.is_some() || !refusal.errors.is_empty()).then_some(refusal)
    }

    /// The error's name in lower case, and the exchange's words.
    fn parts(self) -> (String, String) {
        let older = self.errors.into_iter().next();
        let (id, words) = older.map_or_else(Default::default, |it| (it.id, it.message));
        let name = self.error.unwrap_or(id);
        let message = self.message.or(self.error_details).or(words);
        let message = message.filter(|text| !text.is_empty()).unwrap_or_else(|| name.clone());
        (name.to_lowercase(), json::words(&message))
    }
}

/// The body of an answer that is data.
///
/// A named error is a failure whatever the status. How a rate limit and maintenance are told is
/// not documented, so their status, their name and the exchange's words all count.
pub(super) fn data(answer: Answer) -> Result<Bytes, UpstreamError> {
    let Answer { status, retry_after, body, .. } = answer;
    if status == 429 {
        return Err(UpstreamError::RateLimited { retry_after });
    }
    if status == 451 {
        return Err(UpstreamError::Restricted { status });
    }
    if let Some((name, message)) = Refusal::of(&body).map(Refusal::parts) {
        let code = i64::from(status);
        return Err(match name.as_str() {
            "rate_limit_exceeded" | "resource_exhausted" => {
                UpstreamError::RateLimited { retry_after }
            }
            _ if message.to_lowercase().contains("maintenance") => UpstreamError::Maintenance,
            _ if status >= 500 => UpstreamError::Unavailable { status },
            "unavailable" | "internal" | "internal_server_error" | "deadline_exceeded" => {
                UpstreamError::Unavailable { status }
            }
            "not_found" => UpstreamError::Rejected { code: 404, message },
            "invalid_argument" => UpstreamError::Rejected { code: 400, message },
            _ if status >= 400 => UpstreamError::Rejected { code, message },
            _ => json::invalid("error", format_args!("{name} {message}")),
        });
    }
    let rejected = |message: String| UpstreamError::Rejected { code: i64::from(status), message };
    match status {
        200..=299 if json::first_byte(&body) == Some(b'{') => Ok(body),
        200..=299 => Err(json::invalid("body", "not JSON")),
        404 => Err(rejected("no such path or product".to_owned())),
        400 | 401 | 405 | 414 | 422 => Err(rejected(format!("HTTP {status}"))),
        300..=399 => Err(json::invalid("status", status)),
        _ => Err(UpstreamError::Unavailable { status }),
    }
}

/// Every spot product, or those of the markets; aliases are asked for by what they mean.
pub(super) fn products_path<'a>(markets: Option<impl Iterator<Item = &'a Listing>>) -> String {
    let mut path = format!("{BASE}/products?product_type=SPOT");
    let mut asked: Vec<&str> = Vec::new();
    for market in markets.into_iter().flatten() {
        if !asked.contains(&market.id.as_str()) {
            asked.push(&market.id);
            path.push_str("&product_ids=");
            path.push_str(&market.id);
        }
    }
    path
}

/// The newest trades, and with them the best bid and ask.
pub(super) fn trades_path(market: &Listing, limit: u32) -> String {
    format!("{BASE}/products/{}/ticker?limit={limit}", market.id)
}

pub(super) fn book_path(query: &BookQuery) -> String {
    format!("{BASE}/product_book?product_id={}&limit={}", query.market.id, query.depth)
}

/// Opening times, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    first: UnixMs,
    last: UnixMs,
}

impl Buckets {
    /// The buckets that a query is about, at `now`; `None`: there are none between its bounds.
    ///
    /// The newest ones are one more than asked for, so that none of those that whoever asked had
    /// in mind is missing where a bucket has begun meanwhile.
    pub(super) fn of(query: &CandleQuery, now: UnixMs) -> Option<Self> {
        let CandleQuery { timeframe, limit, since, until, .. } = query;
        let width = timeframe.fixed()?;
        let further = width * limit.saturating_sub(1);
        let until = until.map(|until| timeframe.start_of(until));
        let epoch = UnixMs::from_millis(0);
        let buckets = match since {
            Some(since) => {
                let first = next_opening(*timeframe, (*since).max(epoch));
                let last = first + further;
                Self { first, last: until.map_or(last, |until| until.min(last)) }
            }
            None => {
                let surplus = if until.is_some() { further } else { further + width };
                let last = until.unwrap_or_else(|| timeframe.start_of(now));
                Self { first: (last - surplus).max(epoch), last }
            }
        };
        (buckets.first <= buckets.last).then_some(buckets)
    }

    /// Without what the exchange tells beyond them, and at most as many as asked for.
    pub(super) fn cut(self, query: &CandleQuery, mut candles: Vec<Candle>) -> Vec<Candle> {
        candles.retain(|candle| (self.first..=self.last).contains(&candle.open_time));
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        match query.since {
            Some(_) => candles.truncate(most),
            None => drop(candles.drain(..candles.len().saturating_sub(most))),
        }
        candles
    }
}

fn next_opening(timeframe: Timeframe, since: UnixMs) -> UnixMs {
    let opening = timeframe.start_of(since);
    if opening == since { since } else { timeframe.end_of(opening) }
}

pub(super) fn candles_path(query: &CandleQuery, buckets: Buckets) -> String {
    let id = &query.market.id;
    let (start, end) = (buckets.first.millis() / 1000, buckets.last.millis() / 1000);
    let granularity = granularity(query.timeframe);
    format!("{BASE}/products/{id}/candles?start={start}&end={end}&granularity={granularity}")
}

/// The trades within the times asked for, which have to be among the newest; at most as many as
/// asked for.
pub(super) fn trades_as_asked(query: &TradeQuery, mut trades: Vec<Trade>) -> Vec<Trade> {
    let TradeQuery { limit, since, until, .. } = query;
    trades.retain(|trade| {
        since.is_none_or(|since| trade.at >= since) && until.is_none_or(|until| trade.at <= until)
    });
    let most = usize::try_from(*limit).unwrap_or(usize::MAX);
    match since {
        Some(_) => trades.truncate(most),
        None => drop(trades.drain(..trades.len().saturating_sub(most))),
    }
    trades
}

#[cfg(test)]
mod tests;
