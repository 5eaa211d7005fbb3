//! The metrics of those who follow streams.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::{Gauge, counter, gauge};
use tokio::time::Instant;

use super::{ClientId, labels::StreamKind, tally::Tally};

/// What is told to the clients of each kind.
#[derive(Debug)]
pub(super) struct Streams {
    kinds: Vec<StreamMetrics>,
    open: Arc<Open>,
}

/// Those who follow at present, by their numbers; as many as there may be.
#[derive(Debug, Default)]
struct Open {
    next: AtomicU64,
    followers: Mutex<BTreeMap<u64, Arc<Lag>>>,
}

/// How one who follows keeps up.
#[derive(Debug)]
struct Lag {
    kind: StreamKind,
    client: ClientId,
    since: Instant,
    topics: AtomicUsize,
    conflated: AtomicU64,
    skipped: AtomicU64,
}

/// One who follows and does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowFollower {
    /// His number among those of the process.
    pub id: u64,
    /// How he follows.
    pub kind: StreamKind,
    /// Who he is.
    pub client: ClientId,
    /// Topics that he follows.
    pub topics: usize,
    /// Updates that a later state made superfluous before he was ready for them.
    pub conflated: u64,
    /// Trades that he was too slow for.
    pub skipped: u64,
    /// For how long he has been following.
    pub follows_for: Duration,
}

/// The metrics of one kind of stream. Clones share the same series.
#[derive(Clone, Debug)]
pub struct StreamMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: StreamKind,
    open: Arc<Open>,
    clients: (AtomicUsize, Gauge),
    topics: (AtomicUsize, Gauge),
    /// See [`COUNTERS`].
    counters: Tally,
}

/// Those who follow streams of one kind, and what they were told since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Clients at present.
    pub clients: usize,
    /// Topics that they follow, counted by client.
    pub topics: usize,
    /// Messages that were sent.
    pub messages: u64,
    /// Size of these messages.
    pub bytes: u64,
    /// Updates that a later state made superfluous.
    pub conflated: u64,
    /// Trades that clients were too slow for.
    pub skipped: u64,
    /// Clients that were asked to go elsewhere.
    pub goaways: u64,
}

/// Counts one client, and the topics that he follows, for as long as it lives.
#[derive(Debug)]
pub struct StreamClient {
    metrics: StreamMetrics,
    id: u64,
    lag: Arc<Lag>,
}

/// What is counted of each kind.
const COUNTERS: [&str; 5] = [
    "tidegate_stream_messages_total",
    "tidegate_stream_bytes_total",
    "tidegate_stream_conflated_total",
    "tidegate_stream_skipped_total",
    "tidegate_stream_goaways_total",
];
const MESSAGES: usize = 0;
const BYTES: usize = 1;
const CONFLATED: usize = 2;
const SKIPPED: usize = 3;
const GOAWAYS: usize = 4;

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("tidegate_stream_clients", "Clients that follow a stream.");
    describe_gauge!("tidegate_stream_topics", "Topics that clients follow, counted by client.");
    describe_counter!(COUNTERS[MESSAGES], "Messages that were sent to clients.");
    describe_counter!(COUNTERS[BYTES], "Size of these messages.");
    describe_counter!(
        COUNTERS[CONFLATED],
        "Updates that a later state made superfluous before a client was ready for them."
    );
    describe_counter!(
        COUNTERS[SKIPPED],
        "Trades that clients were too slow for, and were told so."
    );
    describe_counter!(COUNTERS[GOAWAYS], "Clients that were asked to go elsewhere.");
}

impl Streams {
    /// Registers every series with the exporter in force.
    pub(super) fn register() -> Self {
        let open = Arc::<Open>::default();
        let kinds = StreamKind::ALL.iter().map(|kind| StreamMetrics::register(*kind, &open));
        Self { kinds: kinds.collect(), open }
    }

    pub(super) fn of(&self, kind: StreamKind) -> &StreamMetrics {
        &self.kinds[kind.index()]
    }

    /// Those who follow, in whatever way.
    pub(super) fn clients(&self) -> usize {
        self.kinds.iter().map(|kind| kind.0.clients.0.load(Relaxed)).sum()
    }

    /// Those who lag, the worst of them first.
    pub(super) fn slow(&self, most: usize) -> Vec<SlowFollower> {
        let followers = self.open.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = followers.iter().map(|(id, lag)| lag.shown(*id));
        let mut slow: Vec<_> = shown.filter(|it| it.skipped + it.conflated > 0).collect();
        drop(followers);
        slow.sort_by_key(|it| Reverse((it.skipped, it.conflated)));
        slow.truncate(most);
        slow
    }

    /// Brings the exporter up to date.
    pub(super) fn publish(&self) {
        self.kinds.iter().for_each(StreamMetrics::publish);
    }
}

impl StreamMetrics {
    fn register(kind: StreamKind, open: &Arc<Open>) -> Self {
        let name = kind.as_str();
        Self(Arc::new(Inner {
            kind,
            open: open.clone(),
            clients: (AtomicUsize::new(0), gauge!("tidegate_stream_clients", "kind" => name)),
            topics: (AtomicUsize::new(0), gauge!("tidegate_stream_topics", "kind" => name)),
            counters: Tally::new(COUNTERS.map(|counted| counter!(counted, "kind" => name))),
        }))
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody follows 2^52 topics")]
    fn publish(&self) {
        for (count, shown) in [&self.0.clients, &self.0.topics] {
            shown.set(count.load(Relaxed) as f64);
        }
        self.0.counters.publish();
    }

    /// A client has come.
    pub fn client(&self, client: ClientId) -> StreamClient {
        self.0.clients.0.fetch_add(1, Relaxed);
        let lag = Arc::new(Lag {
            kind: self.0.kind,
            client,
            since: Instant::now(),
            topics: AtomicUsize::new(0),
            conflated: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        });
        let id = self.0.open.next.fetch_add(1, Relaxed) + 1;
        let mut followers = self.0.open.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.insert(id, lag.clone());
        drop(followers);
        StreamClient { metrics: self.clone(), id, lag }
    }

    /// What all clients of this kind are told.
    pub fn totals(&self) -> StreamTotals {
        let counted = |index| self.0.counters.get(index);
        StreamTotals {
            clients: self.0.clients.0.load(Relaxed),
            topics: self.0.topics.0.load(Relaxed),
            messages: counted(MESSAGES),
            bytes: counted(BYTES),
            conflated: counted(CONFLATED),
            skipped: counted(SKIPPED),
            goaways: counted(GOAWAYS),
        }
    }
}

impl Lag {
    fn shown(&self, id: u64) -> SlowFollower {
        SlowFollower {
            id,
            kind: self.kind,
            client: self.client,
            topics: self.topics.load(Relaxed),
            conflated: self.conflated.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            follows_for: self.since.elapsed(),
        }
    }
}

impl StreamClient {
    /// He follows so many topics now.
    pub fn follows(&mut self, topics: usize) {
        let all = &self.metrics.0.topics.0;
        all.fetch_add(topics, Relaxed);
        all.fetch_sub(self.lag.topics.swap(topics, Relaxed), Relaxed);
    }

    /// So many messages of this size were sent to him.
    pub fn sent(&self, messages: u64, bytes: u64) {
        self.metrics.0.counters.add(MESSAGES, messages);
        self.metrics.0.counters.add(BYTES, bytes);
    }

    /// So many updates were left out for him: superfluous ones, and trades that are lost to him.
    pub fn left_out(&self, conflated: u64, skipped: u64) {
        self.metrics.0.counters.add(CONFLATED, conflated);
        self.metrics.0.counters.add(SKIPPED, skipped);
        self.lag.conflated.fetch_add(conflated, Relaxed);
        self.lag.skipped.fetch_add(skipped, Relaxed);
    }

    /// He was asked to go elsewhere.
    pub fn sent_away(&self) {
        self.metrics.0.counters.count(GOAWAYS);
    }
}

impl Drop for StreamClient {
    fn drop(&mut self) {
        self.follows(0);
        self.metrics.0.clients.0.fetch_sub(1, Relaxed);
        let followers = &self.metrics.0.open.followers;
        followers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
