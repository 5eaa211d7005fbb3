use super::*;
use crate::{
    store::{ROOM, StoreError},
    telemetry::{StoreFault, StoreState},
};

#[tokio::test(start_paused = true)]
async fn what_waits_is_committed_at_once() {
    let bench = Bench::new().await;
    for index in 0..500 {
        bench.store.keep_later(&btc(), minutes(index, index + 1), minute(9), bars([index]));
        bench.store.note_call("bitfinex", "candles", 1, minute(index));
    }
    assert_eq!(bench.store.snapshot().pending, 1500);
    bench.store.flush().await;
    let totals = bench.metrics.store().totals();
    assert_eq!((totals.commits, totals.writes, totals.bars_written), (1, 1000, 500));
    let snapshot = bench.store.snapshot();
    assert_eq!((snapshot.pending, snapshot.bars, snapshot.series), (0, 500, 1));
    assert!(snapshot.bytes > 20_000, "{snapshot:?}");
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_a_bound_and_who_can_wait_waits() {
    let bench = Bench::new().await;
    let third = i64::try_from(ROOM / 3).unwrap();
    for index in 0..4 {
        let span = (index * third, (index + 1) * third);
        let bars = bars(span.0..span.1 - 1);
        if index < 3 {
            bench.store.keep_later(&btc(), minutes(span.0, span.1), minute(9), bars);
        } else {
            let later = bars[..1].to_vec();
            bench.store.keep_later(&btc(), minutes(-9, span.1), minute(9), bars.clone());
            assert_eq!(bench.metrics.store().totals().lost, 1);
            assert_eq!(bench.metrics.store().faults(StoreFault::Overloaded), 1);
            bench.keep(&btc(), minutes(span.0, span.1), later).await;
        }
    }
    let held = bench.read(&btc(), minutes(-9, 4 * third)).await;
    assert_eq!(held.bars.len(), 100_000, "no read brings more");
    let end = 100_000 + 1;
    assert_eq!(known_minutes(&held), [(0, end, 9)], "{} is the first without a bar", third - 1);
    let rest = bench.read(&btc(), minutes(end, 4 * third)).await;
    assert_eq!(held.bars.len() + rest.bars.len(), 3 * (ROOM / 3 - 1) + 1);
    assert_eq!(bench.store.snapshot().state, StoreState::On);
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_written_before_the_end() {
    let bench = Bench::new().await;
    for index in 0..100 {
        bench.store.keep_later(&btc(), minutes(index, index + 1), minute(9), bars([index]));
    }
    let bench = bench.again().await;
    let held = bench.read(&btc(), minutes(0, 100)).await;
    assert_eq!((held.bars, held.known.spans().len()), (bars(0..100), 1));

    bench.end().await;
    assert_eq!(bench.files(), ["store.sqlite"], "no log is left");
    let kept = bench.store.keep(&btc(), minutes(0, 3), minute(9), bars([1])).await;
    assert_eq!(kept, Err(StoreError::Closed));
    bench.store.keep_later(&btc(), minutes(0, 3), minute(9), bars([1]));
    bench.store.flush().await;
    assert_eq!(bench.metrics.store().totals().lost, 1);
    assert_eq!(bench.read(&btc(), minutes(0, 3)).await, Held::default());
    assert_eq!(bench.store.snapshot().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn another_process_is_waited_for() {
    let bench = Bench::new().await;
    let other = bench.sql();
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO bans VALUES ('a', 'b', 1)").unwrap();
    let series = btc();
    let keeping = bench.keep(&series, minutes(0, 3), bars([1]));
    let release = async {
        until("it is taken up", || bench.store.snapshot().pending == 2).await;
        assert_eq!(bench.read(&btc(), minutes(0, 3)).await, Held::default());
        other.execute_batch("COMMIT").unwrap();
    };
    tokio::join!(keeping, release);
    assert_eq!(held_minutes(&bench.read(&btc(), minutes(0, 3)).await), [1]);
}

#[tokio::test(start_paused = true)]
async fn another_process_is_not_waited_for_for_ever() {
    let bench = Bench::new().await;
    let other = bench.sql();
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO bans VALUES ('a', 'b', 1)").unwrap();
    let kept = bench.store.keep(&btc(), minutes(0, 3), minute(9), bars([1])).await;
    assert_eq!(kept, Err(StoreError::Busy));
    assert_eq!(bench.store.snapshot().state, StoreState::Failing);
    other.execute_batch("COMMIT").unwrap();
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    assert_eq!(bench.store.snapshot().state, StoreState::On);
}
