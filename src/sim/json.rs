//! JSON text as the exchange's servers print it.

use std::fmt::Write as _;

/// Writes JSON arrays from left to right, with JavaScript's text of numbers.
#[derive(Default)]
pub(crate) struct Json {
    text: String,
    /// True if the next element needs a comma before it.
    after: bool,
}

impl Json {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn element(&mut self) -> &mut String {
        if self.after {
            self.text.push(',');
        }
        self.after = true;
        &mut self.text
    }

    /// An array, filled by `fill`.
    pub(crate) fn array(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.element().push('[');
        self.after = false;
        fill(self);
        self.text.push(']');
        self.after = true;
        self
    }

    pub(crate) fn number(&mut self, value: f64) -> &mut Self {
        push_number(self.element(), value);
        self
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        let _infallible = write!(self.element(), "{value}");
        self
    }

    /// `value` must need no escapes.
    pub(crate) fn string(&mut self, value: &str) -> &mut Self {
        let _infallible = write!(self.element(), "\"{value}\"");
        self
    }

    pub(crate) fn nulls(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.element().push_str("null");
        }
        self
    }

    /// `null` for `None`.
    pub(crate) fn optional(&mut self, value: Option<f64>) -> &mut Self {
        match value {
            Some(value) => self.number(value),
            None => self.nulls(1),
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// The text of a number alone.
pub(crate) fn number_text(value: f64) -> String {
    let mut text = String::new();
    push_number(&mut text, value);
    text
}

/// JavaScript's text of a number: the fewest digits that name it, an exponent only below 1e-6 and
/// from 1e21 on (ECMA-262, Number::toString).
fn push_number(out: &mut String, value: f64) {
    let size = value.abs();
    let _infallible = if value == 0.0 {
        write!(out, "0")
    } else if (1e-6..1e21).contains(&size) {
        write!(out, "{value}")
    } else if size < 1.0 {
        write!(out, "{value:e}")
    } else {
        write!(out, "{}", format!("{value:e}").replace('e', "e+"))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_javascript_does() {
        for (value, text) in [
            (41_652.0, "41652"),
            (0.000_001_1, "0.0000011"),
            (7e-7, "7e-7"),
            (1.7e-7, "1.7e-7"),
            (1e-11, "1e-11"),
            (1e-6, "0.000001"),
            (-0.015_486_090_000_000_001, "-0.015486090000000001"),
            (19_203.444_049_780_002, "19203.444049780002"),
            (-0.0, "0"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            let mut json = Json::new();
            json.number(value);
            assert_eq!(json.finish(), text);
        }
    }

    #[test]
    fn arrays_nest_with_commas_between() {
        let mut json = Json::new();
        json.array(|json| {
            json.array(|_| {}).int(3).array(|json| {
                json.string("a").nulls(2);
            });
        });
        assert_eq!(json.finish(), r#"[[],3,["a",null,null]]"#);
    }
}
