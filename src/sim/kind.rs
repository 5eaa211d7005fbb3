//! Which exchange is simulated.

use std::{fmt, str::FromStr};

/// An exchange whose part the simulated one plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bitfinex, API version 2.
    #[default]
    Bitfinex,
    /// Kraken: public REST, WebSocket version 2.
    Kraken,
    /// Coinbase: the public half of Advanced Trade.
    Coinbase,
    /// Binance: spot.
    Binance,
}

/// A text that names no simulated exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of bitfinex, kraken, coinbase, binance")]
pub struct UnknownKind;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bitfinex, Self::Kraken, Self::Coinbase, Self::Binance];

    /// The name in settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bitfinex => "bitfinex",
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
            Self::Binance => "binance",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}
