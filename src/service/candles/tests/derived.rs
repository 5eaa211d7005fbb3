//! Candles computed from narrower ones.

use super::*;

fn wide(timeframe: Timeframe, limit: u32) -> CandleView {
    CandleView { timeframe, ..last(limit) }
}

/// Prices as numbers, and the volume to eight decimals.
fn values(rows: &[Candle]) -> Vec<(i64, [f64; 4], i64)> {
    let value = |row: &Candle| {
        let prices = [&row.open, &row.high, &row.low, &row.close].map(|price| price.f64());
        (row.open_time.millis(), prices, (row.volume.f64() * 1e8).round() as i64)
    };
    rows.iter().map(value).collect()
}

#[tokio::test(start_paused = true)]
async fn a_width_that_is_not_offered_is_computed() {
    let bench = Bench::new().await;
    bench.until(secs(45)).await;
    let candles = bench.get(wide(Timeframe::H4, 20)).await;
    assert_eq!(candles.derived(), Some(Timeframe::H1));
    assert_eq!(bench.asked(), ["1h 250 None None"]);
    assert_eq!(candles.rows().len(), 20);
    // 23:00 is in the bucket of 20:00.
    let opens = |row: &Candle| (row.open_time.millis() - START).div_euclid(MINUTE);
    assert_eq!(opens(&candles.rows()[19]), -180);
    assert_eq!(closed(&candles)[18..], [true, false]);
    let parts = bench.get(wide(Timeframe::H1, 80)).await;
    let of_19: Vec<&Candle> = parts.rows().iter().filter(|row| opens(row) >= -180).collect();
    let newest = &candles.rows()[19];
    assert_eq!((&newest.open, &newest.close), (&of_19[0].open, &of_19.last().unwrap().close));
    assert_eq!(of_19.len(), 4);
    let since = CandleView { since: Some(minute(-2_000)), ..wide(Timeframe::H4, 3) };
    let first = bench.get(since).await;
    assert_eq!(first.rows().iter().map(opens).collect::<Vec<_>>(), [-1_860, -1_620, -1_380]);
    assert_eq!(first.rest(), Some(Rest::Since(minute(-1_140))));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn held_candles_save_the_call_for_wider_ones() {
    let bench = Bench::new().await;
    bench.get(between(-2_880, -61)).await;
    bench.asked();
    let widths = [Timeframe::M5, Timeframe::M15, Timeframe::M30, Timeframe::H1];
    for (timeframe, before) in widths.into_iter().zip(1..) {
        let view = CandleView { timeframe, ..between(-2_880, -61) };
        let computed = bench.get(view).await;
        assert!(computed.derived().is_some(), "{timeframe}");
        assert_eq!(bench.asked(), Vec::<String>::new());
        assert!(closed(&computed).iter().all(|closed| *closed));
        // Nothing narrower is held of what came before.
        let own = bench.get(CandleView { since: Some(minute(-2_880 - 60 * before)), ..view }).await;
        assert_eq!((own.derived(), bench.asked().len()), (None, 1), "{timeframe}");
        let common = own.rows().len() - computed.rows().len();
        assert_eq!(values(computed.rows()), values(&own.rows()[common..]), "{timeframe}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_minute_makes_wider_ones_live() {
    let bench = Bench::new().await;
    bench.until(secs(45)).await;
    bench.open(100);
    let candles = bench.get(wide(Timeframe::M15, 5)).await;
    assert_eq!((candles.derived(), bench.asked()), (Some(Timeframe::M1), Vec::new()));
    assert_eq!(minutes(candles.rows()), [-60, -45, -30, -15, 0]);
    assert_eq!(closed(&candles), [true, true, true, true, false]);
    // Of the first quarter of an hour a part is not known.
    let deeper = bench.get(wide(Timeframe::M15, 8)).await;
    assert_eq!((deeper.derived(), bench.asked().len()), (None, 1));
}
