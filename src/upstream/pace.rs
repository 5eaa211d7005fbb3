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
    Quota, RateLimiter,
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

/// Lets a third of the ceiling through at once after idle, then an even pace.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: RateLimiter<NotKeyed, Arrival, Hand, NoOpMiddleware<Nanos>>,
    arrival: Arrival,
    period: Duration,
    epoch: Instant,
}

impl Pace {
    pub(super) fn new(ceiling: u32, window: Duration, epoch: Instant) -> Self {
        Self::over(Arrival(Arc::default()), window / ceiling.max(1), burst(ceiling), epoch)
    }

    fn over(arrival: Arrival, period: Duration, burst: NonZeroU32, epoch: Instant) -> Self {
        let period = period.max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("at least a nanosecond").allow_burst(burst);
        let limiter = RateLimiter::new(quota, arrival.clone(), Hand(Cell::new(0)));
        Self { limiter, arrival, period, epoch }
    }

    /// Takes one call's turn, or tells when it may be taken.
    fn take(&self, now: Instant) -> Result<(), Instant> {
        self.limiter.clock().0.set(nanos(now.saturating_duration_since(self.epoch)));
        self.limiter.check().map_err(|later| self.epoch + Duration::from(later.earliest_possible()))
    }

    /// Puts off the turn after the one that was taken at `now`, if that was the burst's or the
    /// window's last. `releases`: when the slots that are held come free, its own among them,
    /// soonest first. Returns by how much more than the period, for [`Pace::refund`].
    fn spread(&mut self, now: Instant, releases: &[Instant], ceiling: u32) -> Duration {
        let before = self.arrival.get();
        let held = u32::try_from(releases.len()).unwrap_or(u32::MAX);
        let due = loop {
            match self.take(now) {
                Err(due) => break due,
                // What is left of the burst would go at once when several slots come free.
                Ok(()) if held >= ceiling => {}
                Ok(()) => {
                    self.arrival.set(before);
                    return Duration::ZERO;
                }
            }
        };
        let left = ceiling.saturating_sub(held);
        let excess = held.saturating_sub(ceiling) as usize;
        let mut pace = self.period;
        // At this pace, the first turn that needs a slot which is held now would come then.
        let mut turn = due + pace * left;
        for (release, turns) in releases.iter().skip(excess).zip(left + 1..) {
            if *release > turn {
                pace = (*release - due + self.period) / turns;
                turn = *release;
            }
            turn += pace;
        }
        self.arrival.set(self.arrival.get() + nanos(pace - self.period));
        Duration::from_nanos(self.arrival.get() - before)
    }

    /// Follows a call that was sent at `at`, whether or not it was its turn. Times and `releases`
    /// as for [`Pace::spread`], whose answer it returns.
    pub(super) fn follow_call(
        &mut self,
        at: Instant,
        releases: &[Instant],
        ceiling: u32,
    ) -> Duration {
        self.charge(at);
        self.spread(at, releases, ceiling)
    }

    /// Takes a turn at `at`, whether or not it is due.
    pub(super) fn charge(&mut self, at: Instant) {
        if self.take(at).is_err() {
            self.arrival.set(self.arrival.get() + nanos(self.period));
        }
    }

    /// How many turns it bears now, `most` at most.
    pub(super) fn at_once(&self, most: u32, now: Instant) -> u32 {
        let before = self.arrival.get();
        let turns = (0..most).take_while(|_| self.take(now).is_ok()).count();
        self.arrival.set(before);
        u32::try_from(turns).unwrap_or(most)
    }

    /// When it bears a turn: now, or later.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let before = self.arrival.get();
        let due = self.take(now).err().unwrap_or(now);
        self.arrival.set(before);
        due
    }

    /// Gives a turn back that was taken and not used, and by which the next was put off.
    pub(super) fn refund(&mut self, put_off: Duration) {
        self.arrival.set(self.arrival.get().saturating_sub(nanos(self.period + put_off)));
    }

    /// Follows a new ceiling; what was taken already stays taken.
    pub(super) fn follow(&mut self, ceiling: u32, window: Duration) {
        *self =
            Self::over(self.arrival.clone(), window / ceiling.max(1), burst(ceiling), self.epoch);
    }

    /// A copy to look ahead with.
    pub(super) fn fork(&self, ceiling: u32) -> Self {
        let arrival = Arrival(Arc::new(AtomicU64::new(self.arrival.get())));
        Self::over(arrival, self.period, burst(ceiling), self.epoch)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn burst(ceiling: u32) -> NonZeroU32 {
    NonZeroU32::new(ceiling.div_ceil(3)).unwrap_or(NonZeroU32::MIN)
}
