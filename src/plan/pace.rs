//! When a pool bears a call, queue aside: its window and its pace.

use std::collections::VecDeque;

use super::time::Us;

/// A slot is held one window after the call's end, and this much longer.
const SLACK: Us = 1_000;

/// Settings of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) window: Us,
    /// Units that may go at once; a third of the limit without it.
    pub(super) burst: Option<u32>,
    pub(super) latency: Us,
    pub(super) starvation_bound: Us,
    pub(super) max_queue: usize,
}

/// When calls may be sent, queue aside.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) limit: u32,
    period: Us,
    /// Units that go at once after idle.
    burst: u32,
    /// GCRA's theoretical arrival time.
    arrival: Us,
    /// When how many slots that are held come free, soonest first.
    releases: VecDeque<(Us, u32)>,
    held: u32,
    /// From the sending of a call until its slot is free.
    held_for: Us,
}

impl Pace {
    /// Of `limit` units in a window, which is as much shorter as fewer may go at once.
    pub(super) fn new(limit: u32, rules: &Rules) -> Self {
        let slots = rules.burst.map_or(limit, |burst| burst.clamp(1, limit.max(1)));
        let window = rules.window * Us::from(slots) / Us::from(limit.max(1));
        Self {
            limit: slots,
            period: (window / Us::from(slots.max(1))).max(1),
            burst: rules.burst.map_or(limit.div_ceil(3).max(1), |_| slots),
            arrival: 0,
            releases: VecDeque::new(),
            held: 0,
            held_for: rules.latency + window + SLACK,
        }
    }

    fn settle(&mut self, now: Us) {
        while let Some((_, units)) = self.releases.pop_front_if(|(release, _)| *release <= now) {
            self.held -= units;
        }
    }

    /// When a turn of so many units is due; one of more than go at once waits for as many as do.
    fn due(&self, units: u32) -> Us {
        let ahead = self.period * Us::from(self.burst.saturating_sub(units.max(1)));
        self.arrival.saturating_sub(ahead)
    }

    fn charge(&mut self, now: Us, units: u32) {
        self.arrival = self.arrival.max(now) + self.period * Us::from(units);
    }

    pub(super) fn is_free(&self, now: Us, units: u32) -> bool {
        let over = self.releases.iter().take_while(|(release, _)| *release <= now);
        let held = self.held - over.map(|(_, units)| units).sum::<u32>();
        held.saturating_add(units) <= self.limit && now >= self.due(units)
    }

    pub(super) fn try_send(&mut self, now: Us, units: u32) -> bool {
        self.settle(now);
        let is_free = self.is_free(now, units);
        if is_free {
            self.send(now, units);
        }
        is_free
    }

    fn send(&mut self, now: Us, units: u32) {
        self.charge(now, units);
        self.held = self.held.saturating_add(units);
        self.releases.push_back((now + self.held_for, units));
        self.spread(now);
    }

    /// The next turn of so many units at `from` or later, which is taken.
    pub(super) fn next_turn(&mut self, from: Us, units: u32) -> Us {
        let mut excess = self.held.saturating_add(units).saturating_sub(self.limit);
        let mut turn = from.max(self.due(units));
        for (release, units) in &self.releases {
            if excess == 0 {
                break;
            }
            turn = turn.max(*release);
            excess = excess.saturating_sub(*units);
        }
        self.settle(turn);
        self.send(turn, units);
        turn
    }

    /// A turn that leaves nothing of the burst, or no slot, puts off the next one to the even pace
    /// that meets every slot when it comes free.
    fn spread(&mut self, now: Us) {
        let tolerance = self.period * Us::from(self.burst - 1);
        let has_burst = now + tolerance >= self.arrival;
        if has_burst && self.held < self.limit {
            return;
        }
        if has_burst {
            let room = (now + tolerance - self.arrival) / self.period + 1;
            let left = u32::try_from(room).unwrap_or(self.burst).min(self.burst);
            self.charge(now, left);
        }
        let due = self.due(1);
        let mut left = Us::from(self.limit.saturating_sub(self.held));
        let mut excess = self.held.saturating_sub(self.limit);
        let (mut pace, mut turn) = (self.period, due + self.period * left);
        for (release, units) in &self.releases {
            let passed = excess.min(*units);
            excess -= passed;
            let units = Us::from(units - passed);
            if units == 0 {
                continue;
            }
            if *release > turn {
                pace = (*release - due + self.period) / (left + 1);
                turn = *release;
            }
            turn += pace * units;
            left += units;
        }
        self.arrival += pace.saturating_sub(self.period);
    }
}

/// The turns to come, as far as they were asked for, and the pace after them. They stay what they
/// are until one of them is taken or missed, or somebody needs more or less for his.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    pub(super) turns: Vec<(u32, Us)>,
    pace: Pace,
}

impl Ahead {
    pub(super) fn new(pace: &Pace) -> Self {
        Self { turns: Vec::new(), pace: pace.clone() }
    }

    /// The turn of so many units with this number, those before it being known; `pace` and `now`
    /// are the present.
    pub(super) fn turn(&mut self, number: usize, units: u32, pace: &Pace, now: Us) -> Us {
        if let Some((known, turn)) = self.turns.get(number)
            && *known == units
        {
            return *turn;
        }
        if number < self.turns.len() {
            let before: Vec<u32> = self.turns[..number].iter().map(|(units, _)| *units).collect();
            *self = Self::new(pace);
            for (number, units) in before.into_iter().enumerate() {
                self.turn(number, units, pace, now);
            }
        }
        let from = self.turns.last().map_or(now, |(_, last)| *last);
        let turn = self.pace.next_turn(from, units);
        self.turns.push((units, turn));
        turn
    }
}
