//! What a request would do, without doing it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    ServiceError, Shelf,
    product::{Key, Product, Value},
};
use crate::{
    cache::{Ask, Foresight, Prospect},
    exchange::Family,
    telemetry::{
        DataKind,
        explain::{Facts, FlightRecord},
    },
    upstream::PoolSnapshot,
};

/// A load ends this much before its caller's patience does.
const LAST_WORD: Duration = Duration::from_millis(50);

/// What a request would do for one of the keys that it reads. Nothing is asked of an exchange,
/// started or counted to learn that.
#[derive(Debug)]
pub struct Foreseen {
    /// What is read.
    pub key: Key,
    /// What kind of data it is.
    pub kind: DataKind,
    /// Why it would do so.
    pub decision: String,
    /// What it would do.
    pub prospect: Prospect<ServiceError>,
    /// What is held, whether it may answer or not.
    pub held: Option<Facts>,
    /// A load of the key that is under way.
    pub flight: Option<Arc<FlightRecord>>,
    /// The family of endpoints that would be called.
    pub family: Family,
    /// Whether disk has what is missing; `None` where it would not be asked.
    pub on_disk: Option<bool>,
}

impl Foreseen {
    /// True if a call would be made, be it waited for or not.
    pub fn calls(&self) -> bool {
        match self.prospect {
            Prospect::Fetches => self.on_disk != Some(true),
            Prospect::Stale { fetches } => fetches,
            _ => false,
        }
    }
}

impl Shelf {
    /// What a read of a product would do now.
    pub(super) fn foresee(
        &self,
        product: Product,
        kind: DataKind,
        family: Family,
        ask: &Ask,
        enough: impl Fn(&Value) -> bool,
    ) -> Foreseen {
        let key = self.key(product);
        let foresight = self.cache.foresee(&key, &ask.demand, enough);
        let Foresight { held, decision, prospect, flight } = foresight;
        let held = held.map(|entry| entry.stamp.facts(Instant::now()));
        Foreseen { key, kind, decision, prospect, held, flight, family, on_disk: None }
    }

    /// What a client's call of a family that comes now would meet; `None`: it has no budget.
    pub fn outlook(&self, family: Family) -> Option<PoolSnapshot> {
        self.upstream.snapshot().pools.into_iter().find(|it| it.pool.families.contains(&family))
    }

    /// Why a client's call that comes now would be refused; `None`: it would be sent, as far as
    /// can be known before.
    pub fn refusal(&self, family: Family, ask: &Ask) -> Option<ServiceError> {
        let Some(outlook) = self.outlook(family) else {
            let retry_after = Duration::ZERO;
            return Some(ServiceError::BudgetExhausted { retry_after });
        };
        let retry_after = outlook.next_slot_in;
        if !outlook.breaker_open_for.is_zero() {
            let reason = "it failed repeatedly and is given a rest".to_owned();
            return Some(ServiceError::Unavailable { reason, retry_after });
        }
        let patience = ask.deadline.saturating_duration_since(Instant::now());
        if retry_after <= patience.saturating_sub(LAST_WORD) {
            return None;
        }
        Some(match outlook.banned_for.is_zero() {
            true => ServiceError::BudgetExhausted { retry_after },
            false => ServiceError::RateLimited { retry_after },
        })
    }
}
