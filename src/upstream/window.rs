//! The sliding window: which calls the exchange may still be counting, what they cost, and who made
//! them.

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

/// Windows of more slots than this are kept in [`GRAINS`] parts.
const FINE: u32 = 256;

/// Into how many parts of a large window the ends of slots are rounded up, so that there are not as
/// many entries as slots.
const GRAINS: u32 = 256;

/// Who holds slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    pub(super) client: ClientId,
    pub(super) class: Wait,
    /// They were left over by those who hold less.
    pub(super) spare: bool,
}

/// Slots that are no longer held for a call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    /// When they come free.
    pub(super) at: Instant,
    /// How many.
    pub(super) units: u32,
    /// Nobody: the call was made by an earlier process, or by others from the same address.
    pub(super) tenant: Option<Tenant>,
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    sent: Instant,
    units: u32,
    tenant: Tenant,
}

/// Slots, as many to a call as it costs, each held from the grant until one window after the call
/// ended.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    /// Ends of slots are rounded up to multiples of this from the epoch on; zero: they are not.
    grain: Duration,
    epoch: Instant,
    in_flight: BTreeMap<u64, Flight>,
    /// Slots of calls that ended, those that come free first in front.
    releases: VecDeque<Release>,
    held: u32,
    next_id: u64,
}

impl Window {
    /// A window that holds at most so many slots.
    pub(super) fn new(slots: u32, length: Duration, epoch: Instant) -> Self {
        Self {
            length,
            grain: grain(slots, length),
            epoch,
            in_flight: BTreeMap::new(),
            releases: VecDeque::new(),
            held: 0,
            next_id: 0,
        }
    }

    /// Goes on with another length: what is held is held as long as if it had always been that.
    pub(super) fn reshape(&mut self, slots: u32, length: Duration) {
        let before = self.length;
        (self.length, self.grain) = (length, grain(slots, length));
        for release in &mut self.releases {
            let at = release.at + length;
            release.at = at.checked_sub(before).unwrap_or(at);
        }
    }

    /// Frees what comes free first, if it is due by `now`.
    pub(super) fn free_one(&mut self, now: Instant) -> Option<Release> {
        let release = self.releases.pop_front_if(|release| release.at <= now)?;
        self.held -= release.units;
        Some(release)
    }

    /// Slots that are held.
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    /// True if a call is under way.
    pub(super) fn is_flying(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub(super) fn take(&mut self, now: Instant, units: u32, tenant: Tenant) -> u64 {
        self.next_id += 1;
        self.held = self.held.saturating_add(units);
        self.in_flight.insert(self.next_id, Flight { sent: now, units, tenant });
        self.next_id
    }

    /// The slots of a call that was never sent are free at once.
    pub(super) fn give_back(&mut self, id: u64) -> Option<(u32, Tenant)> {
        let flight = self.in_flight.remove(&id)?;
        self.held -= flight.units;
        Some((flight.units, flight.tenant))
    }

    /// The call reached the exchange by `arrived_by` or never will.
    pub(super) fn finish(&mut self, id: u64, arrived_by: Instant) {
        if let Some(Flight { units, tenant, .. }) = self.in_flight.remove(&id) {
            let at = self.release(arrived_by);
            insert(&mut self.releases, Release { at, units, tenant: Some(tenant) });
        }
    }

    /// Holds the slots of a call that an earlier process sent `age` ago and that was under way for
    /// `longest` at most; that process may have given it up with its own end. False if they are
    /// free by now.
    pub(super) fn remember(
        &mut self,
        units: u32,
        age: Duration,
        longest: Duration,
        now: Instant,
    ) -> bool {
        let ended = age.saturating_sub(longest);
        let held = (STRAY + self.length + SLACK).saturating_sub(ended);
        if !held.is_zero() {
            self.hold(units, now + held);
        }
        !held.is_zero()
    }

    /// Holds slots for calls of others, the last of which was counted by now.
    pub(super) fn hold_for_others(&mut self, units: u32, now: Instant) {
        self.hold(units, self.release(now));
    }

    fn hold(&mut self, units: u32, at: Instant) {
        let units = units.min(u32::MAX - self.held);
        self.held += units;
        insert(&mut self.releases, Release { at, units, tenant: None });
    }

    /// Slots of calls that ended, those that come free first in front.
    pub(super) fn releases(&self) -> &VecDeque<Release> {
        &self.releases
    }

    /// When the first `units` of what is held have come free, as far as the calls have ended.
    pub(super) fn freed_by(&self, units: u32) -> Option<Instant> {
        let mut freed = 0_u32;
        let enough = self.releases.iter().find(|release| {
            freed = freed.saturating_add(release.units);
            freed >= units
        });
        enough.map(|release| release.at)
    }

    /// When slots come free whose call ends then.
    fn release(&self, ended: Instant) -> Instant {
        let at = ended + self.length + SLACK;
        if self.grain.is_zero() {
            return at;
        }
        let grains = at.saturating_duration_since(self.epoch).as_nanos() / self.grain.as_nanos();
        self.epoch + self.grain * (u32::try_from(grains).unwrap_or(u32::MAX - 1) + 1)
    }

    /// All slots, those that come free first in front, if each call in flight takes `latency` in
    /// all.
    pub(super) fn outlook(&self, now: Instant, latency: Duration) -> VecDeque<Release> {
        let mut releases = self.releases.clone();
        for Flight { sent, units, tenant } in self.in_flight.values() {
            let at = self.release(now.max(*sent + latency));
            insert(&mut releases, Release { at, units: *units, tenant: Some(*tenant) });
        }
        releases
    }

    /// A copy to look ahead with, in which each call in flight takes `latency` in all.
    pub(super) fn fork(&self, now: Instant, latency: Duration) -> Self {
        Self {
            length: self.length,
            grain: self.grain,
            epoch: self.epoch,
            in_flight: BTreeMap::new(),
            releases: self.outlook(now, latency),
            held: self.held,
            next_id: self.next_id,
        }
    }
}

fn grain(slots: u32, length: Duration) -> Duration {
    if slots > FINE { length / GRAINS } else { Duration::ZERO }
}

/// Inserts in order; new releases are nearly always the latest. Slots of one tenant that come free
/// together are one entry.
fn insert(releases: &mut VecDeque<Release>, release: Release) {
    let mut at = releases.len();
    while let Some(before) = at.checked_sub(1).and_then(|before| releases.get_mut(before)) {
        if before.at < release.at {
            break;
        }
        if before.at == release.at && before.tenant == release.tenant {
            before.units = before.units.saturating_add(release.units);
            return;
        }
        at -= 1;
    }
    // Behind those of the same time.
    let same = releases.iter().skip(at).take_while(|other| other.at == release.at).count();
    releases.insert(at + same, release);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn tenant() -> Tenant {
        Tenant { client: ClientId::ANONYMOUS, class: Wait::Client, spare: false }
    }

    /// The steps of a decision grow with the entries.
    #[test]
    fn thousands_of_slots_are_few_entries_and_held_no_shorter() {
        let now = Instant::now();
        let mut window = Window::new(6000, MINUTE, now);
        for call in 0..3000 {
            let at = now + Duration::from_millis(20) * call;
            let slot = window.take(at, 2, tenant());
            window.finish(slot, at);
        }
        assert_eq!(window.held(), 6000);
        assert!(window.releases().len() <= 257, "{}", window.releases().len());
        for call in 0..3000 {
            let (sent, mut held) = (now + Duration::from_millis(20) * call, 0);
            held += window.releases().iter().map(|release| release.units).sum::<u32>();
            assert!(held >= 6000 - 2 * call, "held for a whole window after {call}");
            while window.free_one(sent + MINUTE).is_some() {}
        }
        let rest = now + MINUTE * 2 + Duration::from_millis(300);
        while window.free_one(rest).is_some() {}
        assert_eq!(window.held(), 0);
    }

    #[test]
    fn slots_of_few_come_free_to_the_millisecond() {
        let now = Instant::now();
        let mut window = Window::new(30, MINUTE, now);
        let slot = window.take(now, 3, tenant());
        window.finish(slot, now + Duration::from_millis(150));
        let free = now + MINUTE + Duration::from_millis(151);
        assert!(window.free_one(free - SLACK).is_none());
        assert_eq!(
            window.free_one(free).map(|release| (release.at, release.units)),
            Some((free, 3))
        );
    }

    #[test]
    fn another_length_moves_what_is_held() {
        let now = Instant::now();
        let mut window = Window::new(5, MINUTE / 12, now);
        window.hold_for_others(4, now);
        window.reshape(5, MINUTE / 6);
        assert_eq!(window.releases()[0].at, now + MINUTE / 6 + SLACK);
        window.reshape(5, MINUTE / 60);
        assert_eq!(window.releases()[0].at, now + MINUTE / 60 + SLACK);
        assert_eq!(window.freed_by(4), Some(now + MINUTE / 60 + SLACK));
        assert_eq!(window.freed_by(5), None);
    }
}
