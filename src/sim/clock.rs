//! The time at which the simulated market stands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{clock::Clock, market::UnixMs};

/// Where the simulated market takes its time from.
///
/// Only the market follows it. Request windows and bans run on real time, because the clients that
/// are counted do.
#[derive(Clone, Debug)]
pub enum SimClock {
    /// The wall clock.
    Wall(Clock),
    /// Stands still until it is moved.
    Manual(ManualTime),
}

impl SimClock {
    /// The market's present.
    pub fn now(&self) -> UnixMs {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::Manual(time) => time.now(),
        }
    }
}

/// A time that a test moves by hand. Clones are the same time.
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<AtomicI64>);

impl ManualTime {
    /// Stands at `start`.
    pub fn new(start: UnixMs) -> Self {
        Self(Arc::new(AtomicI64::new(start.millis())))
    }

    /// The time it stands at.
    pub fn now(&self) -> UnixMs {
        UnixMs::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Jumps to `to`, forwards or backwards.
    pub fn set(&self, to: UnixMs) {
        self.0.store(to.millis(), Ordering::SeqCst);
    }

    /// Moves forwards by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}
