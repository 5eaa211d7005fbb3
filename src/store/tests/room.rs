use super::*;
use crate::{
    store::{Disk, Shared, StoreError, file, trim::Bounds},
    telemetry::{StoreFault, StoreState},
};

/// A store whose file may grow by so many pages more.
async fn cramped(pages: i64) -> Bench {
    let bench = Bench::new().await;
    bench.end().await;
    let path = file::resolve(&bench.path());
    let shared = Arc::new(Shared::new(path, bench.metrics.store().clone()));
    let bounds = Bounds { max_bytes: u64::MAX, retention: Duration::ZERO };
    let mut disk = Disk::new(shared.clone(), bench.clock.clone(), bounds);
    disk.upkeep();
    let count: i64 =
        disk.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    disk.connection()
        .pragma_update_and_check(None, "max_page_count", count + pages, |_| Ok(()))
        .unwrap();
    let tasks = Tasks::new(|name| panic!("{name} panicked"));
    let store = Store::start(disk, false, shared, &bench.clock, &tasks);
    Bench { store, tasks, ..bench }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_what_does_not_fit_and_passes() {
    let bench = cramped(40).await;
    bench.keep(&btc(), minutes(0, 1000), bars(0..1000)).await;
    let kept = bench.store.keep(&btc(), minutes(900, 5000), minute(1), bars(1000..5000)).await;
    assert_eq!(kept, Err(StoreError::Full));
    bench.store.keep_later(&btc(), minutes(5000, 9000), minute(1), bars(5000..9000));
    bench.store.flush().await;
    let snapshot = bench.store.snapshot();
    assert_eq!((snapshot.state, snapshot.bars), (StoreState::Full, 1000));
    assert_eq!(snapshot.last_error.unwrap().0, "the disk is full");
    let counted = bench.metrics.store();
    assert_eq!((counted.totals().lost, counted.faults(StoreFault::Full)), (2, 2));
    let held = bench.read(&btc(), minutes(0, 9000)).await;
    assert_eq!(held.bars, bars(0..1000), "reads go on, and nothing of the rest is claimed");
    assert_eq!(known_minutes(&held), [(0, 1000, 100)]);

    let freed = "DELETE FROM bars; DELETE FROM coverage; UPDATE series SET bars = 0";
    bench.sql().execute_batch(freed).unwrap();
    bench.keep(&btc(), minutes(0, 1500), bars(500..1500)).await;
    let snapshot = bench.store.snapshot();
    assert_eq!((snapshot.state, snapshot.bars), (StoreState::On, 1000));
    assert_eq!(bench.read(&btc(), minutes(0, 9000)).await.bars, bars(500..1500));
}
