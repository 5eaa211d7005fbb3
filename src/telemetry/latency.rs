//! How long requests took lately.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::histogram::quantile;

/// How far back "lately" goes.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts of a histogram as they were at moments of the last minute, one for each upkeep.
#[derive(Debug)]
pub(super) struct Latency {
    seen: VecDeque<(Instant, Vec<u64>)>,
}

impl Latency {
    /// Begins now, with empty counts of `width` buckets.
    pub(super) fn new(width: usize) -> Self {
        Self { seen: VecDeque::from([(Instant::now(), vec![0; width])]) }
    }

    /// Notes the counts as they are now and forgets those that are too old.
    pub(super) fn note(&mut self, counts: Vec<u64>) {
        let now = Instant::now();
        while self.seen.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.seen.pop_front();
        }
        self.seen.push_back((now, counts));
    }

    /// The quantile of what was counted since the oldest note; `None` if that is nothing.
    pub(super) fn quantile(
        &self,
        bounds: &[Duration],
        counts: &[u64],
        share: f64,
    ) -> Option<Duration> {
        let (_, before) = self.seen.front()?;
        let since: Vec<u64> =
            counts.iter().zip(before).map(|(now, then)| now.saturating_sub(*then)).collect();
        quantile(bounds, &since, share)
    }
}
