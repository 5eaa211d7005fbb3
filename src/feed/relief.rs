//! One connection takes the place of another before that one ends.
//!
//! The topics of a connection that is about to end are asked for on a second one. Each moves there
//! when its channel has brought its first data, and from then on the old channel is not heard any
//! more: the sink is told one history of each topic, without a lapse. When all have moved, the old
//! connection is closed.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{
    Lapse, Turn, Wire,
    channel::{Channel, Heard},
    conversation::{Conversation, End, Ended},
    hearing::kind,
    link::Link,
    socket::attempt,
};
use crate::{
    exchange::{Event, Refused, Topic},
    telemetry::Reconnect,
};

/// Topics that have not moved after this long come along as after any other reconnect: an exchange
/// that is asked for a snapshot of each book may have a budget of sixty a minute, and the old
/// connection goes on for as long as it is left.
const MOVE_TIMEOUT: Duration = Duration::from_secs(900);

/// How far it is.
pub(super) enum Relief {
    /// There is no need for it.
    None,
    /// The second connection is being opened.
    Connecting(BoxFuture<'static, Box<dyn Wire>>),
    /// It is open.
    Moving(Move),
}

/// Topics on their way.
pub(super) struct Move {
    /// The number of the connection that they move to.
    to: u64,
    /// Those that have not moved yet, with the channels they will have.
    pending: HashMap<Arc<Topic>, Channel>,
    /// Those that the exchange did not open there.
    refused: Vec<(Arc<Topic>, Refused)>,
    until: Instant,
}

impl Relief {
    /// True if a topic is on its way to the connection of this number.
    pub(super) fn moves(&self, to: u64, topic: &Arc<Topic>) -> bool {
        matches!(self, Self::Moving(it) if it.to == to && it.pending.contains_key(topic))
    }

    /// A topic is nobody's any more.
    pub(super) fn forget(&mut self, topic: &Topic) {
        if let Self::Moving(moving) = self {
            moving.pending.remove(topic);
            moving.refused.retain(|(refused, _)| **refused != *topic);
        }
    }

    /// Every channel of the connection begins anew.
    pub(super) fn begin_anew(&mut self, to: u64, now: Instant) {
        if let Self::Moving(moving) = self
            && moving.to == to
        {
            moving.pending.values_mut().for_each(|channel| channel.await_snapshot(now));
        }
    }
}

/// The second connection, once it is open. Cancel-safe; not to be called again before the outcome
/// has been taken in.
pub(super) async fn connected(relief: &mut Relief) -> Box<dyn Wire> {
    match relief {
        Relief::Connecting(connecting) => connecting.await,
        Relief::None | Relief::Moving(_) => pending().await,
    }
}

impl Conversation<'_> {
    /// When something of this is due.
    pub(super) fn relief_due(&self) -> Option<Instant> {
        match &self.relief {
            Relief::None => self.links.first()?.leaves_at,
            Relief::Connecting(_) => None,
            Relief::Moving(moving) => Some(moving.until),
        }
    }

    /// Does what is due.
    pub(super) fn relieve(&mut self, now: Instant) {
        if self.relief_due().is_none_or(|at| at > now) {
            return;
        }
        match self.relief {
            Relief::None => self.open_relief(),
            Relief::Connecting(_) => {}
            Relief::Moving(_) => self.replace(Lapse::Disconnected, now),
        }
    }

    fn open_relief(&mut self) {
        let (parts, id) = (self.socket.parts.clone(), self.socket.id);
        let connecting = async move {
            loop {
                parts.pacer.turn().await;
                if let Some(wire) = attempt(&parts, id).await {
                    return wire;
                }
            }
        };
        self.relief = Relief::Connecting(connecting.boxed());
    }

    /// The second connection is open: every topic is asked for there as well.
    pub(super) fn welcome(&mut self, wire: Box<dyn Wire>, now: Instant) {
        self.relief = Relief::None;
        let parts = &self.socket.parts;
        let Some(session) = parts.exchange.session(parts.session) else { return };
        self.last_link += 1;
        let live = &parts.exchange.profile().live;
        let mut link = Link::new(self.last_link, session, wire, live, now);
        link.session.on_open(now, &mut link.out);
        let mut pending = HashMap::new();
        let orders = self.socket.orders.borrow().clone();
        for (topic, _) in orders.iter() {
            if let Some(channel) = self.socket.channels.get(topic) {
                pending.insert(topic.clone(), channel.successor(link.number, now));
                link.session.subscribe(topic, now, &mut link.out);
            }
        }
        let (to, until) = (link.number, now + MOVE_TIMEOUT);
        self.relief = Relief::Moving(Move { to, pending, refused: Vec::new(), until });
        self.links.push(link);
    }

    /// The session of the second connection speaks of a topic that has not moved yet.
    pub(super) fn hear_successor(&mut self, event: Event, now: Instant) {
        let Relief::Moving(moving) = &mut self.relief else { return };
        match event {
            Event::Subscribed(topic) | Event::Broken(topic, _) => {
                if let Some(channel) = moving.pending.get_mut(&topic) {
                    channel.await_snapshot(now);
                }
            }
            Event::Refused(topic, refused) => {
                moving.pending.remove(&topic);
                moving.refused.push((topic, refused));
            }
            Event::Data(topic, data) => {
                let heard = moving.pending.get_mut(&topic).map(|it| it.data(&data, now));
                if heard != Some(Heard::First) {
                    return;
                }
                let Some(channel) = moving.pending.remove(&topic) else { return };
                let Some(place) = self.socket.channels.get_mut(&topic) else { return };
                self.fetches.was_of_use(channel.link, &topic);
                *place = channel;
                let parts = &self.socket.parts;
                parts.metrics.message(kind(&topic));
                parts.shared.plan().opened(&topic);
                parts.sink.turn(&topic, &Turn::Opened, now);
                parts.sink.data(&topic, &data, now);
            }
            Event::Unsubscribed(_)
            | Event::Heartbeat(_)
            | Event::Checked(..)
            | Event::Sound(_)
            | Event::Alive
            | Event::Paused
            | Event::Resumed
            | Event::Leaving => {}
        }
    }

    /// Ends the old connection if every topic has moved.
    pub(super) fn close_ranks(&mut self, now: Instant) {
        if matches!(&self.relief, Relief::Moving(moving) if moving.pending.is_empty()) {
            self.replace(Lapse::Disconnected, now);
        }
    }

    /// The second connection is the only one from here on; the old one is closed. Topics that have
    /// not moved lapse.
    fn replace(&mut self, lapse: Lapse, now: Instant) {
        let Some(mut old) = self.take_over(lapse, now) else { return };
        let parts = &self.socket.parts;
        let exchange = parts.exchange.profile().name;
        tracing::info!(exchange, socket = self.socket.id, "the connection was replaced");
        parts.metrics.reconnected(Reconnect::Replaced);
        parts.tasks.spawn_until_stop("feed goodbye", async move { old.wire.close().await });
    }

    fn take_over(&mut self, lapse: Lapse, now: Instant) -> Option<Link> {
        let Relief::Moving(moving) = std::mem::replace(&mut self.relief, Relief::None) else {
            return None;
        };
        for (topic, channel) in moving.pending {
            // One that is nobody's any more was given up since.
            if let Some(place) = self.socket.channels.get_mut(&topic) {
                *place = channel;
                self.socket.lapse(&topic, lapse, now);
            }
        }
        for (topic, refused) in moving.refused {
            self.socket.refused(&topic, &refused, now);
        }
        let old = self.links.remove(0);
        self.fetches.retain(|link, _| link != old.number);
        self.show();
        Some(old)
    }

    /// A connection has ended; `None` if the other one goes on.
    pub(super) fn survive(&mut self, ended: Ended) -> Option<End> {
        let Ended { link, end } = ended;
        let Some((lapse, reason)) = end.why().filter(|_| self.links.len() > 1) else {
            return Some(end);
        };
        let now = Instant::now();
        let is_old = self.links.first().is_some_and(|old| old.number == link);
        let exchange = self.socket.parts.exchange.profile().name;
        let socket = self.socket.id;
        tracing::warn!(exchange, socket, why = %end, is_old, "one of two connections has ended");
        self.socket.parts.metrics.reconnected(reason);
        if is_old {
            self.socket.view.lost();
            self.take_over(lapse, now);
        } else {
            self.fall_back(lapse, now);
        }
        None
    }

    /// The second connection has ended first: topics that had moved are asked for on the old one
    /// again, and another one is opened.
    fn fall_back(&mut self, lapse: Lapse, now: Instant) {
        self.socket.parts.pacer.failed(now);
        let Some(lost) = self.links.pop() else { return };
        self.fetches.retain(|link, _| link != lost.number);
        let Some(old) = self.links.first_mut() else { return };
        let mut moved = Vec::new();
        for (topic, channel) in &mut self.socket.channels {
            if channel.link == lost.number {
                channel.begin(old.number, now);
                // Its old channel may still be open there, and has not been listened to since.
                old.session.unsubscribe(topic, now, &mut old.out);
                old.session.subscribe(topic, now, &mut old.out);
                moved.push(topic.clone());
            }
        }
        moved.iter().for_each(|topic| self.socket.lapse(topic, lapse, now));
        self.open_relief();
    }
}
