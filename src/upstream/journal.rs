//! What outlives the process: the calls that the exchange may still be counting, and its bans.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    gate::{Gate, Mark},
    window::{SLACK, STRAY},
};
/// Is told what a next process has to know, so that it can be given back as [`Saved`].
///
/// What is told of bans is told in the order in which it happened. Whoever is told should only take
/// a note, since the call that is about to be sent waits for it; the room's own lock is not held
/// meanwhile.
pub trait Journal: Send + Sync {
    /// A call is about to be sent, which costs so many units of a pool.
    fn called(&self, exchange: &'static str, pool: &'static str, units: u32);

    /// A ban began, or was met again and may end later than was told before: no call for `left`,
    /// counted from now. No pool: all of them.
    fn closed(&self, exchange: &'static str, pool: Option<&'static str>, left: Duration);

    /// A ban is over, as a call has proved.
    fn opened(&self, exchange: &'static str, pool: Option<&'static str>);
}

/// Nothing outlives the process.
impl Journal for () {
    fn called(&self, _exchange: &'static str, _pool: &'static str, _units: u32) {}
    fn closed(&self, _exchange: &'static str, _pool: Option<&'static str>, _left: Duration) {}
    fn opened(&self, _exchange: &'static str, _pool: Option<&'static str>) {}
}

/// What a [`Journal`] of earlier processes holds of one exchange.
///
/// Both are distances from now, so that wall time stays with whoever keeps the journal. Where it
/// was set back, a call may seem to lie ahead: that is one sent just now, `Duration::ZERO` ago.
/// Where it was set forward, calls seem older than they are, which nothing here can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Calls that were sent, in any order. Those longer ago than [`Saved::horizon`] do not matter.
    pub calls: Vec<SavedCall>,
    /// Bans that were not seen to end.
    pub bans: Vec<SavedBan>,
}

/// A call of an earlier process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCall {
    /// The name of the pool that it was counted in; that of an unknown one does not matter.
    pub pool: String,
    /// What it cost.
    pub units: u32,
    /// How long ago it was sent.
    pub age: Duration,
}

/// A ban that an earlier process met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedBan {
    /// The name of the pool that is closed; `None`: all of them.
    pub pool: Option<String>,
    /// What is left of it; zero: only the proof that it is over is lacking.
    pub left: Duration,
}

impl Saved {
    /// For how long a call has to be remembered after it was sent, with windows of this length and
    /// calls that take `longest_call` at most.
    pub fn horizon(window: Duration, longest_call: Duration) -> Duration {
        longest_call + STRAY + window + SLACK
    }
}

/// What an [`Upstream`](super::Upstream) knows of earlier processes and leaves to later ones.
#[derive(Clone)]
pub struct Memory {
    /// Is told of calls and bans.
    pub journal: Arc<dyn Journal>,
    /// What it was told before.
    pub saved: Saved,
    /// The longest a call may be under way. A journal knows when calls were sent, not when they
    /// ended, and the exchange may have counted each until then.
    pub longest_call: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        Self { journal: Arc::new(()), saved: Saved::default(), longest_call: Duration::ZERO }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { journal: _, saved, longest_call } = self;
        let mut memory = f.debug_struct("Memory");
        memory.field("saved", saved).field("longest_call", longest_call).finish_non_exhaustive()
    }
}

/// A change of a gate that the journal has yet to be told.
pub(super) enum News {
    Closed(Duration),
    Opened,
}

/// Tells the journal of one exchange.
pub(super) struct Scribe {
    exchange: &'static str,
    journal: Arc<dyn Journal>,
    /// Which state of each gate the journal knows. Two calls may end at the same time; whoever
    /// comes second finds told what has changed, or tells it, but never tells it of the past.
    told: Mutex<Vec<Mark>>,
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Scribe {
    /// `told`: the gates as the journal knows them.
    pub(super) fn new(
        exchange: &'static str,
        journal: Arc<dyn Journal>,
        told: impl Iterator<Item = Mark>,
    ) -> Self {
        Self { exchange, journal, told: Mutex::new(told.collect()) }
    }

    pub(super) fn called(&self, pool: &'static str, units: u32) {
        self.journal.called(self.exchange, pool, units);
    }

    /// Tells of gates that have changed. `news` looks at them as they are now, and brings what it
    /// is given, which is what was told, up to date.
    pub(super) fn tell(&self, news: impl FnOnce(&mut [Mark]) -> Vec<(Option<&'static str>, News)>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (pool, news) in news(&mut told) {
            match news {
                News::Closed(left) => self.journal.closed(self.exchange, pool, left),
                News::Opened => self.journal.opened(self.exchange, pool),
            }
        }
    }
}

impl News {
    /// What is new of `gate` since it was as `told`, which is brought up to date.
    pub(super) fn of(gate: &Gate, told: &mut Mark, now: tokio::time::Instant) -> Option<Self> {
        let before = std::mem::replace(told, gate.mark());
        if gate.is_open() {
            (!before.open).then_some(Self::Opened)
        } else {
            (before.open || before.closings != told.closings).then(|| Self::Closed(gate.left(now)))
        }
    }
}
