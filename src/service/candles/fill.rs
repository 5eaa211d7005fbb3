//! Candles of the past that are not held: fetched once, however many need them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::Instrument as _;

use super::{
    learn::Learner,
    request::Request,
    want::{EPOCH, Gap, Toward},
    which::Which,
};
use crate::{
    cache::{Ask, Entry, Failure as _},
    market::Span,
    service::{Key, ServiceError, Value},
    telemetry::{
        CacheOutcome, DataKind, Payer, Wait,
        explain::{self, FlightRecord, Note, Role},
    },
};

/// How a load ends before its caller's patience does, so that he is told why.
const LAST_WORD: Duration = Duration::from_millis(50);

/// What became of a gap.
#[derive(Clone)]
pub(super) enum Filled {
    /// Some of it, from its near end on, is held now.
    Held(Arc<Entry<Value>>),
    /// The exchange has nothing there, nor has anything else been seen of the series: so it also
    /// answers where something is wrong.
    Nothing,
}

pub(super) type Outcome = Result<Filled, ServiceError>;
type Flight = Shared<BoxFuture<'static, Option<Outcome>>>;

/// A fetch that is under way or has just ended without candles.
struct Open {
    number: u64,
    /// It brings at least what opens here.
    span: Span,
    class: Wait,
    state: State,
}

enum State {
    Flying(Flight, Arc<FlightRecord>),
    Over { outcome: Outcome, since: Instant, until: Instant },
}

#[derive(Default)]
struct Board {
    open: HashMap<Key, Vec<Open>>,
    flights: u64,
}

/// The fetches of all series of an exchange.
///
/// Of two requests whose gaps overlap, the second fetches what the first does not, and waits for
/// the rest. A fetch runs in a task of its own, so that a client who hangs up ends it for nobody.
#[derive(Clone, Default)]
pub(super) struct Fills {
    board: Arc<Mutex<Board>>,
}

impl Fills {
    /// Fills the near end of a gap, or waits until somebody else has. `true`: this call did it.
    pub(super) async fn fill(
        &self,
        learner: &Learner,
        which: &Which,
        gap: Gap,
        ask: Ask,
    ) -> Result<(Filled, bool), ServiceError> {
        let mut note = Note::begin(&learner.key(which), DataKind::History);
        note.decides(|| gap.to_string());
        let (flight, is_own) = match self.join(learner, which, gap, ask) {
            Joined::Flight(flight, record) => {
                note.boards(Role::Joined, &record);
                (flight, false)
            }
            Joined::Over(outcome) => {
                let (why, told) = match &outcome {
                    Ok(Filled::Held(_)) => ("they have come meanwhile", CacheOutcome::Hit),
                    _ => ("the exchange was asked for them a moment ago", CacheOutcome::Negative),
                };
                note.decides(|| why.to_owned());
                gap.ends(&mut note, &outcome, told);
                return outcome.map(|filled| (filled, false));
            }
            Joined::Launched(flight, record) => {
                note.boards(Role::Started, &record);
                (flight, true)
            }
        };
        let outcome = match timeout_at(ask.deadline, flight).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(ServiceError::Internal),
            Err(_elapsed) => Err(ServiceError::DeadlineExceeded),
        };
        let told = if is_own { CacheOutcome::Miss } else { CacheOutcome::Collapsed };
        gap.ends(&mut note, &outcome, told);
        outcome.map(|filled| (filled, is_own))
    }

    /// The fetch that [`Fills::fill`] would wait for, or what it would be told at once.
    pub(super) fn foresee(
        &self,
        learner: &Learner,
        which: &Which,
        gap: Gap,
        ask: &Ask,
    ) -> Option<Met> {
        let board = self.board();
        let open = board.open.get(&learner.key(which))?;
        let now = Instant::now();
        open.iter().filter(|it| it.serves(gap, ask.payer)).find_map(|it| match &it.state {
            State::Flying(_, record) => Some(Met::Flight(record.clone())),
            State::Over { outcome, since, until } if *until > now => {
                Some(Met::Over(outcome.clone().err().map(|error| error.told(now - *since))))
            }
            State::Over { .. } => None,
        })
    }

    /// The fetch that brings the near end of a gap; a new one, for the part of the gap that nobody
    /// fetches, if there is none. A client does not wait for what waits behind all clients.
    fn join(&self, learner: &Learner, which: &Which, gap: Gap, ask: Ask) -> Joined {
        let key = learner.key(which);
        let mut board = self.board();
        // Another fetch may have landed since it was looked for candles: they are held before the
        // fetch leaves the board.
        if let Some(held) = learner.held(which).filter(|held| gap.is_begun(held)) {
            return Joined::Over(Ok(Filled::Held(held)));
        }
        let now = Instant::now();
        let open = board.open.entry(key.clone()).or_default();
        open.retain(|it| !matches!(it.state, State::Over { until, .. } if until <= now));
        let mut span = gap.span;
        for it in open.iter().filter(|it| it.class.index() <= ask.payer.class.index()) {
            let meets = it.serves(Gap { span, ..gap }, ask.payer);
            match &it.state {
                _ if it.span.common(&gap.span).is_empty() => {}
                State::Over { outcome, since, .. } if meets => {
                    let told = outcome.clone();
                    return Joined::Over(told.map_err(|error| error.told(now - *since)));
                }
                State::Flying(flight, record) if meets => {
                    record.is_waited_for();
                    return Joined::Flight(flight.clone(), record.clone());
                }
                State::Over { .. } => {}
                State::Flying(..) if gap.toward == Toward::Later => {
                    span.to = span.to.min(it.span.from);
                }
                State::Flying(..) => span.from = span.from.max(it.span.to),
            }
        }
        let request = Request::of(learner, which, Gap { span, ..gap });
        let (land, landed) = oneshot::channel();
        let flight: Flight = landed.map(Result::ok).boxed().shared();
        board.flights += 1;
        let number = board.flights;
        let span = tracing::info_span!("flight", %key);
        let record = FlightRecord::begin(span.clone());
        let state = State::Flying(flight.clone(), record.clone());
        let open = Open { number, span: request.sure(), class: ask.payer.class, state };
        board.open.entry(key.clone()).or_default().push(open);
        drop(board);
        let landing = Landing { fills: self.clone(), key, number };
        let learner = learner.clone();
        let deadline = ask.deadline - LAST_WORD;
        let tasks = learner.tasks.clone();
        let flies = async move {
            let outcome = request.fly(&learner, ask.payer, deadline).await;
            let memory = learner.shelf.policy(DataKind::History).negative_ttl;
            landing.over(&outcome, memory);
            // The send fails if every caller has hung up, which does not concern the fetch.
            let _ = land.send(outcome);
        };
        tasks.spawn("flight", explain::aboard(record.clone(), flies).instrument(span));
        Joined::Launched(flight, record)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Joined {
    /// It was under way.
    Flight(Flight, Arc<FlightRecord>),
    /// It has just ended.
    Over(Outcome),
    /// It is under way now.
    Launched(Flight, Arc<FlightRecord>),
}

/// What a wish to fill a gap would meet.
pub(super) enum Met {
    /// A fetch under way.
    Flight(Arc<FlightRecord>),
    /// One that has just ended with nothing, or with this error.
    Over(Option<ServiceError>),
}

impl Open {
    /// True if it brings the near end of a gap, for one who pays so.
    fn serves(&self, gap: Gap, payer: Payer) -> bool {
        let is_in_time = self.class.index() <= payer.class.index();
        let (begins, ends) = (self.span.from <= gap.span.from, self.span.to >= gap.span.to);
        let meets = if gap.toward == Toward::Later { begins } else { ends };
        is_in_time && meets && !self.span.common(&gap.span).is_empty()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { from, to } = self.span;
        let what = if self.anew { "are to be fetched anew" } else { "are not held" };
        match self.toward {
            _ if from <= EPOCH => write!(f, "candles before {} {what}", to.iso()),
            Toward::Later | Toward::Earlier => {
                write!(f, "candles from {} to {} {what}", from.iso(), to.iso())
            }
        }
    }
}

impl Gap {
    /// Notes what became of it.
    fn ends(&self, note: &mut Note, outcome: &Outcome, told: CacheOutcome) {
        match outcome {
            Ok(Filled::Held(entry)) => {
                let known = entry.value.track().map(|track| track.bars.coverage());
                let near = known.and_then(|known| match self.toward {
                    Toward::Later => known.at(self.span.from),
                    Toward::Earlier => known.before(self.span.to),
                });
                if let Some((_, mark)) = near {
                    note.gives(told, || mark.facts(Instant::now()));
                }
            }
            Ok(Filled::Nothing) => note.fails(Some(told), || "the exchange has none".to_owned()),
            Err(error) => note.fails(Some(CacheOutcome::Negative), || error.to_string()),
        }
    }

    /// True if its near end is known by now.
    fn is_begun(&self, held: &Entry<Value>) -> bool {
        let Some(track) = held.value.track().filter(|_| !self.anew) else { return false };
        let known = track.bars.coverage();
        match self.toward {
            Toward::Later => known.at(self.span.from).is_some(),
            Toward::Earlier => known.before(self.span.to).is_some(),
        }
    }
}

/// Ends a fetch on the board, in whatever way its task ends.
struct Landing {
    fills: Fills,
    key: Key,
    number: u64,
}

impl Landing {
    /// Remembers for a moment that there is nothing, or why nothing came.
    fn over(&self, outcome: &Outcome, memory: Duration) {
        let memory = match outcome {
            Ok(Filled::Held(_)) => return,
            Ok(Filled::Nothing) => memory,
            Err(error) => error.remembered_for(memory),
        };
        let since = Instant::now();
        let state = State::Over { outcome: outcome.clone(), since, until: since + memory };
        let mut board = self.fills.board();
        let open = board.open.get_mut(&self.key);
        if let Some(open) = open.and_then(|all| all.iter_mut().find(|it| it.number == self.number))
        {
            open.state = state;
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut board = self.fills.board();
        board.open.retain(|key, open| {
            let is_this = *key == self.key;
            open.retain(|it| match it.state {
                State::Flying(..) => !(is_this && it.number == self.number),
                State::Over { until, .. } => until > now,
            });
            !open.is_empty()
        });
    }
}
