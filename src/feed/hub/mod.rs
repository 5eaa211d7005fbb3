//! Live topics and those who follow them.
//!
//! A [`Line`] is one topic: its state, its latest updates, who listens. Publishing makes each update
//! once; a follower has no queue of his own, only a place in the line, and takes what he has not
//! seen when he is ready for it. Whoever is slow therefore costs no memory, and gets the latest
//! state of a ticker, book or candle instead of every step to it; of trades he is told how many he
//! missed.

mod line;
mod picture;
#[cfg(test)]
mod tests;
mod update;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use compact_str::{CompactString, format_compact};
use tokio::time::Instant;

pub use line::{Bell, Item, LeftOut, Line};
pub use update::{Gap, Lapse, Mode, News, Shown, Update};

use line::{Ear, Place};

use crate::{
    clock::Clock,
    config,
    exchange::Topic,
    market::{Identity, Listing, UnixMs},
};

/// Every topic of one exchange that is live or followed.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    lines: Arc<Mutex<HashMap<Arc<Topic>, Arc<Line>>>>,
    most: usize,
}

/// What the lines of a hub share.
#[derive(Debug)]
struct Shared {
    /// Tells the tokens of this hub from those of others.
    name: CompactString,
    numbers: Mutex<u64>,
    published: AtomicU64,
    buffer: usize,
    linger: Duration,
    clock: Clock,
}

impl Shared {
    fn numbers(&self) -> MutexGuard<'_, u64> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, number: u64) {
        self.published.store(number, Ordering::Release);
    }

    fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    fn wall(&self, at: Instant) -> UnixMs {
        let ago = i64::try_from(at.elapsed().as_millis()).unwrap_or(0);
        UnixMs::from_millis(self.clock.now().millis().saturating_sub(ago))
    }
}

/// There are as many topics as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} topics are followed already")]
pub struct TooManyTopics(pub usize);

/// A token that says from where a follower wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After the update of this number.
    After(u64),
    /// It is not of this hub, or is none: the process has been restarted since.
    Foreign,
}

impl Hub {
    /// Without topics. `seed` tells its tokens from those of earlier processes.
    pub fn new(seed: u32, settings: &config::Stream, clock: Clock) -> Self {
        let shared = Shared {
            name: format_compact!("{seed:08x}"),
            numbers: Mutex::new(0),
            published: AtomicU64::new(0),
            buffer: settings.buffer,
            linger: settings.linger,
            clock,
        };
        Self { shared: Arc::new(shared), lines: Arc::default(), most: settings.max_total_topics }
    }

    /// The topic's line, made if there is none; however many there are.
    pub fn open(
        &self,
        topic: &Arc<Topic>,
        market: Option<&Arc<Listing>>,
        identity: Identity,
    ) -> Arc<Line> {
        let mut lines = self.lines();
        let make = || {
            let line = Line::new(topic.clone(), market.cloned(), identity, self.shared.clone());
            Arc::new(line)
        };
        lines.entry(topic.clone()).or_insert_with(make).clone()
    }

    /// The topic's line, if there is one.
    pub fn line(&self, topic: &Topic) -> Option<Arc<Line>> {
        self.lines().get(topic).cloned()
    }

    /// Every line, in no order.
    pub fn all(&self) -> Vec<Arc<Line>> {
        self.lines().values().cloned().collect()
    }

    /// Follows a topic, from the update after the one of the given number where it is still kept,
    /// else from a snapshot.
    ///
    /// # Errors
    /// The topic is new and there are too many already.
    pub fn follow(
        &self,
        topic: &Arc<Topic>,
        market: Option<&Arc<Listing>>,
        identity: Identity,
        bell: &Arc<Bell>,
        after: Option<u64>,
    ) -> Result<Follower, TooManyTopics> {
        let is_full = {
            let lines = self.lines();
            lines.len() >= self.most && !lines.contains_key(topic)
        };
        if is_full {
            return Err(TooManyTopics(self.most));
        }
        let line = self.open(topic, market, identity);
        let (key, ear, place) = line.listen(bell, after);
        let resumed = matches!(place, Place::After(..));
        Ok(Follower { line, key, ear, place, resumed, left_out: LeftOut::default() })
    }

    /// The number of the newest update. All updates up to it can be taken.
    pub fn published(&self) -> u64 {
        self.shared.published()
    }

    /// The token of an update's number.
    pub fn token(&self, number: u64) -> CompactString {
        format_compact!("{}-{number}", self.shared.name)
    }

    /// What a token says.
    pub fn resume(&self, token: &str) -> Resume {
        let number = token.strip_prefix(self.shared.name.as_str());
        let number = number.and_then(|rest| rest.strip_prefix('-')?.parse().ok());
        match number.filter(|number| *number <= self.published()) {
            Some(number) => Resume::After(number),
            None => Resume::Foreign,
        }
    }

    /// Forgets what nobody follows any more; to be called about once a second.
    pub fn sweep(&self, now: Instant) {
        self.lines().retain(|_, line| {
            let forgotten = line.sweep(now);
            // Somebody else may just be about to follow or feed it.
            !(forgotten && Arc::strong_count(line) == 1)
        });
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Arc<Topic>, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who follows one topic. Dropping it ends that.
#[derive(Debug)]
pub struct Follower {
    line: Arc<Line>,
    key: usize,
    ear: Arc<Ear>,
    place: Place,
    resumed: bool,
    left_out: LeftOut,
}

impl Follower {
    /// The topic's line.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// True if it goes on where it was told to; false if it begins with a snapshot.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Takes what there is up to the update `upto` ([`Hub::published`]). Those who follow several
    /// topics take from all up to the same number and bring the items into the order of theirs.
    pub fn take(&mut self, upto: u64, out: &mut Vec<Item>) {
        // Looked at first: what is published from here on rings again.
        if !self.ear.behind.swap(false, Ordering::AcqRel) {
            return;
        }
        let (place, left_out) = self.line.since(self.place, &self.ear, upto, out);
        self.place = place;
        self.left_out.conflated += left_out.conflated;
        self.left_out.skipped += left_out.skipped;
    }

    /// What was left out since the last call.
    pub fn left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.line.leave(self.key);
    }
}
