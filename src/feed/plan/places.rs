//! The sockets, and which topics have a seat on which.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::watch, time::Instant};

use crate::{
    exchange::{Live, Topic},
    feed::{SocketState, channel::Mark},
};

/// The topics that a socket is to have open.
pub(in crate::feed) type Orders = Arc<Vec<(Arc<Topic>, Arc<Mark>)>>;

/// What a socket shows of itself.
#[derive(Debug)]
pub(in crate::feed) struct SocketView {
    state: Mutex<(SocketState, Instant)>,
    pub(in crate::feed) last_message: Arc<Mark>,
    reconnects: AtomicU64,
}

impl SocketView {
    fn new(epoch: Instant) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((SocketState::Waiting, Instant::now())),
            last_message: Mark::new(epoch),
            reconnects: AtomicU64::new(0),
        })
    }

    pub(in crate::feed) fn enter(&self, state: SocketState) {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != state {
            *current = (state, Instant::now());
        }
    }

    pub(in crate::feed) fn state(&self) -> (SocketState, Instant) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::feed) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    pub(in crate::feed) fn lost(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket whose task is to be started.
#[derive(Debug)]
pub(in crate::feed) struct Opened {
    pub(in crate::feed) id: u64,
    /// Ends when the socket has to be closed.
    pub(in crate::feed) orders: watch::Receiver<Orders>,
    pub(in crate::feed) view: Arc<SocketView>,
}

/// What a socket has room for.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Room {
    all: usize,
    books: usize,
    one_depth: bool,
}

impl Room {
    /// For one topic.
    pub(in crate::feed) const LEAST: Self = Self { all: 1, books: 1, one_depth: false };
}

impl From<&Live> for Room {
    fn from(live: &Live) -> Self {
        let (all, books) = (live.channels_per_socket, live.books_per_socket);
        Self { all, books, one_depth: live.one_depth_per_socket }
    }
}

/// Seats for topics, and for books among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seats {
    all: usize,
    books: usize,
}

#[derive(Debug)]
struct Place {
    /// Topics that it may have open; learnt when the exchange refuses one.
    capacity: Seats,
    sitters: Vec<Sitter>,
    orders: watch::Sender<Orders>,
    changed: bool,
    dead: bool,
    view: Arc<SocketView>,
}

/// A topic that has a seat.
#[derive(Debug)]
struct Sitter {
    topic: Arc<Topic>,
    mark: Arc<Mark>,
    /// False if the socket is to give it up.
    stays: bool,
}

impl Place {
    /// Seats that are taken.
    fn taken(&self) -> Seats {
        let books = self.sitters.iter().filter(|sitter| sitter.topic.is_book()).count();
        Seats { all: self.sitters.len(), books }
    }

    fn has_room(&self, topic: &Topic, learnt: Seats) -> bool {
        let taken = self.taken();
        let has_seat = taken.all < self.capacity.all.min(learnt.all);
        has_seat && (!topic.is_book() || taken.books < self.capacity.books.min(learnt.books))
    }

    /// True if it has a book of the topic's market.
    fn has_book_beside(&self, topic: &Topic) -> bool {
        let is_other = |sitter: &Sitter| sitter.topic.is_book() && sitter.topic.id == topic.id;
        topic.is_book() && self.sitters.iter().any(is_other)
    }
}

/// Every socket.
#[derive(Debug)]
pub(super) struct Places {
    per_socket: Seats,
    one_depth: bool,
    /// What the exchange was seen to allow a socket, if that is less.
    learnt: Seats,
    epoch: Instant,
    places: BTreeMap<u64, Place>,
    next_id: u64,
}

impl Places {
    /// A socket has so much room.
    pub(super) fn new(room: Room, epoch: Instant) -> Self {
        let all = room.all.max(1);
        let per_socket = Seats { all, books: room.books.clamp(1, all) };
        let (one_depth, places) = (room.one_depth, BTreeMap::new());
        Self { per_socket, one_depth, learnt: per_socket, epoch, places, next_id: 0 }
    }

    /// Seats in all, with those that are being given up.
    pub(super) fn seats(&self) -> usize {
        self.places.values().map(|place| place.sitters.len()).sum()
    }

    /// Gives a topic a seat on the fullest socket that has room, or on a new one.
    pub(super) fn sit(
        &mut self,
        topic: &Arc<Topic>,
        mark: &Arc<Mark>,
        start: &mut Vec<Opened>,
    ) -> u64 {
        let has_room = |place: &Place| {
            place.has_room(topic, self.learnt) && !(self.one_depth && place.has_book_beside(topic))
        };
        let roomy = self.places.iter().filter(|(_, place)| has_room(place));
        // The first of several that are equally full.
        let fullest = roomy.rev().max_by_key(|(_, place)| place.sitters.len()).map(|(id, _)| *id);
        let id = fullest.unwrap_or_else(|| {
            let opened = self.open();
            let id = opened.id;
            start.push(opened);
            id
        });
        if let Some(place) = self.places.get_mut(&id) {
            let (topic, mark) = (topic.clone(), mark.clone());
            place.sitters.push(Sitter { topic, mark, stays: true });
            place.changed = true;
        }
        id
    }

    fn open(&mut self) -> Opened {
        self.next_id += 1;
        let id = self.next_id;
        let (orders, receiver) = watch::channel(Orders::default());
        let view = SocketView::new(self.epoch);
        let place = Place {
            capacity: self.per_socket,
            sitters: Vec::new(),
            orders,
            changed: false,
            dead: false,
            view: view.clone(),
        };
        self.places.insert(id, place);
        Opened { id, orders: receiver, view }
    }

    /// Tells the socket to give a topic up, or that it may keep it after all.
    pub(super) fn keep(&mut self, id: u64, topic: &Topic, stays: bool) {
        let Some(place) = self.places.get_mut(&id) else { return };
        for sitter in place.sitters.iter_mut().filter(|sitter| *sitter.topic == *topic) {
            sitter.stays = stays;
            place.changed = true;
        }
    }

    /// The topic's seat is free.
    pub(super) fn vacate(&mut self, id: u64, topic: &Topic) {
        if let Some(place) = self.places.get_mut(&id) {
            place.sitters.retain(|sitter| *sitter.topic != *topic);
            place.changed = true;
        }
    }

    /// The exchange opens no more channels on a socket than it has now; others are not filled
    /// further than that either, though to half of what the exchange documents at least, so that
    /// one odd refusal does not scatter everything.
    ///
    /// Where books are counted apart, it is them that a book had no room among.
    pub(super) fn learn_capacity(&mut self, id: u64, refused: &Topic) {
        let Some(place) = self.places.get_mut(&id) else { return };
        let taken = place.taken();
        let (all, books) = (self.per_socket.all, self.per_socket.books);
        if books < all && refused.is_book() {
            place.capacity.books = taken.books;
            self.learnt.books = self.learnt.books.min(taken.books).max(books.div_ceil(2));
        } else {
            place.capacity.all = taken.all;
            self.learnt.all = self.learnt.all.min(taken.all).max(all.div_ceil(2));
        }
    }

    /// The socket's task is gone.
    pub(super) fn died(&mut self, id: u64) {
        if let Some(place) = self.places.get_mut(&id) {
            place.dead = true;
        }
    }

    /// Sockets whose task is gone, to be started again, and who has a seat there.
    pub(super) fn revive(&mut self) -> Vec<(Opened, Vec<Arc<Topic>>)> {
        let dead = self.places.iter_mut().filter(|(_, place)| place.dead);
        dead.map(|(id, place)| {
            place.dead = false;
            let view = place.view.clone();
            let opened = Opened { id: *id, orders: place.orders.subscribe(), view };
            (opened, place.sitters.iter().map(|sitter| sitter.topic.clone()).collect())
        })
        .collect()
    }

    /// Ends the sockets without topics.
    pub(super) fn close_empty(&mut self) {
        self.places.retain(|_, place| !place.sitters.is_empty());
    }

    /// Tells every socket what it is to have open, if that has changed.
    pub(super) fn publish(&mut self) {
        for place in self.places.values_mut().filter(|place| place.changed) {
            place.changed = false;
            let stay = place.sitters.iter().filter(|sitter| sitter.stays);
            let orders = stay.map(|sitter| (sitter.topic.clone(), sitter.mark.clone())).collect();
            place.orders.send_replace(Arc::new(orders));
        }
    }

    /// Of each socket: id, what it shows, its topics, its capacity.
    pub(super) fn views(&self) -> impl Iterator<Item = (u64, &Arc<SocketView>, usize, usize)> {
        self.places
            .iter()
            .map(|(id, place)| (*id, &place.view, place.sitters.len(), place.capacity.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exchange::Stream, market::Precision};

    /// A refusal would have taught that the first socket has no room for anything.
    #[test]
    fn books_that_messages_do_not_tell_apart_have_sockets_of_their_own() {
        let now = Instant::now();
        let topic = |id: &str, stream: Stream| Arc::new(Topic { id: id.into(), stream });
        let book = |id, depth| topic(id, Stream::Book { precision: Precision::P0, depth });
        let topics = [book("A", 25), book("A", 100), book("B", 25), topic("A", Stream::Ticker)];
        for (one_depth, seats) in [(true, [1, 2, 1, 1]), (false, [1, 1, 1, 1])] {
            let mut places = Places::new(Room { all: 9, books: 9, one_depth }, now);
            let mut sit = |topic| places.sit(topic, &Mark::new(now), &mut Vec::new());
            assert_eq!(topics.each_ref().map(&mut sit), seats);
        }
    }
}
