//! What Kraken offers and allows.

use std::time::Duration;

use crate::{
    exchange::{
        CandleHistory, CandlePages, EmptyBuckets, Family, Live, Pool, Profile, TradeHistory, Unit,
        one,
    },
    market::{Precision, Timeframe},
};

const TIMEFRAMES: [Timeframe; 8] = [
    Timeframe::M1,
    Timeframe::M5,
    Timeframe::M15,
    Timeframe::M30,
    Timeframe::H1,
    Timeframe::H4,
    Timeframe::D1,
    Timeframe::W1,
];

/// Kraken's public REST interface and WebSocket, version 2.
///
/// No limit of public requests is documented: they share one counter, which bears a burst of about
/// 30 (measured 2026-10) and one request a second for long. So no more than 5 go at once.
pub static PROFILE: Profile = Profile {
    name: "kraken",
    pools: &[Pool {
        name: "public",
        about: "all public endpoints together",
        unit: Unit::Requests,
        per_minute: 60,
        burst: Some(5),
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
    timeframes: &TIMEFRAMES,
    // docs.kraken.com, OHLC: "up to 720 of the most recent entries".
    max_candles: 720,
    candle_pages: CandlePages::Rows,
    candle_history: CandleHistory::Newest(720),
    empty_buckets: EmptyBuckets::Filled,
    max_trades: 1000,
    trade_history: TradeHistory::Since,
    trade_ids_are_consecutive: false,
    // docs.kraken.com, Get Order Book: "1..500"; its WebSocket has 10 and 1000 as well.
    book_depths: &[25, 100, 500],
    precisions: &[Precision::P0],
    // All pairs in one list make too long a URL.
    max_tickers: 100,
    tickers_are_whole: true,
    live: Live {
        // How many a connection bears is not documented, nor at which rate of requests it begins
        // to refuse them ("Exceeded msg rate").
        channels_per_socket: 200,
        books_per_socket: 200,
        one_depth_per_socket: true,
        book_depths: &[25, 100, 500],
        begins_with: None,
        timeframes: &TIMEFRAMES,
        is_numbered: false,
        lifetime: None,
        // 150 connections in 10 minutes get an address banned.
        connect_interval: Duration::from_secs(5),
        messages_per_second: 5,
        max_message_bytes: 4 * 1024 * 1024,
    },
};
