//! What Bitfinex offers and allows, as documented.

use std::time::Duration;

use crate::{
    exchange::{
        CandleHistory, CandlePages, EmptyBuckets, Family, Live, Pool, Profile, TradeHistory, Unit,
        one,
    },
    market::{Precision, Timeframe},
};

const fn pool(families: &'static [Family; 1], per_minute: u32, about: &'static str) -> Pool {
    let (name, unit) = (families[0].as_str(), Unit::Requests);
    Pool { name, about, unit, per_minute, burst: None, families }
}

/// Widths of candles, by REST and live.
const TIMEFRAMES: [Timeframe; 12] = [
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
];

/// Bitfinex's public REST interface.
///
/// Limits and sizes are those of the endpoints' pages (docs.bitfinex.com/reference/
/// rest-public-ticker, -tickers, -candles, -trades, -book, -conf, -platform-status, -stats,
/// 2025-11). `status` takes the stricter of platform/status (30) and status/deriv (90).
/// The width `4h` is not among the documented ones and therefore not offered.
pub static PROFILE: Profile = Profile {
    name: "bitfinex",
    pools: &[
        pool(&[Family::Ticker], 90, "one ticker"),
        pool(&[Family::Tickers], 30, "many tickers at once"),
        pool(&[Family::Candles], 30, "candles"),
        pool(&[Family::Trades], 15, "trades"),
        pool(&[Family::Book], 240, "order books"),
        pool(&[Family::Conf], 90, "the market list and other conf documents"),
        pool(&[Family::Status], 30, "platform and derivatives status"),
        pool(&[Family::Stats], 15, "statistics"),
    ],
    cost: one,
    timeframes: &TIMEFRAMES,
    max_candles: 10_000,
    candle_pages: CandlePages::Rows,
    candle_history: CandleHistory::Whole,
    empty_buckets: EmptyBuckets::LeftOut,
    max_trades: 10_000,
    trade_history: TradeHistory::Whole,
    trade_ids_are_consecutive: false,
    book_depths: &[1, 25, 100, 250],
    precisions: &Precision::ALL,
    // Not documented; at this size the longest request line stays near 2 KiB.
    max_tickers: 150,
    tickers_are_whole: true,
    live: Live {
        // docs.bitfinex.com/docs/ws-public, 2025-11; another page says 30.
        channels_per_socket: 25,
        books_per_socket: 25,
        one_depth_per_socket: false,
        book_depths: &[1, 25, 100, 250],
        begins_with: None,
        timeframes: &TIMEFRAMES,
        is_numbered: true,
        lifetime: None,
        connect_interval: Duration::ZERO,
        messages_per_second: u32::MAX,
        // The largest genuine one, a snapshot of candles, stays under 1 MiB.
        max_message_bytes: 8 * 1024 * 1024,
    },
};

/// The exchange's name for a width of candles. Weeks go by the names that have been in use
/// longest, which today's page (`1W`) no longer lists.
pub(super) const fn timeframe_name(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::D1 => "1D",
        Timeframe::W1 => "7D",
        Timeframe::W2 => "14D",
        Timeframe::M1
        | Timeframe::M3
        | Timeframe::M5
        | Timeframe::M15
        | Timeframe::M30
        | Timeframe::H1
        | Timeframe::H2
        | Timeframe::H3
        | Timeframe::H4
        | Timeframe::H6
        | Timeframe::H8
        | Timeframe::H12
        | Timeframe::Month => timeframe.as_str(),
    }
}
