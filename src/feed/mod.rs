//! Live data of one exchange: sockets in, topics out.
//!
//! ```text
//! socket ─► Session::on_text ─► Event ─► Sink ─► cache, hub ─► followers
//!   ▲ opens and closes channels
//! plan: pinned, followed, hot ── within the bound of channels
//! ```

mod hub;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use hub::{
    Bell, Follower, Gap, Hub, Item, Lapse, LeftOut, Line, Mode, News, Resume, Shown, TooManyTopics,
    Update,
};

use tokio::time::Instant;

use crate::exchange::{Data, Refused, Topic};

/// Takes what the channels of an exchange bring. Called by the one task that owns the channel's
/// socket, in the order of arrival; it must not block.
pub trait Sink: Send + Sync + 'static {
    /// A channel brought data; the first after [`Turn::Opened`] is a snapshot.
    fn data(&self, topic: &Arc<Topic>, data: &Data, received: Instant);

    /// Something else happened to a topic.
    fn turn(&self, topic: &Arc<Topic>, turn: &Turn, now: Instant);
}

/// A turn in the life of a topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Its channel is open; a snapshot follows.
    Opened,
    /// Its channel says that nothing has changed since its last data.
    Confirmed,
    /// The book, as the data so far make it, has the exchange's checksum.
    Checked(i32),
    /// It is not live any more, until [`Turn::Opened`].
    Lapsed(Lapse),
    /// The exchange refuses it for good.
    Refused(Refused),
    /// Nobody wants it live any more.
    Closed,
}

/// How a topic stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is live.
    Live,
    /// It is about to be opened.
    Opening,
    /// It is not live, although wanted.
    Lapsed(Lapse),
    /// Nobody wants it live.
    Unwanted,
}

/// The live channels of one exchange. Clones are the same.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    leases: Mutex<HashMap<Arc<Topic>, usize>>,
}

impl Inner {
    fn leases(&self) -> MutexGuard<'_, HashMap<Arc<Topic>, usize>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// A feed that opens nothing.
    pub fn disabled() -> Self {
        Self { inner: Arc::new(Inner { leases: Mutex::default() }) }
    }

    /// Wants a topic live for as long as the lease is held.
    pub fn lease(&self, topic: &Arc<Topic>) -> Lease {
        *self.inner.leases().entry(topic.clone()).or_default() += 1;
        Lease { feed: self.clone(), topic: topic.clone() }
    }

    /// Wants topics live for good, in place of those that were pinned before.
    pub fn pin(&self, topics: Vec<Arc<Topic>>) {
        let _ = topics;
    }

    /// Tells how many reads a minute each topic has; those that are not named have none.
    pub fn heat(&self, reads: Vec<(Arc<Topic>, f64)>) {
        let _ = reads;
    }

    /// How a topic stands.
    pub fn standing(&self, topic: &Topic) -> Standing {
        if self.inner.leases().contains_key(topic) {
            Standing::Lapsed(Lapse::NoRoom)
        } else {
            Standing::Unwanted
        }
    }
}

/// Keeps a topic wanted.
pub struct Lease {
    feed: Feed,
    topic: Arc<Topic>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.feed.inner.leases();
        if let Some(count) = leases.get_mut(&self.topic) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&self.topic);
            }
        }
    }
}
