//! Who waits: by class, within it by client, and of a client first come, first served.

use std::collections::BTreeMap;

use tokio::{sync::oneshot, time::Instant};

use super::{CallError, turn::Slot};
use crate::telemetry::{ClientId, Payer, Wait};

pub(super) const CLASSES: usize = Wait::ALL.len();

/// Where a waiter learns its fate.
pub(super) type Reply = oneshot::Sender<Result<Slot, CallError>>;

/// A call that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) since: Instant,
    /// A turn after this comes too late.
    pub(super) latest: Instant,
    /// Slots that it needs.
    pub(super) units: u32,
    /// Tries again after a failure; that is not worth waiting for when the exchange closes.
    pub(super) retry: bool,
    pub(super) reply: Reply,
}

/// A waiter's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) payer: Payer,
    number: u64,
}

/// The first waiter of a client in a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) client: ClientId,
    pub(super) since: Instant,
    /// Slots that it needs.
    pub(super) units: u32,
}

/// Those of one client in one class, first to come first.
type Line = BTreeMap<u64, (Waiter, Payer)>;

/// All waiters of a pool.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// No line is empty.
    classes: [BTreeMap<ClientId, Line>; CLASSES],
    next_number: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.classes.iter().flat_map(BTreeMap::values).map(Line::len).sum()
    }

    /// Every line of a class.
    pub(super) fn lines(
        &self,
        class: usize,
    ) -> impl Iterator<Item = (ClientId, impl Iterator<Item = (Place, &Waiter)>)> {
        self.classes[class].iter().map(|(client, line)| (*client, places(line)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Waiter)> {
        self.classes.iter().flat_map(BTreeMap::values).flat_map(places)
    }

    pub(super) fn heads(&self) -> [Vec<Head>; CLASSES] {
        std::array::from_fn(|class| {
            let lines = self.classes[class].iter();
            let head = |(client, line): (&ClientId, &Line)| {
                let (_, (waiter, _)) = line.first_key_value()?;
                Some(Head { client: *client, since: waiter.since, units: waiter.units })
            };
            lines.filter_map(head).collect()
        })
    }

    pub(super) fn waiting(&self, class: Wait) -> usize {
        self.classes[class.index()].values().map(Line::len).sum()
    }

    pub(super) fn push(&mut self, payer: Payer, waiter: Waiter) -> Place {
        self.next_number += 1;
        let line = self.classes[payer.class.index()].entry(payer.client).or_default();
        line.insert(self.next_number, (waiter, payer));
        Place { payer, number: self.next_number }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Waiter> {
        let lines = &mut self.classes[place.payer.class.index()];
        let line = lines.get_mut(&place.payer.client)?;
        let (waiter, _) = line.remove(&place.number)?;
        if line.is_empty() {
            lines.remove(&place.payer.client);
        }
        Some(waiter)
    }

    /// Takes the first waiter of a client in a class out.
    pub(super) fn pop(&mut self, class: usize, client: ClientId) -> Option<(Place, Waiter)> {
        let (place, _) = places(self.classes[class].get(&client)?).next()?;
        Some((place, self.remove(place)?))
    }

    /// Who makes room for a newcomer: the last to come of the lowest class below its own, or else
    /// of the client in its class that has more waiting by weight than the newcomer's would have.
    pub(super) fn displaced_by(&self, newcomer: Payer) -> Option<Place> {
        let class = newcomer.class.index();
        let below = self.classes.iter().skip(class + 1).rev().find(|lines| !lines.is_empty());
        if let Some(lines) = below {
            return lines.values().filter_map(last).max_by_key(|place| place.number);
        }
        let lines = &self.classes[class];
        let own = lines.get(&newcomer.client).map_or(0, Line::len) + 1;
        let crowd = |count: usize, payer: Payer| count as f64 / f64::from(payer.weight.get());
        let crowded = lines.values().filter_map(|line| {
            let place = last(line)?;
            Some((crowd(line.len(), place.payer), place))
        });
        let most = crowded.max_by(|(one, _), (other, _)| one.total_cmp(other));
        most.filter(|(most, _)| *most > crowd(own, newcomer)).map(|(_, place)| place)
    }
}

fn places(line: &Line) -> impl Iterator<Item = (Place, &Waiter)> {
    line.iter().map(|(number, (waiter, payer))| (Place { payer: *payer, number: *number }, waiter))
}

fn last(line: &Line) -> Option<Place> {
    line.last_key_value().map(|(number, (_, payer))| Place { payer: *payer, number: *number })
}
