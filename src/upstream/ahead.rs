//! The turns to come, if nothing but the known happens.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{
    budget::Budget,
    gate::Gate,
    lane::Lane,
    order::Choice,
    queue::{CLASSES, Head, Place, Waiter},
};
use crate::telemetry::{ClientId, Payer};

/// The resolution of tokio's timers.
const TICK: Duration = Duration::from_millis(1);

/// Those of one client in one class; nobody stands for one who is not in the queue.
struct Line<'a> {
    client: ClientId,
    waiters: VecDeque<Option<(Place, &'a Waiter)>>,
}

/// What happens next.
enum Next<'a> {
    /// Somebody gets a turn.
    Turn(Choice),
    /// Somebody has waited in vain.
    Late(Place, &'a Waiter),
    /// Nobody waits any more.
    Nobody,
}

/// A lane's future: its queue is served by the very rules of the present, on a copy of its budget.
pub(super) struct Ahead<'a> {
    budget: Budget,
    lines: [Vec<Line<'a>>; CLASSES],
    latency: Duration,
    began: Instant,
    /// The instant that is reached; no turn comes before it.
    now: Instant,
    /// The next call is a probe: those behind it wait for its answer.
    probe: bool,
    /// Slots that the one needs who is not in the queue.
    units: u32,
}

impl<'a> Ahead<'a> {
    /// Each call takes `latency` in all.
    pub(super) fn new(lane: &'a Lane, latency: Duration, exchange: &Gate, now: Instant) -> Self {
        let line =
            |(client, waiters)| Line { client, waiters: Iterator::map(waiters, Some).collect() };
        Self {
            budget: lane.budget.fork(latency, now),
            lines: std::array::from_fn(|class| lane.queue.lines(class).map(line).collect()),
            latency,
            began: now,
            now: lane.gate.outlook(now, latency).max(exchange.outlook(now, latency)),
            probe: lane.gate.awaits_probe() || exchange.awaits_probe(),
            units: 1,
        }
    }

    /// One more call wants a turn.
    pub(super) fn asked(&mut self, payer: Payer, units: u32) {
        self.budget.asked(payer, units);
    }

    /// The turn of a call that comes behind those of its client and class who wait.
    pub(super) fn turn_of_last(mut self, payer: Payer, units: u32) -> Instant {
        self.units = units;
        let lines = &mut self.lines[payer.class.index()];
        match lines.iter_mut().find(|line| line.client == payer.client) {
            Some(line) => line.waiters.push_back(None),
            None => {
                lines.push(Line { client: payer.client, waiters: VecDeque::from([None]) });
            }
        }
        self.walk(|_, _, _| {})
    }

    /// The first turn that somebody gets.
    pub(super) fn next_turn(mut self) -> Option<Instant> {
        loop {
            match self.next() {
                Next::Late(place, waiter) => self.budget.left(place.payer, waiter.units),
                Next::Turn(_) => return Some(self.now),
                Next::Nobody => return None,
            }
        }
    }

    /// Serves everyone before the one who is not in the queue, and returns the last turn.
    pub(super) fn walk(&mut self, mut visit: impl FnMut(Place, &Waiter, Instant)) -> Instant {
        loop {
            match self.next() {
                Next::Late(place, waiter) => {
                    visit(place, waiter, self.now);
                    self.budget.left(place.payer, waiter.units);
                }
                Next::Turn(choice) => {
                    let Some((place, waiter)) = self.take(&choice) else { return self.now };
                    visit(place, waiter, self.now);
                    self.grant(&choice);
                }
                Next::Nobody => return self.now,
            }
        }
    }

    /// Goes to the time at which something happens next.
    fn next(&mut self) -> Next<'a> {
        loop {
            self.budget.settle(self.now);
            if let Some((place, waiter)) = self.take_late() {
                return Next::Late(place, waiter);
            }
            let heads = self.heads();
            if heads.iter().all(Vec::is_empty) {
                return Next::Nobody;
            }
            match self.budget.choose(&heads, self.now) {
                Some(choice) => return Next::Turn(choice),
                None => self.now = self.tick(self.budget.next_choice(&heads, self.now)),
            }
        }
    }

    /// The first instant from `at` on at which somebody who sleeps until then wakes: tokio's timers
    /// go off at whole milliseconds. Less than that decides who of two is first, and with many to
    /// come such decisions add up.
    fn tick(&self, at: Instant) -> Instant {
        let ahead = at.saturating_duration_since(self.began);
        let ticks = ahead.as_nanos().div_ceil(TICK.as_nanos());
        self.began + TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// Takes the first of a line out whose turn would come too late by now, or never.
    fn take_late(&mut self) -> Option<(Place, &'a Waiter)> {
        let (now, ceiling) = (self.now, self.budget.ceiling());
        let late = |first: &mut Option<(Place, &Waiter)>| {
            first.is_some_and(|(_, waiter)| waiter.latest < now || waiter.units > ceiling)
        };
        let mut lines = self.lines.iter_mut().flatten();
        lines.find_map(|line| line.waiters.pop_front_if(late)).flatten()
    }

    fn heads(&self) -> [Vec<Head>; CLASSES] {
        std::array::from_fn(|class| {
            let lines = self.lines[class].iter();
            let head = |line: &Line<'_>| {
                let (since, units) = match line.waiters.front()? {
                    Some((_, waiter)) => (waiter.since, waiter.units),
                    None => (self.began, self.units),
                };
                Some(Head { client: line.client, since, units })
            };
            lines.filter_map(head).collect()
        })
    }

    fn take(&mut self, choice: &Choice) -> Option<(Place, &'a Waiter)> {
        let lines = &mut self.lines[choice.class];
        let line = lines.iter_mut().find(|line| line.client == choice.head.client)?;
        line.waiters.pop_front().flatten()
    }

    fn grant(&mut self, choice: &Choice) {
        let (slot, _) = self.budget.grant(choice, self.latency, self.now);
        self.budget.finish(slot, self.now + self.latency);
        if std::mem::take(&mut self.probe) {
            self.now += self.latency;
        }
    }
}
