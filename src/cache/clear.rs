//! Dropping what is held.

use std::{fmt, hash::Hash};

use moka::ops::compute::{CompResult, Op};
use tokio::time::Instant;

use super::{Cache, Content, Failure};

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static,
    V: Content + Send + Sync + 'static,
    E: Failure,
{
    /// Drops the entries and remembered failures of these keys; answers made from the entries are
    /// superseded. False if there were none.
    pub fn clear(&self, is_it: impl Fn(&K) -> bool) -> bool {
        let inner = &self.inner;
        let mut any = self.forgive(&is_it);
        let found: Vec<_> =
            inner.entries.iter().filter(|(key, _)| is_it(key)).map(|(key, _)| key).collect();
        for key in found {
            // In one step: what comes after this is not dropped with it.
            let result = inner.entries.entry((*key).clone()).and_compute_with(|held| {
                if let Some(held) = held {
                    held.value().stamp.retire();
                }
                Op::Remove
            });
            any |= matches!(result, CompResult::Removed(_));
        }
        any
    }

    /// Forgets the failures of these keys. False if there were none.
    pub fn forgive(&self, is_it: impl Fn(&K) -> bool) -> bool {
        let failures = &self.inner.failures;
        let found = failures.iter().filter(|(key, _)| is_it(key)).map(|(key, _)| key);
        let found: Vec<_> = found.collect();
        let now = Instant::now();
        let removed = found.iter().filter_map(|key| failures.remove(&**key));
        removed.filter(|(_, _, until)| now < *until).count() > 0
    }
}
