//! The conversation over the exchange's public WebSocket (docs.bitfinex.com/docs/ws-general and
//! ws-public, 2025-11; where the pages are silent or wrong, what was seen in 2021 and 2026-09).
//!
//! `subscription` names channels, `frame` and `message` take texts apart, `desk` opens and closes
//! channels, `channel` and `book` turn their rows into events, `early` keeps what comes before
//! its acknowledgement, `pulse` pings.

mod book;
mod channel;
mod desk;
mod early;
mod frame;
mod message;
mod pulse;
mod subscription;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

pub use subscription::Subscription;

use self::{desk::Desk, frame::Frame, message::Message, pulse::Pulse};
use crate::exchange::{Event, Output, Session, SessionError, SessionSettings, Topic};

/// Number every message (docs.bitfinex.com/docs/ws-general, 2025-11).
const SEQ_ALL: u64 = 65_536;
/// Send checksums of books (docs.bitfinex.com/docs/ws-websocket-checksum, 2025-11).
const OB_CHECKSUM: u64 = 131_072;
/// The protocol that this session speaks.
const VERSION: i64 = 2;

/// Numbers of `info` messages (docs.bitfinex.com/docs/ws-general, 2025-11).
mod code {
    pub(super) const RESTART: i64 = 20_051;
    pub(super) const PAUSE: i64 = 20_060;
    pub(super) const RESUME: i64 = 20_061;
}

/// One socket's conversation.
///
/// A book's changes are held back while they leave the book crossed or too deep, since the next
/// may follow at once that mends it; a book that stays so is broken. So whoever makes every
/// change that is told never holds an impossible book. A channel that breaks is closed and asked
/// for anew, at once or ten seconds after the last time; what comes of it until its new snapshot
/// is dropped.
#[derive(Debug)]
pub struct Conversation {
    desk: Desk,
    numbers: Numbers,
    pulse: Pulse,
    paused: bool,
}

/// The running number of messages.
#[derive(Debug, Default)]
struct Numbers {
    /// The exchange has said that it numbers.
    agreed: bool,
    last: Option<u64>,
}

impl Numbers {
    /// Takes the number of the next message. Those without one, as before the agreement, are not
    /// counted.
    fn take(&mut self, number: Option<u64>) -> Result<(), SessionError> {
        let Some(got) = number.filter(|_| self.agreed) else { return Ok(()) };
        match self.last.replace(got).map(|last| last.wrapping_add(1)) {
            Some(expected) if expected != got => Err(SessionError::Gap { expected, got }),
            _ => Ok(()),
        }
    }
}

impl Conversation {
    /// Before its socket is open.
    pub fn new(settings: SessionSettings) -> Self {
        Self {
            desk: Desk::new(settings.ack_timeout),
            numbers: Numbers::default(),
            pulse: Pulse::default(),
            paused: false,
        }
    }

    fn on_message(
        &mut self,
        message: &Message,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        match message.event.as_deref() {
            Some("info") => return self.on_info(message, now, out),
            Some("conf") => {
                let accepted = message.status.as_deref() == Some("OK");
                let flags = message.flags.filter(|_| accepted).unwrap_or_default();
                self.numbers.agreed = flags & SEQ_ALL != 0;
            }
            Some("subscribed") => return self.desk.on_subscribed(message, now, out),
            Some("unsubscribed") => self.desk.on_unsubscribed(message.channel_id, now, out),
            Some("error") => self.desk.on_error(message, now, out),
            _ => {}
        }
        Ok(())
    }

    fn on_info(
        &mut self,
        message: &Message,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        if let Some(version) = message.version.filter(|version| *version != VERSION) {
            return Err(SessionError::Protocol(format!("version {version}")));
        }
        let down = message.platform.as_ref().is_some_and(|platform| platform.status == Some(0));
        match message.code {
            Some(code::RESTART) => return Err(SessionError::Restart),
            Some(code::RESUME) => {
                self.desk.reopen_all(now, out);
                self.paused = false;
                out.push(Output::Tell(Event::Resumed));
            }
            code if (code == Some(code::PAUSE) || down) && !self.paused => {
                self.paused = true;
                out.push(Output::Tell(Event::Paused));
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs `work` and notes whether it had something to say.
    fn saying(
        &mut self,
        now: Instant,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Desk, &mut Vec<Output>),
    ) {
        let before = out.len();
        work(&mut self.desk, out);
        if out[before..].iter().any(|output| matches!(output, Output::Send(_))) {
            self.pulse.said(now);
        }
    }
}

impl Session for Conversation {
    fn on_open(&mut self, now: Instant, out: &mut Vec<Output>) {
        let flags = SEQ_ALL + OB_CHECKSUM;
        out.push(Output::Send(format!(r#"{{"event":"conf","flags":{flags}}}"#)));
        self.pulse.said(now);
    }

    fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        self.saying(now, out, |desk, out| desk.subscribe(topic, now, out));
    }

    fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        self.saying(now, out, |desk, out| desk.unsubscribe(topic, now, out));
    }

    fn on_text(
        &mut self,
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        let unreadable = |error: &dyn std::fmt::Display| {
            SessionError::Protocol(error.to_string().chars().take(200).collect())
        };
        self.pulse.heard(now);
        let words = std::str::from_utf8(text).map_err(|error| unreadable(&error))?;
        if words.trim_ascii_start().starts_with('[') {
            let frame = Frame::parse(words).map_err(|error| unreadable(&error))?;
            self.numbers.take(frame.number)?;
            self.desk.on_frame(&frame, text, now, out);
            Ok(())
        } else {
            let message = Message::parse(words).map_err(|error| unreadable(&error))?;
            self.on_message(&message, now, out)
        }
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), SessionError> {
        self.saying(now, out, |desk, out| desk.on_time(now, out));
        out.extend(self.pulse.beat(now)?.map(Output::Send));
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        let pulse = self.pulse.wakes_at();
        [self.desk.wakes_at(), pulse].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
