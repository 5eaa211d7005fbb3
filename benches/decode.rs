//! What it costs to turn an answer of the exchange into values. Decoding happens once per
//! upstream call, so the largest bodies matter most: they hold a worker thread for that long.

use std::{fmt::Write as _, hint::black_box};

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use tidegate::{
    exchange::bitfinex::wire,
    market::{Kind, Listing, Symbol, Timeframe},
    registry::Registry,
};

fn main() {
    divan::main();
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> Bytes {
    let mut body = "[".to_owned();
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        write!(body, "{comma}{}", row(index)).unwrap();
    }
    body.push(']');
    Bytes::from(body)
}

fn book() -> Bytes {
    rows(500, |index| match index.checked_sub(250) {
        None => format!("[{},{},{}.10345678]", 118_000 - index, index % 7 + 1, index),
        Some(index) => format!("[{},{},-{}.10345678]", 118_001 + index, index % 7 + 1, index),
    })
}

/// Newest first and with float noise, as they come.
fn candles() -> Bytes {
    rows(10_000, |index| {
        let open_time = 1_754_820_600_000_u64 - index as u64 * 60_000;
        let price = 118_000 + index % 300;
        format!("[{open_time},{price},{price}.5,{},{},0.015486090000000001]", price + 3, price - 3)
    })
}

fn tickers() -> Bytes {
    rows(431, |index| {
        let price = 100 + index;
        format!(
            "[\"tAB{index:03}:USD\",{price},11.70386829,{price}.1,18.51237853,0.32,0.00271301,\
             {price}.05,135.91444049780002,{}.5,{}.25,1412294400000]",
            price + 1,
            price - 1
        )
    })
}

#[divan::bench]
fn book_of_250_levels(bencher: Bencher) {
    let body = book();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| wire::book(black_box(&body), 250).unwrap());
}

#[divan::bench]
fn candles_10_000(bencher: Bencher) {
    let body = candles();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| wire::candles(black_box(&body), Timeframe::M1).unwrap());
}

#[divan::bench]
fn tickers_431(bencher: Bencher) {
    let body = tickers();
    bencher.counter(BytesCount::new(body.len())).bench(|| wire::tickers(black_box(&body)).unwrap());
}

/// 400 markets whose names share most letters with what is asked for, which is the worst case for
/// the search for near names. Budget 50 us.
#[divan::bench(args = ["tBTCUSD", "btc-usd", "XXXUSD", "QQ/QQQQQ"])]
fn resolve(bencher: Bencher, text: &str) {
    let registry = registry();
    bencher.bench(|| registry.resolve(black_box(text)).is_ok());
}

fn registry() -> Registry {
    let mut bases = vec!["BTC".to_owned()];
    bases.extend(('A'..='Z').flat_map(|a| ('A'..='H').map(move |b| format!("{a}X{b}"))));
    let listing = |base: &str, quote: &str, id: String| Listing {
        symbol: Symbol::spot(base, quote),
        id: id.into(),
        base: base.into(),
        quote: quote.into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Default::default(),
        amount_decimals: None,
        price_significant_digits: None,
        aliases: Vec::new(),
    };
    let pairs = |base: &String| {
        [("USD", "USD"), ("USDT", "UST")]
            .map(|(quote, code)| listing(base, quote, format!("t{base}{code}")))
    };
    Registry::new(bases.iter().flat_map(pairs).collect())
}
