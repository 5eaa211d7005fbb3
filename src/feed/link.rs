//! One connection and the session that speaks on it.

use std::{collections::VecDeque, mem, time::Duration};

use bytes::Bytes;
use rand::RngExt as _;
use tokio::time::{Instant, timeout};

use super::{Wire, WireError, conversation::End};
use crate::exchange::{Live, Output, Session, SessionError};

/// The longest that a text may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that lasted for this long was a good one.
pub(super) const HELD: Duration = Duration::from_secs(30);
/// The least time between two calls of [`Session::on_time`].
const SHORTEST_NAP: Duration = Duration::from_millis(10);
/// Texts that may wait to be sent, for each channel that a connection may have: to ask for it, to
/// give it back, and both once more.
const TEXTS_PER_CHANNEL: usize = 4;
/// Further ones: greetings and pings.
const MORE_TEXTS: usize = 16;
/// Connections that began together are not replaced together: up to this share of their lifetime
/// earlier.
const SPREAD: f64 = 0.05;
/// What [`Live::messages_per_second`] counts.
const SECOND: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Link {
    /// Its number among those of its socket.
    pub(super) number: u64,
    pub(super) session: Box<dyn Session>,
    pub(super) wire: Box<dyn Wire>,
    /// What the session wants done.
    pub(super) out: Vec<Output>,
    pub(super) opened: Instant,
    pub(super) last_text: Instant,
    /// Since when the exchange pauses.
    pub(super) paused: Option<Instant>,
    /// When another connection has to take its place.
    pub(super) leaves_at: Option<Instant>,
    /// When it will have held for a while, if it has not yet.
    held_at: Option<Instant>,
    last_nap: Instant,
    texts: VecDeque<String>,
    most_texts: usize,
    pace: Pace,
}

/// The bound of texts that are sent in any second.
struct Pace {
    most: usize,
    /// When the last `most` of them were sent.
    sent: VecDeque<Instant>,
}

impl Pace {
    fn new(a_second: u32) -> Self {
        Self { most: usize::try_from(a_second.max(1)).unwrap_or(usize::MAX), sent: VecDeque::new() }
    }

    /// When the next text may be sent.
    fn next(&mut self, now: Instant) -> Instant {
        while self.sent.front().is_some_and(|first| *first + SECOND <= now) {
            self.sent.pop_front();
        }
        let first = self.sent.front().filter(|_| self.sent.len() >= self.most);
        first.map_or(now, |first| *first + SECOND)
    }
}

impl Link {
    pub(super) fn new(
        number: u64,
        session: Box<dyn Session>,
        wire: Box<dyn Wire>,
        live: &Live,
        now: Instant,
    ) -> Self {
        let earlier = rand::rng().random_range(0.0..SPREAD);
        Self {
            number,
            session,
            wire,
            out: Vec::new(),
            opened: now,
            last_text: now,
            paused: None,
            leaves_at: live.lifetime.map(|lifetime| now + lifetime.mul_f64(1.0 - earlier)),
            held_at: Some(now + HELD),
            last_nap: now,
            texts: VecDeque::new(),
            most_texts: live.channels_per_socket.saturating_mul(TEXTS_PER_CHANNEL) + MORE_TEXTS,
            pace: Pace::new(live.messages_per_second),
        }
    }

    /// The session reads a text.
    pub(super) fn read(&mut self, text: &Bytes, now: Instant) -> Result<(), End> {
        self.last_text = now;
        let read = self.session.on_text(text, now, &mut self.out);
        read.map_err(|error| self.give_up(error))
    }

    fn give_up(&mut self, error: SessionError) -> End {
        self.out.clear();
        End::Session(error)
    }

    /// Puts a text behind those that are to be sent.
    pub(super) fn send(&mut self, text: String) -> Result<(), End> {
        if self.texts.len() >= self.most_texts {
            return Err(clogged());
        }
        self.texts.push_back(text);
        Ok(())
    }

    /// Sends what may be sent by now.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        while !self.texts.is_empty() && self.pace.next(Instant::now()) <= Instant::now() {
            let Some(text) = self.texts.pop_front() else { break };
            match timeout(SEND_TIMEOUT, self.wire.send(text)).await {
                Ok(sent) => sent.map_err(End::Wire)?,
                Err(_) => return Err(clogged()),
            }
            self.pace.sent.push_back(Instant::now());
        }
        Ok(())
    }

    /// When something is due here even if nothing comes.
    pub(super) fn wakes_at(&mut self, now: Instant) -> Option<Instant> {
        let session = self.session.wakes_at().map(|at| at.max(self.last_nap + SHORTEST_NAP));
        let send = (!self.texts.is_empty()).then(|| self.pace.next(now));
        [session, send, self.held_at].into_iter().flatten().min()
    }

    /// True, once, when it has held for a while.
    pub(super) fn has_held(&mut self, now: Instant) -> bool {
        let has_held = self.held_at.is_some_and(|at| at <= now);
        if has_held {
            self.held_at = None;
        }
        has_held
    }

    /// The session is called if it wants to be.
    pub(super) fn nap(&mut self, now: Instant) -> Result<(), End> {
        if self.session.wakes_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        self.last_nap = now;
        let timely = self.session.on_time(now, &mut self.out);
        timely.map_err(|error| self.give_up(error))
    }

    pub(super) fn take_out(&mut self) -> Vec<Output> {
        mem::take(&mut self.out)
    }
}

fn clogged() -> End {
    End::Wire(WireError("it takes no more".to_owned()))
}
