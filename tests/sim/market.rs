//! One market behind all views.

use std::time::Duration;

use tidegate::{
    market::{Timeframe, UnixMs},
    sim::{SimConfig, engine::Window},
};

use crate::support::{Bench, MINUTE, NOW, calm, start};

/// `[MTS, OPEN, CLOSE, HIGH, LOW, VOLUME]` of trades `[ID, MTS, AMOUNT, PRICE]`, both ascending.
fn candles_of(trades: &[Vec<f64>], width: i64) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for trade in trades {
        let (ms, amount, price) = (trade[1] as i64, trade[2].abs(), trade[3]);
        let open = (ms / width * width) as f64;
        match rows.last_mut() {
            Some(row) if row[0] == open => {
                row[2] = price;
                row[3] = row[3].max(price);
                row[4] = row[4].min(price);
                row[5] += amount;
            }
            _ => rows.push(vec![open, price, price, price, price, amount]),
        }
    }
    rows
}

async fn trades_since(bench: &Bench, symbol: &str, since: i64) -> Vec<Vec<f64>> {
    let path = format!("/v2/trades/{symbol}/hist?sort=1&limit=10000&start={since}");
    let trades = bench.get(&path).await.rows();
    assert!(trades.len() < 10_000, "the window holds them all");
    trades
}

#[tokio::test]
async fn candles_equal_an_aggregation_of_the_trades() {
    let bench = start(calm()).await;
    for symbol in ["tBTCUSD", "tXRPUSD", "tBTCF0:USTF0", "tTRXBTC"] {
        for (name, width) in [("1m", 1), ("5m", 5), ("1h", 60), ("6h", 360), ("1D", 1_440)] {
            let width = width * MINUTE;
            let since = (NOW - 86_400_000) / width * width;
            let expected = candles_of(&trades_since(&bench, symbol, since).await, width);
            let path = format!("/v2/candles/trade:{name}:{symbol}/hist?limit=10000&start={since}");
            let mut rows = bench.get(&path).await.rows();
            rows.reverse();
            assert_eq!(rows.len(), expected.len(), "{symbol} {name}");
            for (row, expected) in rows.iter().zip(&expected) {
                assert_eq!(row[..5], expected[..5], "{symbol} {name}");
                assert!((row[5] / expected[5] - 1.0).abs() < 1e-12, "{row:?} {expected:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_ticker_agrees_with_trades_and_book() {
    let bench = start(calm()).await;
    for symbol in ["tBTCUSD", "tDOGE:USD", "tETHF0:USTF0", "tBTTUSD"] {
        let ticker = bench.get(&format!("/v2/ticker/{symbol}")).await.row();
        let trades = trades_since(&bench, symbol, NOW - 86_400_000 + 1).await;
        let prices = || trades.iter().map(|trade| trade[3]);
        let (first, last) = (trades[0][3], trades[trades.len() - 1][3]);
        assert_eq!(ticker[6], last, "{symbol}");
        assert!((ticker[4] - (last - first)).abs() < 1e-8, "{symbol}");
        assert!((ticker[5] - (last / first - 1.0)).abs() < 1e-8, "{symbol}");
        let volume: f64 = trades.iter().map(|trade| trade[2].abs()).sum();
        assert!((ticker[7] / volume - 1.0).abs() < 1e-12, "{symbol}");
        assert_eq!(ticker[8], prices().fold(f64::MIN, f64::max), "{symbol}");
        assert_eq!(ticker[9], prices().fold(f64::MAX, f64::min), "{symbol}");

        let raw = bench.get(&format!("/v2/book/{symbol}/R0")).await.rows();
        let bids = raw.iter().filter(|order| order[2] > 0.0).collect::<Vec<_>>();
        let asks = raw.iter().filter(|order| order[2] < 0.0).collect::<Vec<_>>();
        assert_eq!([ticker[0], ticker[2]], [bids[0][1], asks[0][1]], "{symbol}");
        assert!((ticker[1] - bids.iter().map(|bid| bid[2]).sum::<f64>()).abs() < 1e-6);
        assert!((ticker[3] + asks.iter().map(|ask| ask[2]).sum::<f64>()).abs() < 1e-6);
    }
}

#[tokio::test]
async fn levels_are_the_raw_orders_taken_together() {
    let bench = start(calm()).await;
    let raw = bench.get("/v2/book/tETHUSD/R0?len=250").await.rows();
    assert_eq!(raw.len(), 500);
    assert!(raw.iter().all(|order| order[0] > 1.5e11), "ids beyond 32 bits");
    let mut levels: Vec<Vec<f64>> = Vec::new();
    for order in &raw {
        match levels.iter_mut().find(|level| level[0] == order[1]) {
            Some(level) => {
                level[1] += 1.0;
                level[2] += order[2];
            }
            None => levels.push(vec![order[1], 1.0, order[2]]),
        }
    }
    let aggregated = bench.get("/v2/book/tETHUSD/P0?len=25").await.rows();
    assert_eq!(aggregated.len(), 50);
    for level in &aggregated {
        let own = levels.iter().find(|own| own[0] == level[0]).unwrap();
        assert_eq!(own[1], level[1], "{level:?}");
        assert!((own[2] - level[2]).abs() < 1e-7, "{level:?}");
    }
    for (precision, digits) in [("P1", 4), ("P2", 3), ("P3", 2), ("P4", 1)] {
        let rows = bench.get(&format!("/v2/book/tETHUSD/{precision}?len=25")).await.rows();
        let (bids, asks): (Vec<_>, Vec<_>) = rows.iter().partition(|level| level[2] > 0.0);
        assert!(bids.is_sorted_by(|a, b| a[0] > b[0]) && asks.is_sorted_by(|a, b| a[0] < b[0]));
        assert!(bids[0][0] < asks[0][0], "{precision}");
        for level in &rows {
            let unit = 10_f64.powi(level[0].log10().floor() as i32 + 1 - digits);
            assert!((level[0] / unit - (level[0] / unit).round()).abs() < 1e-6, "{precision}");
        }
    }
}

#[tokio::test]
async fn buckets_without_trades_are_absent() {
    let bench = start(calm()).await;
    let rows = bench.get("/v2/candles/trade:1m:tBTCUSD/hist?limit=500").await.rows();
    let steps = rows.windows(2).map(|pair| (pair[0][0] - pair[1][0]) as i64).collect::<Vec<_>>();
    assert!(steps.iter().all(|step| step % MINUTE == 0 && *step > 0));
    let holes = steps.iter().filter(|step| **step > MINUTE).count();
    assert!((10..250).contains(&holes), "{holes} holes");
    assert!(rows.iter().all(|row| row[5] > 0.0), "no row without volume");
}

#[tokio::test]
async fn the_newest_candle_moves_with_the_clock_and_then_stands() {
    let bench = start(calm()).await;
    let last = "/v2/candles/trade:1m:tBTCUSD/last";
    let (mut grew, mut opened, mut before) = (0, 0, bench.get(last).await.row());
    for _ in 0..120 {
        bench.time.advance(Duration::from_secs(10));
        let after = bench.get(last).await.row();
        if after[0] == before[0] {
            assert!(after[5] >= before[5] && after[1] == before[1] && after[3] >= before[3]);
            grew += usize::from(after[5] > before[5]);
        } else {
            assert!(after[0] > before[0]);
            opened += 1;
            let (start, end) = (before[0], before[0]);
            let path = format!("/v2/candles/trade:1m:tBTCUSD/hist?start={start}&end={end}");
            let closed = bench.get(&path).await.rows();
            assert!(closed[0][5] >= before[5], "the old candle ended with what it had, or more");
        }
        before = after;
    }
    assert!(grew >= 3 && (5..=20).contains(&opened), "grew {grew}, opened {opened}");
}

#[tokio::test]
async fn the_wire_shows_the_engines_truth() {
    let bench = start(calm()).await;
    let market = bench.sim.market();
    let bitcoin = market.find("tBTCUSD").unwrap();
    let now = UnixMs::from_millis(NOW);
    assert_eq!(bench.sim.now(), now);
    let bars = market.candles(bitcoin, Timeframe::H1, &(0..=0), Window::newest(30), now);
    let rows = bench.get("/v2/candles/trade:1h:tBTCUSD/hist?limit=30").await.rows();
    let truth = bars
        .iter()
        .map(|bar| vec![bar.start as f64, bar.open, bar.close, bar.high, bar.low, bar.volume]);
    assert_eq!(rows, truth.collect::<Vec<_>>());
    let trades = bench.get("/v2/trades/tBTCUSD/hist?limit=20").await.rows();
    let truth = market.trades(bitcoin, Window::newest(20), now);
    let truth = truth.iter().map(|t| vec![t.id as f64, t.ms as f64, t.amount, t.price]);
    assert_eq!(trades, truth.collect::<Vec<_>>());
}

#[tokio::test]
async fn windows_sort_and_limits_cut_one_series() {
    let bench = start(calm()).await;
    let key = "/v2/candles/trade:15m:tETHUSD/hist";
    let newest = bench.get(key).await.rows();
    assert_eq!(newest.len(), 100);
    assert!(newest.is_sorted_by(|a, b| a[0] > b[0]), "newest first");
    let (start, end) = (newest[60][0], newest[20][0]);
    let window = format!("start={start}&end={end}");
    let descending = bench.get(&format!("{key}?{window}")).await.rows();
    assert_eq!(descending, newest[20..=60], "both ends are inclusive");
    let ascending = bench.get(&format!("{key}?{window}&sort=1&limit=5")).await.rows();
    let oldest = newest[56..=60].iter().rev().cloned().collect::<Vec<_>>();
    assert_eq!(ascending, oldest);
    let first = bench.get("/v2/candles/trade:1D:tETHUSD/hist?sort=1&limit=1").await.rows();
    assert_eq!(first[0][0] as i64, (NOW / 86_400_000 - 40) * 86_400_000, "listed 40 days ago");
    let later = NOW + MINUTE;
    assert_eq!(bench.get(&format!("{key}?start={later}")).await.text, "[]");
    let unset = bench.get(&format!("{key}?limit=0&start=0&end=0&sort=0")).await.rows();
    assert_eq!(unset, newest);
}

#[tokio::test]
async fn equal_seeds_give_equal_bytes_and_others_do_not() {
    let paths = [
        "/v2/tickers?symbols=ALL",
        "/v2/trades/tBTCUSD/hist?limit=500",
        "/v2/candles/trade:1h:tSOLUSD/hist?limit=300",
        "/v2/book/tETHUSD/R0?len=100",
        "/v2/book/fUSD/P0",
        "/v2/status/deriv?keys=ALL",
    ];
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let bench = start(SimConfig { seed, ..calm() }).await;
        let mut bodies = Vec::new();
        for path in paths {
            bodies.push(bench.get(path).await.text);
        }
        runs.push(bodies);
    }
    assert_eq!(runs[0], runs[1]);
    for (path, (one, other)) in paths.iter().zip(runs[0].iter().zip(&runs[2])) {
        assert_ne!(one, other, "{path}");
    }
}
