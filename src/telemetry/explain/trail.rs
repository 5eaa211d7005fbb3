//! What one request did.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::time::{Duration, Instant};

use super::{FlightRecord, trail};
use crate::{
    config::Policy,
    market::UnixMs,
    telemetry::{CacheOutcome, DataKind, Payer, Source},
};

/// A request that reads more tells of the first ones, and how many there were.
const MOST: usize = 64;

/// Everything that was read for one request.
#[derive(Debug)]
pub struct Trail {
    began: Instant,
    payer: OnceLock<Payer>,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    parts: Vec<Part>,
    omitted: usize,
    disk: Vec<bool>,
}

/// One key that was read.
pub struct Part {
    /// What was read, in the type of who read it.
    pub subject: Box<dyn Any + Send + Sync>,
    /// The same for people.
    pub key: String,
    /// What kind of data it is.
    pub kind: DataKind,
    /// What was decided and why, step by step.
    pub decision: String,
    /// How it ended; `None` if without anything.
    pub outcome: Option<CacheOutcome>,
    /// What was given.
    pub given: Option<Facts>,
    /// Why nothing was given.
    pub failure: Option<String>,
    /// The load that was needed.
    pub boarded: Option<Boarded>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, decision, outcome, .. } = self;
        f.debug_struct("Part")
            .field("key", key)
            .field("decision", decision)
            .field("outcome", outcome)
            .finish_non_exhaustive()
    }
}

/// What is known of a value that is held.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// How long ago it was known to be true.
    pub age: Duration,
    /// When it was received.
    pub received_at: UnixMs,
    /// Where it came from.
    pub source: Source,
    /// For how long it may be served.
    pub policy: Policy,
}

/// A load that a request has to do with.
#[derive(Clone, Debug)]
pub struct Boarded {
    /// What it has to do with it.
    pub role: Role,
    /// The load.
    pub flight: Arc<FlightRecord>,
    /// When they met.
    pub at: Instant,
}

/// What a request has to do with a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It started it and waited.
    Started,
    /// It was under way, and the request waited for it.
    Joined,
    /// It started it and did not wait.
    Refreshes,
    /// It was under way, and the request did not wait.
    Refreshing,
}

impl Role {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Joined => "joined",
            Self::Refreshes => "refresh_started",
            Self::Refreshing => "refresh_under_way",
        }
    }
}

impl Trail {
    /// Nothing yet, for a request that came at `began`.
    pub fn new(began: Instant) -> Arc<Self> {
        Arc::new(Self { began, payer: OnceLock::new(), steps: Mutex::default() })
    }

    /// When the request came.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Notes for whom its calls are made.
    pub fn pays(&self, payer: Payer) {
        // A request has one sender.
        let _already = self.payer.set(payer);
    }

    /// For whom its calls are made; `None` until that is known.
    pub fn payer(&self) -> Option<Payer> {
        self.payer.get().copied()
    }

    /// Shows what was read so far, in the order in which the reads ended, and how many further
    /// ones there were.
    pub fn parts<R>(&self, show: impl FnOnce(&[Part], usize) -> R) -> R {
        let steps = self.steps();
        show(&steps.parts, steps.omitted)
    }

    /// Whether disk had what was wanted, for each time that the request itself asked it.
    pub fn disk(&self) -> Vec<bool> {
        self.steps().disk.clone()
    }

    pub(super) fn looked_on_disk(&self, found: bool) {
        let mut steps = self.steps();
        if steps.disk.len() < MOST {
            steps.disk.push(found);
        }
    }

    fn add(&self, part: Part) {
        let mut steps = self.steps();
        if steps.parts.len() < MOST {
            steps.parts.push(part);
        } else {
            steps.omitted += 1;
        }
    }

    /// Consistent between any two statements, so a panic does not spoil it.
    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hand that notes how one key is read. It does nothing where no request wants to know;
/// dropped, it adds the part to the request's trail.
#[derive(Debug, Default)]
pub struct Note(Option<Box<(Arc<Trail>, Part)>>);

impl Note {
    /// A key is going to be read.
    pub fn begin<K>(key: &K, kind: DataKind) -> Self
    where
        K: Clone + fmt::Display + Send + Sync + 'static,
    {
        let part = || Part {
            subject: Box::new(key.clone()),
            key: key.to_string(),
            kind,
            decision: String::new(),
            outcome: None,
            given: None,
            failure: None,
            boarded: None,
        };
        Self(trail().map(|trail| Box::new((trail, part()))))
    }

    /// Something was decided, for this reason.
    pub fn decides(&mut self, why: impl FnOnce() -> String) {
        if let Some(part) = self.part() {
            if !part.decision.is_empty() {
                part.decision.push_str("; ");
            }
            part.decision.push_str(&why());
        }
    }

    /// A load was started or met.
    pub fn boards(&mut self, role: Role, flight: &Arc<FlightRecord>) {
        if let Some(part) = self.part() {
            part.boarded = Some(Boarded { role, flight: flight.clone(), at: Instant::now() });
        }
    }

    /// A value is given.
    pub fn gives(&mut self, outcome: CacheOutcome, facts: impl FnOnce() -> Facts) {
        if let Some(part) = self.part() {
            part.outcome = Some(outcome);
            part.given = Some(facts());
        }
    }

    /// None is.
    pub fn fails(&mut self, outcome: Option<CacheOutcome>, why: impl FnOnce() -> String) {
        if let Some(part) = self.part() {
            part.outcome = outcome;
            part.failure = Some(why());
        }
    }

    fn part(&mut self) -> Option<&mut Part> {
        self.0.as_mut().map(|noted| &mut noted.1)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(noted) = self.0.take() {
            let (trail, part) = *noted;
            trail.add(part);
        }
    }
}
