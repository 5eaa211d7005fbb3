//! What Binance offers and allows.

use std::time::Duration;

use crate::{
    exchange::{
        Asked, CandleHistory, CandlePages, EmptyBuckets, Family, Live, Pool, Profile, TradeHistory,
        Unit,
    },
    market::{Precision, Timeframe},
};

/// Levels a side of the snapshots that live books begin with: the price takes many times as long
/// to leave them as it does a quarter of them, at twice the weight.
pub(super) const LADDER_DEPTH: u32 = 1000;

const TIMEFRAMES: [Timeframe; 14] = [
    Timeframe::M1,
    Timeframe::M3,
    Timeframe::M5,
    Timeframe::M15,
    Timeframe::M30,
    Timeframe::H1,
    Timeframe::H2,
    Timeframe::H4,
    Timeframe::H6,
    Timeframe::H8,
    Timeframe::H12,
    Timeframe::D1,
    Timeframe::W1,
    Timeframe::Month,
];

/// Binance spot: its public REST interface and WebSocket.
///
/// Weights are those of binance/binance-spot-api-docs, rest-api.md (2026-07-21); half of the 6000 a
/// minute that an address may spend is spent.
pub static PROFILE: Profile = Profile {
    name: "binance",
    pools: &[Pool {
        name: "weight",
        about: "all public endpoints together",
        unit: Unit::Weight,
        per_minute: 3000,
        burst: None,
        families: &[
            Family::Ticker,
            Family::Tickers,
            Family::Candles,
            Family::Trades,
            Family::Book,
            Family::Conf,
        ],
    }],
    cost: weight,
    timeframes: &TIMEFRAMES,
    max_candles: 1000,
    candle_pages: CandlePages::Rows,
    candle_history: CandleHistory::Whole,
    empty_buckets: EmptyBuckets::Filled,
    max_trades: 1000,
    trade_history: TradeHistory::Whole,
    // Those of aggregates: `fromId` pages by them (rest-api.md, Compressed/Aggregate trades list,
    // 2026-07).
    trade_ids_are_consecutive: true,
    // The deepest is what live books begin with.
    book_depths: &[25, 100, 250, LADDER_DEPTH],
    precisions: &[Precision::P0],
    // So many cost as much as one.
    max_tickers: 20,
    tickers_are_whole: true,
    live: Live {
        channels_per_socket: 200,
        books_per_socket: 200,
        one_depth_per_socket: false,
        book_depths: &[25, 100, 250],
        begins_with: Some(LADDER_DEPTH),
        timeframes: &TIMEFRAMES,
        is_numbered: false,
        // The exchange ends connections after 24 hours.
        lifetime: Some(Duration::from_secs(23 * 3600)),
        // 300 connections in 5 minutes.
        connect_interval: Duration::from_secs(1),
        // 5, pongs among them.
        messages_per_second: 4,
        max_message_bytes: 4 * 1024 * 1024,
    },
};

/// Aggregate trades, klines and tickers as the adapter asks for them.
fn weight(asked: Asked) -> u32 {
    match asked {
        Asked::Markets => 20,
        Asked::Ticker | Asked::Candles { .. } => 2,
        Asked::Tickers { count } => match count {
            Some(..=20) => 2,
            Some(21..=100) => 40,
            _ => 80,
        },
        Asked::Book { depth } => match depth {
            ..=100 => 5,
            101..=500 => 25,
            501..=1000 => 50,
            _ => 250,
        },
        Asked::Trades { .. } => 4,
        Asked::Native(_) => 1,
    }
}
