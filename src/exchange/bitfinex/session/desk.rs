//! Opens and closes channels.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::{
    channel::Channel, early::Early, frame::Frame, message::Message, subscription::Subscription,
};
use crate::exchange::{Broken, Event, Output, Refused, SessionError, Topic};

/// Between two attempts to mend one channel.
const MEND_PAUSE: Duration = Duration::from_secs(10);
/// Numbers of closed channels that are remembered.
const REMEMBERED_CLOSED: usize = 256;

/// Numbers of `error` messages (docs.bitfinex.com/docs/abbreviations-glossary, 2025-11; that
/// almost every wrong subscription is 10300 was seen in 2026-09).
mod code {
    pub(super) const SUBSCRIPTION_FAILED: i64 = 10_300;
    pub(super) const DUPLICATE: i64 = 10_301;
    pub(super) const LIMIT: i64 = 10_305;
    pub(super) const UNSUBSCRIPTION_FAILED: [i64; 2] = [10_400, 10_401];
    /// Busy, not ready, rate limit, stopping, maintenance: no fault of the subscription.
    pub(super) const TRANSIENT: [i64; 5] = [10_008, 11_000, 11_010, 20_051, 20_060];
}

/// How far a topic has come.
#[derive(Debug)]
enum Phase {
    /// Asked for. `given_back`: wanted no more, but the answer has to be known.
    Asked { sub_id: u64, until: Instant, duplicate_of: Option<u64>, given_back: bool },
    /// Open under this number.
    Open(u64),
    /// Asked to be closed. `told`: the owner has asked, so the end has to be told; `reopen`: it
    /// is wanted again.
    Closing { channel: u64, until: Instant, told: bool, reopen: bool },
    /// To be asked for again.
    Resting { until: Instant },
}

#[derive(Debug)]
struct Standing {
    phase: Phase,
    /// When it was last asked for because it had broken.
    mended: Option<Instant>,
}

/// Every topic of one socket.
#[derive(Debug)]
pub(super) struct Desk {
    ack_timeout: Duration,
    topics: HashMap<Arc<Topic>, Standing, foldhash::fast::RandomState>,
    channels: HashMap<u64, Channel, foldhash::fast::RandomState>,
    early: Early,
    closed: VecDeque<u64>,
    last_sub_id: u64,
    /// The earliest end of a phase.
    due: Option<Instant>,
}

impl Desk {
    pub(super) fn new(ack_timeout: Duration) -> Self {
        Self {
            ack_timeout,
            topics: HashMap::default(),
            channels: HashMap::default(),
            early: Early::default(),
            closed: VecDeque::new(),
            last_sub_id: 0,
            due: None,
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        match self.topics.get_mut(&**topic).map(|standing| &mut standing.phase) {
            None => self.ask(topic, None, now, out),
            Some(Phase::Asked { given_back, .. }) => *given_back = false,
            Some(Phase::Closing { reopen, .. }) => *reopen = true,
            Some(Phase::Open(_) | Phase::Resting { .. }) => {}
        }
        self.reckon();
    }

    pub(super) fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        let Some((topic, standing)) = self.topics.get_key_value(topic) else { return };
        let topic = Arc::clone(topic);
        match standing.phase {
            Phase::Open(channel) => self.close(&topic, channel, true, false, now, out),
            Phase::Resting { .. } => {
                self.topics.remove(&topic);
                out.push(Output::Tell(Event::Unsubscribed(topic)));
            }
            Phase::Asked { .. } | Phase::Closing { .. } => {
                match self.topics.get_mut(&topic).map(|standing| &mut standing.phase) {
                    Some(Phase::Asked { given_back, .. }) => *given_back = true,
                    Some(Phase::Closing { told, reopen, .. }) => (*told, *reopen) = (true, false),
                    _ => {}
                }
            }
        }
        self.reckon();
    }

    /// A message of a channel. Of a channel that is being closed nothing counts; of an unknown
    /// one it is kept as long as an acknowledgement is awaited.
    pub(super) fn on_frame(
        &mut self,
        frame: &Frame<'_>,
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(channel) = self.channels.get_mut(&frame.channel) else {
            let is_closing = |standing: &Standing| matches!(standing.phase, Phase::Closing { channel, .. } if channel == frame.channel);
            if self.is_asking() && !self.topics.values().any(is_closing) {
                self.early.keep(frame.channel, text);
            }
            return;
        };
        if let Err(broken) = channel.take(&frame.content, text, out) {
            self.mend(frame.channel, broken, now, out);
        }
    }

    /// # Errors
    /// The exchange gave two topics one channel.
    pub(super) fn on_subscribed(
        &mut self,
        message: &Message,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        let Some(channel) = message.channel_id else {
            return Err(SessionError::Protocol("a channel without a number".to_owned()));
        };
        let asked = self.asked_by(message);
        if let Some(open) = self.channels.get(&channel) {
            return match asked {
                Some((topic, _)) if topic != open.topic => {
                    Err(SessionError::Protocol(format!("channel {channel} has two topics")))
                }
                _ => Ok(()),
            };
        }
        match asked {
            Some((topic, true)) => {
                self.close(&topic, channel, true, false, now, out);
            }
            Some((topic, false)) => self.open(topic, channel, now, out),
            // Too late, or never asked for.
            None => self.send_unsubscribe(channel, out),
        }
        self.reckon();
        Ok(())
    }

    pub(super) fn on_unsubscribed(
        &mut self,
        channel: Option<u64>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(channel) = channel else { return };
        let is_of = |standing: &Standing| matches!(standing.phase, Phase::Closing { channel: closing, .. } if closing == channel);
        let closing = self.topics.iter().find(|(_, standing)| is_of(standing));
        if let Some(topic) = closing.map(|(topic, _)| Arc::clone(topic)) {
            self.end(&topic, now, out);
        } else if let Some(open) = self.channels.remove(&channel) {
            // Nobody asked for that.
            let broken = Broken::Invalid("the exchange closed the channel".to_owned());
            out.push(Output::Tell(Event::Broken(Arc::clone(&open.topic), broken)));
            self.forget(channel);
            self.reopen(&open.topic, now, out);
        }
        self.reckon();
    }

    pub(super) fn on_error(&mut self, message: &Message, now: Instant, out: &mut Vec<Output>) {
        let number = message.code.unwrap_or_default();
        if code::UNSUBSCRIPTION_FAILED.contains(&number) {
            let channel = message.channel_id;
            if channel.is_some_and(|channel| !self.channels.contains_key(&channel)) {
                self.on_unsubscribed(channel, now, out);
            }
            return;
        }
        let Some((topic, _)) = self.asked_by(message) else { return };
        if number == code::DUPLICATE {
            // The first one's acknowledgement may still come, and is waited for.
            if let Some(Phase::Asked { duplicate_of, .. }) =
                self.topics.get_mut(&topic).map(|standing| &mut standing.phase)
            {
                *duplicate_of = message.channel_id;
            }
            return;
        }
        let why = match number {
            code::LIMIT => Refused::Full,
            transient if code::TRANSIENT.contains(&transient) => Refused::Unanswered,
            _ => Refused::Invalid { code: number, message: message.words() },
        };
        self.refuse(&topic, why, out);
        self.reckon();
    }

    /// Begins every open channel anew.
    pub(super) fn reopen_all(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut open: Vec<(u64, Arc<Topic>)> = self
            .channels
            .iter()
            .map(|(channel, open)| (*channel, Arc::clone(&open.topic)))
            .collect();
        open.sort_unstable_by_key(|(channel, _)| *channel);
        for (channel, topic) in open {
            self.close(&topic, channel, false, true, now, out);
            if let Some(standing) = self.topics.get_mut(&topic) {
                standing.mended = None;
            }
        }
        self.reckon();
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let over = |(topic, standing): (&Arc<Topic>, &Standing)| {
            standing.phase.until().is_some_and(|until| until <= now).then(|| Arc::clone(topic))
        };
        let over: Vec<Arc<Topic>> = self.topics.iter().filter_map(over).collect();
        for topic in over {
            match self.topics[&topic].phase {
                Phase::Asked { duplicate_of, .. } => {
                    // Open, but under a number that was never announced: its snapshot is lost.
                    let lost = duplicate_of.filter(|channel| !self.channels.contains_key(channel));
                    lost.into_iter().for_each(|channel| self.send_unsubscribe(channel, out));
                    self.refuse(&topic, Refused::Unanswered, out);
                }
                Phase::Closing { .. } => self.end(&topic, now, out),
                Phase::Resting { .. } => self.ask(&topic, Some(now), now, out),
                Phase::Open(_) => {}
            }
        }
        self.reckon();
    }

    fn ask(
        &mut self,
        topic: &Arc<Topic>,
        mended: Option<Instant>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(subscription) = Subscription::of(topic) else {
            let (code, message) = (code::SUBSCRIPTION_FAILED, "channel: unknown".to_owned());
            let why = Refused::Invalid { code, message };
            out.push(Output::Tell(Event::Refused(Arc::clone(topic), why)));
            return;
        };
        self.last_sub_id += 1;
        let sub_id = self.last_sub_id;
        let text = subscription.message(sub_id);
        out.push(Output::Send(text));
        let until = now + self.ack_timeout;
        let phase = Phase::Asked { sub_id, until, duplicate_of: None, given_back: false };
        self.topics.insert(Arc::clone(topic), Standing { phase, mended });
    }

    fn open(&mut self, topic: Arc<Topic>, number: u64, now: Instant, out: &mut Vec<Output>) {
        let parts = Subscription::of(&topic).map(|subscription| subscription.parts());
        let Some(Ok(parts)) = parts else { return };
        let reused = self.closed.contains(&number);
        if let Some(standing) = self.topics.get_mut(&topic) {
            standing.phase = Phase::Open(number);
        }
        self.channels.insert(number, Channel::new(Arc::clone(&topic), parts, reused));
        out.push(Output::Tell(Event::Subscribed(topic)));
        let early = self.early.take(number);
        if early.overflowed {
            let why = "more came before the acknowledgement than is kept".to_owned();
            self.mend(number, Broken::Invalid(why), now, out);
        }
        for text in &early.messages {
            let Some(frame) = std::str::from_utf8(text).ok().and_then(|t| Frame::parse(t).ok())
            else {
                continue;
            };
            self.on_frame(&frame, text, now, out);
        }
        if !self.is_asking() {
            self.early.clear();
        }
    }

    fn mend(&mut self, channel: u64, broken: Broken, now: Instant, out: &mut Vec<Output>) {
        let Some(topic) = self.channels.get(&channel).map(|open| Arc::clone(&open.topic)) else {
            return;
        };
        out.push(Output::Tell(Event::Broken(Arc::clone(&topic), broken)));
        self.close(&topic, channel, false, true, now, out);
        self.reckon();
    }

    fn close(
        &mut self,
        topic: &Arc<Topic>,
        channel: u64,
        told: bool,
        reopen: bool,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        self.channels.remove(&channel);
        self.send_unsubscribe(channel, out);
        if let Some(standing) = self.topics.get_mut(topic) {
            let until = now + self.ack_timeout;
            standing.phase = Phase::Closing { channel, until, told, reopen };
        }
    }

    /// A channel is closed, or as good as that.
    fn end(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let Some(Phase::Closing { channel, told, reopen, .. }) =
            self.topics.get(topic).map(|standing| &standing.phase)
        else {
            return;
        };
        let (channel, told, reopen) = (*channel, *told, *reopen);
        self.forget(channel);
        if told {
            out.push(Output::Tell(Event::Unsubscribed(Arc::clone(topic))));
        }
        if reopen && told {
            self.ask(topic, None, now, out);
        } else if reopen {
            self.reopen(topic, now, out);
        } else {
            self.topics.remove(topic);
        }
    }

    /// Asks again, unless it was mended a moment ago.
    fn reopen(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.topics.get_mut(topic) else { return };
        match standing.mended.map(|mended| mended + MEND_PAUSE) {
            Some(until) if now < until => standing.phase = Phase::Resting { until },
            _ => self.ask(topic, Some(now), now, out),
        }
    }

    fn refuse(&mut self, topic: &Arc<Topic>, why: Refused, out: &mut Vec<Output>) {
        let Some(standing) = self.topics.remove(topic) else { return };
        let given_back = matches!(standing.phase, Phase::Asked { given_back: true, .. });
        let topic = Arc::clone(topic);
        out.push(Output::Tell(if given_back {
            Event::Unsubscribed(topic)
        } else {
            Event::Refused(topic, why)
        }));
        if !self.is_asking() {
            self.early.clear();
        }
    }

    /// The topic that is asked for and that an answer is about, by its number or, as not every
    /// answer repeats that, by its parameters; and whether it was given back.
    fn asked_by(&self, message: &Message) -> Option<(Arc<Topic>, bool)> {
        let asked = |(topic, standing): (&Arc<Topic>, &Standing)| match standing.phase {
            Phase::Asked { sub_id, given_back, .. } => {
                Some((sub_id, Arc::clone(topic), given_back))
            }
            _ => None,
        };
        let asked = || self.topics.iter().filter_map(asked);
        let by_number = message.sub_id().and_then(|number| asked().find(|(id, ..)| *id == number));
        let by_parameters = || {
            let topic = message.subscription.topic().ok()?;
            asked().find(|(_, asked, _)| **asked == topic)
        };
        by_number.or_else(by_parameters).map(|(_, topic, given_back)| (topic, given_back))
    }

    fn is_asking(&self) -> bool {
        self.topics.values().any(|standing| matches!(standing.phase, Phase::Asked { .. }))
    }

    fn send_unsubscribe(&mut self, channel: u64, out: &mut Vec<Output>) {
        self.forget(channel);
        out.push(Output::Send(json!({"event": "unsubscribe", "chanId": channel}).to_string()));
    }

    fn forget(&mut self, channel: u64) {
        self.early.take(channel);
        if self.closed.contains(&channel) {
            return;
        }
        if self.closed.len() == REMEMBERED_CLOSED {
            self.closed.pop_front();
        }
        self.closed.push_back(channel);
    }

    fn reckon(&mut self) {
        self.due = self.topics.values().filter_map(|standing| standing.phase.until()).min();
    }
}

impl Phase {
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } | Self::Closing { until, .. } | Self::Resting { until } => {
                Some(*until)
            }
            Self::Open(_) => None,
        }
    }
}
