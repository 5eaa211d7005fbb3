//! Limits that change while calls are being made.

use tokio::time::Instant;

use super::Upstream;

impl Upstream {
    /// Sets a pool's limit from now on, in units a whole window of the settings, and gives the one
    /// before; `None` if there is no budget of this name here.
    ///
    /// A lower one is kept to at once: what the window holds stays held, and nothing is sent until
    /// fewer slots are held than the limit allows. A higher one holds at once, unless the exchange
    /// was seen to bear less than the one before; then it is learned towards as after every 429.
    pub fn limit(&self, pool: &str, per_minute: u32) -> Option<u32> {
        let mut ledger = self.desk.ledger();
        let at = ledger.named(pool)?;
        let lane = ledger.lane(at);
        let now = Instant::now();
        lane.settle(now);
        let before = lane.limit;
        lane.keep_to(per_minute.max(1), lane.named, now);
        drop(ledger);
        self.desk.announce();
        Some(before)
    }
}
