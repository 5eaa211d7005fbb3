//! Numbers of a fixed number of decimals, as exchanges print them.

use std::fmt;

/// `units` times 10 to the power of minus `places`. Printed with all its places: `0.00100000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Decimal {
    pub(super) units: i64,
    places: u32,
}

impl Decimal {
    /// Nearest to `value`.
    pub(super) fn of(value: f64, places: u32) -> Self {
        Self { units: (value * scale(places)).round() as i64, places }
    }

    /// The largest that is not above `value`.
    pub(super) fn below(value: f64, places: u32) -> Self {
        Self { units: (value * scale(places) + 1e-6).floor() as i64, places }
    }

    /// The smallest that is not below `value`.
    pub(super) fn above(value: f64, places: u32) -> Self {
        Self { units: (value * scale(places) - 1e-6).ceil() as i64, places }
    }

    /// 1 at the last place: the step of a grid.
    pub(super) const fn step(places: u32) -> Self {
        Self { units: 1, places }
    }

    pub(super) fn value(self) -> f64 {
        self.units as f64 / scale(self.places)
    }

    /// Without the zeros at the end: `0.001`, `5`.
    pub(super) fn short(self) -> String {
        let text = self.to_string();
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

fn scale(places: u32) -> f64 {
    10_f64.powi(places.cast_signed())
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = (10_u64.pow(self.places), self.units.unsigned_abs());
        let sign = if self.units < 0 { "-" } else { "" };
        let width = self.places as usize;
        match width {
            0 => write!(f, "{sign}{size}"),
            _ => write!(f, "{sign}{}.{:0width$}", size / unit, size % unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_printed_unless_it_is_to_be_short() {
        for (value, places, long, short) in [
            (0.001, 8, "0.00100000", "0.001"),
            (104_500.0, 1, "104500.0", "104500"),
            (7.0, 0, "7", "7"),
            (100.0, 0, "100", "100"),
            (-0.25, 4, "-0.2500", "-0.25"),
        ] {
            let decimal = Decimal::of(value, places);
            assert_eq!((decimal.to_string().as_str(), decimal.short().as_str()), (long, short));
        }
        assert_eq!(Decimal::below(1.999, 1).to_string(), "1.9");
        assert_eq!(Decimal::above(1.901, 1).to_string(), "2.0");
        assert_eq!(Decimal::below(0.3, 1).to_string(), "0.3", "a double just below its decimal");
    }
}
