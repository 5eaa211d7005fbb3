use super::*;

const HOUR: i64 = 60;

/// Bars at their own width, so many back from noon.
fn back(timeframe: Timeframe, count: i64) -> (Span, Vec<Candle>) {
    let width = i64::try_from(timeframe.fixed().unwrap().as_millis()).unwrap();
    let opens = (1..=count).rev().map(|index| at(NOON - index * width));
    (Span::new(at(NOON - count * width), at(NOON)), opens.map(|open| bar(open, "90142")).collect())
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_given_up_with_its_coverage() {
    let bench = Bench::with(|settings| settings.retention = Duration::from_secs(3600 * 24)).await;
    let day = 24 * HOUR;
    let (span, bars) = back(Timeframe::M1, 20 * day);
    bench.keep(&btc(), span, bars).await;
    let hours = series("tBTCUSD", Timeframe::H1);
    let (span, bars) = back(Timeframe::H1, 48);
    bench.keep(&hours, span, bars).await;
    let gone = series("tETHUSD", Timeframe::M1);
    bench.keep(&gone, minutes(-9 * day, -8 * day), vec![]).await;

    let bench = bench.again().await;
    // What a step gave up is counted last.
    let totals = || bench.metrics.store().totals();
    until("all of it is gone", || totals().trimmed_bars >= 19 * 1440 + 24).await;
    assert_eq!(bench.store.snapshot().bars, 1440 + 24);
    let held = bench.read(&btc(), minutes(-30 * day, 0)).await;
    assert_eq!(held_minutes(&held), (-day..0).collect::<Vec<_>>());
    assert_eq!(known_minutes(&held), [(-day, 0, 100)]);
    let held = bench.read(&hours, minutes(-30 * day, 0)).await;
    assert_eq!((held.bars.len(), known_minutes(&held)), (24, vec![(-day, 0, 100)]));
    assert_eq!(bench.read(&gone, minutes(-30 * day, 0)).await, Held::default());
    assert_eq!(bench.store.snapshot().series, 2, "a series of which nothing is left is gone");
    assert_eq!(totals().trimmed_bars, 19 * 1440 + 24);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_size_the_deepest_bars_go_first() {
    const BYTES: u64 = 1024 * 1024;
    let bench = Bench::with(|settings| settings.max_bytes = BYTES).await;
    let wide = series("tBTCUSD", Timeframe::H1);
    let (span, hours) = back(Timeframe::H1, 3000);
    bench.keep(&wide, span, hours.clone()).await;
    let eth = series("tETHUSD", Timeframe::M1);
    let (span, some) = back(Timeframe::M1, 2000);
    bench.keep(&eth, span, some.clone()).await;
    let all = 60_000;
    for part in 0..6 {
        let span = minutes(-all + part * 10_000, -all + (part + 1) * 10_000);
        let bars = (-all..0).skip(part as usize * 10_000).take(10_000);
        let bars = bars.map(|index| bar(minute(index), "90142")).collect();
        bench.keep(&btc(), span, bars).await;
    }
    let sql = bench.sql();
    let pages = || sql.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    until("its space is given back", || pages() * 4096 <= BYTES as i64).await;
    drop(sql);
    let bench = bench.again().await;

    let held = bench.store.read(&btc(), minutes(-all, 0), Take::Last(90_000)).await;
    let first = held_minutes(&held)[0];
    assert!((-15_000..-3_000).contains(&first), "{first}");
    assert_eq!(held_minutes(&held), (first..0).collect::<Vec<_>>());
    assert_eq!(known_minutes(&held), [(first, 0, 100)]);
    // Hours and the other minutes do not reach as many buckets back.
    assert_eq!(bench.read(&wide, minutes(-9_999_999, 0)).await.bars, hours);
    assert_eq!(bench.read(&eth, minutes(-9_999_999, 0)).await.bars, some);
    let (kept, given) = (bench.store.snapshot().bars, bench.metrics.store().totals().trimmed_bars);
    assert_eq!(kept + given, 65_000);
    let used = bench.store.snapshot().bytes;
    assert!(used > BYTES * 7 / 10, "no more is given up than need be: {used}");
}
