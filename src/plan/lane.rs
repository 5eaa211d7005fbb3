//! One family's budget as the gateway keeps it: window, pace and queue.

use std::{cell::RefCell, collections::VecDeque};

use super::time::Us;

/// A slot is held one window after the call's end, and this much longer.
const SLACK: Us = 1_000;
/// The longest part of a deadline that is kept for the answer itself.
const MAX_RESERVE: Us = 500_000;
/// Of this many turns in a row at most one goes to a starving waiter before its class's time.
const STARVED_ONE_IN: u32 = 4;

/// How a call waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody waits for it.
    Client,
    /// Nobody does.
    Refresh,
}

const CLASSES: usize = 2;

/// Settings of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) window: Us,
    pub(super) latency: Us,
    pub(super) starvation_bound: Us,
    pub(super) max_queue: usize,
}

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
}

/// When calls may be sent, queue aside.
#[derive(Clone, Debug)]
struct Pace {
    limit: usize,
    period: Us,
    tolerance: Us,
    /// GCRA's theoretical arrival time.
    arrival: Us,
    /// When each slot that is held comes free, soonest first.
    releases: VecDeque<Us>,
    /// From the sending of a call until its slot is free.
    held_for: Us,
}

impl Pace {
    fn new(limit: u32, rules: &Rules) -> Self {
        let period = (rules.window / Us::from(limit.max(1))).max(1);
        let burst = Us::from(limit.div_ceil(3).max(1));
        Self {
            limit: limit as usize,
            period,
            tolerance: period * (burst - 1),
            arrival: 0,
            releases: VecDeque::new(),
            held_for: rules.latency + rules.window + SLACK,
        }
    }

    fn settle(&mut self, now: Us) {
        while self.releases.front().is_some_and(|release| *release <= now) {
            self.releases.pop_front();
        }
    }

    fn take(&mut self, now: Us) -> Result<(), Us> {
        let earliest = self.arrival.saturating_sub(self.tolerance);
        if now < earliest {
            return Err(earliest);
        }
        self.arrival = self.arrival.max(now) + self.period;
        Ok(())
    }

    fn is_free(&self, now: Us) -> bool {
        let held = self.releases.iter().filter(|release| **release > now).count();
        held < self.limit && now >= self.arrival.saturating_sub(self.tolerance)
    }

    fn try_send(&mut self, now: Us) -> bool {
        self.settle(now);
        if self.releases.len() >= self.limit || self.take(now).is_err() {
            return false;
        }
        self.releases.push_back(now + self.held_for);
        self.spread(now);
        true
    }

    /// The next turn at `from` or later, which is taken.
    fn next_turn(&mut self, from: Us) -> Us {
        let excess = self.releases.len().checked_sub(self.limit);
        let mut turn = excess.map_or(from, |excess| from.max(self.releases[excess]));
        while let Err(later) = self.take(turn) {
            turn = later;
        }
        self.settle(turn);
        self.releases.push_back(turn + self.held_for);
        self.spread(turn);
        turn
    }

    /// A turn that leaves nothing of the burst, or no slot, puts off the next one to the even pace
    /// that meets every slot when it comes free.
    fn spread(&mut self, now: Us) {
        let before = self.arrival;
        let held = self.releases.len();
        let due = loop {
            match self.take(now) {
                Err(due) => break due,
                Ok(()) if held >= self.limit => {}
                Ok(()) => {
                    self.arrival = before;
                    return;
                }
            }
        };
        let left = self.limit.saturating_sub(held) as Us;
        let mut pace = self.period;
        let mut turn = due + pace * left;
        let excess = held.saturating_sub(self.limit);
        for (release, turns) in self.releases.iter().skip(excess).zip(left + 1..) {
            if *release > turn {
                pace = (*release - due + self.period) / turns;
                turn = *release;
            }
            turn += pace;
        }
        self.arrival += pace.saturating_sub(self.period);
    }
}

/// The turns to come, as far as they were asked for, and the pace after them. They stay what they
/// are until one of them is taken or missed.
#[derive(Clone, Debug)]
struct Ahead {
    turns: Vec<Us>,
    pace: Pace,
}

impl Ahead {
    fn new(pace: &Pace, now: Us) -> Self {
        let mut pace = pace.clone();
        pace.settle(now);
        let turns = vec![pace.next_turn(now)];
        Self { turns, pace }
    }

    fn turn(&mut self, number: usize) -> Us {
        while self.turns.len() <= number {
            let last = self.turns[self.turns.len() - 1];
            self.turns.push(self.pace.next_turn(last));
        }
        self.turns[number]
    }
}

/// Picks the class whose first waiter is next.
#[derive(Clone, Copy, Debug)]
struct Order {
    starvation_bound: Us,
    since_starved: u32,
}

impl Order {
    fn choose(&self, heads: [Option<Us>; CLASSES], at: Us) -> Option<(usize, bool)> {
        let first = heads.iter().position(Option::is_some)?;
        let lower = heads.iter().enumerate().skip(first + 1);
        let oldest = lower.filter_map(|(class, since)| since.map(|since| (since, class))).min();
        let starved = oldest.filter(|(since, _)| {
            self.since_starved + 1 >= STARVED_ONE_IN
                && at.saturating_sub(*since) > self.starvation_bound
        });
        Some(starved.map_or((first, false), |(_, class)| (class, true)))
    }

    fn granted(&mut self, starved: bool) {
        self.since_starved = if starved { 0 } else { self.since_starved.saturating_add(1) };
    }
}

/// One family.
#[derive(Clone, Debug)]
pub(super) struct Lane {
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
            rules,
            limit,
            pace: Pace::new(limit, &rules),
            ahead: RefCell::default(),
            queue: Default::default(),
            order: Order { starvation_bound, since_starved: STARVED_ONE_IN },
        }
    }

    /// True if a call could be sent now without waiting.
    pub(super) fn is_ready(&self, now: Us) -> bool {
        self.limit > 0 && self.queue.iter().all(VecDeque::is_empty) && self.pace.is_free(now)
    }

    fn try_send(&mut self, now: Us) -> bool {
        let is_sent = self.pace.try_send(now);
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
        class: Class,
        deadline: Us,
        now: Us,
    ) -> Option<Fate> {
        if self.limit == 0 {
            return Some(Fate::Refused(call, self.rules.window));
        }
        if self.queue.iter().all(VecDeque::is_empty) && self.try_send(now) {
            return Some(Fate::Sent(call));
        }
        let latest = deadline.saturating_sub(self.rules.latency.min(MAX_RESERVE));
        let turn = self.look_ahead(now, Some(class), |_, _, _| {});
        let waiting: usize = self.queue.iter().map(VecDeque::len).sum();
        if turn > latest || waiting >= self.rules.max_queue {
            return Some(Fate::Refused(call, turn.saturating_sub(now)));
        }
        self.queue[class as usize].push_back(Waiter { call, since: now, latest });
        None
    }

    /// Hands out what is free and tells those who cannot be served in time. Returns when to look
    /// again; `None` if nobody waits.
    pub(super) fn turn(&mut self, now: Us, fates: &mut Vec<Fate>) -> Option<Us> {
        while self.queue.iter().any(|class| !class.is_empty()) && self.try_send(now) {
            let heads = std::array::from_fn(|class| Some(self.queue[class].front()?.since));
            let Some((class, starved)) = self.order.choose(heads, now) else { break };
            self.order.granted(starved);
            let waiter = self.queue[class].pop_front();
            fates.extend(waiter.map(|waiter| Fate::Sent(waiter.call)));
        }
        let mut lost: [Vec<usize>; CLASSES] = Default::default();
        self.look_ahead(now, None, |class, waiter, turn| {
            if turn > waiter.latest {
                lost[class].push(waiter.call);
            }
        });
        for (class, calls) in lost.iter().enumerate().filter(|(_, calls)| !calls.is_empty()) {
            self.queue[class].retain(|waiter| !calls.contains(&waiter.call));
        }
        for (class, calls) in [Class::Client, Class::Refresh].into_iter().zip(lost) {
            if !calls.is_empty() {
                let turn = self.look_ahead(now, Some(class), |_, _, _| {});
                let wait = turn.saturating_sub(now);
                fates.extend(calls.into_iter().map(|call| Fate::Refused(call, wait)));
            }
        }
        let is_waited = self.queue.iter().any(|class| !class.is_empty());
        is_waited.then(|| self.pace.clone().next_turn(now).max(now + 1))
    }

    /// Walks through the queue as it would be served; returns the turn of a newcomer, or the last
    /// one.
    fn look_ahead(
        &self,
        now: Us,
        newcomer: Option<Class>,
        mut visit: impl FnMut(usize, &Waiter, Us),
    ) -> Us {
        let mut order = self.order;
        let mut ahead = self.ahead.borrow_mut();
        let known = ahead.take().filter(|ahead| now <= ahead.turns[0]);
        let ahead = ahead.insert(known.unwrap_or_else(|| Ahead::new(&self.pace, now)));
        let (mut at, mut number) = ([0; CLASSES], 0);
        let mut turn = ahead.turn(number);
        loop {
            let heads = std::array::from_fn(|class| {
                let queue: &VecDeque<Waiter> = &self.queue[class];
                let is_new = at[class] == queue.len()
                    && newcomer.is_some_and(|newcomer| newcomer as usize == class);
                queue.get(at[class]).map(|waiter| waiter.since).or(is_new.then_some(now))
            });
            let Some((class, starved)) = order.choose(heads, turn) else { return turn };
            let Some(waiter) = self.queue[class].get(at[class]) else { return turn };
            at[class] += 1;
            visit(class, waiter, turn);
            if turn <= waiter.latest {
                order.granted(starved);
                number += 1;
                turn = ahead.turn(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Us = 1_000_000;

    fn rules() -> Rules {
        Rules { window: 60 * S, latency: S / 10, starvation_bound: 15 * S, max_queue: 1024 }
    }

    /// Sends whenever it may for so long; when calls were sent.
    fn greedy(lane: &mut Lane, seconds: Us) -> Vec<Us> {
        let (mut sent, mut fates, mut now, mut call) = (Vec::new(), Vec::new(), 0, 0);
        while now < seconds * S {
            while lane.queue[0].len() < 2 {
                if let Some(fate) = lane.admit(call, Class::Client, now + 60 * S, now) {
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
        assert_eq!(lane.admit(0, Class::Client, 10 * S, 0), Some(Fate::Sent(0)));
        let Some(Fate::Refused(1, wait)) = lane.admit(1, Class::Client, 10 * S, 0) else {
            panic!("there is a turn every 20 s");
        };
        assert!((19 * S..31 * S).contains(&wait), "{wait}");
        assert_eq!(lane.admit(2, Class::Refresh, 40 * S, 0), None, "it waits");
        assert!(!lane.is_ready(0));
    }

    #[test]
    fn clients_go_before_refreshes_until_those_starve() {
        let mut lane = Lane::new(60, rules());
        let mut fates = Vec::new();
        for call in 0..20 {
            assert_eq!(lane.admit(call, Class::Client, 60 * S, 0), Some(Fate::Sent(call)));
        }
        assert_eq!(lane.admit(100, Class::Refresh, 60 * S, 0), None);
        for call in 20..24 {
            assert_eq!(lane.admit(call, Class::Client, 60 * S, 0), None);
        }
        let mut now = 0;
        while let Some(wake) = lane.turn(now, &mut fates) {
            now = wake;
        }
        let order: Vec<_> =
            fates.iter().map(|fate| if let Fate::Sent(call) = fate { *call } else { 0 }).collect();
        assert_eq!(order, [20, 21, 22, 23, 100]);
    }
}
