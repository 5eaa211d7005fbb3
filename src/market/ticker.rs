//! The state of a market at a glance.

use rust_decimal::Decimal;

use super::{Number, Raw};

/// A ticker as the exchange gave it; a field that it does not give is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Best bid.
    pub bid: Option<Number>,
    /// Size at the best bid. `None` on Bitfinex, which gives a sum over 25 levels.
    pub bid_volume: Option<Number>,
    /// Best ask.
    pub ask: Option<Number>,
    /// Size at the best ask.
    pub ask_volume: Option<Number>,
    /// Last price.
    pub last: Option<Number>,
    /// Change of the price over 24 hours.
    pub change: Option<Number>,
    /// The same relative to the price 24 hours ago: 0.01 is one percent.
    pub change_relative: Option<Number>,
    /// Highest price of 24 hours.
    pub high: Option<Number>,
    /// Lowest price of 24 hours.
    pub low: Option<Number>,
    /// Volume of 24 hours in units of the base.
    pub base_volume: Option<Number>,
    /// The exchange's row without the symbol.
    pub raw: Raw,
}

impl Ticker {
    /// The price 24 hours ago: last - change.
    pub fn open(&self) -> Option<Number> {
        Some(self.open_decimal()?.into())
    }

    /// Change over 24 hours in percent.
    pub fn percentage(&self) -> Option<Number> {
        let relative = self.change_relative.as_ref()?.decimal()?;
        Some(relative.checked_mul(Decimal::ONE_HUNDRED)?.into())
    }

    /// Half-way between the opening and the last price.
    pub fn average(&self) -> Option<Number> {
        let sum = self.open_decimal()?.checked_add(self.last.as_ref()?.decimal()?)?;
        Some(sum.checked_div(Decimal::TWO)?.into())
    }

    /// True if every price that a trader needs is there.
    pub fn is_complete(&self) -> bool {
        let needed = [&self.bid, &self.ask, &self.last, &self.high, &self.low, &self.base_volume];
        needed.into_iter().all(Option::is_some)
    }

    fn open_decimal(&self) -> Option<Decimal> {
        self.last.as_ref()?.decimal()?.checked_sub(self.change.as_ref()?.decimal()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_ccxts() {
        let number = |text: &str| Some(text.parse::<Number>().unwrap());
        let ticker = Ticker {
            bid: number("118280"),
            bid_volume: None,
            ask: number("118290"),
            ask_volume: None,
            last: number("118270"),
            change: number("320"),
            change_relative: number("0.00271301"),
            high: number("118760"),
            low: number("116470"),
            base_volume: number("135.91"),
            raw: Raw::copy_of(serde_json::from_str("[]").unwrap()),
        };
        assert_eq!(ticker.open(), number("117950"));
        assert_eq!(ticker.percentage(), number("0.271301"));
        assert_eq!(ticker.average(), number("118110"));
        assert!(ticker.is_complete());
    }
}
