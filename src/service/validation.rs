//! Whether a market is fit to be traded now.

use tokio::time::Instant;

use super::Context;
use crate::{config, market::BookFault};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Name in answers.
    pub name: &'static str,
    /// Whether the market passed.
    pub ok: bool,
    /// What was measured; `None` where it could not be.
    pub value: Option<f64>,
    /// What is allowed.
    pub limit: Option<f64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Every check, in the order in which they give the reason.
    pub checks: Vec<Check>,
}

impl Validation {
    /// True if every check passed.
    pub fn is_valid(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// Why the market is not fit: the first failed check's reason.
    pub fn reason(&self) -> &str {
        let failed = self.checks.iter().find(|check| !check.ok);
        failed.and_then(|check| check.reason.as_deref()).unwrap_or(SUITABLE)
    }
}

const SUITABLE: &str = "Market conditions are suitable for trading";

/// Looks at a context: volatility, spread, book, age. What cannot be measured does not pass.
pub fn validate(context: &Context, limits: &config::Validation, now: Instant) -> Validation {
    let volatility = bounded(
        "volatility_pct",
        context.volatility_pct(),
        limits.max_volatility_pct,
        |pct| format!("High volatility detected ({pct:.2}%) - pausing trading"),
        "Volatility is unknown: fewer than three candles",
    );
    let spread = bounded(
        "spread_pct",
        context.spread_pct(),
        limits.max_spread_pct,
        |pct| format!("Wide spread: {pct:.2}%"),
        "Spread is unknown: no best bid or no best ask",
    );
    let age = bounded(
        "data_age_seconds",
        Some(context.age(now).as_secs_f64()),
        limits.max_age.as_secs_f64(),
        |seconds| format!("Data is {seconds:.1} s old"),
        "",
    );
    Validation { checks: vec![volatility, spread, orderbook(context), age] }
}

fn bounded(
    name: &'static str,
    value: Option<f64>,
    limit: f64,
    too_much: impl Fn(f64) -> String,
    unknown: &str,
) -> Check {
    let reason = match value {
        Some(value) if value > limit => Some(too_much(value)),
        Some(_) => None,
        None => Some(unknown.to_owned()),
    };
    Check { name, ok: reason.is_none(), value, limit: Some(limit), reason }
}

fn orderbook(context: &Context) -> Check {
    let (levels, reason) = match &context.book {
        Err(error) => (None, Some(format!("Order book is missing: {error}"))),
        Ok(book) => {
            let levels = book.bids.len() + book.asks.len();
            let reason = match book.fault() {
                _ if book.bids.is_empty() || book.asks.is_empty() => {
                    Some("Order book is empty on at least one side".to_owned())
                }
                Some(BookFault::Crossed) => Some("Order book is crossed".to_owned()),
                Some(BookFault::Unsorted) => Some("Order book is out of order".to_owned()),
                None => None,
            };
            (Some(levels as f64), reason)
        }
    };
    Check { name: "orderbook_levels", ok: reason.is_none(), value: levels, limit: None, reason }
}
