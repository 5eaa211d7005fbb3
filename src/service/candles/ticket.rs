//! Series that nobody could be told about yet, for want of budget.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{Learner, Which, want::Want};
use crate::{
    service::Key,
    telemetry::{DataKind, Payer, Wait},
};

/// More series than this do not wait.
const MOST: usize = 1024;

/// Loads that go on waiting for their turn after those who wanted them were refused.
///
/// Whoever cannot be served in time is told so at once. If nothing stayed behind, a series that is
/// asked for seldom would be refused each time, because those that are asked for often take every
/// turn as it comes free. So it waits on, behind clients, for as long as its candles would be of use
/// to the next who asks.
#[derive(Clone, Default)]
pub(super) struct Tickets {
    waiting: Arc<Mutex<HashSet<Key>>>,
}

impl Tickets {
    /// Lets a series wait of which nothing is held, unless it does already.
    pub(super) fn take(&self, learner: &Learner, which: &Which, want: &Want, payer: Payer) {
        let key = learner.key(which);
        let held = learner.held(which);
        let is_known = held
            .and_then(|entry| entry.value.track().map(|track| track.head.is_some()))
            .unwrap_or_default();
        let mut waiting = self.waiting();
        if is_known || waiting.len() >= MOST || !waiting.insert(key.clone()) {
            return;
        }
        drop(waiting);
        let (learner, which, want) = (learner.clone(), which.clone(), *want);
        let place = Place { tickets: self.clone(), key };
        let patience = learner.shelf.policy(DataKind::Ohlcv).stale_if_error;
        learner.clone().tasks.spawn_until_stop("ticket", async move {
            let deadline = Instant::now() + patience;
            let payer = payer.waiting_as(Wait::Refresh);
            let loaded = learner.newest(&which, &want, payer, deadline).await;
            match loaded {
                Ok(loaded) => learner.shelf.cache.put(place.key.clone(), loaded, Instant::now()),
                Err(error) => {
                    let market = &which.market.symbol;
                    tracing::debug!(%market, %error, "a series waited in vain");
                }
            }
        });
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A series that waits; it does not any more once this is dropped.
struct Place {
    tickets: Tickets,
    key: Key,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tickets.waiting().remove(&self.key);
    }
}
