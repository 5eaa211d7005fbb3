//! Unified names of markets.

use std::fmt;

use compact_str::{CompactString, format_compact};
use serde::Serialize;

/// A market in the unified spelling: `BTC/USD`, or `BTC/USDT:USDT` for a perpetual swap.
///
/// Only an exchange's room makes one, from the exchange's own market list; a client's text
/// becomes one by being found in the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Symbol(CompactString);

impl Symbol {
    /// A spot pair, `BASE/QUOTE`.
    pub fn spot(base: &str, quote: &str) -> Self {
        Self(format_compact!("{base}/{quote}"))
    }

    /// A perpetual swap, `BASE/QUOTE:SETTLE`.
    pub fn swap(base: &str, quote: &str, settle: &str) -> Self {
        Self(format_compact!("{base}/{quote}:{settle}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
