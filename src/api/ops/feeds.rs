//! What is live and who follows it, as `/api/status` tells it.

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{clients::name, status::millis};
use crate::{
    api::Reader,
    feed::{SocketSnapshot, TopicSnapshot},
    service::Desk,
    telemetry::{FeedTotals, SlowFollower, StreamKind},
};

/// Topics listed of each feed.
const TOPICS: usize = 500;
/// Those who lag that are listed.
const SLOW: usize = 20;

/// One exchange's WebSocket feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedStatus)]
pub(crate) struct FeedBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    enabled: bool,
    /// `connected`, `connecting`, `degraded` (some sockets are open, others are not), `paused` (by
    /// the exchange), `idle` (nothing is wanted live) or `off`.
    #[schema(example = "connected")]
    state: &'static str,
    /// Topics that have a channel, or are about to have one.
    channels: usize,
    max_channels: usize,
    /// Topics that are wanted live, whether there is room for them or not.
    wanted: usize,
    /// No connection is attempted before that.
    next_connect_ms: u64,
    sockets: Vec<SocketBody>,
    counters: CountersBody,
    /// The first 500 of them: pinned ones, followed ones, then those that are read often.
    topics: Vec<TopicBody>,
}

/// One WebSocket to the exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedSocket)]
pub(crate) struct SocketBody {
    /// Its number among those of the process.
    socket: u64,
    /// `waiting`, `connecting`, `open` or `paused`.
    #[schema(example = "open")]
    state: &'static str,
    /// For how long it has been in this state.
    since_seconds: f64,
    channels: usize,
    max_channels: usize,
    /// `null` before the first message.
    last_message_age_seconds: Option<f64>,
    reconnects: u64,
}

/// One topic that is wanted live.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedTopic)]
pub(crate) struct TopicBody {
    #[schema(example = "ticker tBTCUSD")]
    topic: String,
    /// `live`, `opening`, `stale` (wanted, but not live at present), `waiting` (read often, but
    /// others have the channels) or `closing`.
    #[schema(example = "live")]
    state: &'static str,
    /// Why it is stale.
    #[schema(example = "disconnected")]
    reason: Option<&'static str>,
    /// `pinned` by settings, `followed`, `hot` (read often) or `lingering` (followed until a
    /// moment ago).
    #[schema(example = "pinned")]
    wanted: &'static str,
    /// The time since its last word that could be believed, heartbeats included.
    last_message_age_seconds: Option<f64>,
    reads_per_minute: f64,
    followers: usize,
    /// The number of its socket.
    socket: Option<u64>,
}

/// What happened to a feed since the start.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedCounters)]
pub(crate) struct CountersBody {
    /// Messages with data.
    messages: u64,
    /// Of all messages.
    bytes: u64,
    connect_attempts: u64,
    /// Connections that were lost or given up.
    reconnects: u64,
    /// Channels that were asked for anew.
    resyncs: u64,
    checksum_failures: u64,
    /// Keys that got a channel because they are read often.
    promotions: u64,
    /// Those that gave it back.
    demotions: u64,
}

/// Those who follow streams of this gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = Streams)]
pub(crate) struct StreamsBody {
    clients: usize,
    max_clients: usize,
    /// Topics that anybody follows.
    topics: usize,
    max_topics: usize,
    kinds: Vec<StreamBody>,
    /// Those who lag, the worst of them first: 20 at most.
    slow: Vec<SlowBody>,
}

/// One who follows and does not keep up.
#[derive(Serialize, ToSchema)]
#[schema(as = SlowFollower)]
pub(crate) struct SlowBody {
    /// His number among those of the process.
    id: u64,
    /// As in `kinds`.
    #[schema(example = "sse")]
    kind: &'static str,
    /// Who he is.
    #[schema(example = "anonymous")]
    client: String,
    topics: usize,
    /// Updates that a later state made superfluous before he was ready for them.
    conflated: u64,
    /// Trades that he was too slow for, and was told so.
    skipped: u64,
    /// For how long he has been following.
    since_seconds: f64,
}

/// Those who follow streams of one kind, and what they were told since the start.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamStatus)]
pub(crate) struct StreamBody {
    /// `sse`, `ws`, or `bitfinex` for the WebSocket in the exchange's own terms.
    #[schema(example = "sse")]
    kind: &'static str,
    clients: usize,
    /// Topics that they follow, counted by client.
    topics: usize,
    messages: u64,
    bytes: u64,
    /// Updates that a later state made superfluous before a client was ready for them.
    conflated: u64,
    /// Trades that clients were too slow for, and were told so.
    skipped: u64,
    /// Clients that were asked to go elsewhere.
    goaways: u64,
}

fn socket(socket: &SocketSnapshot, now: Instant) -> SocketBody {
    SocketBody {
        socket: socket.id,
        state: socket.state.as_str(),
        since_seconds: now.saturating_duration_since(socket.since).as_secs_f64(),
        channels: socket.channels,
        max_channels: socket.capacity,
        last_message_age_seconds: socket.last_message_age.map(|age| age.as_secs_f64()),
        reconnects: socket.reconnects,
    }
}

fn topic(topic: &TopicSnapshot) -> TopicBody {
    TopicBody {
        topic: topic.topic.to_string(),
        state: topic.state(),
        reason: topic.reason(),
        wanted: topic.want.as_str(),
        last_message_age_seconds: topic.age.map(|age| age.as_secs_f64()),
        reads_per_minute: (topic.heat * 10.0).round() / 10.0,
        followers: topic.followers,
        socket: topic.socket,
    }
}

fn counters(totals: &FeedTotals) -> CountersBody {
    CountersBody {
        messages: totals.messages,
        bytes: totals.bytes,
        connect_attempts: totals.connect_attempts,
        reconnects: totals.reconnects,
        resyncs: totals.resyncs,
        checksum_failures: totals.checksum_failures,
        promotions: totals.promotions,
        demotions: totals.demotions,
    }
}

/// The feed of an exchange.
pub(super) fn feed(desk: &Desk, now: Instant) -> FeedBody {
    let mut shown = desk.live.feed().snapshot();
    // Those of each class stay in the order of their names.
    shown.topics.sort_by_key(|topic| topic.want);
    FeedBody {
        exchange: desk.shelf.name(),
        enabled: shown.enabled,
        state: shown.state().as_str(),
        channels: shown.channels(),
        max_channels: shown.max_channels,
        wanted: shown.topics.len(),
        next_connect_ms: millis(shown.rest),
        sockets: shown.sockets.iter().map(|it| socket(it, now)).collect(),
        counters: counters(&shown.totals),
        topics: shown.topics.iter().take(TOPICS).map(topic).collect(),
    }
}

/// Those who follow.
pub(super) fn streams(reader: &Reader) -> StreamsBody {
    let kind = |kind: &StreamKind| {
        let totals = reader.metrics.stream(*kind).totals();
        StreamBody {
            kind: kind.as_str(),
            clients: totals.clients,
            topics: totals.topics,
            messages: totals.messages,
            bytes: totals.bytes,
            conflated: totals.conflated,
            skipped: totals.skipped,
            goaways: totals.goaways,
        }
    };
    let kinds: Vec<StreamBody> = StreamKind::ALL.iter().map(kind).collect();
    let lines = reader.desks.all().iter().flat_map(|desk| desk.live.hub().all());
    let slow = |it: SlowFollower| SlowBody {
        id: it.id,
        kind: it.kind.as_str(),
        client: name(reader, it.client),
        topics: it.topics,
        conflated: it.conflated,
        skipped: it.skipped,
        since_seconds: it.follows_for.as_secs_f64(),
    };
    StreamsBody {
        slow: reader.metrics.slow_followers(SLOW).into_iter().map(slow).collect(),
        clients: kinds.iter().map(|kind| kind.clients).sum(),
        max_clients: reader.config.now().stream.max_clients,
        topics: lines.filter(|line| line.followers() > 0).count(),
        max_topics: reader.config.now().stream.max_total_topics,
        kinds,
    }
}
