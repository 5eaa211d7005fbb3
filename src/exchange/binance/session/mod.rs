//! The conversation over the exchange's market streams (binance/binance-spot-api-docs,
//! web-socket-streams.md, 2026-07).
//!
//! `name` names streams, `message` takes texts apart, `desk` opens and closes streams, `channel`
//! turns their data into events, `book`, `ladder` and `view` keep books, `pulse` asks whether the
//! exchange is there.

mod book;
mod channel;
mod desk;
mod ladder;
mod message;
mod name;
mod pulse;
mod view;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use self::{desk::Desk, message::Message, pulse::Pulse};
use crate::{
    exchange::{Event, Output, Session, SessionError, SessionSettings, Topic},
    market::Book,
};

/// One socket's conversation, on a combined stream (`/stream`).
///
/// Streams are asked for in batches. They tell no snapshots: a book is fetched
/// ([`Output::FetchBook`]) and joined to the changes that came meanwhile by their numbers; a book
/// whose numbers have a gap is broken, and fetched anew while the other streams go on. What an
/// unknown market's stream would say is silence.
#[derive(Debug)]
pub struct Conversation {
    desk: Desk,
    pulse: Pulse,
    is_leaving: bool,
}

impl Conversation {
    /// Before its socket is open.
    pub fn new(settings: SessionSettings) -> Self {
        let desk = Desk::new(settings.ack_timeout);
        Self { desk, pulse: Pulse::default(), is_leaving: false }
    }
}

impl Session for Conversation {
    fn on_open(&mut self, now: Instant, _out: &mut Vec<Output>) {
        self.pulse.opened(now);
    }

    fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        self.desk.subscribe(topic, now, out);
    }

    fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        self.desk.unsubscribe(topic, now, out);
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
        let words = std::str::from_utf8(text).map_err(|error| unreadable(&error))?;
        let message = Message::parse(words).map_err(|error| unreadable(&error))?;
        if message.is_farewell() {
            if !std::mem::replace(&mut self.is_leaving, true) {
                out.push(Output::Tell(Event::Leaving));
            }
        } else if let (Some(stream), Some(data)) = (&message.stream, message.data) {
            self.desk.on_data(stream, (data, text), now, out);
        } else {
            let refusal = message.refusal();
            // Not every refusal repeats the number.
            let only = refusal.and_then(|_| self.desk.only_request());
            if let Some(number) = message.request().or(only) {
                self.desk.on_answer(number, refusal, now, out);
            }
        }
        if self.pulse.hears(now) {
            out.push(Output::Tell(Event::Alive));
        }
        Ok(())
    }

    fn on_book(&mut self, topic: &Topic, book: Option<&Book>, now: Instant, out: &mut Vec<Output>) {
        self.desk.on_book(topic, book, now, out);
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), SessionError> {
        self.desk.on_time(now, out);
        if self.pulse.beat(now)? {
            let question = self.desk.question();
            out.push(Output::Send(question));
        }
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        [self.desk.wakes_at(), self.pulse.wakes_at()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
