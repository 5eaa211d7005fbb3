//! One pool's budget as the gateway keeps it: window, pace and queue, all in units.

use std::{cell::RefCell, collections::VecDeque};

use super::{
    pace::{Ahead, Pace, Rules},
    time::Us,
};

/// The longest part of a deadline that is kept for the answer itself.
const MAX_RESERVE: Us = 500_000;
/// Of so much that is spent at most one part goes to starving waiters before their class's time.
const STARVED_ONE_IN: u32 = 4;
/// Fewer calls than this that had to wait are no shortage.
const FEWEST_WAITED: f64 = 2.0;

/// How a call waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody waits for it.
    Client,
    /// Nobody does.
    Refresh,
}

const CLASSES: usize = 2;

/// What became of those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The call is sent now.
    Sent(usize),
    /// It cannot be served in time; asking again may help after this.
    Refused(usize, Us),
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    call: usize,
    since: Us,
    /// A turn after this comes too late.
    latest: Us,
    /// Slots that it needs.
    units: u32,
}

/// Picks the class whose first waiter is next.
#[derive(Clone, Copy, Debug)]
struct Order {
    starvation_bound: Us,
    /// Slots that were taken since a starving waiter's turn.
    since_starved: u32,
}

impl Order {
    /// `heads`: since when the first of each class waits, and for how many units.
    fn choose(&self, heads: [Option<(Us, u32)>; CLASSES], at: Us) -> Option<(usize, bool)> {
        let first = heads.iter().position(Option::is_some)?;
        let lower = heads.iter().enumerate().skip(first + 1);
        let oldest = lower.filter_map(|(class, head)| head.map(|head| (head, class))).min();
        let starved = oldest.filter(|((since, units), _)| {
            self.since_starved >= units.saturating_mul(STARVED_ONE_IN - 1)
                && at.saturating_sub(*since) > self.starvation_bound
        });
        Some(starved.map_or((first, false), |(_, class)| (class, true)))
    }

    fn granted(&mut self, units: u32, starved: bool) {
        self.since_starved = if starved { 0 } else { self.since_starved.saturating_add(units) };
    }
}

/// Calls that asked for a turn, those of the last window counting most: how many had it at once, and
/// how many had to wait or were refused.
#[derive(Clone, Copy, Debug, Default)]
struct Shortage {
    at_once: f64,
    waited: f64,
    seen: Us,
}

impl Shortage {
    fn left(self, window: Us, now: Us) -> f64 {
        (-(now.saturating_sub(self.seen) as f64) / window.max(1) as f64).exp()
    }

    fn count(&mut self, at_once: bool, window: Us, now: Us) {
        let left = self.left(window, now);
        self.at_once = self.at_once * left + f64::from(u8::from(at_once));
        self.waited = self.waited * left + f64::from(u8::from(!at_once));
        self.seen = now;
    }
}

/// One pool.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    shortage: Shortage,
    rules: Rules,
    pub(super) limit: u32,
    pace: Pace,
    ahead: RefCell<Option<Ahead>>,
    queue: [VecDeque<Waiter>; CLASSES],
    order: Order,
}

impl Lane {
    pub(super) fn new(limit: u32, rules: Rules) -> Self {
        let starvation_bound = rules.starvation_bound;
        Self {
            shortage: Shortage::default(),
            rules,
            limit,
            pace: Pace::new(limit, &rules),
            ahead: RefCell::default(),
            queue: Default::default(),
            order: Order { starvation_bound, since_starved: u32::MAX },
        }
    }

    /// True if a call of so many units could be sent now without waiting.
    pub(super) fn is_ready(&self, units: u32, now: Us) -> bool {
        self.limit > 0 && self.queue.iter().all(VecDeque::is_empty) && self.pace.is_free(now, units)
    }

    /// True if most calls lately had to wait for their turns.
    pub(super) fn is_short(&self, now: Us) -> bool {
        let Shortage { at_once, waited, .. } = self.shortage;
        waited > at_once && waited * self.shortage.left(self.rules.window, now) >= FEWEST_WAITED
    }

    fn try_send(&mut self, now: Us, units: u32) -> bool {
        let is_sent = self.pace.try_send(now, units);
        if is_sent {
            *self.ahead.get_mut() = None;
        }
        is_sent
    }

    /// Asks for a turn by `deadline`; its fate if that is decided at once. Call [`Lane::turn`]
    /// if it is not.
    pub(super) fn admit(
        &mut self,
        call: usize,
        units: u32,
        class: Class,
        deadline: Us,
        now: Us,
    ) -> Option<Fate> {
        if self.limit == 0 || units > self.pace.limit {
            return Some(Fate::Refused(call, self.rules.window));
        }
        let is_sent = self.queue.iter().all(VecDeque::is_empty) && self.try_send(now, units);
        self.shortage.count(is_sent, self.rules.window, now);
        if is_sent {
            return Some(Fate::Sent(call));
        }
        let latest = deadline.saturating_sub(self.rules.latency.min(MAX_RESERVE));
        let turn = self.look_ahead(now, Some((class, units)), |_, _, _| {});
        let waiting: usize = self.queue.iter().map(VecDeque::len).sum();
        if turn > latest || waiting >= self.rules.max_queue {
            return Some(Fate::Refused(call, turn.saturating_sub(now)));
        }
        self.queue[class as usize].push_back(Waiter { call, since: now, latest, units });
        None
    }

    /// Hands out what is free and tells those who cannot be served in time. Returns when to look
    /// again; `None` if nobody waits.
    pub(super) fn turn(&mut self, now: Us, fates: &mut Vec<Fate>) -> Option<Us> {
        while let Some((class, waiter, starved)) = self.first(now) {
            if !self.try_send(now, waiter.units) {
                break;
            }
            self.order.granted(waiter.units, starved);
            self.queue[class].pop_front();
            fates.push(Fate::Sent(waiter.call));
        }
        let mut lost: [Vec<(usize, u32)>; CLASSES] = Default::default();
        self.look_ahead(now, None, |class, waiter, turn| {
            if turn > waiter.latest {
                lost[class].push((waiter.call, waiter.units));
            }
        });
        for (class, calls) in lost.iter().enumerate().filter(|(_, calls)| !calls.is_empty()) {
            self.queue[class].retain(|waiter| calls.iter().all(|(call, _)| *call != waiter.call));
        }
        for (class, calls) in [Class::Client, Class::Refresh].into_iter().zip(lost) {
            // Those of a class who are sent away together mostly need the same.
            let mut told: Option<(u32, Us)> = None;
            for (call, units) in calls {
                let known = told.filter(|(known, _)| *known == units);
                let (_, wait) = *told.insert(known.unwrap_or_else(|| {
                    let turn = self.look_ahead(now, Some((class, units)), |_, _, _| {});
                    (units, turn.saturating_sub(now))
                }));
                fates.push(Fate::Refused(call, wait));
            }
        }
        let (_, first, _) = self.first(now)?;
        Some(self.pace.clone().next_turn(now, first.units).max(now + 1))
    }

    /// Who is next of those who wait: his class, and whether it is because he starves.
    fn first(&self, now: Us) -> Option<(usize, Waiter, bool)> {
        let heads = std::array::from_fn(|class| {
            let head = self.queue[class].front()?;
            Some((head.since, head.units))
        });
        let (class, starved) = self.order.choose(heads, now)?;
        Some((class, *self.queue[class].front()?, starved))
    }

    /// Walks through the queue as it would be served; returns the turn of a newcomer, or the last
    /// one.
    fn look_ahead(
        &self,
        now: Us,
        newcomer: Option<(Class, u32)>,
        mut visit: impl FnMut(usize, &Waiter, Us),
    ) -> Us {
        let mut order = self.order;
        let mut ahead = self.ahead.borrow_mut();
        let known = ahead.take().filter(|ahead| ahead.turns.first().is_some_and(|it| now <= it.1));
        let ahead = ahead.insert(known.unwrap_or_else(|| Ahead::new(&self.pace)));
        let (mut at, mut number) = ([0; CLASSES], 0);
        let mut turn = now;
        loop {
            let heads = std::array::from_fn(|class| {
                let queue: &VecDeque<Waiter> = &self.queue[class];
                let new = newcomer.filter(|(newcomer, _)| {
                    at[class] == queue.len() && *newcomer as usize == class
                });
                let waiting = queue.get(at[class]).map(|waiter| (waiter.since, waiter.units));
                waiting.or(new.map(|(_, units)| (now, units)))
            });
            // Who is next decides when, and when it is may decide that another one is.
            let mut next = order.choose(heads, turn);
            let units = |(class, _): (usize, bool)| heads[class].map_or(1, |(_, units)| units);
            for _ in 0..CLASSES {
                let Some(first) = next else { return turn };
                turn = ahead.turn(number, units(first), &self.pace, now);
                next = order.choose(heads, turn);
            }
            let Some((class, starved)) = next else { return turn };
            let units = units((class, starved));
            let Some(waiter) = self.queue[class].get(at[class]) else { return turn };
            at[class] += 1;
            visit(class, waiter, turn);
            if turn <= waiter.latest {
                order.granted(units, starved);
                number += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Us = 1_000_000;

    fn rules() -> Rules {
        Rules {
            window: 60 * S,
            burst: None,
            latency: S / 10,
            starvation_bound: 15 * S,
            max_queue: 1024,
        }
    }

    /// Sends whenever it may for so long; when calls were sent.
    fn greedy(lane: &mut Lane, seconds: Us) -> Vec<Us> {
        let (mut sent, mut fates, mut now, mut call) = (Vec::new(), Vec::new(), 0, 0);
        while now < seconds * S {
            while lane.queue[0].len() < 2 {
                if let Some(fate) = lane.admit(call, 1, Class::Client, now + 60 * S, now) {
                    fates.push(fate);
                }
                call += 1;
            }
            let wake = lane.turn(now, &mut fates).unwrap();
            let of_now = fates.drain(..).filter(|fate| matches!(fate, Fate::Sent(_)));
            sent.extend(of_now.map(|_| now));
            now = wake;
        }
        sent
    }

    #[test]
    fn a_full_budget_is_used_and_no_window_holds_more() {
        let mut lane = Lane::new(30, rules());
        let sent = greedy(&mut lane, 600);
        let fullest = sent
            .iter()
            .map(|from| sent.iter().filter(|at| **at >= *from && **at < from + 60 * S).count());
        assert_eq!(fullest.max(), Some(30));
        assert!((290..=301).contains(&sent.len()), "{}", sent.len());
        assert_eq!(sent.iter().filter(|at| **at == 0).count(), 10, "a third at once");
    }

    #[test]
    fn who_cannot_be_served_in_time_is_refused_with_the_wait() {
        let mut lane = Lane::new(3, rules());
        assert_eq!(lane.admit(0, 1, Class::Client, 10 * S, 0), Some(Fate::Sent(0)));
        let Some(Fate::Refused(1, wait)) = lane.admit(1, 1, Class::Client, 10 * S, 0) else {
            panic!("there is a turn every 20 s");
        };
        assert!((19 * S..31 * S).contains(&wait), "{wait}");
        assert_eq!(lane.admit(2, 1, Class::Refresh, 40 * S, 0), None, "it waits");
        assert!(!lane.is_ready(1, 0));
    }

    #[test]
    fn clients_go_before_refreshes_until_those_starve() {
        let mut lane = Lane::new(60, rules());
        let mut fates = Vec::new();
        for call in 0..20 {
            assert_eq!(lane.admit(call, 1, Class::Client, 60 * S, 0), Some(Fate::Sent(call)));
        }
        assert_eq!(lane.admit(100, 1, Class::Refresh, 60 * S, 0), None);
        for call in 20..24 {
            assert_eq!(lane.admit(call, 1, Class::Client, 60 * S, 0), None);
        }
        let mut now = 0;
        while let Some(wake) = lane.turn(now, &mut fates) {
            now = wake;
        }
        let order: Vec<_> =
            fates.iter().map(|fate| if let Fate::Sent(call) = fate { *call } else { 0 }).collect();
        assert_eq!(order, [20, 21, 22, 23, 100]);
    }

    #[test]
    fn a_call_takes_all_that_it_costs_and_nobody_passes_it() {
        let mut lane = Lane::new(300, rules());
        let mut fates = Vec::new();
        assert_eq!(lane.admit(0, 100, Class::Client, 60 * S, 0), Some(Fate::Sent(0)));
        assert_eq!(lane.admit(1, 80, Class::Client, 60 * S, 0), None);
        assert_eq!(lane.admit(2, 1, Class::Client, 60 * S, 0), None);
        assert_eq!(lane.admit(3, 301, Class::Client, 60 * S, 0), Some(Fate::Refused(3, 60 * S)));
        let (mut now, mut sent) = (0, Vec::new());
        while let Some(wake) = lane.turn(now, &mut fates) {
            now = wake;
            sent.extend(fates.drain(..).map(|fate| (fate, now)));
        }
        lane.turn(now, &mut fates);
        assert_eq!(fates, [Fate::Sent(2)]);
        let [(Fate::Sent(1), _)] = sent[..] else { panic!("{sent:?}") };
        assert!((16 * S..17 * S).contains(&now), "80 turns of 0.2 s and one: {now}");
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_even_rate() {
        let mut lane = Lane::new(60, Rules { burst: Some(5), ..rules() });
        let sent = greedy(&mut lane, 60);
        assert_eq!(sent.iter().filter(|at| **at == 0).count(), 5);
        assert!(sent.windows(6).all(|six| six[5] - six[0] > 5 * S), "{sent:?}");
        assert!((55..=60).contains(&sent.len()), "{}", sent.len());
    }
}
