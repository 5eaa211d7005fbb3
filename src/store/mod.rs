//! What outlives the process: final bars and what is known of their times, the market list, the
//! calls and bans that the budget goes on with. One SQLite file.
//!
//! One task writes. It takes everything that waits, commits it as one transaction and then answers;
//! reads have connections of their own and see whole transactions only. The room decides nothing
//! about candles: which bars are final and which spans are known is said by those who keep them.
//!
//! # What holds
//!
//! - **What was acknowledged is there** after the process is killed at any moment, since a commit is
//!   in the write-ahead log before it is answered. A power cut may take the commits of the last
//!   moments with it, but never a part of one: the log is not synced at each commit
//!   (`synchronous = NORMAL`, sqlite.org/wal.html, 2026-11).
//! - **Coverage never claims what is missing**: bars and the span they are known for are written,
//!   replaced and given up in one transaction.
//! - **The gateway serves without it.** What cannot be read is not known; what cannot be written is
//!   logged, counted and not claimed. A file that is damaged or not ours gets another name and a new
//!   one is begun; one that cannot be opened, or a disk that is full, is tried again by itself.
//! - **Everything is bounded**: the file by `store.max_bytes` and `store.retention`, what waits to be
//!   written by rows, reads by the number that go on at once and by what one may bring.
//!
//! Other processes may read the file, and write it in turn (`tidegate backfill`).

mod budget;
mod candles;
mod disk;
mod error;
mod file;
mod markets;
mod readers;
mod shared;
#[cfg(test)]
mod tests;
mod trim;
mod writer;

use std::{sync::Arc, time::Duration};

use compact_str::CompactString;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use budget::SavedBudget;
pub use error::StoreError;
pub use shared::StoreSnapshot;

use crate::{
    clock::Clock,
    config,
    exchange::MarketList,
    market::{Candle, Coverage, Span, Symbol, Timeframe, UnixMs},
    tasks::Tasks,
    telemetry::{Gate, Metrics, StoreState},
};
use candles::Candles;
use disk::{Disk, Write};
use readers::Readers;
use shared::Shared;
use writer::{Job, Room, Writer};

/// Rows that may wait to be written: some 40 MiB of bars.
const ROOM: usize = 200_000;

/// The time between two log lines about what found no room.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The bars of one market and width.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeriesId {
    /// Which exchange.
    pub exchange: &'static str,
    /// The market's name there (`tBTCUSD`).
    pub market: CompactString,
    /// Its unified name, for those who read the file.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
}

/// Which bars of a span are wanted if there are more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// So many from its beginning.
    First(usize),
    /// So many up to its end.
    Last(usize),
}

/// What is held of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Times for which every bar is known, each with the oldest receipt that it is made of.
    pub known: Coverage<UnixMs>,
    /// The bars, oldest first, all inside of `known`.
    pub bars: Vec<Candle>,
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    clock: Clock,
    log: Gate,
}

impl Store {
    /// One that keeps nothing and knows nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens the store, or begins a new one; [`Store::off`] if no path is set.
    ///
    /// It never fails: while there is no file that can be used, nothing is known and nothing is kept,
    /// which is logged, counted and to be seen in [`Store::snapshot`], and opening is tried again
    /// every few seconds. When `tasks` stop, what is in the queue is written and the store ends: those
    /// who keep something should have stopped before.
    pub async fn open(
        settings: &config::Store,
        clock: &Clock,
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> Self {
        let Some(path) = &settings.path else { return Self::off() };
        let shared = Arc::new(Shared::new(file::resolve(path), metrics.store().clone()));
        let bounds = trim::Bounds { max_bytes: settings.max_bytes, retention: settings.retention };
        let disk = Disk::new(shared.clone(), clock.clone(), bounds);
        let (disk, behind) = writer::blocking(disk, Disk::upkeep).await;
        Self::start(disk, behind, shared, clock, tasks)
    }

    fn start(disk: Disk, behind: bool, shared: Arc<Shared>, clock: &Clock, tasks: &Tasks) -> Self {
        let readers = Arc::new(Readers::new(shared.clone(), clock.clone()));
        // Everything in the queue holds a row of the room at least, so that it is never full.
        let (queue, jobs) = mpsc::channel(ROOM);
        let writer = Writer::new(jobs, shared.clone(), readers.clone(), disk, behind);
        tasks.spawn("store", writer.run(tasks.stopping()));
        let (room, log) = (Arc::new(Semaphore::new(ROOM)), Gate::new(LOG_EVERY));
        Self(Some(Arc::new(Inner { queue, room, readers, shared, clock: clock.clone(), log })))
    }

    /// True if there is a store, whatever its state.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Everything that is known inside of `span`, cut to so many bars of it.
    ///
    /// If there are that many, `known` ends with the bucket of the last one
    /// ([`Take::First`]), or begins with the first one ([`Take::Last`]). No more than 100,000 come at
    /// once, with `known` cut in the same way. Both are of one moment. What cannot be read is not
    /// known. Safe to drop.
    pub async fn read(&self, series: &SeriesId, span: Span, take: Take) -> Held {
        let Some(inner) = &self.0 else { return Held::default() };
        let series = series.clone();
        let read = move |connection: &_| candles::read(connection, &series, span, take);
        let held = inner.readers.read(read).await.unwrap_or_default();
        inner.shared.metrics.read(held.bars.len());
        held
    }

    /// Replaces what is held inside of `known` by `bars`, which lie inside of it, and adds it to what
    /// is known, both or neither. Of two bars of the same time the later one counts. Resolves when it
    /// is committed; waits for room first. Dropped before, it may or may not be written.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn keep(
        &self,
        series: &SeriesId,
        known: Span,
        received_at: UnixMs,
        bars: Vec<Candle>,
    ) -> Result<(), StoreError> {
        match Candles::checked(series, known, received_at, bars)? {
            Some(candles) => self.submit(Write::Candles(candles)).await,
            None => Ok(()),
        }
    }

    /// The same without waiting. What finds no room or cannot be written is logged and counted.
    pub fn keep_later(
        &self,
        series: &SeriesId,
        known: Span,
        received_at: UnixMs,
        bars: Vec<Candle>,
    ) {
        match Candles::checked(series, known, received_at, bars) {
            Ok(Some(candles)) => self.post(Write::Candles(candles)),
            Ok(None) => {}
            Err(error) => self.lose(&error),
        }
    }

    /// Replaces an exchange's market list. Resolves when it is committed.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn keep_markets(
        &self,
        exchange: &'static str,
        list: &MarketList,
        received_at: UnixMs,
    ) -> Result<(), StoreError> {
        self.submit(Write::Markets { exchange, list: list.clone(), received_at }).await
    }

    /// The market list of an exchange that was kept last, and when it was received. Safe to drop.
    pub async fn markets(&self, exchange: &'static str) -> Option<(MarketList, UnixMs)> {
        let read = move |connection: &_| markets::read(connection, exchange);
        self.0.as_ref()?.readers.read(read).await?
    }

    /// Notes that a call was sent which cost so many units of a pool. Calls older than an hour are
    /// forgotten.
    pub fn note_call(&self, exchange: &'static str, pool: &'static str, units: u32, at: UnixMs) {
        self.post(Write::Call { exchange, pool, units, at });
    }

    /// Notes that the exchange has closed a pool, or with `None` every pool, until some time; or,
    /// without a time, that this very ban is over.
    pub fn note_ban(
        &self,
        exchange: &'static str,
        pool: Option<&'static str>,
        until: Option<UnixMs>,
    ) {
        self.post(Write::Ban { exchange, pool, until });
    }

    /// The calls that were sent to an exchange since some time, and the bans that are not over. Safe
    /// to drop.
    pub async fn budget(&self, exchange: &'static str, since: UnixMs) -> SavedBudget {
        let Some(inner) = &self.0 else { return SavedBudget::default() };
        let now = inner.clock.now();
        let read = move |connection: &_| budget::read(connection, exchange, since, now);
        inner.readers.read(read).await.unwrap_or_default()
    }

    /// Resolves when everything that was queued before is written or lost.
    pub async fn flush(&self) {
        let Some(inner) = &self.0 else { return };
        let Ok(permit) = inner.room.clone().acquire_owned().await else { return };
        let (answer, answered) = oneshot::channel();
        let room = Room::new(permit, &inner.shared.metrics);
        if inner.queue.try_send(Job { write: None, room, answer: Some(answer) }).is_ok() {
            // Without an answer the writer has ended, and with it the queue.
            let _ = answered.await;
        }
    }

    /// The state of it, for people and for the ops interface.
    pub fn snapshot(&self) -> StoreSnapshot {
        match &self.0 {
            Some(inner) => inner.shared.snapshot(),
            None => StoreSnapshot {
                state: StoreState::Off,
                path: None,
                bytes: 0,
                bars: 0,
                series: 0,
                pending: 0,
                last_error: None,
                set_aside: None,
            },
        }
    }

    /// Queues something and waits for its end.
    async fn submit(&self, write: Write) -> Result<(), StoreError> {
        let inner = self.0.as_ref().ok_or(StoreError::Off)?;
        let permits = inner.room.clone().acquire_many_owned(write.rows());
        let permit = permits.await.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let room = Room::new(permit, &inner.shared.metrics);
        let job = Job { write: Some(write), room, answer: Some(answer) };
        inner.queue.try_send(job).map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Queues something if there is room.
    fn post(&self, write: Write) {
        let Some(inner) = &self.0 else { return };
        let Ok(permit) = inner.room.clone().try_acquire_many_owned(write.rows()) else {
            return self.lose(&StoreError::Overloaded);
        };
        let room = Room::new(permit, &inner.shared.metrics);
        if inner.queue.try_send(Job { write: Some(write), room, answer: None }).is_err() {
            self.lose(&StoreError::Closed);
        }
    }

    fn lose(&self, error: &StoreError) {
        let Some(inner) = &self.0 else { return };
        inner.shared.metrics.lost(1);
        inner.shared.complained(error, inner.clock.now());
        if let Some(suppressed) = inner.log.pass() {
            tracing::error!(%error, suppressed, "not written to the store: it is in memory only");
        }
    }
}
