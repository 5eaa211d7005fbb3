//! A market's live book: a snapshot that is fetched, and the changes that a stream tells
//! (binance/binance-spot-api-docs, web-socket-streams.md, How to manage a local order book
//! correctly, 2026-07).

use std::{borrow::Cow, collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{ladder::Ladder, view::View};
use crate::{
    exchange::{
        Broken, Event, Output, Stream, Topic, UpstreamError, binance::profile::LADDER_DEPTH, json,
    },
    market::Book,
};

/// Between two snapshots of one book, each of which costs as much as 25 requests for candles.
const FETCH_PAUSE: Duration = Duration::from_secs(2);
/// Events that are kept until a snapshot comes, ten a second at most. The oldest go first: a
/// snapshot that comes late is new.
const MOST_EVENTS: usize = 256;
const MOST_BYTES: usize = 512 * 1024;

/// The book of a market, for as many topics as there are depths.
#[derive(Debug, Default)]
pub(super) struct BookState {
    views: Vec<View>,
    ladder: Option<Ladder>,
    events: VecDeque<Kept>,
    bytes: usize,
    /// Number of the last change that was heard of.
    heard: Option<i64>,
    /// A snapshot was asked for, for this topic.
    fetching: Option<Arc<Topic>>,
    /// When one is to be asked for.
    fetch_at: Option<Instant>,
    /// When the next may be asked for.
    may_fetch: Option<Instant>,
}

/// An event that waits for a snapshot.
#[derive(Debug)]
struct Kept {
    first: i64,
    last: i64,
    text: Bytes,
}

/// Levels as they stand after the changes `first` to `last`.
#[derive(Deserialize)]
struct DepthUpdate<'a> {
    #[serde(borrow, rename = "s")]
    symbol: Cow<'a, str>,
    #[serde(rename = "U")]
    first: i64,
    #[serde(rename = "u")]
    last: i64,
    #[serde(borrow, rename = "b")]
    bids: Vec<&'a RawValue>,
    #[serde(borrow, rename = "a")]
    asks: Vec<&'a RawValue>,
}

impl BookState {
    /// A topic joins whose channel is open: it is told what is known.
    pub(super) fn join(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let Stream::Book { depth, .. } = topic.stream else { return };
        self.views.push(View::new(Arc::clone(topic), depth));
        if self.ladder.is_some() {
            self.tell([None; 2], now, out);
        } else {
            self.fetch(now, out);
        }
    }

    /// A topic leaves; others stay.
    pub(super) fn part(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        self.views.retain(|view| *view.topic != *topic);
        if self.fetching.as_deref() == Some(topic) {
            // Its snapshot will not be brought.
            self.fetching = None;
            self.may_fetch = None;
            self.fetch(now, out);
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.fetch_at
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.fetch_at.is_some_and(|at| at <= now) {
            self.fetch(now, out);
        }
    }

    /// An event of the stream.
    pub(super) fn on_event(&mut self, data: &RawValue, now: Instant, out: &mut Vec<Output>) {
        let taken = match self.read(data) {
            Ok(event) => self.take(&event, data, now, out),
            Err(error) => {
                // Only the next event will tell what is missing now.
                self.heard = Some(i64::MAX);
                self.drop_events();
                Err(error)
            }
        };
        if let Err(error) = taken {
            self.start_over(&error, now, out);
        }
    }

    fn read<'a>(&self, data: &'a RawValue) -> Result<DepthUpdate<'a>, UpstreamError> {
        let event = DepthUpdate::read(data)?;
        let is_ours = self.views.first().is_some_and(|view| view.topic.id == event.symbol);
        if is_ours && event.first <= event.last && event.last < i64::MAX {
            Ok(event)
        } else {
            Err(json::invalid("book", "of another market, or numbered backwards"))
        }
    }

    fn take(
        &mut self,
        event: &DepthUpdate<'_>,
        data: &RawValue,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), UpstreamError> {
        let expected = self.heard.map(|heard| heard.saturating_add(1));
        let missing = expected.filter(|expected| event.first > *expected);
        let repeated = expected.is_some_and(|expected| event.last < expected);
        self.heard = Some(event.last);
        if missing.is_some() || repeated {
            // No snapshot of before bridges that.
            self.drop_events();
        }
        if self.is_waiting() {
            self.keep(event, data);
        }
        let Some(ladder) = &mut self.ladder else { return Ok(()) };
        if event.last <= ladder.last && !repeated {
            // The snapshot is newer.
            return Ok(());
        }
        if repeated || event.first > ladder.last.saturating_add(1) {
            let expected = ladder.last.saturating_add(1);
            let why = format_args!("change {expected} was due, {} came", event.first);
            return Err(json::invalid("book", why));
        }
        let touched = ladder.apply(event.last, &event.bids, &event.asks)?;
        self.tell(touched, now, out);
        Ok(())
    }

    /// The snapshot that was asked for; `None`: it could not be had.
    pub(super) fn on_book(
        &mut self,
        topic: &Topic,
        book: Option<&Book>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if self.fetching.as_deref() != Some(topic) {
            return;
        }
        self.fetching = None;
        let Some(book) = book else {
            // Whoever fetches has paused already.
            self.may_fetch = None;
            self.fetch(now, out);
            return;
        };
        match self.built(book) {
            Some(ladder) => {
                self.ladder = Some(ladder);
                self.fetch_at = None;
                self.drop_events();
                self.tell([Some(Decimal::MIN); 2], now, out);
            }
            None => self.fetch(now, out),
        }
    }

    /// The book as it stands now, from a snapshot and the events that came after it; `None`: they
    /// do not meet, or make no book.
    fn built(&mut self, book: &Book) -> Option<Ladder> {
        let last = book.nonce?;
        while self.events.front().is_some_and(|event| event.last <= last) {
            let gone = self.events.pop_front();
            self.bytes -= gone.map_or(0, |event| event.text.len());
        }
        let meets = match self.events.front() {
            Some(event) => event.first <= last.saturating_add(1),
            None => self.heard.is_none_or(|heard| heard <= last),
        };
        let mut ladder = Ladder::of(book, last).ok().filter(|_| meets)?;
        for event in &self.events {
            let data: &RawValue = serde_json::from_slice(&event.text).ok()?;
            let event = DepthUpdate::read(data).ok()?;
            ladder.apply(event.last, &event.bids, &event.asks).ok()?;
        }
        Some(ladder)
    }

    /// Tells every topic; asks for a snapshot in time where the known levels run short.
    fn tell(&mut self, touched: [Option<Decimal>; 2], now: Instant, out: &mut Vec<Output>) {
        let Some(ladder) = &self.ladder else { return };
        let mut runs_short = false;
        for view in &mut self.views {
            runs_short |= !ladder.reaches(view.depth * 2);
            if ladder.reaches(view.depth) {
                view.tell(ladder, touched, out);
            } else if view.is_live() {
                view.forget();
                let why = "book: fewer levels are known than asked for".to_owned();
                let event = Event::Broken(Arc::clone(&view.topic), Broken::Invalid(why));
                out.push(Output::Tell(event));
            }
        }
        if runs_short {
            self.fetch(now, out);
        }
    }

    /// Nothing that was told is to be believed any more.
    fn start_over(&mut self, error: &UpstreamError, now: Instant, out: &mut Vec<Output>) {
        let why = match error {
            UpstreamError::Invalid(why) => why.clone(),
            other => other.to_string(),
        };
        for view in self.views.iter_mut().filter(|view| view.is_live()) {
            view.forget();
            let broken = Broken::Invalid(why.clone());
            out.push(Output::Tell(Event::Broken(Arc::clone(&view.topic), broken)));
        }
        self.ladder = None;
        self.fetch(now, out);
    }

    fn is_waiting(&self) -> bool {
        self.fetching.is_some() || self.fetch_at.is_some()
    }

    fn keep(&mut self, event: &DepthUpdate<'_>, data: &RawValue) {
        let text = Bytes::copy_from_slice(data.get().as_bytes());
        self.bytes += text.len();
        self.events.push_back(Kept { first: event.first, last: event.last, text });
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let gone = self.events.pop_front();
            self.bytes -= gone.map_or(0, |event| event.text.len());
        }
    }

    fn drop_events(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }

    /// Asks for a snapshot, unless one is on its way or was a moment ago.
    fn fetch(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.fetching.is_some() {
            return;
        }
        if let Some(at) = self.may_fetch.filter(|at| now < *at) {
            self.fetch_at = Some(at);
            return;
        }
        let Some(topic) = self.views.first().map(|view| Arc::clone(&view.topic)) else { return };
        self.fetch_at = None;
        self.may_fetch = Some(now + FETCH_PAUSE);
        self.fetching = Some(Arc::clone(&topic));
        out.push(Output::FetchBook(topic, LADDER_DEPTH));
    }
}

impl<'a> DepthUpdate<'a> {
    fn read(data: &'a RawValue) -> Result<Self, UpstreamError> {
        json::parse("book", data.get())
    }
}
