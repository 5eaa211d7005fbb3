//! The one task that writes.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    StoreError,
    disk::{Disk, Write},
    readers::Readers,
    shared::Shared,
};
use crate::telemetry::{Gate, StoreMetrics};

/// Rows of one commit, beyond which what follows is left for the next.
const BATCH_ROWS: usize = 20_000;

/// How often the file is looked after, and opened again if it could not be.
const UPKEEP: Duration = Duration::from_secs(10);

/// The time between two log lines about what was not written.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Rows of the queue's room that something takes until it is done with.
#[derive(Debug)]
pub(super) struct Room {
    permit: OwnedSemaphorePermit,
    metrics: StoreMetrics,
}

impl Room {
    pub(super) fn new(permit: OwnedSemaphorePermit, metrics: &StoreMetrics) -> Self {
        metrics.queued(permit.num_permits());
        Self { permit, metrics: metrics.clone() }
    }

    fn rows(&self) -> usize {
        self.permit.num_permits()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.metrics.unqueued(self.rows());
    }
}

/// Something to be written, or a place in the queue to wait for.
#[derive(Debug)]
pub(super) struct Job {
    /// `None`: whoever waits for it waits for what is before it.
    pub(super) write: Option<Write>,
    /// What it takes of the queue's room.
    pub(super) room: Room,
    /// Who wants to know.
    pub(super) answer: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// Takes all that waits, commits it at once, and answers.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Receiver<Job>,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    /// Away only while a thread works with it.
    disk: Option<Disk>,
    /// True if upkeep has more to do.
    behind: bool,
    log: Gate,
}

impl Writer {
    pub(super) fn new(
        queue: mpsc::Receiver<Job>,
        shared: Arc<Shared>,
        readers: Arc<Readers>,
        disk: Disk,
        behind: bool,
    ) -> Self {
        let log = Gate::new(LOG_EVERY);
        Self { queue, shared, readers, disk: Some(disk), behind, log }
    }

    /// Writes until the process stops, and then what is in the queue.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        let mut upkeep = interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        upkeep.reset();
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                biased;
                job = self.queue.recv() => match job {
                    Some(job) => self.commit(job).await,
                    None => break,
                },
                () = stopping.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                () = shared.damage_found() => self.upkeep().await,
                _ = upkeep.tick() => self.upkeep().await,
                () = std::future::ready(()), if self.behind => self.upkeep().await,
            }
        }
        shared.closed();
        self.readers.close();
        // The last one to close the file leaves no log behind.
        self.blocking(|disk| disk.close(None)).await;
    }

    async fn upkeep(&mut self) {
        self.behind = self.blocking(Disk::upkeep).await;
    }

    async fn commit(&mut self, first: Job) {
        let mut rows = first.room.rows();
        let mut jobs = vec![first];
        while rows < BATCH_ROWS
            && let Ok(job) = self.queue.try_recv()
        {
            rows += job.room.rows();
            jobs.push(job);
        }
        let batch: Vec<Write> = jobs.iter_mut().filter_map(|job| job.write.take()).collect();
        let bars = batch.iter().map(Write::bars).sum();
        let count = batch.len();
        let written = if batch.is_empty() {
            Ok(())
        } else {
            let written = self.blocking(move |disk| disk.write(&batch)).await;
            written.map(|is_over| self.behind |= is_over)
        };
        match &written {
            Ok(()) => self.shared.metrics.wrote(count, bars),
            Err(error) => {
                self.shared.metrics.lost(count);
                if let Some(suppressed) = self.log.pass() {
                    tracing::error!(
                        %error, writes = count, bars, suppressed,
                        "not written to the store: it is in memory only"
                    );
                }
            }
        }
        for job in jobs {
            drop(job.room);
            if let Some(answer) = job.answer {
                // Whoever does not wait any more does not care.
                let _ = answer.send(written.clone());
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Disk) -> T + Send + 'static,
    ) -> T {
        let disk = self.disk.take().expect("it comes back from every piece of work");
        let (disk, value) = blocking(disk, work).await;
        self.disk = Some(disk);
        value
    }
}

/// Does something with the file on a thread that may block. A panic there goes on here.
pub(super) async fn blocking<T: Send + 'static>(
    mut disk: Disk,
    work: impl FnOnce(&mut Disk) -> T + Send + 'static,
) -> (Disk, T) {
    let working = spawn_blocking(move || {
        let value = work(&mut disk);
        (disk, value)
    });
    working.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}
