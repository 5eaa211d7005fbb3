//! One topic: its state, its latest updates, and who listens.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use slab::Slab;
use tokio::{sync::Notify, time::Instant};

use super::{Gap, Mode, News, Shared, Update, picture::Picture};
use crate::{
    exchange::{Data, Stream, Topic},
    market::{Book, Candle, Identity, Listing, UnixMs},
};

/// More changes of a book than this at once are told as a snapshot: it is the smaller message.
const CHANGES_AT_ONCE: usize = 32;

/// Wakes a follower of any number of topics.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// Waits until one of the topics has something to tell. Cancel-safe.
    pub async fn heard(&self) {
        while !self.rung.swap(false, Ordering::AcqRel) {
            self.notify.notified().await;
        }
    }

    /// Wakes the follower.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }
}

/// A follower's place among those who listen to one topic.
#[derive(Debug)]
pub(super) struct Ear {
    /// Something was published since it last looked.
    pub(super) behind: AtomicBool,
    bell: Arc<Bell>,
}

/// One topic.
#[derive(Debug)]
pub struct Line {
    topic: Arc<Topic>,
    market: Option<Arc<Listing>>,
    identity: Identity,
    shared: Arc<Shared>,
    // Locked for a few lines without awaits; never while another line is.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    seq: u64,
    ring: VecDeque<Arc<Update>>,
    /// Number of the newest update that is not in the ring.
    lost_to: u64,
    /// When the newest update was received.
    at: (Instant, UnixMs),
    picture: Picture,
    /// The picture as an update, until it changes.
    shown: Option<Arc<Update>>,
    ears: Slab<Arc<Ear>>,
    /// Since when nobody listens.
    deserted: Option<Instant>,
}

/// What a follower gets.
#[derive(Clone, Debug)]
pub enum Item {
    /// An update.
    Update(Arc<Update>),
    /// So many updates that count were left out: the follower was too slow. The number is that of
    /// the update after them.
    Skipped(u64, u64),
}

impl Item {
    /// Its place among all items.
    pub fn number(&self) -> u64 {
        match self {
            Self::Update(update) => update.number,
            Self::Skipped(_, number) => *number,
        }
    }
}

/// Where a follower stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// At the very beginning: the picture comes first.
    New,
    /// After an update, given as its number and seq.
    After(u64, u64),
}

/// What was left out for a follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Updates that a later state made superfluous.
    pub conflated: u64,
    /// Trades that are lost to him.
    pub skipped: u64,
}

impl Line {
    pub(super) fn new(
        topic: Arc<Topic>,
        market: Option<Arc<Listing>>,
        identity: Identity,
        shared: Arc<Shared>,
    ) -> Self {
        let state = State {
            mode: Mode::Starting,
            seq: 0,
            ring: VecDeque::new(),
            lost_to: shared.published(),
            at: (Instant::now(), shared.clock.now()),
            picture: Picture::Blank,
            shown: None,
            ears: Slab::new(),
            deserted: Some(Instant::now()),
        };
        Self { topic, market, identity, shared, state: Mutex::new(state) }
    }

    /// What it is about.
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// The market it is about; `None` for topics in the exchange's own terms.
    pub fn market(&self) -> Option<&Arc<Listing>> {
        self.market.as_ref()
    }

    /// How it is fed.
    pub fn mode(&self) -> Mode {
        self.state().mode
    }

    /// How many listen.
    pub fn followers(&self) -> usize {
        self.state().ears.len()
    }

    /// The book as it stands, whether its checksum has been seen or not.
    pub fn book(&self) -> Option<Book> {
        self.state().picture.book()
    }

    /// Tells what a message says. True if there was something missing before it.
    pub fn data(&self, data: &Data, received: Instant) -> bool {
        let identity = self.identity;
        let told = self.publish(received, |state| state.picture.take(data, identity));
        told.iter().any(|news| matches!(news, News::Gap(_)))
    }

    /// Puts candles of the past in their places.
    pub fn fill(&self, candles: &[Candle], received: Instant) {
        self.publish(received, |state| state.picture.fill(candles));
    }

    /// Tells that the newest candle is final.
    pub fn close_candle(&self, now: Instant) {
        self.publish(now, |state| state.picture.close());
    }

    /// Tells that the book as it stands has the exchange's checksum.
    pub fn checked(&self, checksum: i64, received: Instant) {
        self.publish(received, |_| vec![News::Checked(checksum)]);
    }

    /// Tells that something was missed.
    pub fn gap(&self, gap: Gap, now: Instant) {
        self.publish(now, |_| vec![News::Gap(gap)]);
    }

    /// Tells how it is fed from now on, if that is new.
    pub fn feed_by(&self, mode: Mode, now: Instant) {
        self.publish(now, |state| {
            if state.mode == mode {
                return Vec::new();
            }
            state.mode = mode;
            vec![News::Mode(mode)]
        });
    }

    fn publish(
        &self,
        received: Instant,
        change: impl FnOnce(&mut State) -> Vec<News>,
    ) -> Vec<News> {
        let mut numbers = self.shared.numbers();
        let mut state = self.state();
        let told = change(&mut state);
        if told.is_empty() {
            return told;
        }
        state.at = (received, self.shared.wall(received));
        for news in &told {
            *numbers += 1;
            state.seq += u64::from(news.counts());
            let update = Update::new((*numbers, state.seq), state.at, state.mode, news.clone());
            state.shown = matches!(news, News::Snapshot(_)).then(|| update.clone());
            state.keep(update, self.shared.buffer);
        }
        // Published before anybody is woken, and under the lock of numbers: whoever sees a number
        // finds every update up to it.
        self.shared.publish(*numbers);
        drop(numbers);
        for (_, ear) in &state.ears {
            if !ear.behind.swap(true, Ordering::AcqRel) {
                ear.bell.ring();
            }
        }
        told
    }

    pub(super) fn listen(&self, bell: &Arc<Bell>, after: Option<u64>) -> (usize, Arc<Ear>, Place) {
        let mut state = self.state();
        state.deserted = None;
        let ear = Arc::new(Ear { behind: AtomicBool::new(true), bell: bell.clone() });
        let key = state.ears.insert(ear.clone());
        let place = match after {
            Some(number) if number >= state.lost_to => {
                let later = state.ring.iter().filter(|update| update.number > number);
                let unseen = later.filter(|update| update.news.counts()).count() as u64;
                Place::After(number, state.seq - unseen)
            }
            _ => Place::New,
        };
        drop(state);
        bell.ring();
        (key, ear, place)
    }

    pub(super) fn leave(&self, key: usize) {
        let mut state = self.state();
        state.ears.try_remove(key);
        if state.ears.is_empty() {
            state.deserted = Some(Instant::now());
        }
    }

    /// Forgets updates that nobody can come back for. True if it can be forgotten as a whole.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        let mut state = self.state();
        let linger = self.shared.linger;
        let deserted = state.deserted.is_some_and(|since| now - since >= linger);
        if deserted && let Some(last) = state.ring.back().map(|update| update.number) {
            state.lost_to = last;
            state.ring = VecDeque::new();
            state.shown = None;
        }
        deserted && state.mode != Mode::Live
    }

    /// What a follower at `place` has not seen, up to the update `upto`; gives his new place. If
    /// there is more after that, he is woken again.
    pub(super) fn since(
        &self,
        place: Place,
        ear: &Ear,
        upto: u64,
        out: &mut Vec<Item>,
    ) -> (Place, LeftOut) {
        let mut state = self.state();
        let (place, left_out) = self.unseen(&mut state, place, upto, out);
        if matches!(place, Place::After(number, _) if number < state.last()) {
            ear.behind.store(true, Ordering::Release);
            ear.bell.ring();
        }
        (place, left_out)
    }

    fn unseen(
        &self,
        state: &mut State,
        place: Place,
        upto: u64,
        out: &mut Vec<Item>,
    ) -> (Place, LeftOut) {
        match place {
            Place::New => (state.show(out), LeftOut::default()),
            Place::After(number, seq) if number < state.lost_to => {
                if !matches!(self.topic.stream, Stream::Trades) {
                    let conflated = state.seq - seq;
                    return (state.show(out), LeftOut { conflated, skipped: 0 });
                }
                let first = state.ring.iter().find(|update| update.news.counts());
                let (next, at) = first
                    .map_or((state.seq + 1, state.last()), |update| (update.seq, update.number));
                let skipped = next.saturating_sub(seq + 1);
                if skipped > 0 {
                    out.push(Item::Skipped(skipped, at));
                }
                let (place, _) = state.pending(Place::After(state.lost_to, next - 1), upto, out);
                (place, LeftOut { conflated: 0, skipped })
            }
            after => state.pending(after, upto, out),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, update: Arc<Update>, most: usize) {
        if self.deserted.is_some() && self.ears.is_empty() && self.ring.is_empty() {
            // Nobody has been here since the updates were last forgotten.
            self.lost_to = update.number;
            return;
        }
        self.ring.push_back(update);
        while self.ring.len() > most {
            let lost = self.ring.pop_front();
            self.lost_to = lost.map_or(self.lost_to, |update| update.number);
        }
    }

    /// Number of the newest update.
    fn last(&self) -> u64 {
        self.ring.back().map_or(self.lost_to, |update| update.number)
    }

    /// The picture as it stands; the place after it.
    fn show(&mut self, out: &mut Vec<Item>) -> Place {
        let number = self.last();
        if self.shown.is_none()
            && let Some(shown) = self.picture.shown()
        {
            let news = News::Snapshot(shown);
            self.shown = Some(Update::new((number, self.seq), self.at, self.mode, news));
        }
        out.extend(self.shown.clone().map(Item::Update));
        Place::After(number, self.seq)
    }

    fn pending(&mut self, place: Place, upto: u64, out: &mut Vec<Item>) -> (Place, LeftOut) {
        let Place::After(number, seq) = place else { return (self.show(out), LeftOut::default()) };
        let from = self.ring.partition_point(|update| update.number <= number);
        let to = self.ring.partition_point(|update| update.number <= upto).max(from);
        let pending = self.ring.range(from..to);
        let Some(last) = pending.clone().next_back() else { return (place, LeftOut::default()) };
        let after = Place::After(last.number, last.seq.max(seq));
        let changes = pending.clone().filter(|it| matches!(it.news, News::Levels(_))).count();
        if changes > CHANGES_AT_ONCE {
            let conflated = self.seq - seq;
            return (self.show(out), LeftOut { conflated, skipped: 0 });
        }
        let mut conflated = 0;
        for (at, update) in pending.clone().enumerate() {
            let later = || pending.clone().skip(at + 1);
            let superfluous = match &update.news {
                News::Ticker(_) => later().any(|it| matches!(it.news, News::Ticker(_))),
                News::Candle(candle, _) => later().any(|it| match &it.news {
                    News::Candle(other, _) => other.open_time == candle.open_time,
                    _ => false,
                }),
                _ => false,
            };
            if superfluous {
                conflated += 1;
            } else {
                out.push(Item::Update(update.clone()));
            }
        }
        (after, LeftOut { conflated, skipped: 0 })
    }
}
