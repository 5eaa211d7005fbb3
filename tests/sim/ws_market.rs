//! What a WebSocket client is told is the market that REST shows at the same time.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tidegate::{
    market::UnixMs,
    sim::{SimConfig, WsConfig, engine::Window},
};

use crate::{
    support::{NOW, calm},
    talk::{ClientBook, Talk, Told, crc32, venue},
};

const SEQ_ALL: u64 = 65_536;
const CHECKSUM: u64 = 131_072;
const TIMESTAMP: u64 = 32_768;
const BULK: u64 = 536_870_912;

/// A pair whose prices need an exponent.
fn tiny(talk: &Talk) -> String {
    let market = talk.venue.market();
    let now = talk.time.now();
    let mut all = market.instruments().iter();
    let tiny = all.find(|one| {
        one.symbol().starts_with('t') && market.last_price(one, now).is_some_and(|p| p < 1e-6)
    });
    tiny.unwrap().symbol().to_owned()
}

/// Replays a book for `seconds` and compares it with REST after every step; how many checksums
/// and updates there were.
fn replay(
    talk: &mut Talk,
    symbol: &str,
    precision: &str,
    len: usize,
    seconds: i64,
) -> (usize, usize) {
    let request = json!({"channel":"book","symbol":symbol,"prec":precision,"len":len.to_string()});
    let id = talk.subscribe(request);
    let (raw, funding) = (precision == "R0", symbol.starts_with('f'));
    let mut book = ClientBook { raw, funding, len, ..ClientBook::default() };
    let path = format!("/v2/book/{symbol}/{precision}?len={len}");
    let snapshot = talk.of(id);
    assert_eq!(snapshot.len(), 1);
    book.take(&snapshot[0]);
    assert_eq!(snapshot[0].rows(), talk.rest(&path), "the snapshot is in order");
    let (mut checksums, mut updates) = (0, 0);
    for _ in 0..seconds * 10 {
        for told in talk.step().iter().filter(|told| told.channel == id) {
            match told.tag.as_str() {
                "" => {
                    book.take(told);
                    updates += 1;
                }
                "cs" => {
                    assert_eq!(told.payload, book.checksum().to_string(), "{path}");
                    checksums += 1;
                }
                "hb" => {}
                tag => panic!("{tag}"),
            }
        }
        let sorted = |mut rows: Vec<Vec<String>>| {
            rows.sort();
            rows
        };
        let truth = talk.rest(&path);
        match funding {
            // Levels of one rate have no order among themselves.
            true => assert_eq!(sorted(book.all()), sorted(truth), "{path}"),
            false => assert_eq!(book.all(), truth, "{path}"),
        }
    }
    (checksums, updates)
}

#[test]
fn books_follow_the_market_level_by_level_and_their_checksums_hold() {
    let mut talk = Talk::new();
    talk.set_flags(CHECKSUM);
    let tiny = tiny(&talk);
    for (symbol, precision, len) in [
        ("tBTCUSD", "P0", 25),
        ("tETHUSD", "P0", 250),
        ("tBTCUSD", "P1", 100),
        ("tXRPUSD", "P2", 25),
        ("tBTCUSD", "P4", 1),
        ("tBTCUSD", "R0", 25),
        (tiny.as_str(), "P0", 25),
        (tiny.as_str(), "R0", 100),
    ] {
        let (checksums, updates) = replay(&mut talk, symbol, precision, len, 30);
        assert!((8..=12).contains(&checksums), "{symbol} {precision} {len}: {checksums}");
        assert!(updates > 8, "{symbol} {precision} {len}: {updates}");
    }
}

#[test]
fn funding_books_follow_the_market_and_have_no_checksums() {
    let mut talk = Talk::new();
    talk.set_flags(CHECKSUM);
    for precision in ["P0", "R0"] {
        let (checksums, updates) = replay(&mut talk, "fUSD", precision, 25, 20);
        assert!(checksums == 0 && updates > 20, "{checksums} {updates}");
    }
}

#[test]
fn the_independent_checksum_agrees_with_a_published_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_slow_book_moves_every_other_second_and_bulk_updates_come_together() {
    let mut talk = Talk::new();
    talk.set_flags(BULK);
    let request = json!({"channel":"book","symbol":"tBTCUSD","prec":"P0","freq":"F1","len":25});
    let id = talk.subscribe(request);
    let mut book = ClientBook { len: 25, ..ClientBook::default() };
    book.take(&talk.of(id)[0]);
    let told: Vec<Told> = talk.pass(20_000).into_iter().filter(|told| told.tag != "hb").collect();
    assert_eq!(told.len(), 10, "one frame each");
    for one in &told {
        assert!(one.at.rem_euclid(2_000) < 100 && one.payload.starts_with("[["), "{one:?}");
        book.take(one);
    }
    let at = UnixMs::from_millis(told[9].at);
    let market = talk.venue.market();
    let [bids, asks] = market.book(market.find("tBTCUSD").unwrap(), at).levels(5, 25);
    let levels = bids.iter().map(|l| (l.price, l.count, l.amount));
    let levels: Vec<_> = levels.chain(asks.iter().map(|l| (l.price, l.count, -l.amount))).collect();
    let number = |row: &[String], place: usize| row[place].parse::<f64>().unwrap();
    let replayed: Vec<_> =
        book.all().iter().map(|r| (number(r, 0), r[1].parse().unwrap(), number(r, 2))).collect();
    assert_eq!(replayed, levels);
}

#[test]
fn trades_are_told_at_once_and_again_soon_after() {
    for (symbol, tags) in [("tBTCUSD", ["te", "tu"]), ("fUSD", ["fte", "ftu"])] {
        let mut talk = Talk::new();
        let id = talk.subscribe(json!({"channel":"trades","symbol":symbol}));
        let snapshot = talk.of(id).remove(0);
        assert_eq!(snapshot.rows(), talk.rest(&format!("/v2/trades/{symbol}/hist?limit=30")));
        talk.pass(600_000);
        let of = |tag: &str| -> Vec<Told> {
            talk.of(id).into_iter().filter(|told| told.tag == tag).collect()
        };
        let [first, second] = tags.map(of);
        let path = format!("/v2/trades/{symbol}/hist?start={}&sort=1&limit=1000", NOW + 1);
        let truth = talk.rest(&path);
        assert!(truth.len() > 3, "{symbol}: {}", truth.len());
        assert_eq!(first.iter().map(Told::row).collect::<Vec<_>>(), truth);
        let late = |told: &Told| told.at - told.row()[1].parse::<i64>().unwrap();
        assert!(first.iter().all(|told| (0..100).contains(&late(told))));
        assert!(second.iter().all(|told| (0..160).contains(&late(told))));
        assert_eq!(
            first.iter().map(|told| &told.payload).collect::<Vec<_>>(),
            second.iter().map(|told| &told.payload).collect::<Vec<_>>(),
            "identical and in order"
        );
        assert!(second.iter().any(|told| late(told) > 0));
    }
}

#[test]
fn candles_are_a_snapshot_kept_up_to_date() {
    let ws = WsConfig { candle_rows: 60, ..WsConfig::default() };
    let (venue, time) = venue(SimConfig { ws, ..calm() });
    let mut talk = Talk::on(&venue, &time);
    for (key, updates) in [
        ("trade:1m:tBTCUSD", 8),
        ("trade:1h:tETHUSD", 5),
        ("trade:1D:tDOGE:USD", 1),
        ("trade:1m:fUSD:a30:p2:p30", 1),
    ] {
        let id = talk.subscribe(json!({"channel":"candles","key":key}));
        let path = format!("/v2/candles/{key}/hist?limit=60");
        let snapshot = talk.of(id).remove(0).rows();
        assert_eq!(snapshot, talk.rest(&path), "{key}");
        assert!(snapshot.len() > 30, "{key}: {}", snapshot.len());
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        rows.extend(snapshot.into_iter().map(|row| (row[0].clone(), row)));
        let mut count = 0;
        for _ in 0..6_000 {
            for told in talk.step().iter().filter(|told| told.channel == id && told.tag.is_empty())
            {
                let row = told.row();
                rows.insert(row[0].clone(), row);
                count += 1;
                let newest: Vec<_> = rows.values().rev().take(60).cloned().collect();
                assert_eq!(newest, talk.rest(&path), "{key}");
            }
        }
        let newest: Vec<_> = rows.values().rev().take(60).cloned().collect();
        assert_eq!(newest, talk.rest(&path), "{key}: nothing was left out");
        assert!(count >= updates, "{key}: {count}");
    }
}

#[test]
fn tickers_are_told_when_they_changed_and_never_twice() {
    let mut talk = Talk::new();
    for (symbol, columns) in [("tBTCUSD", 11), ("fUSD", 17)] {
        let id = talk.subscribe(json!({"channel":"ticker","symbol":symbol}));
        let truth = |talk: &Talk| {
            let (_, body) = talk.venue.rest(&format!("/v2/ticker/{symbol}"));
            let mut row = crate::talk::rows(&format!("[{body}]")).remove(0);
            *row.last_mut().unwrap() = "null".to_owned();
            row
        };
        let mut known = truth(&talk);
        assert_eq!((talk.of(id)[0].row(), known.len()), (known.clone(), columns));
        let mut changes = 0;
        for _ in 0..1_000 {
            for told in talk.step().iter().filter(|told| told.channel == id && told.tag.is_empty())
            {
                assert!(told.at.rem_euclid(10_000) < 100, "{}", told.at);
                let row = told.row();
                assert!(row == truth(&talk) && row != known);
                (known, changes) = (row, changes + 1);
            }
        }
        assert_eq!(changes, 10, "{symbol} moves all the time");
    }
    let ws = WsConfig { ticker_every: Duration::from_secs(1), ..WsConfig::default() };
    let (venue, time) = venue(SimConfig { ws, ..calm() });
    let mut talk = Talk::on(&venue, &time);
    talk.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"}));
    assert_eq!(talk.pass(10_000).len(), 10);
    let quiet = talk.subscribe(json!({"channel":"ticker","symbol":"tALT2612:USD"}));
    talk.pass(120_000);
    let told: Vec<_> = talk.of(quiet).into_iter().filter(|told| told.tag.is_empty()).collect();
    assert!((3..121).contains(&told.len()), "{} in two minutes", told.len());
    assert!(told.windows(2).all(|pair| pair[0].payload != pair[1].payload));
}

#[test]
fn a_derivative_has_its_status_every_three_seconds() {
    let mut talk = Talk::new();
    let id = talk.subscribe(json!({"channel":"status","key":"deriv:tBTCF0:USTF0"}));
    for _ in 0..100 {
        for told in talk.step().iter().filter(|told| told.tag.is_empty()) {
            let rows = talk.rest("/v2/status/deriv?keys=tBTCF0:USTF0");
            assert_eq!(told.row(), rows[0][1..], "the row without its key");
            assert_eq!((told.row().len(), told.at.rem_euclid(3_000) < 100), (23, true));
        }
    }
    assert_eq!(talk.of(id).len(), 1 + 3);
}

#[test]
fn heartbeats_come_every_fifteen_seconds_on_every_channel() {
    let mut talk = Talk::new();
    let busy = talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD"}));
    let quiet = talk.subscribe(json!({"channel":"candles","key":"trade:1D:tALT2612:USD"}));
    talk.pass(46_000);
    for id in [busy, quiet] {
        let beats: Vec<i64> =
            talk.of(id).iter().filter(|told| told.tag == "hb").map(|told| told.at - NOW).collect();
        assert_eq!(beats, [15_000, 30_000, 45_000]);
    }
}

#[test]
fn sequence_numbers_are_contiguous_over_all_array_frames() {
    let mut talk = Talk::new();
    talk.subscribe(json!({"channel":"ticker","symbol":"tBTCUSD"}));
    talk.pass(3_000);
    assert!(talk.told.iter().all(|told| told.rest.is_empty()));
    let before = talk.told.len();
    talk.set_flags(SEQ_ALL | TIMESTAMP | CHECKSUM);
    talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD"}));
    talk.subscribe(json!({"channel":"trades","symbol":"tBTCUSD"}));
    talk.subscribe(json!({"channel":"candles","key":"trade:1m:tBTCUSD"}));
    talk.subscribe(json!({"channel":"status","key":"deriv:tBTCF0:USTF0"}));
    talk.pass(60_000);
    for (told, seq) in talk.told[before..].iter().zip(1..) {
        assert_eq!(told.rest, [seq, told.at]);
    }
    for tag in ["", "hb", "cs", "te", "tu"] {
        assert!(talk.told[before..].iter().any(|told| told.tag == tag), "{tag}");
    }
    let before = talk.told.len();
    talk.set_flags(TIMESTAMP);
    talk.pass(5_000);
    assert!(talk.told[before..].iter().all(|told| told.rest == [told.at] && told.tag != "cs"));
    assert!(talk.told.len() > before, "flags replace those before them");
}

#[test]
fn equal_seeds_and_times_give_equal_frames() {
    let frames = |seed| {
        let (venue, time) = venue(SimConfig { seed, ..calm() });
        let mut talk = Talk::on(&venue, &time);
        talk.set_flags(CHECKSUM | SEQ_ALL);
        talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD","prec":"R0"}));
        talk.subscribe(json!({"channel":"trades","symbol":"tETHUSD"}));
        talk.pass(20_000);
        talk.texts
    };
    assert_eq!(frames(3), frames(3));
    assert_ne!(frames(3), frames(4));
}

#[test]
fn after_a_leap_of_time_the_channels_show_the_present() {
    let mut talk = Talk::new();
    let book = talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD"}));
    let trades = talk.subscribe(json!({"channel":"trades","symbol":"tBTCUSD"}));
    talk.time.advance(Duration::from_secs(3_600));
    talk.step();
    let mut client = ClientBook { len: 25, ..ClientBook::default() };
    talk.of(book).iter().filter(|told| told.tag.is_empty()).for_each(|told| client.take(told));
    assert_eq!(client.all(), talk.rest("/v2/book/tBTCUSD/P0"));
    let market = talk.venue.market();
    let window = Window { start: NOW + 1, ..Window::newest(usize::MAX) };
    let expected = market.trades(market.find("tBTCUSD").unwrap(), window, talk.time.now()).len();
    let of = |tag: &str| talk.of(trades).iter().filter(|told| told.tag == tag).count();
    assert_eq!((of("te"), of("hb")), (expected, 1));
    assert!(expected > 20);
}
