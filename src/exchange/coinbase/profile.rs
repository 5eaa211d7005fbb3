//! What Coinbase offers and allows.

use std::time::Duration;

use crate::{
    exchange::{
        CandleHistory, CandlePages, EmptyBuckets, Family, Live, Pool, Profile, TradeHistory, Unit,
        one,
    },
    market::{Precision, Timeframe},
};

/// Coinbase Advanced Trade: its public REST interface and WebSocket.
///
/// 10 requests a second for one address stand in older documents (docs.cdp.coinbase.com), none in
/// today's; half of that is spent.
pub static PROFILE: Profile = Profile {
    name: "coinbase",
    pools: &[Pool {
        name: "public",
        about: "all public endpoints together",
        unit: Unit::Requests,
        per_minute: 300,
        burst: Some(8),
        families: &[
            Family::Ticker,
            Family::Tickers,
            Family::Candles,
            Family::Trades,
            Family::Book,
            Family::Conf,
        ],
    }],
    cost: one,
    timeframes: &[
        Timeframe::M1,
        Timeframe::M5,
        Timeframe::M15,
        Timeframe::M30,
        Timeframe::H1,
        Timeframe::H2,
        Timeframe::H4,
        Timeframe::H6,
        Timeframe::D1,
    ],
    // Limits of 349 and 350 buckets are both reported.
    max_candles: 300,
    candle_pages: CandlePages::Buckets,
    candle_history: CandleHistory::Whole,
    empty_buckets: EmptyBuckets::LeftOut,
    max_trades: 100,
    trade_history: TradeHistory::Newest,
    trade_ids_are_consecutive: false,
    book_depths: &[25, 100, 250],
    precisions: &[Precision::P0],
    max_tickers: 100,
    tickers_are_whole: false,
    live: Live {
        channels_per_socket: 100,
        books_per_socket: 30,
        one_depth_per_socket: false,
        book_depths: &[25, 100, 250],
        begins_with: None,
        // There are candles of five minutes, but a row comes every ten seconds, at times none
        // between a bucket's last trade and its end, and the list that comes first leaves out
        // buckets with trades (BTC-USD: 52 of 152; recorded 2026-08): of none of them can be told
        // when it is final.
        timeframes: &[],
        is_numbered: true,
        lifetime: None,
        connect_interval: Duration::from_secs(1),
        // 8 for one address, over all connections (docs.cdp.coinbase.com, Advanced Trade WebSocket
        // Rate Limits, 2026-07). Four begin at once where each has 30 books to ask for and they are
        // opened as far apart as by default.
        messages_per_second: 2,
        // The snapshot of BTC-USD has 5 MB (recorded 2026-08).
        max_message_bytes: 16 * 1024 * 1024,
    },
};

/// What the exchange calls a width.
pub(super) const fn granularity(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::M1 => "ONE_MINUTE",
        Timeframe::M5 => "FIVE_MINUTE",
        Timeframe::M15 => "FIFTEEN_MINUTE",
        Timeframe::M30 => "THIRTY_MINUTE",
        Timeframe::H1 => "ONE_HOUR",
        Timeframe::H2 => "TWO_HOUR",
        Timeframe::H4 => "FOUR_HOUR",
        Timeframe::H6 => "SIX_HOUR",
        Timeframe::D1 => "ONE_DAY",
        // None of the profile's: the exchange says so.
        _ => "UNKNOWN_GRANULARITY",
    }
}
