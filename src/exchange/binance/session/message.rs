//! What the exchange sends.

use std::borrow::Cow;

use serde::{Deserialize, de::Error as _};
use serde_json::value::RawValue;

/// Any message: the data of a stream, an answer to a request, or a refusal of one
/// (binance/binance-spot-api-docs, web-socket-streams.md, 2026-07). The fields of the others are
/// missing.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    /// The stream's name.
    #[serde(borrow, default)]
    pub(super) stream: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    code: Option<i64>,
    #[serde(borrow, default)]
    msg: Option<Cow<'a, str>>,
    /// Code and words have been seen in here as well.
    #[serde(borrow, default)]
    error: Option<Problem<'a>>,
    /// Outside of a combined stream events come bare.
    #[serde(borrow, default, rename = "e")]
    event: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Problem<'a> {
    #[serde(default)]
    code: i64,
    #[serde(borrow, default)]
    msg: Cow<'a, str>,
}

impl<'a> Message<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        if text.trim_ascii_start().starts_with('{') {
            serde_json::from_str(text)
        } else {
            Err(serde_json::Error::custom("no object"))
        }
    }

    /// The number of the request that is answered.
    pub(super) fn request(&self) -> Option<u64> {
        self.id?.get().trim_matches('"').parse().ok()
    }

    /// Code and words of a refusal.
    pub(super) fn refusal(&self) -> Option<(i64, &str)> {
        let words = || self.msg.as_deref().unwrap_or_default();
        let nested = || self.error.as_ref().map(|error| (error.code, &*error.msg));
        self.code.map(|code| (code, words())).or_else(nested)
    }

    /// The exchange will end the connection soon.
    pub(super) fn is_farewell(&self) -> bool {
        self.stream.as_deref() == Some("!serverShutdown")
            || self.event.as_deref() == Some("serverShutdown")
    }
}
