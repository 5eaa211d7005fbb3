//! What is known of one channel while its socket is open.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::exchange::Data;

/// Gaps between data that make a rate worth expecting.
const GAPS_TO_EXPECT: u32 = 8;
/// Weight of the newest gap in their mean.
const GAP_WEIGHT: f64 = 0.1;
/// So many mean gaps without data are suspicious, but nothing under [`QUIET_MIN`].
const QUIET_GAPS: f64 = 20.0;
const QUIET_MIN: Duration = Duration::from_secs(5);
/// A channel that has not been suspected for this long is suspected as readily as at first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// Doublings of the time after which a channel that was suspected before is suspected again.
const MOST_DOUBLINGS: u32 = 10;
/// So many breaks within [`BREAKS_WITHIN`] are too many.
const TOO_MANY_BREAKS: usize = 5;
const BREAKS_WITHIN: Duration = Duration::from_secs(60);

/// When a topic's channel last brought anything; shared with those who show it.
#[derive(Debug)]
pub(super) struct Mark {
    epoch: Instant,
    /// Milliseconds since the epoch, and one; 0: never.
    at: AtomicU64,
}

impl Mark {
    pub(super) fn new(epoch: Instant) -> Arc<Self> {
        Arc::new(Self { epoch, at: AtomicU64::new(0) })
    }

    pub(super) fn set(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.epoch).as_millis();
        self.at.store(u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<Instant> {
        let millis = self.at.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.epoch + Duration::from_millis(millis))
    }
}

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not asked for on this connection, or the answer is outstanding; the session counts the
    /// time.
    Asked,
    /// The next thing to be believed is a snapshot.
    Awaiting,
    /// The snapshot has come.
    Live,
}

/// What data of a channel are to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The snapshot that opens the channel.
    First,
    /// More of the same.
    More,
    /// Without a snapshot it means nothing.
    Nothing,
}

/// What a heartbeat is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing has changed since the last data.
    Confirms,
    /// There ought to have been data: only a new snapshot can tell.
    Suspicious,
    /// Nothing: the state is not known, or is being asked for anew.
    Nothing,
}

/// One channel. It lives as long as its topic is the socket's, over several connections.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) mark: Arc<Mark>,
    /// The number of the connection that it is on.
    pub(super) link: u64,
    phase: Phase,
    /// Its last word that can be believed, or when one began to be expected.
    last: Instant,
    /// When data came last, or something as good.
    last_data: Instant,
    mean_gap: f64,
    gaps: u32,
    suspicions: u32,
    last_suspicion: Option<Instant>,
    /// It was silent and has been asked for anew; nothing has come since.
    remedied: bool,
    breaks: VecDeque<Instant>,
}

impl Channel {
    pub(super) fn new(mark: Arc<Mark>, now: Instant) -> Self {
        Self {
            mark,
            link: 0,
            phase: Phase::Asked,
            last: now,
            last_data: now,
            mean_gap: 0.0,
            gaps: 0,
            suspicions: 0,
            last_suspicion: None,
            remedied: false,
            breaks: VecDeque::new(),
        }
    }

    /// A new connection begins, or the channel goes to another one.
    pub(super) fn begin(&mut self, link: u64, now: Instant) {
        self.link = link;
        self.phase = Phase::Asked;
        (self.last, self.last_data) = (now, now);
        (self.mean_gap, self.gaps) = (0.0, 0);
        self.remedied = false;
        self.breaks.clear();
    }

    /// The channel that it will be on another connection.
    pub(super) fn successor(&self, link: u64, now: Instant) -> Self {
        let (suspicions, last_suspicion) = (self.suspicions, self.last_suspicion);
        let new = Self::new(self.mark.clone(), now);
        Self { link, suspicions, last_suspicion, ..new }
    }

    /// It is asked for anew; until the answer comes nothing it brings can be told from what the
    /// old channel had left to say.
    pub(super) fn ask_anew(&mut self, now: Instant) {
        self.phase = Phase::Asked;
        self.last = now;
    }

    /// It begins anew with a snapshot.
    pub(super) fn await_snapshot(&mut self, now: Instant) {
        self.phase = Phase::Awaiting;
        self.last = now;
    }

    /// It has nothing to say yet, for a good reason.
    pub(super) fn excuse(&mut self, now: Instant) {
        if self.phase == Phase::Awaiting {
            self.last = now;
        }
    }

    /// It was silent and is asked for anew.
    pub(super) fn remedy(&mut self, now: Instant) {
        self.remedied = true;
        self.ask_anew(now);
    }

    pub(super) fn is_remedied(&self) -> bool {
        self.remedied
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// It brought data.
    pub(super) fn data(&mut self, data: &Data, now: Instant) -> Heard {
        let heard = match self.phase {
            Phase::Live => {
                self.note_gap(now);
                Heard::More
            }
            Phase::Awaiting if is_snapshot(data) => {
                self.phase = Phase::Live;
                Heard::First
            }
            Phase::Awaiting | Phase::Asked => return Heard::Nothing,
        };
        self.remedied = false;
        (self.last, self.last_data) = (now, now);
        self.mark.set(now);
        heard
    }

    fn note_gap(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last_data).as_secs_f64();
        let weight = GAP_WEIGHT.max(1.0 / f64::from(self.gaps + 1));
        self.mean_gap += weight * (gap - self.mean_gap);
        self.gaps = (self.gaps + 1).min(GAPS_TO_EXPECT);
    }

    /// It is known to be right as it stands, so nothing is missing.
    pub(super) fn proven(&mut self, now: Instant) -> bool {
        if !self.is_live() {
            return false;
        }
        (self.last, self.last_data) = (now, now);
        self.mark.set(now);
        true
    }

    /// It sent a heartbeat.
    pub(super) fn heartbeat(&mut self, now: Instant) -> Beat {
        if !self.is_live() {
            return Beat::Nothing;
        }
        self.last = now;
        self.mark.set(now);
        if now.saturating_duration_since(self.last_data) <= self.longest_quiet(now) {
            return Beat::Confirms;
        }
        self.suspicions = (self.suspicions + 1).min(MOST_DOUBLINGS);
        self.last_suspicion = Some(now);
        Beat::Suspicious
    }

    /// How long it may bring no data but heartbeats.
    fn longest_quiet(&mut self, now: Instant) -> Duration {
        if self.gaps < GAPS_TO_EXPECT {
            return Duration::MAX;
        }
        let forgiven = self.last_suspicion.is_some_and(|last| now >= last + FORGIVEN_AFTER);
        if forgiven && self.suspicions > 0 {
            self.suspicions -= 1;
            self.last_suspicion = Some(now);
        }
        let quiet = QUIET_MIN.max(Duration::from_secs_f64(self.mean_gap * QUIET_GAPS));
        quiet.saturating_mul(1 << self.suspicions)
    }

    /// It broke; true if it does so too often.
    pub(super) fn broke(&mut self, now: Instant) -> bool {
        self.await_snapshot(now);
        self.breaks.retain(|at| *at + BREAKS_WITHIN > now);
        self.breaks.push_back(now);
        self.breaks.len() > TOO_MANY_BREAKS
    }

    /// When it counts as silent if nothing comes until then.
    pub(super) fn silent_at(&self, max_silence: Duration) -> Option<Instant> {
        (self.phase != Phase::Asked).then(|| self.last + max_silence)
    }
}

/// True for data that stand for themselves.
fn is_snapshot(data: &Data) -> bool {
    match data {
        Data::Ticker(_) | Data::Trades(_) | Data::Book(_) | Data::Candles(_) | Data::Row(_) => true,
        Data::Trade(..) | Data::Levels(_) | Data::Candle(_) => false,
    }
}
