//! What Bitfinex offers and allows, as documented.

use crate::{
    exchange::{Family, FamilyLimit, Profile},
    market::{Precision, Timeframe},
};

const fn limit(family: Family, per_minute: u32) -> FamilyLimit {
    FamilyLimit { family, per_minute }
}

/// Bitfinex's public REST interface.
///
/// Limits and sizes are those of the endpoints' pages (docs.bitfinex.com/reference/
/// rest-public-ticker, -tickers, -candles, -trades, -book, -conf, -platform-status, -stats,
/// 2025-11). `status` takes the stricter of platform/status (30) and status/deriv (90).
/// The width `4h` is not among the documented ones and therefore not offered.
pub static PROFILE: Profile = Profile {
    name: "bitfinex",
    limits: &[
        limit(Family::Ticker, 90),
        limit(Family::Tickers, 30),
        limit(Family::Candles, 30),
        limit(Family::Trades, 15),
        limit(Family::Book, 240),
        limit(Family::Conf, 90),
        limit(Family::Status, 30),
        limit(Family::Stats, 15),
    ],
    timeframes: &[
        Timeframe::M1,
        Timeframe::M5,
        Timeframe::M15,
        Timeframe::M30,
        Timeframe::H1,
        Timeframe::H3,
        Timeframe::H6,
        Timeframe::H12,
        Timeframe::D1,
        Timeframe::W1,
        Timeframe::W2,
        Timeframe::Month,
    ],
    max_candles: 10_000,
    max_trades: 10_000,
    book_depths: &[1, 25, 100, 250],
    precisions: &Precision::ALL,
    // Not documented; at this size the longest request line stays near 2 KiB.
    max_tickers: 150,
    // docs.bitfinex.com/docs/ws-public, 2025-11; another page says 30.
    channels_per_socket: 25,
};

/// The exchange's name for a width of candles. Weeks go by the names that have been in use
/// longest, which today's page (`1W`) no longer lists.
pub(super) const fn timeframe_name(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::D1 => "1D",
        Timeframe::W1 => "7D",
        Timeframe::W2 => "14D",
        Timeframe::M1
        | Timeframe::M5
        | Timeframe::M15
        | Timeframe::M30
        | Timeframe::H1
        | Timeframe::H3
        | Timeframe::H4
        | Timeframe::H6
        | Timeframe::H12
        | Timeframe::Month => timeframe.as_str(),
    }
}
