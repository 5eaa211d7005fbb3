//! The task that owns one socket, from one connection to the next.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use rand::RngExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectError, Connector, Lapse, Shared, Sink, SocketState, Turn, Wire,
    channel::Channel,
    conversation::{Conversation, End},
    link::HELD,
    pacer::Pacer,
    plan::{Opened, Orders, SocketView},
};
use crate::{
    exchange::{Exchange, Refused, SessionSettings, Topic},
    tasks::Tasks,
    telemetry::{Connect, FeedMetrics, Reconnect},
};

/// The longest an attempt to connect may take, TLS and handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// When the exchange restarts, its clients come back spread over so long.
const RESTART_SPREAD: Duration = Duration::from_secs(5);

/// What the sockets of one exchange share.
pub(super) struct Parts {
    pub(super) exchange: Arc<dyn Exchange>,
    pub(super) session: SessionSettings,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) metrics: FeedMetrics,
    pub(super) pacer: Pacer,
    pub(super) shared: Arc<Shared>,
    pub(super) max_silence: Duration,
    pub(super) tasks: Tasks,
}

/// One socket: its topics stay the same from one connection to the next.
pub(super) struct Socket {
    pub(super) id: u64,
    pub(super) parts: Arc<Parts>,
    pub(super) view: Arc<SocketView>,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) stop: CancellationToken,
    pub(super) channels: HashMap<Arc<Topic>, Channel>,
}

/// Tells the plan if the task ends by a panic.
struct Alive {
    id: u64,
    parts: Arc<Parts>,
    view: Arc<SocketView>,
    ended: bool,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.ended {
            self.parts.metrics.reconnected(Reconnect::Panic);
            self.parts.pacer.failed(Instant::now());
            self.view.lost();
            self.view.enter(SocketState::Waiting);
            self.parts.shared.plan().died(self.id);
            self.parts.shared.changed.notify_one();
        }
    }
}

impl Socket {
    pub(super) fn new(opened: Opened, parts: Arc<Parts>, stop: CancellationToken) -> Self {
        let Opened { id, orders, view } = opened;
        Self { id, parts, view, orders, stop, channels: HashMap::new() }
    }

    /// Connects again and again, until the plan has no use for the socket or the process stops.
    pub(super) async fn run(mut self) {
        let (parts, view) = (self.parts.clone(), self.view.clone());
        let mut alive = Alive { id: self.id, parts, view, ended: false };
        self.follow_orders();
        while let Some(wire) = self.connect().await {
            let Some(session) = self.parts.exchange.session(self.parts.session) else { break };
            let (end, opened) = Conversation::new(&mut self, session, wire).run().await;
            if self.lost(&end, opened).await.is_none() {
                break;
            }
        }
        alive.ended = true;
    }

    /// Waits for its turns to attempt, until an attempt brings a connection; `None` if the socket
    /// has to end.
    async fn connect(&mut self) -> Option<Box<dyn Wire>> {
        let parts = self.parts.clone();
        loop {
            self.view.enter(SocketState::Waiting);
            self.meanwhile(parts.pacer.turn()).await?;
            self.view.enter(SocketState::Connecting);
            let id = self.id;
            if let Some(wire) = self.meanwhile(attempt(&parts, id)).await? {
                return Some(wire);
            }
            self.lapse_all(Lapse::Disconnected, Instant::now());
        }
    }

    /// A connection has ended; `None` if the socket has to end as well.
    async fn lost(&mut self, end: &End, opened: Instant) -> Option<()> {
        let (lapse, reason) = end.why()?;
        let exchange = self.parts.exchange.profile().name;
        tracing::warn!(exchange, socket = self.id, why = %end, "the connection has ended");
        self.parts.metrics.reconnected(reason);
        self.view.lost();
        let now = Instant::now();
        if now < opened + HELD {
            self.parts.pacer.failed(now);
        }
        self.lapse_all(lapse, now);
        if reason == Reconnect::Restart {
            self.view.enter(SocketState::Waiting);
            let pause = RESTART_SPREAD.mul_f64(rand::rng().random_range(0.1..=1.0));
            self.meanwhile(sleep(pause)).await?;
        }
        Some(())
    }

    /// Does `work` and follows orders meanwhile; `None` if the socket has to end.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                ordered = self.orders.changed() => {
                    ordered.ok()?;
                    self.follow_orders();
                }
                done = &mut work => return Some(done),
            }
        }
    }

    fn follow_orders(&mut self) {
        let now = Instant::now();
        for topic in self.adopt(now).removed {
            self.part(&topic, now);
        }
    }

    /// Takes over which topics are its own.
    pub(super) fn adopt(&mut self, now: Instant) -> Changes {
        let orders = self.orders.borrow_and_update().clone();
        let gone = |topic: &Arc<Topic>| orders.iter().all(|(ordered, _)| ordered != topic);
        let removed: Vec<_> = self.channels.keys().filter(|topic| gone(topic)).cloned().collect();
        for topic in &removed {
            self.channels.remove(topic);
        }
        let mut added = Vec::new();
        for (topic, mark) in orders.iter() {
            if !self.channels.contains_key(topic) {
                self.channels.insert(topic.clone(), Channel::new(mark.clone(), now));
                added.push(topic.clone());
            }
        }
        Changes { added, removed }
    }

    /// Says goodbye to a topic that is no longer its own.
    pub(super) fn part(&self, topic: &Arc<Topic>, now: Instant) {
        let turn = self.parts.shared.plan().farewell(topic);
        if let Some(turn) = turn {
            self.parts.sink.turn(topic, &turn, now);
        }
        self.parts.shared.plan().vacate(topic, self.id, false);
        self.parts.shared.changed.notify_one();
    }

    /// Gives a topic back to the plan that the exchange does not open here.
    pub(super) fn refused(&mut self, topic: &Arc<Topic>, refused: &Refused, now: Instant) {
        if self.channels.remove(topic).is_none() {
            return;
        }
        tracing::debug!(socket = self.id, %topic, %refused, "no channel");
        let turn = self.parts.shared.plan().refuse(topic, refused, now);
        if let Some(turn) = turn {
            self.parts.sink.turn(topic, &turn, now);
        }
        self.parts.shared.plan().vacate(topic, self.id, *refused == Refused::Full);
        self.parts.shared.changed.notify_one();
    }

    /// Tells that a topic is not live any more, unless that is known.
    pub(super) fn lapse(&self, topic: &Arc<Topic>, lapse: Lapse, now: Instant) {
        if self.parts.shared.plan().lapse(topic, lapse) {
            self.parts.sink.turn(topic, &Turn::Lapsed(lapse), now);
        }
    }

    pub(super) fn lapse_all(&self, lapse: Lapse, now: Instant) {
        for topic in self.channels.keys() {
            self.lapse(topic, lapse, now);
        }
    }
}

/// One attempt to connect, whose turn has come; `None` if it failed.
pub(super) async fn attempt(parts: &Parts, socket: u64) -> Option<Box<dyn Wire>> {
    let attempt = timeout(CONNECT_TIMEOUT, parts.connector.connect()).await;
    let now = Instant::now();
    let exchange = parts.exchange.profile().name;
    let outcome = match attempt {
        Ok(Ok(wire)) => {
            parts.metrics.attempted(Connect::Ok);
            tracing::info!(exchange, socket, "connected");
            return Some(wire);
        }
        Ok(Err(error @ ConnectError::Blocked)) => {
            tracing::warn!(exchange, socket, %error, "no attempts for a while");
            parts.pacer.blocked(now);
            Connect::Blocked
        }
        Ok(Err(error @ ConnectError::Failed(_))) => {
            tracing::warn!(exchange, socket, %error, "cannot connect");
            Connect::Failed
        }
        Err(_) => {
            tracing::warn!(exchange, socket, "cannot connect in time");
            Connect::Timeout
        }
    };
    parts.metrics.attempted(outcome);
    parts.pacer.failed(now);
    None
}

/// How a socket's topics have changed.
pub(super) struct Changes {
    pub(super) added: Vec<Arc<Topic>>,
    pub(super) removed: Vec<Arc<Topic>>,
}
