//! What a pool may spend now and who may spend it, in a form that can be copied to look ahead.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    order::{self, Choice, Order, Room},
    pace::Pace,
    queue::{CLASSES, Head},
    shape::Shape,
    shares::{Claim, Shares},
    window::{Release, Tenant, Window},
};
use crate::{config, telemetry::Payer};

/// Window, paces, shares and order. Everything is counted in units: a call needs as many slots,
/// and as many turns of its pace, as it costs.
///
/// There are two paces, so that who takes what is left over cannot use up the turns of those who
/// left it: one for calls that may take any slot, in a window as if there were no others, and one
/// for the others, in what of the window is theirs.
#[derive(Debug)]
pub(super) struct Budget {
    /// What the exchange was seen to bear.
    ceiling: u32,
    shape: Shape,
    window: Window,
    shares: Shares,
    order: Order,
    own: Pace,
    spare: Pace,
}

impl Budget {
    pub(super) fn new(shape: Shape, settings: &config::Upstream, now: Instant) -> Self {
        let pace = || Pace::new(shape.quota(shape.units), now);
        Self {
            ceiling: shape.units,
            shape,
            window: Window::new(shape.units, shape.length, now),
            shares: Shares::new(shape.length, now),
            order: Order::new(settings.starvation_bound),
            own: pace(),
            spare: pace(),
        }
    }

    /// Holds the slots of an earlier process's calls, of so many units and `ages` before now, and
    /// keeps the pace that they leave. They are nobody's.
    pub(super) fn remember(
        &mut self,
        mut calls: Vec<(u32, Duration)>,
        longest: Duration,
        now: Instant,
    ) {
        calls.sort_unstable_by_key(|(_, age)| *age);
        // Were there more, there would be no turn before the older ones have come free.
        let mut held = 0_u32;
        calls.retain(|(units, _)| {
            let has_room = held < self.ceiling;
            held = held.saturating_add(*units);
            has_room
        });
        let sent = |age| now.checked_sub(age).unwrap_or(now);
        let Some((_, oldest)) = calls.last() else { return };
        self.own = Pace::new(self.shape.quota(self.ceiling), sent(*oldest));
        for (units, age) in calls.into_iter().rev() {
            if self.window.remember(units, age, longest, now) {
                let releases = times(self.window.releases(), |_| true);
                self.own.follow_call(sent(age), units, &releases, self.ceiling);
            }
        }
    }

    /// Holds slots for what others have spent from the same address, as the exchange told.
    pub(super) fn hold_for_others(&mut self, units: u32, now: Instant) {
        self.window.hold_for_others(units, now);
    }

    pub(super) fn ceiling(&self) -> u32 {
        self.ceiling
    }

    /// The window as it is when nothing is learned.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Goes on with another window. The ceiling stays what it is until it is set.
    pub(super) fn reshape(&mut self, shape: Shape) {
        self.shape = shape;
        self.window.reshape(shape.units, shape.length);
        self.shares.reshape(shape.length);
    }

    pub(super) fn set_ceiling(&mut self, ceiling: u32) {
        self.ceiling = ceiling;
        self.own.follow(self.shape.quota(ceiling));
        self.spare.follow(self.shape.quota(ceiling));
    }

    /// The same for a higher one, to which there is no need to wait for what was put off.
    pub(super) fn raise(&mut self, ceiling: u32, now: Instant) {
        self.ceiling = ceiling;
        self.own = Pace::new(self.shape.quota(ceiling), now);
        self.spare = Pace::new(self.shape.quota(ceiling), now);
    }

    /// Lets time do its work: slots come free, wants are forgotten.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.shares.next_part() <= now {
            self.free(self.shares.next_part());
            self.shares.turn_over(now, self.ceiling);
        }
        self.free(now);
    }

    fn free(&mut self, now: Instant) {
        while let Some(Release { units, tenant, .. }) = self.window.free_one(now) {
            if let Some(tenant) = tenant {
                self.shares.freed(tenant, units);
            }
        }
    }

    /// A call wants a turn.
    pub(super) fn asked(&mut self, payer: Payer, units: u32) {
        self.shares.asked(payer, units, self.ceiling);
    }

    /// A call does not want its turn any more.
    pub(super) fn left(&mut self, payer: Payer, units: u32) {
        self.shares.left(payer.client, payer.class, units);
    }

    /// Which of those who asked gets a turn now, if any; call [`Budget::settle`] first.
    pub(super) fn choose(&self, heads: &[Vec<Head>; CLASSES], now: Instant) -> Option<Choice> {
        let room = Room {
            at: now,
            ceiling: self.ceiling,
            slots: self.slots(),
            own: &self.own,
            spare: &self.spare,
        };
        self.order.choose(heads, &self.shares, &room)
    }

    /// When to choose again if nobody was chosen now and nothing happens but what the window
    /// holds; nobody is chosen before.
    pub(super) fn next_choice(&self, heads: &[Vec<Head>; CLASSES], now: Instant) -> Instant {
        if let Some(excess) = self.held().checked_sub(self.ceiling)
            && let Some(free) = self.window.freed_by(excess + 1)
        {
            return free;
        }
        let (own, spare) = (self.own.due(now, 1), self.spare.due(now, 1));
        if own > now && spare > now {
            return own.min(spare);
        }
        let mut costs: Vec<u32> = heads.iter().flatten().map(|head| head.units).collect();
        costs.sort_unstable();
        costs.dedup();
        let of = |units: u32| [&self.own, &self.spare].map(|pace| pace.due(now, units));
        let dues = costs.into_iter().filter(|units| *units > 1).flat_map(of);
        let due = dues.chain([own, spare]).filter(|due| *due > now);
        let starves = self.order.next_to_starve(heads, now).into_iter();
        let release = self.window.releases().front().map(|release| release.at).into_iter();
        let next = due.chain(starves).chain(release).min();
        next.map_or(self.shares.next_part(), |next| next.min(self.shares.next_part()))
    }

    /// Gives the chosen turn, for a call that may take `latency`. Returns what stands for its slots,
    /// and by how much more than its own turns it puts off the next turn of its pace.
    pub(super) fn grant(
        &mut self,
        choice: &Choice,
        latency: Duration,
        now: Instant,
    ) -> (u64, Duration) {
        let (tenant, units) = (choice.tenant(), choice.head.units);
        let finish = self.order.granted(choice, self.shares.weight(choice.head.client), now);
        self.shares.granted(tenant, units, finish);
        let slot = self.window.take(now, units, tenant);
        let releases = self.window.outlook(now, latency);
        let put_off = match choice.claim {
            Claim::Alone | Claim::Own => {
                if choice.claim == Claim::Alone {
                    // Should somebody come now, what was had alone is not had once more.
                    self.spare.charge(now, units);
                }
                let releases = times(&releases, |tenant| !tenant.is_some_and(|it| it.spare));
                self.own.follow_call(now, units, &releases, self.ceiling)
            }
            Claim::Spare { reserve } => {
                // Those of his that were not spare come free for a call that is.
                let his = |it: Tenant| it.spare || it.client == tenant.client;
                let releases = times(&releases, |tenant| tenant.is_some_and(his));
                let held =
                    releases.iter().fold(0_u32, |held, (_, units)| held.saturating_add(*units));
                let theirs = self.held().saturating_sub(held).saturating_add(reserve);
                let ceiling = self.ceiling.saturating_sub(theirs);
                self.spare.follow_call(now, units, &releases, ceiling)
            }
        };
        (slot, put_off)
    }

    /// A call that was sent ended, and reached the exchange by `arrived_by`.
    pub(super) fn finish(&mut self, slot: u64, arrived_by: Instant) {
        self.window.finish(slot, arrived_by);
    }

    /// A turn that was not used: nothing was spent.
    pub(super) fn give_back(&mut self, slot: u64, put_off: Duration) {
        let Some((units, tenant)) = self.window.give_back(slot) else { return };
        let pace = if tenant.spare { &mut self.spare } else { &mut self.own };
        pace.refund(units, put_off);
        let cost = order::cost(self.shares.weight(tenant.client), units);
        self.shares.refund(tenant, cost);
        self.shares.freed(tenant, units);
    }

    /// Slots that are free.
    pub(super) fn slots(&self) -> u32 {
        self.ceiling.saturating_sub(self.held())
    }

    /// Slots that are held.
    pub(super) fn held(&self) -> u32 {
        self.window.held()
    }

    /// True if a call is under way.
    pub(super) fn is_flying(&self) -> bool {
        self.window.is_flying()
    }

    pub(super) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Calls of so many units that could be sent at once, if each may take any slot.
    pub(super) fn at_once(&self, units: u32, now: Instant) -> u32 {
        (self.slots() / units.max(1)).min(self.own.at_once(units, now))
    }

    /// A copy to look ahead with, in which each call in flight takes `latency` in all.
    pub(super) fn fork(&self, latency: Duration, now: Instant) -> Self {
        Self {
            ceiling: self.ceiling,
            shape: self.shape,
            window: self.window.fork(now, latency),
            shares: self.shares.clone(),
            order: self.order,
            own: self.own.fork(),
            spare: self.spare.fork(),
        }
    }
}

/// When how many slots come free whose tenants are asked for.
fn times<'a>(
    releases: impl IntoIterator<Item = &'a Release>,
    of: impl Fn(Option<Tenant>) -> bool,
) -> Vec<(Instant, u32)> {
    let asked = releases.into_iter().filter(|release| of(release.tenant));
    asked.map(|release| (release.at, release.units)).collect()
}
