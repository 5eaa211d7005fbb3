//! The gateway's side of one socket, without the socket: what a client says and what its topics
//! bring, in; messages, out.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    channel::{Channel, Content, Pen, Pending},
    frame::Framer,
    market::Asked,
    request::{Fields, Request, Wish, code},
};
use crate::{
    exchange::Topic,
    feed::{Item, Lapse, Mode},
    market::{Identity, Listing, UnixMs},
    registry::Registry,
};

/// Numbers of `info` messages (docs.bitfinex.com/docs/ws-general, 2025-11).
mod info {
    pub(super) const STOPPING: (i64, &str) = (20_051, "Stopping. Please try to reconnect");
    pub(super) const PAUSED: (i64, &str) =
        (20_060, "Entering in Maintenance mode. Please pause any activity");
    pub(super) const RESUMED: (i64, &str) =
        (20_061, "Maintenance ended. You can resume normal activity");
}

/// How a client is to be treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Between two heartbeats of a channel.
    pub(super) heartbeat: Duration,
    /// How long a subscription is kept without an answer while it is not known whether there is
    /// such a channel.
    pub(super) ack_timeout: Duration,
    /// Channels of one socket.
    pub(super) max_channels: usize,
}

/// The present moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// For what is measured.
    pub(super) at: Instant,
    /// For what is shown.
    pub(super) wall: UnixMs,
}

/// What a request needs that the conversation does not have.
#[derive(Debug)]
pub(super) enum Need {
    /// [`Conversation::subscribe`] is to be called with the market list.
    Markets(Box<Wish>),
    /// A channel's topic is not to be followed any more.
    Leave(u64),
}

/// A topic that is to be followed for a channel.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The channel's number.
    pub(super) channel: u64,
    /// What it brings.
    pub(super) topic: Arc<Topic>,
    /// Its market; `None` for topics in the exchange's own terms.
    pub(super) market: Option<Arc<Listing>>,
    /// What makes two rows of its book the same.
    pub(super) identity: Identity,
}

/// One client's conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    terms: Terms,
    framer: Framer,
    channels: Vec<Channel>,
    last_id: u64,
    heartbeat_due: Instant,
    /// The client has been told that the exchange pauses.
    paused: bool,
}

impl Conversation {
    /// Says what the exchange says first. `seed` names the conversation and is where its channels
    /// are numbered from, since the exchange's numbers differ between sockets too; `paused`: the
    /// exchange is known to pause.
    pub(super) fn open(
        terms: Terms,
        seed: u128,
        paused: bool,
        now: Instant,
        out: &mut Vec<String>,
    ) -> Self {
        let hex = format!("{seed:032x}");
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let status = u8::from(!paused);
        out.push(format!(
            r#"{{"event":"info","version":2,"serverId":"{a}-{b}-{c}-{d}-{e}","platform":{{"status":{status}}}}}"#
        ));
        let last_id = u64::from(seed as u16);
        let (framer, channels) = (Framer::default(), Vec::new());
        let heartbeat_due = now + terms.heartbeat;
        Self { terms, framer, channels, last_id, heartbeat_due, paused }
    }

    /// Answers a request, or says what that takes.
    pub(super) fn on_request(
        &mut self,
        request: Request,
        now: Now,
        out: &mut Vec<String>,
    ) -> Option<Need> {
        match request {
            Request::Ping { cid } => {
                let mut pong = json!({ "event": "pong", "ts": now.wall.millis() });
                if let Some(cid) = cid {
                    pong["cid"] = cid;
                }
                out.push(pong.to_string());
            }
            Request::Conf(Some(flags), _) => {
                self.framer.wants(flags);
                out.push(format!(r#"{{"event":"conf","status":"OK","flags":{flags}}}"#));
            }
            Request::Conf(None, fields) => out.push(fields.error(code::CONF_FAILED, "conf: invalid")),
            Request::Subscribe(wish) => return Some(Need::Markets(wish)),
            Request::Unsubscribe(fields) => return self.unsubscribe(&fields, out),
            // What the exchange says of a key that it does not know, so that clients stop there.
            Request::Auth => out.push(
                json!({"event":"auth","status":"FAILED","chanId":0,"code":code::AUTH_FAILED,"msg":"apikey: invalid"})
                    .to_string(),
            ),
            Request::Unknown(event) => {
                let message = format!("event: invalid ({event})");
                out.push(Fields::default().error(code::UNKNOWN_EVENT, &message));
            }
        }
        None
    }

    /// Opens a channel, or says why not. The subscription is answered once [`Self::followed`] or
    /// an update has told whether there is such a channel.
    pub(super) fn subscribe(
        &mut self,
        wish: &Wish,
        registry: &Registry,
        now: Instant,
        out: &mut Vec<String>,
    ) -> Option<Wanted> {
        let asked = match Asked::parse(&wish.subscription, registry) {
            Ok(asked) => asked,
            Err(bad) => {
                out.push(wish.fields.error(bad.code, &bad.message));
                return None;
            }
        };
        if let Some(first) = self.channels.iter().find(|channel| channel.topic == asked.topic) {
            out.push(wish.fields.duplicate(first.id));
            return None;
        }
        if self.channels.len() >= self.terms.max_channels {
            out.push(limit(&wish.fields));
            return None;
        }
        self.last_id += 1;
        let id = self.last_id;
        let content = Content::of(asked.channel, asked.is_funding, asked.identity);
        let ack = asked.ack(id, &wish.subscription, wish.fields.get("subId"));
        let refusal = wish.fields.error(code::SUBSCRIPTION_FAILED, asked.refusal);
        let no_room = limit(&wish.fields);
        let mut channel = Channel::new(id, asked.topic.clone(), content);
        channel.pending = Some((now + self.terms.ack_timeout, Pending { ack, refusal, no_room }));
        self.channels.push(channel);
        let Asked { topic, market, identity, .. } = asked;
        Some(Wanted { channel: id, topic, market, identity })
    }

    /// Says that the market list is not there, which may help itself.
    pub(super) fn not_ready(&self, wish: &Wish, out: &mut Vec<String>) {
        out.push(wish.fields.error(code::NOT_READY, "ready: invalid"));
    }

    /// A channel's topic is followed and fed in this way; or `None`: there are too many topics.
    /// True if it is to be followed on.
    pub(super) fn followed(&mut self, id: u64, mode: Option<Mode>, out: &mut Vec<String>) -> bool {
        let Some(at) = self.channels.iter().position(|channel| channel.id == id) else {
            return false;
        };
        let Some(mode) = mode else {
            let channel = self.channels.remove(at);
            out.extend(channel.pending.map(|(_, pending)| pending.no_room));
            return false;
        };
        self.channels[at].mode = mode;
        if self.is_refused(at, out) {
            return false;
        }
        if matches!(mode, Mode::Live | Mode::Polled) {
            acknowledge(&mut self.channels[at], out);
        }
        self.note_pause(out);
        true
    }

    /// True for a channel whose subscription has not been answered yet. How its topic is fed may
    /// have changed before there was anything to take: [`Self::followed`] is to be called again.
    pub(super) fn is_pending(&self, id: u64) -> bool {
        self.channels.iter().any(|channel| channel.id == id && channel.pending.is_some())
    }

    /// Tells what the topics of channels bring, in this order; what one take brings has to come
    /// at once. `left` are the channels that are closed by it.
    pub(super) fn tell(
        &mut self,
        items: &[(u64, Item)],
        wall: UnixMs,
        out: &mut Vec<String>,
        left: &mut Vec<u64>,
    ) {
        for (id, item) in items {
            // What was missed is only not told: there is no word for it.
            let Item::Update(update) = item else { continue };
            let Some(at) = self.channels.iter().position(|channel| channel.id == *id) else {
                continue;
            };
            if std::mem::replace(&mut self.channels[at].mode, update.mode) != update.mode {
                if self.is_refused(at, out) {
                    left.push(*id);
                    continue;
                }
                self.note_pause(out);
            }
            let channel = &mut self.channels[at];
            if channel.is_answer(update) {
                acknowledge(channel, out);
            }
            channel.tell(update, &mut Pen { framer: &mut self.framer, wall, out });
        }
        let pen = &mut Pen { framer: &mut self.framer, wall, out };
        self.channels.iter_mut().for_each(|channel| channel.flush(pen));
    }

    /// Says what is due.
    pub(super) fn on_time(&mut self, now: Now, out: &mut Vec<String>) {
        let is_late = |channel: &&mut Channel| {
            channel.pending.as_ref().is_some_and(|(until, _)| *until <= now.at)
        };
        // There may be such a channel: the exchange cannot be reached, or has nothing yet.
        self.channels.iter_mut().filter(is_late).for_each(|channel| acknowledge(channel, out));
        if self.heartbeat_due <= now.at {
            self.heartbeat_due = now.at + self.terms.heartbeat;
            let pen = &mut Pen { framer: &mut self.framer, wall: now.wall, out };
            let alive = self.channels.iter().filter(|channel| channel.is_alive());
            alive.for_each(|channel| pen.write(channel.id, &["\"hb\""]));
        }
    }

    /// When [`Self::on_time`] is wanted.
    pub(super) fn wakes_at(&self) -> Instant {
        let pending = self.channels.iter().filter_map(|channel| channel.pending.as_ref());
        pending.map(|(until, _)| *until).fold(self.heartbeat_due, Instant::min)
    }

    /// Says that the client has to go elsewhere.
    pub(super) fn farewell(&self, out: &mut Vec<String>) {
        out.push(said(info::STOPPING));
    }

    fn unsubscribe(&mut self, fields: &Fields, out: &mut Vec<String>) -> Option<Need> {
        let id = fields.channel();
        let Some(at) = self.channels.iter().position(|channel| Some(channel.id) == id) else {
            out.push(fields.error(code::UNSUBSCRIPTION_FAILED, "unsubscribe: invalid"));
            return None;
        };
        let id = self.channels.remove(at).id;
        out.push(format!(r#"{{"event":"unsubscribed","status":"OK","chanId":{id}}}"#));
        self.note_pause(out);
        Some(Need::Leave(id))
    }

    /// Closes a channel that the exchange does not open; one that was acknowledged stays, since
    /// there is no word to take that back.
    fn is_refused(&mut self, at: usize, out: &mut Vec<String>) -> bool {
        let channel = &self.channels[at];
        if channel.mode != Mode::Stale(Lapse::Refused) || channel.pending.is_none() {
            return false;
        }
        let channel = self.channels.remove(at);
        out.extend(channel.pending.map(|(_, pending)| pending.refusal));
        true
    }

    /// Says that the exchange pauses as soon as one topic does, and that it is over when one is
    /// fed again and none pauses.
    fn note_pause(&mut self, out: &mut Vec<String>) {
        let any = |mode: fn(Mode) -> bool| self.channels.iter().any(|channel| mode(channel.mode));
        let pauses = any(|mode| mode == Mode::Stale(Lapse::Maintenance));
        let fed = any(|mode| matches!(mode, Mode::Live | Mode::Polled));
        if !self.paused && pauses {
            self.paused = true;
            out.push(said(info::PAUSED));
        } else if self.paused && !pauses && fed {
            self.paused = false;
            out.push(said(info::RESUMED));
        }
    }
}

fn acknowledge(channel: &mut Channel, out: &mut Vec<String>) {
    out.extend(channel.pending.take().map(|(_, pending)| pending.ack));
}

fn limit(fields: &Fields) -> String {
    fields.error(code::LIMIT, "subscribe: limit")
}

fn said((code, message): (i64, &str)) -> String {
    let fields = [("event", json!("info")), ("code", json!(code)), ("msg", json!(message))];
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Object(fields).to_string()
}
