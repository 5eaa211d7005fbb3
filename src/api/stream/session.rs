//! When a client is to be told something, and until when.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::following::Following;
use crate::{
    api::{Reader, reader::json, router::Phase, upgrade::Streams},
    clock::Clock,
    market::UnixMs,
    telemetry::{ClientId, StreamKind},
};

/// The shortest time in which clients that were sent away are to be back.
const BACK_AFTER: u64 = 500;
/// They come back over so many milliseconds, not all at once.
const BACK_WITHIN: u64 = 2_000;

/// Why a client's task wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// There is something to take.
    News,
    /// Nothing was sent for a while.
    Quiet,
    /// The gateway drains.
    GoAway,
    /// The gateway stops.
    Stop,
}

/// One client: what he follows, and the gateway's life around him.
pub(super) struct Session {
    pub(super) following: Following,
    phase: Arc<Phase>,
    stopping: CancellationToken,
    heartbeat: Duration,
    clock: Clock,
    sent_at: Instant,
    sent_away: bool,
}

#[derive(Serialize)]
struct Heartbeat<'a> {
    r#type: &'static str,
    id: Option<&'a str>,
    timestamp: UnixMs,
}

#[derive(Serialize)]
struct GoAway {
    r#type: &'static str,
    reason: &'static str,
    reconnect_after_ms: u64,
}

impl Session {
    pub(super) fn new(
        reader: &Reader,
        (kind, client): (StreamKind, ClientId),
        streams: &Streams,
        phase: Arc<Phase>,
    ) -> Self {
        let config = reader.config.now();
        let settings = &config.stream;
        let client = reader.metrics.stream(kind).client(client);
        Self {
            following: Following::new(settings.max_topics, reader.clock.clone(), client),
            phase,
            stopping: streams.tasks().stopping(),
            heartbeat: settings.heartbeat,
            clock: reader.clock.clone(),
            sent_at: Instant::now(),
            sent_away: false,
        }
    }

    /// Waits until there is something to do. Cancel-safe.
    pub(super) async fn wake(&self) -> Wake {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Wake::Stop,
            () = self.phase.drains(), if !self.sent_away => Wake::GoAway,
            () = self.following.bell().heard() => Wake::News,
            () = sleep_until(self.sent_at + self.heartbeat) => Wake::Quiet,
        }
    }

    /// The gateway stops.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How long a client may take nothing of what he is sent.
    pub(super) fn patience(&self) -> Duration {
        2 * self.heartbeat
    }

    /// The longest silence.
    pub(super) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Messages were sent.
    pub(super) fn sent(&mut self, messages: u64, bytes: u64) {
        self.sent_at = Instant::now();
        self.following.client().sent(messages, bytes);
    }

    /// The message that tells that the stream lives.
    pub(super) fn heartbeat_text(&self) -> Vec<u8> {
        let id = self.following.token();
        let timestamp = self.clock.now();
        json(&Heartbeat { r#type: "heartbeat", id: id.as_deref(), timestamp })
    }

    /// The message that asks the client to go elsewhere; he is told once.
    pub(super) fn go_away_text(&mut self) -> Vec<u8> {
        self.sent_away = true;
        self.following.client().sent_away();
        let reconnect_after_ms = BACK_AFTER + rand::random_range(0..BACK_WITHIN);
        json(&GoAway { r#type: "goaway", reason: "draining", reconnect_after_ms })
    }
}
