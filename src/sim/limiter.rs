//! How exchanges count requests and refuse those that are too many.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::market::UnixMs;

use super::{Family, Limits};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// Too many; so many seconds later there is room again.
    TooMany { retry_after: u64 },
    /// The address is kept out, whatever it asks.
    Banned { retry_after: u64 },
}

/// What a limiter says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) denial: Option<Denial>,
    /// What is used up of the limit, this request included; 0 where the exchange does not tell.
    pub(super) used: u32,
}

/// An exchange's way of counting.
pub(super) enum Limiter {
    /// So many requests of each family in a sliding window; the one beyond begins a ban.
    Windows(Windows),
    /// A counter that each request fills by its cost and time empties.
    Bucket(Bucket),
    /// Weights within each clock minute; who goes on when refused is banned.
    Weight(Weight),
}

impl Limiter {
    pub(super) fn windows(limits: Limits, window: Duration, ban: Duration) -> Self {
        Self::Windows(Windows { limits, window, ban, families: BTreeMap::new() })
    }

    /// Bears `capacity` at once and `per_second` for long.
    pub(super) const fn bucket(capacity: f64, per_second: f64) -> Self {
        Self::Bucket(Bucket { capacity, per_second, level: 0.0, at: None })
    }

    /// `ban`: how long an address is kept out that asks on when refused.
    pub(super) const fn weight(per_minute: u32, ban: Duration) -> Self {
        Self::Weight(Weight { per_minute, ban, minute: 0, used: 0, refused: 0, banned_until: None })
    }

    /// Judges a request. `at` is the wall's time, which clock minutes are made of.
    pub(super) fn admit(&mut self, family: Family, cost: u32, now: Instant, at: UnixMs) -> Verdict {
        match self {
            Self::Windows(windows) => windows.admit(family, now),
            Self::Bucket(bucket) => bucket.admit(cost, now),
            Self::Weight(weight) => weight.admit(cost, now, at),
        }
    }
}

pub(super) struct Windows {
    limits: Limits,
    window: Duration,
    ban: Duration,
    families: BTreeMap<Family, Recent>,
}

#[derive(Default)]
struct Recent {
    /// Those that were let in within the last window: only they use up the limit.
    admitted: VecDeque<Instant>,
    banned_until: Option<Instant>,
}

impl Windows {
    /// The request beyond the limit is refused and begins the ban; those during the ban are
    /// refused and do not prolong it.
    fn admit(&mut self, family: Family, now: Instant) -> Verdict {
        let recent = self.families.entry(family).or_default();
        while recent.admitted.front().is_some_and(|&at| now - at >= self.window) {
            recent.admitted.pop_front();
        }
        let banned = recent.banned_until.is_some_and(|until| now < until);
        let limit = self.limits.of(family);
        let full = limit.is_some_and(|limit| recent.admitted.len() as u64 >= u64::from(limit));
        if full && !banned {
            recent.banned_until = Some(now + self.ban);
        }
        let refused = banned || full;
        if !refused {
            recent.admitted.push_back(now);
        }
        let until = recent.banned_until.map_or(Duration::ZERO, |until| until - now);
        let denial = refused.then(|| Denial::TooMany { retry_after: seconds(until) });
        Verdict { denial, used: 0 }
    }
}

pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn admit(&mut self, cost: u32, now: Instant) -> Verdict {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.level = (self.level - passed.as_secs_f64() * self.per_second).max(0.0);
        let full = self.level + f64::from(cost) > self.capacity;
        if full {
            let over = self.level + f64::from(cost) - self.capacity;
            let wait = Duration::from_secs_f64(over / self.per_second);
            let denial = Denial::TooMany { retry_after: seconds(wait) };
            return Verdict { denial: Some(denial), used: 0 };
        }
        self.level += f64::from(cost);
        Verdict { denial: None, used: 0 }
    }
}

pub(super) struct Weight {
    per_minute: u32,
    ban: Duration,
    minute: i64,
    used: u32,
    refused: u32,
    banned_until: Option<Instant>,
}

/// Refusals of one minute that are borne before the ban; how many the exchange bears is not
/// documented.
const REFUSALS_BORNE: u32 = 10;
const MINUTE_MS: i64 = 60_000;

impl Weight {
    fn admit(&mut self, cost: u32, now: Instant, at: UnixMs) -> Verdict {
        if let Some(until) = self.banned_until {
            if now < until {
                let denial = Denial::Banned { retry_after: seconds(until - now) };
                return Verdict { denial: Some(denial), used: self.used };
            }
            self.banned_until = None;
        }
        let minute = at.millis().div_euclid(MINUTE_MS);
        if minute != self.minute {
            (self.minute, self.used, self.refused) = (minute, 0, 0);
        }
        // What is refused counts too.
        self.used = self.used.saturating_add(cost);
        if self.used <= self.per_minute {
            return Verdict { denial: None, used: self.used };
        }
        self.refused += 1;
        let denial = if self.refused > REFUSALS_BORNE {
            self.banned_until = Some(now + self.ban);
            Denial::Banned { retry_after: seconds(self.ban) }
        } else {
            let left = MINUTE_MS - at.millis().rem_euclid(MINUTE_MS);
            Denial::TooMany { retry_after: left.cast_unsigned().div_ceil(1_000) }
        };
        Verdict { denial: Some(denial), used: self.used }
    }
}

/// Rounded up, since an earlier retry is too early.
const fn seconds(time: Duration) -> u64 {
    time.as_secs() + if time.subsec_nanos() > 0 { 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMs = UnixMs::from_millis(1_795_360_440_000);

    #[test]
    fn a_bucket_bears_a_burst_and_empties_with_time() {
        let mut limiter = Limiter::bucket(30.0, 1.0);
        let start = Instant::now();
        let mut ask = |ms: u64| {
            limiter.admit(Family::Ticker, 1, start + Duration::from_millis(ms), AT).denial
        };
        for n in 0..30 {
            assert_eq!(ask(0), None, "{n}");
        }
        assert_eq!(ask(0), Some(Denial::TooMany { retry_after: 1 }));
        assert_eq!(ask(999), Some(Denial::TooMany { retry_after: 1 }));
        assert_eq!(ask(1_000), None, "what is refused does not count");
        assert!(ask(1_000).is_some());
    }

    #[test]
    fn weights_are_of_the_clock_minute_and_who_asks_on_is_banned() {
        let mut limiter = Limiter::weight(6_000, Duration::from_secs(120));
        let start = Instant::now();
        let mut ask = |seconds: u64, cost| {
            let by = Duration::from_secs(seconds);
            limiter.admit(Family::Ticker, cost, start + by, AT + by)
        };
        assert_eq!(ask(0, 5_980), Verdict { denial: None, used: 5_980 });
        assert_eq!(ask(40, 20), Verdict { denial: None, used: 6_000 });
        for n in 1..=10 {
            let denial = Some(Denial::TooMany { retry_after: 15 });
            assert_eq!(ask(45, 1), Verdict { denial, used: 6_000 + n });
        }
        assert_eq!(ask(50, 1).denial, Some(Denial::Banned { retry_after: 120 }));
        assert_eq!(ask(60, 1).denial, Some(Denial::Banned { retry_after: 110 }));
        assert_eq!(ask(170, 1), Verdict { denial: None, used: 1 });
    }
}
