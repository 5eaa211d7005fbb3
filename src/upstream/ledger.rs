//! All pools of one exchange, and every decision about their calls. Plain values: no task, no
//! timer, no lock; the time is passed in.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::{
    CallError, breaker,
    gate::{Gate, Mark},
    journal::SavedBan,
    lane::{Grant, Lane},
    queue::{Place, Reply, Waiter},
    turn::Slot,
    window::STRAY,
};
use crate::{
    exchange::{Family, Reading, TransportFault, UpstreamError},
    telemetry::{Payer, Wait},
};

/// A `Retry-After` of a 429 beyond this is not believed.
const LONGEST_REFUSAL: Duration = Duration::from_secs(3600);

/// The same where the exchange has banned the address: it does so for days at most
/// (binance/binance-spot-api-docs, rest-api.md, 2026-07-21: "from 2 minutes to 3 days").
const LONGEST_BAN: Duration = Duration::from_secs(3 * 86_400);

/// While a call is under way, those who wait for its slot may become hopeless without any event;
/// they are told with this delay.
const OVERDUE_CHECK: Duration = Duration::from_millis(250);

/// How a call that was sent ended.
#[derive(Debug)]
pub(super) enum End<'a> {
    Data,
    Failed(&'a UpstreamError),
    /// Given up at its deadline.
    Late,
    /// Given up because its caller went away.
    Abandoned,
}

/// The answer to a call that asks for a turn.
pub(super) enum Admission {
    Granted(Grant),
    Queued(Place, oneshot::Receiver<Result<Slot, CallError>>),
}

/// What to tell a waiter once the lock is released.
pub(super) struct Notice {
    pub(super) reply: Reply,
    pub(super) fate: Result<Grant, CallError>,
}

impl Notice {
    fn refusal(waiter: Waiter, refusal: CallError) -> Self {
        Self { reply: waiter.reply, fate: Err(refusal) }
    }
}

/// Who asks for a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) payer: Payer,
    pub(super) deadline: Instant,
    /// What the call costs.
    pub(super) units: u32,
    /// Tries again after a failure.
    pub(super) retry: bool,
}

/// The state of one exchange's calls.
#[derive(Debug)]
pub(super) struct Ledger {
    lanes: Vec<Lane>,
    exchange: Gate,
    ban: Duration,
    max_queue: usize,
}

impl Ledger {
    pub(super) fn new(lanes: Vec<Lane>, ban: Duration, max_queue: usize) -> Self {
        Self { lanes, exchange: Gate::open(), ban, max_queue }
    }

    /// Closes what an earlier process found closed. A ban whose time is over still lacks its probe.
    pub(super) fn close_again(&mut self, bans: &[SavedBan], now: Instant) {
        for SavedBan { pool, left } in bans {
            match pool {
                None => self.exchange.close(now + (*left).min(LONGEST_BAN)),
                Some(pool) => {
                    let until = now + (*left).min(LONGEST_REFUSAL);
                    let lane = self.lanes.iter_mut().find(|lane| lane.pool.name == pool);
                    lane.into_iter().for_each(|lane| lane.close(until));
                }
            }
        }
    }

    /// Every gate: the exchange's, and each pool's.
    pub(super) fn gates(&self) -> impl Iterator<Item = (Option<&'static str>, &Gate)> {
        let pools = self.lanes.iter().map(|lane| (Some(lane.pool.name), &lane.gate));
        std::iter::once((None, &self.exchange)).chain(pools)
    }

    /// The gates that a call of this lane can change.
    pub(super) fn marks(&self, at: usize) -> [Mark; 2] {
        [self.lanes[at].gate.mark(), self.exchange.mark()]
    }

    /// The position of the pool that a family is counted in, if it has a budget.
    pub(super) fn position(&self, family: Family) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.pool.families.contains(&family))
    }

    /// The position of the pool of this name.
    pub(super) fn named(&self, pool: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.pool.name == pool)
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(super) fn lane(&mut self, lane: usize) -> &mut Lane {
        &mut self.lanes[lane]
    }

    pub(super) fn exchange(&self) -> &Gate {
        &self.exchange
    }

    pub(super) fn settle(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.settle(now);
        }
    }

    /// Gives a turn at once, a place in the queue, or the reason why neither would help.
    ///
    /// # Errors
    /// Every refusal of [`CallError`]; a waiter who lost his place to this call is in `notices`.
    pub(super) fn admit(
        &mut self,
        at: usize,
        ask: Ask,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) -> Result<Admission, CallError> {
        let lane = &mut self.lanes[at];
        lane.settle(now);
        if ask.units > lane.budget.ceiling() {
            return Err(CallError::BudgetExhausted { retry_after: lane.budget.shape().length });
        }
        lane.budget.asked(ask.payer, ask.units);
        let grant = lane.serve_newcomer(ask.payer, ask.units, now, &mut self.exchange);
        if ask.payer.class != Wait::Background && !ask.retry {
            lane.shortage.count(grant.is_some(), now);
        }
        if let Some(grant) = grant {
            lane.metrics.waited(ask.payer.class, Duration::ZERO, ask.units);
            return Ok(Admission::Granted(grant));
        }
        let turn = lane.turn_of_caller(ask.payer, ask.units, now, &self.exchange);
        let retry_after = turn.saturating_duration_since(now);
        let closed = !lane.gate.is_open() || !self.exchange.is_open();
        let latest = ask.deadline.checked_sub(lane.latency.reserve()).unwrap_or(now);
        if turn > latest || closed && ask.retry {
            lane.budget.left(ask.payer, ask.units);
            return Err(out_of_turn(closed, retry_after));
        }
        if lane.queue.len() >= self.max_queue {
            let displaced = lane.queue.displaced_by(ask.payer);
            let Some(waiter) = displaced.and_then(|place| lane.remove(place)) else {
                lane.budget.left(ask.payer, ask.units);
                return Err(CallError::QueueFull { retry_after });
            };
            notices.push(Notice::refusal(waiter, CallError::QueueFull { retry_after }));
        }
        let (reply, fate) = oneshot::channel();
        let Ask { units, retry, .. } = ask;
        let waiter = Waiter { since: now, latest, units, retry, reply };
        Ok(Admission::Queued(lane.queue.push(ask.payer, waiter), fate))
    }

    /// Hands out what is free, tells those whose turn cannot come in time, and returns when to
    /// look again without further news; `None` when nobody waits.
    pub(super) fn turn(
        &mut self,
        at: usize,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) -> Option<Instant> {
        let Self { lanes, exchange, .. } = self;
        let lane = &mut lanes[at];
        lane.settle(now);
        let closed = !lane.gate.is_open() || !exchange.is_open();
        let late: Vec<Place> = lane
            .queue
            .iter()
            .filter(|(_, waiter)| {
                let is_too_much = waiter.units > lane.budget.ceiling();
                is_too_much || waiter.latest < now || closed && waiter.retry
            })
            .map(|(place, _)| place)
            .collect();
        refuse(lane, exchange, &late, now, notices);
        while let Some((place, waiter, grant)) = lane.serve_waiter(now, exchange) {
            let wait = now.saturating_duration_since(waiter.since);
            lane.metrics.waited(place.payer.class, wait, waiter.units);
            notices.push(Notice { reply: waiter.reply, fate: Ok(grant) });
        }
        let lost = lane.lost(now, exchange);
        refuse(lane, exchange, &lost, now, notices);
        let latest = lane.queue.iter().map(|(_, waiter)| waiter.latest).min()?;
        let turn = lane.next_turn(now, exchange).into_iter();
        let overdue = lane.budget.is_flying().then(|| now + OVERDUE_CHECK);
        turn.chain(lane.next_rise()).chain(overdue).chain([latest]).min()
    }

    /// A call that was sent has ended. Returns the error its caller gets, if any; waiters who
    /// are sent away by it are in `notices`.
    pub(super) fn finish(
        &mut self,
        at: usize,
        grant: Grant,
        permit: Option<breaker::Probe>,
        end: &End<'_>,
        now: Instant,
        notices: &mut Vec<Notice>,
    ) -> Option<CallError> {
        let lane = &mut self.lanes[at];
        let took = now.saturating_duration_since(grant.at);
        let stray = match end {
            End::Late
            | End::Abandoned
            | End::Failed(UpstreamError::Transport(TransportFault::Timeout)) => STRAY,
            End::Data | End::Failed(_) => Duration::ZERO,
        };
        lane.budget.finish(grant.slot, now + stray);
        let label = match end {
            End::Data => "ok",
            End::Failed(error) => error.label(),
            End::Late => UpstreamError::Transport(TransportFault::Timeout).label(),
            End::Abandoned => "abandoned",
        };
        lane.metrics.called(label, took);
        if !matches!(end, End::Data | End::Abandoned) {
            lane.last_error = Some((label, now));
        }

        let fair = lane.latency.was_fair(took);
        let opened = match end {
            End::Data => {
                lane.latency.observe(took);
                lane.breaker.succeeded(permit);
                false
            }
            End::Failed(UpstreamError::Rejected { .. }) => {
                lane.latency.observe(took);
                lane.breaker.answered(permit);
                false
            }
            End::Failed(UpstreamError::Maintenance) => lane.breaker.in_maintenance(permit, now),
            End::Failed(UpstreamError::Restricted { .. }) => lane.breaker.shut_out(permit, now),
            End::Failed(error) if error.is_exchange_fault() => lane.breaker.failed(permit, now),
            End::Late if fair => lane.breaker.failed(permit, now),
            End::Failed(_) | End::Late | End::Abandoned => {
                if let Some(permit) = permit {
                    lane.breaker.give_back(permit, now);
                }
                false
            }
        };
        if opened {
            let refusal = lane.breaker.refusal(lane.breaker.left(now));
            let waiting: Vec<Place> = lane.queue.iter().map(|(place, _)| place).collect();
            let waiters = waiting.into_iter().filter_map(|place| lane.remove(place));
            notices.extend(waiters.map(|waiter| Notice::refusal(waiter, refusal.clone())));
        }

        match end {
            End::Data => {
                self.reopen(at, grant, now);
                None
            }
            End::Failed(error @ UpstreamError::Rejected { .. }) => {
                self.reopen(at, grant, now);
                Some(CallError::Upstream((*error).clone()))
            }
            End::Failed(
                error @ (UpstreamError::RateLimited { retry_after }
                | UpstreamError::Banned { retry_after }),
            ) => {
                let named = retry_after.filter(|wait| !wait.is_zero()).unwrap_or(self.ban);
                match error {
                    UpstreamError::Banned { .. } => {
                        self.ban(at, grant, now, named.min(LONGEST_BAN));
                    }
                    _ => self.close(at, grant, now, named.min(LONGEST_REFUSAL)),
                }
                let left = self.lanes[at].gate.left(now).max(self.exchange.left(now));
                Some(CallError::RateLimited { retry_after: left })
            }
            End::Failed(UpstreamError::Maintenance) => {
                self.give_probes_back(at, grant, now);
                let retry_after = self.lanes[at].breaker.left(now);
                Some(CallError::Maintenance { retry_after })
            }
            End::Failed(error) => {
                self.give_probes_back(at, grant, now);
                Some(CallError::Upstream((*error).clone()))
            }
            End::Late | End::Abandoned => {
                self.give_probes_back(at, grant, now);
                Some(CallError::DeadlineExceeded)
            }
        }
    }

    /// What the exchange's answers to calls of this pool said since the last time.
    pub(super) fn heard(&mut self, at: usize, reading: Reading, now: Instant) {
        let lane = &mut self.lanes[at];
        lane.settle(now);
        lane.heard(reading, now);
    }

    /// A turn that was not used: nothing was spent.
    pub(super) fn give_back(&mut self, at: usize, grant: Grant, now: Instant) {
        let lane = &mut self.lanes[at];
        lane.budget.give_back(grant.slot, grant.put_off);
        self.give_probes_back(at, grant, now);
    }

    /// True if a turn that was given may still be used.
    pub(super) fn honours(&self, at: usize, grant: Grant, permit: Option<breaker::Probe>) -> bool {
        let lane = &self.lanes[at];
        lane.gate.honours(grant.pool_probe)
            && self.exchange.honours(grant.exchange_probe)
            && lane.breaker.honours(permit)
    }

    fn reopen(&mut self, at: usize, grant: Grant, now: Instant) {
        if let Some(probe) = grant.pool_probe {
            self.lanes[at].reopen(probe, now);
        }
        if let Some(probe) = grant.exchange_probe {
            self.exchange.reopen(probe);
        }
    }

    fn give_probes_back(&mut self, at: usize, grant: Grant, now: Instant) {
        if let Some(probe) = grant.pool_probe {
            self.lanes[at].gate.give_back(probe, now);
        }
        if let Some(probe) = grant.exchange_probe {
            self.exchange.give_back(probe, now);
        }
    }

    /// The address is shut out: no pool is open to it, and one call of any reopens them all.
    fn ban(&mut self, at: usize, grant: Grant, now: Instant, ban: Duration) {
        let until = now + ban;
        self.give_probes_back(at, grant, now);
        self.exchange.close(until);
        self.lanes[at].rate_limited(grant.at, now, until);
    }

    fn close(&mut self, at: usize, grant: Grant, now: Instant, ban: Duration) {
        let until = now + ban;
        self.lanes[at].close(until);
        self.lanes[at].rate_limited(grant.at, now, until);
        let others = self.lanes.iter().enumerate().filter(|(other, _)| *other != at);
        let banned = others.filter_map(|(_, lane)| lane.gate.until()).filter(|end| *end > now);
        let exchange_shut = grant.exchange_probe.is_some() || !self.exchange.is_open();
        let latest = banned.max();
        if exchange_shut || latest.is_some() {
            self.exchange.close(latest.map_or(until, |end| end.max(until)));
        }
    }
}

/// Sends waiters away, each with the wait of a newcomer of his kind once all of them are gone.
fn refuse(
    lane: &mut Lane,
    exchange: &Gate,
    places: &[Place],
    now: Instant,
    notices: &mut Vec<Notice>,
) {
    let removed = places.iter().filter_map(|place| Some((place.payer, lane.remove(*place)?)));
    let removed: Vec<(Payer, Waiter)> = removed.collect();
    let closed = !lane.gate.is_open() || !exchange.is_open();
    let mut refusals: Vec<((Payer, u32), CallError)> = Vec::new();
    for (payer, waiter) in removed {
        let kind = (payer, waiter.units);
        let told = refusals.iter().find(|(told, _)| *told == kind);
        let refusal = told.map(|(_, refusal)| refusal.clone()).unwrap_or_else(|| {
            let turn = lane.turn_of_newcomer(payer, waiter.units, now, exchange);
            let refusal = out_of_turn(closed, turn.saturating_duration_since(now));
            refusals.push((kind, refusal.clone()));
            refusal
        });
        notices.push(Notice::refusal(waiter, refusal));
    }
}

fn out_of_turn(closed: bool, retry_after: Duration) -> CallError {
    if closed {
        CallError::RateLimited { retry_after }
    } else {
        CallError::BudgetExhausted { retry_after }
    }
}
