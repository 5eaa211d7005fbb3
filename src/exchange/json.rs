//! What the readers of exchanges' JSON share: numbers and times that may stand in strings, and
//! what a value has to keep to in order to be true.
//!
//! Nothing is mended: what cannot be read or cannot be true is [`UpstreamError::Invalid`].

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::UpstreamError;
use crate::market::{Book, BookFault, Candle, Number, Timeframe, UnixMs};

/// Ten thousand years after 1970; beyond it a number is no time.
const LATEST_MS: i64 = 315_360_000_000_000;

/// `what` could not be read or cannot be true.
pub(super) fn invalid(what: &str, why: impl fmt::Display) -> UpstreamError {
    // The parser's errors may quote a value of any length.
    UpstreamError::Invalid(format!("{what}: {why}").chars().take(200).collect())
}

/// `json` as a `T`. `what` is named in the error.
pub(super) fn parse<'a, T: Deserialize<'a>>(what: &str, json: &'a str) -> Result<T, UpstreamError> {
    serde_json::from_str(json).map_err(|error| invalid(what, error))
}

/// `body` as a `T` that may borrow from it. `what` is named in the error.
pub(super) fn body<'a, T: Deserialize<'a>>(
    what: &str,
    body: &'a Bytes,
) -> Result<T, UpstreamError> {
    parse(what, std::str::from_utf8(body).map_err(|error| invalid(what, error))?)
}

/// The first `N` elements of the array `row`; what follows them is skipped.
pub(super) fn row<'a, const N: usize>(
    what: &str,
    row: &'a RawValue,
) -> Result<[&'a RawValue; N], UpstreamError> {
    let columns: Vec<&RawValue> = parse(what, row.get())?;
    columns.first_chunk().copied().ok_or_else(|| invalid(what, "row too short"))
}

/// A number that may stand in a string: `0.10` and `"0.10"` are both `0.10`.
pub(super) fn number(what: &str, raw: &RawValue) -> Result<Number, UpstreamError> {
    unquoted(raw).parse().map_err(|error| invalid(what, error))
}

/// As [`number`]; nothing, `null` and the empty string are none.
pub(super) fn number_if_any(
    what: &str,
    raw: Option<&RawValue>,
) -> Result<Option<Number>, UpstreamError> {
    match raw {
        Some(raw) if !matches!(raw.get(), "null" | "\"\"") => number(what, raw).map(Some),
        _ => Ok(None),
    }
}

/// An integer that may stand in a string.
pub(super) fn integer(what: &str, raw: &RawValue) -> Result<i64, UpstreamError> {
    unquoted(raw).parse().map_err(|error| invalid(what, error))
}

/// Unix seconds, with or without a fraction, that may stand in a string. What is below a
/// millisecond is cut off.
pub(super) fn seconds(what: &str, raw: &RawValue) -> Result<UnixMs, UpstreamError> {
    let seconds = number(what, raw)?.decimal();
    let ms = seconds.and_then(|seconds| seconds.checked_mul(Decimal::ONE_THOUSAND)?.to_i64());
    ms.and_then(time).ok_or_else(|| invalid(what, "no time"))
}

/// Unix milliseconds that may stand in a string.
pub(super) fn millis(what: &str, raw: &RawValue) -> Result<UnixMs, UpstreamError> {
    time(integer(what, raw)?).ok_or_else(|| invalid(what, "no time"))
}

/// A time in RFC 3339 (`2026-09-01T12:00:00.123456789Z`). What is below a millisecond is cut off.
pub(super) fn rfc3339(what: &str, raw: &RawValue) -> Result<UnixMs, UpstreamError> {
    let when: Timestamp = unquoted(raw).parse().map_err(|error| invalid(what, error))?;
    time(when.as_millisecond()).ok_or_else(|| invalid(what, "no time"))
}

fn time(ms: i64) -> Option<UnixMs> {
    (1..LATEST_MS).contains(&ms).then(|| UnixMs::from_millis(ms))
}

/// What stands in the string, or the value itself. Nothing that is read from it has an escape.
fn unquoted(raw: &RawValue) -> &str {
    let text = raw.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// A field that is a number which may stand in a string (see [`number`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quoted(pub(super) Number);

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        unquoted(raw).parse().map(Self).map_err(de::Error::custom)
    }
}

/// A field that is such a number or nothing (see [`number_if_any`]). With `#[serde(default)]` the
/// field may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IfAny(pub(super) Option<Number>);

impl IfAny {
    /// The number, where it is more than nothing: a zero stands for a price that there is none of.
    pub(super) fn price(self) -> Option<Number> {
        self.0.filter(|price| !price.is_zero())
    }
}

impl<'de> Deserialize<'de> for IfAny {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        number_if_any("number", Some(raw)).map(Self).map_err(de::Error::custom)
    }
}

/// The fields of an object whose names are data, in their order.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A name of a field, or another text; borrowed where it has no escape.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// True above zero.
pub(super) fn is_positive(number: &Number) -> bool {
    !number.is_zero() && !number.is_negative()
}

/// A number above zero.
pub(super) fn positive(what: &str, number: Number) -> Result<Number, UpstreamError> {
    if is_positive(&number) { Ok(number) } else { Err(invalid(what, "not above zero")) }
}

/// A book that can be true and has at most `depth` levels a side, each of which was checked.
pub(super) fn true_book(book: Book, depth: usize) -> Result<Book, UpstreamError> {
    if book.bids.len().max(book.asks.len()) > depth {
        return Err(invalid("book", "more levels than asked for"));
    }
    match book.fault() {
        None => Ok(book),
        Some(BookFault::Crossed) => Err(invalid("book", "crossed")),
        Some(BookFault::Unsorted) => Err(invalid("book", "levels out of order")),
    }
}

/// A candle that can be true and opens a bucket of `timeframe`.
///
/// Weeks open on any midnight here: what day that is depends on the exchange.
pub(super) fn true_candle(candle: Candle, timeframe: Timeframe) -> Result<Candle, UpstreamError> {
    let Candle { open_time, open, high, low, close, volume } = &candle;
    if ![open, high, low, close].into_iter().all(is_positive) || volume.is_negative() {
        return Err(invalid("candles", "a price that is not positive, or a negative volume"));
    }
    // Rounding to f64 keeps the order, so nothing true is refused.
    let (open, close) = (open.f64(), close.f64());
    if high.f64() < open.max(close) || low.f64() > open.min(close) {
        return Err(invalid("candles", "a price outside of high and low"));
    }
    let width = match timeframe {
        Timeframe::W1 | Timeframe::W2 => Timeframe::D1,
        other => other,
    };
    if width.start_of(*open_time) == *open_time {
        Ok(candle)
    } else {
        Err(invalid("candles", "a time that opens no bucket"))
    }
}

/// Candles that are in order of their times, none of them twice.
pub(super) fn in_order(candles: Vec<Candle>) -> Result<Vec<Candle>, UpstreamError> {
    if candles.is_sorted_by(|earlier, later| earlier.open_time < later.open_time) {
        Ok(candles)
    } else {
        Err(invalid("candles", "times out of order or twice"))
    }
}

/// The first of an answer's bytes that is no space.
pub(super) fn first_byte(body: &[u8]) -> Option<u8> {
    body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Words of an exchange as far as a person would read them.
pub(super) fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_keep_their_text_in_strings_too() {
        for (json, text) in [("\"0.10\"", "0.10"), ("0.10", "0.10"), ("\"7e-7\"", "7e-7")] {
            assert_eq!(number("n", raw(json)).unwrap().as_str(), text);
            assert_eq!(serde_json::from_str::<Quoted>(json).unwrap().0.as_str(), text);
        }
        for json in ["\"\"", "null", "\"a\"", "\"\\u0031\"", "[1]", "\"NaN\"", "\"1.\"", "true"] {
            assert!(number("n", raw(json)).is_err(), "{json}");
            assert!(serde_json::from_str::<Quoted>(json).is_err(), "{json}");
        }
        for json in ["\"\"", "null"] {
            assert_eq!(number_if_any("n", Some(raw(json))).unwrap(), None);
            assert_eq!(serde_json::from_str::<IfAny>(json).unwrap(), IfAny(None));
        }
        assert_eq!(number_if_any("n", None).unwrap(), None);
        assert!(serde_json::from_str::<IfAny>("\"x\"").is_err());
        assert_eq!(serde_json::from_str::<IfAny>("\"0.00\"").unwrap().price(), None);
        assert_eq!(integer("n", raw("\"-5\"")).unwrap(), -5);
        assert!(integer("n", raw("1.5")).is_err());
    }

    #[test]
    fn times_are_read_in_three_spellings() {
        let ms = |at: Result<UnixMs, UpstreamError>| at.unwrap().millis();
        assert_eq!(ms(seconds("t", raw("1616665496.7832"))), 1_616_665_496_783);
        assert_eq!(ms(seconds("t", raw("\"1616665496\""))), 1_616_665_496_000);
        assert_eq!(ms(millis("t", raw("\"1616665496783\""))), 1_616_665_496_783);
        assert_eq!(ms(rfc3339("t", raw("\"2021-03-25T09:44:56.783999999Z\""))), 1_616_665_496_783);
        for bad in ["0", "-1", "1e40", "\"x\"", "null"] {
            assert!(seconds("t", raw(bad)).is_err(), "{bad}");
            assert!(millis("t", raw(bad)).is_err(), "{bad}");
        }
        for bad in ["\"1970-01-01T00:00:00Z\"", "\"yesterday\"", "1616665496783", "\"\""] {
            assert!(rfc3339("t", raw(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_may_grow_but_not_shrink() {
        let columns = row::<2>("r", raw("[1, \"a\", {}]")).unwrap();
        assert_eq!(columns.map(RawValue::get), ["1", "\"a\""]);
        assert!(row::<4>("r", raw("[1,2,3]")).is_err());
        assert!(row::<1>("r", raw("{}")).is_err());
        let body = Bytes::from_static(b"[1,\xff]");
        assert!(super::body::<Vec<&RawValue>>("r", &body).is_err());
    }

    #[test]
    fn the_names_of_fields_are_data() {
        let Fields(fields) = serde_json::from_str(r#"{"B\/C":1,"A":[2],"B\/C":{}}"#).unwrap();
        let texts: Vec<_> = fields.iter().map(|(name, value)| (&**name, value.get())).collect();
        assert_eq!(texts, [("B/C", "1"), ("A", "[2]"), ("B/C", "{}")]);
        assert!(matches!(&fields[1].0, Cow::Borrowed("A")));
        assert!(serde_json::from_str::<Fields<'_>>("[1]").is_err());
    }

    #[test]
    fn candles_that_cannot_be_true_are_refused() {
        let candle = |ms: i64, prices: [&str; 5]| {
            let [open, high, low, close, volume] = prices.map(|text| text.parse().unwrap());
            Candle { open_time: UnixMs::from_millis(ms), open, high, low, close, volume }
        };
        let good = candle(86_400_000, ["2", "3", "1", "2", "0"]);
        for timeframe in [Timeframe::M1, Timeframe::D1, Timeframe::W1] {
            assert!(true_candle(good.clone(), timeframe).is_ok(), "{timeframe}");
        }
        for bad in [
            candle(86_400_001, ["2", "3", "1", "2", "0"]),
            candle(86_400_000, ["2", "1.9", "1", "2", "0"]),
            candle(86_400_000, ["2", "3", "2.1", "2", "0"]),
            candle(86_400_000, ["2", "3", "0", "2", "0"]),
            candle(86_400_000, ["2", "3", "1", "2", "-1"]),
        ] {
            assert!(true_candle(bad, Timeframe::M1).is_err());
        }
        assert!(in_order(vec![good.clone(), good.clone()]).is_err());
        assert!(in_order(vec![good]).is_ok());
    }
}
