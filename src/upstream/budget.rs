//! What a family may spend now and who may spend it, in a form that can be copied to look ahead.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    order::{self, Choice, Order, Room},
    pace::Pace,
    queue::{CLASSES, Head},
    shares::{Claim, Shares},
    window::{Release, Tenant, Window},
};
use crate::{config, telemetry::Payer};

/// Window, paces, shares and order.
///
/// There are two paces, so that who takes what is left over cannot use up the turns of those who
/// left it: one for calls that may take any slot, in a window as if there were no others, and one
/// for the others, in what of the window is theirs.
#[derive(Debug)]
pub(super) struct Budget {
    /// What the exchange was seen to bear.
    ceiling: u32,
    length: Duration,
    window: Window,
    shares: Shares,
    order: Order,
    own: Pace,
    spare: Pace,
}

impl Budget {
    pub(super) fn new(limit: u32, settings: &config::Upstream, now: Instant) -> Self {
        let pace = || Pace::new(limit, settings.window, now);
        Self {
            ceiling: limit,
            length: settings.window,
            window: Window::new(settings.window),
            shares: Shares::new(settings.window, now),
            order: Order::new(settings.starvation_bound),
            own: pace(),
            spare: pace(),
        }
    }

    /// Holds the slots of an earlier process's calls, `ages` before now, and keeps the pace that
    /// they leave. They are nobody's.
    pub(super) fn remember(&mut self, mut ages: Vec<Duration>, longest: Duration, now: Instant) {
        ages.sort_unstable();
        // Were there more, there would be no turn before the older ones have come free.
        ages.truncate(self.ceiling as usize);
        let sent = |age| now.checked_sub(age).unwrap_or(now);
        let Some(oldest) = ages.last() else { return };
        self.own = Pace::new(self.ceiling, self.length, sent(*oldest));
        for age in ages.into_iter().rev() {
            if self.window.remember(age, longest, now) {
                let releases = times(self.window.releases(), |_| true);
                self.own.follow_call(sent(age), &releases, self.ceiling);
            }
        }
    }

    pub(super) fn ceiling(&self) -> u32 {
        self.ceiling
    }

    pub(super) fn set_ceiling(&mut self, ceiling: u32) {
        self.ceiling = ceiling;
        self.own.follow(ceiling, self.length);
        self.spare.follow(ceiling, self.length);
    }

    /// The same for a higher one, to which there is no need to wait for what was put off.
    pub(super) fn raise(&mut self, ceiling: u32, now: Instant) {
        self.ceiling = ceiling;
        self.own = Pace::new(ceiling, self.length, now);
        self.spare = Pace::new(ceiling, self.length, now);
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
        while let Some(Release { tenant, .. }) = self.window.free_one(now) {
            if let Some(tenant) = tenant {
                self.shares.freed(tenant);
            }
        }
    }

    /// A call wants a turn.
    pub(super) fn asked(&mut self, payer: Payer) {
        self.shares.asked(payer, self.ceiling);
    }

    /// A call does not want its turn any more.
    pub(super) fn left(&mut self, payer: Payer) {
        self.shares.left(payer.client, payer.class);
    }

    /// Which of those who asked gets a turn now, if any; call [`Budget::settle`] first.
    pub(super) fn choose(&self, heads: &[Vec<Head>; CLASSES], now: Instant) -> Option<Choice> {
        let room = Room {
            at: now,
            ceiling: self.ceiling,
            slots: self.slots(),
            own: self.own.due(now) <= now,
            spare: self.spare.due(now) <= now,
        };
        self.order.choose(heads, &self.shares, &room)
    }

    /// When to choose again if nobody was chosen now and nothing happens but what the window
    /// holds; nobody is chosen before.
    pub(super) fn next_choice(&self, heads: &[Vec<Head>; CLASSES], now: Instant) -> Instant {
        let releases = self.window.releases();
        if let Some(excess) = self.window.held().checked_sub(self.ceiling as usize)
            && let Some(release) = releases.get(excess)
        {
            return release.at;
        }
        let (own, spare) = (self.own.due(now), self.spare.due(now));
        if own > now && spare > now {
            return own.min(spare);
        }
        let due = [own, spare].into_iter().filter(|due| *due > now);
        let starves = self.order.next_to_starve(heads, now).into_iter();
        let release = releases.front().map(|release| release.at).into_iter();
        let next = due.chain(starves).chain(release).min();
        next.map_or(self.shares.next_part(), |next| next.min(self.shares.next_part()))
    }

    /// Gives the chosen turn, for a call that may take `latency`. Returns its slot, and by how
    /// much more than the period it puts off the next turn of its pace.
    pub(super) fn grant(
        &mut self,
        choice: &Choice,
        latency: Duration,
        now: Instant,
    ) -> (u64, Duration) {
        let tenant = choice.tenant();
        let finish = self.order.granted(choice, self.shares.weight(choice.head.client), now);
        self.shares.granted(tenant, finish);
        let slot = self.window.take(now, tenant);
        let releases = self.window.outlook(now, latency);
        let put_off = match choice.claim {
            Claim::Alone | Claim::Own => {
                if choice.claim == Claim::Alone {
                    // Should somebody come now, what was had alone is not had once more.
                    self.spare.charge(now);
                }
                let releases = times(&releases, |tenant| !tenant.is_some_and(|it| it.spare));
                self.own.follow_call(now, &releases, self.ceiling)
            }
            Claim::Spare { reserve } => {
                // Those of his that were not spare come free for a call that is.
                let his = |it: Tenant| it.spare || it.client == tenant.client;
                let releases = times(&releases, |tenant| tenant.is_some_and(his));
                let others = self.window.held().saturating_sub(releases.len()) + reserve as usize;
                let theirs = u32::try_from(others).unwrap_or(u32::MAX);
                self.spare.follow_call(now, &releases, self.ceiling.saturating_sub(theirs))
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
        let Some(tenant) = self.window.give_back(slot) else { return };
        let pace = if tenant.spare { &mut self.spare } else { &mut self.own };
        pace.refund(put_off);
        self.shares.refund(tenant, order::cost(self.shares.weight(tenant.client)));
        self.shares.freed(tenant);
    }

    /// Slots that are free.
    pub(super) fn slots(&self) -> u32 {
        self.ceiling.saturating_sub(self.held())
    }

    /// Slots that are held.
    pub(super) fn held(&self) -> u32 {
        u32::try_from(self.window.held()).unwrap_or(u32::MAX)
    }

    /// True if a call is under way.
    pub(super) fn is_flying(&self) -> bool {
        self.window.is_flying()
    }

    pub(super) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// At most `most` calls that could be sent at once, if each may take any slot.
    pub(super) fn at_once(&self, most: u32, now: Instant) -> u32 {
        self.own.at_once(most, now)
    }

    /// A copy to look ahead with, in which each call in flight takes `latency` in all.
    pub(super) fn fork(&self, latency: Duration, now: Instant) -> Self {
        Self {
            ceiling: self.ceiling,
            length: self.length,
            window: self.window.fork(now, latency),
            shares: self.shares.clone(),
            order: self.order,
            own: self.own.fork(self.ceiling),
            spare: self.spare.fork(self.ceiling),
        }
    }
}

/// When the slots come free whose tenants are asked for.
fn times<'a>(
    releases: impl IntoIterator<Item = &'a Release>,
    of: impl Fn(Option<Tenant>) -> bool,
) -> Vec<Instant> {
    releases.into_iter().filter(|release| of(release.tenant)).map(|release| release.at).collect()
}
