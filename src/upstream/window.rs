//! The sliding window: which calls the exchange may still be counting, and who made them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::telemetry::{ClientId, Wait};

/// A window that closes exactly one window after an arrival still counts it at some exchanges;
/// the clock's own resolution is a millisecond.
pub(super) const SLACK: Duration = Duration::from_millis(1);

/// A request that was given up may still be on its way for so long.
pub(super) const STRAY: Duration = Duration::from_secs(5);

/// Who holds a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    pub(super) client: ClientId,
    pub(super) class: Wait,
    /// It was left over by those who hold less.
    pub(super) spare: bool,
}

/// A slot of a call that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    /// When it comes free.
    pub(super) at: Instant,
    /// Nobody: the call was made by an earlier process.
    pub(super) tenant: Option<Tenant>,
}

/// Slots, each held from its grant until one window after its call ended.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    in_flight: BTreeMap<u64, (Instant, Tenant)>,
    /// Slots of calls that ended, those that come free first in front.
    releases: VecDeque<Release>,
    next_id: u64,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, in_flight: BTreeMap::new(), releases: VecDeque::new(), next_id: 0 }
    }

    /// Frees the first slot that is due by `now`.
    pub(super) fn free_one(&mut self, now: Instant) -> Option<Release> {
        self.releases.pop_front_if(|release| release.at <= now)
    }

    pub(super) fn held(&self) -> usize {
        self.in_flight.len() + self.releases.len()
    }

    /// True if a call is under way.
    pub(super) fn is_flying(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub(super) fn take(&mut self, now: Instant, tenant: Tenant) -> u64 {
        self.next_id += 1;
        self.in_flight.insert(self.next_id, (now, tenant));
        self.next_id
    }

    /// A slot whose call was never sent is free at once.
    pub(super) fn give_back(&mut self, id: u64) -> Option<Tenant> {
        self.in_flight.remove(&id).map(|(_, tenant)| tenant)
    }

    /// The call reached the exchange by `arrived_by` or never will.
    pub(super) fn finish(&mut self, id: u64, arrived_by: Instant) {
        if let Some((_, tenant)) = self.in_flight.remove(&id) {
            let release = Release { at: self.release(arrived_by), tenant: Some(tenant) };
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
            insert(&mut self.releases, Release { at: now + held, tenant: None });
        }
        !held.is_zero()
    }

    /// Slots of calls that ended, those that come free first in front.
    pub(super) fn releases(&self) -> &VecDeque<Release> {
        &self.releases
    }

    /// When a slot comes free whose call ends then.
    fn release(&self, ended: Instant) -> Instant {
        ended + self.length + SLACK
    }

    /// All slots, those that come free first in front, if each call in flight takes `latency` in
    /// all.
    pub(super) fn outlook(&self, now: Instant, latency: Duration) -> VecDeque<Release> {
        let mut releases = self.releases.clone();
        for (sent, tenant) in self.in_flight.values() {
            let at = self.release(now.max(*sent + latency));
            insert(&mut releases, Release { at, tenant: Some(*tenant) });
        }
        releases
    }

    /// A copy to look ahead with, in which each call in flight takes `latency` in all.
    pub(super) fn fork(&self, now: Instant, latency: Duration) -> Self {
        Self { releases: self.outlook(now, latency), ..Self::new(self.length) }
    }
}

/// Inserts in order; new releases are nearly always the latest.
fn insert(releases: &mut VecDeque<Release>, release: Release) {
    let before = releases.iter().rposition(|other| other.at <= release.at);
    releases.insert(before.map_or(0, |before| before + 1), release);
}
