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

/// Those of one client in one class; nobody stands for one who is not in the queue.
struct Line<'a> {
    client: ClientId,
    waiters: VecDeque<Option<(Place, &'a Waiter)>>,
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
        }
    }

    /// One more call wants a turn.
    pub(super) fn asked(&mut self, payer: Payer) {
        self.budget.asked(payer);
    }

    /// The turn of a call that comes behind those of its client and class who wait.
    pub(super) fn turn_of_last(mut self, payer: Payer) -> Instant {
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
        self.next().map(|_| self.now)
    }

    /// Serves everyone before the one who is not in the queue, and returns the last turn.
    pub(super) fn walk(&mut self, mut visit: impl FnMut(Place, &Waiter, Instant)) -> Instant {
        while let Some(choice) = self.next() {
            let Some((place, waiter)) = self.take(&choice) else { break };
            visit(place, waiter, self.now);
            if self.now <= waiter.latest {
                self.grant(&choice);
            } else {
                self.budget.left(place.payer);
            }
        }
        self.now
    }

    /// Who is next, and goes to the time of his turn; `None` when nobody waits.
    fn next(&mut self) -> Option<Choice> {
        let heads = self.heads();
        if heads.iter().all(Vec::is_empty) {
            return None;
        }
        loop {
            self.budget.settle(self.now);
            match self.budget.choose(&heads, self.now) {
                Some(choice) => return Some(choice),
                None => self.now = self.budget.next_choice(&heads, self.now),
            }
        }
    }

    fn heads(&self) -> [Vec<Head>; CLASSES] {
        std::array::from_fn(|class| {
            let lines = self.lines[class].iter();
            let head = |line: &Line<'_>| {
                let since = line.waiters.front()?.map_or(self.began, |(_, waiter)| waiter.since);
                Some(Head { client: line.client, since })
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
