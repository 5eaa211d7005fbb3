//! The sliding window: which calls the exchange may still be counting.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// A window that closes exactly one window after an arrival still counts it at some exchanges;
/// the clock's own resolution is a millisecond.
pub(super) const SLACK: Duration = Duration::from_millis(1);

/// A request that was given up may still be on its way for so long.
pub(super) const STRAY: Duration = Duration::from_secs(5);

/// Slots, each held from its grant until one window after its call ended.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    in_flight: BTreeMap<u64, Instant>,
    /// When slots of calls that ended come free, soonest first.
    releases: VecDeque<Instant>,
    next_id: u64,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, in_flight: BTreeMap::new(), releases: VecDeque::new(), next_id: 0 }
    }

    /// Frees what is due.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.releases.front().is_some_and(|release| *release <= now) {
            self.releases.pop_front();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.in_flight.len() + self.releases.len()
    }

    /// True if a call is under way.
    pub(super) fn is_flying(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub(super) fn take(&mut self, now: Instant) -> u64 {
        self.next_id += 1;
        self.in_flight.insert(self.next_id, now);
        self.next_id
    }

    /// A slot whose call was never sent is free at once.
    pub(super) fn give_back(&mut self, id: u64) {
        self.in_flight.remove(&id);
    }

    /// The call reached the exchange by `arrived_by` or never will.
    pub(super) fn finish(&mut self, id: u64, arrived_by: Instant) {
        if self.in_flight.remove(&id).is_some() {
            let release = self.release(arrived_by);
            insert(&mut self.releases, release);
        }
    }

    /// Holds the slot of a call that an earlier process sent `age` ago and that was under way for
    /// `longest` at most; that process may have given it up with its own end. False if the slot is
    /// free by now.
    pub(super) fn remember(&mut self, age: Duration, longest: Duration, now: Instant) -> bool {
        let ended = age.saturating_sub(longest);
        let held = (STRAY + self.length + SLACK).saturating_sub(ended);
        if !held.is_zero() {
            insert(&mut self.releases, now + held);
        }
        !held.is_zero()
    }

    /// When slots of calls that ended come free, soonest first.
    pub(super) fn releases(&self) -> &VecDeque<Instant> {
        &self.releases
    }

    /// When a slot comes free whose call ends then.
    pub(super) fn release(&self, ended: Instant) -> Instant {
        ended + self.length + SLACK
    }

    /// All releases, soonest first, if each call in flight takes `latency` in all.
    pub(super) fn outlook(&self, now: Instant, latency: Duration) -> VecDeque<Instant> {
        let mut releases = self.releases.clone();
        for sent in self.in_flight.values() {
            insert(&mut releases, self.release(now.max(*sent + latency)));
        }
        releases
    }
}

/// Inserts in order; new releases are nearly always the latest.
pub(super) fn insert(releases: &mut VecDeque<Instant>, release: Instant) {
    let at = releases.iter().rposition(|other| *other <= release).map_or(0, |before| before + 1);
    releases.insert(at, release);
}
