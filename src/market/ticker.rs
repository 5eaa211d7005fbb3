//! The state of a market at a glance.

use rust_decimal::Decimal;

use super::{Number, Raw, UnixMs};

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
    /// The price that `change` counts from, where the exchange gives it.
    pub opening: Option<Number>,
    /// Change of the price over 24 hours, where the exchange gives it.
    pub change: Option<Number>,
    /// The same relative to the price 24 hours ago, where the exchange gives it: 0.01 is one
    /// percent.
    pub change_relative: Option<Number>,
    /// The same in percent, where the exchange gives it so.
    pub change_percent: Option<Number>,
    /// Highest price of 24 hours.
    pub high: Option<Number>,
    /// Lowest price of 24 hours.
    pub low: Option<Number>,
    /// Mean price of 24 hours by volume.
    pub vwap: Option<Number>,
    /// Close of the period before.
    pub previous_close: Option<Number>,
    /// Volume of 24 hours in units of the base.
    pub base_volume: Option<Number>,
    /// The same in units of the quote.
    pub quote_volume: Option<Number>,
    /// The exchange's time of it, where it gives one.
    pub at: Option<UnixMs>,
    /// The exchange's row without the symbol.
    pub raw: Raw,
}

impl Ticker {
    /// One of which nothing is known but the exchange's row.
    pub fn bare(raw: Raw) -> Self {
        Self {
            bid: None,
            bid_volume: None,
            ask: None,
            ask_volume: None,
            last: None,
            opening: None,
            change: None,
            change_relative: None,
            change_percent: None,
            high: None,
            low: None,
            vwap: None,
            previous_close: None,
            base_volume: None,
            quote_volume: None,
            at: None,
            raw,
        }
    }

    /// The price that the change counts from: the exchange's, else last - change.
    pub fn open(&self) -> Option<Number> {
        self.opening.clone().or_else(|| Some(self.open_decimal()?.into()))
    }

    /// Change: the exchange's, else last - open.
    pub fn change(&self) -> Option<Number> {
        self.change.clone().or_else(|| Some(self.change_decimal()?.into()))
    }

    /// Change in percent: the exchange's, else by the change relative to the opening price.
    pub fn percentage(&self) -> Option<Number> {
        if let Some(percent) = &self.change_percent {
            return Some(percent.clone());
        }
        let relative = match &self.change_relative {
            Some(relative) => relative.decimal()?,
            None => self.change_decimal()?.checked_div(self.open_decimal()?)?,
        };
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

    fn change_decimal(&self) -> Option<Decimal> {
        match &self.change {
            Some(change) => change.decimal(),
            None => self.last.as_ref()?.decimal()?.checked_sub(self.opening.as_ref()?.decimal()?),
        }
    }

    fn open_decimal(&self) -> Option<Decimal> {
        if let Some(opening) = &self.opening {
            return opening.decimal();
        }
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
            ask: number("118290"),
            last: number("118270"),
            change: number("320"),
            change_relative: number("0.00271301"),
            high: number("118760"),
            low: number("116470"),
            base_volume: number("135.91"),
            ..Ticker::bare(Raw::copy_of(serde_json::from_str("[]").unwrap()))
        };
        assert_eq!(ticker.open(), number("117950"));
        assert_eq!(ticker.percentage(), number("0.271301"));
        assert_eq!(ticker.average(), number("118110"));
        assert!(ticker.is_complete());
    }

    #[test]
    fn what_is_given_goes_before_what_is_computed() {
        let number = |text: &str| Some(text.parse::<Number>().unwrap());
        let bare = Ticker::bare(Raw::copy_of(serde_json::from_str("{}").unwrap()));
        let mut ticker = Ticker { last: number("110"), opening: number("100"), ..bare };
        assert_eq!((ticker.change(), ticker.percentage()), (number("10"), number("10")));
        assert_eq!((ticker.open(), ticker.average()), (number("100"), number("105")));
        ticker.change_percent = number("9.999");
        assert_eq!(ticker.percentage(), number("9.999"));
        ticker.opening = number("0");
        ticker.change_percent = None;
        assert_eq!(ticker.percentage(), None, "nothing is a percentage of nothing");
    }
}
