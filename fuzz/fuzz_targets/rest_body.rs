//! Bodies of the exchange's REST answers, each given to every decoder.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidegate::{
    exchange::bitfinex::{market_list, wire},
    market::Timeframe,
};

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    let _ = wire::ticker(&body);
    let _ = wire::tickers(&body);
    if let Ok(book) = wire::book(&body, 25) {
        assert_eq!(book.fault(), None, "an impossible book was let through");
        assert!(book.bids.len() <= 25 && book.asks.len() <= 25);
    }
    if let Ok(candles) = wire::candles(&body, Timeframe::M1) {
        assert!(candles.is_sorted_by(|a, b| a.open_time < b.open_time));
    }
    if let Ok(trades) = wire::trades(&body) {
        assert!(trades.is_sorted_by_key(|trade| (trade.at, trade.id)));
    }
    let _ = market_list(&body);
});
