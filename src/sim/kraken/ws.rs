//! Kraken's side of a WebSocket connection, version 2.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    market::UnixMs,
    sim::{
        State,
        engine::lot,
        listing::Quoted,
        ws::{
            Frame, Freeze, Freezer, Line, Occasion, Opening, Talk, WsAction, WsFault, late_ack,
            strikes,
        },
    },
};

use super::{
    channel::{Feed, Spoilt, Topic, instant, instruments},
    names::Pairs,
};

/// Said when nothing else was for so long, once something is subscribed to.
const HEARTBEAT_MS: i64 = 1_000;
/// Service restart (IANA's registry of close codes).
const RESTART: u16 = 1012;

pub(super) struct KrakenTalk {
    state: Arc<State>,
    pairs: Arc<Pairs>,
    line: Line,
    channels: Vec<Channel>,
    id: u64,
    heard: UnixMs,
    /// When something was last said.
    said: UnixMs,
    paused: bool,
}

struct Channel {
    topic: Topic,
    /// `None` for what is about no pair.
    pair: Option<usize>,
    feed: Feed,
    /// The first message is wanted and has not been sent.
    snapshot: bool,
    /// An acknowledgement that is not due yet.
    ack: Option<(i64, String)>,
    live: bool,
    corrupt: bool,
    freezer: Freezer,
}

impl KrakenTalk {
    pub(super) fn new(state: Arc<State>, pairs: Arc<Pairs>, opening: &Opening<'_>) -> Self {
        let id = (lot(state.seed, opening.number << 8) * 1e19) as u64;
        Self {
            state,
            pairs,
            line: Line::new(opening),
            channels: Vec::new(),
            id,
            heard: opening.now,
            said: opening.now,
            paused: opening.in_maintenance,
        }
    }

    fn status(&self, out: &mut Vec<Frame>) {
        let system = if self.paused { "maintenance" } else { "online" };
        let text = format!(
            r#"{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"{system}","api_version":"v2","connection_id":{}}}]}}"#,
            self.id
        );
        self.line.say(text, out);
    }

    /// Subscribes or unsubscribes each symbol for itself: others are served if one is not.
    fn change(&mut self, request: &Request<'_>, now: UnixMs, out: &mut Vec<Frame>) {
        let params = &request.body["params"];
        let number = |name: &str| params[name].as_i64();
        let channel = params["channel"].as_str().unwrap_or_default();
        let topic = Topic::parse(channel, number, params["event_trigger"].as_str());
        let symbols: Vec<Option<&str>> = match (&params["symbol"], &topic) {
            (_, Ok(Topic::Instrument)) => vec![None],
            (Value::Array(symbols), _) => symbols.iter().map(Value::as_str).collect(),
            _ => return request.refuse("Symbol(s) not found", None, now, out, &self.line),
        };
        let wants_snapshot =
            params["snapshot"].as_bool().unwrap_or(!matches!(topic, Ok(Topic::Trade)));
        for symbol in symbols {
            let pair = symbol.and_then(|symbol| self.pairs.place_of(symbol));
            let done = match topic {
                _ if pair.is_none() && symbol.is_some() => Err(format!(
                    "Currency pair not supported {}",
                    symbol.unwrap_or_default().replace(['"', '\\'], "'")
                )),
                Err(wrong) => Err(wrong.to_owned()),
                Ok(topic) if request.method == "subscribe" => {
                    self.subscribe(request, topic, pair, wants_snapshot, now, out)
                }
                Ok(topic) => self.unsubscribe(request, topic, pair, now, out),
            };
            if let Err(wrong) = done {
                request.refuse(&wrong, symbol, now, out, &self.line);
            }
        }
    }

    fn subscribe(
        &mut self,
        request: &Request<'_>,
        topic: Topic,
        pair: Option<usize>,
        snapshot: bool,
        now: UnixMs,
        out: &mut Vec<Frame>,
    ) -> Result<(), String> {
        let is_it = |one: &Channel| one.topic == topic && one.pair == pair;
        if self.channels.iter().any(is_it) {
            return Err("Already subscribed".to_owned());
        }
        let occasion = Occasion { channel: topic.name(), symbol: symbol(&self.pairs, pair), now };
        if strikes(&self.state, occasion, &WsFault::SubscribeLimit) {
            return Err("Exceeded msg rate".to_owned());
        }
        let late = late_ack(&self.state, occasion);
        let ack = request.ack(topic, symbol(&self.pairs, pair), Some(snapshot), now);
        let feed = Feed::new(topic, now);
        let (live, corrupt, freezer) = (false, false, Freezer::default());
        let mut channel =
            Channel { topic, pair, feed, snapshot, ack: None, live, corrupt, freezer };
        match late {
            None => {
                self.line.say(ack, out);
                self.begin(&mut channel, now, out);
            }
            Some((data_first, ms)) => {
                channel.ack = Some((now.millis() + ms, ack));
                if data_first {
                    self.begin(&mut channel, now, out);
                }
            }
        }
        self.channels.push(channel);
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        request: &Request<'_>,
        topic: Topic,
        pair: Option<usize>,
        now: UnixMs,
        out: &mut Vec<Frame>,
    ) -> Result<(), String> {
        let is_it = |one: &Channel| one.topic == topic && one.pair == pair;
        let place = self.channels.iter().position(is_it).ok_or("Subscription Not Found")?;
        self.channels.remove(place);
        self.line.say(request.ack(topic, symbol(&self.pairs, pair), None, now), out);
        Ok(())
    }

    /// Sends the snapshot, if one is wanted.
    fn begin(&mut self, channel: &mut Channel, now: UnixMs, out: &mut Vec<Frame>) {
        channel.live = true;
        let pairs = self.pairs.clone();
        let Some(pair) = channel.pair.map(|place| &pairs.all[place]) else {
            let data = instruments(&pairs);
            let text = format!(r#"{{"channel":"instrument","type":"snapshot","data":{data}}}"#);
            return self.line.say(text, out);
        };
        let state = self.state.clone();
        let quoted = Quoted { engine: &state.engine, market: &pair.market, now };
        let rows = i64::try_from(state.ws.candle_rows).unwrap_or(i64::MAX);
        let data = channel.feed.snapshot(pair, quoted, rows);
        if channel.snapshot {
            self.tell(channel, "snapshot", &data, now, out);
        }
    }

    fn tell(
        &mut self,
        channel: &Channel,
        kind: &str,
        data: &[String],
        now: UnixMs,
        out: &mut Vec<Frame>,
    ) {
        let (name, data) = (channel.topic.channel(), data.join(","));
        let text = format!(r#"{{"channel":"{name}","type":"{kind}","data":[{data}]}}"#);
        let symbol = symbol(&self.pairs, channel.pair);
        let occasion = Occasion { channel: channel.topic.name(), symbol, now };
        self.line.tell(&self.state, occasion, text, out);
    }

    fn look_after(&mut self, channel: &mut Channel, now: UnixMs, out: &mut Vec<Frame>) {
        if let Some((_, ack)) = channel.ack.take_if(|(due, _)| now.millis() >= *due) {
            self.line.say(ack, out);
            if !channel.live {
                return self.begin(channel, now, out);
            }
        }
        let pairs = self.pairs.clone();
        let Some(pair) = channel.pair.map(|place| &pairs.all[place]) else { return };
        if !channel.live || self.paused {
            return;
        }
        let state = self.state.clone();
        let occasion = Occasion { channel: channel.topic.name(), symbol: &pair.symbol, now };
        match channel.freezer.look(&mut state.ws_script(), occasion) {
            Freeze::Stands => return,
            Freeze::Thawed => channel.feed.skip(now),
            Freeze::None => {}
        }
        let mut spoilt = Spoilt::default();
        if channel.feed.is_book_due(now) {
            channel.corrupt |= strikes(&state, occasion, &WsFault::CorruptLevel);
            let checksum = strikes(&state, occasion, &WsFault::WrongChecksum);
            spoilt = Spoilt { level: channel.corrupt, checksum };
        }
        let quoted = Quoted { engine: &state.engine, market: &pair.market, now };
        for data in channel.feed.updates(pair, quoted, spoilt) {
            self.tell(channel, "update", &data, now, out);
        }
    }

    fn obey(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        for action in self.line.news(&self.state) {
            match action {
                WsAction::Drop => self.line.end(Frame::Drop, out),
                WsAction::Restart => self.line.end(Frame::Close(RESTART), out),
                WsAction::MaintenanceStart => {
                    self.paused = true;
                    self.status(out);
                }
                WsAction::MaintenanceEnd => {
                    self.paused = false;
                    self.status(out);
                    self.channels.iter_mut().for_each(|channel| channel.feed.skip(now));
                }
            }
        }
    }
}

impl Talk for KrakenTalk {
    fn open(&mut self, _: UnixMs, out: &mut Vec<Frame>) {
        self.status(out);
    }

    fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>) {
        self.heard = now;
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let method = body["method"].as_str().unwrap_or_default();
        let request = Request { body: &body, method };
        match method {
            "subscribe" => {
                self.state.door().counts.subscribes += 1;
                self.change(&request, now, out);
            }
            "unsubscribe" => {
                self.state.door().counts.unsubscribes += 1;
                self.change(&request, now, out);
            }
            "ping" => {
                let at = instant(now.millis());
                let text = format!(
                    r#"{{"method":"pong"{},"time_in":"{at}","time_out":"{at}"}}"#,
                    request.id()
                );
                self.line.say(text, out);
            }
            _ => request.refuse("Unsupported method", None, now, out, &self.line),
        }
        if !out.is_empty() {
            self.said = now;
        }
    }

    fn heard(&mut self, now: UnixMs) {
        self.heard = now;
    }

    fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let before = out.len();
        self.obey(now, out);
        // Heartbeats keep a connection from being idle, so only one without channels ends.
        if self.channels.is_empty() && now.since(self.heard) >= self.state.ws.idle {
            self.line.end(Frame::Close(1000), out);
        }
        let mut channels = std::mem::take(&mut self.channels);
        for channel in &mut channels {
            if !self.line.over {
                self.look_after(channel, now, out);
            }
        }
        self.channels = channels;
        let silent = self.channels.iter().any(|channel| channel.freezer.is_silent());
        if out.len() > before {
            self.said = now;
        } else if !self.channels.is_empty()
            && now.millis() - self.said.millis() >= HEARTBEAT_MS
            && !silent
            && !strikes(&self.state, Occasion::connection(now), &WsFault::SilenceHeartbeats)
        {
            self.said = now;
            self.line.say(r#"{"channel":"heartbeat"}"#.to_owned(), out);
        }
    }

    fn is_over(&self) -> bool {
        self.line.over
    }
}

fn symbol(pairs: &Pairs, pair: Option<usize>) -> &str {
    pair.map_or("", |place| &pairs.all[place].symbol)
}

/// What a client said.
struct Request<'a> {
    body: &'a Value,
    method: &'a str,
}

impl Request<'_> {
    fn id(&self) -> String {
        match &self.body["req_id"] {
            Value::Null => String::new(),
            id => format!(r#","req_id":{id}"#),
        }
    }

    fn ack(&self, topic: Topic, symbol: &str, snapshot: Option<bool>, now: UnixMs) -> String {
        let snapshot =
            snapshot.map_or_else(String::new, |wanted| format!(r#","snapshot":{wanted}"#));
        let symbol = match symbol {
            "" => String::new(),
            symbol => format!(r#","symbol":"{symbol}""#),
        };
        let at = instant(now.millis());
        format!(
            r#"{{"method":"{}"{},"result":{{{}{snapshot}{symbol}}},"success":true,"time_in":"{at}","time_out":"{at}"}}"#,
            self.method,
            self.id(),
            topic.echo(),
        )
    }

    fn refuse(
        &self,
        wrong: &str,
        symbol: Option<&str>,
        now: UnixMs,
        out: &mut Vec<Frame>,
        line: &Line,
    ) {
        let at = instant(now.millis());
        let symbol = symbol
            .map_or_else(String::new, |symbol| format!(r#","symbol":{}"#, Value::from(symbol)));
        let text = format!(
            r#"{{"error":"{wrong}","method":{}{},"success":false{symbol},"time_in":"{at}","time_out":"{at}"}}"#,
            Value::from(self.method),
            self.id(),
        );
        line.say(text, out);
    }
}
