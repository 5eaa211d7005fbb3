//! What clients ask for.

use std::{fmt, time::Duration};

use crate::market::Timeframe;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// `/ticker`
    Ticker,
    /// `/orderbook`
    Orderbook,
    /// `/trades`, the newest ones.
    Trades,
    /// `/ohlcv`, the newest ones of this width.
    Candles(Timeframe),
    /// `/market-context` with candles of this width.
    Context(Timeframe),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticker => f.write_str("ticker"),
            Self::Orderbook => f.write_str("orderbook"),
            Self::Trades => f.write_str("trades"),
            Self::Candles(width) => write!(f, "ohlcv {width}"),
            Self::Context(width) => write!(f, "context {width}"),
        }
    }
}

/// How a client's requests for one thing follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// In fixed intervals; clients are not in step with each other.
    Even,
    /// At any moment with the same chance (a Poisson process).
    Random,
}

/// One kind of request for some markets by a group of clients. Each of them asks for each market
/// by itself, once in every interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// What is asked.
    pub what: What,
    /// Of which markets, as clients write them.
    pub symbols: Vec<String>,
    /// How many clients ask; at least one.
    pub clients: u32,
    /// How often each of them does.
    pub every: Duration,
    /// `Cache-Control: max-age` that they send; `None`: they take what the settings allow.
    pub max_age: Option<Duration>,
    /// Candles, or levels a side of a book, that they want.
    pub limit: u32,
    /// How their requests follow each other.
    pub rhythm: Rhythm,
}

/// Everything that is asked, and how fast the exchange answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The groups of clients.
    pub demands: Vec<Demand>,
    /// The time from sending a call to its answer.
    pub latency: Duration,
}

impl Workload {
    /// Requests that are told apart: one for each demand and market.
    pub fn asks(&self) -> usize {
        self.demands.iter().map(|demand| demand.symbols.len()).sum()
    }

    /// Requests a minute.
    pub fn per_minute(&self) -> f64 {
        let of = |demand: &Demand| {
            let asks = demand.symbols.len() as f64 * f64::from(demand.clients);
            asks * 60.0 / demand.every.as_secs_f64()
        };
        self.demands.iter().map(of).sum()
    }
}

/// One spelling for the spellings of a market that need no market list to be seen through:
/// `BTC/USD`, `btc-usd`, `BTC_USD`, `BTCUSD` and `tBTCUSD`.
pub(super) fn spelling(symbol: &str) -> String {
    let native = symbol
        .strip_prefix('t')
        .filter(|rest| rest.len() >= 6 && !rest.contains(|c: char| c.is_ascii_lowercase()));
    let letters = native.unwrap_or(symbol).chars().filter(|c| !matches!(c, '/' | '-' | '_' | ':'));
    letters.map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_market_are_one() {
        for text in ["BTC/USD", "btc-usd", "BTC_USD", "BTCUSD", "tBTCUSD", "btcusd"] {
            assert_eq!(spelling(text), "BTCUSD", "{text}");
        }
        assert_eq!(spelling("TRX/USD"), "TRXUSD");
        assert_eq!(spelling("trx/usd"), "TRXUSD");
    }
}
