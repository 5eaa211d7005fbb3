//! The writing side of the file: whole batches, what to do when one fails, upkeep. Nothing here is
//! async; it is called where a thread may block.

use std::{sync::Arc, time::Duration};

use rusqlite::{Connection, TransactionBehavior};
use tokio::time::Instant;

use super::{
    ROOM, StoreError, budget,
    candles::Candles,
    file::{self, File},
    markets,
    shared::{Shared, Sizes},
    trim::{self, Bounds, Usage},
};
use crate::{clock::Clock, exchange::MarketList, market::UnixMs, telemetry::StoreState};

/// How often a batch is tried while another process holds the file, two seconds each time.
const ATTEMPTS: usize = 3;

/// How long a file that cannot be used is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Files that one process sets aside at most: a disk that damages every file must not be filled with
/// them.
const MOST_SET_ASIDE: usize = 5;

/// One thing to be written.
#[derive(Debug)]
pub(super) enum Write {
    Candles(Candles),
    Markets { exchange: &'static str, list: MarketList, received_at: UnixMs },
    Call { exchange: &'static str, pool: &'static str, units: u32, at: UnixMs },
    Ban { exchange: &'static str, pool: Option<&'static str>, until: Option<UnixMs> },
}

/// The file while it can be used, and what is done to use it again.
#[derive(Debug)]
pub(super) struct Disk {
    shared: Arc<Shared>,
    clock: Clock,
    bounds: Bounds,
    file: Option<File>,
    /// Why there is no file, and until when that is not tried again.
    absent: Option<(StoreError, Instant)>,
    set_aside: usize,
    shrinking: bool,
}

impl Write {
    /// Rows that it writes about, for the room it takes in the queue.
    pub(super) fn rows(&self) -> u32 {
        let rows = match self {
            Self::Candles(candles) => 1 + candles.bars.len(),
            Self::Markets { list, .. } => 1 + list.listings.len() + list.documents.len(),
            Self::Call { .. } | Self::Ban { .. } => 1,
        };
        u32::try_from(rows.min(ROOM)).unwrap_or(u32::MAX)
    }

    /// Bars that it writes.
    pub(super) fn bars(&self) -> usize {
        if let Self::Candles(candles) = self { candles.bars.len() } else { 0 }
    }

    fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Candles(candles) => candles.write(connection),
            Self::Markets { exchange, list, received_at } => {
                markets::write(connection, exchange, list, *received_at)
            }
            Self::Call { exchange, pool, units, at } => {
                budget::write_call(connection, exchange, pool, *units, *at)
            }
            Self::Ban { exchange, pool, until } => {
                budget::write_ban(connection, exchange, *pool, *until)
            }
        }
    }
}

impl Disk {
    pub(super) fn new(shared: Arc<Shared>, clock: Clock, bounds: Bounds) -> Self {
        let (file, absent) = (None, None);
        Self { shared, clock, bounds, file, absent, set_aside: 0, shrinking: false }
    }

    /// Opens the file if it is not open, and looks after it: true if there is more to do at once.
    pub(super) fn upkeep(&mut self) -> bool {
        if let Some(damage) = self.shared.damage() {
            self.recover(&damage);
        }
        let (bounds, now) = (self.bounds, self.clock.now());
        let mut shrinking = self.shrinking;
        let done = self.with(|connection| {
            let step = trim::step(connection, bounds, now, &mut shrinking)?;
            budget::prune(connection, now)?;
            Ok(step)
        });
        self.shrinking = shrinking;
        match done {
            Ok(step) => {
                self.shared.metrics.trimmed(step.bars);
                step.more
            }
            // Another process that writes passes by itself, and so does whoever asks again.
            Err(StoreError::Busy) => false,
            Err(error) => {
                self.note(&error);
                false
            }
        }
    }

    /// Writes all of a batch or nothing of it. Returns true if the file is larger than it may be.
    pub(super) fn write(&mut self, batch: &[Write]) -> Result<bool, StoreError> {
        let mut left = ATTEMPTS;
        loop {
            let bounds = self.bounds;
            let written = self.with(|connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                for write in batch {
                    write.apply(&transaction)?;
                }
                transaction.commit()?;
                Ok(Usage::of(connection)?.is_over(bounds))
            });
            left -= 1;
            match written {
                // The next file is another one, and this is tried on it too.
                Err(StoreError::Busy | StoreError::Corrupt(_)) if left > 0 => {}
                Err(error) => {
                    self.note(&error);
                    return Err(error);
                }
                Ok(is_over) => return Ok(is_over),
            }
        }
    }

    /// Does something with the file, and does with the file what follows from its failure.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let file = self.file()?;
        match work(&mut file.connection) {
            Ok(value) => {
                self.works();
                Ok(value)
            }
            Err(error) => {
                let error = StoreError::from(error);
                self.recover(&error);
                Err(error)
            }
        }
    }

    fn file(&mut self) -> Result<&mut File, StoreError> {
        if self.file.as_ref().is_some_and(File::is_gone) {
            tracing::warn!(path = %self.shared.path.display(), "the store's file was moved away");
            self.close(None);
        }
        if self.file.is_none() {
            if let Some((why, until)) = &self.absent
                && Instant::now() < *until
            {
                return Err(why.clone());
            }
            match self.open() {
                Ok(file) => {
                    self.file = Some(file);
                    self.absent = None;
                    self.shared.opened();
                }
                Err(error) => {
                    self.close(Some(&error));
                    return Err(error);
                }
            }
        }
        self.file.as_mut().ok_or(StoreError::Closed)
    }

    /// Opens the file; one that is there and cannot be used is set aside.
    fn open(&mut self) -> Result<File, StoreError> {
        match File::open(&self.shared.path) {
            Err(why @ (StoreError::Corrupt(_) | StoreError::Foreign(_))) => {
                self.set_aside(&why)?;
                File::open(&self.shared.path)
            }
            opened => opened,
        }
    }

    fn set_aside(&mut self, why: &StoreError) -> Result<(), StoreError> {
        if self.set_aside >= MOST_SET_ASIDE {
            let many = format!("{why}; {MOST_SET_ASIDE} files were set aside already");
            return Err(StoreError::Failing(many));
        }
        let to = file::set_aside(&self.shared.path, self.clock.now())?;
        tracing::error!(
            path = %self.shared.path.display(),
            set_aside = %to.display(),
            reason = %why,
            "the store's file cannot be used: it has another name now, and a new one is begun"
        );
        self.set_aside += 1;
        self.shared.complained(why, self.clock.now());
        self.shared.set_aside(to);
        Ok(())
    }

    /// What an error says about the file. Full and busy pass; anything else is a reason to open it
    /// anew, in a while or, where it is damaged, at once under another name.
    fn recover(&mut self, error: &StoreError) {
        match error {
            StoreError::Full | StoreError::Busy => {}
            StoreError::Corrupt(_) => {
                // Renamed while it is open: it keeps its log, as it was when the damage showed.
                let moved = match &self.file {
                    Some(file) if !file.is_gone() => self.set_aside(error),
                    _ => Ok(()),
                };
                self.close(moved.err().as_ref());
            }
            _ => self.close(Some(error)),
        }
    }

    /// Closes the file; `why` keeps it closed for a while.
    pub(super) fn close(&mut self, why: Option<&StoreError>) {
        self.shared.closed();
        self.file = None;
        self.absent = why.map(|why| (why.clone(), Instant::now() + PAUSE));
    }

    fn works(&mut self) {
        let Some(file) = &self.file else { return };
        let sizes = file.connection.query_row(
            "SELECT coalesce(sum(bars), 0), count(*) FROM series",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        );
        let (bars, series) = sizes.unwrap_or_default();
        let unsigned = |value| u64::try_from(value).unwrap_or(0);
        let sizes = Sizes { bytes: file.bytes(), bars: unsigned(bars), series: unsigned(series) };
        match self.shared.works(sizes) {
            StoreState::On => {}
            _ => tracing::info!(
                path = %self.shared.path.display(),
                bytes = sizes.bytes,
                bars = sizes.bars,
                "the store is in use"
            ),
        }
    }

    /// The writing connection, to make it fail.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.file.as_ref().expect("it was opened").connection
    }

    fn note(&self, error: &StoreError) {
        let was = self.shared.failed(error, self.clock.now());
        if was != self.shared.state() {
            tracing::error!(
                path = %self.shared.path.display(),
                %error,
                "the store cannot be used: serving goes on from memory"
            );
        }
    }
}
