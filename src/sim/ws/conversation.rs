//! Bitfinex's side of a connection: what a client says and what time brings, in; frames, out.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    market::UnixMs,
    sim::{engine::lot, venue::State},
};

use super::{
    Frame, WsAction,
    faults::{Occasion, WsFault},
    feed::{Feed, Update, View, Wishes},
    freeze::{Freeze, Freezer},
    link::Link,
    request::{Fields, Request, error},
    talk::{Opening, Talk},
    topic::{BadTopic, Topic},
};

/// Heartbeats come on every channel, busy or not (recorded 2025-08 and 2026-09).
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Service restart (IANA's registry of close codes); the exchange's Python client takes 20051 for it.
const RESTART: u16 = 1012;

/// Bitfinex's side of one WebSocket connection.
pub(in crate::sim) struct BitfinexTalk {
    state: Arc<State>,
    link: Link,
    channels: Vec<Channel>,
    number: u64,
    /// Channels opened so far.
    opened: i64,
    /// When the client was last heard, or lost its last channel.
    heard: UnixMs,
    heartbeat_due: UnixMs,
    /// Actions on all connections that this one knows of.
    acted: u64,
    /// In maintenance: heartbeats only.
    paused: bool,
}

struct Channel {
    id: i64,
    topic: Topic,
    feed: Feed,
    /// An acknowledgement that is not due yet.
    ack: Option<(UnixMs, String)>,
    /// The snapshot has been sent.
    live: bool,
    freezer: Freezer,
}

impl Talk for BitfinexTalk {
    /// Says what the exchange says first.
    fn open(&mut self, _: UnixMs, out: &mut Vec<Frame>) {
        let bits = |place: u64| {
            let lot = lot(self.state.seed, (self.number << 8) | place);
            (lot * f64::from(u16::MAX)) as u16
        };
        let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(bits);
        let (d, e) = (d & 0xfff | 0x4000, e & 0x3fff | 0x8000);
        let id = format!("{a:04x}{b:04x}-{c:04x}-{d:04x}-{e:04x}-{f:04x}{g:04x}{h:04x}");
        let status = u8::from(!self.paused);
        let platform = json!({ "status": status });
        say(json!({"event":"info","version":2,"serverId":id,"platform":platform}).to_string(), out);
    }

    fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>) {
        self.heard(now);
        match Request::parse(text) {
            None => {}
            Some(Request::Ping { cid }) => {
                let mut pong = json!({"event":"pong","ts":now.millis()});
                if let Some(cid) = cid {
                    pong["cid"] = cid;
                }
                say(pong.to_string(), out);
            }
            Some(Request::Conf { flags }) => {
                self.link.set_flags(flags);
                say(json!({"event":"conf","status":"OK","flags":flags}).to_string(), out);
            }
            Some(Request::Subscribe(fields)) => self.subscribe(&fields, now, out),
            Some(Request::Unsubscribe(fields)) => self.unsubscribe(&fields, out),
            Some(Request::Unknown { event }) => {
                let error = error(10_000, &format!("event: invalid ({event})"));
                say(Value::Object(error).to_string(), out);
            }
        }
    }

    fn heard(&mut self, now: UnixMs) {
        self.heard = now;
    }

    fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        self.obey(now, out);
        if self.channels.is_empty()
            && now.since(self.heard) >= self.state.ws.idle
            && !self.link.over
        {
            self.link.end(Frame::Drop, out);
        }
        let mut channels = std::mem::take(&mut self.channels);
        for channel in &mut channels {
            self.look_after(channel, now, out);
        }
        if now >= self.heartbeat_due {
            for channel in channels.iter_mut().filter(|channel| channel.live) {
                self.beat(channel, now, out);
            }
            // After a leap of time there is one heartbeat, not all that were missed.
            while now >= self.heartbeat_due {
                self.heartbeat_due = self.heartbeat_due + HEARTBEAT;
            }
        }
        self.channels = channels;
    }

    fn is_over(&self) -> bool {
        self.link.over
    }
}

impl BitfinexTalk {
    pub(in crate::sim) fn new(state: Arc<State>, opening: &Opening<'_>) -> Self {
        Self {
            state,
            link: Link::default(),
            channels: Vec::new(),
            number: opening.number,
            opened: 0,
            heard: opening.now,
            heartbeat_due: opening.now + HEARTBEAT,
            acted: opening.acted,
            paused: opening.in_maintenance,
        }
    }

    /// What was done to all connections.
    fn obey(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let actions = {
            let door = self.state.door();
            let actions = door.actions_after(self.acted);
            self.acted = door.acted();
            actions
        };
        for action in actions {
            if self.link.over {
                return;
            }
            let mut info = |code: u32, message: &str| {
                say(json!({"event":"info","code":code,"msg":message}).to_string(), out);
            };
            // Codes: docs.bitfinex.com/docs/ws-general#info-messages, 2025-11.
            match action {
                WsAction::Drop => self.link.end(Frame::Drop, out),
                WsAction::Restart => {
                    info(20_051, "Stop/Restart Websocket Server (please reconnect)");
                    self.link.end(Frame::Close(RESTART), out);
                }
                WsAction::MaintenanceStart => {
                    info(20_060, "Entering in Maintenance mode. Please pause any activity");
                    self.paused = true;
                }
                WsAction::MaintenanceEnd => {
                    info(20_061, "Maintenance ended. You can resume normal activity");
                    self.paused = false;
                    self.channels.iter_mut().for_each(|channel| channel.feed.skip(now));
                }
            }
        }
    }

    fn subscribe(&mut self, fields: &Fields, now: UnixMs, out: &mut Vec<Frame>) {
        self.state.door().counts.subscribes += 1;
        let topic = match Topic::parse(&self.state.engine, fields) {
            Ok(topic) => topic,
            Err(BadTopic::Invalid(message)) => return say(fields.refusal(10_300, message), out),
            Err(BadTopic::Silence) => return,
        };
        if let Some(first) = self.channels.iter().find(|channel| channel.topic == topic) {
            let mut with_id = Fields(fields.0.clone());
            with_id.0.insert("chanId".to_owned(), json!(first.id));
            return say(with_id.refusal(10_301, "subscribe: dup"), out);
        }
        let occasion = Occasion { channel: topic.channel(), symbol: topic.symbol(), now };
        let refuses = |fault: &WsFault| (*fault == WsFault::SubscribeLimit).then_some(());
        if self.channels.len() >= self.state.ws.max_channels
            || self.state.ws_script().strike(occasion, refuses).is_some()
        {
            return say(fields.refusal(10_305, "subscribe: limit"), out);
        }
        let order = |fault: &WsFault| match fault {
            WsFault::SlowAck { ms } => Some((false, *ms)),
            WsFault::DataFirst { ms } => Some((true, *ms)),
            _ => None,
        };
        let late = self.state.ws_script().strike(occasion, order).map(|(late, _)| late);
        self.opened += 1;
        // Not from 1 and not alike on two connections, as the exchange's.
        let id = 17_000 + i64::try_from(self.number % 500_000).unwrap_or(0) * 31 + self.opened * 7;
        let ack = topic.ack(id, fields.0.get("subId"));
        let feed = Feed::new(&topic, self.state.ws.ticker_every, self.state.ws.candle_rows);
        let mut channel =
            Channel { id, topic, feed, ack: None, live: false, freezer: Freezer::default() };
        match late {
            None => {
                say(ack, out);
                self.begin(&mut channel, now, out);
            }
            Some((true, 0)) => {
                self.begin(&mut channel, now, out);
                say(ack, out);
            }
            Some((data_first, ms)) => {
                channel.ack = Some((now + Duration::from_millis(ms), ack));
                if data_first {
                    self.begin(&mut channel, now, out);
                }
            }
        }
        self.channels.push(channel);
    }

    fn unsubscribe(&mut self, fields: &Fields, out: &mut Vec<Frame>) {
        self.state.door().counts.unsubscribes += 1;
        let wanted = fields.int("chanId");
        match self.channels.iter().position(|channel| Some(channel.id) == wanted) {
            Some(place) => {
                let id = self.channels.remove(place).id;
                say(json!({"event":"unsubscribed","status":"OK","chanId":id}).to_string(), out);
            }
            None => say(fields.refusal(10_400, "unsubscribe: invalid"), out),
        }
    }

    /// Sends the snapshot.
    fn begin(&mut self, channel: &mut Channel, now: UnixMs, out: &mut Vec<Frame>) {
        let state = self.state.clone();
        let (engine, instrument) = (&state.engine, channel.topic.instrument(&state.engine));
        let payload = channel.feed.snapshot(View { engine, instrument, now });
        let update = Update { tag: None, payload, is_row: false };
        self.link.tell(&state, (channel.id, &channel.topic), update, now, out);
        channel.live = true;
    }

    fn look_after(&mut self, channel: &mut Channel, now: UnixMs, out: &mut Vec<Frame>) {
        if self.link.over {
            return;
        }
        if let Some((_, ack)) = channel.ack.take_if(|(due, _)| now >= *due) {
            say(ack, out);
            if !channel.live {
                return self.begin(channel, now, out);
            }
        }
        if !channel.live || self.paused {
            return;
        }
        let state = self.state.clone();
        let (engine, instrument) = (&state.engine, channel.topic.instrument(&state.engine));
        let occasion =
            Occasion { channel: channel.topic.channel(), symbol: channel.topic.symbol(), now };
        match channel.freezer.look(&mut state.ws_script(), occasion) {
            Freeze::Stands => return,
            Freeze::Thawed => channel.feed.skip(now),
            Freeze::None => {}
        }
        let wishes = Wishes {
            checksums: self.link.checksums(),
            bulk: self.link.bulk(),
            script: &state.ws_script,
            occasion,
        };
        for update in channel.feed.updates(View { engine, instrument, now }, &wishes) {
            self.link.tell(&state, (channel.id, &channel.topic), update, now, out);
        }
    }

    fn beat(&mut self, channel: &Channel, now: UnixMs, out: &mut Vec<Frame>) {
        let occasion =
            Occasion { channel: channel.topic.channel(), symbol: channel.topic.symbol(), now };
        let silent = |fault: &WsFault| (*fault == WsFault::SilenceHeartbeats).then_some(());
        if channel.freezer.is_silent() || self.state.ws_script().strike(occasion, silent).is_some()
        {
            return;
        }
        let beat = Update { tag: None, payload: "\"hb\"".to_owned(), is_row: false };
        let state = self.state.clone();
        self.link.tell(&state, (channel.id, &channel.topic), beat, now, out);
    }
}

fn say(text: String, out: &mut Vec<Frame>) {
    out.push(Frame::Text(text));
}
