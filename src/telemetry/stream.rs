//! The metrics of those who follow streams.

use metrics::{Counter, Gauge, counter, gauge};

use super::labels::StreamKind;

/// What is told to the clients of each kind.
#[derive(Debug)]
pub(super) struct Streams(Vec<StreamMetrics>);

/// The metrics of one kind of stream. Clones share the same series.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    clients: Gauge,
    topics: Gauge,
    messages: Counter,
    bytes: Counter,
    conflated: Counter,
    skipped: Counter,
    goaways: Counter,
}

/// Counts one client, and the topics that he follows, for as long as it lives.
#[derive(Debug)]
pub struct StreamClient {
    metrics: StreamMetrics,
    topics: usize,
}

/// Tells the exporter in force what the series mean.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("tidegate_stream_clients", "Clients that follow a stream.");
    describe_gauge!("tidegate_stream_topics", "Topics that clients follow, counted by client.");
    describe_counter!("tidegate_stream_messages_total", "Messages that were sent to clients.");
    describe_counter!("tidegate_stream_bytes_total", "Size of these messages.");
    describe_counter!(
        "tidegate_stream_conflated_total",
        "Updates that a later state made superfluous before a client was ready for them."
    );
    describe_counter!(
        "tidegate_stream_skipped_total",
        "Trades that clients were too slow for, and were told so."
    );
    describe_counter!("tidegate_stream_goaways_total", "Clients that were asked to go elsewhere.");
}

impl Streams {
    /// Registers every series with the exporter in force.
    pub(super) fn register() -> Self {
        Self(StreamKind::ALL.iter().map(|kind| StreamMetrics::register(*kind)).collect())
    }

    pub(super) fn of(&self, kind: StreamKind) -> &StreamMetrics {
        &self.0[kind.index()]
    }
}

impl StreamMetrics {
    fn register(kind: StreamKind) -> Self {
        let kind = kind.as_str();
        let made = Self {
            clients: gauge!("tidegate_stream_clients", "kind" => kind),
            topics: gauge!("tidegate_stream_topics", "kind" => kind),
            messages: counter!("tidegate_stream_messages_total", "kind" => kind),
            bytes: counter!("tidegate_stream_bytes_total", "kind" => kind),
            conflated: counter!("tidegate_stream_conflated_total", "kind" => kind),
            skipped: counter!("tidegate_stream_skipped_total", "kind" => kind),
            goaways: counter!("tidegate_stream_goaways_total", "kind" => kind),
        };
        made.clients.set(0);
        made.topics.set(0);
        made
    }

    /// A client has come.
    pub fn client(&self) -> StreamClient {
        self.clients.increment(1);
        StreamClient { metrics: self.clone(), topics: 0 }
    }
}

impl StreamClient {
    /// He follows so many topics now.
    #[expect(clippy::cast_precision_loss, reason = "nobody follows 2^52 topics")]
    pub fn follows(&mut self, topics: usize) {
        self.metrics.topics.increment(topics as f64 - self.topics as f64);
        self.topics = topics;
    }

    /// So many messages of this size were sent to him.
    pub fn sent(&self, messages: u64, bytes: u64) {
        self.metrics.messages.increment(messages);
        self.metrics.bytes.increment(bytes);
    }

    /// So many updates were left out for him: superfluous ones, and trades that are lost to him.
    pub fn left_out(&self, conflated: u64, skipped: u64) {
        self.metrics.conflated.increment(conflated);
        self.metrics.skipped.increment(skipped);
    }

    /// He was asked to go elsewhere.
    pub fn sent_away(&self) {
        self.metrics.goaways.increment(1);
    }
}

impl Drop for StreamClient {
    fn drop(&mut self) {
        self.follows(0);
        self.metrics.clients.decrement(1);
    }
}
