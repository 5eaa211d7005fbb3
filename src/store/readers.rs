//! Connections that read, beside the one that writes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{StoreError, file, shared::Shared};
use crate::{clock::Clock, telemetry::Gate};

/// Reads that go on at once; more of them wait.
const READERS: usize = 4;

/// The time between two log lines about reads that fail.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Reads the file without holding up its writer.
#[derive(Debug)]
pub(super) struct Readers {
    shared: Arc<Shared>,
    clock: Clock,
    turns: Arc<Semaphore>,
    /// Each with the generation of the file that it has open; at most [`READERS`].
    idle: Mutex<Vec<(u64, Connection)>>,
    log: Gate,
}

impl Readers {
    pub(super) fn new(shared: Arc<Shared>, clock: Clock) -> Self {
        let (turns, idle) = (Arc::new(Semaphore::new(READERS)), Mutex::default());
        Self { shared, clock, turns, idle, log: Gate::new(LOG_EVERY) }
    }

    /// Reads something; `None` if there is no file to read, or reading failed, which is counted and
    /// logged. Safe to drop: a read that has begun ends by itself.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<T> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        let readers = self.clone();
        let reading = spawn_blocking(move || {
            let read = readers.with(work);
            drop(turn);
            read
        });
        reading.await.ok()?
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let generation = self.shared.generation()?;
        let read = self.connection(generation).and_then(|connection| {
            let value = work(&connection)?;
            self.give_back(generation, connection);
            Ok(value)
        });
        // A failure while the file was being replaced says nothing about the new one.
        let error = match read {
            Ok(value) => return Some(value),
            Err(_) if self.shared.generation() != Some(generation) => return None,
            Err(error) => error,
        };
        if let StoreError::Corrupt(what) = error {
            self.shared.found_damage(generation, what);
            return None;
        }
        self.shared.complained(&error, self.clock.now());
        if let Some(suppressed) = self.log.pass() {
            tracing::error!(%error, suppressed, "the store could not be read");
        }
        None
    }

    fn connection(&self, generation: u64) -> Result<Connection, StoreError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, _)| *of == generation);
        match idle.pop() {
            Some((_, connection)) => Ok(connection),
            None => {
                drop(idle);
                file::open_reader(&self.shared.path)
            }
        }
    }

    fn give_back(&self, generation: u64, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.generation() == Some(generation) {
            idle.push((generation, connection));
        }
    }

    /// Closes what is not in use; to be called when there is no file any more.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
