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
use crate::exchange::Family;

/// Is told what a next process has to know, so that it can be given back as [`Saved`].
///
/// What is told of bans is told in the order in which it happened. Whoever is told should only take
/// a note, since the call that is about to be sent waits for it; the room's own lock is not held
/// meanwhile.
pub trait Journal: Send + Sync {
    /// A call is about to be sent.
    fn called(&self, exchange: &'static str, family: Family);

    /// A ban began, or was met again and may end later than was told before: no call for `left`,
    /// counted from now. No family: all of them.
    fn closed(&self, exchange: &'static str, family: Option<Family>, left: Duration);

    /// A ban is over, as a call has proved.
    fn opened(&self, exchange: &'static str, family: Option<Family>);
}

/// Nothing outlives the process.
impl Journal for () {
    fn called(&self, _exchange: &'static str, _family: Family) {}
    fn closed(&self, _exchange: &'static str, _family: Option<Family>, _left: Duration) {}
    fn opened(&self, _exchange: &'static str, _family: Option<Family>) {}
}

/// What a [`Journal`] of earlier processes holds of one exchange.
///
/// Both are distances from now, so that wall time stays with whoever keeps the journal. Where it
/// was set back, a call may seem to lie ahead: that is one sent just now, `Duration::ZERO` ago.
/// Where it was set forward, calls seem older than they are, which nothing here can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Calls that were sent, and how long ago, in any order. Those longer ago than
    /// [`Saved::horizon`] do not matter.
    pub calls: Vec<(Family, Duration)>,
    /// Bans that were not seen to end, and what is left of each; zero for those that only lack the
    /// proof. No family: all of them.
    pub bans: Vec<(Option<Family>, Duration)>,
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

    pub(super) fn called(&self, family: Family) {
        self.journal.called(self.exchange, family);
    }

    /// Tells of gates that have changed. `news` looks at them as they are now, and brings what it
    /// is given, which is what was told, up to date.
    pub(super) fn tell(&self, news: impl FnOnce(&mut [Mark]) -> Vec<(Option<Family>, News)>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (family, news) in news(&mut told) {
            match news {
                News::Closed(left) => self.journal.closed(self.exchange, family, left),
                News::Opened => self.journal.opened(self.exchange, family),
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
