//! A gate for repeated messages.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Lets one message through in an interval and counts those it holds back.
///
/// ```
/// # use std::time::Duration;
/// static GATE: tidegate::telemetry::Gate = tidegate::telemetry::Gate::new(Duration::from_secs(10));
/// if let Some(suppressed) = GATE.pass() {
///     tracing::warn!(suppressed, "the exchange does not answer");
/// }
/// ```
#[derive(Debug)]
pub struct Gate {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    passed: Option<Instant>,
    suppressed: u64,
}

impl Gate {
    /// An open gate; after each message it stays shut for `per_interval`.
    pub const fn new(per_interval: Duration) -> Self {
        Self { interval: per_interval, state: Mutex::new(State { passed: None, suppressed: 0 }) }
    }

    /// Whether a message may pass now: the number held back since the last one that did, or
    /// `None` if this one is held back too.
    pub fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.passed.is_some_and(|passed| now.duration_since(passed) < self.interval) {
            state.suppressed += 1;
            return None;
        }
        state.passed = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_passes_in_an_interval_and_tells_of_the_others() {
        let gate = Gate::new(Duration::from_secs(10));
        assert_eq!(gate.pass(), Some(0));
        assert_eq!(gate.pass(), None);
        advance(Duration::from_millis(9_999)).await;
        assert_eq!(gate.pass(), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(gate.pass(), Some(2));
        assert_eq!(gate.pass(), None);
        advance(Duration::from_secs(3600)).await;
        assert_eq!(gate.pass(), Some(1));
        advance(Duration::from_secs(10)).await;
        assert_eq!(gate.pass(), Some(0));
    }

    #[test]
    fn of_a_crowd_one_passes_and_all_others_are_counted() {
        let gate = Gate::new(Duration::from_secs(3600));
        let crowd = || (0..100).filter(|_| gate.pass().is_some()).count();
        let passed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(crowd)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(passed, 1);
        assert_eq!(gate.state.into_inner().unwrap().suppressed, 799);
    }
}
