//! The WebSocket interface: `/stream` with names around the data, `/ws` without
//! (binance-spot-api-docs, web-socket-streams.md, 2026-07).

mod feed;
mod request;
mod stream;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{
    market::UnixMs,
    sim::{
        State, WsAction, WsFault,
        ws::{Frame, Freeze, Freezer, Line, Occasion, Opening, Talk, late_ack, strikes},
    },
};

use super::listing::Listing;
use feed::{Feed, Sight};
use request::{Method, Request, invalid};
use stream::Stream;

const PING: Duration = Duration::from_secs(20);
/// A client whose pong does not come for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_STREAMS: usize = 1_024;
/// Texts, pings and pongs of a client within a second.
const MOST_MESSAGES: usize = 5;
/// How long before a planned stop it is told; how long the exchange gives is not documented.
const NOTICE: Duration = Duration::from_secs(30);
/// Policy violation, and service restart (IANA's registry of close codes).
const VIOLATION: u16 = 1008;
const RESTART: u16 = 1012;

/// The exchange's side of one connection.
pub(super) struct BinanceTalk {
    state: Arc<State>,
    listing: Arc<Listing>,
    line: Line,
    /// Data is wrapped with its stream's name.
    combined: bool,
    channels: Vec<Channel>,
    /// Acknowledgements that are not due yet.
    acks: Vec<(UnixMs, String)>,
    /// Messages of the client within the last second.
    messages: VecDeque<UnixMs>,
    over_at: UnixMs,
    stops_at: Option<UnixMs>,
    ping_due: UnixMs,
    /// The oldest ping without a pong.
    unanswered: Option<UnixMs>,
    paused: bool,
}

struct Channel {
    name: String,
    stream: Stream,
    place: Option<usize>,
    symbol: String,
    /// `None`: not begun.
    feed: Option<Feed>,
    begins: UnixMs,
    freezer: Freezer,
}

impl BinanceTalk {
    pub(super) fn new(state: Arc<State>, listing: Arc<Listing>, opening: &Opening<'_>) -> Self {
        let (path, query) = opening.target.split_once('?').unwrap_or((opening.target, ""));
        let combined = path == "/stream";
        let asked = if combined {
            query.split('&').find_map(|pair| pair.strip_prefix("streams="))
        } else {
            path.strip_prefix("/ws/")
        };
        let names = percent_decode_str(asked.unwrap_or_default()).decode_utf8_lossy().into_owned();
        let mut talk = Self {
            over_at: opening.now + state.ws.lifetime,
            state,
            listing,
            line: Line::new(opening),
            combined,
            channels: Vec::new(),
            acks: Vec::new(),
            messages: VecDeque::new(),
            stops_at: None,
            ping_due: opening.now + PING,
            unanswered: None,
            paused: opening.in_maintenance,
        };
        for name in names.split('/').filter(|name| !name.is_empty()).take(MOST_STREAMS) {
            talk.add(name, opening.now, opening.now);
        }
        talk
    }

    /// One who says too much is thrown out: true if so.
    fn is_too_much(&mut self, now: UnixMs) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        while self.messages.front().is_some_and(|&at| now.since(at) >= SECOND) {
            self.messages.pop_front();
        }
        if self.messages.len() <= MOST_MESSAGES {
            self.messages.push_back(now);
        }
        self.messages.len() > MOST_MESSAGES
    }

    /// What happens from `begins` on is told: no client may find a hole between its acknowledgement
    /// and the first change of a book.
    fn add(&mut self, name: &str, begins: UnixMs, now: UnixMs) {
        if self.channels.iter().any(|channel| channel.name == name) {
            return;
        }
        let (stream, place) = Stream::parse(name, &self.listing);
        let listed = place.and_then(|place| self.listing.all().get(place));
        let symbol = listed.map(|listed| listed.symbol.clone()).unwrap_or_default();
        let (engine, listing) = (&self.state.engine, self.listing.as_ref());
        let sight = Sight { engine, listing, place, now };
        let feed = (begins <= now).then(|| Feed::begin(stream, sight));
        let (name, freezer) = (name.to_owned(), Freezer::default());
        self.channels.push(Channel { name, stream, place, symbol, feed, begins, freezer });
    }

    fn subscribe(&mut self, names: &[String], id: &Value, now: UnixMs, out: &mut Vec<Frame>) {
        self.state.door().counts.subscribes += names.len() as u64;
        let (stream, place) =
            names.first().map_or((Stream::Silent, None), |name| Stream::parse(name, &self.listing));
        let listed = place.and_then(|place| self.listing.all().get(place));
        let symbol = listed.map_or("", |listed| listed.symbol.as_str());
        let occasion = Occasion { channel: stream.channel(), symbol, now };
        let full = self.channels.len() + names.len() > MOST_STREAMS;
        if full || strikes(&self.state, occasion, &WsFault::SubscribeLimit) {
            return self.line.say(invalid("too many parameters", id), out);
        }
        let ack = json!({"result": null, "id": id}).to_string();
        let mut begins = now;
        match late_ack(&self.state, occasion) {
            None => self.line.say(ack, out),
            Some((data_first, ms)) => {
                let due = UnixMs::from_millis(now.millis() + ms);
                begins = if data_first { now } else { due };
                self.acks.push((due, ack));
            }
        }
        for name in names {
            self.add(name, begins, now);
        }
    }

    fn unsubscribe(&mut self, names: &[String], id: &Value, out: &mut Vec<Frame>) {
        self.state.door().counts.unsubscribes += names.len() as u64;
        self.channels.retain(|channel| !names.contains(&channel.name));
        self.line.say(json!({"result": null, "id": id}).to_string(), out);
    }

    /// What was done to all connections.
    fn obey(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        for action in self.line.news(&self.state) {
            match action {
                WsAction::Drop => self.line.end(Frame::Drop, out),
                WsAction::Restart => {
                    let event = json!({"e": "serverShutdown", "E": now.millis()}).to_string();
                    self.line.say(wrapped(self.combined, "!serverShutdown", event), out);
                    self.stops_at = Some(now + NOTICE);
                }
                WsAction::MaintenanceStart => self.paused = true,
                WsAction::MaintenanceEnd => {
                    self.paused = false;
                    self.channels.iter_mut().for_each(|channel| channel.feed = None);
                }
            }
        }
    }

    /// Pings, and ends that have come.
    fn keep_alive(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        if self.stops_at.is_some_and(|at| now >= at) {
            return self.line.end(Frame::Close(RESTART), out);
        }
        let gone = self.unanswered.is_some_and(|since| now.since(since) >= PATIENCE);
        if gone || now >= self.over_at || self.messages.len() > MOST_MESSAGES {
            return self.line.end(Frame::Close(VIOLATION), out);
        }
        if now >= self.ping_due {
            out.push(Frame::Ping(now.millis().to_string()));
            self.unanswered.get_or_insert(now);
            self.ping_due = now + PING;
        }
    }

    fn look_after(&mut self, place: usize, now: UnixMs, out: &mut Vec<Frame>) {
        let (state, listing) = (self.state.clone(), self.listing.clone());
        let channel = &mut self.channels[place];
        if now < channel.begins {
            return;
        }
        let (engine, listing) = (&state.engine, listing.as_ref());
        let sight = Sight { engine, listing, place: channel.place, now };
        let occasion = Occasion { channel: channel.stream.channel(), symbol: &channel.symbol, now };
        let frozen = channel.freezer.look(&mut state.ws_script(), occasion);
        match frozen {
            Freeze::Stands => return,
            Freeze::Thawed => channel.feed = None,
            Freeze::None => {}
        }
        let stream = channel.stream;
        let Some(feed) = &mut channel.feed else {
            channel.feed = Some(Feed::begin(stream, sight));
            return;
        };
        for text in feed.updates(sight) {
            let text = wrapped(self.combined, &channel.name, text);
            self.line.tell(&state, occasion, text, out);
        }
    }
}

impl Talk for BinanceTalk {
    fn open(&mut self, _: UnixMs, _: &mut Vec<Frame>) {}

    fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>) {
        if self.is_too_much(now) {
            return self.line.end(Frame::Close(VIOLATION), out);
        }
        let Request { id, method } = match Request::parse(text) {
            Ok(request) => request,
            Err(error) => return self.line.say(error, out),
        };
        let result = match method {
            Method::Subscribe(names) => return self.subscribe(&names, &id, now, out),
            Method::Unsubscribe(names) => return self.unsubscribe(&names, &id, out),
            Method::List => self.channels.iter().map(|channel| channel.name.as_str()).collect(),
            Method::SetCombined(combined) => {
                self.combined = combined;
                Value::Null
            }
            Method::GetCombined => Value::Bool(self.combined),
        };
        self.line.say(json!({"result": result, "id": id}).to_string(), out);
    }

    fn heard(&mut self, now: UnixMs) {
        self.unanswered = None;
        // Whoever pings too much is thrown out when time comes to it.
        self.is_too_much(now);
    }

    fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        self.obey(now, out);
        self.keep_alive(now, out);
        let due: Vec<String> =
            self.acks.extract_if(.., |(due, _)| now >= *due).map(|(_, ack)| ack).collect();
        for ack in due {
            self.line.say(ack, out);
        }
        for place in 0..self.channels.len() {
            if self.line.over || self.paused {
                return;
            }
            self.look_after(place, now, out);
        }
    }

    fn is_over(&self) -> bool {
        self.line.over
    }
}

fn wrapped(combined: bool, stream: &str, data: String) -> String {
    match combined {
        // Names that need escapes are those that mean nothing, and nothing is told of them.
        true => format!("{{\"stream\":\"{stream}\",\"data\":{data}}}"),
        false => data,
    }
}
