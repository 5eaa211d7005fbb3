//! One pool's budget, queue, gate and breaker, and the look ahead over them.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    ahead::Ahead,
    breaker::Breaker,
    budget::Budget,
    gate::{Gate, Probe},
    order::Choice,
    queue::{CLASSES, Head, Place, Queue, Waiter},
    shape::Shape,
    shortage::Shortage,
};
use crate::{
    config,
    exchange::{Pool, Reading},
    telemetry::{FamilyMetrics, Payer},
};

/// How long an answer is taken to need before the first one was seen.
const FIRST_GUESS: Duration = Duration::from_millis(250);

/// Most of a waiter's deadline that is kept for the answer. Slow answers shall not turn away
/// those who could still be lucky.
const MAX_RESERVE: Duration = Duration::from_millis(500);

/// How long answers took lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latency(Option<Duration>);

impl Latency {
    pub(super) fn observe(&mut self, took: Duration) {
        self.0 = Some(self.0.map_or(took, |before| (before * 7 + took) / 8));
    }

    pub(super) fn expected(self) -> Duration {
        self.0.unwrap_or(FIRST_GUESS)
    }

    /// The part of a waiter's time that the answer itself will need.
    pub(super) fn reserve(self) -> Duration {
        self.0.unwrap_or_default().min(MAX_RESERVE)
    }

    /// True if a call that was given up after `took` had the time that answers need.
    pub(super) fn was_fair(self, took: Duration) -> bool {
        took >= self.reserve()
    }
}

/// A turn that was given: what it holds, and what its end decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) slot: u64,
    /// What the call costs.
    pub(super) units: u32,
    pub(super) at: Instant,
    /// By how much more than its own turns it puts off the next of its pace.
    pub(super) put_off: Duration,
    /// Set if the call is the pool's probe after a ban.
    pub(super) pool_probe: Option<Probe>,
    /// Set if the call is the exchange's probe after a ban of all pools.
    pub(super) exchange_probe: Option<Probe>,
}

/// Everything about one pool.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pool: &'static Pool,
    /// The operator's limit: units in a whole window of the settings.
    pub(super) limit: u32,
    /// The limit that the exchange has named in its answers, counted alike.
    pub(super) named: Option<u32>,
    whole_window: Duration,
    pub(super) budget: Budget,
    pub(super) queue: Queue,
    pub(super) gate: Gate,
    pub(super) breaker: Breaker,
    pub(super) latency: Latency,
    pub(super) shortage: Shortage,
    /// The ceiling rises after a window without a 429 from here on.
    quiet_since: Instant,
    /// Calls sent before this met the ceiling as it was before.
    lowered_at: Option<Instant>,
    /// A task hands out turns.
    pub(super) pumped: bool,
    pub(super) last_error: Option<(&'static str, Instant)>,
    pub(super) metrics: FamilyMetrics,
}

impl Lane {
    pub(super) fn new(
        pool: &'static Pool,
        limit: u32,
        settings: &config::Upstream,
        metrics: FamilyMetrics,
        now: Instant,
    ) -> Self {
        Self {
            pool,
            limit,
            named: None,
            whole_window: settings.window,
            budget: Budget::new(Shape::new(limit, pool.burst, settings.window), settings, now),
            queue: Queue::default(),
            gate: Gate::open(),
            breaker: Breaker::new(settings),
            latency: Latency::default(),
            shortage: Shortage::new(settings.window, now),
            quiet_since: now,
            lowered_at: None,
            pumped: false,
            last_error: None,
            metrics,
        }
    }

    /// Lets time do its work: slots come free, the learned ceiling rises.
    pub(super) fn settle(&mut self, now: Instant) {
        self.budget.settle(now);
        let before = self.budget.ceiling();
        let mut ceiling = before;
        let top = self.top();
        while self.learns(ceiling) && self.quiet_since + self.whole_window <= now {
            self.quiet_since += self.whole_window;
            ceiling = (ceiling + (top / 30).max(1)).min(top);
        }
        if ceiling != before {
            self.budget.set_ceiling(ceiling);
        }
    }

    /// The most that the window may ever hold, by the operator's limit and the exchange's own.
    fn top(&self) -> u32 {
        let units = self.budget.shape().units;
        let named = self.named.filter(|named| *named < self.limit);
        named.map_or(units, |named| {
            let part = u64::from(units) * u64::from(named) / u64::from(self.limit);
            u32::try_from(part).unwrap_or(units).max(1)
        })
    }

    /// Keeps to other limits from now on. What the exchange was seen to bear less than is learned
    /// towards, as after every 429.
    pub(super) fn keep_to(&mut self, limit: u32, named: Option<u32>, now: Instant) {
        let has_learned = self.budget.ceiling() < self.top();
        (self.limit, self.named) = (limit, named);
        let shape = Shape::new(limit, self.pool.burst, self.whole_window);
        let is_reshaped = shape != self.budget.shape();
        if is_reshaped {
            self.budget.reshape(shape);
        }
        let (bears, top) = (self.budget.ceiling(), self.top());
        let ceiling = if has_learned { bears.min(top) } else { top };
        if ceiling > bears {
            self.budget.raise(ceiling, now);
        } else if ceiling < bears || is_reshaped {
            self.budget.set_ceiling(ceiling);
        }
    }

    /// Takes in what the exchange's answers said of its own count, once those that they tell of are
    /// booked: what it counts beyond what is held was spent by others from the same address.
    pub(super) fn heard(&mut self, reading: Reading, now: Instant) {
        let others = reading.used.unwrap_or_default().saturating_sub(self.budget.held());
        if others > 0 {
            self.budget.hold_for_others(others, now);
        }
        if reading.limit.is_some() && reading.limit != self.named {
            self.keep_to(self.limit, reading.limit, now);
        }
    }

    fn learns(&self, ceiling: u32) -> bool {
        ceiling < self.top() && self.gate.is_open()
    }

    /// When the learned ceiling rises next, if nothing happens.
    pub(super) fn next_rise(&self) -> Option<Instant> {
        self.learns(self.budget.ceiling()).then(|| self.quiet_since + self.whole_window)
    }

    /// Takes a turn for a call that comes now, of which the budget was told, if it may have one
    /// before everyone who waits; call [`Lane::settle`] first.
    pub(super) fn serve_newcomer(
        &mut self,
        payer: Payer,
        units: u32,
        now: Instant,
        exchange: &mut Gate,
    ) -> Option<Grant> {
        let mut heads = self.queue.heads();
        let class = payer.class.index();
        if heads[class].iter().any(|head| head.client == payer.client) {
            return None;
        }
        heads[class].push(Head { client: payer.client, since: now, units });
        let choice = self.choose(&heads, now, exchange)?;
        let is_his = choice.head.client == payer.client && choice.class == class;
        is_his.then(|| self.grant(&choice, now, exchange))
    }

    /// Takes a turn for the first in the queue who may have one now, and takes him out; call
    /// [`Lane::settle`] first.
    pub(super) fn serve_waiter(
        &mut self,
        now: Instant,
        exchange: &mut Gate,
    ) -> Option<(Place, Waiter, Grant)> {
        let choice = self.choose(&self.queue.heads(), now, exchange)?;
        let (place, waiter) = self.queue.pop(choice.class, choice.head.client)?;
        Some((place, waiter, self.grant(&choice, now, exchange)))
    }

    fn choose(
        &self,
        heads: &[Vec<Head>; CLASSES],
        now: Instant,
        exchange: &Gate,
    ) -> Option<Choice> {
        let passes = self.gate.passable(now) && exchange.passable(now);
        passes.then(|| self.budget.choose(heads, now)).flatten()
    }

    fn grant(&mut self, choice: &Choice, now: Instant, exchange: &mut Gate) -> Grant {
        let (slot, put_off) = self.budget.grant(choice, self.latency.expected(), now);
        Grant {
            slot,
            units: choice.head.units,
            at: now,
            put_off,
            pool_probe: self.gate.pass(now),
            exchange_probe: exchange.pass(now),
        }
    }

    /// Takes a waiter out of the queue; `None` if he has left it before.
    pub(super) fn remove(&mut self, place: Place) -> Option<Waiter> {
        let waiter = self.queue.remove(place)?;
        self.budget.left(place.payer, waiter.units);
        Some(waiter)
    }

    /// Sends everyone away who waits; each finds the other end of his reply gone.
    pub(super) fn clear(&mut self) {
        let places: Vec<Place> = self.queue.iter().map(|(place, _)| place).collect();
        for place in places {
            self.remove(place);
        }
    }

    /// The exchange refused until then: the ceiling falls, once for all calls that were under way.
    pub(super) fn rate_limited(&mut self, sent: Instant, now: Instant, until: Instant) {
        self.quiet_since = until;
        if self.lowered_at.is_none_or(|lowered| sent > lowered) {
            self.lowered_at = Some(now);
            self.budget.set_ceiling((self.budget.ceiling() * 4 / 5).max(1));
        }
    }

    /// Closes until a probe succeeds after `until`.
    pub(super) fn close(&mut self, until: Instant) {
        self.gate.close(until);
        self.quiet_since = until;
    }

    /// The probe succeeded. Time under the ban taught nothing about the ceiling.
    pub(super) fn reopen(&mut self, probe: Probe, now: Instant) {
        self.gate.reopen(probe);
        self.quiet_since = self.quiet_since.max(now);
    }

    /// Calls of so many units that could be sent at once, if each may take any slot.
    pub(super) fn ready(&self, units: u32, now: Instant, exchange: &Gate) -> u32 {
        if !self.gate.passable(now) || !exchange.passable(now) {
            return 0;
        }
        // Who is about to be served comes first; others wait for what is kept from them.
        if self.budget.choose(&self.queue.heads(), now).is_some() {
            return 0;
        }
        let probing = !self.gate.is_open() || !exchange.is_open();
        let calls = self.budget.at_once(units, now).min(self.breaker.allowance(now));
        if probing { calls.min(1) } else { calls }
    }

    /// When a call that comes now would get its turn.
    pub(super) fn turn_of_newcomer(
        &self,
        payer: Payer,
        units: u32,
        now: Instant,
        exchange: &Gate,
    ) -> Instant {
        self.turn_of(payer, units, now, exchange, |ahead| ahead.asked(payer, units))
    }

    /// When a call would get its turn that comes now and that the budget was told of.
    pub(super) fn turn_of_caller(
        &self,
        payer: Payer,
        units: u32,
        now: Instant,
        exchange: &Gate,
    ) -> Instant {
        self.turn_of(payer, units, now, exchange, |_| {})
    }

    fn turn_of(
        &self,
        payer: Payer,
        units: u32,
        now: Instant,
        exchange: &Gate,
        tell: impl FnOnce(&mut Ahead<'_>),
    ) -> Instant {
        if units > self.budget.ceiling() {
            // Nobody knows when that fits; not before the window is another.
            return now + self.budget.shape().length;
        }
        let mut ahead = Ahead::new(self, self.latency.expected(), exchange, now);
        tell(&mut ahead);
        ahead.turn_of_last(payer, units)
    }

    /// Waiters who cannot be served in time, neither if calls take as long as they do nor if every
    /// call under way ended now, and if nobody else came. (That slots come free earlier can also
    /// mean that another one has his turn first.)
    pub(super) fn lost(&self, now: Instant, exchange: &Gate) -> Vec<Place> {
        let mut lost = self.late_with(Duration::ZERO, now, exchange);
        if !lost.is_empty() {
            let late = self.late_with(self.latency.expected(), now, exchange);
            lost.retain(|place| late.contains(place));
        }
        lost
    }

    fn late_with(&self, latency: Duration, now: Instant, exchange: &Gate) -> Vec<Place> {
        let mut late = Vec::new();
        Ahead::new(self, latency, exchange, now).walk(|place, waiter, turn| {
            if turn > waiter.latest || waiter.latest <= now {
                late.push(place);
            }
        });
        late
    }

    /// The first instant after `now` at which a turn may come free without any further news.
    pub(super) fn next_turn(&self, now: Instant, exchange: &Gate) -> Option<Instant> {
        let turn = Ahead::new(self, Duration::ZERO, exchange, now).next_turn()?;
        (turn > now).then_some(turn)
    }
}
