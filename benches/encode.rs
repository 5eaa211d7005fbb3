//! What it costs to turn values into the text of an answer, which happens once for all who ask
//! the same.

use divan::{Bencher, black_box, counter::BytesCount};
use serde::Serialize;
use tidegate::market::Number;

fn main() {
    divan::main();
}

/// A candle as `/api/market-data/ohlcv` gives it.
#[derive(Serialize)]
struct Row {
    timestamp: i64,
    open: Number,
    high: Number,
    low: Number,
    close: Number,
    volume: Number,
    closed: bool,
}

/// The largest page.
#[divan::bench]
fn candles_10_000(bencher: Bencher) {
    let number = |text: String| text.parse::<Number>().unwrap();
    let row = |index: i64| {
        let price = 118_000 + index % 300;
        Row {
            timestamp: 1_754_820_600_000 + index * 60_000,
            open: number(price.to_string()),
            high: number(format!("{}", price + 3)),
            low: number(format!("{}", price - 3)),
            close: number(format!("{price}.5")),
            volume: number("0.015486090000000001".to_owned()),
            closed: true,
        }
    };
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    let size = serde_json::to_vec(&rows).unwrap().len();
    bencher.counter(BytesCount::new(size)).bench(|| serde_json::to_vec(black_box(&rows)).unwrap());
}
