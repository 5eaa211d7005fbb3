//! The store is killed while it writes, again and again, and nothing that it acknowledged is lost.
//!
//! The test runs itself as a child that keeps chunks of a series without end, also chunks it has kept
//! before with other numbers, and prints what was acknowledged. The parent kills it with SIGKILL
//! after a random number of lines, reads what it left, and lets the next child go on with the file.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rusqlite::Connection;
use tidegate::{
    clock::Clock,
    config,
    market::{Candle, Number, Span, Symbol, Timeframe, UnixMs},
    store::{SeriesId, Store, Take},
    tasks::Tasks,
    telemetry::Metrics,
};

const CHILD: &str = "TIDEGATE_TEST_STORE_CHILD";
const KILLS: u32 = 30;
const CHUNKS: u32 = 40;
/// Buckets of a chunk.
const WIDTH: i64 = 50;
const MINUTE: i64 = 60_000;

/// Which version of each chunk was acknowledged last.
type Acknowledged = BTreeMap<u32, u32>;

fn series() -> SeriesId {
    SeriesId {
        exchange: "bitfinex",
        market: "tBTCUSD".into(),
        symbol: Symbol::spot("BTC", "USD"),
        timeframe: Timeframe::M1,
    }
}

fn span(chunk: u32) -> Span {
    let minute = |index: i64| UnixMs::from_millis(index * MINUTE);
    Span::new(minute(i64::from(chunk) * WIDTH), minute(i64::from(chunk + 1) * WIDTH))
}

/// Every third bucket of a chunk is empty, another one in each version.
fn bars(chunk: u32, version: u32) -> Vec<Candle> {
    let bar = |bucket: i64| {
        let number = |part: &str| format!("{version}.{bucket:06}{part}").parse::<Number>().unwrap();
        Candle {
            open_time: UnixMs::from_millis(bucket * MINUTE),
            open: number("0"),
            high: number("1"),
            low: number("2"),
            close: number("e-7"),
            volume: number("000"),
        }
    };
    let buckets = i64::from(chunk) * WIDTH..i64::from(chunk + 1) * WIDTH;
    buckets.filter(|bucket| (bucket + i64::from(version)) % 3 != 0).map(bar).collect()
}

async fn open(path: &Path, tasks: &Tasks) -> Store {
    let settings = config::Store { path: Some(path.to_owned()), ..config::Store::default() };
    let store = Store::open(&settings, &Clock::system(), &Metrics::new(), tasks).await;
    assert_eq!(store.snapshot().set_aside, None, "the file is whole");
    store
}

/// Keeps chunks until it is killed. `keep_later` makes commits of several chunks.
async fn write(path: &Path, first: u32) {
    let store = open(path, &Tasks::new(|_| {})).await;
    let (series, received_at) = (series(), UnixMs::from_millis(1));
    let mut random = StdRng::seed_from_u64(first.into());
    for version in first.. {
        let chunk = random.random_range(0..CHUNKS);
        let later = random.random_range(0..CHUNKS);
        if chunk != later {
            store.keep_later(&series, span(later), received_at, bars(later, version));
        }
        store.keep(&series, span(chunk), received_at, bars(chunk, version)).await.unwrap();
        let mut out = std::io::stdout().lock();
        if chunk != later {
            writeln!(out, "kept {later} {version}").unwrap();
        }
        writeln!(out, "kept {chunk} {version}").unwrap();
        out.flush().unwrap();
    }
}

fn child(path: &Path, first: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_acknowledged_survives_every_kill", "--nocapture"])
        .env(CHILD, format!("{first} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads so many acknowledgements, kills, and reads the rest of them.
fn kill_after(lines: usize, mut child: Child, acknowledged: &mut Acknowledged) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut read, mut line) = (0, String::new());
    while out.read_line(&mut line).unwrap() > 0 {
        // The line of the test's own name may stand before the first one; a killed child's last
        // line may be cut, and then it says nothing.
        if let Some((_, kept)) = line.strip_suffix('\n').and_then(|line| line.split_once("kept ")) {
            let (chunk, version) = kept.split_once(' ').unwrap();
            acknowledged.insert(chunk.parse().unwrap(), version.parse().unwrap());
            read += 1;
            if read == lines {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    let ended = child.wait().unwrap();
    assert!(read >= lines && ended.code().is_none(), "it was killed: {ended} after {read} lines");
}

/// Everything that was acknowledged is there, in its version or, where another one was under way, in
/// that, whole; and what is known is true bucket for bucket.
async fn check(path: &Path, acknowledged: &Acknowledged) -> u32 {
    let integrity = |connection: Connection| -> String {
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(integrity(Connection::open(path).unwrap()), "ok");
    let tasks = Tasks::new(|_| {});
    let store = open(path, &tasks).await;
    let all = Span::new(span(0).from, span(CHUNKS).to);
    let held = store.read(&series(), all, Take::First(usize::MAX)).await;
    assert_eq!(store.snapshot().bars, held.bars.len() as u64);
    let mut newest = 0;
    for chunk in 0..CHUNKS {
        let of_chunk: Vec<Candle> =
            held.bars.iter().filter(|bar| span(chunk).contains(bar.open_time)).cloned().collect();
        let Some(first) = of_chunk.first() else {
            assert!(!acknowledged.contains_key(&chunk), "chunk {chunk} is lost");
            assert_eq!(held.known.missing(&span(chunk)), [span(chunk)], "nothing is claimed");
            continue;
        };
        let (version, _) = first.open.as_str().split_once('.').unwrap();
        let version = version.parse().unwrap();
        assert!(acknowledged.get(&chunk).is_none_or(|known| *known <= version), "chunk {chunk}");
        assert_eq!(of_chunk, bars(chunk, version), "chunk {chunk} is of one piece");
        assert!(held.known.covers(&span(chunk)), "chunk {chunk} is known");
        newest = newest.max(version);
    }
    assert!(tasks.drain(Duration::from_secs(60)).await);
    newest
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Ok(order) = std::env::var(CHILD) {
        let (first, path) = order.split_once(' ').unwrap();
        runtime.block_on(write(Path::new(path), first.parse().unwrap()));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite");
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut acknowledged, mut version) = (Acknowledged::new(), 1);
    for _ in 0..KILLS {
        let lines = random.random_range(1..200);
        kill_after(lines, child(&path, version), &mut acknowledged);
        version = runtime.block_on(check(&path, &acknowledged)) + 1;
    }
    assert!(acknowledged.len() > 30, "{}", acknowledged.len());
    let entries = std::fs::read_dir(directory.path()).unwrap();
    assert_eq!(entries.count(), 1, "no file was set aside, and the last log is in the file");
}
