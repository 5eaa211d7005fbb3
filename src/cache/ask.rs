//! Who reads, and what he gets.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Demand, Entry};
use crate::telemetry::{CacheOutcome, ClientId, Payer};

/// Who reads, how fresh, and until when he waits.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Freshness.
    pub demand: Demand,
    /// The end of the caller's patience.
    pub deadline: Instant,
    /// Who pays for a load, and how it waits for its turn.
    pub payer: Payer,
}

impl Ask {
    /// The gateway itself, which takes what the policy allows and waits until `deadline` as a
    /// client does.
    pub fn by(deadline: Instant) -> Self {
        Self { demand: Demand::default(), deadline, payer: Payer::of(ClientId::GATEWAY) }
    }
}

/// A value that may be served, and how it was come by.
#[derive(Debug)]
pub struct Read<V> {
    /// The entry.
    pub entry: Arc<Entry<V>>,
    /// How the cache answered.
    pub outcome: CacheOutcome,
}

impl<V> Read<V> {
    pub(super) fn new(entry: &Arc<Entry<V>>, outcome: CacheOutcome) -> Self {
        Self { entry: entry.clone(), outcome }
    }
}

/// A read that brought nothing that may be served.
#[derive(Clone, Debug)]
pub enum ReadError<E> {
    /// The load failed.
    Load(E),
    /// `only-if-cached`, and nothing usable is held.
    NotCached,
    /// Not even a new value could be as fresh as was demanded.
    Unmeetable,
    /// The caller's deadline passed while the load was under way.
    Deadline,
    /// The load panicked.
    Panicked,
}
