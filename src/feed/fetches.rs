//! Books that are fetched for channels which tell changes only.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Sink;
use crate::{exchange::Topic, market::Book, tasks::Tasks};

/// The pause before a book is fetched that was asked for in vain.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A book that was fetched, or could not be, for the session of the connection of this number.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) link: u64,
    pub(super) topic: Arc<Topic>,
    pub(super) book: Option<Book>,
}

/// The fetches of one conversation. They end with it.
pub(super) struct Fetches {
    tasks: Tasks,
    sink: Arc<dyn Sink>,
    asked: HashMap<(u64, Arc<Topic>), Asked>,
    // As many as are asked for at most, which is one for each channel.
    sender: mpsc::UnboundedSender<Fetched>,
    receiver: mpsc::UnboundedReceiver<Fetched>,
    stop: CancellationToken,
    _guard: DropGuard,
}

/// What is known of a topic's fetches since its channel last began.
#[derive(Debug, Default)]
struct Asked {
    is_under_way: bool,
    times: u32,
    last: Option<Instant>,
}

impl Fetches {
    pub(super) fn new(sink: Arc<dyn Sink>, tasks: Tasks) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        Self { tasks, sink, asked: HashMap::new(), sender, receiver, stop, _guard: guard }
    }

    /// Fetches a topic's book; after a pause if that has been done before and was of no use. One
    /// that is under way stands for all that are asked for meanwhile.
    pub(super) fn start(&mut self, link: u64, topic: Arc<Topic>, depth: u32, now: Instant) {
        let asked = self.asked.entry((link, topic.clone())).or_default();
        if asked.is_under_way {
            return;
        }
        asked.is_under_way = true;
        let pause = asked.times.checked_sub(1).map_or(Duration::ZERO, |doublings| {
            PAUSE_MIN.saturating_mul(1 << doublings.min(8)).min(PAUSE_MAX)
        });
        asked.times = asked.times.saturating_add(1);
        let from = asked.last.map_or(now, |last| last + pause);
        let (sink, sender, stop) = (self.sink.clone(), self.sender.clone(), self.stop.clone());
        self.tasks.spawn_until_stop("feed book", async move {
            let fetch = async {
                sleep_until(from).await;
                let book = sink.fetch_book(&topic, depth).await;
                let _the_conversation_has_ended = sender.send(Fetched { link, topic, book });
            };
            let _ended = stop.run_until_cancelled(fetch).await;
        });
    }

    /// The next one that ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Fetched {
        // It cannot be closed: there is a sender here.
        match self.receiver.recv().await {
            Some(fetched) => fetched,
            None => std::future::pending().await,
        }
    }

    /// A fetch has ended.
    pub(super) fn ended(&mut self, fetched: &Fetched, now: Instant) {
        if let Some(asked) = self.asked.get_mut(&(fetched.link, fetched.topic.clone())) {
            asked.is_under_way = false;
            asked.last = Some(now);
        }
    }

    /// A topic's channel has begun: the next fetch is not to wait.
    pub(super) fn was_of_use(&mut self, link: u64, topic: &Arc<Topic>) {
        if self.asked.is_empty() {
            return;
        }
        let key = (link, topic.clone());
        if self.asked.get(&key).is_some_and(|asked| !asked.is_under_way) {
            self.asked.remove(&key);
        }
    }

    /// True if a topic waits for its book.
    pub(super) fn is_under_way(&self, link: u64, topic: &Arc<Topic>) -> bool {
        let asked = self.asked.get(&(link, topic.clone()));
        asked.is_some_and(|asked| asked.is_under_way)
    }

    /// Forgets topics that are nobody's, unless a fetch is under way.
    pub(super) fn retain(&mut self, is_ours: impl Fn(u64, &Topic) -> bool) {
        self.asked.retain(|(link, topic), asked| asked.is_under_way || is_ours(*link, topic));
    }
}
