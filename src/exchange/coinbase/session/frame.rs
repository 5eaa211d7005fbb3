//! Texts of the WebSocket (docs.cdp.coinbase.com, Advanced Trade WebSocket Overview, 2026-07).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One text: `{"channel", "timestamp", "sequence_num", "events"}`, or
/// `{"type": "error", "message"}`.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Option<&'a str>,
    pub(super) message: Option<String>,
    pub(super) channel: Option<&'a str>,
    #[serde(borrow)]
    pub(super) timestamp: Option<&'a RawValue>,
    pub(super) sequence_num: Option<u64>,
    #[serde(borrow, default)]
    pub(super) events: Vec<&'a RawValue>,
}

/// What one of a text's events brings; of each channel only some of it is there.
#[derive(Debug, Deserialize)]
pub(super) struct Happening<'a> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    pub(super) product_id: Option<&'a str>,
    /// Levels of a book.
    #[serde(borrow)]
    pub(super) updates: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tickers: Vec<&'a RawValue>,
    /// Newest first.
    #[serde(borrow, default)]
    pub(super) trades: Vec<&'a RawValue>,
    /// The products of each channel that is open.
    #[serde(borrow, default)]
    pub(super) subscriptions: HashMap<&'a str, Vec<&'a str>>,
}

impl Happening<'_> {
    pub(super) fn is_snapshot(&self) -> bool {
        self.kind == Some("snapshot")
    }
}

/// Whose row it is.
#[derive(Debug, Deserialize)]
pub(super) struct Owner<'a> {
    pub(super) product_id: &'a str,
}
