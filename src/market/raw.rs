//! A piece of JSON exactly as the exchange sent it.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use serde_json::value::RawValue;

/// One JSON value in the exchange's own bytes, sharing the body it arrived in.
///
/// Invariant: valid JSON and UTF-8, since it can only be made from a parsed [`RawValue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// The part of `body` that `value` points at. `value` has to be borrowed from `body`.
    pub fn slice_of(body: &Bytes, value: &RawValue) -> Self {
        Self(body.slice_ref(value.get().as_bytes()))
    }

    /// A copy of `value` with memory of its own.
    pub fn copy_of(value: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(value.get().as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        verbatim(self.as_str(), serializer)
    }
}

/// The name by which serde_json knows a [`RawValue`] that it is to write (serde_json 1.0.154,
/// `raw.rs`).
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Writes text that is known to be JSON just as it is.
///
/// This is what a [`RawValue`] does, which can only be had by parsing the text again: most of the
/// time that a long answer took.
pub(super) fn verbatim<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut raw = serializer.serialize_struct(RAW_VALUE, 1)?;
    raw.serialize_field(RAW_VALUE, json)?;
    raw.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails where serde_json no longer knows the name.
    #[test]
    fn text_is_written_as_it_was_read() {
        let body = Bytes::from_static(br#"{"a":[1.50,7e-7,"\u00e9",null],"b" : {}}"#);
        let raw = Raw::slice_of(&body, serde_json::from_slice(&body).unwrap());
        assert_eq!(
            serde_json::to_vec(&[&raw, &raw]).unwrap(),
            [b"[", &body[..], b",", &body, b"]"].concat()
        );
        assert_eq!(serde_json::to_vec_pretty(&raw).unwrap(), body);
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(serde_json::to_value(&raw).unwrap(), value);
        assert_eq!(serde_json::value::to_raw_value(&raw).unwrap().get().as_bytes(), body);
    }
}
