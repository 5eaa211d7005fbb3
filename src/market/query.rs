//! What can be asked of an exchange about one market.

use std::{fmt, str::FromStr, sync::Arc};

use super::{Listing, Timeframe, UnixMs};

/// How prices of a book are aggregated: `P0` (5 significant digits) to `P4` (1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants are their names")]
pub enum Precision {
    #[default]
    P0,
    P1,
    P2,
    P3,
    P4,
}

impl Precision {
    /// Every precision, finest first.
    pub const ALL: [Self; 5] = [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.as_str() == text);
        found.ok_or_else(|| format!("unknown precision {text:?}"))
    }
}

/// A book, as deep as the exchange offers: `depth` has to be one of its profile's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookQuery {
    /// Which market.
    pub market: Arc<Listing>,
    /// Price aggregation.
    pub precision: Precision,
    /// Levels a side.
    pub depth: u32,
}

/// Candles of one market and width, oldest first in the answer.
///
/// With `since`: the first `limit` candles from there on. Without: the last `limit` candles, up
/// to and including `until` where it is given. Both bounds are opening times and inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandleQuery {
    /// Which market.
    pub market: Arc<Listing>,
    /// Width.
    pub timeframe: Timeframe,
    /// At most this many.
    pub limit: u32,
    /// Earliest opening time.
    pub since: Option<UnixMs>,
    /// Latest opening time.
    pub until: Option<UnixMs>,
}

/// Public trades of one market, oldest first in the answer. `since` and `until` select as in
/// [`CandleQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeQuery {
    /// Which market.
    pub market: Arc<Listing>,
    /// At most this many.
    pub limit: u32,
    /// Earliest trade.
    pub since: Option<UnixMs>,
    /// Latest trade.
    pub until: Option<UnixMs>,
}
