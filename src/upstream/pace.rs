//! The pace of calls below the window's ceiling: governor's GCRA on tokio's clock.
//!
//! GCRA alone starves: it lets a burst and then the full rate through, which the window cannot
//! bear for a whole minute. At two thirds of it the window would be full, nothing could be sent
//! until the burst's slots come free, and by then GCRA would have saved up the next burst, so the
//! same would happen every minute. Therefore a turn that leaves nothing of the burst, or no slot
//! of the window, also puts off the one after it ([`Pace::spread`]) to the even pace that meets
//! every slot when it comes free: what is left of the window is shared out over the time until
//! there is more. It is put off by moving GCRA's theoretical arrival time, so that the time spent
//! waiting for a slot earns no burst; the time in which nobody asks still does.

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use tokio::time::Instant;

/// governor's clock, set by hand to tokio's time (in nanoseconds since the pace's epoch), so that
/// the same limiter that decides can also be asked about the future.
#[derive(Debug)]
struct Hand(Cell<u64>);

impl Clock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

/// governor's whole state, shared with us: the theoretical arrival time. Every access is under
/// the ledger's lock; the atomic only satisfies the type.
#[derive(Clone, Debug)]
struct Arrival(Arc<AtomicU64>);

impl Arrival {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl StateStore for Arrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, next) = f(Some(Nanos::new(self.get())))?;
        self.set(next.as_u64());
        Ok(answer)
    }
}

/// What a pace lets through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// One unit in this time, evenly.
    pub(super) period: Duration,
    /// So many at once after idle.
    pub(super) burst: NonZeroU32,
}

/// Lets so much through at once after idle, then an even pace.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: RateLimiter<NotKeyed, Arrival, Hand, NoOpMiddleware<Nanos>>,
    arrival: Arrival,
    period: Duration,
    burst: NonZeroU32,
    epoch: Instant,
}

impl Pace {
    pub(super) fn new(quota: Quota, epoch: Instant) -> Self {
        Self::over(Arrival(Arc::default()), quota, epoch)
    }

    fn over(arrival: Arrival, Quota { period, burst }: Quota, epoch: Instant) -> Self {
        let period = period.max(Duration::from_nanos(1));
        let quota = governor::Quota::with_period(period).expect("at least a nanosecond");
        let quota = quota.allow_burst(burst);
        let limiter = RateLimiter::new(quota, arrival.clone(), Hand(Cell::new(0)));
        Self { limiter, arrival, period, burst, epoch }
    }

    /// Takes a call's turn, or tells when it may be taken. A call of more units than go at once
    /// waits until as many as that could, and takes all of its own.
    fn take(&self, now: Instant, units: u32) -> Result<(), Instant> {
        self.limiter.clock().0.set(self.since_epoch(now));
        let at_once = NonZeroU32::new(units.min(self.burst.get())).unwrap_or(NonZeroU32::MIN);
        let taken = self.limiter.check_n(at_once).expect("no more than the burst");
        taken.map_err(|later| self.epoch + Duration::from(later.earliest_possible()))?;
        self.put_off(self.turns(units.saturating_sub(at_once.get())));
        Ok(())
    }

    fn since_epoch(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.epoch))
    }

    /// The time that so many turns take.
    fn turns(&self, units: u32) -> u64 {
        nanos(self.period).saturating_mul(units.into())
    }

    fn put_off(&self, by: u64) {
        self.arrival.set(self.arrival.get().saturating_add(by));
    }

    /// Units that are left of the burst, the first of which GCRA would let pass at the arrival time
    /// less its tolerance.
    fn left(&self, now: Instant) -> u32 {
        let until = self.since_epoch(now).saturating_add(self.turns(self.burst.get() - 1));
        let Some(room) = until.checked_sub(self.arrival.get()) else { return 0 };
        let units = room / nanos(self.period) + 1;
        u32::try_from(units).map_or(self.burst.get(), |units| units.min(self.burst.get()))
    }

    /// Puts off the turn after the one that was taken at `now`, if that was the burst's or the
    /// window's last. `releases`: when the slots that are held come free, its own among them,
    /// soonest first. Returns by how much more than the period, for [`Pace::refund`].
    fn spread(&mut self, now: Instant, releases: &[(Instant, u32)], ceiling: u32) -> Duration {
        let before = self.arrival.get();
        let held = releases.iter().fold(0_u32, |held, (_, units)| held.saturating_add(*units));
        let burst = self.left(now);
        if burst > 0 && held < ceiling {
            return Duration::ZERO;
        }
        // What is left of the burst would go at once when several slots come free.
        if burst > 0 {
            self.take(now, burst).expect("that much is left of the burst");
        }
        let due = self.due(now, 1);
        let mut left = ceiling.saturating_sub(held);
        let mut excess = held.saturating_sub(ceiling);
        let mut pace = self.period;
        // At this pace, the first turn that needs a slot which is held now would come then.
        let mut turn = due + pace * left;
        for (release, units) in releases {
            let passed = excess.min(*units);
            let units = units - passed;
            excess -= passed;
            if units == 0 {
                continue;
            }
            if *release > turn {
                pace = (*release - due + self.period) / (left + 1);
                turn = *release;
            }
            turn += pace * units;
            left = left.saturating_add(units);
        }
        self.put_off(nanos(pace - self.period));
        Duration::from_nanos(self.arrival.get() - before)
    }

    /// Follows a call that was sent at `at`, whether or not it was its turn. Times and `releases`
    /// as for [`Pace::spread`], whose answer it returns.
    pub(super) fn follow_call(
        &mut self,
        at: Instant,
        units: u32,
        releases: &[(Instant, u32)],
        ceiling: u32,
    ) -> Duration {
        self.charge(at, units);
        self.spread(at, releases, ceiling)
    }

    /// Takes a turn at `at`, whether or not it is due.
    pub(super) fn charge(&mut self, at: Instant, units: u32) {
        if self.take(at, units).is_err() {
            self.put_off(self.turns(units));
        }
    }

    /// How many turns of so many units it bears now.
    pub(super) fn at_once(&self, units: u32, now: Instant) -> u32 {
        let whole = self.left(now) / units.max(1);
        whole.max(u32::from(self.due(now, units) <= now))
    }

    /// When it bears a turn of so many units: now, or later.
    pub(super) fn due(&self, now: Instant, units: u32) -> Instant {
        let before = self.arrival.get();
        let due = self.take(now, units).err().unwrap_or(now);
        self.arrival.set(before);
        due
    }

    /// Gives a turn back that was taken and not used, and by which the next was put off.
    pub(super) fn refund(&mut self, units: u32, put_off: Duration) {
        let by = self.turns(units).saturating_add(nanos(put_off));
        self.arrival.set(self.arrival.get().saturating_sub(by));
    }

    /// Follows a new quota; what was taken already stays taken.
    pub(super) fn follow(&mut self, quota: Quota) {
        *self = Self::over(self.arrival.clone(), quota, self.epoch);
    }

    /// A copy to look ahead with.
    pub(super) fn fork(&self) -> Self {
        let arrival = Arrival(Arc::new(AtomicU64::new(self.arrival.get())));
        Self::over(arrival, Quota { period: self.period, burst: self.burst }, self.epoch)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
