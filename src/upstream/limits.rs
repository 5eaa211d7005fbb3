//! Limits that change while calls are being made.

use tokio::time::Instant;

use super::{Upstream, lane::Lane};
use crate::exchange::Family;

impl Upstream {
    /// Sets a family's limit from now on, and gives the one before; `None` if the family has no
    /// budget here.
    ///
    /// A lower one is kept to at once: what the window holds stays held, and nothing is sent until
    /// fewer slots are held than the limit allows. A higher one holds at once, unless the exchange
    /// was seen to bear less than the one before; then it is learned towards as after every 429.
    pub fn limit(&self, family: Family, per_minute: u32) -> Option<u32> {
        let mut ledger = self.desk.ledger();
        let at = ledger.position(family)?;
        let lane = ledger.lane(at);
        let now = Instant::now();
        lane.settle(now);
        let before = lane.limit_to(per_minute.max(1), now);
        drop(ledger);
        self.desk.announce();
        Some(before)
    }
}

impl Lane {
    fn limit_to(&mut self, limit: u32, now: Instant) -> u32 {
        let bears = self.budget.ceiling();
        let has_learned = bears < self.limit;
        let ceiling = if has_learned { bears.min(limit) } else { limit };
        let before = std::mem::replace(&mut self.limit, limit);
        if ceiling > bears {
            self.budget.raise(ceiling, now);
        } else {
            self.budget.set_ceiling(ceiling);
        }
        before
    }
}
