//! Texts of the exchange taken apart.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exchange::json::Name;

/// One text: data of a channel, or the answer to a request.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    channel: Option<Name<'a>>,
    #[serde(borrow)]
    method: Option<Name<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Name<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// The request's number, where the answer repeats it.
    pub(super) req_id: Option<u64>,
    success: Option<bool>,
    error: Option<String>,
    /// What a refused request was about; of an accepted one the result says so.
    #[serde(borrow)]
    pub(super) symbol: Option<Name<'a>>,
    /// What an accepted request was about.
    #[serde(borrow)]
    pub(super) result: Option<About<'a>>,
}

/// A channel as answers name it.
#[derive(Debug, Deserialize)]
pub(super) struct About<'a> {
    #[serde(borrow)]
    pub(super) channel: Option<Name<'a>>,
    #[serde(borrow)]
    pub(super) symbol: Option<Name<'a>>,
    pub(super) interval: Option<u64>,
    pub(super) depth: Option<u32>,
}

/// How the exchange is: `online`, `maintenance`, `cancel_only`, `post_only` (docs.kraken.com,
/// Status, 2026-09).
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) system: Option<String>,
    pub(super) api_version: Option<String>,
}

impl<'a> Message<'a> {
    /// The elements of its data.
    pub(super) fn rows(&self) -> serde_json::Result<Vec<&'a RawValue>> {
        self.data.map_or(Ok(Vec::new()), |data| serde_json::from_str(data.get()))
    }

    pub(super) fn channel(&self) -> Option<&str> {
        self.channel.as_ref().map(|name| &*name.0)
    }

    pub(super) fn method(&self) -> Option<&str> {
        self.method.as_ref().map(|name| &*name.0)
    }

    pub(super) fn is_snapshot(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.0 == "snapshot")
    }

    /// The exchange's words, if it refuses.
    pub(super) fn refusal(&self) -> Option<&str> {
        match (&self.error, self.success) {
            (Some(error), _) => Some(error),
            (None, Some(false)) => Some("error"),
            (None, _) => None,
        }
    }
}
