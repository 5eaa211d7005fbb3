//! What one load did.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use compact_str::CompactString;
use tokio::time::Instant;
use tracing::Span;

use super::{flight, requester};
use crate::telemetry::{Payer, traces};

/// A load that makes more calls tells of the first ones.
const MOST: usize = 12;

/// A load that runs in a task of its own, for whoever waits for it.
#[derive(Debug)]
pub struct FlightRecord {
    started: Instant,
    request: Option<CompactString>,
    span: Span,
    /// The load that makes the call for this one and others.
    merged: OnceLock<Arc<Self>>,
    keys: AtomicUsize,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    calls: Vec<CallRecord>,
    disk: Vec<bool>,
}

/// One try of a call to an exchange, from the wish to make it on.
#[derive(Clone, Copy, Debug)]
pub struct CallRecord {
    /// Its family of endpoints.
    pub family: &'static str,
    /// Whose share it takes from, and how it waits.
    pub payer: Payer,
    /// 1, or more where earlier ones failed.
    pub attempt: u32,
    /// When its turn was asked for.
    pub asked: Instant,
    /// When it was sent; `None` if it was refused or waits still.
    pub sent: Option<Instant>,
    /// When its answer came, or it was refused; `None` until then.
    pub ended: Option<Instant>,
    /// `ok`, or the name of what went wrong; `None` until then.
    pub result: Option<&'static str>,
    /// Calls that the window had room for after it; `None` until it was sent or refused.
    pub budget_left: Option<u32>,
}

impl FlightRecord {
    /// A load that begins now within `span`, for the request or the load that this task works for.
    pub fn begin(span: Span) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            request: requester(),
            span,
            merged: OnceLock::new(),
            keys: AtomicUsize::new(1),
            notes: Mutex::default(),
        })
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The request that it was begun for; `None` where the gateway did so by itself.
    pub fn started_by(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// Says in the trace of the current span that it waits for this load.
    pub fn is_waited_for(&self) {
        if traces::are_on() {
            traces::link(&Span::current(), &self.span);
        }
    }

    /// It loads so many keys at once.
    pub fn loads(&self, keys: usize) {
        self.keys.store(keys, Ordering::Relaxed);
    }

    /// How many keys the call that it waits for brings.
    pub fn keys(&self) -> usize {
        self.caller().keys.load(Ordering::Relaxed)
    }

    /// The calls that were made for it, in their order.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.caller().notes().calls.clone()
    }

    /// Whether disk had what was wanted, for each time that it was asked.
    pub fn disk(&self) -> Vec<bool> {
        self.notes().disk.clone()
    }

    pub(super) fn merges_into(&self, load: &Arc<Self>) {
        // A load asks for its one key once.
        let _already = self.merged.set(load.clone());
        if traces::are_on() {
            traces::link(&self.span, &load.span);
        }
    }

    pub(super) fn looked_on_disk(&self, found: bool) {
        let mut notes = self.notes();
        if notes.disk.len() < MOST {
            notes.disk.push(found);
        }
    }

    fn caller(&self) -> &Self {
        self.merged.get().map_or(self, |load| load)
    }

    /// Consistent between any two statements, so a panic does not spoil it.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hand that notes how one call goes; without a flight around it, it notes nothing.
#[derive(Debug)]
pub struct CallNote(Option<(Arc<FlightRecord>, usize)>);

impl CallNote {
    /// A call's turn is asked for.
    pub fn begin(family: &'static str, payer: Payer, attempt: u32) -> Self {
        let noted = flight().and_then(|flight| {
            let mut notes = flight.notes();
            let at = notes.calls.len();
            let (asked, sent, ended) = (Instant::now(), None, None);
            let (result, budget_left) = (None, None);
            let call =
                CallRecord { family, payer, attempt, asked, sent, ended, result, budget_left };
            (at < MOST).then(|| notes.calls.push(call))?;
            drop(notes);
            Some((flight, at))
        });
        Self(noted)
    }

    /// Its turn has come, and it is sent; `left` counts what the window has room for now.
    pub fn sent(&self, left: impl FnOnce() -> u32) {
        self.note(|call| {
            call.sent = Some(Instant::now());
            call.budget_left = Some(left());
        });
    }

    /// It will not be sent.
    pub fn refused(&self, why: &'static str, left: impl FnOnce() -> u32) {
        self.note(|call| call.budget_left = Some(left()));
        self.ended(why);
    }

    /// Its answer came.
    pub fn ended(&self, result: &'static str) {
        self.note(|call| (call.ended, call.result) = (Some(Instant::now()), Some(result)));
    }

    fn note(&self, change: impl FnOnce(&mut CallRecord)) {
        let Some((flight, at)) = &self.0 else { return };
        if let Some(call) = flight.notes().calls.get_mut(*at) {
            change(call);
        }
    }
}
