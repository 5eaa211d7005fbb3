//! One call.

use std::{future::Future, sync::Arc, time::Duration};

use rand::RngExt as _;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    CallError, Charge, Memory, PoolSnapshot, UpstreamSnapshot,
    cordon::Cordon,
    lane::Lane,
    ledger::{Ask, End, Ledger},
    turn::{Desk, Sent},
};
use crate::{
    config,
    exchange::{Family, Meter, Pool, UpstreamError},
    tasks::Tasks,
    telemetry::{Clients, Metrics, Payer, explain::CallNote},
};

/// The pause before a second try; a further try waits longer in proportion.
const BACKOFF_MS: std::ops::RangeInclusive<u64> = 50..=250;

/// The way to one exchange: every request to it goes through [`Upstream::call`].
#[derive(Debug)]
pub struct Upstream {
    exchange: &'static str,
    pub(super) cordon: Cordon,
    pub(super) desk: Arc<Desk>,
    clients: Clients,
    max_attempts: u32,
    window: Duration,
}

impl Upstream {
    /// Budgets for `pools`, each with its units per `settings.window`. A family that is in none of
    /// them, or in one with a limit of 0, is never called. Nothing is known of earlier processes,
    /// and nothing left to later ones; nothing is heard of what others spend.
    pub fn new(
        exchange: &'static str,
        pools: &[(&'static Pool, u32)],
        settings: &config::Upstream,
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> Arc<Self> {
        Self::resume(exchange, pools, settings, Memory::default(), None, metrics, tasks)
    }

    /// The same, going on where an earlier process has ended: slots that its calls hold are held
    /// and the pace is kept as if they had been sent here, and what was closed stays closed for
    /// what is left of the ban, until one probe reopens it. What the ceiling had learned is
    /// learned anew. What the exchange says of its limits is heard from `meter`.
    pub fn resume(
        exchange: &'static str,
        pools: &[(&'static Pool, u32)],
        settings: &config::Upstream,
        memory: Memory,
        meter: Option<Meter>,
        metrics: &Metrics,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let Memory { journal, saved, longest_call } = memory;
        let now = Instant::now();
        let lanes = pools.iter().filter(|(_, limit)| *limit > 0).map(|(pool, limit)| {
            let metrics = metrics.family(exchange, pool.name);
            let mut lane = Lane::new(pool, *limit, settings, metrics, now);
            let calls = saved.calls.iter().filter(|call| call.pool == pool.name);
            let calls = calls.map(|call| (call.units, call.age)).collect();
            lane.budget.remember(calls, longest_call, now);
            lane
        });
        let mut ledger = Ledger::new(lanes.collect(), settings.ban, settings.max_queue);
        ledger.close_again(&saved.bans, now);
        let upstream = Self {
            exchange,
            cordon: Cordon::new(metrics.cordon(exchange)),
            desk: Desk::new(exchange, ledger, journal, meter, tasks),
            clients: metrics.of_clients(),
            max_attempts: settings.max_attempts.max(1),
            window: settings.window,
        };
        upstream.publish();
        Arc::new(upstream)
    }

    /// Waits for the turn of a call that costs what `charge` says within `deadline`, sends `request` and reports how it went to breaker and
    /// budget. A fault that a retry may mend is tried again within the deadline, in a turn of its
    /// own.
    ///
    /// # Errors
    /// Who cannot be served within `deadline` is told at once with the wait, or as soon as it is
    /// certain if others were preferred. Once the request was sent: its own error, or
    /// [`CallError::DeadlineExceeded`].
    ///
    /// # Cancel safety
    /// Dropping the future before the request is sent spends nothing. Dropped afterwards, the
    /// request is abandoned and stays charged.
    pub async fn call<T, F, Fut>(
        &self,
        charge: impl Into<Charge>,
        payer: impl Into<Payer>,
        deadline: Instant,
        request: F,
    ) -> Result<T, CallError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, UpstreamError>>,
    {
        let charge: Charge = charge.into();
        let Some(lane) = self.desk.ledger().position(charge.family()) else {
            return Err(CallError::BudgetExhausted { retry_after: self.window });
        };
        let payer = payer.into();
        let mut attempt = 1;
        let mut failure = None;
        loop {
            let ask = Ask { payer, deadline, units: charge.units(), retry: failure.is_some() };
            let note = CallNote::begin(charge.family().as_str(), payer, attempt);
            let sent = match self.begin(lane, ask).await {
                Ok(sent) => sent,
                // The reason for the retry says more than the reason why there was none.
                Err(refusal) => {
                    note.refused(refusal.refusal(), || self.left(lane));
                    return Err(failure.unwrap_or(refusal));
                }
            };
            note.sent(|| self.left(lane));
            let error = match timeout_at(deadline, request()).await {
                Ok(Ok(data)) => {
                    note.ended("ok");
                    sent.finish(&End::Data);
                    return Ok(data);
                }
                Ok(Err(error)) => error,
                Err(_elapsed) => {
                    note.ended("late");
                    sent.finish(&End::Late);
                    return Err(CallError::DeadlineExceeded);
                }
            };
            note.ended(error.label());
            let told = sent.finish(&End::Failed(&error));
            let told = told.unwrap_or(CallError::Upstream(error.clone()));
            let backoff = Duration::from_millis(rand::rng().random_range(BACKOFF_MS)) * attempt;
            let in_time = Instant::now() + backoff < deadline;
            if !error.may_retry() || attempt >= self.max_attempts || !in_time {
                return Err(told);
            }
            failure = Some(told);
            attempt += 1;
            sleep(backoff).await;
        }
    }

    async fn begin(&self, lane: usize, ask: Ask) -> Result<Sent, CallError> {
        let asked = Instant::now();
        let begun = self.try_begin(lane, ask).await;
        let client = self.clients.get(ask.payer.client);
        match &begun {
            Ok(_) => {
                client.waited(asked.elapsed());
                client.called();
            }
            Err(refusal) if !ask.retry => {
                client.refused();
                self.desk.ledger().lane(lane).metrics.refused(refusal.refusal());
            }
            Err(_) => {}
        }
        begun
    }

    async fn try_begin(&self, lane: usize, ask: Ask) -> Result<Sent, CallError> {
        loop {
            if ask.deadline <= Instant::now() {
                return Err(CallError::DeadlineExceeded);
            }
            if self.is_cordoned() {
                return Err(Cordon::refusal());
            }
            let permit = self.desk.pass_breaker(lane)?;
            let slot = tokio::select! {
                biased;
                () = self.cordon.is_being_drawn() => return Err(Cordon::refusal()),
                slot = self.desk.turn(lane, ask) => slot?,
            };
            if let Some(sent) = slot.send(permit) {
                return Ok(sent);
            }
        }
    }

    /// Units that the window of a pool has room for now.
    fn left(&self, lane: usize) -> u32 {
        let mut ledger = self.desk.ledger();
        ledger.settle(Instant::now());
        ledger.lane(lane).budget.slots()
    }

    /// Calls of this kind that could be sent now without waiting (units, if only the family is
    /// named); 0 while its pool is closed by a ban, the breaker or operators, 1 when only a probe
    /// may pass.
    pub fn ready(&self, charge: impl Into<Charge>) -> u32 {
        if self.is_cordoned() {
            return 0;
        }
        let now = Instant::now();
        let mut ledger = self.desk.ledger();
        ledger.settle(now);
        let charge: Charge = charge.into();
        let Some(at) = ledger.position(charge.family()) else { return 0 };
        ledger.lanes()[at].ready(charge.units(), now, ledger.exchange())
    }

    /// True if most calls of a family's pool lately had to wait for their turns, or were refused
    /// one; warm-up and backfill do not count.
    pub fn is_short(&self, family: Family) -> bool {
        let ledger = self.desk.ledger();
        let lane = ledger.position(family).map(|at| &ledger.lanes()[at]);
        lane.is_some_and(|lane| lane.shortage.is_short(Instant::now()))
    }

    /// The budget that a call would be made from, with the turn that the call would have if it
    /// came now; `None`: it has none.
    pub fn outlook(
        &self,
        charge: impl Into<Charge>,
        payer: impl Into<Payer>,
    ) -> Option<PoolSnapshot> {
        let (charge, now) = (charge.into(), Instant::now());
        let mut ledger = self.desk.ledger();
        ledger.settle(now);
        let lane = &ledger.lanes()[ledger.position(charge.family())?];
        Some(PoolSnapshot::of(lane, ledger.exchange(), payer.into(), charge.units(), now))
    }

    /// The state of every budget now.
    pub fn snapshot(&self) -> UpstreamSnapshot {
        let now = Instant::now();
        let mut ledger = self.desk.ledger();
        ledger.settle(now);
        UpstreamSnapshot::of(self.exchange, &ledger, now)
    }

    /// Brings the gauges up to date; to be called before metrics are rendered, since budgets and
    /// bans change by time alone.
    pub fn publish(&self) {
        let snapshot = self.snapshot();
        let ledger = self.desk.ledger();
        for (lane, pool) in ledger.lanes().iter().zip(snapshot.pools) {
            let waiting = pool.waiting.total();
            lane.metrics.budget(pool.window, pool.limit, pool.ceiling, pool.left, waiting);
            lane.metrics.breaker(pool.breaker);
            lane.metrics.banned_for(pool.banned_for);
        }
    }
}
