//! One topic that is wanted, live, or not to be asked for.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    exchange::Refused,
    feed::{Lapse, Standing, Turn, Want, channel::Mark},
};

/// How much hotter a key has to be than a live one to take its channel.
const HOTTER: f64 = 1.5;
/// For this long a hot key keeps a new channel against hotter ones.
const MIN_STAY: Duration = Duration::from_secs(30);
/// How long a subscription that the exchange calls wrong is not repeated.
const INVALID_REST: Duration = Duration::from_secs(600);
/// The least pause before a subscription that was not answered is repeated.
const UNANSWERED_REST: Duration = Duration::from_secs(5);
/// How often a topic may have its whole socket replaced.
const REPLACE_EVERY: Duration = Duration::from_secs(600);

/// A topic's place on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) place: u64,
    pub(super) since: Instant,
    /// The socket has been told to give it up and has not done so yet.
    pub(super) leaving: bool,
}

/// What the sink was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing, or that the topic is closed.
    Nothing,
    Opened,
    Lapsed(Lapse),
}

/// One topic.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pinned: bool,
    pub(super) leases: usize,
    /// Topics that are wanted in the same way are served in this order.
    number: u64,
    pub(super) linger_until: Option<Instant>,
    /// Reads a minute.
    pub(super) heat: f64,
    hot: bool,
    /// The fewest reads a minute that it was hot with; while it has a channel they stay enough.
    bar: f64,
    /// It is hot because calls are short, and would not be otherwise.
    modest: bool,
    cool_since: Option<Instant>,
    pub(super) seat: Option<Seat>,
    /// Until when it is not asked for.
    pub(super) hold: Option<Instant>,
    /// Subscriptions in a row that brought no channel.
    misses: u32,
    replaced: Option<Instant>,
    pub(super) told: Told,
    pub(super) mark: Arc<Mark>,
}

/// Who goes before whom; the least first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rank {
    class: Want,
    seated: Reverse<bool>,
    heat: f64,
    number: u64,
}

impl Rank {
    pub(super) fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.class.cmp(&other.class))
            .then(self.seated.cmp(&other.seated))
            .then(other.heat.total_cmp(&self.heat))
            .then(self.number.cmp(&other.number))
    }
}

impl Entry {
    pub(super) fn new(number: u64, mark: Arc<Mark>) -> Self {
        Self {
            pinned: false,
            leases: 0,
            number,
            linger_until: None,
            heat: 0.0,
            hot: false,
            bar: f64::INFINITY,
            modest: false,
            cool_since: None,
            seat: None,
            hold: None,
            misses: 0,
            replaced: None,
            told: Told::Nothing,
            mark,
        }
    }

    pub(super) fn want(&self) -> Option<Want> {
        if self.pinned {
            Some(Want::Pinned)
        } else if self.leases > 0 {
            Some(Want::Followed)
        } else if self.hot {
            Some(Want::Hot)
        } else {
            self.linger_until.map(|_| Want::Lingering)
        }
    }

    /// True if somebody has asked for this very topic.
    pub(super) fn is_wanted_by_name(&self) -> bool {
        self.pinned || self.leases > 0
    }

    pub(super) fn is_seated(&self) -> bool {
        self.seat.is_some()
    }

    /// True if nothing would be lost by forgetting it.
    pub(super) fn is_nothing(&self) -> bool {
        let known = self.is_seated() || self.hold.is_some() || self.told != Told::Nothing;
        !known && self.want().is_none()
    }

    /// Its rank among those that want a channel.
    pub(super) fn rank(&self, now: Instant) -> Option<Rank> {
        let class = self.want().filter(|_| self.hold.is_none())?;
        let seat = self.seat.filter(|seat| !seat.leaving);
        let named = class <= Want::Followed;
        let heat = match (class, seat) {
            (Want::Hot, Some(seat)) if now < seat.since + MIN_STAY => f64::INFINITY,
            (Want::Hot, Some(_)) => self.heat * HOTTER,
            // Behind all that have a channel: it takes nobody's.
            (Want::Hot, None) if self.modest => -self.heat.recip(),
            (Want::Hot, None) => self.heat,
            _ => 0.0,
        };
        Some(Rank { class, seated: Reverse(named && seat.is_some()), heat, number: self.number })
    }

    /// It is read so often now, where `bar` is enough to be hot.
    pub(super) fn heat(&mut self, reads: f64, bar: f64, modest: bool, now: Instant) {
        (self.heat, self.modest) = (reads, modest);
        let bar = if self.is_seated() { self.bar.min(bar) } else { bar };
        if reads >= bar {
            (self.hot, self.bar) = (true, bar);
            self.cool_since = None;
        } else if self.hot {
            self.cool_since.get_or_insert(now);
        }
    }

    /// Time has passed.
    pub(super) fn expire(&mut self, idle: Duration, now: Instant) {
        self.hold = self.hold.filter(|until| *until > now);
        self.linger_until = self.linger_until.filter(|until| *until > now);
        let cool = self.cool_since.is_some_and(|since| self.seat.is_none() || now >= since + idle);
        if cool {
            (self.hot, self.bar) = (false, f64::INFINITY);
            self.cool_since = None;
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let leaving = self.seat.is_some_and(|seat| seat.leaving);
        match self.told {
            _ if self.want().is_none() || (leaving && !self.is_wanted_by_name()) => {
                Standing::Unwanted
            }
            Told::Opened => Standing::Live,
            Told::Lapsed(lapse) => Standing::Lapsed(lapse),
            Told::Nothing if self.is_seated() || self.is_wanted_by_name() => Standing::Opening,
            Told::Nothing => Standing::Unwanted,
        }
    }

    pub(super) fn opened(&mut self) {
        self.told = Told::Opened;
        self.misses = 0;
    }

    /// True if the sink does not know yet that the topic is not live.
    pub(super) fn lapse(&mut self, lapse: Lapse) -> bool {
        let news = !matches!(self.told, Told::Lapsed(_));
        self.told = Told::Lapsed(lapse);
        news
    }

    /// The exchange did not open it; what to tell. `jitter` is 0.5 to 1.
    pub(super) fn refuse(
        &mut self,
        refused: &Refused,
        longest: Duration,
        jitter: f64,
        now: Instant,
    ) -> Option<Turn> {
        let overflow = *refused == Refused::Full;
        // The first that does not fit goes to another socket at once.
        let free = u32::from(overflow);
        let doublings = self.misses.saturating_sub(free).min(16);
        let rest = UNANSWERED_REST.saturating_mul(1 << doublings);
        let rest = rest.min(longest.max(UNANSWERED_REST)).mul_f64(jitter);
        let moves = overflow && self.misses == 0;
        self.misses = self.misses.saturating_add(1);
        let lapse = match refused {
            Refused::Invalid { .. } => {
                self.hold = Some(now + INVALID_REST);
                self.told = Told::Lapsed(Lapse::Refused);
                return Some(Turn::Refused(refused.clone()));
            }
            Refused::Full if moves && self.told == Told::Nothing => return None,
            Refused::Full => Lapse::NoRoom,
            Refused::Unanswered => Lapse::Refused,
        };
        if !moves {
            self.hold = Some(now + rest);
        }
        self.lapse(lapse).then_some(Turn::Lapsed(lapse))
    }

    /// True if it may have its socket replaced for its sake; not again for a while then.
    pub(super) fn may_replace(&mut self, now: Instant) -> bool {
        let may = self.replaced.is_none_or(|at| now >= at + REPLACE_EVERY);
        if may {
            self.replaced = Some(now);
        }
        may
    }
}
