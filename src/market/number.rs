//! Numbers that keep the exchange's own decimal text.

use std::{fmt, str::FromStr};

use compact_str::CompactString;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::raw::verbatim;

/// A finite number in the text the exchange printed (`0.0000011`, `7e-7`, `41652`).
///
/// It is read and written as a JSON number without gaining or losing a digit. Two numbers are
/// equal if their texts are: compare with [`Number::decimal`] where the value matters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(CompactString);

/// A text that is not a finite JSON number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number: {0:?}")]
pub struct BadNumber(String);

impl Number {
    /// The number's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest f64; infinite only for texts beyond its range.
    pub fn f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// The exact decimal value, or `None` beyond 28 digits of range (about 7.9e28).
    pub fn decimal(&self) -> Option<Decimal> {
        Decimal::from_str_exact(&self.0)
            .or_else(|_| Decimal::from_str(&self.0))
            .or_else(|_| Decimal::from_scientific(&self.0))
            .ok()
    }

    /// True for zero in any spelling (`0`, `0.0`, `-0`, `0e5`).
    pub fn is_zero(&self) -> bool {
        let mantissa = self.0.split(['e', 'E']).next().unwrap_or_default();
        mantissa.bytes().all(|b| matches!(b, b'0' | b'.' | b'-'))
    }

    /// True if the text begins with a minus sign and the value is not zero.
    pub fn is_negative(&self) -> bool {
        self.0.starts_with('-') && !self.is_zero()
    }

    /// The same digits without a leading minus sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self(self.0.strip_prefix('-').unwrap_or(&self.0).into())
    }
}

impl FromStr for Number {
    type Err = BadNumber;

    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let starts_like_one =
            text.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
        let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        // A JSON parse refuses what Rust's float grammar lets through: `1.`, `01`, `-.5`.
        let json = || serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text);
        if starts_like_one && finite && json() {
            Ok(Self(text.into()))
        } else {
            Err(BadNumber(text.chars().take(40).collect()))
        }
    }
}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        Self(CompactString::from(value.normalize().to_string()))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(CompactString::from(value.to_string()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every way to make a number proves that its text is JSON.
        verbatim(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let starts_like_one =
            raw.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'-');
        // The JSON parser has proved the grammar; what is left is the range of f64.
        if starts_like_one && raw.parse::<f64>().is_ok_and(f64::is_finite) {
            Ok(Self(raw.into()))
        } else {
            Err(de::Error::custom(BadNumber(raw.chars().take(40).collect())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_exchanges_text() {
        for text in ["0.0000011", "7e-7", "41652", "0.015486090000000001", "1.7e-7", "-3.50", "0"] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&number).unwrap(), text);
            assert_eq!(text.parse::<Number>().unwrap(), number);
        }
    }

    #[test]
    fn refuses_what_is_not_a_finite_number() {
        for text in
            ["", "NaN", "inf", "1.", "01", "-.5", "+1", "1e999", "\"1\"", "null", "1 ", "0x1"]
        {
            assert!(text.parse::<Number>().is_err(), "{text}");
            assert!(serde_json::from_str::<Number>(text).is_err() || text == "1 ", "{text}");
        }
    }

    #[test]
    fn computes_exactly() {
        let a: Number = "0.0000011".parse().unwrap();
        let b: Number = "3e-8".parse().unwrap();
        let difference = a.decimal().unwrap() - b.decimal().unwrap();
        assert_eq!(Number::from(difference).as_str(), "0.00000107");
        assert!("-0.0".parse::<Number>().unwrap().is_zero());
        assert!(!"-0".parse::<Number>().unwrap().is_negative());
        assert_eq!("-1.50".parse::<Number>().unwrap().abs().as_str(), "1.50");
    }
}
