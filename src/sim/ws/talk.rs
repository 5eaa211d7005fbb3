//! One connection without its socket, of any exchange.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{market::UnixMs, sim::venue::State};

use super::{
    Refused,
    faults::{Occasion, WsFault},
};

/// What a conversation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A protocol ping with this payload.
    Ping(String),
    /// A close frame with this code; nothing follows.
    Close(u16),
    /// The connection ends without a close frame; nothing follows.
    Drop,
}

/// How a connection begins.
pub(in crate::sim) struct Opening<'a> {
    /// Path and query of the upgrade, as sent.
    pub(in crate::sim) target: &'a str,
    /// Of the connection, from 1.
    pub(in crate::sim) number: u64,
    /// Actions on all connections so far.
    pub(in crate::sim) acted: u64,
    pub(in crate::sim) in_maintenance: bool,
    pub(in crate::sim) now: UnixMs,
}

/// An exchange's side of a connection: what a client says and what time brings, in; frames, out.
/// Once it is over it is told nothing more.
pub(in crate::sim) trait Talk: Send {
    /// Says what the exchange says first.
    fn open(&mut self, now: UnixMs, out: &mut Vec<Frame>);

    fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>);

    /// A sign of life that is no text: a protocol ping or pong.
    fn heard(&mut self, now: UnixMs);

    /// Says everything that is due.
    fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>);

    /// True once it has ended.
    fn is_over(&self) -> bool;
}

/// The exchange's side of one WebSocket connection.
///
/// It does no I/O and reads no clock: whoever drives it says when something happens, in the
/// market's time, and sends the frames in their order, at once. Equal seeds, times and texts give
/// equal frames. It counts as open until it is dropped.
///
/// ```
/// use tidegate::{market::UnixMs, sim::{Frame, ManualTime, SimClock, SimConfig, Venue}};
///
/// let time = ManualTime::new(UnixMs::from_millis(1_795_360_452_345));
/// let clock = SimClock::Manual(time.clone());
/// let history = std::time::Duration::from_secs(5 * 86_400);
/// let venue = Venue::new(SimConfig { clock, history, ..SimConfig::default() });
/// let mut talk = venue.connect().unwrap();
/// let mut frames = Vec::new();
/// talk.open(&mut frames);
/// talk.on_text(r#"{"event":"ping","cid":7}"#, time.now(), &mut frames);
/// let pong = r#"{"event":"pong","ts":1795360452345,"cid":7}"#;
/// assert_eq!(frames[1], Frame::Text(pong.to_owned()));
/// ```
pub struct Conversation {
    state: Arc<State>,
    talk: Box<dyn Talk>,
}

impl Conversation {
    pub(in crate::sim) fn new(state: Arc<State>, target: &str) -> Result<Self, Refused> {
        let now = state.clock.now();
        let refuses = |fault: &WsFault| match fault {
            WsFault::Refuse { status } => Some(*status),
            _ => None,
        };
        let scripted = state.ws_script().strike(Occasion::connection(now), refuses);
        let scripted = scripted.map(|(status, _)| status);
        let mut door = state.door();
        let number = door.admit(scripted, Instant::now())?;
        let (acted, in_maintenance) = (door.acted(), door.in_maintenance());
        drop(door);
        let talk =
            state.dialect.talk(&state, Opening { target, number, acted, in_maintenance, now });
        Ok(Self { state, talk })
    }

    /// Says what the exchange says first.
    pub fn open(&mut self, out: &mut Vec<Frame>) {
        let before = out.len();
        self.talk.open(self.state.clock.now(), out);
        self.count(&out[before..]);
    }

    /// Answers a text frame of the client.
    pub fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>) {
        if self.is_over() {
            return;
        }
        self.state.door().counts.frames_received += 1;
        let before = out.len();
        self.talk.on_text(text, now, out);
        self.count(&out[before..]);
    }

    /// Notes a sign of life that is no text, such as a protocol ping.
    pub fn heard(&mut self, now: UnixMs) {
        self.talk.heard(now);
    }

    /// Says everything that is due. To be called every 100 to 250 ms of the market's time: frames
    /// tell how the market stands at `now`, and what lies between two calls is told at the second.
    pub fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        if self.is_over() {
            return;
        }
        let before = out.len();
        self.talk.on_time(now, out);
        self.count(&out[before..]);
    }

    /// True once it has ended; it says nothing more.
    pub fn is_over(&self) -> bool {
        self.talk.is_over()
    }

    fn count(&self, said: &[Frame]) {
        let texts = said.iter().filter(|frame| matches!(frame, Frame::Text(_))).count();
        self.state.door().counts.frames_sent += texts as u64;
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.state.door().leave();
    }
}
