//! The keys that most answers are given from, as `/api/status` tells them.

use std::cmp::Reverse;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{clients::names, status::millis};
use crate::{
    api::Reader,
    cache::{Demand, Verdict},
};

/// Keys listed as hot.
const HOT_KEYS: usize = 20;

/// One entry of the cache.
#[derive(Serialize, ToSchema)]
#[schema(as = HotKey)]
pub(crate) struct HotBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    #[schema(example = "ticker tBTCUSD")]
    key: String,
    #[schema(example = "ticker")]
    kind: &'static str,
    #[schema(example = "rest")]
    source: &'static str,
    age_ms: u64,
    hits: u64,
    /// `fresh`, `stale` or `expired`.
    #[schema(example = "fresh")]
    state: &'static str,
    /// Who was given it in the last minute, the last one first: four at most.
    clients: Vec<String>,
}

/// The hottest keys of every exchange, which share one cache.
pub(super) fn hot(reader: &Reader, now: Instant) -> Vec<HotBody> {
    let Some(desk) = reader.desks.all().first() else { return Vec::new() };
    let mut entries = desk.shelf.cache.entries();
    entries.sort_by_key(|(_, entry)| Reverse(entry.stamp.hits()));
    let body = |(key, entry): (crate::service::Key, std::sync::Arc<crate::cache::Entry<_>>)| {
        let stamp = &entry.stamp;
        let age = stamp.age(now);
        HotBody {
            exchange: key.exchange,
            key: key.product.to_string(),
            kind: stamp.kind.as_str(),
            source: stamp.source.as_str(),
            age_ms: millis(age),
            hits: stamp.hits(),
            state: match Demand::default().judge(age, &stamp.policy) {
                Verdict::Fresh => "fresh",
                Verdict::Stale => "stale",
                Verdict::Unusable => "expired",
            },
            clients: names(reader, &stamp.read_by(now)),
        }
    };
    entries.into_iter().take(HOT_KEYS).map(body).collect()
}
