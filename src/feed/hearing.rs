//! What the sessions of a conversation say.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Lapse, SocketState, Turn,
    channel::{Beat, Channel, Heard},
    conversation::{Conversation, End, Ended},
};
use crate::{
    exchange::{Broken, Data, Event, Refused, Stream, Topic},
    telemetry::{FeedKind, Resync},
};

impl Conversation<'_> {
    /// The session of the connection `from` says something.
    pub(super) fn hear(&mut self, event: Event, from: u64, now: Instant) -> Result<(), Ended> {
        match event {
            Event::Paused => self.pause(from, now),
            Event::Resumed => self.resume(from, now),
            Event::Alive => self.alive(from, now),
            Event::Leaving => {
                if let Some(link) = self.link(from) {
                    link.leaves_at = Some(now);
                }
                self.relieve(now);
            }
            // Whoever asked for it has been told already.
            Event::Unsubscribed(_) => {}
            Event::Subscribed(ref topic)
            | Event::Refused(ref topic, _)
            | Event::Data(ref topic, _)
            | Event::Heartbeat(ref topic)
            | Event::Checked(ref topic, _)
            | Event::Sound(ref topic)
            | Event::Broken(ref topic, _) => {
                if self.relief.moves(from, topic) {
                    self.hear_successor(event, now);
                } else if self.owned(topic, from).is_some() {
                    return self.hear_owner(event, from, now);
                }
            }
        }
        Ok(())
    }

    /// The topic's channel, if it is the connection's.
    fn owned(&mut self, topic: &Arc<Topic>, link: u64) -> Option<&mut Channel> {
        self.socket.channels.get_mut(topic).filter(|channel| channel.link == link)
    }

    fn hear_owner(&mut self, event: Event, from: u64, now: Instant) -> Result<(), Ended> {
        match event {
            Event::Subscribed(topic) => {
                if let Some(channel) = self.owned(&topic, from) {
                    channel.await_snapshot(now);
                }
            }
            Event::Refused(topic, refused) => {
                let is_remedied = self.owned(&topic, from).is_some_and(|it| it.is_remedied());
                if refused == Refused::Unanswered && is_remedied {
                    return self.beyond_remedy(&topic, now);
                }
                self.socket.refused(&topic, &refused, now);
            }
            Event::Data(topic, data) => self.data(&topic, &data, now),
            Event::Heartbeat(topic) => self.heartbeat(&topic, now),
            Event::Checked(topic, checksum) => self.proven(&topic, &Turn::Checked(checksum), now),
            Event::Sound(topic) => self.proven(&topic, &Turn::Sound, now),
            Event::Broken(topic, broken) => self.broken(&topic, &broken, now)?,
            Event::Unsubscribed(_)
            | Event::Paused
            | Event::Resumed
            | Event::Leaving
            | Event::Alive => {}
        }
        Ok(())
    }

    fn data(&mut self, topic: &Arc<Topic>, data: &Data, now: Instant) {
        let Some(channel) = self.socket.channels.get_mut(topic) else { return };
        let parts = &self.socket.parts;
        parts.metrics.message(kind(topic));
        let link = channel.link;
        match channel.data(data, now) {
            Heard::First => {
                parts.shared.plan().opened(topic);
                parts.sink.turn(topic, &Turn::Opened, now);
                parts.sink.data(topic, data, now);
                self.fetches.was_of_use(link, topic);
            }
            Heard::More => parts.sink.data(topic, data, now),
            Heard::Nothing => {}
        }
    }

    /// A channel is known to be right as it stands.
    fn proven(&mut self, topic: &Arc<Topic>, turn: &Turn, now: Instant) {
        let channel = self.socket.channels.get_mut(topic);
        if channel.is_some_and(|channel| channel.proven(now)) {
            self.socket.parts.sink.turn(topic, turn, now);
        }
    }

    fn heartbeat(&mut self, topic: &Arc<Topic>, now: Instant) {
        // Without numbers a book may have missed a change that only its next message shows.
        let is_numbered = self.socket.parts.exchange.profile().live.is_numbered;
        let confirms = is_numbered || !topic.is_book();
        let Some(channel) = self.socket.channels.get_mut(topic) else { return };
        match channel.heartbeat(now) {
            Beat::Confirms if !confirms => {}
            Beat::Confirms => self.socket.parts.sink.turn(topic, &Turn::Confirmed, now),
            Beat::Suspicious => {
                channel.ask_anew(now);
                self.ask_anew(topic, Resync::Suspected, now);
            }
            Beat::Nothing => {}
        }
    }

    /// Every channel of a connection lives.
    fn alive(&mut self, from: u64, now: Instant) {
        let own = self.socket.channels.iter_mut().filter(|(_, channel)| channel.link == from);
        let own: Vec<Arc<Topic>> = own
            .map(|(topic, channel)| {
                channel.excuse(now);
                topic.clone()
            })
            .collect();
        own.iter().for_each(|topic| self.heartbeat(topic, now));
    }

    fn broken(&mut self, topic: &Arc<Topic>, broken: &Broken, now: Instant) -> Result<(), Ended> {
        let Some(channel) = self.socket.channels.get_mut(topic) else { return Ok(()) };
        let too_often = channel.broke(now);
        let (lapse, reason) = match broken {
            Broken::Checksum => (Lapse::Checksum, Resync::Checksum),
            Broken::Invalid(_) => (Lapse::Invalid, Resync::Invalid),
        };
        let exchange = self.socket.parts.exchange.profile().name;
        tracing::warn!(exchange, socket = self.socket.id, %topic, why = %broken, "a channel broke");
        self.socket.parts.metrics.resynced(reason);
        self.socket.lapse(topic, lapse, now);
        if too_often { self.beyond_remedy(topic, now) } else { Ok(()) }
    }

    /// A channel has sent nothing for too long.
    pub(super) fn silent(&mut self, topic: &Arc<Topic>, now: Instant) -> Result<(), Ended> {
        self.socket.lapse(topic, Lapse::Silent, now);
        let Some(channel) = self.socket.channels.get_mut(topic) else { return Ok(()) };
        if channel.is_remedied() {
            return self.beyond_remedy(topic, now);
        }
        channel.remedy(now);
        self.ask_anew(topic, Resync::Silent, now);
        Ok(())
    }

    fn ask_anew(&mut self, topic: &Arc<Topic>, reason: Resync, now: Instant) {
        let number = self.socket.channels.get(topic).map(|channel| channel.link);
        if let Some(link) = number.and_then(|number| self.link(number)) {
            link.session.unsubscribe(topic, now, &mut link.out);
            link.session.subscribe(topic, now, &mut link.out);
        }
        self.socket.parts.metrics.resynced(reason);
    }

    /// Asking for a channel anew has not helped: a new connection may. Where that was tried not
    /// long ago, the others on this socket are not to suffer again; the plan will see to it.
    fn beyond_remedy(&mut self, topic: &Arc<Topic>, now: Instant) -> Result<(), Ended> {
        let Some(link) = self.socket.channels.get(topic).map(|it| it.link) else { return Ok(()) };
        let may = self.socket.parts.shared.plan().may_replace(topic, now);
        if may {
            return Err(Ended { link, end: End::Channel });
        }
        self.relief.forget(topic);
        for link in &mut self.links {
            link.session.unsubscribe(topic, now, &mut link.out);
        }
        self.socket.refused(topic, &Refused::Unanswered, now);
        Ok(())
    }

    fn pause(&mut self, from: u64, now: Instant) {
        if let Some(link) = self.link(from) {
            link.paused = Some(now);
        }
        self.begin_anew(from, now);
        self.show();
        for (topic, channel) in &self.socket.channels {
            if channel.link == from {
                self.socket.lapse(topic, Lapse::Maintenance, now);
            }
        }
    }

    fn resume(&mut self, from: u64, now: Instant) {
        if let Some(link) = self.link(from) {
            link.paused = None;
            link.last_text = now;
        }
        let count = self.begin_anew(from, now);
        self.show();
        (0..count).for_each(|_| self.socket.parts.metrics.resynced(Resync::Maintenance));
    }

    /// Every channel of a connection begins anew with a snapshot; how many there are.
    fn begin_anew(&mut self, from: u64, now: Instant) -> usize {
        self.relief.begin_anew(from, now);
        let own = self.socket.channels.values_mut().filter(|channel| channel.link == from);
        own.map(|channel| channel.await_snapshot(now)).count()
    }

    /// Shows how the connection stands.
    pub(super) fn show(&self) {
        let is_paused = self.links.first().is_some_and(|link| link.paused.is_some());
        let state = if is_paused { SocketState::Paused } else { SocketState::Open };
        self.socket.view.enter(state);
    }
}

pub(super) fn kind(topic: &Topic) -> FeedKind {
    match topic.stream {
        Stream::Ticker => FeedKind::Ticker,
        Stream::Trades => FeedKind::Trades,
        Stream::Book { .. } => FeedKind::Book,
        Stream::Candles(_) => FeedKind::Candles,
        Stream::Native(_) => FeedKind::Native,
    }
}
