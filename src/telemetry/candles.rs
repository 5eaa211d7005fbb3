//! Metrics of an exchange's candles.

use metrics::{Counter, counter, describe_counter};

const RESTATED: &str = "tidegate_candles_restated_total";
const DERIVED: &str = "tidegate_candles_derived_total";

/// Handles; clones count together.
#[derive(Clone, Debug)]
pub struct CandleMetrics {
    exchange: &'static str,
    restated: Counter,
    derived: Counter,
}

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    describe_counter!(RESTATED, "Final candles that the exchange told differently later.");
    describe_counter!(DERIVED, "Answers computed from narrower candles, which saved a call.");
}

impl CandleMetrics {
    /// Registers the exchange's series with the exporter in force.
    pub(super) fn register(exchange: &'static str) -> Self {
        Self {
            exchange,
            restated: counter!(RESTATED, "exchange" => exchange),
            derived: counter!(DERIVED, "exchange" => exchange),
        }
    }

    pub(super) fn is(&self, exchange: &str) -> bool {
        self.exchange == exchange
    }

    /// So many final candles were told differently.
    pub fn restated(&self, count: usize) {
        self.restated.increment(count as u64);
    }

    /// An answer was computed from narrower candles.
    pub fn derived(&self) {
        self.derived.increment(1);
    }
}
