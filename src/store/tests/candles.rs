use proptest::prelude::*;

use super::*;
use crate::{market::Coverage, store::StoreError, telemetry::StoreState};

#[tokio::test(start_paused = true)]
async fn a_bar_comes_back_digit_for_digit() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 10), bars([2, 3, 7])).await;
    let bench = bench.again().await;
    let held = bench.read(&btc(), minutes(-5, 20)).await;
    assert_eq!(held.bars, bars([2, 3, 7]));
    assert_eq!(known_minutes(&held), [(0, 10, 100)]);
    let other = series("tETHUSD", Timeframe::M1);
    assert_eq!(bench.read(&other, minutes(-5, 20)).await, Held::default());
    let wider = series("tBTCUSD", Timeframe::M5);
    assert_eq!(bench.read(&wider, minutes(-5, 20)).await, Held::default());
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_ends_where_its_last_bucket_ends() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 10), bars([0, 2, 3, 7])).await;
    bench.keep(&btc(), minutes(20, 30), bars([25])).await;
    for (take, span, bars, known) in [
        (Take::First(2), (0, 30), vec![0, 2], vec![(0, 3, 100)]),
        (Take::First(5), (0, 30), vec![0, 2, 3, 7, 25], vec![(0, 10, 100), (20, 26, 100)]),
        (Take::First(6), (0, 30), vec![0, 2, 3, 7, 25], vec![(0, 10, 100), (20, 30, 100)]),
        (Take::Last(2), (0, 30), vec![7, 25], vec![(7, 10, 100), (20, 30, 100)]),
        (Take::Last(1), (4, 7), vec![], vec![(4, 7, 100)]),
        (Take::Last(9), (-9, 4), vec![0, 2, 3], vec![(0, 4, 100)]),
        (Take::First(1), (12, 15), vec![], vec![]),
        (Take::First(0), (0, 30), vec![], vec![]),
        (Take::Last(3), (9, 2), vec![], vec![]),
    ] {
        let held = bench.store.read(&btc(), minutes(span.0, span.1), take).await;
        assert_eq!((held_minutes(&held), known_minutes(&held)), (bars, known), "{take:?} {span:?}");
    }
    assert_eq!(bench.metrics.store().totals().bars_read, 2 + 5 + 5 + 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_replaces_what_was_there() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 10), bars([1, 2, 3])).await;
    let restated = vec![bar(minute(2), "1"), bar(minute(4), "2"), bar(minute(4), "3")];
    bench.store.keep(&btc(), minutes(2, 6), minute(50), restated).await.unwrap();
    let held = bench.read(&btc(), minutes(0, 20)).await;
    let closes: Vec<&str> = held.bars.iter().map(|bar| bar.close.as_str()).collect();
    assert_eq!((held_minutes(&held), closes), (vec![1, 2, 4], vec!["1.50", "1", "3"]));
    assert_eq!(known_minutes(&held), [(0, 10, 50)], "the oldest receipt of a part");
    assert_eq!(bench.store.snapshot().bars, 3);

    bench.store.keep(&btc(), minutes(-1, 12), minute(60), bars([5])).await.unwrap();
    let held = bench.read(&btc(), minutes(-9, 20)).await;
    assert_eq!(held_minutes(&held), [5]);
    assert_eq!(known_minutes(&held), [(-1, 12, 60)], "nothing is left of what was older");
    assert_eq!(bench.store.snapshot().bars, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bar_outside_of_its_span_is_refused() {
    let bench = Bench::new().await;
    for (span, bars) in [((0, 3), bars([3])), ((0, 3), bars([-1, 1])), ((3, 3), bars([3]))] {
        let kept = bench.store.keep(&btc(), minutes(span.0, span.1), minute(9), bars).await;
        assert_eq!(kept, Err(StoreError::Outside));
    }
    assert_eq!(bench.store.keep(&btc(), minutes(3, 3), minute(9), vec![]).await, Ok(()));
    bench.store.keep_later(&btc(), minutes(0, 3), minute(9), bars([3]));
    bench.store.flush().await;
    assert_eq!(bench.read(&btc(), minutes(-9, 9)).await, Held::default());
    assert_eq!(bench.metrics.store().totals().lost, 1);
    assert_eq!(bench.store.snapshot().state, StoreState::On);
}

#[tokio::test(start_paused = true)]
async fn a_bar_that_cannot_be_read_is_not_known_and_passes() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 3), bars([0, 1, 2])).await;
    let change = "UPDATE bars SET close = 'much' WHERE close = '1.50'";
    assert_eq!(bench.sql().execute(change, []).unwrap(), 1);
    assert_eq!(bench.read(&btc(), minutes(0, 3)).await, Held::default());
    assert_eq!(bench.metrics.store().faults(crate::telemetry::StoreFault::Failing), 1);
    bench.keep(&btc(), minutes(0, 3), bars([0, 1, 2])).await;
    assert_eq!(bench.read(&btc(), minutes(0, 3)).await.bars, bars([0, 1, 2]));
}

#[tokio::test(start_paused = true)]
async fn analysts_see_numbers_and_dates() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    bench
        .keep(&series("tETHUSD", Timeframe::H1), minutes(0, 60), vec![bar(minute(0), "7e-7")])
        .await;
    let sql = bench.sql();
    let row: (String, String, String, i64, String, f64, f64) = sql
        .query_row(
            "SELECT exchange, symbol, timeframe, time, datetime, close, high FROM candles \
             WHERE symbol = 'BTC/USD'",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                ))
            },
        )
        .unwrap();
    let (exchange, symbol, timeframe) = ("bitfinex".into(), "BTC/USD".into(), "1m".into());
    let (time, datetime) = (minute(1).millis(), "2026-11-22T12:01:00.000Z".into());
    assert_eq!(row, (exchange, symbol, timeframe, time, datetime, 1.5, 7e-7));
    let known: (String, String) = sql
        .query_row(
            "SELECT from_datetime, to_datetime FROM known WHERE symbol = 'ETH/USD'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(known, ("2026-11-22T12:00:00.000Z".into(), "2026-11-22T13:00:00.000Z".into()));
    let mode: String = sql.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    let vacuum: i64 = sql.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), vacuum), ("wal", 2), "a log, and space is given back in steps");
}

#[tokio::test(start_paused = true)]
async fn without_a_path_nothing_is_kept() {
    let bench = Bench::with(|settings| settings.path = None).await;
    let store = &bench.store;
    assert!(!store.is_on());
    assert_eq!(store.keep(&btc(), minutes(0, 3), minute(9), bars([1])).await, Err(StoreError::Off));
    store.keep_later(&btc(), minutes(0, 3), minute(9), bars([1]));
    store.flush().await;
    assert_eq!(bench.read(&btc(), minutes(0, 3)).await, Held::default());
    assert!(store.markets("bitfinex").await.is_none());
    assert_eq!((store.snapshot().state, store.snapshot().path), (StoreState::Off, None));
    assert_eq!(std::fs::read_dir(bench.directory.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_directory_means_a_file_in_it() {
    let bench = Bench::new().await;
    let mut settings = bench.settings.clone();
    let directory = bench.directory.path().join("data");
    settings.path = Some(format!("{}/", directory.display()).into());
    for _ in 0..2 {
        let store = Store::open(&settings, &bench.clock, &bench.metrics, &bench.tasks).await;
        assert_eq!(store.snapshot().path, Some(directory.join("tidegate.sqlite")));
        assert_eq!(store.snapshot().state, StoreState::On);
        settings.path = Some(directory.clone());
    }
}

/// Minutes from noon that a step of the model is about, and which of them have a bar.
type Kept = (i64, i64, Vec<bool>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn it_is_a_map_of_minutes(
        kept in proptest::collection::vec(
            (0_i64..40, 0_i64..15, proptest::collection::vec(any::<bool>(), 15)),
            1..12,
        ),
        asked in (0_i64..40, 0_i64..40, 0_usize..20, any::<bool>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&kept, asked))?;
    }
}

async fn check(kept: &[Kept], asked: (i64, i64, usize, bool)) -> Result<(), TestCaseError> {
    let bench = Bench::new().await;
    let (mut model, mut known) = ([None; 64], Coverage::default());
    for (step, (from, width, traded)) in kept.iter().enumerate() {
        let span = minutes(*from, from + width);
        let close = |index: i64| format!("{index}.{step}");
        let traded: Vec<i64> = (*from..from + width)
            .filter(|index| traded[usize::try_from(index - from).unwrap()])
            .collect();
        let bars = traded.iter().map(|index| bar(minute(*index), &close(*index))).collect();
        let received = minute(step.try_into().unwrap());
        bench.store.keep_later(&btc(), span, received, bars);
        for index in *from..from + width {
            let is_bar = traded.contains(&index);
            model[usize::try_from(index).unwrap()] = is_bar.then_some(step);
        }
        known.remove(&span);
        known.add(span, received);
    }
    bench.store.flush().await;
    let expected = |from: i64, to: i64| -> Vec<Candle> {
        let one = |index: i64| {
            let step = model[usize::try_from(index).unwrap()]?;
            Some(bar(minute(index), &format!("{index}.{step}")))
        };
        (from..to.min(64)).filter_map(one).collect()
    };

    let all = bench.read(&btc(), minutes(0, 64)).await;
    prop_assert_eq!(&all.bars, &expected(0, 64));
    prop_assert_eq!(&all.known, &known);
    prop_assert_eq!(bench.store.snapshot().bars, all.bars.len() as u64);

    let (from, width, most, first) = asked;
    let span = minutes(from, (from + width).min(64));
    let take = if first { Take::First(most) } else { Take::Last(most) };
    let some = bench.store.read(&btc(), span, take).await;
    let within = expected(from, from + width);
    let cut = within.len().saturating_sub(most);
    let wanted = if first { &within[..within.len() - cut] } else { &within[cut..] };
    prop_assert_eq!(&some.bars, wanted);
    for (held, _) in some.known.spans() {
        prop_assert!(known.covers(held) && span.covers(held));
    }
    let covered = |bar: &Candle| {
        some.known.covers(&Span::new(bar.open_time, bar.open_time + Duration::from_secs(60)))
    };
    prop_assert!(some.bars.iter().all(covered), "a bar is held only where it is known");
    // Whatever is known was brought: what was left out is not claimed.
    for bar in &within {
        let brought = some.bars.contains(bar);
        prop_assert_eq!(some.known.at(bar.open_time).is_some(), brought);
    }
    bench.end().await;
    Ok(())
}
