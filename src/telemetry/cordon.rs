//! Whether operators keep an exchange from being called.

use metrics::{Gauge, describe_gauge, gauge};

const CORDONED: &str = "tidegate_cordoned";

/// The metric of one exchange. Clones share the series.
#[derive(Clone, Debug)]
pub struct CordonMetrics(Gauge);

/// Tells the exporter in force what the series means.
pub(super) fn describe() {
    describe_gauge!(CORDONED, "1 while operators keep the exchange from being called.");
}

impl CordonMetrics {
    /// Registers the series with the exporter in force.
    pub(super) fn register(exchange: &'static str) -> Self {
        Self(gauge!(CORDONED, "exchange" => exchange))
    }

    /// Whether it is so now.
    pub fn set(&self, cordoned: bool) {
        self.0.set(f64::from(u8::from(cordoned)));
    }
}
