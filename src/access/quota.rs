//! How often a client may ask.
//!
//! The generic cell rate algorithm (GCRA): after idle the whole quota may be used at once, and it
//! comes back evenly. A client that has used it up waits for one request's part of the window, not
//! for the rest of a window; in exchange, a window may hold up to twice the quota.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// So many requests in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests that may be sent at once after idle.
    pub requests: NonZeroU32,
    /// The time in which as many come back; whole seconds.
    pub window: Duration,
}

/// What a client has left of its quota after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of this.
    pub quota: Quota,
    /// Requests that may be sent at once.
    pub left: u32,
    /// The time over which the requests that are left can be spread to be followed by as many
    /// again, or, where none is left, until the next one.
    pub lasts: Duration,
}

/// A quota is used up: a request that is sent after this long passes, unless others took its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// From now on.
    pub wait: Duration,
}

/// What was used of a quota. It outlives changes of the quota.
#[derive(Debug)]
pub(super) struct Meter {
    epoch: Instant,
    /// Nanoseconds from the epoch to when the whole quota may be used again.
    whole_at: AtomicU64,
}

impl Quota {
    /// Nanoseconds in which one request comes back.
    fn period(self) -> u64 {
        nanos(self.window) / u64::from(self.requests.get())
    }

    /// Nanoseconds in which all of them come back.
    fn whole(self) -> u64 {
        self.period() * u64::from(self.requests.get())
    }

    /// What is left at `now` where all of it is there at `whole_at`.
    fn allowance(self, whole_at: u64, now: u64) -> Allowance {
        let (period, missing) = (self.period(), whole_at.saturating_sub(now));
        let left = self.whole().saturating_sub(missing) / period;
        let lasts = match left {
            0 => missing.saturating_sub(self.whole() - period),
            left => left * period,
        };
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Allowance { quota: self, left, lasts: Duration::from_nanos(lasts) }
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), whole_at: AtomicU64::new(0) }
    }

    /// Counts a request at `now`, unless the quota is used up: then it costs nothing.
    pub(super) fn spend(&self, quota: Quota, now: Instant) -> Result<Allowance, Exceeded> {
        let now = self.at(now);
        let (period, whole) = (quota.period(), quota.whole());
        let mut before = self.whole_at.load(Ordering::Relaxed);
        loop {
            // A quota that was made smaller is not to be waited for longer than its window.
            let after = before.clamp(now, now + whole) + period;
            if after > now + whole {
                return Err(Exceeded { wait: Duration::from_nanos(after - now - whole) });
            }
            let order = Ordering::Relaxed;
            match self.whole_at.compare_exchange_weak(before, after, order, order) {
                Ok(_) => return Ok(quota.allowance(after, now)),
                Err(other) => before = other,
            }
        }
    }

    /// What is left at `now`.
    pub(super) fn look(&self, quota: Quota, now: Instant) -> Allowance {
        quota.allowance(self.whole_at.load(Ordering::Relaxed), self.at(now))
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NS: Duration = Duration::from_nanos(1);

    fn quota(requests: u32, seconds: u64) -> Quota {
        let requests = NonZeroU32::new(requests).unwrap();
        Quota { requests, window: Duration::from_secs(seconds) }
    }

    fn allowance(quota: Quota, left: u32, millis: u64) -> Allowance {
        Allowance { quota, left, lasts: Duration::from_millis(millis) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_is_exact_at_its_bound_and_comes_back_evenly() {
        let (meter, quota, start) = (Meter::new(), quota(60, 60), Instant::now());
        assert_eq!(meter.look(quota, start), allowance(quota, 60, 60_000));
        for left in (1..60).rev() {
            let expected = allowance(quota, left, u64::from(left) * 1000);
            assert_eq!(meter.spend(quota, start), Ok(expected));
        }
        assert_eq!(meter.spend(quota, start), Ok(allowance(quota, 0, 1000)), "the last of them");
        let exceeded = Err(Exceeded { wait: Duration::from_secs(1) });
        assert_eq!((meter.spend(quota, start), meter.spend(quota, start)), (exceeded, exceeded));
        let later = start + Duration::from_secs(1);
        assert_eq!(meter.spend(quota, later - NS), Err(Exceeded { wait: NS }));
        assert_eq!(meter.spend(quota, later), Ok(allowance(quota, 0, 1000)));
        let idle = later + Duration::from_secs(60);
        assert_eq!(meter.look(quota, idle - NS).left, 59);
        assert_eq!(meter.look(quota, idle).left, 60);
        assert_eq!(meter.look(quota, idle + Duration::from_secs(9)).left, 60, "never more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_quota_counts_what_was_used_before() {
        let (meter, start) = (Meter::new(), Instant::now());
        let hourly = quota(100, 3600);
        assert!((0..100).all(|_| meter.spend(hourly, start).is_ok()));
        let smaller = quota(10, 10);
        assert_eq!(meter.spend(smaller, start), Err(Exceeded { wait: Duration::from_secs(1) }));
        let larger = quota(200, 3600);
        assert_eq!(meter.look(larger, start).left, 0, "as long as that lasts");
    }

    proptest! {
        /// Whoever waits as long as he is told passes, and not a nanosecond sooner.
        #[test]
        fn the_wait_is_true(
            requests in 1_u32..5000,
            seconds in 1_u64..100_000,
            steps in prop::collection::vec(0_u64..10_000_000_000, 1..60),
        ) {
            let (meter, quota) = (Meter::new(), quota(requests, seconds));
            let mut now = meter.epoch;
            for step in steps {
                now += Duration::from_nanos(step);
                let before = meter.look(quota, now);
                let Err(Exceeded { wait }) = meter.spend(quota, now) else {
                    prop_assert!(before.left > 0);
                    prop_assert_eq!(meter.look(quota, now).left, before.left - 1);
                    continue;
                };
                prop_assert_eq!(before.left, 0);
                prop_assert_eq!(before.lasts, wait);
                prop_assert!(!wait.is_zero() && wait <= quota.window);
                prop_assert_eq!(meter.spend(quota, now + wait - NS), Err(Exceeded { wait: NS }));
                prop_assert_eq!(meter.spend(quota, now + wait).map(|it| it.left), Ok(0));
                now += wait;
            }
        }
    }
}
