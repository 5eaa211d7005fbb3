//! Prices upwards, times to the right.

/// Prices on half lines: each line of the chart has two of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    halves: usize,
}

impl Scale {
    /// From the lowest to the highest of these prices, over so many lines.
    pub(super) fn over(prices: impl Iterator<Item = f64> + Clone, lines: usize) -> Self {
        let low = prices.clone().fold(f64::INFINITY, f64::min);
        let high = prices.fold(f64::NEG_INFINITY, f64::max);
        // A price that never moved lies in the middle.
        let room = if high > low { 0.0 } else { high.abs().max(1e-9) * 0.001 };
        Self { low: low - room, high: high + room, halves: lines * 2 }
    }

    /// The half line of a price, counted from the lowest.
    pub(super) fn half(&self, price: f64) -> usize {
        let place = (price - self.low) / (self.high - self.low) * (self.halves - 1) as f64;
        // Prices lie between low and high, and so does the place.
        (place.round() as usize).min(self.halves - 1)
    }

    /// A label for some lines, counted from the highest; prices that are easy to read.
    pub(super) fn labels(&self) -> Vec<(usize, String)> {
        // Rounding down to a step that is easy to read makes it two and a half times as many.
        const LINES_EACH: f64 = 5.0;
        let lines = self.halves / 2;
        let rough = (self.high - self.low) / (lines as f64 / LINES_EACH).max(1.0);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [5.0, 2.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step <= rough).unwrap_or(power);
        // As many decimals as tell one label from the next: at most some twenty.
        let decimals = (-step.log10().floor()).clamp(0.0, 20.0) as usize;
        let first = (self.low / step).ceil();
        let tick = |number: usize| (first + number as f64) * step;
        let ticks = (0..=lines).map(tick).take_while(|price| *price <= self.high);
        let label = |price| (lines - 1 - self.half(price) / 2, format!("{price:.decimals$}"));
        ticks.map(label).collect()
    }
}

/// A number with four significant digits.
pub(super) fn brief(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    // Between -308 and 308.
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(3 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
