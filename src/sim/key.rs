//! Keys of candle series: `trade:1m:tBTCUSD`, `trade:1m:tDOGE:USD`, `trade:1h:fUSD:a30:p2:p30`.

use std::ops::RangeInclusive;

use crate::market::{Timeframe, UnixMs};

use super::engine::{Bar, MarketEngine, Window};

const NO_PERIODS: RangeInclusive<u32> = 0..=0;

/// Which candles are meant. The symbol need not be listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CandleKey {
    pub(super) width: Timeframe,
    pub(super) symbol: String,
    /// Days of the funding trades that count; `None` for pairs.
    pub(super) periods: Option<RangeInclusive<u32>>,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadKey {
    Form,
    Width,
}

impl CandleKey {
    pub(super) fn parse(key: &str) -> Result<Self, BadKey> {
        let mut parts = key.splitn(4, ':');
        let (Some("trade"), Some(width), Some(symbol)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(BadKey::Form);
        };
        let width = timeframe(width).ok_or(BadKey::Width)?;
        let rest = parts.next();
        // A colon within the symbol is not one between parts: `tDOGE:USD`.
        let (symbol, periods) = match rest {
            Some(quote) if symbol.starts_with('t') => (format!("{symbol}:{quote}"), None),
            _ => (symbol.to_owned(), rest.and_then(funding_periods)),
        };
        Ok(Self { width, symbol, periods })
    }

    /// True if something is listed under the symbol and the key has periods where it must.
    pub(super) fn is_listed(&self, engine: &MarketEngine) -> bool {
        let listed = engine.find(&self.symbol);
        listed.is_some_and(|one| one.is_funding() == self.periods.is_some())
    }

    /// The candles at `now`; none if nothing is listed under the key.
    pub(super) fn candles(&self, engine: &MarketEngine, window: Window, now: UnixMs) -> Vec<Bar> {
        match engine.find(&self.symbol) {
            Some(instrument) if self.is_listed(engine) => {
                let periods = self.periods.clone().unwrap_or(NO_PERIODS);
                engine.candles(instrument, self.width, &periods, window, now)
            }
            _ => Vec::new(),
        }
    }
}

/// The widths on offer, with their names at the exchange
/// (docs.bitfinex.com/reference/rest-public-candles, 2025-11; 7D is the older name of 1W).
fn timeframe(name: &str) -> Option<Timeframe> {
    Some(match name {
        "1m" => Timeframe::M1,
        "5m" => Timeframe::M5,
        "15m" => Timeframe::M15,
        "30m" => Timeframe::M30,
        "1h" => Timeframe::H1,
        "3h" => Timeframe::H3,
        "6h" => Timeframe::H6,
        "12h" => Timeframe::H12,
        "1D" => Timeframe::D1,
        "1W" | "7D" => Timeframe::W1,
        "14D" => Timeframe::W2,
        "1M" => Timeframe::Month,
        _ => return None,
    })
}

/// `p30`, or the aggregates `a10:p2:p10` and `a30:p2:p30`.
fn funding_periods(text: &str) -> Option<RangeInclusive<u32>> {
    match text {
        "a10:p2:p10" => Some(2..=10),
        "a30:p2:p30" => Some(2..=30),
        single => {
            let days = single.strip_prefix('p')?.parse().ok()?;
            (2..=120).contains(&days).then_some(days..=days)
        }
    }
}
