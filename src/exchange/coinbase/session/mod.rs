//! The conversation over the exchange's public WebSocket (docs.cdp.coinbase.com, Advanced Trade
//! WebSocket Overview and Channels, 2026-07; where the pages are silent, as recorded 2026-08).
//!
//! `frame` takes texts apart, `desk` opens and closes channels, `channel` turns their rows into
//! events, `book` keeps the whole of a book and tells the best of it.

mod book;
mod channel;
mod desk;
mod frame;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::{
    channel::{Channel, Rows},
    desk::Desk,
    frame::{Frame, Happening, Owner},
};
use crate::exchange::{Event, Output, Session, SessionError, SessionSettings, Topic, json};

/// Keeps quiet channels from being closed, and says once a second that nothing is missing.
const HEARTBEATS: &str = r#"{"type":"subscribe","product_ids":[],"channel":"heartbeats"}"#;

/// One socket's conversation.
///
/// Texts are numbered over all channels of the connection: as long as none is missing, what the
/// texts make of a book is right. A channel that brings what cannot be read or cannot be true is
/// closed and asked for anew, the others stay; where a text is missing, nothing of the connection
/// can be believed.
#[derive(Debug)]
pub struct Conversation {
    desk: Desk,
    /// The number of the next text, after the first.
    next: Option<u64>,
}

impl Conversation {
    /// Before its socket is open.
    pub fn new(settings: SessionSettings) -> Self {
        Self { desk: Desk::new(settings.ack_timeout), next: None }
    }

    fn count(&mut self, got: Option<u64>) -> Result<(), SessionError> {
        let got = got.ok_or_else(|| SessionError::Protocol("a text without number".to_owned()))?;
        match self.next.replace(got.wrapping_add(1)) {
            Some(expected) if expected != got => Err(SessionError::Gap { expected, got }),
            _ => Ok(()),
        }
    }

    fn on_events(
        &mut self,
        channel: &str,
        frame: &Frame<'_>,
        text: &Bytes,
        (now, out): (Instant, &mut Vec<Output>),
    ) -> Result<(), SessionError> {
        let channel = match channel {
            "heartbeats" => {
                self.desk.rest(now, out);
                out.push(Output::Tell(Event::Alive));
                return Ok(());
            }
            "subscriptions" => {
                for event in &frame.events {
                    self.desk.on_list(&happening(event)?.subscriptions, now, out);
                }
                return Ok(());
            }
            "l2_data" => Channel::Book,
            "market_trades" => Channel::Trades,
            "ticker" => Channel::Ticker,
            _ => return Ok(()),
        };
        let at = frame.timestamp.map(|time| json::rfc3339("timestamp", time)).transpose();
        let at = at.map_err(|error| protocol(&error))?;
        for event in &frame.events {
            let happening = happening(event)?;
            let is_snapshot = happening.is_snapshot();
            for (product, rows) in by_product(&happening)? {
                let rows = Rows { is_snapshot, at, rows: &rows, text };
                self.desk.on_rows((channel, product), &rows, now, out);
            }
        }
        Ok(())
    }
}

fn happening<'a>(event: &'a RawValue) -> Result<Happening<'a>, SessionError> {
    json::parse("event", event.get()).map_err(|error| protocol(&error))
}

/// The rows of an event by whose they are, in their order.
fn by_product<'a>(
    happening: &Happening<'a>,
) -> Result<Vec<(&'a str, Vec<&'a RawValue>)>, SessionError> {
    if let Some(product) = happening.product_id {
        return Ok(happening.updates.map(|updates| (product, vec![updates])).into_iter().collect());
    }
    let mut products: Vec<(&str, Vec<&RawValue>)> = Vec::new();
    for row in happening.tickers.iter().chain(&happening.trades).copied() {
        let owner: Result<Owner<'a>, _> = json::parse("row", row.get());
        let product = owner.map_err(|error| protocol(&error))?.product_id;
        match products.iter_mut().find(|(other, _)| *other == product) {
            Some((_, rows)) => rows.push(row),
            None => products.push((product, vec![row])),
        }
    }
    Ok(products)
}

fn protocol(error: &dyn std::fmt::Display) -> SessionError {
    SessionError::Protocol(error.to_string().chars().take(200).collect())
}

impl Session for Conversation {
    /// The first subscription is due within five seconds.
    fn on_open(&mut self, _: Instant, out: &mut Vec<Output>) {
        out.push(Output::Send(HEARTBEATS.to_owned()));
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
        let frame: Frame<'_> = json::body("text", text).map_err(|error| protocol(&error))?;
        if frame.kind == Some("error") {
            let message = json::words(frame.message.as_deref().unwrap_or("error"));
            self.desk.on_error(&message, now, out);
            return frame.sequence_num.map_or(Ok(()), |number| self.count(Some(number)));
        }
        let Some(channel) = frame.channel else { return Ok(()) };
        self.count(frame.sequence_num)?;
        self.on_events(channel, &frame, text, (now, out))
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), SessionError> {
        self.desk.on_time(now, out);
        Ok(())
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.desk.wakes_at()
    }
}

#[cfg(test)]
mod tests;
