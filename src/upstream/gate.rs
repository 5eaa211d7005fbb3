//! A ban: closed by a 429, reopened by one probe.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Open,
    /// No call before `until`; the first one after it is the probe.
    Closed {
        until: Instant,
    },
    Probing {
        since: Instant,
    },
}

/// Lets calls pass, none, or one.
#[derive(Debug)]
pub(super) struct Gate {
    phase: Phase,
    /// Counts closings, so that a probe of an earlier closing cannot reopen a later one.
    closings: u64,
}

/// The right to try whether a closed gate may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe(u64);

/// Tells states of a gate apart that differ in being open or in the ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) open: bool,
    pub(super) closings: u64,
}

impl Gate {
    pub(super) fn open() -> Self {
        Self { phase: Phase::Open, closings: 0 }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { open: self.is_open(), closings: self.closings }
    }

    /// True if a call, be it the probe, may pass now.
    pub(super) fn passable(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Closed { until } => until <= now,
            Phase::Probing { .. } => false,
        }
    }

    /// Passes a gate that is [`Gate::passable`].
    pub(super) fn pass(&mut self, now: Instant) -> Option<Probe> {
        if self.is_open() {
            return None;
        }
        self.phase = Phase::Probing { since: now };
        Some(Probe(self.closings))
    }

    /// True if a call that passed with `probe` may still be sent.
    pub(super) fn honours(&self, probe: Option<Probe>) -> bool {
        match probe {
            Some(probe) => self.is_current(probe),
            None => self.is_open(),
        }
    }

    pub(super) fn close(&mut self, until: Instant) {
        let until = self.until().map_or(until, |before| before.max(until));
        self.phase = Phase::Closed { until };
        self.closings += 1;
    }

    pub(super) fn reopen(&mut self, probe: Probe) {
        if self.is_current(probe) {
            self.phase = Phase::Open;
        }
    }

    /// The probe brought no verdict: the next call is the probe.
    pub(super) fn give_back(&mut self, probe: Probe, now: Instant) {
        if self.is_current(probe) {
            self.phase = Phase::Closed { until: now };
        }
    }

    /// The end of the ban, even if it has passed and only the probe is missing.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed { until } => Some(until),
            Phase::Open | Phase::Probing { .. } => None,
        }
    }

    /// What is left of the ban.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// When the next call passes, if a probe that is out takes `latency` in all.
    pub(super) fn outlook(&self, now: Instant, latency: Duration) -> Instant {
        match self.phase {
            Phase::Open => now,
            Phase::Closed { until } => now.max(until),
            Phase::Probing { since } => now.max(since + latency),
        }
    }

    /// True if the next call to pass is the probe.
    pub(super) fn awaits_probe(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    fn is_current(&self, probe: Probe) -> bool {
        probe.0 == self.closings
    }
}
