//! The store on real files, as those above see it. Time is paused, which stands while a thread works
//! with a file: no search for damage is cut short, and no date depends on how fast the machine is.

mod bounds;
mod budget;
mod candles;
mod damage;
mod markets;
mod migration;
mod queue;
mod room;

use std::{path::PathBuf, sync::Arc, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Held, SeriesId, Store, Take};
use crate::{
    clock::Clock,
    config,
    market::{Candle, Number, Span, Symbol, Timeframe, UnixMs},
    tasks::Tasks,
    telemetry::Metrics,
};

/// 2026-11-22T12:00:00Z.
const NOON: i64 = 1_795_348_800_000;
const MINUTE: i64 = 60_000;

fn at(ms: i64) -> UnixMs {
    UnixMs::from_millis(ms)
}

/// So many minutes before or after noon.
fn minute(index: i64) -> UnixMs {
    at(NOON + index * MINUTE)
}

fn minutes(from: i64, to: i64) -> Span {
    Span::new(minute(from), minute(to))
}

fn series(market: &str, timeframe: Timeframe) -> SeriesId {
    let symbol = Symbol::spot(&market[1..4], &market[4..]);
    SeriesId { exchange: "bitfinex", market: market.into(), symbol, timeframe }
}

fn btc() -> SeriesId {
    series("tBTCUSD", Timeframe::M1)
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

/// A bar whose numbers have the texts that exchanges print.
fn bar(open_time: UnixMs, close: &str) -> Candle {
    Candle {
        open_time,
        open: number("0.0000011"),
        high: number("7e-7"),
        low: number("41652"),
        close: number(close),
        volume: number("43.17262759999999"),
    }
}

fn bars(indexes: impl IntoIterator<Item = i64>) -> Vec<Candle> {
    indexes.into_iter().map(|index| bar(minute(index), &format!("{index}.50"))).collect()
}

/// Opening times of what is held, as minutes from noon.
fn held_minutes(held: &Held) -> Vec<i64> {
    held.bars.iter().map(|bar| (bar.open_time.millis() - NOON) / MINUTE).collect()
}

/// Spans that are known with their receipts, as minutes from noon.
fn known_minutes(held: &Held) -> Vec<(i64, i64, i64)> {
    let minutes = |time: UnixMs| (time.millis() - NOON) / MINUTE;
    let spans = held.known.spans().iter();
    spans.map(|(span, mark)| (minutes(span.from), minutes(span.to), minutes(*mark))).collect()
}

/// Waits for what the writer does by itself.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect(what);
}

/// A store with a directory of its own.
struct Bench {
    directory: TempDir,
    settings: config::Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    store: Store,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut config::Store)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = Some(directory.path().join("deep/er/store.sqlite"));
        let mut settings = config::Store { path, ..config::Store::default() };
        set(&mut settings);
        let (clock, metrics) = (Clock::anchored(at(NOON)), Metrics::new());
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let store = Store::open(&settings, &clock, &metrics, &tasks).await;
        Self { directory, settings, clock, metrics, tasks, store }
    }

    /// Ends the store and opens what it left.
    async fn again(self) -> Self {
        self.end().await;
        let tasks = Tasks::new(|name| panic!("{name} panicked"));
        let store = Store::open(&self.settings, &self.clock, &self.metrics, &tasks).await;
        Self { store, tasks, ..self }
    }

    async fn end(&self) {
        assert!(self.tasks.drain(Duration::from_secs(30)).await, "it ends");
    }

    fn path(&self) -> PathBuf {
        self.store.snapshot().path.unwrap()
    }

    /// The file as another program sees it.
    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// The names in the file's directory.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn keep(&self, series: &SeriesId, known: Span, bars: Vec<Candle>) {
        self.store.keep(series, known, minute(100), bars).await.unwrap();
    }

    async fn read(&self, series: &SeriesId, span: Span) -> Held {
        self.store.read(series, span, Take::First(usize::MAX)).await
    }
}
