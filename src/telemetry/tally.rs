//! Counters that the gateway reads back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::Counter;

/// Counters of our own behind the exporter's: one relaxed addition to count, and readable, which
/// the exporter's handles are not. The exporter learns the values by [`Tally::publish`].
#[derive(Debug)]
pub(super) struct Tally {
    cells: Box<[AtomicU64]>,
    shown: Box<[Counter]>,
}

impl Tally {
    /// A cell for each of the exporter's counters, in their order.
    pub(super) fn new(shown: impl IntoIterator<Item = Counter>) -> Self {
        let shown: Box<[Counter]> = shown.into_iter().collect();
        Self { cells: shown.iter().map(|_| AtomicU64::new(0)).collect(), shown }
    }

    /// Counts one.
    pub(super) fn count(&self, index: usize) {
        self.add(index, 1);
    }

    /// Counts several.
    pub(super) fn add(&self, index: usize, count: u64) {
        self.cells[index].fetch_add(count, Relaxed);
    }

    /// What was counted at `index`.
    pub(super) fn get(&self, index: usize) -> u64 {
        self.cells[index].load(Relaxed)
    }

    /// What was counted in all.
    pub(super) fn sum(&self) -> u64 {
        self.cells.iter().map(|cell| cell.load(Relaxed)).sum()
    }

    /// Brings the exporter's counters up to date.
    pub(super) fn publish(&self) {
        for (cell, shown) in self.cells.iter().zip(&self.shown) {
            shown.absolute(cell.load(Relaxed));
        }
    }
}
