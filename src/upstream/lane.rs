//! One family's budget, queue, gate and breaker, and the look ahead over them.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    breaker::Breaker,
    gate::{Gate, Probe},
    pace::Pace,
    queue::{Place, Queue, Waiter},
    window::{self, Window},
};
use crate::{
    config,
    exchange::Family,
    telemetry::{FamilyMetrics, Wait},
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
    pub(super) at: Instant,
    /// By how much more than the period the turn puts off the next.
    pub(super) put_off: Duration,
    /// Set if the call is the family's probe after a ban.
    pub(super) family_probe: Option<Probe>,
    /// Set if the call is the exchange's probe after a ban of all families.
    pub(super) exchange_probe: Option<Probe>,
}

/// Everything about one family.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) family: Family,
    /// The operator's limit.
    pub(super) limit: u32,
    /// What the exchange was seen to bear; at most `limit`.
    pub(super) ceiling: u32,
    pub(super) window_length: Duration,
    pub(super) window: Window,
    pub(super) pace: Pace,
    pub(super) queue: Queue,
    pub(super) gate: Gate,
    pub(super) breaker: Breaker,
    pub(super) latency: Latency,
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
        family: Family,
        limit: u32,
        settings: &config::Upstream,
        metrics: FamilyMetrics,
        now: Instant,
    ) -> Self {
        Self {
            family,
            limit,
            ceiling: limit,
            window_length: settings.window,
            window: Window::new(settings.window),
            pace: Pace::new(limit, settings.window, now),
            queue: Queue::new(settings.starvation_bound),
            gate: Gate::open(),
            breaker: Breaker::new(settings),
            latency: Latency::default(),
            quiet_since: now,
            lowered_at: None,
            pumped: false,
            last_error: None,
            metrics,
        }
    }

    /// Holds the slots of an earlier process's calls, `ages` before now, and keeps the pace that
    /// they leave.
    pub(super) fn remember(&mut self, mut ages: Vec<Duration>, longest: Duration, now: Instant) {
        ages.sort_unstable();
        // Were there more, there would be no turn before the older ones have come free.
        ages.truncate(self.limit as usize);
        let sent = |age| now.checked_sub(age).unwrap_or(now);
        let Some(oldest) = ages.last() else { return };
        self.pace = Pace::new(self.limit, self.window_length, sent(*oldest));
        for age in ages.into_iter().rev() {
            if self.window.remember(age, longest, now) {
                self.pace.follow_call(sent(age), self.window.releases(), self.ceiling);
            }
        }
    }

    /// Lets time do its work: slots come free, the learned ceiling rises.
    pub(super) fn settle(&mut self, now: Instant) {
        self.window.settle(now);
        let before = self.ceiling;
        while self.next_rise().is_some_and(|rise| rise <= now) {
            self.quiet_since += self.window_length;
            self.ceiling = (self.ceiling + (self.limit / 30).max(1)).min(self.limit);
        }
        if self.ceiling != before {
            self.pace.follow(self.ceiling, self.window_length);
        }
    }

    /// When the learned ceiling rises next, if nothing happens.
    pub(super) fn next_rise(&self) -> Option<Instant> {
        let learns = self.ceiling < self.limit && self.gate.is_open();
        learns.then(|| self.quiet_since + self.window_length)
    }

    /// Takes a turn if one is free now; call [`Lane::settle`] first.
    pub(super) fn try_grant(&mut self, now: Instant, exchange: &mut Gate) -> Option<Grant> {
        let passes = self.gate.passable(now) && exchange.passable(now);
        if !passes || self.window.held() >= self.ceiling as usize {
            return None;
        }
        self.pace.take(now).ok()?;
        let slot = self.window.take(now);
        let releases = self.window.outlook(now, self.latency.expected());
        Some(Grant {
            slot,
            at: now,
            put_off: self.pace.spread(now, &releases, self.ceiling),
            family_probe: self.gate.pass(now),
            exchange_probe: exchange.pass(now),
        })
    }

    /// A 429 closes the family; the ceiling falls once for all calls that were under way.
    pub(super) fn rate_limited(&mut self, sent: Instant, now: Instant, until: Instant) {
        self.close(until);
        if self.lowered_at.is_none_or(|lowered| sent > lowered) {
            self.lowered_at = Some(now);
            self.ceiling = (self.ceiling * 4 / 5).max(1);
            self.pace.follow(self.ceiling, self.window_length);
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

    /// Calls that could be sent at once.
    pub(super) fn ready(&self, now: Instant, exchange: &Gate) -> u32 {
        if !self.queue.is_empty() || !self.gate.passable(now) || !exchange.passable(now) {
            return 0;
        }
        let probing = !self.gate.is_open() || !exchange.is_open();
        let left = self.left().min(self.breaker.allowance(now));
        let most = if probing { left.min(1) } else { left };
        let mut pace = self.pace.fork(self.ceiling);
        (0..most).take_while(|_| pace.take(now).is_ok()).count() as u32
    }

    /// Slots of the window that are free.
    pub(super) fn left(&self) -> u32 {
        let held = u32::try_from(self.window.held()).unwrap_or(u32::MAX);
        self.ceiling.saturating_sub(held)
    }

    /// When a call of `class` that comes now would get its turn.
    pub(super) fn turn_of_newcomer(&self, class: Wait, now: Instant, exchange: &Gate) -> Instant {
        self.look_ahead(now, self.latency.expected(), exchange, Some(class), |_, _, _| {})
    }

    /// Waiters who cannot be served even if every call under way ended now and nobody else came.
    pub(super) fn lost(&self, now: Instant, exchange: &Gate) -> Vec<Place> {
        let mut lost = Vec::new();
        self.look_ahead(now, Duration::ZERO, exchange, None, |place, waiter, turn| {
            if turn > waiter.latest || waiter.latest <= now {
                lost.push(place);
            }
        });
        lost
    }

    /// The first instant after `now` at which a turn may come free without any further news.
    pub(super) fn next_turn(&self, now: Instant, exchange: &Gate) -> Option<Instant> {
        let mut ahead = Ahead::new(self, now, Duration::ZERO, exchange);
        let turn = ahead.next();
        (turn > now).then_some(turn)
    }

    /// Walks through the queue as it would be served, if each call takes `latency`; returns the
    /// turn of a newcomer of class `newcomer`, or the last one.
    fn look_ahead(
        &self,
        now: Instant,
        latency: Duration,
        exchange: &Gate,
        newcomer: Option<Wait>,
        mut visit: impl FnMut(Place, &Waiter, Instant),
    ) -> Instant {
        let mut order = self.queue.order();
        let mut classes = Wait::ALL.iter().map(|class| {
            let waiters = self.queue.class(class.index()).map(Some);
            let last = (newcomer == Some(*class)).then_some(None);
            waiters.chain(last).peekable()
        });
        let mut classes: [_; Wait::ALL.len()] =
            std::array::from_fn(|_| classes.next().expect("as many as there are classes"));
        let mut ahead = Ahead::new(self, now, latency, exchange);
        let mut turn = ahead.next();
        loop {
            let heads = std::array::from_fn(|class| {
                let head = classes[class].peek()?;
                Some(head.as_ref().map_or(now, |(_, waiter)| waiter.since))
            });
            let Some(choice) = order.choose(heads, turn) else { return turn };
            let Some((place, waiter)) = classes[choice.class].next().flatten() else {
                return turn;
            };
            visit(place, waiter, turn);
            if turn <= waiter.latest {
                order.granted(choice);
                turn = ahead.next();
            }
        }
    }
}

/// The turns to come, if nothing but the known happens.
struct Ahead<'a> {
    window: &'a Window,
    ceiling: u32,
    releases: std::collections::VecDeque<Instant>,
    pace: Pace,
    latency: Duration,
    from: Instant,
    /// The next call is a probe: those behind it wait for its answer.
    probe: bool,
}

impl<'a> Ahead<'a> {
    fn new(lane: &'a Lane, now: Instant, latency: Duration, exchange: &Gate) -> Self {
        Self {
            window: &lane.window,
            ceiling: lane.ceiling,
            releases: lane.window.outlook(now, latency),
            pace: lane.pace.fork(lane.ceiling),
            latency,
            from: lane.gate.outlook(now, latency).max(exchange.outlook(now, latency)),
            probe: lane.gate.awaits_probe() || exchange.awaits_probe(),
        }
    }

    fn next(&mut self) -> Instant {
        let mut turn = self.from;
        if let Some(excess) = self.releases.len().checked_sub(self.ceiling as usize) {
            turn = turn.max(self.releases[excess]);
        }
        while let Err(later) = self.pace.take(turn) {
            turn = later;
        }
        self.releases.retain(|release| *release > turn);
        window::insert(&mut self.releases, self.window.release(turn + self.latency));
        self.pace.spread(turn, &self.releases, self.ceiling);
        self.from = if std::mem::take(&mut self.probe) { turn + self.latency } else { turn };
        turn
    }
}
