//! Coinbase's side of a WebSocket connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    market::UnixMs,
    sim::{
        State,
        listing::Quoted,
        ws::{
            Frame, Freeze, Freezer, Line, Occasion, Opening, Talk, WsAction, WsFault, late_ack,
            strikes,
        },
    },
};

use super::{
    channel::{Feed, Kind},
    products::Products,
};

/// Products of the book's channel on one connection.
const MOST_BOOKS: usize = 30;
/// Messages of clients within a second, over all their connections.
const MOST_MESSAGES: u32 = 8;
const SECOND_MS: i64 = 1_000;
/// The first subscription has to come within so long.
const FIRST_MS: i64 = 5_000;
/// A connection that has nothing to say for so long is closed; heartbeats keep it open.
const QUIET_MS: i64 = 90_000;
/// Service restart (IANA's registry of close codes).
const RESTART: u16 = 1012;

pub(super) struct CoinbaseTalk {
    state: Arc<State>,
    products: Arc<Products>,
    line: Line,
    channels: Vec<Channel>,
    /// Of the next frame, over all channels.
    sequence: u64,
    began: UnixMs,
    subscribed: bool,
    /// When something was last said.
    said: UnixMs,
    spoke: Arc<Spoke>,
    beat: i64,
    acks: Vec<i64>,
    paused: bool,
}

/// The second in which a client last spoke, and how often one did in it.
#[derive(Default)]
pub(super) struct Spoke(Mutex<(i64, u32)>);

impl Spoke {
    /// How often it was in this second, this time included.
    fn again(&self, now: UnixMs) -> u32 {
        let now = now.millis().div_euclid(SECOND_MS);
        let mut spoke = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, times) = *spoke;
        *spoke = (now, if second == now { times + 1 } else { 1 });
        spoke.1
    }
}

struct Channel {
    kind: Kind,
    /// `None` for heartbeats, which are of no product.
    product: Option<usize>,
    feed: Feed,
    /// Data begins at this time, milliseconds.
    begins: i64,
    live: bool,
    corrupt: bool,
    freezer: Freezer,
}

impl CoinbaseTalk {
    pub(super) fn new(
        state: Arc<State>,
        products: Arc<Products>,
        spoke: Arc<Spoke>,
        opening: &Opening<'_>,
    ) -> Self {
        Self {
            state,
            products,
            line: Line::new(opening),
            channels: Vec::new(),
            sequence: 0,
            began: opening.now,
            subscribed: false,
            said: opening.now,
            spoke,
            beat: opening.now.millis().div_euclid(SECOND_MS),
            acks: Vec::new(),
            paused: opening.in_maintenance,
        }
    }

    /// The next frame around events.
    fn envelope(&mut self, channel: &str, events: &str, now: UnixMs) -> String {
        let number = self.sequence;
        self.sequence += 1;
        format!(
            r#"{{"channel":"{channel}","timestamp":"{}","sequence_num":{number},"events":[{events}]}}"#,
            now.iso()
        )
    }

    fn refuse(&self, message: &str, out: &mut Vec<Frame>) {
        let message = Value::from(message);
        self.line.say(format!(r#"{{"type":"error","message":{message}}}"#), out);
    }

    /// Lists everything that is subscribed to.
    fn acknowledge(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for channel in &self.channels {
            let id = channel.product.map_or("heartbeats", |place| &self.products.all[place].id);
            by_kind.entry(channel.kind).or_default().push(format!("\"{id}\""));
        }
        let lists =
            by_kind.iter().map(|(kind, ids)| format!(r#""{}":[{}]"#, kind.asked(), ids.join(",")));
        let lists = lists.collect::<Vec<_>>().join(",");
        let events = format!(r#"{{"subscriptions":{{{lists}}}}}"#);
        let text = self.envelope("subscriptions", &events, now);
        self.line.say(text, out);
    }

    /// The products of a request; none at all if one is unknown.
    fn asked(&self, body: &Value, kind: Kind) -> Result<Vec<Option<usize>>, String> {
        if kind == Kind::Heartbeats {
            return Ok(vec![None]);
        }
        let ids = body["product_ids"].as_array().filter(|ids| !ids.is_empty());
        let ids = ids.ok_or("product_ids are required")?;
        let place = |id: &Value| {
            let id = id.as_str().unwrap_or_default();
            let place = self.products.canonical(id);
            place.map(Some).ok_or_else(|| format!("{id} is not a valid product"))
        };
        let mut places: Vec<Option<usize>> = ids.iter().map(place).collect::<Result<_, _>>()?;
        places.dedup();
        Ok(places)
    }

    fn subscribe(&mut self, body: &Value, kind: Kind, now: UnixMs, out: &mut Vec<Frame>) {
        let asked = match self.asked(body, kind) {
            Ok(asked) => asked,
            Err(wrong) => return self.refuse(&wrong, out),
        };
        let has = |place: &Option<usize>| {
            self.channels.iter().any(|one| one.kind == kind && one.product == *place)
        };
        let new: Vec<Option<usize>> = asked.into_iter().filter(|place| !has(place)).collect();
        let of_kind = self.channels.iter().filter(|one| one.kind == kind).count();
        let first = new.first().copied().flatten();
        let symbol = first.map_or("", |place| &self.products.all[place].id).to_owned();
        let occasion = Occasion { channel: kind.rule(), symbol: &symbol, now };
        if kind == Kind::Level2 && of_kind + new.len() > MOST_BOOKS
            || strikes(&self.state, occasion, &WsFault::SubscribeLimit)
        {
            return self.refuse("too many L2 streams requested in a single session", out);
        }
        let (ack_in, data_in) = match late_ack(&self.state, occasion) {
            None => (0, 0),
            Some((data_first, ms)) => (ms, if data_first { 0 } else { ms }),
        };
        for product in new {
            let feed = Feed::new(kind, now);
            let (begins, freezer) = (now.millis() + data_in, Freezer::default());
            let (live, corrupt) = (false, false);
            let channel = Channel { kind, product, feed, begins, live, corrupt, freezer };
            self.channels.push(channel);
        }
        self.subscribed = true;
        self.acks.push(now.millis() + ack_in);
        self.go_on(now, out);
    }

    fn unsubscribe(&mut self, body: &Value, kind: Kind, now: UnixMs, out: &mut Vec<Frame>) {
        match self.asked(body, kind) {
            Ok(places) => {
                let goes = |one: &Channel| one.kind == kind && places.contains(&one.product);
                self.channels.retain(|one| !goes(one));
                self.acknowledge(now, out);
            }
            Err(wrong) => self.refuse(&wrong, out),
        }
    }

    /// Says what channels have to say, and then acknowledges: data comes before its acknowledgement.
    fn go_on(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let mut channels = std::mem::take(&mut self.channels);
        for channel in &mut channels {
            if !self.line.over {
                self.look_after(channel, now, out);
            }
        }
        self.channels = channels;
        let due = self.acks.iter().filter(|due| now.millis() >= **due).count();
        self.acks.retain(|due| now.millis() < *due);
        for _ in 0..due {
            self.acknowledge(now, out);
        }
    }

    fn look_after(&mut self, channel: &mut Channel, now: UnixMs, out: &mut Vec<Frame>) {
        let products = self.products.clone();
        let Some(product) = channel.product.map(|place| &products.all[place]) else { return };
        let state = self.state.clone();
        let quoted = Quoted { engine: &state.engine, market: &product.market, now };
        let occasion = Occasion { channel: channel.kind.rule(), symbol: &product.id, now };
        if !channel.live {
            if now.millis() >= channel.begins {
                channel.live = true;
                let event = channel.feed.snapshot(product, quoted);
                self.tell(channel.kind, &event, occasion, out);
            }
            return;
        }
        if self.paused {
            return;
        }
        match channel.freezer.look(&mut state.ws_script(), occasion) {
            Freeze::Stands => return,
            Freeze::Thawed => channel.feed.skip(now),
            Freeze::None => {}
        }
        if !channel.feed.is_due(now) {
            return;
        }
        if channel.kind == Kind::Level2 {
            channel.corrupt |= strikes(&state, occasion, &WsFault::CorruptLevel);
        }
        if let Some(event) = channel.feed.update(product, quoted, channel.corrupt) {
            self.tell(channel.kind, &event, occasion, out);
        }
    }

    fn tell(&mut self, kind: Kind, event: &str, occasion: Occasion<'_>, out: &mut Vec<Frame>) {
        let text = self.envelope(kind.told(), event, occasion.now);
        self.line.tell(&self.state, occasion, text, out);
    }

    fn obey(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        for action in self.line.news(&self.state) {
            match action {
                WsAction::Drop => self.line.end(Frame::Drop, out),
                WsAction::Restart => self.line.end(Frame::Close(RESTART), out),
                WsAction::MaintenanceStart => self.paused = true,
                WsAction::MaintenanceEnd => {
                    self.paused = false;
                    self.channels.iter_mut().for_each(|channel| channel.feed.skip(now));
                }
            }
        }
    }

    fn beat(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let second = now.millis().div_euclid(SECOND_MS);
        let silent = self.channels.iter().any(|one| one.freezer.is_silent());
        if second == self.beat || !self.channels.iter().any(|one| one.kind == Kind::Heartbeats) {
            return;
        }
        self.beat = second;
        let occasion = Occasion { channel: Kind::Heartbeats.rule(), symbol: "", now };
        if silent || strikes(&self.state, occasion, &WsFault::SilenceHeartbeats) {
            return;
        }
        let at = now.iso();
        let (date, time) = at.trim_end_matches('Z').split_once('T').unwrap_or_default();
        let event = format!(
            r#"{{"current_time":"{date} {time} +0000 UTC m=+{second}.000000000","heartbeat_counter":{}}}"#,
            second - self.began.millis().div_euclid(SECOND_MS)
        );
        let text = self.envelope("heartbeats", &event, now);
        self.line.tell(&self.state, occasion, text, out);
    }
}

impl Talk for CoinbaseTalk {
    fn open(&mut self, _: UnixMs, _: &mut Vec<Frame>) {}

    fn on_text(&mut self, text: &str, now: UnixMs, out: &mut Vec<Frame>) {
        if self.spoke.again(now) > MOST_MESSAGES {
            return self.refuse("rate limit exceeded", out);
        }
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let kind = body["channel"].as_str().and_then(Kind::parse);
        match (body["type"].as_str(), kind) {
            (Some("subscribe"), Some(kind)) => {
                self.state.door().counts.subscribes += 1;
                self.subscribe(&body, kind, now, out);
            }
            (Some("unsubscribe"), Some(kind)) => {
                self.state.door().counts.unsubscribes += 1;
                self.unsubscribe(&body, kind, now, out);
            }
            (Some("subscribe" | "unsubscribe"), None) => {
                self.refuse("channel is not supported", out);
            }
            _ => self.refuse("invalid message", out),
        }
        self.said = now;
    }

    fn heard(&mut self, _: UnixMs) {}

    fn on_time(&mut self, now: UnixMs, out: &mut Vec<Frame>) {
        let before = out.len();
        self.obey(now, out);
        self.go_on(now, out);
        self.beat(now, out);
        if out.len() > before {
            self.said = now;
        }
        let late = !self.subscribed && now.millis() - self.began.millis() >= FIRST_MS;
        if late || now.millis() - self.said.millis() >= QUIET_MS {
            self.line.end(Frame::Close(1000), out);
        }
    }

    fn is_over(&self) -> bool {
        self.line.over
    }
}
