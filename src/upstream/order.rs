//! Whose turn is next.
//!
//! The first class in which somebody may take a slot, and in it start-time fair queueing (Goyal,
//! Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996): a call costs its slots over its client's
//! weight, starts in virtual time when the client's last one ended or now, whatever is later, and
//! the first to start is next. A client that was silent saves nothing up.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    pace::Pace,
    queue::{CLASSES, Head},
    shares::{Claim, Shares},
    window::Tenant,
};
use crate::telemetry::Wait;

/// Of so much that is spent at most one part goes to starving waiters before their time.
const STARVED_ONE_IN: u32 = 4;

/// What a slot costs a client of weight 1. At thousands of slots a minute virtual time lasts for
/// decades.
const COST: u64 = 1 << 28;

/// What slots cost a client in virtual time.
pub(super) fn cost(weight: u16, units: u32) -> u64 {
    COST / u64::from(weight.max(1)) * u64::from(units)
}

/// The state of the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    starvation_bound: Duration,
    /// Slots that were taken since a starving waiter's turn.
    since_starved: u32,
    /// When somebody last took a slot that was kept for others, because he starved.
    passed: Option<Instant>,
    /// When the last call of each class started.
    virtual_time: [u64; CLASSES],
}

/// What is free at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    pub(super) at: Instant,
    pub(super) ceiling: u32,
    /// Slots of the window.
    pub(super) slots: u32,
    pub(super) own: &'a Pace,
    /// The pace of what is left over.
    pub(super) spare: &'a Pace,
}

impl Room<'_> {
    /// True if so many slots can be taken now.
    fn bears(&self, claim: Claim, units: u32) -> bool {
        let (pace, reserve) = match claim {
            Claim::Alone | Claim::Own => (self.own, 0),
            Claim::Spare { reserve } => (self.spare, reserve),
        };
        self.slots >= units.saturating_add(reserve) && pace.due(self.at, units) <= self.at
    }

    /// True if a call may claim what is free: all that it needs, or a part of it that it keeps for
    /// itself until there is enough.
    fn lets(&self, claim: Claim, units: u32) -> bool {
        let ever = match claim {
            Claim::Alone | Claim::Own => true,
            Claim::Spare { reserve } => units.saturating_add(reserve) <= self.ceiling,
        };
        ever && self.bears(claim, 1)
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) class: usize,
    pub(super) head: Head,
    pub(super) claim: Claim,
    start: u64,
    starved: bool,
    passes: bool,
}

impl Choice {
    pub(super) fn tenant(&self) -> Tenant {
        Tenant { client: self.head.client, class: Wait::ALL[self.class], spare: self.is_spare() }
    }

    fn is_spare(&self) -> bool {
        matches!(self.claim, Claim::Spare { .. })
    }
}

impl Order {
    pub(super) fn new(starvation_bound: Duration) -> Self {
        Self { starvation_bound, since_starved: u32::MAX, passed: None, virtual_time: [0; CLASSES] }
    }

    /// The next of `heads`, each the first waiter of a client in a class.
    ///
    /// Whoever is next and needs more than is free waits for it, and those behind him wait with
    /// him, so that no stream of smaller calls passes him again and again. One who waits for what
    /// is left over keeps nobody from what is kept for others.
    pub(super) fn choose(
        &self,
        heads: &[Vec<Head>; CLASSES],
        shares: &Shares,
        room: &Room<'_>,
    ) -> Option<Choice> {
        if room.slots == 0 {
            return None;
        }
        let due = |pace: &Pace| pace.due(room.at, 1) <= room.at;
        if !due(room.own) && !due(room.spare) {
            return None;
        }
        let (first, starving) = self.first(heads, shares, room, false);
        let bears = |choice: &Choice| room.bears(choice.claim, choice.head.units);
        let its_time = |choice: &Choice| {
            let before = choice.head.units.saturating_mul(STARVED_ONE_IN - 1);
            choice.passes || self.since_starved >= before
        };
        if let Some(starving) = starving.filter(its_time) {
            return Some(starving).filter(bears);
        }
        match first.filter(|first| first.is_spare() && !bears(first)) {
            Some(_) => self.first(heads, shares, room, true).0.filter(bears),
            None => first.filter(bears),
        }
    }

    /// The first who may claim what is free, of all or of those who may claim any slot; and who of
    /// the others has starved longest.
    fn first(
        &self,
        heads: &[Vec<Head>; CLASSES],
        shares: &Shares,
        room: &Room<'_>,
        own: bool,
    ) -> (Option<Choice>, Option<Choice>) {
        let mut first: Option<Choice> = None;
        let mut oldest: Option<Choice> = None;
        let paced = room.own.due(room.at, 1) <= room.at;
        for (class, heads) in heads.iter().enumerate() {
            let preferred = first.is_some();
            for head in heads {
                let start = shares.finish(head.client, class).max(self.virtual_time[class]);
                let next = |before: Choice| (start, head.since) < (before.start, before.head.since);
                let contends = !preferred && first.is_none_or(next);
                let waited = room.at.saturating_duration_since(head.since);
                let passes = || {
                    waited >= self.starvation_bound
                        && paced
                        && self.may_pass(head, Wait::ALL[class], shares, room.at)
                };
                let older = oldest.is_none_or(|oldest| head.since < oldest.head.since);
                let starves = preferred && waited > self.starvation_bound;
                // To find a claim takes longer than all the rest.
                if !contends && !(older && (starves || passes())) {
                    continue;
                }
                let claim = shares.claim(head.client, Wait::ALL[class], head.units, room.ceiling);
                let lets = room.lets(claim, head.units);
                let mut choice =
                    Choice { class, head: *head, claim, start, starved: false, passes: false };
                if lets && contends && !(own && choice.is_spare()) {
                    first = Some(choice);
                }
                if older && if lets { starves } else { passes() } {
                    choice.starved = true;
                    if !lets {
                        (choice.claim, choice.passes) = (Claim::Own, true);
                    }
                    oldest = Some(choice);
                }
            }
        }
        (first, oldest)
    }

    /// The first instant after `now` at which somebody may have waited long enough to take what is
    /// kept for others.
    pub(super) fn next_to_starve(
        &self,
        heads: &[Vec<Head>; CLASSES],
        now: Instant,
    ) -> Option<Instant> {
        let passed = |since: Instant| self.passed.map_or(since, |passed| passed.max(since));
        let starves = |head: &Head| passed(head.since) + self.starvation_bound;
        heads.iter().flatten().map(starves).filter(|at| *at > now).min()
    }

    /// True for one who has nothing, if nobody else has passed lately.
    fn may_pass(&self, head: &Head, class: Wait, shares: &Shares, at: Instant) -> bool {
        self.passed.is_none_or(|passed| passed + self.starvation_bound <= at)
            && shares.has_nothing(head.client, class)
    }

    /// Charges the turn to the client; returns when it ends in the class's virtual time.
    pub(super) fn granted(&mut self, choice: &Choice, weight: u16, now: Instant) -> u64 {
        let units = choice.head.units;
        self.since_starved =
            if choice.starved { 0 } else { self.since_starved.saturating_add(units) };
        if choice.passes {
            self.passed = Some(now);
        }
        self.virtual_time[choice.class] = choice.start;
        choice.start.saturating_add(cost(weight, choice.head.units))
    }
}
