//! The conversation over the exchange's public WebSocket, version 2 (docs.kraken.com, WebSocket
//! v2, 2026-09; where the pages are silent, what was seen then).
//!
//! `subscription` names channels, `message` takes texts apart, `desk` opens and closes channels,
//! `channel` and `book` turn their rows into events, `pulse` pings.

mod book;
mod channel;
mod desk;
mod message;
mod pulse;
mod subscription;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use self::{
    desk::Desk,
    message::{Message, Status},
    pulse::Pulse,
};
use crate::exchange::{Event, Output, Session, SessionError, SessionSettings, Topic, json};

/// The protocol that this session speaks.
const VERSION: &str = "v2";

/// One socket's conversation.
///
/// Data name their channel and market, not a subscription: so there is one channel of each kind,
/// market and width on a socket, and a book of another depth does not fit on it. A book carries a
/// checksum in each message; one that does not hold, or a channel that brings what cannot be true,
/// is closed and asked for anew, at once or ten seconds after the last time. What comes of it until
/// its new snapshot is dropped. A book whose checksum has not held three times in a row is refused.
///
/// Tickers are never told to be [`Event::Sound`]: a new one comes when the best prices move, so
/// its silence says nothing of the last price and the volume.
#[derive(Debug)]
pub struct Conversation {
    desk: Desk,
    pulse: Pulse,
    paused: bool,
}

impl Conversation {
    /// Before its socket is open.
    pub fn new(settings: SessionSettings) -> Self {
        let desk = Desk::new(settings.ack_timeout);
        Self { desk, pulse: Pulse::default(), paused: false }
    }

    /// The exchange says how it is. In all states but maintenance its data go on.
    fn on_status(
        &mut self,
        status: &Status,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        if let Some(version) = status.api_version.as_deref().filter(|version| *version != VERSION) {
            return Err(SessionError::Protocol(json::words(version)));
        }
        let Some(system) = &status.system else { return Ok(()) };
        match (system == "maintenance", self.paused) {
            (true, false) => {
                self.paused = true;
                out.push(Output::Tell(Event::Paused));
            }
            (false, true) => {
                self.paused = false;
                self.desk.reopen_all(now, out);
                out.push(Output::Tell(Event::Resumed));
            }
            _ => {}
        }
        Ok(())
    }

    fn on_message(
        &mut self,
        message: &Message<'_>,
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        match (message.channel(), message.method()) {
            (Some("heartbeat"), _) => {}
            (Some("status"), _) => {
                for status in message.rows().map_err(|e| unreadable(&e))? {
                    let status = status.get();
                    let status = serde_json::from_str(status).map_err(|e| unreadable(&e))?;
                    self.on_status(&status, now, out)?;
                }
            }
            (Some(channel), _) => {
                let rows = message.rows().map_err(|e| unreadable(&e))?;
                self.desk.on_data(channel, message.is_snapshot(), &rows, text, now, out)?;
            }
            (None, Some("subscribe")) => self.desk.on_subscribed(message, now, out),
            (None, Some("unsubscribe")) => self.desk.on_unsubscribed(message, now, out),
            (None, _) => {}
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

fn unreadable(error: &dyn std::fmt::Display) -> SessionError {
    SessionError::Protocol(json::words(&error.to_string()))
}

impl Session for Conversation {
    fn on_open(&mut self, now: Instant, _out: &mut Vec<Output>) {
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
        let words = std::str::from_utf8(text).map_err(|error| unreadable(&error))?;
        let message: Message<'_> = serde_json::from_str(words).map_err(|e| unreadable(&e))?;
        self.on_message(&message, text, now, out)?;
        // A heartbeat is sent once a second where nothing else is; that nothing is missing follows
        // from any message as well.
        let alive = self.pulse.heard(now, message.channel() == Some("heartbeat"));
        if alive && !self.paused {
            out.push(Output::Tell(Event::Alive));
        }
        Ok(())
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), SessionError> {
        self.saying(now, out, |desk, out| desk.on_time(now, out));
        out.extend(self.pulse.beat(now)?.map(Output::Send));
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        [self.desk.wakes_at(), self.pulse.wakes_at()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
