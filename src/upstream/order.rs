//! Whose turn is next.
//!
//! The first class in which somebody may take a slot, and in it start-time fair queueing (Goyal,
//! Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996): a call costs one over its client's
//! weight, starts in virtual time when the client's last one ended or now, whatever is later, and
//! the first to start is next. A client that was silent saves nothing up.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    queue::{CLASSES, Head},
    shares::{Claim, Shares},
    window::Tenant,
};
use crate::telemetry::Wait;

/// Of this many turns in a row at most one goes to a starving waiter before its time.
const STARVED_ONE_IN: u32 = 4;

/// What a call of weight 1 costs.
const COST: u64 = 1 << 32;

/// What a call of a client costs in virtual time.
pub(super) fn cost(weight: u16) -> u64 {
    COST / u64::from(weight.max(1))
}

/// The state of the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    starvation_bound: Duration,
    since_starved: u32,
    /// When somebody last took a slot that was kept for others, because he starved.
    passed: Option<Instant>,
    /// When the last call of each class started.
    virtual_time: [u64; CLASSES],
}

/// What is free at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) at: Instant,
    pub(super) ceiling: u32,
    /// Slots of the window.
    pub(super) slots: u32,
    /// The pace bears a turn.
    pub(super) own: bool,
    /// The pace of what is left over bears a turn.
    pub(super) spare: bool,
}

impl Room {
    fn bears(&self, claim: Claim) -> bool {
        match claim {
            Claim::Alone | Claim::Own => self.own && self.slots > 0,
            Claim::Spare { reserve } => self.spare && self.slots > reserve,
        }
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
        let spare = matches!(self.claim, Claim::Spare { .. });
        Tenant { client: self.head.client, class: Wait::ALL[self.class], spare }
    }
}

impl Order {
    pub(super) fn new(starvation_bound: Duration) -> Self {
        Self {
            starvation_bound,
            since_starved: STARVED_ONE_IN,
            passed: None,
            virtual_time: [0; CLASSES],
        }
    }

    /// The next of `heads`, each the first waiter of a client in a class.
    pub(super) fn choose(
        &self,
        heads: &[Vec<Head>; CLASSES],
        shares: &Shares,
        room: &Room,
    ) -> Option<Choice> {
        if room.slots == 0 || !(room.own || room.spare) {
            return None;
        }
        let mut first: Option<Choice> = None;
        let mut oldest: Option<Choice> = None;
        for (class, heads) in heads.iter().enumerate() {
            let preferred = first.is_some();
            for head in heads {
                let start = shares.finish(head.client, class).max(self.virtual_time[class]);
                let next = |before: Choice| (start, head.since) < (before.start, before.head.since);
                let contends = !preferred && first.is_none_or(next);
                let waited = room.at.saturating_duration_since(head.since);
                let passes = || {
                    waited >= self.starvation_bound
                        && room.own
                        && self.may_pass(head, Wait::ALL[class], shares, room.at)
                };
                let older = oldest.is_none_or(|oldest| head.since < oldest.head.since);
                let starves = preferred && waited > self.starvation_bound;
                // To find a claim takes longer than all the rest.
                if !contends && !(older && (starves || passes())) {
                    continue;
                }
                let claim = shares.claim(head.client, Wait::ALL[class], room.ceiling);
                let bears = room.bears(claim);
                let mut choice =
                    Choice { class, head: *head, claim, start, starved: false, passes: false };
                if bears && contends {
                    first = Some(choice);
                }
                if older && if bears { starves } else { passes() } {
                    choice.starved = true;
                    if !bears {
                        (choice.claim, choice.passes) = (Claim::Own, true);
                    }
                    oldest = Some(choice);
                }
            }
        }
        let its_time = self.since_starved + 1 >= STARVED_ONE_IN;
        oldest.filter(|choice| its_time || choice.passes).or(first)
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
        self.since_starved = if choice.starved { 0 } else { self.since_starved.saturating_add(1) };
        if choice.passes {
            self.passed = Some(now);
        }
        self.virtual_time[choice.class] = choice.start;
        choice.start + cost(weight)
    }
}
