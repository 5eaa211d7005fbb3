//! The metrics of the store on disk.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use metrics::{Gauge, counter, gauge};

use super::{
    labels::{StoreFault, StoreState},
    tally::Tally,
};

/// The metrics of a gateway's store. Clones share the same series.
#[derive(Clone, Debug)]
pub struct StoreMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// See [`COUNTERS`].
    counters: Tally,
    faults: Tally,
    pending: (AtomicUsize, Gauge),
    bytes: Gauge,
    bars: Gauge,
    states: Vec<Gauge>,
}

/// What the store did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    /// Transactions that were committed.
    pub commits: u64,
    /// Things written by them.
    pub writes: u64,
    /// Bars among these.
    pub bars_written: u64,
    /// Reads of candles.
    pub reads: u64,
    /// Bars that they brought.
    pub bars_read: u64,
    /// Bars that were deleted to keep to the bounds.
    pub trimmed_bars: u64,
    /// Things that were not written.
    pub lost: u64,
    /// Files that were set aside.
    pub set_aside: u64,
}

const COUNTERS: [&str; 8] = [
    "tidegate_store_commits_total",
    "tidegate_store_writes_total",
    "tidegate_store_bars_written_total",
    "tidegate_store_reads_total",
    "tidegate_store_bars_read_total",
    "tidegate_store_trimmed_bars_total",
    "tidegate_store_lost_writes_total",
    "tidegate_store_set_aside_total",
];
const COMMITS: usize = 0;
const WRITES: usize = 1;
const BARS_WRITTEN: usize = 2;
const READS: usize = 3;
const BARS_READ: usize = 4;
const TRIMMED_BARS: usize = 5;
const LOST: usize = 6;
const SET_ASIDE: usize = 7;

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!(COUNTERS[COMMITS], "Transactions that the store committed.");
    describe_counter!(COUNTERS[WRITES], "Spans, lists, calls and bans written by them.");
    describe_counter!(COUNTERS[BARS_WRITTEN], "Bars written by them.");
    describe_counter!(COUNTERS[READS], "Reads of candles from the store.");
    describe_counter!(COUNTERS[BARS_READ], "Bars that they brought.");
    describe_counter!(
        COUNTERS[TRIMMED_BARS],
        "Bars that were deleted from the store to keep to its bounds."
    );
    describe_counter!(COUNTERS[LOST], "What could not be written to the store.");
    describe_counter!(COUNTERS[SET_ASIDE], "Files that were unusable and set aside.");
    describe_counter!("tidegate_store_errors_total", "What went wrong in the store.");
    describe_gauge!("tidegate_store_pending_rows", "Rows that wait to be written.");
    describe_gauge!("tidegate_store_bytes", "Size of the store's file and its log.");
    describe_gauge!("tidegate_store_bars", "Bars in the store.");
    describe_gauge!("tidegate_store_state", "1 for the state that the store is in.");
}

impl StoreMetrics {
    /// Registers every series with the exporter in force.
    pub(super) fn register() -> Self {
        let fault =
            |fault: &StoreFault| counter!("tidegate_store_errors_total", "kind" => fault.as_str());
        let state = |state: &StoreState| gauge!("tidegate_store_state", "state" => state.as_str());
        let made = Self(Arc::new(Inner {
            counters: Tally::new(COUNTERS.map(|name| counter!(name))),
            faults: Tally::new(StoreFault::ALL.iter().map(fault)),
            pending: (AtomicUsize::new(0), gauge!("tidegate_store_pending_rows")),
            bytes: gauge!("tidegate_store_bytes"),
            bars: gauge!("tidegate_store_bars"),
            states: StoreState::ALL.iter().map(state).collect(),
        }));
        made.state(StoreState::Off);
        made
    }

    /// Brings the exporter up to date.
    #[expect(clippy::cast_precision_loss, reason = "no queue comes near 2^52 rows")]
    pub(super) fn publish(&self) {
        self.0.counters.publish();
        self.0.faults.publish();
        self.0.pending.1.set(self.pending() as f64);
    }

    /// What the store did.
    pub fn totals(&self) -> StoreTotals {
        let counted = |index| self.0.counters.get(index);
        StoreTotals {
            commits: counted(COMMITS),
            writes: counted(WRITES),
            bars_written: counted(BARS_WRITTEN),
            reads: counted(READS),
            bars_read: counted(BARS_READ),
            trimmed_bars: counted(TRIMMED_BARS),
            lost: counted(LOST),
            set_aside: counted(SET_ASIDE),
        }
    }

    /// How often something of this kind went wrong.
    pub fn faults(&self, fault: StoreFault) -> u64 {
        self.0.faults.get(fault.index())
    }

    /// A transaction with so many writes, and so many bars in them, was committed.
    pub fn wrote(&self, writes: usize, bars: usize) {
        if writes > 0 {
            self.0.counters.count(COMMITS);
            self.0.counters.add(WRITES, writes as u64);
            self.0.counters.add(BARS_WRITTEN, bars as u64);
        }
    }

    /// Candles were read, so many of them.
    pub fn read(&self, bars: usize) {
        self.0.counters.count(READS);
        self.0.counters.add(BARS_READ, bars as u64);
    }

    /// So many bars were deleted to keep to the bounds.
    pub fn trimmed(&self, bars: usize) {
        self.0.counters.add(TRIMMED_BARS, bars as u64);
    }

    /// So many writes were not done.
    pub fn lost(&self, writes: usize) {
        self.0.counters.add(LOST, writes as u64);
    }

    /// A file was set aside.
    pub fn set_aside(&self) {
        self.0.counters.count(SET_ASIDE);
    }

    /// Something went wrong.
    pub fn failed(&self, fault: StoreFault) {
        self.0.faults.count(fault.index());
    }

    /// The store is in this state.
    pub fn state(&self, state: StoreState) {
        for (gauge, of) in self.0.states.iter().zip(StoreState::ALL) {
            gauge.set(u32::from(*of == state));
        }
    }

    /// The store's file holds this much.
    #[expect(clippy::cast_precision_loss, reason = "no disk holds 2^52 bytes")]
    pub fn holds(&self, bytes: u64, bars: u64) {
        self.0.bytes.set(bytes as f64);
        self.0.bars.set(bars as f64);
    }

    /// So many more rows wait to be written.
    pub fn queued(&self, rows: usize) {
        self.0.pending.0.fetch_add(rows, Relaxed);
    }

    /// So many rows no longer wait.
    pub fn unqueued(&self, rows: usize) {
        self.0.pending.0.fetch_sub(rows, Relaxed);
    }

    /// Rows that wait to be written.
    pub fn pending(&self) -> usize {
        self.0.pending.0.load(Relaxed)
    }
}
