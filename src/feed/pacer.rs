//! When a connection may be attempted.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use tokio::time::{Instant, sleep_until};

use crate::config;

/// After a 429 nobody connects for this long (docs.bitfinex.com/docs/requirements-and-limitations,
/// 2025-11: 60 s).
const BLOCKED: Duration = Duration::from_secs(60);
/// The least pause after a failed attempt.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Spaces the attempts of all sockets of one exchange.
///
/// Two attempts are at least the interval apart, and the first one of a process comes one interval
/// after its start. The same therefore holds across restarts: between the last attempt before and
/// the first one after lies a whole interval. No window of 60 s holds more than 60 s / interval
/// attempts (rounded up), however often the process is restarted.
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    backoff_max: Duration,
    /// Held by the socket whose turn is next; fair.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// No attempt before this.
    next: Instant,
    /// Since a connection last held.
    failures: u32,
}

impl Pacer {
    /// `least` is the interval that the exchange asks for, where that is longer than the settings'.
    pub(super) fn new(settings: &config::Feed, least: Duration, started: Instant) -> Self {
        let interval = settings.connect_interval.max(least);
        let state = State { next: started + interval, failures: 0 };
        Self {
            interval,
            backoff_max: settings.backoff_max,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, first come first served; the caller has to attempt at once. Cancel-safe:
    /// a turn that is not waited for to its end is not taken.
    pub(super) async fn turn(&self) {
        let _next = self.turn.lock().await;
        loop {
            let next = self.state().next;
            let now = Instant::now();
            if next <= now {
                self.state().next = now + self.interval;
                return;
            }
            // It may be put off meanwhile.
            sleep_until(next).await;
        }
    }

    /// An attempt failed, or its connection did not hold.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state();
        let doublings = state.failures.min(16);
        state.failures = state.failures.saturating_add(1);
        let longest = self.interval.max(BACKOFF_MIN).saturating_mul(1 << doublings);
        let pause = longest.min(self.backoff_max).mul_f64(rand::rng().random_range(0.5..=1.0));
        state.next = state.next.max(now + pause);
    }

    /// The exchange refuses further attempts.
    pub(super) fn blocked(&self, now: Instant) {
        let mut state = self.state();
        state.next = state.next.max(now + BLOCKED);
    }

    /// A connection has held for a while.
    pub(super) fn held(&self) {
        self.state().failures = 0;
    }

    /// How long from now no attempt will be made.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.state().next.saturating_duration_since(now)
    }
}
