//! Opens and closes streams.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use compact_str::CompactString;
use serde_json::{json, value::RawValue};
use tokio::time::Instant;

use super::{channel::Channel, name::stream_of};
use crate::{
    exchange::{Event, Output, Refused, Topic},
    market::Book,
};

/// Between two rounds of requests, of no more than one of each kind: the exchange ends connections
/// that bring more than five messages in a second, pongs among them (binance/
/// binance-spot-api-docs, web-socket-streams.md, 2026-07).
const ROUND: Duration = Duration::from_millis(500);
/// The longest request, in bytes: one of more than 4088 has been seen to get no answer
/// (github.com/binance/binance-connector-rust, issue 27, 2024-12).
const MOST_BYTES: usize = 3500;
/// The most streams in one request.
const MOST_STREAMS: usize = 100;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be asked for.
    Wanted,
    /// Asked for by this request. Without topics: wanted no more.
    Asked(u64),
    Open,
    /// To be closed.
    Unwanted,
    /// Asked to be closed by this request.
    Closing(u64),
}

/// A stream, and who has it.
#[derive(Debug)]
struct Standing {
    phase: Phase,
    channel: Channel,
    topics: Vec<Arc<Topic>>,
    /// Those that were given back and are told so when it is closed.
    left: Vec<Arc<Topic>>,
    /// Those that want it again once it is closed.
    next: Vec<Arc<Topic>>,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Request {
    number: u64,
    until: Instant,
    streams: Vec<CompactString>,
}

/// Every stream of one socket, by its name.
#[derive(Debug)]
pub(super) struct Desk {
    ack_timeout: Duration,
    streams: BTreeMap<CompactString, Standing>,
    requests: Vec<Request>,
    last_number: u64,
    /// When the next round of requests may go.
    round_at: Option<Instant>,
    /// Streams in a request; fewer after a refusal, until it is known which one was refused.
    most_streams: usize,
    due: Option<Instant>,
}

impl Desk {
    pub(super) fn new(ack_timeout: Duration) -> Self {
        Self {
            ack_timeout,
            streams: BTreeMap::new(),
            requests: Vec::new(),
            last_number: 0,
            round_at: None,
            most_streams: MOST_STREAMS,
            due: None,
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let Some((name, channel)) = stream_of(topic).zip(Channel::of(&topic.stream)) else {
            let why = Refused::Invalid { code: 0, message: "there is no such stream".to_owned() };
            out.push(Output::Tell(Event::Refused(Arc::clone(topic), why)));
            return;
        };
        let standing = self.streams.entry(name).or_insert_with(|| Standing {
            phase: Phase::Wanted,
            channel,
            topics: Vec::new(),
            left: Vec::new(),
            next: Vec::new(),
        });
        let (list, opens) = match standing.phase {
            Phase::Wanted | Phase::Asked(_) => (&mut standing.topics, false),
            Phase::Open => (&mut standing.topics, true),
            Phase::Unwanted | Phase::Closing(_) => (&mut standing.next, false),
        };
        if !list.contains(topic) {
            list.push(Arc::clone(topic));
            if matches!(standing.phase, Phase::Asked(_)) {
                standing.left.retain(|left| left != topic);
            }
            if opens {
                standing.channel.open(topic, now, out);
            }
        }
        self.reckon(now);
    }

    pub(super) fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        let Some(name) = stream_of(topic) else { return };
        let Some(standing) = self.streams.get_mut(&name) else { return };
        let told = |topic| Output::Tell(Event::Unsubscribed(topic));
        if let Some(at) = standing.next.iter().position(|next| **next == *topic) {
            let topic = standing.next.remove(at);
            if !standing.left.contains(&topic) {
                out.push(told(topic));
            }
        }
        if let Some(at) = standing.topics.iter().position(|held| **held == *topic) {
            let held = standing.topics.remove(at);
            let is_last = standing.topics.is_empty();
            match standing.phase {
                Phase::Wanted if is_last => {
                    self.streams.remove(&name);
                    out.push(told(held));
                }
                Phase::Asked(_) if is_last => standing.left.push(held),
                Phase::Open if is_last => {
                    standing.phase = Phase::Unwanted;
                    standing.left.push(held);
                }
                _ => {
                    if let Channel::Book(book) = &mut standing.channel {
                        book.part(topic, now, out);
                    }
                    out.push(told(held));
                }
            }
        }
        self.reckon(now);
    }

    /// Data of a stream. Those of one that was asked for show that it is open; of one that is not,
    /// or is being closed, nothing counts.
    pub(super) fn on_data(
        &mut self,
        name: &str,
        message: (&RawValue, &Bytes),
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if self.streams.get(name).is_some_and(|it| matches!(it.phase, Phase::Asked(_))) {
            self.open(name, now, out);
        }
        let Some(standing) = self.streams.get_mut(name) else { return };
        let (Phase::Open, Some(topic)) = (standing.phase, standing.topics.first()) else { return };
        let wakes_at = |channel: &Channel| match channel {
            Channel::Book(book) => book.wakes_at(),
            _ => None,
        };
        let before = wakes_at(&standing.channel);
        standing.channel.take(topic, message, now, out);
        if wakes_at(&standing.channel) != before {
            self.reckon(now);
        }
    }

    pub(super) fn on_book(
        &mut self,
        topic: &Topic,
        book: Option<&Book>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let standing = stream_of(topic).and_then(|name| self.streams.get_mut(&name));
        if let Some(Standing { phase: Phase::Open, channel: Channel::Book(state), .. }) = standing {
            state.on_book(topic, book, now, out);
            self.reckon(now);
        }
    }

    /// The answer to a request; with code and words where it was refused.
    pub(super) fn on_answer(
        &mut self,
        number: u64,
        refusal: Option<(i64, &str)>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(at) = self.requests.iter().position(|it| it.number == number) else { return };
        let request = self.requests.swap_remove(at);
        match refusal {
            None => self.most_streams = MOST_STREAMS.min(self.most_streams * 2),
            Some(_) if request.streams.len() > 1 => {
                self.most_streams = request.streams.len() / 2;
            }
            Some(_) => self.most_streams = MOST_STREAMS,
        }
        let several = request.streams.len() > 1;
        for name in &request.streams {
            let Some(standing) = self.streams.get_mut(name) else { continue };
            match (standing.phase, refusal) {
                (Phase::Asked(by), None) if by == number => self.open(name, now, out),
                // One of them is wrong: they are asked for again, fewer at once.
                (Phase::Asked(by), Some(_)) if by == number && several => {
                    standing.phase = Phase::Wanted;
                }
                (Phase::Asked(by), Some((code, words))) if by == number => {
                    let message = words.chars().take(200).collect();
                    self.refuse(name, &Refused::Invalid { code, message }, out);
                    self.streams.remove(name);
                }
                (Phase::Closing(by), _) if by == number => self.end(name, out),
                _ => {}
            }
        }
        let without_topics =
            |standing: &Standing| standing.phase == Phase::Wanted && standing.topics.is_empty();
        let gone = self.streams.extract_if(.., |_, standing| without_topics(standing));
        for (_, standing) in gone {
            let told = |topic| Output::Tell(Event::Unsubscribed(topic));
            out.extend(standing.left.into_iter().map(told));
        }
        self.reckon(now);
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let overdue: Vec<Request> = self.requests.extract_if(.., |it| it.until <= now).collect();
        for request in overdue {
            for name in &request.streams {
                let Some(standing) = self.streams.get_mut(name) else { continue };
                match standing.phase {
                    Phase::Asked(by) if by == request.number => {
                        // It may be open all the same.
                        standing.phase = Phase::Unwanted;
                        self.refuse(name, &Refused::Unanswered, out);
                    }
                    Phase::Closing(by) if by == request.number => self.end(name, out),
                    _ => {}
                }
            }
        }
        for standing in self.streams.values_mut() {
            if let (Phase::Open, Channel::Book(book)) = (standing.phase, &mut standing.channel) {
                book.on_time(now, out);
            }
        }
        if self.round_at.is_none_or(|at| at <= now) {
            let wanted = self.request("SUBSCRIBE", Phase::Wanted, Phase::Asked, now, out);
            let unwanted = self.request("UNSUBSCRIBE", Phase::Unwanted, Phase::Closing, now, out);
            if wanted || unwanted {
                self.round_at = Some(now + ROUND);
            }
        }
        self.reckon(now);
    }

    /// The number of the request that is not answered yet, where there is but one.
    pub(super) fn only_request(&self) -> Option<u64> {
        match self.requests.as_slice() {
            [request] => Some(request.number),
            _ => None,
        }
    }

    /// The text of a request that changes nothing, to hear whether the exchange is there.
    pub(super) fn question(&mut self) -> String {
        self.last_number += 1;
        json!({"method": "LIST_SUBSCRIPTIONS", "id": self.last_number}).to_string()
    }

    /// Sends one request for streams that are in phase `from`; true if there were any.
    fn request(
        &mut self,
        method: &str,
        from: Phase,
        to: fn(u64) -> Phase,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> bool {
        let number = self.last_number + 1;
        let (mut streams, mut bytes) = (Vec::new(), 0);
        for (name, standing) in &mut self.streams {
            if standing.phase != from {
                continue;
            }
            bytes += name.len() + r#""","#.len();
            if streams.len() == self.most_streams || (bytes > MOST_BYTES && !streams.is_empty()) {
                break;
            }
            standing.phase = to(number);
            streams.push(name.clone());
        }
        if streams.is_empty() {
            return false;
        }
        self.last_number = number;
        let params: Vec<&str> = streams.iter().map(CompactString::as_str).collect();
        let text = json!({"method": method, "params": params, "id": number}).to_string();
        out.push(Output::Send(text));
        self.requests.push(Request { number, until: now + self.ack_timeout, streams });
        true
    }

    /// A stream is open; one that is wanted no more is closed again.
    fn open(&mut self, name: &str, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.streams.get_mut(name) else { return };
        let is_wanted = !standing.topics.is_empty();
        standing.phase = if is_wanted { Phase::Open } else { Phase::Unwanted };
        if is_wanted {
            let told = |topic| Output::Tell(Event::Unsubscribed(topic));
            out.extend(standing.left.drain(..).map(told));
        }
        for topic in &standing.topics {
            standing.channel.open(topic, now, out);
        }
        self.reckon(now);
    }

    /// A stream is closed, or as good as that.
    fn end(&mut self, name: &str, out: &mut Vec<Output>) {
        let Some(standing) = self.streams.get_mut(name) else { return };
        let told = |topic| Output::Tell(Event::Unsubscribed(topic));
        out.extend(standing.left.drain(..).map(told));
        standing.topics = std::mem::take(&mut standing.next);
        let channel = standing.topics.first().and_then(|topic| Channel::of(&topic.stream));
        match channel {
            Some(channel) => (standing.phase, standing.channel) = (Phase::Wanted, channel),
            None => _ = self.streams.remove(name),
        }
    }

    fn refuse(&mut self, name: &str, why: &Refused, out: &mut Vec<Output>) {
        let Some(standing) = self.streams.get_mut(name) else { return };
        let refused = |topic| Output::Tell(Event::Refused(topic, why.clone()));
        out.extend(standing.topics.drain(..).map(refused));
        let told = |topic| Output::Tell(Event::Unsubscribed(topic));
        out.extend(standing.left.drain(..).map(told));
    }

    fn reckon(&mut self, now: Instant) {
        let waits = |standing: &Standing| match (&standing.phase, &standing.channel) {
            (Phase::Wanted | Phase::Unwanted, _) => {
                Some(self.round_at.map_or(now, |at| at.max(now)))
            }
            (Phase::Open, Channel::Book(book)) => book.wakes_at(),
            _ => None,
        };
        let requests = self.requests.iter().map(|request| request.until);
        self.due = self.streams.values().filter_map(waits).chain(requests).min();
    }
}
