//! What the writer, the readers and the status share.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::StoreError;
use crate::{
    market::UnixMs,
    telemetry::{StoreMetrics, StoreState},
};

/// The state of the store, for people and for the ops interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSnapshot {
    /// Whether it does its work.
    pub state: StoreState,
    /// Its file; `None` if there is none.
    pub path: Option<PathBuf>,
    /// Bytes on disk, the write-ahead log included.
    pub bytes: u64,
    /// Bars on disk.
    pub bars: u64,
    /// Series on disk.
    pub series: u64,
    /// Rows that wait to be written.
    pub pending: usize,
    /// The last thing that went wrong, and when.
    pub last_error: Option<(String, UnixMs)>,
    /// The last file that could not be used and now has this name.
    pub set_aside: Option<PathBuf>,
}

/// What everyone who holds the store knows of its file.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) metrics: StoreMetrics,
    inner: Mutex<Inner>,
    damage: Notify,
}

#[derive(Debug)]
struct Inner {
    state: StoreState,
    sizes: Sizes,
    last_error: Option<(String, UnixMs)>,
    set_aside: Option<PathBuf>,
    /// Which of the files that were opened at the path one after the other; `None`: none is open.
    generation: Option<u64>,
    opened: u64,
    damaged: Option<(u64, String)>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub(super) bytes: u64,
    pub(super) bars: u64,
    pub(super) series: u64,
}

impl Shared {
    pub(super) fn new(path: PathBuf, metrics: StoreMetrics) -> Self {
        let inner = Inner {
            state: StoreState::Off,
            sizes: Sizes::default(),
            last_error: None,
            set_aside: None,
            generation: None,
            opened: 0,
            damaged: None,
        };
        Self { path, metrics, inner: Mutex::new(inner), damage: Notify::new() }
    }

    // A panic cannot leave it half changed: every change is an assignment.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file is open, of which there are connections to be had from now on.
    pub(super) fn opened(&self) {
        let mut inner = self.inner();
        inner.opened += 1;
        inner.generation = Some(inner.opened);
        inner.damaged = None;
    }

    /// There is no file any more.
    pub(super) fn closed(&self) {
        self.inner().generation = None;
    }

    /// Which file is open.
    pub(super) fn generation(&self) -> Option<u64> {
        self.inner().generation
    }

    /// A reader found damage in the file of this generation.
    pub(super) fn found_damage(&self, generation: u64, what: String) {
        self.inner().damaged = Some((generation, what));
        self.damage.notify_one();
    }

    /// Resolves once after damage was found.
    pub(super) async fn damage_found(&self) {
        self.damage.notified().await;
    }

    /// The damage that was found in the file that is open.
    pub(super) fn damage(&self) -> Option<StoreError> {
        let mut inner = self.inner();
        let (generation, what) = inner.damaged.take()?;
        (inner.generation == Some(generation)).then_some(StoreError::Corrupt(what))
    }

    /// Writing works. Returns the state before.
    pub(super) fn works(&self, sizes: Sizes) -> StoreState {
        self.metrics.state(StoreState::On);
        self.metrics.holds(sizes.bytes, sizes.bars);
        let mut inner = self.inner();
        inner.sizes = sizes;
        std::mem::replace(&mut inner.state, StoreState::On)
    }

    /// Writing does not work. Returns the state before.
    pub(super) fn failed(&self, error: &StoreError, at: UnixMs) -> StoreState {
        self.complained(error, at);
        let state = match error {
            StoreError::Full => StoreState::Full,
            _ => StoreState::Failing,
        };
        self.metrics.state(state);
        std::mem::replace(&mut self.inner().state, state)
    }

    /// Whether writing works.
    pub(super) fn state(&self) -> StoreState {
        self.inner().state
    }

    /// Something went wrong that says nothing about whether writing works.
    pub(super) fn complained(&self, error: &StoreError, at: UnixMs) {
        self.metrics.failed(error.fault());
        self.inner().last_error = Some((error.to_string(), at));
    }

    /// A file has another name now.
    pub(super) fn set_aside(&self, to: PathBuf) {
        self.metrics.set_aside();
        self.inner().set_aside = Some(to);
    }

    pub(super) fn snapshot(&self) -> StoreSnapshot {
        let inner = self.inner();
        StoreSnapshot {
            state: inner.state,
            path: Some(self.path.clone()),
            bytes: inner.sizes.bytes,
            bars: inner.sizes.bars,
            series: inner.sizes.series,
            pending: self.metrics.pending(),
            last_error: inner.last_error.clone(),
            set_aside: inner.set_aside.clone(),
        }
    }
}
