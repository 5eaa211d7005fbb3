//! The metrics of those who follow streams.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use metrics::{Gauge, counter, gauge};

use super::{labels::StreamKind, tally::Tally};

/// What is told to the clients of each kind.
#[derive(Debug)]
pub(super) struct Streams(Vec<StreamMetrics>);

/// The metrics of one kind of stream. Clones share the same series.
#[derive(Clone, Debug)]
pub struct StreamMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
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
    topics: usize,
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
        Self(StreamKind::ALL.iter().map(|kind| StreamMetrics::register(*kind)).collect())
    }

    pub(super) fn of(&self, kind: StreamKind) -> &StreamMetrics {
        &self.0[kind.index()]
    }

    /// Brings the exporter up to date.
    pub(super) fn publish(&self) {
        self.0.iter().for_each(StreamMetrics::publish);
    }
}

impl StreamMetrics {
    fn register(kind: StreamKind) -> Self {
        let kind = kind.as_str();
        Self(Arc::new(Inner {
            clients: (AtomicUsize::new(0), gauge!("tidegate_stream_clients", "kind" => kind)),
            topics: (AtomicUsize::new(0), gauge!("tidegate_stream_topics", "kind" => kind)),
            counters: Tally::new(COUNTERS.map(|name| counter!(name, "kind" => kind))),
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
    pub fn client(&self) -> StreamClient {
        self.0.clients.0.fetch_add(1, Relaxed);
        StreamClient { metrics: self.clone(), topics: 0 }
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

impl StreamClient {
    /// He follows so many topics now.
    pub fn follows(&mut self, topics: usize) {
        let all = &self.metrics.0.topics.0;
        all.fetch_add(topics, Relaxed);
        all.fetch_sub(self.topics, Relaxed);
        self.topics = topics;
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
    }
}
