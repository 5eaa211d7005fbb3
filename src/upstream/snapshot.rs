//! The state of an exchange's budget, for people and for the ops interface.

use std::time::Duration;

use tokio::time::Instant;

use super::{gate::Gate, lane::Lane, ledger::Ledger, shares::ClientShare};
use crate::{
    exchange::Pool,
    telemetry::{BreakerState, ClientId, Payer, Wait},
};

/// One exchange at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSnapshot {
    /// Which exchange.
    pub exchange: &'static str,
    /// What is left of a ban of all pools; zero: there is none.
    pub banned_for: Duration,
    /// Each pool that has a budget.
    pub pools: Vec<PoolSnapshot>,
}

/// One pool at one instant. What is counted is units: requests, or their weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// Which pool.
    pub pool: &'static Pool,
    /// The operator's limit: units in a whole window of the settings, a minute by default.
    pub per_minute: u32,
    /// The window that is kept: shorter than that where the pool bears few units at once.
    pub window: Duration,
    /// What the operator's limit allows in any `window`; the same as `per_minute` in a whole one.
    pub limit: u32,
    /// What the exchange was seen or said to bear in any `window`; at most `limit`.
    pub ceiling: u32,
    /// Units that the exchange may still be counting.
    pub used: u32,
    /// Units that the window has room for; the pace may spread them.
    pub left: u32,
    /// When a call that comes now would be sent; zero: at once. The call is the one that was asked
    /// about ([`crate::upstream::Upstream::outlook`]), else one of one unit by
    /// [`ClientId::ANONYMOUS`].
    pub next_slot_in: Duration,
    /// Calls that wait.
    pub waiting: Waiting,
    /// Each client that holds slots or waits for some, in the order in which their names became
    /// known.
    pub clients: Vec<ClientShare>,
    /// State of the breaker.
    pub breaker: BreakerState,
    /// How long the breaker lets no call pass.
    pub breaker_open_for: Duration,
    /// What is left of a ban of this pool, or of all; zero: there is none.
    pub banned_for: Duration,
    /// The last call that failed.
    pub last_error: Option<LastError>,
}

/// Waiting calls by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// A client's request.
    pub client: usize,
    /// A refresh of data that is still being served.
    pub refresh: usize,
    /// Warm-up and backfill.
    pub background: usize,
}

impl Waiting {
    /// All of them.
    pub fn total(self) -> usize {
        self.client + self.refresh + self.background
    }
}

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastError {
    /// [`crate::exchange::UpstreamError::label`].
    pub label: &'static str,
    /// How long ago.
    pub ago: Duration,
}

impl UpstreamSnapshot {
    pub(super) fn of(exchange: &'static str, ledger: &Ledger, now: Instant) -> Self {
        let (gate, payer) = (ledger.exchange(), Payer::of(ClientId::ANONYMOUS));
        let pools = ledger.lanes().iter();
        let pools = pools.map(|lane| PoolSnapshot::of(lane, gate, payer, 1, now));
        Self { exchange, banned_for: gate.left(now), pools: pools.collect() }
    }
}

impl PoolSnapshot {
    pub(super) fn of(lane: &Lane, exchange: &Gate, payer: Payer, units: u32, now: Instant) -> Self {
        let turn = lane.turn_of_newcomer(payer, units, now, exchange);
        let breaker_open_for = lane.breaker.left(now);
        Self {
            pool: lane.pool,
            per_minute: lane.limit,
            window: lane.budget.shape().length,
            limit: lane.budget.shape().units,
            ceiling: lane.budget.ceiling(),
            used: lane.budget.held(),
            left: lane.budget.slots(),
            next_slot_in: turn.saturating_duration_since(now).max(breaker_open_for),
            waiting: Waiting {
                client: lane.queue.waiting(Wait::Client),
                refresh: lane.queue.waiting(Wait::Refresh),
                background: lane.queue.waiting(Wait::Background),
            },
            clients: lane.budget.shares().in_use(lane.budget.ceiling()).collect(),
            breaker: lane.breaker.state(now),
            breaker_open_for,
            banned_for: lane.gate.left(now).max(exchange.left(now)),
            last_error: lane
                .last_error
                .map(|(label, at)| LastError { label, ago: now.saturating_duration_since(at) }),
        }
    }
}
