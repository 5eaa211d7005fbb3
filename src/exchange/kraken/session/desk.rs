//! Opens and closes channels.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    channel::Channel,
    message::Message,
    subscription::{Key, depth},
};
use crate::exchange::{Broken, Event, Output, Refused, SessionError, Topic, json, kraken::PROFILE};

/// Between two attempts to mend one channel.
const MEND_PAUSE: Duration = Duration::from_secs(10);
/// A book whose checksum does not hold so often in a row is given up: a few markets are said to be
/// summed over other digits than are sent.
const MOST_MISMATCHES: u32 = 3;
/// Words of refusals that are no fault of the subscription.
const TRANSIENT: [&str; 6] =
    ["msg rate", "rate limit", "unavailable", "timeout", "internal error", "maintenance"];

/// How far a topic has come.
#[derive(Debug)]
enum Phase {
    /// Asked for. `given_back`: wanted no more, but the answer has to be known.
    Asked { req_id: u64, until: Instant, given_back: bool },
    /// Open; its snapshot is due by then, if it has not come.
    Open { channel: Channel, until: Instant },
    /// Asked to be closed. `told`: the owner has asked, so the end has to be told; `reopen`: it
    /// is wanted again.
    Closing { req_id: u64, until: Instant, told: bool, reopen: bool },
    /// To be asked for again.
    Resting { until: Instant },
}

impl Phase {
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Asked { until, .. } | Self::Closing { until, .. } | Self::Resting { until } => {
                Some(*until)
            }
            Self::Open { channel, until } => (!channel.started).then_some(*until),
        }
    }

    /// True while an answer is awaited.
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Closing { .. })
    }
}

#[derive(Debug)]
struct Standing {
    topic: Arc<Topic>,
    phase: Phase,
    /// When it was last asked for because it had broken.
    mended: Option<Instant>,
    /// Checksums in a row that did not hold.
    mismatches: u32,
}

/// Every channel of one socket.
#[derive(Debug)]
pub(super) struct Desk {
    ack_timeout: Duration,
    channels: HashMap<Key, Standing, foldhash::fast::RandomState>,
    last_req_id: u64,
    /// The earliest end of a phase.
    due: Option<Instant>,
}

impl Desk {
    pub(super) fn new(ack_timeout: Duration) -> Self {
        Self { ack_timeout, channels: HashMap::default(), last_req_id: 0, due: None }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        let refuse = |why| Output::Tell(Event::Refused(Arc::clone(topic), why));
        let Some(key) = Key::of(topic) else {
            let message = "it has no such channel".to_owned();
            out.push(refuse(Refused::Invalid { code: 0, message }));
            return;
        };
        let full = self.channels.len() >= PROFILE.live.channels_per_socket;
        match self.channels.get_mut(&key) {
            // Data do not say which of two depths they are of.
            Some(standing) if standing.topic != *topic => out.push(refuse(Refused::Full)),
            None if full => out.push(refuse(Refused::Full)),
            None => {
                let until = now;
                let phase = Phase::Resting { until };
                let topic = Arc::clone(topic);
                let standing = Standing { topic, phase, mended: None, mismatches: 0 };
                self.channels.insert(key.clone(), standing);
                self.ask(&key, None, now, out);
            }
            Some(standing) => match &mut standing.phase {
                Phase::Asked { given_back, .. } => *given_back = false,
                Phase::Closing { reopen, .. } => *reopen = true,
                Phase::Open { .. } | Phase::Resting { .. } => {}
            },
        }
        self.reckon();
    }

    pub(super) fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>) {
        let Some(key) = Key::of(topic) else { return };
        let Some(standing) = self.channels.get_mut(&key) else { return };
        if *standing.topic != *topic {
            return;
        }
        match &mut standing.phase {
            Phase::Open { .. } => self.close(&key, true, false, now, out),
            Phase::Resting { .. } => {
                out.push(Output::Tell(Event::Unsubscribed(Arc::clone(&standing.topic))));
                self.channels.remove(&key);
            }
            Phase::Asked { given_back, .. } => *given_back = true,
            Phase::Closing { told, reopen, .. } => (*told, *reopen) = (true, false),
        }
        self.reckon();
    }

    /// Rows of a channel. A snapshot opens a channel that is asked for, should it come before the
    /// acknowledgement; of one that is being closed nothing counts.
    ///
    /// # Errors
    /// A row does not say what it is of.
    pub(super) fn on_data(
        &mut self,
        channel: &str,
        snapshot: bool,
        rows: &[&RawValue],
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError> {
        let owners =
            rows.iter().map(|row| Key::of_row(channel, row)).collect::<Result<Vec<_>, _>>();
        let owners = owners.map_err(|e| SessionError::Protocol(json::words(&e.to_string())))?;
        let mut from = 0;
        for of_one in owners.chunk_by(|one, next| one == next) {
            let to = from + of_one.len();
            if let Some(key) = &of_one[0] {
                self.on_rows(key, snapshot, &rows[from..to], text, now, out);
            }
            from = to;
        }
        Ok(())
    }

    fn on_rows(
        &mut self,
        key: &Key,
        snapshot: bool,
        rows: &[&RawValue],
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let Some(standing) = self.channels.get_mut(key) else { return };
        if snapshot && matches!(standing.phase, Phase::Asked { given_back: false, .. }) {
            standing.open(key, now + self.ack_timeout, out);
        }
        let Phase::Open { channel, .. } = &mut standing.phase else { return };
        let began = channel.started;
        match channel.take(&standing.topic, snapshot, rows, text, out) {
            Ok(()) => standing.mismatches = 0,
            Err(broken) => self.mend(key, broken, now, out),
        }
        if !began {
            self.reckon();
        }
    }

    pub(super) fn on_subscribed(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let asked = self.asked_by(message);
        let until = now + self.ack_timeout;
        match (message.refusal(), asked) {
            (Some(why), Some(key)) => self.on_refused(&key, why, now, out),
            (Some(_), None) => {}
            (None, Some(key)) => {
                let standing = self.channels.get_mut(&key);
                match standing {
                    Some(Standing { phase: Phase::Asked { given_back: true, .. }, .. }) => {
                        self.close(&key, true, false, now, out);
                    }
                    Some(standing) => standing.open(&key, until, out),
                    None => {}
                }
            }
            (None, None) => {
                // Too late, or never asked for; unless its snapshot has opened it already.
                let about = message.result.as_ref().and_then(Key::about);
                if let Some((key, depth)) =
                    about.filter(|(key, _)| !self.channels.contains_key(key))
                {
                    let req_id = self.next_req_id();
                    out.push(Output::Send(key.request("unsubscribe", depth, req_id)));
                }
            }
        }
        self.reckon();
    }

    fn on_refused(&mut self, key: &Key, why: &str, now: Instant, out: &mut Vec<Output>) {
        let lower = why.to_ascii_lowercase();
        if lower.contains("already subscribed") {
            // An earlier one was not closed; what it would bring began before, without a snapshot.
            let given_back = self.channels.get(key).is_some_and(Standing::is_given_back);
            self.close(key, given_back, !given_back, now, out);
            return;
        }
        let why = if TRANSIENT.into_iter().any(|word| lower.contains(word)) {
            Refused::Unanswered
        } else {
            Refused::Invalid { code: 0, message: json::words(why) }
        };
        self.refuse(key, why, out);
    }

    /// A refusal to close is as good: then there is no such channel.
    pub(super) fn on_unsubscribed(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let is_answered = |standing: &Standing| matches!(standing.phase, Phase::Closing { req_id, .. } if Some(req_id) == message.req_id);
        let closed = self.channels.iter().find(|(_, standing)| is_answered(standing));
        let about = || message.result.as_ref().and_then(Key::about).map(|(key, _)| key);
        match closed.map(|(key, _)| key.clone()).or_else(about) {
            Some(key) => match self.channels.get(&key).map(|standing| &standing.phase) {
                Some(Phase::Closing { .. }) => self.end(&key, now, out),
                Some(Phase::Open { .. }) if message.req_id.is_none() => {
                    let why = "the exchange closed the channel".to_owned();
                    self.tell_broken(&key, Broken::Invalid(why), out);
                    self.reopen(&key, now, out);
                }
                _ => {}
            },
            None => {}
        }
        self.reckon();
    }

    /// Begins every open channel anew.
    pub(super) fn reopen_all(&mut self, now: Instant, out: &mut Vec<Output>) {
        let is_open = |standing: &Standing| matches!(standing.phase, Phase::Open { .. });
        let open = self.channels.iter().filter(|(_, standing)| is_open(standing));
        let mut open: Vec<Key> = open.map(|(key, _)| key.clone()).collect();
        open.sort_unstable_by(|one, other| one.symbol.cmp(&other.symbol));
        for key in open {
            self.close(&key, false, true, now, out);
            if let Some(standing) = self.channels.get_mut(&key) {
                standing.mended = None;
            }
        }
        self.reckon();
    }

    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let over = |standing: &Standing| standing.phase.until().is_some_and(|until| until <= now);
        let over = self.channels.iter().filter(|(_, standing)| over(standing));
        let over: Vec<Key> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            match self.channels.get(&key).map(|standing| &standing.phase) {
                Some(Phase::Asked { .. }) => self.refuse(&key, Refused::Unanswered, out),
                Some(Phase::Open { .. }) => self.give_up(&key, Refused::Unanswered, now, out),
                Some(Phase::Closing { .. }) => self.end(&key, now, out),
                Some(Phase::Resting { .. }) => self.ask(&key, Some(now), now, out),
                None => {}
            }
        }
        self.reckon();
    }

    fn ask(&mut self, key: &Key, mended: Option<Instant>, now: Instant, out: &mut Vec<Output>) {
        let (req_id, until) = (self.next_req_id(), self.answer_due(now));
        let Some(standing) = self.channels.get_mut(key) else { return };
        out.push(Output::Send(key.request("subscribe", depth(&standing.topic), req_id)));
        standing.phase = Phase::Asked { req_id, until, given_back: false };
        standing.mended = mended;
    }

    fn mend(&mut self, key: &Key, broken: Broken, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.channels.get_mut(key) else { return };
        if broken == Broken::Checksum {
            standing.mismatches += 1;
            if standing.mismatches >= MOST_MISMATCHES {
                let message = "the checksums of its book do not hold".to_owned();
                self.give_up(key, Refused::Invalid { code: 0, message }, now, out);
                return;
            }
        }
        self.tell_broken(key, broken, out);
        self.close(key, false, true, now, out);
        self.reckon();
    }

    fn tell_broken(&self, key: &Key, broken: Broken, out: &mut Vec<Output>) {
        let topic = self.channels.get(key).map(|standing| Arc::clone(&standing.topic));
        out.extend(topic.map(|topic| Output::Tell(Event::Broken(topic, broken))));
    }

    /// Closes an open channel that is of no use.
    fn give_up(&mut self, key: &Key, why: Refused, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.channels.get(key) else { return };
        let refused = Event::Refused(Arc::clone(&standing.topic), why);
        self.close(key, false, false, now, out);
        out.push(Output::Tell(refused));
        self.reckon();
    }

    fn close(&mut self, key: &Key, told: bool, reopen: bool, now: Instant, out: &mut Vec<Output>) {
        let (req_id, until) = (self.next_req_id(), self.answer_due(now));
        let Some(standing) = self.channels.get_mut(key) else { return };
        out.push(Output::Send(key.request("unsubscribe", depth(&standing.topic), req_id)));
        standing.phase = Phase::Closing { req_id, until, told, reopen };
    }

    /// A channel is closed, or as good as that.
    fn end(&mut self, key: &Key, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.channels.get(key) else { return };
        let Phase::Closing { told, reopen, .. } = standing.phase else { return };
        if told {
            out.push(Output::Tell(Event::Unsubscribed(Arc::clone(&standing.topic))));
        }
        if reopen && told {
            self.ask(key, None, now, out);
        } else if reopen {
            self.reopen(key, now, out);
        } else {
            self.channels.remove(key);
        }
    }

    /// Asks again, unless it was mended a moment ago.
    fn reopen(&mut self, key: &Key, now: Instant, out: &mut Vec<Output>) {
        let Some(standing) = self.channels.get_mut(key) else { return };
        match standing.mended.map(|mended| mended + MEND_PAUSE) {
            Some(until) if now < until => standing.phase = Phase::Resting { until },
            _ => self.ask(key, Some(now), now, out),
        }
    }

    fn refuse(&mut self, key: &Key, why: Refused, out: &mut Vec<Output>) {
        let Some(standing) = self.channels.remove(key) else { return };
        out.push(Output::Tell(if standing.is_given_back() {
            Event::Unsubscribed(standing.topic)
        } else {
            Event::Refused(standing.topic, why)
        }));
    }

    /// The channel that is asked for and that an answer is about: by its number or, as not every
    /// refusal repeats that, by its market, if only one channel of it is asked for.
    fn asked_by(&self, message: &Message<'_>) -> Option<Key> {
        let is_asked = |standing: &Standing| match (&standing.phase, message.req_id) {
            (Phase::Asked { req_id, .. }, Some(answered)) => *req_id == answered,
            (Phase::Asked { .. }, None) => true,
            _ => false,
        };
        let about = message.result.as_ref().and_then(Key::about).map(|(key, _)| key);
        let symbol = message.symbol.as_ref();
        let fits = |key: &Key| {
            message.req_id.is_some()
                || about.as_ref() == Some(key)
                || symbol.is_some_and(|symbol| symbol.0 == key.symbol.as_str())
        };
        let asked = |(key, standing): &(&Key, &Standing)| is_asked(standing) && fits(key);
        let mut found = self.channels.iter().filter(asked).map(|(key, _)| key);
        match (found.next(), found.next()) {
            (Some(key), None) => Some(key.clone()),
            _ => None,
        }
    }

    fn next_req_id(&mut self) -> u64 {
        self.last_req_id += 1;
        self.last_req_id
    }

    /// Requests leave one after the other, no more than so many a second.
    fn answer_due(&self, now: Instant) -> Instant {
        let waiting = |standing: &&Standing| standing.phase.is_waiting();
        let waiting = self.channels.values().filter(waiting).count();
        let queued = u32::try_from(waiting).unwrap_or(u32::MAX);
        now + self.ack_timeout + Duration::from_secs(1) * queued / PROFILE.live.messages_per_second
    }

    fn reckon(&mut self) {
        self.due = self.channels.values().filter_map(|standing| standing.phase.until()).min();
    }
}

impl Standing {
    fn open(&mut self, key: &Key, until: Instant, out: &mut Vec<Output>) {
        let channel = Channel::new(key.kind, &self.topic);
        self.phase = Phase::Open { channel, until };
        out.push(Output::Tell(Event::Subscribed(Arc::clone(&self.topic))));
    }

    fn is_given_back(&self) -> bool {
        matches!(self.phase, Phase::Asked { given_back: true, .. })
    }
}
