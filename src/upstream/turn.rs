//! Turns in the hands of callers: guards that give back what a caller who hangs up would leak,
//! and the task that hands turns out.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    CallError, Journal, breaker,
    journal::{News, Scribe},
    lane::Grant,
    ledger::{Admission, Ask, End, Ledger, Notice},
    queue::Place,
};
use crate::{exchange::Meter, tasks::Tasks};

/// The ledger of one exchange, shared by its callers.
#[derive(Debug)]
pub(super) struct Desk {
    ledger: Mutex<Ledger>,
    /// One per lane: something happened that those who wait may profit or suffer from.
    news: Vec<Notify>,
    tasks: TasksHandle,
    scribe: Scribe,
    meter: Option<Meter>,
}

/// [`Tasks`] has nothing to show.
struct TasksHandle(Tasks);

impl std::fmt::Debug for TasksHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl Desk {
    /// `journal` knows of the bans that are in force.
    pub(super) fn new(
        exchange: &'static str,
        ledger: Ledger,
        journal: Arc<dyn Journal>,
        meter: Option<Meter>,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let news = ledger.lanes().iter().map(|_| Notify::new()).collect();
        let scribe = Scribe::new(exchange, journal, ledger.gates().map(|(_, gate)| gate.mark()));
        let tasks = TasksHandle(tasks.clone());
        Arc::new(Self { ledger: Mutex::new(ledger), news, tasks, scribe, meter })
    }

    /// The ledger is consistent after every method, so a panic elsewhere does not spoil it.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledger, then, with the lock released, tells those who are affected.
    fn with<R>(
        self: &Arc<Self>,
        lane: usize,
        change: impl FnOnce(&mut Ledger, Instant, &mut Vec<Notice>) -> R,
    ) -> R {
        let mut notices = Vec::new();
        let mut ledger = self.ledger();
        let before = ledger.marks(lane);
        let result = change(&mut ledger, Instant::now(), &mut notices);
        let gates_changed = ledger.marks(lane) != before;
        drop(ledger);
        // Before those who wait: one of them may be the next to close or open a gate.
        if gates_changed {
            self.tell_journal();
        }
        for Notice { reply, fate } in notices {
            let fate = fate.map(|grant| Slot::new(self.clone(), lane, grant));
            // A waiter that is gone leaves the slot in the error: dropped here, it is given back.
            drop(reply.send(fate));
        }
        result
    }

    fn tell_journal(&self) {
        self.scribe.tell(|told| {
            let (ledger, now) = (self.ledger(), Instant::now());
            let gates = ledger.gates().zip(told);
            let news = gates.map(|((pool, gate), told)| (pool, News::of(gate, told, now)));
            news.filter_map(|(pool, news)| Some((pool, news?))).collect()
        });
    }

    /// Lets those look again who hand out turns.
    pub(super) fn announce(&self) {
        let ledger = self.ledger();
        for (lane, news) in ledger.lanes().iter().zip(&self.news) {
            if lane.pumped {
                news.notify_one();
            }
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// The refusals of [`CallError`].
    ///
    /// # Cancel safety
    /// A caller that is dropped leaves the queue and spends nothing.
    pub(super) async fn turn(self: &Arc<Self>, lane: usize, ask: Ask) -> Result<Slot, CallError> {
        let admission =
            self.with(lane, |ledger, now, notices| ledger.admit(lane, ask, now, notices))?;
        let (place, fate) = match admission {
            Admission::Granted(grant) => return Ok(Slot::new(self.clone(), lane, grant)),
            Admission::Queued(place, fate) => (place, fate),
        };
        let ticket = Ticket { desk: self.clone(), lane, place, fate };
        self.pump(lane);
        ticket.await_fate().await
    }

    /// Takes the breaker's permission, which is a permit if the breaker is half-open.
    pub(super) fn pass_breaker(self: &Arc<Self>, lane: usize) -> Result<Permit, CallError> {
        let mut ledger = self.ledger();
        let at = ledger.lane(lane);
        let probe = at.breaker.admit(Instant::now(), at.latency.expected())?;
        Ok(Permit { desk: self.clone(), lane, probe })
    }

    /// Makes sure that a task hands out the lane's turns and has heard the news.
    fn pump(self: &Arc<Self>, lane: usize) {
        if mem::replace(&mut self.ledger().lane(lane).pumped, true) {
            self.news[lane].notify_one();
            return;
        }
        let shift = Shift { desk: self.clone(), lane, over: false };
        self.tasks.0.spawn("upstream turns", async move {
            while let Some(wake) = shift.desk.hand_out(lane) {
                tokio::select! {
                    () = sleep_until(wake) => {}
                    () = shift.desk.news[lane].notified() => {}
                }
            }
            shift.end();
        });
    }

    fn hand_out(self: &Arc<Self>, lane: usize) -> Option<Instant> {
        self.with(lane, |ledger, now, notices| {
            let wake = ledger.turn(lane, now, notices);
            ledger.lane(lane).pumped = wake.is_some();
            wake
        })
    }
}

/// The task that hands out a lane's turns. Should it end before its time, those who wait are
/// told instead of left hanging, and the next one to wait starts another.
struct Shift {
    desk: Arc<Desk>,
    lane: usize,
    over: bool,
}

impl Shift {
    /// Nobody waits any more.
    fn end(mut self) {
        self.over = true;
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.over {
            let mut ledger = self.desk.ledger();
            let lane = ledger.lane(self.lane);
            lane.pumped = false;
            lane.clear();
        }
    }
}

/// A place in the queue. Dropped, it is left.
struct Ticket {
    desk: Arc<Desk>,
    lane: usize,
    place: Place,
    fate: oneshot::Receiver<Result<Slot, CallError>>,
}

impl Ticket {
    async fn await_fate(mut self) -> Result<Slot, CallError> {
        let fate = (&mut self.fate).await;
        fate.unwrap_or(Err(CallError::DeadlineExceeded))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let left = self.desk.ledger().lane(self.lane).remove(self.place);
        if left.is_some() {
            self.desk.news[self.lane].notify_one();
        }
    }
}

/// The breaker's permission to send. Dropped, the permit of a half-open breaker is given back.
#[derive(Debug)]
pub(super) struct Permit {
    desk: Arc<Desk>,
    lane: usize,
    probe: Option<breaker::Probe>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.desk.ledger().lane(self.lane).breaker.give_back(probe, Instant::now());
        }
    }
}

/// A call's slots of the budget. Dropped before it is sent, it is given back and nothing was spent;
/// dropped afterwards, the call counts as abandoned and stays charged.
#[derive(Debug)]
pub(super) struct Slot {
    desk: Arc<Desk>,
    lane: usize,
    grant: Option<Grant>,
    sent: bool,
}

impl Slot {
    fn new(desk: Arc<Desk>, lane: usize, grant: Grant) -> Self {
        Self { desk, lane, grant: Some(grant), sent: false }
    }

    /// Begins the call; `None` if the exchange was closed or the breaker opened since the turn
    /// was given.
    pub(super) fn send(mut self, permit: Permit) -> Option<Sent> {
        let grant = self.grant.as_mut()?;
        let mut ledger = self.desk.ledger();
        if !ledger.honours(self.lane, *grant, permit.probe) {
            return None;
        }
        let pool = ledger.lane(self.lane).pool.name;
        drop(ledger);
        grant.at = Instant::now();
        self.sent = true;
        self.desk.scribe.called(pool, grant.units);
        Some(Sent { slot: self, permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(grant) = self.grant.take() else { return };
        let (lane, sent) = (self.lane, self.sent);
        self.desk.with(lane, |ledger, now, notices| {
            if sent {
                ledger.finish(lane, grant, None, &End::Abandoned, now, notices);
            } else {
                ledger.give_back(lane, grant, now);
            }
        });
        self.desk.announce();
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Sent {
    slot: Slot,
    permit: Permit,
}

impl Sent {
    /// Books how the call ended; the error is its caller's.
    pub(super) fn finish(mut self, end: &End<'_>) -> Option<CallError> {
        let grant = self.slot.grant.take()?;
        let permit = self.permit.probe.take();
        let (desk, lane) = (self.slot.desk.clone(), self.slot.lane);
        let error = desk.with(lane, |ledger, now, notices| {
            let error = ledger.finish(lane, grant, permit, end, now, notices);
            if let Some(meter) = &desk.meter {
                ledger.heard(lane, meter.take(), now);
            }
            error
        });
        desk.announce();
        error
    }
}
