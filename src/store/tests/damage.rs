use std::{fs, os::unix::fs::FileExt as _, path::Path};

use super::*;
use crate::{
    store::StoreError,
    telemetry::{StoreFault, StoreState},
};

const NAME: &str = "store.sqlite";
const ASIDE: &str = "store.sqlite.set-aside-20261122T120000Z";

/// A bench whose file is there before it is opened.
async fn found(make: impl FnOnce(&Path)) -> Bench {
    Bench::with(|settings| {
        let path = settings.path.as_ref().unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        make(path);
    })
    .await
}

/// It has begun anew beside the file that was there, and works.
async fn has_begun_anew(bench: &Bench, fault: StoreFault) {
    let snapshot = bench.store.snapshot();
    assert_eq!(snapshot.state, StoreState::On);
    assert_eq!(snapshot.set_aside, Some(bench.path().with_file_name(ASIDE)));
    assert_eq!(bench.metrics.store().totals().set_aside, 1);
    assert_eq!(bench.metrics.store().faults(fault), 1);
    assert_eq!(bench.read(&btc(), minutes(-900, 900)).await, Held::default());
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    assert_eq!(held_minutes(&bench.read(&btc(), minutes(-900, 900)).await), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_database_is_set_aside() {
    let bench = found(|path| fs::write(path, "a letter\n".repeat(1000)).unwrap()).await;
    has_begun_anew(&bench, StoreFault::Corrupt).await;
    let aside = fs::read_to_string(bench.path().with_file_name(ASIDE)).unwrap();
    assert_eq!(aside, "a letter\n".repeat(1000), "nothing of it is touched");
}

#[tokio::test(start_paused = true)]
async fn a_database_of_others_is_set_aside_with_its_log() {
    let bench = found(|path| {
        let other = Connection::open(path).unwrap();
        other.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        other
            .execute_batch("CREATE TABLE recipes (name); INSERT INTO recipes VALUES ('soup')")
            .unwrap();
        // As if that program had been killed: its log stays.
        std::mem::forget(other);
    })
    .await;
    has_begun_anew(&bench, StoreFault::Foreign).await;
    let aside = Connection::open(bench.path().with_file_name(ASIDE)).unwrap();
    let name: String = aside.query_row("SELECT name FROM recipes", [], |row| row.get(0)).unwrap();
    assert_eq!(name, "soup");
}

#[tokio::test(start_paused = true)]
async fn a_later_format_is_set_aside() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    bench.sql().pragma_update(None, "user_version", 3).unwrap();
    let bench = bench.again().await;
    has_begun_anew(&bench, StoreFault::Foreign).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_without_a_table_is_set_aside() {
    let bench = Bench::new().await;
    bench.sql().execute_batch("DROP TABLE bans").unwrap();
    let bench = bench.again().await;
    has_begun_anew(&bench, StoreFault::Corrupt).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_is_begun() {
    let bench = found(|path| fs::write(path, "").unwrap()).await;
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    assert_eq!(bench.store.snapshot().set_aside, None);
    assert_eq!(held_minutes(&bench.again().await.read(&btc(), minutes(0, 9)).await), [1]);
}

/// Writes over everything behind the first pages.
fn damage(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    assert!(length > 100_000, "{length}");
    file.write_all_at(&vec![0xa5; usize::try_from(length).unwrap() - 65_536], 65_536).unwrap();
}

#[tokio::test(start_paused = true)]
async fn damage_that_is_there_at_the_start_is_found() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 5000), bars(0..5000)).await;
    bench.end().await;
    assert_eq!(bench.files(), [NAME], "the log went into the file");
    damage(&bench.path());
    let bench = bench.again().await;
    has_begun_anew(&bench, StoreFault::Corrupt).await;
    assert_eq!(bench.store.snapshot().bars, 1);
}

/// Bars are in the file itself, which someone else changed last, so that nobody has it in memory.
async fn written_by_others() -> Bench {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 5000), bars(0..5000)).await;
    let sql = bench.sql();
    sql.execute("UPDATE bars SET close = '1' WHERE open_time = 0", []).unwrap();
    sql.execute("INSERT INTO bans VALUES ('a', 'b', 1)", []).unwrap();
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    bench
}

#[tokio::test(start_paused = true)]
async fn damage_that_a_read_meets_is_set_aside() {
    let bench = written_by_others().await;
    damage(&bench.path());
    assert_eq!(bench.read(&btc(), minutes(0, 5000)).await, Held::default());
    until("it is set aside", || bench.store.snapshot().set_aside.is_some()).await;
    bench.store.flush().await;
    has_begun_anew(&bench, StoreFault::Corrupt).await;
}

#[tokio::test(start_paused = true)]
async fn what_meets_damage_is_written_to_the_next_file() {
    let bench = written_by_others().await;
    damage(&bench.path());
    bench.keep(&btc(), minutes(100, 3000), bars([200, 300])).await;
    let held = bench.read(&btc(), minutes(0, 5000)).await;
    assert_eq!(
        (held_minutes(&held), known_minutes(&held)),
        (vec![200, 300], vec![(100, 3000, 100)])
    );
    assert!(bench.store.snapshot().set_aside.is_some());
    assert_eq!(bench.metrics.store().totals().lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_moved_away_is_begun_anew() {
    let bench = Bench::new().await;
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    for name in ["", "-wal", "-shm"] {
        let from = bench.path().with_file_name(format!("{NAME}{name}"));
        fs::rename(from, bench.path().with_file_name(format!("moved{name}"))).unwrap();
    }
    bench.keep(&btc(), minutes(5, 9), bars([6])).await;
    assert_eq!(held_minutes(&bench.read(&btc(), minutes(0, 9)).await), [6]);
    let moved = Connection::open(bench.path().with_file_name("moved")).unwrap();
    let count: i64 = moved.query_row("SELECT count(*) FROM bars", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_cannot_be_used_is_tried_again() {
    let bench = Bench::with(|settings| {
        let path = settings.path.as_mut().unwrap();
        fs::write(path.ancestors().nth(2).unwrap(), "in the way").unwrap();
    })
    .await;
    let snapshot = bench.store.snapshot();
    assert!(bench.store.is_on());
    assert_eq!(snapshot.state, StoreState::Failing);
    assert!(snapshot.last_error.unwrap().0.starts_with("the store cannot be used: "));
    let kept = bench.store.keep(&btc(), minutes(0, 3), minute(9), bars([1])).await;
    assert!(matches!(kept, Err(StoreError::Failing(_))), "{kept:?}");
    assert_eq!(bench.read(&btc(), minutes(0, 3)).await, Held::default());
    assert_eq!(bench.metrics.store().totals().lost, 1);

    fs::remove_file(bench.directory.path().join("deep")).unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    until("it is open", || bench.store.snapshot().state == StoreState::On).await;
    bench.keep(&btc(), minutes(0, 3), bars([1])).await;
    assert_eq!(held_minutes(&bench.read(&btc(), minutes(0, 3)).await), [1]);
}
