//! The metrics of one exchange's live feed.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Gauge, Label, counter, gauge};
use tokio::time::Instant;

use super::{Connect, FeedKind, Reconnect, Resync, tally::Tally};

/// The metrics of the live feed of one exchange. Clones share the same series.
#[derive(Clone, Debug)]
pub struct FeedMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exchange: &'static str,
    connected: Gauge,
    channels: Gauge,
    messages: Tally,
    resyncs: Tally,
    reconnects: Tally,
    attempts: Tally,
    /// See [`OTHERS`].
    others: Tally,
    ages: Vec<[Gauge; 2]>,
    last: Mutex<Vec<Option<LastWords>>>,
}

/// When the live channels of one kind last brought anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// The one that has been silent longest.
    pub worst: Instant,
    /// The one in the middle.
    pub median: Instant,
}

/// What happened to a feed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedTotals {
    /// Messages with data.
    pub messages: u64,
    /// Bytes of all messages.
    pub bytes: u64,
    /// Attempts to connect.
    pub connect_attempts: u64,
    /// Connections that were lost or given up.
    pub reconnects: u64,
    /// Channels that were asked for anew.
    pub resyncs: u64,
    /// Books whose checksum did not hold.
    pub checksum_failures: u64,
    /// Hot keys that got a channel.
    pub promotions: u64,
    /// Hot keys that gave theirs back.
    pub demotions: u64,
}

/// Counters without a label of their own.
const OTHERS: [&str; 4] = [
    "tidegate_feed_bytes_total",
    "tidegate_feed_checksum_failures_total",
    "tidegate_feed_promotions_total",
    "tidegate_feed_demotions_total",
];
const BYTES: usize = 0;
const CHECKSUM_FAILURES: usize = 1;
const PROMOTIONS: usize = 2;
const DEMOTIONS: usize = 3;

/// Tells the exporter in force what the feeds' series mean.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("tidegate_feed_connected", "Sockets to the exchange that are open.");
    describe_gauge!("tidegate_feed_channels", "Channels that are live.");
    describe_counter!(
        "tidegate_feed_messages_total",
        "Messages with data that live channels brought, by kind."
    );
    describe_counter!(OTHERS[BYTES], "Bytes of all messages on the exchange's sockets.");
    describe_gauge!(
        "tidegate_feed_last_message_age_seconds",
        "The time since live channels last brought anything, by kind; 0 without such channels."
    );
    describe_counter!(
        "tidegate_feed_resyncs_total",
        "Channels that were asked for anew, by reason."
    );
    describe_counter!(OTHERS[CHECKSUM_FAILURES], "Live books whose checksum did not hold.");
    describe_counter!(
        "tidegate_feed_reconnects_total",
        "Connections that were lost or given up, by reason."
    );
    describe_counter!(
        "tidegate_feed_connect_attempts_total",
        "Attempts to connect to the exchange's sockets, by outcome."
    );
    describe_counter!(OTHERS[PROMOTIONS], "Keys that got a channel because they are read often.");
    describe_counter!(OTHERS[DEMOTIONS], "Keys that gave the channel back that they got so.");
}

impl FeedMetrics {
    /// Registers every series of the feed with the exporter in force.
    pub(super) fn register(exchange: &'static str) -> Self {
        let own = vec![Label::from_static_parts("exchange", exchange)];
        let with = |name, value| {
            let mut labels = own.clone();
            labels.push(Label::from_static_parts(name, value));
            labels
        };
        let messages =
            |kind: &FeedKind| counter!("tidegate_feed_messages_total", with("kind", kind.as_str()));
        let resyncs = |reason: &Resync| {
            counter!("tidegate_feed_resyncs_total", with("reason", reason.as_str()))
        };
        let reconnects = |reason: &Reconnect| {
            counter!("tidegate_feed_reconnects_total", with("reason", reason.as_str()))
        };
        let attempts = |outcome: &Connect| {
            counter!("tidegate_feed_connect_attempts_total", with("outcome", outcome.as_str()))
        };
        let age = |kind: &FeedKind| {
            ["worst", "median"].map(|stat| {
                let mut labels = with("kind", kind.as_str());
                labels.push(Label::from_static_parts("stat", stat));
                gauge!("tidegate_feed_last_message_age_seconds", labels)
            })
        };
        Self(Arc::new(Inner {
            exchange,
            connected: gauge!("tidegate_feed_connected", own.clone()),
            channels: gauge!("tidegate_feed_channels", own.clone()),
            messages: Tally::new(FeedKind::ALL.iter().map(messages)),
            resyncs: Tally::new(Resync::ALL.iter().map(resyncs)),
            reconnects: Tally::new(Reconnect::ALL.iter().map(reconnects)),
            attempts: Tally::new(Connect::ALL.iter().map(attempts)),
            others: Tally::new(OTHERS.map(|name| counter!(name, own.clone()))),
            ages: FeedKind::ALL.iter().map(age).collect(),
            last: Mutex::new(vec![None; FeedKind::ALL.len()]),
        }))
    }

    /// True if it is this exchange's.
    pub(super) fn is(&self, exchange: &str) -> bool {
        self.0.exchange == exchange
    }

    /// Brings the exporter up to date.
    pub(super) fn publish(&self) {
        let inner = &self.0;
        let tallies =
            [&inner.messages, &inner.resyncs, &inner.reconnects, &inner.attempts, &inner.others];
        tallies.into_iter().for_each(Tally::publish);
        let last = inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        for ([worst, median], last) in inner.ages.iter().zip(&*last) {
            worst.set(last.map(|last| last.worst.elapsed()).unwrap_or_default());
            median.set(last.map(|last| last.median.elapsed()).unwrap_or_default());
        }
    }

    /// So many sockets are open, so many channels live.
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 channels")]
    pub fn open(&self, sockets: usize, channels: usize) {
        self.0.connected.set(sockets as f64);
        self.0.channels.set(channels as f64);
    }

    /// A channel brought data.
    pub fn message(&self, kind: FeedKind) {
        self.0.messages.count(kind.index());
    }

    /// A message of so many bytes came.
    pub fn received(&self, bytes: usize) {
        self.0.others.add(BYTES, bytes as u64);
    }

    /// When channels of a kind last brought anything; `None` if none is live. The series count up
    /// by themselves.
    pub fn last_words(&self, kind: FeedKind, last: Option<LastWords>) {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)[kind.index()] = last;
    }

    /// A channel was asked for anew.
    pub fn resynced(&self, reason: Resync) {
        self.0.resyncs.count(reason.index());
        if reason == Resync::Checksum {
            self.0.others.count(CHECKSUM_FAILURES);
        }
    }

    /// A connection was lost or given up.
    pub fn reconnected(&self, reason: Reconnect) {
        self.0.reconnects.count(reason.index());
    }

    /// An attempt to connect ended.
    pub fn attempted(&self, outcome: Connect) {
        self.0.attempts.count(outcome.index());
    }

    /// So many keys got a channel, and so many gave theirs back.
    pub fn moved(&self, promotions: u64, demotions: u64) {
        self.0.others.add(PROMOTIONS, promotions);
        self.0.others.add(DEMOTIONS, demotions);
    }

    /// What happened since the start.
    pub fn totals(&self) -> FeedTotals {
        let other = |index| self.0.others.get(index);
        FeedTotals {
            messages: self.0.messages.sum(),
            bytes: other(BYTES),
            connect_attempts: self.0.attempts.sum(),
            reconnects: self.0.reconnects.sum(),
            resyncs: self.0.resyncs.sum(),
            checksum_failures: other(CHECKSUM_FAILURES),
            promotions: other(PROMOTIONS),
            demotions: other(DEMOTIONS),
        }
    }
}
