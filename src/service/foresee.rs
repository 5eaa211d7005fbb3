//! What a request would do, without doing it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    ServiceError, Shelf,
    product::{Key, Product, Value},
};
use crate::{
    cache::{Ask, Foresight, Prospect},
    exchange::Asked,
    telemetry::{
        DataKind, Payer, Wait,
        explain::{Facts, FlightRecord},
    },
    upstream::{Charge, PoolSnapshot},
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
    /// The endpoints that would be called, and what that costs.
    pub charge: Charge,
    /// Whether disk has what is missing; `None` where it would not be asked.
    pub on_disk: Option<bool>,
}

impl Foreseen {
    /// Who a call would be made for, and how it would wait for its turn.
    fn payer(&self, ask: &Ask) -> Payer {
        match self.prospect {
            Prospect::Stale { .. } => ask.payer.waiting_as(Wait::Refresh),
            _ => ask.payer,
        }
    }

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
        asked: Asked,
        ask: &Ask,
        enough: impl Fn(&Value) -> bool,
    ) -> Foreseen {
        let key = self.key(product);
        let foresight = self.cache.foresee(&key, &ask.demand, enough);
        let Foresight { held, decision, prospect, flight } = foresight;
        let held = held.map(|entry| entry.stamp.facts(Instant::now()));
        let charge = self.charge(asked);
        Foreseen { key, kind, decision, prospect, held, flight, charge, on_disk: None }
    }

    /// What the call of `foreseen` would meet that came now; `None`: it has no budget.
    pub fn outlook(&self, foreseen: &Foreseen, ask: &Ask) -> Option<PoolSnapshot> {
        self.upstream.outlook(foreseen.charge, foreseen.payer(ask))
    }

    /// Why a call that meets this `outlook` would be refused; `None`: it would be sent, as far as
    /// can be known before.
    pub fn refusal(
        &self,
        foreseen: &Foreseen,
        outlook: Option<&PoolSnapshot>,
        ask: &Ask,
    ) -> Option<ServiceError> {
        let Some(outlook) = outlook else {
            let retry_after = Duration::ZERO;
            return Some(ServiceError::BudgetExhausted { retry_after });
        };
        let retry_after = outlook.next_slot_in;
        if !outlook.breaker_open_for.is_zero() {
            let reason = "it failed repeatedly and is given a rest".to_owned();
            return Some(ServiceError::Unavailable { reason, retry_after });
        }
        let patience = match foreseen.payer(ask).class {
            Wait::Client => {
                let left = ask.deadline.saturating_duration_since(Instant::now());
                left.saturating_sub(LAST_WORD)
            }
            Wait::Refresh | Wait::Background => self.settings.glance().upstream.refresh_deadline,
        };
        if retry_after <= patience {
            return None;
        }
        Some(match outlook.banned_for.is_zero() {
            true => ServiceError::BudgetExhausted { retry_after },
            false => ServiceError::RateLimited { retry_after },
        })
    }
}
