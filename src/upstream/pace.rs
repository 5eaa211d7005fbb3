//! The pace of calls below the window's ceiling: governor's GCRA on tokio's clock.

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

impl StateStore for Arrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, next) = f(Some(Nanos::new(self.0.load(Ordering::Relaxed))))?;
        self.0.store(next.as_u64(), Ordering::Relaxed);
        Ok(answer)
    }
}

/// Lets a third of the ceiling through at once after idle, then the ceiling's even pace.
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
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.limiter.clock().0.set(self.nanos(now));
        self.limiter.check().map_err(|later| self.epoch + Duration::from(later.earliest_possible()))
    }

    /// Gives a turn back that was taken and not used.
    pub(super) fn refund(&mut self) {
        let arrival = self.arrival.0.load(Ordering::Relaxed);
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        self.arrival.0.store(arrival.saturating_sub(period), Ordering::Relaxed);
    }

    /// Follows a new ceiling; what was taken already stays taken.
    pub(super) fn follow(&mut self, ceiling: u32, window: Duration) {
        *self =
            Self::over(self.arrival.clone(), window / ceiling.max(1), burst(ceiling), self.epoch);
    }

    /// A copy to look ahead with.
    pub(super) fn fork(&self, ceiling: u32) -> Self {
        let arrival = Arrival(Arc::new(AtomicU64::new(self.arrival.0.load(Ordering::Relaxed))));
        Self::over(arrival, self.period, burst(ceiling), self.epoch)
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

fn burst(ceiling: u32) -> NonZeroU32 {
    NonZeroU32::new(ceiling.div_ceil(3)).unwrap_or(NonZeroU32::MIN)
}
