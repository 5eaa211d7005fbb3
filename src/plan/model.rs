//! The gateway in small: keys, flights, merged tickers and budgets, driven by events.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;

use super::{
    arrivals::Arrivals,
    key::{Flight, Held, Key, Product, Waiter},
    lane::{Class, Fate, Lane},
    live::Live,
    tally::{Read, Served, Tally},
    time::{SECOND, Us},
};
use crate::exchange::{Asked, Family, Profile};

/// A load ends this much before its caller's patience does.
const LAST_WORD: Us = 50_000;

/// One thing that is asked for: the keys that it is read from, candles first.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) arrivals: Arrivals,
    pub(super) keys: Vec<usize>,
    /// Of these, the last one may be missing.
    pub(super) is_context: bool,
    pub(super) max_age: Option<Us>,
    /// Candles that it wants, of the width that its key has.
    pub(super) rows: u32,
    pub(super) tally: Tally,
}

/// What the settings say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    pub(super) request_deadline: Us,
    pub(super) refresh_deadline: Us,
    pub(super) merge_window: Us,
    pub(super) latency: Us,
    pub(super) profile: &'a Profile,
    /// The lane of each of [`Family::ALL`].
    pub(super) lane_of: [usize; Family::ALL.len()],
}

impl Settings<'_> {
    fn lane(&self, asked: Asked) -> usize {
        let family = asked.family();
        let at = Family::ALL.iter().position(|other| *other == family);
        self.lane_of[at.unwrap_or_default()]
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Second,
    Land(usize),
    /// The batch of refreshed (1) or awaited (0) tickers with this number is complete.
    Close(usize, u64),
    Wake(usize),
    Read(usize),
}

/// A call that waits for its turn or is under way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    lane: usize,
    units: u32,
    keys: Vec<usize>,
    /// Nobody flies with it.
    is_ticket: bool,
}

/// Tickers that are gathered for one call.
#[derive(Debug, Default)]
pub(super) struct Batch {
    number: u64,
    pub(super) keys: Vec<usize>,
}

/// The gateway.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) settings: Settings<'a>,
    pub(super) now: Us,
    /// What happens before this does not count.
    pub(super) counts_from: Us,
    pub(super) keys: Vec<Key>,
    pub(super) asks: Vec<Ask>,
    pub(super) lanes: Vec<Lane>,
    pub(super) live: Live,
    pub(super) reads: slab::Slab<Read>,
    /// Calls that were sent and count, and what they cost, by lane.
    pub(super) sent: Vec<(u64, u64)>,
    pub(super) dice: ChaCha8Rng,
    calls: slab::Slab<Call>,
    batches: [Batch; 2],
    /// When turns of each lane are handed out next.
    wakes: Vec<Option<Us>>,
    events: BinaryHeap<Reverse<(Us, u64, Event)>>,
    number: u64,
}

impl<'a> Model<'a> {
    /// `lanes`: those that the settings name. Equal dice bring equal events.
    pub(super) fn new(
        settings: Settings<'a>,
        counts_from: Us,
        keys: Vec<Key>,
        lanes: Vec<Lane>,
        live: Live,
        dice: ChaCha8Rng,
    ) -> Self {
        Self {
            settings,
            now: 0,
            counts_from,
            keys,
            asks: Vec::new(),
            sent: vec![(0, 0); lanes.len()],
            wakes: vec![None; lanes.len()],
            lanes,
            live,
            reads: slab::Slab::new(),
            dice,
            calls: slab::Slab::new(),
            batches: Default::default(),
            events: BinaryHeap::new(),
            number: 0,
        }
    }

    /// Lets time pass until `end`.
    pub(super) fn run(&mut self, end: Us) {
        self.at(0, Event::Second);
        for ask in 0..self.asks.len() {
            let (first, _) = self.asks[ask].arrivals.after(0, 1, &mut self.dice);
            self.at(first, Event::Read(ask));
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at >= end {
                return;
            }
            self.now = at;
            match event {
                Event::Second => {
                    self.give_channels();
                    self.at(at + SECOND, Event::Second);
                }
                Event::Read(ask) => {
                    let next = self.read(ask);
                    self.at(next, Event::Read(ask));
                }
                Event::Close(class, number) if self.batches[class].number == number => {
                    self.close(class);
                }
                Event::Close(..) => {}
                // Others were made before what they were made for has changed.
                Event::Wake(lane) if self.wakes[lane] == Some(at) => {
                    self.wakes[lane] = None;
                    self.turn(lane);
                }
                Event::Wake(_) => {}
                Event::Land(call) => self.land(call),
            }
        }
    }

    /// Gives channels out, and takes them back.
    fn give_channels(&mut self) {
        let (settings, now) = (self.settings, self.now);
        let short: Vec<bool> = self.lanes.iter().map(|lane| lane.is_short(now)).collect();
        let lane = |asked| short[settings.lane(asked)];
        let is_short = |key: &Key| match key.product {
            Product::Ticker => lane(Asked::Ticker) || lane(Asked::Tickers { count: None }),
            Product::Book { depth } => {
                settings.profile.book_channel_spares_calls(depth) && lane(key.asked)
            }
            Product::Trades | Product::Candles(_) => lane(key.asked),
        };
        self.live.make(&mut self.keys, is_short, now);
    }

    /// Counts what another run of the same workload has counted as well.
    pub(super) fn add(&mut self, other: &Self) {
        for (sent, more) in self.sent.iter_mut().zip(&other.sent) {
            *sent = (sent.0 + more.0, sent.1 + more.1);
        }
        for (key, more) in self.keys.iter_mut().zip(&other.keys) {
            key.fetches += more.fetches;
        }
        for (ask, more) in self.asks.iter_mut().zip(&other.asks) {
            ask.tally.add(&more.tally);
        }
    }

    fn at(&mut self, at: Us, event: Event) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, event)));
    }

    pub(super) fn counts(&self) -> bool {
        self.now >= self.counts_from
    }

    /// Starts the load of a key.
    pub(super) fn board(&mut self, key: usize, class: Class) {
        self.keys[key].flight = Some(Flight { waiters: Vec::new(), lands: None });
        let product = self.keys[key].product;
        if product == Product::Ticker {
            if class == Class::Refresh {
                self.bring_along(key);
            }
            return self.gather(key, class);
        }
        let call = self.call(self.keys[key].asked, vec![key]);
        let deadline = match class {
            Class::Client => self.now + self.settings.request_deadline - LAST_WORD,
            Class::Refresh => self.now + self.settings.refresh_deadline,
        };
        self.ask_for_turn(call, class, deadline);
    }

    /// Lets a series wait on of which nothing is held, although who wanted it was refused.
    pub(super) fn ticket(&mut self, key: usize) {
        let it = &mut self.keys[key];
        let is_known = it.fetched.is_some() || it.live_since.is_some();
        if !matches!(it.product, Product::Candles(_)) || is_known || it.has_ticket {
            return;
        }
        it.has_ticket = true;
        let deadline = self.now + it.times.on_error;
        let call = Call { is_ticket: true, ..self.call(self.keys[key].asked, vec![key]) };
        self.ask_for_turn(call, Class::Refresh, deadline);
    }

    /// Refreshes the tickers that are read and will soon be due too.
    fn bring_along(&mut self, first: usize) {
        if !self.is_ready(Asked::Tickers { count: Some(2) }) {
            return;
        }
        let now = self.now;
        let is_due = |key: &Key| {
            let half = |at: Us| now >= at + key.times.ttl / 2;
            let due = |held: Held| {
                let end = held.at + key.times.ttl + key.times.stale;
                !held.live && half(held.at) && now < end
            };
            key.product == Product::Ticker
                && key.was_read
                && key.flight.is_none()
                && key.failed_until <= now
                && key.held(now).is_some_and(due)
        };
        let others: Vec<usize> = (0..self.keys.len())
            .filter(|key| *key != first && is_due(&self.keys[*key]))
            .take(self.settings.profile.max_tickers.saturating_sub(1))
            .collect();
        for key in others {
            self.keys[key].flight = Some(Flight { waiters: Vec::new(), lands: None });
            self.gather(key, Class::Refresh);
        }
    }

    fn gather(&mut self, key: usize, class: Class) {
        let at = class as usize;
        if self.batches[at].keys.is_empty() {
            self.batches[at].number += 1;
            let close = Event::Close(at, self.batches[at].number);
            self.at(self.now + self.settings.merge_window, close);
        }
        self.batches[at].keys.push(key);
        if self.batches[at].keys.len() >= self.settings.profile.max_tickers {
            self.close(at);
        }
    }

    /// Sends the gathered tickers: one of them by the endpoint for one, where that has a call
    /// left, else by the one for many.
    fn close(&mut self, class: usize) {
        let keys = std::mem::take(&mut self.batches[class].keys);
        if keys.is_empty() {
            return;
        }
        let many = Asked::Tickers { count: Some(keys.len()) };
        let is_single = keys.len() == 1 && (self.is_ready(Asked::Ticker) || !self.is_ready(many));
        let asked = if is_single { Asked::Ticker } else { many };
        let (class, patience) = match class {
            0 => (Class::Client, self.settings.request_deadline),
            _ => (Class::Refresh, self.settings.refresh_deadline),
        };
        let call = self.call(asked, keys);
        self.ask_for_turn(call, class, self.now + patience);
    }

    fn call(&self, asked: Asked, keys: Vec<usize>) -> Call {
        let (lane, units) = (self.settings.lane(asked), (self.settings.profile.cost)(asked));
        Call { lane, units, keys, is_ticket: false }
    }

    fn is_ready(&self, asked: Asked) -> bool {
        let units = (self.settings.profile.cost)(asked);
        self.lanes[self.settings.lane(asked)].is_ready(units, self.now)
    }

    fn ask_for_turn(&mut self, call: Call, class: Class, deadline: Us) {
        let (lane, units) = (call.lane, call.units);
        let call = self.calls.insert(call);
        match self.lanes[lane].admit(call, units, class, deadline, self.now) {
            Some(fate) => self.meet(fate),
            None => self.turn(lane),
        }
    }

    fn turn(&mut self, lane: usize) {
        let mut fates = Vec::new();
        let wake = self.lanes[lane].turn(self.now, &mut fates);
        fates.into_iter().for_each(|fate| self.meet(fate));
        if self.wakes[lane] != wake {
            self.wakes[lane] = wake;
            wake.into_iter().for_each(|wake| self.at(wake, Event::Wake(lane)));
        }
    }

    fn meet(&mut self, fate: Fate) {
        match fate {
            Fate::Sent(call) => {
                let (counts, lands) = (self.counts(), self.now + self.settings.latency);
                let Call { lane, units, keys, .. } = &self.calls[call];
                let sent = &mut self.sent[*lane];
                if counts {
                    *sent = (sent.0 + 1, sent.1 + u64::from(*units));
                }
                for key in keys {
                    self.keys[*key].fetches += u64::from(counts);
                    if let Some(flight) = &mut self.keys[*key].flight {
                        flight.lands = Some(lands);
                    }
                }
                self.at(lands, Event::Land(call));
            }
            Fate::Refused(call, wait) => {
                let call = self.calls.remove(call);
                call.keys.into_iter().for_each(|key| self.fail(key, call.is_ticket, wait));
            }
        }
    }

    fn land(&mut self, call: usize) {
        let call = self.calls.remove(call);
        for key in call.keys {
            let it = &mut self.keys[key];
            it.fetched = Some(self.now);
            it.first_fetched.get_or_insert(self.now);
            it.failed_until = 0;
            it.was_read = false;
            if call.is_ticket {
                it.has_ticket = false;
                continue;
            }
            let Some(flight) = it.flight.take() else { continue };
            it.was_read = !flight.waiters.is_empty();
            for waiter in flight.waiters {
                let in_time =
                    (self.now <= waiter.deadline).then_some(Served { age: 0, overdue: false });
                let served = in_time.or_else(|| self.in_place(key, &waiter, waiter.deadline));
                self.settle(waiter.read, key, served);
            }
        }
    }

    fn fail(&mut self, key: usize, is_ticket: bool, wait: Us) {
        if is_ticket {
            self.keys[key].has_ticket = false;
            return;
        }
        let it = &mut self.keys[key];
        it.failed_until = self.now + it.times.negative.min(wait);
        let waiters = it.flight.take().map(|flight| flight.waiters).unwrap_or_default();
        for waiter in waiters {
            let at = self.now.min(waiter.deadline);
            let served = self.in_place(key, &waiter, at);
            if served.is_none() {
                self.ticket(key);
            }
            self.settle(waiter.read, key, served);
        }
    }

    /// What is held, in place of what could not be fetched.
    fn in_place(&self, key: usize, waiter: &Waiter, at: Us) -> Option<Served> {
        self.keys[key].on_error(waiter.held, waiter.max_age, at)?;
        Some(Served { age: at.saturating_sub(waiter.held?.at), overdue: true })
    }

    /// One part of a waiting read is decided.
    pub(super) fn settle(&mut self, read: usize, key: usize, served: Option<Served>) {
        let it = &mut self.reads[read];
        it.pending -= 1;
        it.take(served, key);
        if served.is_some() {
            self.keys[key].warmth.reads += it.weight;
        }
        if it.pending == 0 {
            let read = self.reads.remove(read);
            let wait = (self.now - read.since).min(self.settings.request_deadline);
            let ask = &mut self.asks[read.ask];
            ask.tally.count(&read, wait, ask.is_context, &ask.keys);
        }
    }
}
