//! Who waits, and whose turn is next.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{CallError, turn::Slot};
use crate::telemetry::Wait;

const CLASSES: usize = Wait::ALL.len();

/// Of this many turns in a row at most one goes to a starving waiter before its class's time.
const STARVED_ONE_IN: u32 = 4;

/// Where a waiter learns its fate.
pub(super) type Reply = oneshot::Sender<Result<Slot, CallError>>;

/// A call that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) since: Instant,
    /// A turn after this comes too late.
    pub(super) latest: Instant,
    /// Tries again after a failure; that is not worth waiting for when the exchange closes.
    pub(super) retry: bool,
    pub(super) reply: Reply,
}

/// A waiter's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    class: usize,
    number: u64,
}

impl Place {
    pub(super) fn class(self) -> Wait {
        Wait::ALL[self.class]
    }
}

/// Picks the class whose first waiter is next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    starvation_bound: Duration,
    since_starved: u32,
}

/// A choice of [`Order`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) class: usize,
    starved: bool,
}

impl Order {
    /// `heads` tells since when the first waiter of each class waits.
    pub(super) fn choose(&self, heads: [Option<Instant>; CLASSES], at: Instant) -> Option<Choice> {
        let first = heads.iter().position(Option::is_some)?;
        let lower = heads.iter().enumerate().skip(first + 1);
        let oldest = lower.filter_map(|(class, since)| since.map(|since| (since, class))).min();
        let starved = oldest.filter(|(since, _)| {
            self.since_starved + 1 >= STARVED_ONE_IN
                && at.saturating_duration_since(*since) > self.starvation_bound
        });
        Some(match starved {
            Some((_, class)) => Choice { class, starved: true },
            None => Choice { class: first, starved: false },
        })
    }

    pub(super) fn granted(&mut self, choice: Choice) {
        self.since_starved = if choice.starved { 0 } else { self.since_starved.saturating_add(1) };
    }
}

/// All waiters of a family.
#[derive(Debug)]
pub(super) struct Queue {
    classes: [BTreeMap<u64, Waiter>; CLASSES],
    next_number: u64,
    order: Order,
}

impl Queue {
    pub(super) fn new(starvation_bound: Duration) -> Self {
        Self {
            classes: Default::default(),
            next_number: 0,
            order: Order { starvation_bound, since_starved: STARVED_ONE_IN },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(BTreeMap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(BTreeMap::is_empty)
    }

    /// Waiters of a class, first to come first.
    pub(super) fn class(&self, class: usize) -> impl Iterator<Item = (Place, &Waiter)> {
        self.classes[class]
            .iter()
            .map(move |(number, waiter)| (Place { class, number: *number }, waiter))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Waiter)> {
        (0..CLASSES).flat_map(|class| self.class(class))
    }

    pub(super) fn waiting(&self, class: Wait) -> usize {
        self.classes[class.index()].len()
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn push(&mut self, class: Wait, waiter: Waiter) -> Place {
        self.next_number += 1;
        let place = Place { class: class.index(), number: self.next_number };
        self.classes[place.class].insert(place.number, waiter);
        place
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Waiter> {
        self.classes[place.class].remove(&place.number)
    }

    /// Drops every waiter; each finds the other end of his reply gone.
    pub(super) fn clear(&mut self) {
        self.classes = Default::default();
    }

    /// The waiter whose turn it is, to be granted.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Wait, Waiter)> {
        let heads = std::array::from_fn(|class| {
            self.classes[class].first_key_value().map(|(_, waiter)| waiter.since)
        });
        let choice = self.order.choose(heads, now)?;
        self.order.granted(choice);
        let (_, waiter) = self.classes[choice.class].pop_first()?;
        Some((Wait::ALL[choice.class], waiter))
    }

    /// Makes room for a newcomer: the last to come of the lowest class below its own.
    pub(super) fn pop_below(&mut self, class: Wait) -> Option<Waiter> {
        let mut below = self.classes.iter_mut().skip(class.index() + 1).rev();
        below.find_map(BTreeMap::pop_last).map(|(_, waiter)| waiter)
    }
}
