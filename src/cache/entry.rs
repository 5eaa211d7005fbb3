//! A value with its history: when it came, from where, for how long it may be served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::readers::Readers;
use crate::{
    config::Policy,
    market::UnixMs,
    telemetry::{ClientId, DataKind, Source},
};

/// What is known about a value besides the value: enough to decide whether it may be served.
#[derive(Debug)]
pub struct Stamp {
    /// When it was received.
    pub received: Instant,
    /// The same as wall time.
    pub received_at: UnixMs,
    /// Where it came from.
    pub source: Source,
    /// What kind of data it is.
    pub kind: DataKind,
    /// For how long it may be served.
    pub policy: Policy,
    /// Nanoseconds after `received` at which the source last said that nothing has changed.
    confirmed: AtomicU64,
    /// Shared with the stamps that tell of the same receipt.
    superseded: Arc<AtomicBool>,
    refreshing: AtomicBool,
    hits: AtomicU64,
    /// Those of `hits` that were given from the values before this one.
    inherited: AtomicU64,
    readers: Readers,
}

impl Stamp {
    /// A stamp for a value received now.
    pub fn new(
        received: Instant,
        received_at: UnixMs,
        source: Source,
        kind: DataKind,
        policy: Policy,
    ) -> Self {
        Self {
            received,
            received_at,
            source,
            kind,
            policy,
            confirmed: AtomicU64::new(0),
            superseded: Arc::default(),
            refreshing: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            inherited: AtomicU64::new(0),
            readers: Readers::default(),
        }
    }

    /// How long ago the value was known to be true: since it was received, or since its source
    /// last confirmed it.
    pub fn age(&self, now: Instant) -> Duration {
        let known = Duration::from_nanos(self.confirmed.load(Ordering::Relaxed));
        now.saturating_duration_since(self.received).saturating_sub(known)
    }

    /// When the value was last known to be true.
    pub fn known_at(&self) -> Instant {
        self.received + Duration::from_nanos(self.confirmed.load(Ordering::Relaxed))
    }

    /// Notes that at `at` the source said that nothing has changed since.
    pub fn confirm(&self, at: Instant) {
        let known = at.saturating_duration_since(self.received);
        let nanos = u64::try_from(known.as_nanos()).unwrap_or(u64::MAX);
        self.confirmed.fetch_max(nanos, Ordering::Relaxed);
    }

    /// True once a newer value has taken its place, or it was dropped.
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// Marks the value as dropped, with no other in its place.
    pub(super) fn retire(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    /// True while the value is being fetched anew, so that whoever reads it need not start that.
    pub fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Acquire)
    }

    /// Notes that the value begins to be fetched anew, or that this has failed. A success needs no
    /// note: it supersedes the value.
    pub(super) fn refreshes(&self, now: bool) {
        self.refreshing.store(now, Ordering::Release);
    }

    /// Counts one answer given from the value.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes to whom an answer was given from the value.
    pub fn hit_by(&self, client: ClientId, now: Instant) {
        self.readers.note(client, self.micros(now));
    }

    /// Who was given answers from the value, or those before it, within the last minute: the last
    /// four clients at most.
    pub fn read_by(&self, now: Instant) -> Vec<ClientId> {
        self.readers.lately(self.micros(now))
    }

    /// Since the value was received.
    fn micros(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.received);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Answers given from the value and from those that it replaced.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// True if an answer was given from this very value.
    pub fn was_read(&self) -> bool {
        self.hits() > self.inherited.load(Ordering::Relaxed)
    }

    /// The same receipt of a value that has become another one, of which nobody has read yet.
    #[must_use]
    pub fn renewed(&self, policy: Policy) -> Self {
        let anew = Self::new(self.received, self.received_at, self.source, self.kind, policy);
        anew.confirm(self.known_at());
        anew
    }

    /// The same receipt under another policy: both are superseded at once.
    #[must_use]
    pub fn under(&self, policy: Policy) -> Self {
        Self { superseded: self.superseded.clone(), ..self.renewed(policy) }
    }

    /// Marks the value as replaced by `newer`, which goes on counting its hits.
    pub fn supersede(&self, newer: &Self) {
        let hits = self.hits();
        newer.inherited.store(hits, Ordering::Relaxed);
        newer.hits.fetch_add(hits, Ordering::Relaxed);
        newer.readers.inherit(&self.readers, self.micros(newer.received));
        self.superseded.store(true, Ordering::Release);
    }
}

/// A value and its stamp.
#[derive(Debug)]
pub struct Entry<V> {
    /// The value; shared by the stamps it may get one after the other.
    pub value: Arc<V>,
    /// Shared with whatever was made from the value.
    pub stamp: Arc<Stamp>,
}
