//! Files of earlier formats.

use std::{fs, path::Path};

use super::*;
use crate::telemetry::StoreState;

/// What the first version made of an empty file.
const VERSION_1: &str = include_str!("version1.sql");

const APPLICATION: i32 = i32::from_be_bytes(*b"Tide");

/// A file of the first version, with something in every table that has changed since.
fn version_1(path: &Path) -> Connection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = Connection::open(path).unwrap();
    file.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    file.execute_batch(VERSION_1).unwrap();
    file.execute_batch(&format!(
        "INSERT INTO market_lists VALUES ('bitfinex', {NOON});
         INSERT INTO markets VALUES ('bitfinex', 0, 'tBTCUSD', 'BTC/USD', 'BTC', 'USD', NULL, 1,
             '0.00004', '2000', 8, 5, '[\"XBT/USD\"]');
         INSERT INTO calls VALUES ('bitfinex', 'candles', {NOON} - 3000);
         INSERT INTO bans VALUES ('bitfinex', 'candles', {NOON} + 60000);"
    ))
    .unwrap();
    file.pragma_update(None, "application_id", APPLICATION).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file
}

/// Each column of each table: name, type, whether it may be empty, default.
fn columns(file: &Connection) -> Vec<String> {
    let sql = "SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' '
                   || ifnull(c.dflt_value, '-') || ' ' || c.pk
               FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
               WHERE t.type = 'table' ORDER BY t.name, c.cid";
    let mut rows = file.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_first_format_goes_on_with_what_it_holds() {
    let bench = Bench::with(|settings| drop(version_1(settings.path.as_ref().unwrap()))).await;
    assert_eq!(bench.store.snapshot().state, StoreState::On);
    assert_eq!(bench.store.snapshot().set_aside, None);

    let (list, received_at) = bench.store.markets("bitfinex").await.unwrap();
    assert_eq!(received_at, minute(0));
    let [listing] = list.listings.as_slice() else { panic!("{list:?}") };
    assert_eq!((listing.id.as_str(), listing.aliases.len()), ("tBTCUSD", 1));
    assert_eq!(
        (&listing.listed_as, &listing.amount_step, &listing.price_step),
        (&None, &None, &None)
    );
    let saved = bench.store.budget("bitfinex", minute(-1)).await;
    assert_eq!(saved.calls, [("candles".to_owned(), 1, at(NOON - 3000))], "each call was one");
    assert_eq!(saved.bans, [(Some("candles".to_owned()), minute(1))]);

    // It takes what is new, and is the same as one that was begun today.
    bench.store.note_call("binance", "weight", 80, minute(0));
    bench.store.flush().await;
    let saved = bench.store.budget("binance", minute(-1)).await;
    assert_eq!(saved.calls, [("weight".to_owned(), 80, minute(0))]);
    let version = |file: &Connection| {
        file.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).unwrap()
    };
    let begun = Bench::new().await;
    assert_eq!(version(&bench.sql()), version(&begun.sql()));
    assert_eq!(columns(&bench.sql()), columns(&begun.sql()));
}

/// What fails half-way leaves the file as it was; it is set aside like any that is damaged.
#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_brought_up_to_date_is_not_changed() {
    let bench = Bench::with(|settings| {
        let file = version_1(settings.path.as_ref().unwrap());
        file.execute_batch("ALTER TABLE calls ADD COLUMN units TEXT").unwrap();
    })
    .await;
    assert_eq!(bench.store.snapshot().state, StoreState::On);
    let file = Connection::open(bench.store.snapshot().set_aside.unwrap()).unwrap();
    let all = columns(&file);
    assert!(all.iter().any(|column| column.starts_with("calls.units TEXT")), "{all:?}");
    assert!(!all.iter().any(|column| column.starts_with("markets.listed_as")), "{all:?}");
    let version: i32 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}
