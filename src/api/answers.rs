//! Encoded answers by the request they answer.

use std::sync::Arc;

use tokio::time::Instant;

use super::answer::{Answer, Stamps};
use crate::{cache::Demand, telemetry::CacheOutcome};

/// Requests longer than this are encoded at each answer.
const MAX_URI: usize = 1024;

/// Encoded answers by path and query, bounded by bytes. An answer is given only while each of its
/// parts is the newest, and fresh or being fetched anew; whether a part is, its stamp tells.
pub struct Answers {
    by_uri: moka::sync::Cache<String, Arc<Answer>, foldhash::quality::RandomState>,
}

impl Answers {
    /// No answers yet, and at most `max_bytes` of them.
    pub fn new(max_bytes: u64) -> Self {
        let weigher = |uri: &String, answer: &Arc<Answer>| {
            u32::try_from(uri.len() + answer.weight()).unwrap_or(u32::MAX)
        };
        let by_uri = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(weigher)
            .build_with_hasher(foldhash::quality::RandomState::default());
        Self { by_uri }
    }

    /// The answer to a request, if it can be given as it is, and whether it is fresh or stale.
    pub fn ready(
        &self,
        uri: &str,
        demand: &Demand,
        now: Instant,
    ) -> Option<(Arc<Answer>, CacheOutcome)> {
        let answer = self.by_uri.get(uri)?;
        let outcome = answer.standing(demand, now)?;
        Some((answer, outcome))
    }

    /// The answer made from just these parts: the held one, or one that `make` encodes. However
    /// many ask at once, it is encoded once.
    pub fn made_of(
        &self,
        uri: &str,
        stamps: Stamps,
        make: impl FnOnce(Stamps) -> Answer,
    ) -> Arc<Answer> {
        if uri.len() > MAX_URI {
            return Arc::new(make(stamps));
        }
        let parts = stamps.clone();
        let outdated = |held: &Arc<Answer>| !held.is_of(&parts);
        let make = || Arc::new(make(stamps));
        self.by_uri.entry_by_ref(uri).or_insert_with_if(make, outdated).into_value()
    }

    /// Drops the answers that will never be given again, since a part of theirs is not held any
    /// more. Others are only replaced when they are asked for.
    pub fn drop_superseded(&self) {
        for (uri, answer) in &self.by_uri {
            if answer.stamps().iter().any(|stamp| stamp.is_superseded()) {
                self.by_uri.invalidate(&*uri);
            }
        }
    }

    /// Entries and bytes held.
    pub fn size(&self) -> (u64, u64) {
        self.by_uri.run_pending_tasks();
        (self.by_uri.entry_count(), self.by_uri.weighted_size())
    }
}
