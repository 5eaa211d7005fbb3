//! Answers of exchanges that can be told how many rows and of which time: more than that, or
//! others, are no answer to the question.

use super::{UpstreamError, json::invalid};
use crate::market::{Candle, CandleQuery, Trade, TradeQuery, UnixMs};

/// Refuses candles that are more than asked for, or open beyond the times asked for.
pub(super) fn candles(
    query: &CandleQuery,
    candles: Vec<Candle>,
) -> Result<Vec<Candle>, UpstreamError> {
    let times = candles.iter().map(|candle| candle.open_time);
    check("candles", times, query.limit, (query.since, query.until))?;
    Ok(candles)
}

/// The same of trades.
pub(super) fn trades(query: &TradeQuery, trades: Vec<Trade>) -> Result<Vec<Trade>, UpstreamError> {
    let times = trades.iter().map(|trade| trade.at);
    check("trades", times, query.limit, (query.since, query.until))?;
    Ok(trades)
}

fn check(
    what: &str,
    mut times: impl ExactSizeIterator<Item = UnixMs>,
    limit: u32,
    (since, until): (Option<UnixMs>, Option<UnixMs>),
) -> Result<(), UpstreamError> {
    if times.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(invalid(what, "more rows than asked for"));
    }
    let outside =
        |at: UnixMs| since.is_some_and(|since| at < since) || until.is_some_and(|until| at > until);
    if times.any(outside) { Err(invalid(what, "times that were not asked for")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_question_is_refused() {
        let times = [60_000, 120_000, 180_000].map(UnixMs::from_millis);
        let is_one = |limit, since: Option<i64>, until: Option<i64>| {
            let bounds = (since.map(UnixMs::from_millis), until.map(UnixMs::from_millis));
            check("candles", times.into_iter(), limit, bounds).is_ok()
        };
        assert!(is_one(3, Some(60_000), Some(180_000)));
        assert!(!is_one(2, None, None));
        assert!(!is_one(3, Some(60_001), None));
        assert!(!is_one(3, None, Some(179_999)));
    }
}
