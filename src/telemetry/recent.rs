//! What happened lately, as pages show it.

use super::{
    BudgetLeft, DataKind, Faults, History, Metrics, SlowFollower,
    history::Reading,
    metrics::{AGES, DURATIONS},
};
use crate::market::UnixMs;

impl Metrics {
    /// Requests that were answered with errors are kept here.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The last ten minutes.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes a sample for [`Metrics::history`]; to be called every [`History::STEP`].
    pub fn note_history(&self, wall: UnixMs, budgets: impl IntoIterator<Item = BudgetLeft>) {
        let totals = self.totals();
        let mut ages = vec![0; AGES.len() + 1];
        for kind in DataKind::ALL {
            self.served_age.add_counts(kind.index(), &mut ages);
        }
        let reading = Reading {
            requests: totals.requests,
            answers: self.series.answers.sum(),
            from_cache: totals.from_cache,
            collapsed: totals.collapsed,
            upstream_calls: totals.upstream_calls,
            stream_clients: self.series.streams.clients(),
            durations: self.durations(),
            ages,
        };
        self.history.note(reading, wall, [&DURATIONS, &AGES], budgets);
    }

    /// Those of all who follow streams that lag most, at most so many.
    pub fn slow_followers(&self, most: usize) -> Vec<SlowFollower> {
        self.series.streams.slow(most)
    }
}
