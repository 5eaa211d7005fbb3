//! The grid that prices stand on.

/// Prices have 5 significant digits and at most 8 decimals
/// (docs.bitfinex.com/docs/requirements-and-limitations, 2025-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    decimals: i32,
}

const DIGITS: i32 = 5;
const MAX_DECIMALS: i32 = 8;

impl Grid {
    /// The grid around a price.
    pub(super) fn around(price: f64) -> Self {
        let magnitude = price.log10().floor() as i32;
        Self { decimals: (DIGITS - 1 - magnitude).min(MAX_DECIMALS) }
    }

    /// How many steps of the grid make up a price.
    pub(super) fn steps(self, price: f64) -> f64 {
        if self.decimals >= 0 {
            price * 10_f64.powi(self.decimals)
        } else {
            price / 10_f64.powi(-self.decimals)
        }
    }

    /// The price of a step. A quotient of whole numbers is the double nearest to the decimal, so
    /// that its shortest text is the decimal itself.
    pub(super) fn price(self, step: i64) -> f64 {
        if self.decimals >= 0 {
            step as f64 / 10_f64.powi(self.decimals)
        } else {
            step as f64 * 10_f64.powi(-self.decimals)
        }
    }

    /// Tells grids of different fineness apart.
    pub(super) const fn id(self) -> i64 {
        self.decimals as i64
    }
}

/// The price nearest to `price` that the exchange can print, never zero.
pub(super) fn printable(price: f64) -> f64 {
    let grid = Grid::around(price);
    let step = (grid.steps(price).round() as i64).max(1);
    grid.price(significant(step, 5, Rounding::Down))
}

/// Amounts have at most 8 decimals.
pub(super) fn eight_decimals(amount: f64) -> f64 {
    (amount * 1e8).round() / 1e8
}

/// Which way a price leaves its place when digits are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Down,
    Up,
}

/// `step` with all but its first `digits` digits made zero.
pub(super) fn significant(step: i64, digits: u32, rounding: Rounding) -> i64 {
    let unit = 10_i64.pow((step.max(1).ilog10() + 1).saturating_sub(digits));
    let down = step / unit * unit;
    if rounding == Rounding::Up && down != step { down + unit } else { down }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_five_digits_and_eight_decimals() {
        for (exact, printed) in [
            (118_273.4, 118_270.0),
            (96_512.34, 96_512.0),
            (2.345_678_9, 2.3457),
            (0.072_345_67, 0.072_346),
            (0.000_007_123_4, 0.000_007_12),
            (0.000_000_701_2, 7e-7),
            (0.000_000_000_4, 1e-8),
        ] {
            assert_eq!(printable(exact), printed, "{exact}");
        }
    }

    #[test]
    fn digits_are_dropped_outwards() {
        assert_eq!(significant(96_512, 3, Rounding::Down), 96_500);
        assert_eq!(significant(96_512, 3, Rounding::Up), 96_600);
        assert_eq!(significant(96_500, 3, Rounding::Up), 96_500);
        assert_eq!(significant(7, 5, Rounding::Up), 7);
        assert_eq!(significant(99_999, 1, Rounding::Up), 100_000);
    }
}
