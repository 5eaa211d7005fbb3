//! What of a market can be followed live.

use std::{fmt, str::FromStr};

use super::Timeframe;

/// A kind of live data of one market: `ticker`, `trades`, `orderbook`, or `ohlcv:5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The ticker.
    Ticker,
    /// Public trades.
    Trades,
    /// The order book.
    Orderbook,
    /// Candles of one width.
    Ohlcv(Timeframe),
}

/// A text that names no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be ticker, trades, orderbook or ohlcv:TIMEFRAME, got {0:?}")]
pub struct BadChannel(String);

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticker => f.write_str("ticker"),
            Self::Trades => f.write_str("trades"),
            Self::Orderbook => f.write_str("orderbook"),
            Self::Ohlcv(timeframe) => write!(f, "ohlcv:{timeframe}"),
        }
    }
}

impl FromStr for Channel {
    type Err = BadChannel;

    fn from_str(text: &str) -> Result<Self, BadChannel> {
        let bad = || BadChannel(text.chars().take(40).collect());
        match text {
            "ticker" => Ok(Self::Ticker),
            "trades" => Ok(Self::Trades),
            "orderbook" => Ok(Self::Orderbook),
            _ => {
                let width = text.strip_prefix("ohlcv:").ok_or_else(bad)?;
                width.parse().map(Self::Ohlcv).map_err(|_| bad())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["ticker", "trades", "orderbook", "ohlcv:5m", "ohlcv:1M"] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        for text in ["", "book", "ohlcv", "ohlcv:", "ohlcv:7x", "Ticker"] {
            assert!(text.parse::<Channel>().is_err(), "{text}");
        }
    }
}
