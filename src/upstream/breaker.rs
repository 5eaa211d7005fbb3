//! The breaker: leaves an exchange alone that fails, and asks again with one probe.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::CallError;
use crate::{config, telemetry::BreakerState};

/// A refused caller is not told to come back sooner than this while a probe is out.
const PROBE_WAIT: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    /// No call before `until`; the first one after it takes the permit.
    Open {
        until: Instant,
    },
    /// The permit is out.
    Probing {
        since: Instant,
    },
}

/// Opens after consecutive faults; half-open by permit.
#[derive(Debug)]
pub(super) struct Breaker {
    phase: Phase,
    maintenance: bool,
    failures: u32,
    /// Openings since it was last closed.
    openings: u32,
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    failures: u32,
    open: Duration,
    open_max: Duration,
}

/// The one permit of a half-open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe;

impl Breaker {
    pub(super) fn new(settings: &config::Upstream) -> Self {
        let settings = Settings {
            failures: settings.breaker_failures.max(1),
            open: settings.breaker_open,
            open_max: settings.breaker_open_max,
        };
        Self { phase: Phase::Closed, maintenance: false, failures: 0, openings: 0, settings }
    }

    /// Lets a call pass, as the probe if it has to be, or says why not. A call that takes
    /// `latency` is expected to return the permit.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        latency: Duration,
    ) -> Result<Option<Probe>, CallError> {
        match self.phase {
            Phase::Closed => Ok(None),
            Phase::Open { until } if until <= now => {
                self.phase = Phase::Probing { since: now };
                Ok(Some(Probe))
            }
            Phase::Open { until } => Err(self.refusal(until - now)),
            Phase::Probing { since } => {
                let left = (since + latency).saturating_duration_since(now);
                Err(self.refusal(left.max(PROBE_WAIT)))
            }
        }
    }

    /// True if a call that was admitted with `probe` may still be sent.
    pub(super) fn honours(&self, probe: Option<Probe>) -> bool {
        probe.is_some() || matches!(self.phase, Phase::Closed)
    }

    /// The exchange gave data.
    pub(super) fn succeeded(&mut self, probe: Option<Probe>) {
        if probe.is_some() {
            self.close();
        } else if matches!(self.phase, Phase::Closed) {
            self.failures = 0;
        }
    }

    /// The exchange is well, the request was wrong: enough for a probe, no news otherwise.
    pub(super) fn answered(&mut self, probe: Option<Probe>) {
        if probe.is_some() {
            self.close();
        }
    }

    /// The exchange failed. True if that opened the breaker. What was sent before an opening
    /// says nothing new, only the probe counts then.
    pub(super) fn failed(&mut self, probe: Option<Probe>, now: Instant) -> bool {
        let closed = matches!(self.phase, Phase::Closed);
        if closed {
            self.failures += 1;
        }
        let opens = probe.is_some() || closed && self.failures >= self.settings.failures;
        if opens {
            self.open(now, false);
        }
        opens
    }

    /// The exchange says that it is in maintenance. True if that opened the breaker.
    pub(super) fn in_maintenance(&mut self, probe: Option<Probe>, now: Instant) -> bool {
        let opens = probe.is_some() || matches!(self.phase, Phase::Closed);
        if opens {
            self.open(now, true);
        }
        opens
    }

    /// The exchange does not serve this address, which no wait of ours will change: the longest one
    /// at once. True if that opened the breaker.
    pub(super) fn shut_out(&mut self, probe: Option<Probe>, now: Instant) -> bool {
        let opens = probe.is_some() || matches!(self.phase, Phase::Closed);
        if opens {
            self.openings = u32::MAX;
            self.open(now, false);
        }
        opens
    }

    /// The probe brought no verdict: the next caller gets the permit.
    pub(super) fn give_back(&mut self, _permit: Probe, now: Instant) {
        self.phase = Phase::Open { until: now };
    }

    /// The error for a call that is turned away for `retry_after`.
    pub(super) fn refusal(&self, retry_after: Duration) -> CallError {
        if self.maintenance {
            CallError::Maintenance { retry_after }
        } else {
            CallError::BreakerOpen { retry_after }
        }
    }

    /// How long no call passes.
    pub(super) fn left(&self, now: Instant) -> Duration {
        match self.phase {
            Phase::Open { until } => until.saturating_duration_since(now),
            Phase::Closed | Phase::Probing { .. } => Duration::ZERO,
        }
    }

    /// Most calls that pass now.
    pub(super) fn allowance(&self, now: Instant) -> u32 {
        match self.phase {
            Phase::Closed => u32::MAX,
            Phase::Open { until } => u32::from(until <= now),
            Phase::Probing { .. } => 0,
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if until > now => BreakerState::Open,
            Phase::Open { .. } | Phase::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.maintenance = false;
        self.failures = 0;
        self.openings = 0;
    }

    fn open(&mut self, now: Instant, maintenance: bool) {
        let doubled = self.settings.open.saturating_mul(1 << self.openings.min(16));
        let longest = doubled.min(self.settings.open_max);
        // Replicas and families that failed together shall not probe together.
        let open = longest.mul_f64(rand::rng().random_range(0.8..=1.0));
        self.phase = Phase::Open { until: now + open };
        self.maintenance = maintenance;
        self.openings = self.openings.saturating_add(1);
    }
}
