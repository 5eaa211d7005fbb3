//! A piece of JSON exactly as the exchange sent it.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser};
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
        serde_json::from_slice::<&RawValue>(&self.0)
            .map_err(ser::Error::custom)?
            .serialize(serializer)
    }
}
