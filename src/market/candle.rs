//! Candles and what is computed from them.

use super::{Number, UnixMs};

/// One bucket of trades. A bucket without a trade has no candle, or on some exchanges a flat one
/// without volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When the bucket opens.
    pub open_time: UnixMs,
    /// First price.
    pub open: Number,
    /// Highest price.
    pub high: Number,
    /// Lowest price.
    pub low: Number,
    /// Last price.
    pub close: Number,
    /// Volume in units of the base.
    pub volume: Number,
}

/// Volumes are sums of doubles: the last of their digits may differ from one telling to the next.
const NOISE: f64 = 1e-12;

impl Candle {
    /// True if nothing was traded in the bucket: the exchange fills it with the close before.
    pub fn is_empty(&self) -> bool {
        self.volume.is_zero()
    }

    /// True if both tell the same of the same bucket, in whatever spelling of the numbers, and but
    /// for what adding up volumes as doubles does to their last digits.
    pub fn is_same(&self, other: &Self) -> bool {
        let prices = |of: &Self| [&of.open, &of.high, &of.low, &of.close].map(Number::decimal);
        let volumes = [self.volume.f64(), other.volume.f64()];
        let differ = (volumes[0] - volumes[1]).abs();
        self == other
            || self.open_time == other.open_time
                && prices(self) == prices(other)
                && differ <= NOISE * volumes[0].abs()
    }
}

/// Sample standard deviation (n-1) of close-to-close percentage changes, in percent; `None` for
/// fewer than three candles or where a close is zero.
pub fn volatility_pct(candles: &[Candle]) -> Option<f64> {
    if candles.len() < 3 {
        return None;
    }
    let closes = candles.iter().map(|candle| candle.close.f64());
    let changes: Vec<f64> =
        closes.clone().zip(closes.skip(1)).map(|(from, to)| (to - from) / from).collect();
    let count = changes.len() as f64;
    let mean = changes.iter().sum::<f64>() / count;
    let variance =
        changes.iter().map(|change| (change - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some(variance.sqrt() * 100.0).filter(|pct| pct.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candles(closes: &[&str]) -> Vec<Candle> {
        let number = |text: &str| text.parse::<Number>().unwrap();
        let candle = |close: &&str| Candle {
            open_time: UnixMs::from_millis(0),
            open: number(close),
            high: number(close),
            low: number(close),
            close: number(close),
            volume: number("1"),
        };
        closes.iter().map(candle).collect()
    }

    #[test]
    fn a_restated_candle_is_not_one_that_is_spelt_otherwise() {
        let [one, other] = ["118000.0", "118000"].map(|close| candles(&[close]).remove(0));
        assert!(
            one.is_same(&Candle { volume: "1.0000000000000002".parse().unwrap(), ..other.clone() })
        );
        assert!(!one.is_same(&Candle { volume: "1.00000001".parse().unwrap(), ..other.clone() }));
        assert!(!one.is_same(&Candle { close: "118000.1".parse().unwrap(), ..other.clone() }));
        assert!(!one.is_same(&Candle { open_time: UnixMs::from_millis(1), ..other }));
    }

    #[test]
    fn volatility_is_the_sample_deviation_of_changes() {
        // Changes of +10 % and -10 %: mean 0, variance 0.02 / 1.
        let pct = volatility_pct(&candles(&["100", "110", "99"])).unwrap();
        assert!((pct - 0.02_f64.sqrt() * 100.0).abs() < 1e-9, "{pct}");
        assert_eq!(volatility_pct(&candles(&["100", "110"])), None);
        assert_eq!(volatility_pct(&candles(&["0", "110", "99"])), None);
    }
}
