//! What was asked, how often, and whether it was too often.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::market::UnixMs;

use super::{
    Family, WsCounts,
    limiter::{Denial, Limiter},
};

/// A request as the simulated exchange saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// The market's time at which it came in.
    pub when: UnixMs,
    /// Which limit it counts against.
    pub family: Family,
    /// Path and query as sent.
    pub path: String,
    /// The status answered; `None` while it is open, or for ever if it got no answer.
    pub status: Option<u16>,
}

/// Sums since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests received, refused ones too. Families without any are absent.
    pub received: BTreeMap<Family, u64>,
    /// Of those, the ones refused because of a limit or a ban.
    pub refused: BTreeMap<Family, u64>,
    /// The most requests that arrived within any one window, refused ones too.
    pub peak: BTreeMap<Family, u64>,
    /// WebSocket connections.
    pub ws: WsCounts,
}

impl Counts {
    /// Requests received by a family.
    pub fn of(&self, family: Family) -> u64 {
        self.received.get(&family).copied().unwrap_or(0)
    }

    /// Requests received by all families, unknown paths included.
    pub fn total(&self) -> u64 {
        self.received.values().sum()
    }

    /// Requests refused because of a limit or a ban.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The most requests of a family within any one window.
    pub fn peak_of(&self, family: Family) -> u64 {
        self.peak.get(&family).copied().unwrap_or(0)
    }
}

/// How many calls the log keeps.
const LOGGED: usize = 20_000;

/// Counts and logs calls and keeps the request limits.
pub(super) struct Ledger {
    limiter: Option<Limiter>,
    window: Duration,
    /// Arrivals within the last window, refused ones too.
    arrivals: BTreeMap<Family, VecDeque<Instant>>,
    counts: Counts,
    log: VecDeque<Call>,
    /// Number of the oldest call in the log.
    oldest: u64,
    /// One time by both clocks: clock minutes follow the runtime's clock, which tests may hold.
    began: (Instant, UnixMs),
}

/// A call that has been let in or refused.
pub(super) struct Admission {
    /// Its place in the log.
    pub(super) number: u64,
    pub(super) denial: Option<Denial>,
    /// What is used up of the limit.
    pub(super) used: u32,
}

impl Ledger {
    /// `None`: counts, but refuses nothing.
    pub(super) fn new(limiter: Option<Limiter>, window: Duration, now: UnixMs) -> Self {
        Self {
            limiter,
            window,
            arrivals: BTreeMap::new(),
            counts: Counts::default(),
            log: VecDeque::new(),
            oldest: 0,
            began: (Instant::now(), now),
        }
    }

    /// Counts a call and decides.
    pub(super) fn admit(&mut self, call: Call, cost: u32, now: Instant) -> Admission {
        let family = call.family;
        let arrivals = self.arrivals.entry(family).or_default();
        while arrivals.front().is_some_and(|&at| now - at >= self.window) {
            arrivals.pop_front();
        }
        arrivals.push_back(now);
        let peak = self.counts.peak.entry(family).or_default();
        *peak = (*peak).max(arrivals.len() as u64);
        *self.counts.received.entry(family).or_default() += 1;

        let at = self.began.1 + (now - self.began.0);
        let verdict = self.limiter.as_mut().map(|limiter| limiter.admit(family, cost, now, at));
        let denial = verdict.and_then(|verdict| verdict.denial);
        if denial.is_some() {
            *self.counts.refused.entry(family).or_default() += 1;
        }
        if self.log.len() == LOGGED {
            self.log.pop_front();
            self.oldest += 1;
        }
        self.log.push_back(call);
        let number = self.oldest + self.log.len() as u64 - 1;
        Admission { number, denial, used: verdict.map_or(0, |verdict| verdict.used) }
    }

    /// Notes the status that a call was answered with.
    pub(super) fn answered(&mut self, number: u64, status: u16) {
        let place = number.checked_sub(self.oldest).and_then(|n| usize::try_from(n).ok());
        if let Some(call) = place.and_then(|place| self.log.get_mut(place)) {
            call.status = Some(status);
        }
    }

    /// WebSockets are counted elsewhere.
    pub(super) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    pub(super) fn log(&self) -> Vec<Call> {
        self.log.iter().cloned().collect()
    }

    /// Forgets sums and log. Windows and bans go on: a client has not slept because a test looked.
    pub(super) fn reset(&mut self) {
        self.counts = Counts::default();
        self.oldest += self.log.len() as u64;
        self.log.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Limits;

    const MINUTE: Duration = Duration::from_secs(60);

    fn ledger(limits: Option<Limits>) -> Ledger {
        let limiter = limits.map(|limits| Limiter::windows(limits, MINUTE, MINUTE));
        Ledger::new(limiter, MINUTE, UnixMs::from_millis(0))
    }

    fn call() -> Call {
        Call {
            when: UnixMs::from_millis(0),
            family: Family::Trades,
            path: "/v2/trades/tBTCUSD/hist".to_owned(),
            status: None,
        }
    }

    fn refused_after(ledger: &mut Ledger, start: Instant, seconds: f64) -> bool {
        ledger.admit(call(), 1, start + Duration::from_secs_f64(seconds)).denial.is_some()
    }

    #[test]
    fn the_sixteenth_call_of_a_window_begins_a_ban_that_ends_by_itself() {
        let mut ledger = ledger(Some(Limits::DOCUMENTED));
        let start = Instant::now();
        for second in 0..15 {
            assert!(!refused_after(&mut ledger, start, f64::from(second)), "{second}");
        }
        assert!(refused_after(&mut ledger, start, 59.9));
        assert!(refused_after(&mut ledger, start, 75.0), "the window is free, the ban is not over");
        assert!(refused_after(&mut ledger, start, 119.8));
        assert!(!refused_after(&mut ledger, start, 119.9));
        let counts = ledger.counts();
        assert_eq!((counts.of(Family::Trades), counts.refused_total()), (19, 3));
        assert_eq!(counts.peak_of(Family::Trades), 16);
    }

    #[test]
    fn the_window_slides() {
        let mut ledger = ledger(Some(Limits::DOCUMENTED));
        let start = Instant::now();
        for n in 0..200 {
            assert!(!refused_after(&mut ledger, start, f64::from(n) * 4.0), "15 in any minute");
        }
        assert_eq!(ledger.counts().peak_of(Family::Trades), 15);
    }

    #[test]
    fn the_log_is_bounded_and_takes_late_statuses() {
        let mut ledger = ledger(None);
        let now = Instant::now();
        let first = ledger.admit(call(), 1, now).number;
        for _ in 0..LOGGED {
            ledger.admit(call(), 1, now);
        }
        let last = ledger.admit(call(), 1, now).number;
        ledger.answered(first, 200);
        ledger.answered(last, 503);
        let log = ledger.log();
        assert_eq!((log.len(), log[LOGGED - 1].status), (LOGGED, Some(503)));
        assert_eq!(log.iter().filter(|call| call.status.is_some()).count(), 1);
        ledger.reset();
        ledger.answered(last, 200);
        assert!(ledger.log().is_empty() && ledger.counts() == Counts::default());
    }
}
