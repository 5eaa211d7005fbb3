//! Whether a pool is short of calls.

use std::time::Duration;

use tokio::time::Instant;

/// Fewer calls than this that had to wait are no shortage.
const FEWEST: f64 = 2.0;

/// Calls of clients and refreshes, those of the last window counting most: how many had their turn
/// at once, and how many had to wait for it or were refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    at_once: f64,
    waited: f64,
    seen: Instant,
    memory: Duration,
}

impl Shortage {
    pub(super) fn new(memory: Duration, now: Instant) -> Self {
        Self { at_once: 0.0, waited: 0.0, seen: now, memory }
    }

    /// What is left of calls that were counted last.
    fn left(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.seen).as_secs_f64();
        (-passed / self.memory.as_secs_f64().max(f64::MIN_POSITIVE)).exp()
    }

    /// A call has asked for a turn.
    pub(super) fn count(&mut self, at_once: bool, now: Instant) {
        let left = self.left(now);
        self.at_once *= left;
        self.waited *= left;
        self.seen = now;
        *(if at_once { &mut self.at_once } else { &mut self.waited }) += 1.0;
    }

    /// True if most calls lately had to wait.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        self.waited > self.at_once && self.waited * self.left(now) >= FEWEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_pool_is_short_while_most_calls_have_to_wait() {
        let start = Instant::now();
        let mut shortage = Shortage::new(MINUTE, start);
        assert!(!shortage.is_short(start));
        for _ in 0..5 {
            shortage.count(true, start);
        }
        for _ in 0..5 {
            shortage.count(false, start);
        }
        assert!(!shortage.is_short(start), "half of them is not most");
        shortage.count(false, start);
        assert!(shortage.is_short(start));
        // Six that waited are two when e^-1.0986 of a minute's memory is left.
        let (still, over) = (Duration::from_millis(65_800), Duration::from_millis(66_000));
        assert!(shortage.is_short(start + still) && !shortage.is_short(start + over));
        let later = start + MINUTE;
        for _ in 0..2 {
            shortage.count(true, later);
        }
        assert!(!shortage.is_short(later), "what is lately counts most");
    }

    #[test]
    fn one_call_that_waits_is_no_shortage() {
        let start = Instant::now();
        let mut shortage = Shortage::new(MINUTE, start);
        shortage.count(false, start);
        assert!(!shortage.is_short(start));
        shortage.count(false, start);
        assert!(shortage.is_short(start));
    }
}
