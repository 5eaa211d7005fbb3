//! `/api/status` and `/metrics`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, Response, header},
};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    clients::{AccessBody, ClientBody, FaultBody, access, clients, faults},
    disk::StoreBody,
    feeds::{FeedBody, StreamsBody, feed, streams},
    hot::{HotBody, hot},
};
use crate::{
    access::Access,
    api::{Payload, Problem, Reader, reader::Asked, router::Phase, uncached},
    service::Desk,
    telemetry::BreakerState,
    upstream::PoolSnapshot,
};

/// The state of the gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusBody {
    #[schema(example = "tidegate")]
    name: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    started: String,
    uptime_seconds: f64,
    /// `ready` or `draining`.
    #[schema(example = "ready")]
    state: &'static str,
    requests: RequestsBody,
    cache: CacheBody,
    store: StoreBody,
    exchanges: Vec<ExchangeStatusBody>,
    /// Those who follow streams of this gateway.
    streams: StreamsBody,
    /// The exchanges' WebSockets, and what they keep live.
    feeds: Vec<FeedBody>,
    /// The keys that most answers were given from.
    hot: Vec<HotBody>,
    clients: Vec<ClientBody>,
    /// The last requests that were refused or have failed, the newest first: 50 at most, and four
    /// at most of one kind.
    faults: Vec<FaultBody>,
    log: LogBody,
    access: AccessBody,
}

/// Which log lines are written.
#[derive(Serialize, ToSchema)]
#[schema(as = Log)]
pub(crate) struct LogBody {
    /// As in the settings.
    #[schema(example = "info")]
    filter: String,
}

/// What happened since the start.
#[derive(Serialize, ToSchema)]
#[schema(as = Requests)]
pub(crate) struct RequestsBody {
    total: u64,
    /// Answers made from held data alone.
    from_cache: u64,
    /// Answers of which every part came from the exchange's WebSocket.
    from_streams: u64,
    /// The same as a part of `total`: 0 to 1, `null` before the first.
    from_streams_share: Option<f64>,
    /// Answers that waited for another request's fetch.
    collapsed: u64,
    upstream_calls: u64,
    /// Answers of an exchange with status 429.
    rate_limited: u64,
    /// Over the last minute.
    p99_ms: Option<f64>,
}

/// What the memory cache holds.
#[derive(Serialize, ToSchema)]
#[schema(as = CacheSize)]
pub(crate) struct CacheBody {
    entries: u64,
    bytes: u64,
    max_bytes: u64,
    /// Fetches under way.
    flights: usize,
}

/// One exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = ExchangeStatus)]
pub(crate) struct ExchangeStatusBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    default: bool,
    /// Markets listed; `null` while the list is not there.
    markets: Option<usize>,
    markets_age_seconds: Option<f64>,
    /// Operators keep it from being called and connected to.
    cordoned: bool,
    budgets: Vec<BudgetBody>,
}

/// A budget: that of endpoints which the exchange counts together.
#[derive(Serialize, ToSchema)]
#[schema(as = BudgetStatus)]
pub(crate) struct BudgetBody {
    /// Its name in settings and metrics.
    #[schema(example = "candles")]
    family: &'static str,
    /// What is counted: `requests`, or `weight` where a request may cost more than one.
    #[schema(example = "requests")]
    unit: &'static str,
    /// The endpoints that it is for.
    #[schema(example = json!(["candles"]))]
    endpoints: Vec<&'static str>,
    /// How many the exchange bears at once; `null` where only the minute counts.
    burst: Option<u32>,
    /// So many a minute in the long run, as the operator allows.
    #[schema(example = 30)]
    per_minute: u32,
    /// The window that is kept: a minute, or less where few may go at once.
    #[schema(example = 60_000)]
    window_ms: u64,
    /// So many in any window, as the operator allows: `per_minute` where that is a minute.
    limit: u32,
    /// The same, as the exchange was seen to bear.
    learned: u32,
    /// So many more have room in the window of now.
    left: u32,
    waiting: usize,
    /// When a client's call that comes now would be sent.
    next_slot_ms: u64,
    /// `closed`, `half_open` or `open`.
    #[schema(example = "closed")]
    breaker: &'static str,
    /// What is left of a ban.
    banned_ms: u64,
    last_error: Option<LastErrorBody>,
}

impl BudgetBody {
    /// True if neither breaker nor ban keeps calls from being sent.
    pub(crate) fn is_open(&self) -> bool {
        self.breaker == BreakerState::Closed.as_str() && self.banned_ms == 0
    }
}

/// The last call that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = LastError)]
pub(crate) struct LastErrorBody {
    #[schema(example = "timeout")]
    error: &'static str,
    ago_seconds: f64,
}

pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A part of a whole to four digits after the point; counters that are read one after the other
/// may make it a little more than all.
#[expect(clippy::cast_precision_loss, reason = "no gateway answers 2^52 requests")]
fn share(part: u64, whole: u64) -> Option<f64> {
    let exact = (whole > 0).then(|| part.min(whole) as f64 / whole as f64)?;
    Some((exact * 10_000.0).round() / 10_000.0)
}

/// The budgets of an exchange.
pub(crate) fn budgets(desk: &Desk) -> Vec<BudgetBody> {
    let pools = desk.shelf.upstream.snapshot().pools.into_iter();
    pools.map(BudgetBody::from).collect()
}

impl From<PoolSnapshot> for BudgetBody {
    fn from(pool: PoolSnapshot) -> Self {
        Self {
            family: pool.pool.name,
            unit: pool.pool.unit.as_str(),
            endpoints: pool.pool.families.iter().map(|family| family.as_str()).collect(),
            burst: pool.pool.burst,
            per_minute: pool.per_minute,
            window_ms: millis(pool.window),
            limit: pool.limit,
            learned: pool.ceiling,
            left: pool.left,
            waiting: pool.waiting.total(),
            next_slot_ms: millis(pool.next_slot_in),
            breaker: pool.breaker.as_str(),
            banned_ms: millis(pool.banned_for),
            last_error: pool.last_error.map(|last| LastErrorBody {
                error: last.label,
                ago_seconds: last.ago.as_secs_f64(),
            }),
        }
    }
}

/// The state of the gateway: requests, cache, budgets, breakers, bans, feeds, streams, hot keys,
/// clients, recent faults.
#[utoipa::path(
    get,
    path = "/api/status",
    operation_id = "status",
    tag = "Operations",
    responses((status = 200, description = "The state", body = StatusBody))
)]
pub(crate) async fn status(
    State(reader): State<Arc<Reader>>,
    State(phase): State<Arc<Phase>>,
    State(gate): State<Arc<Access>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    asked.params(&[])?;
    let now = Instant::now();
    let default = reader.desks.get(None)?.shelf.name();
    let exchanges = reader.desks.all().iter().map(|desk| {
        let directory = desk.markets.held();
        ExchangeStatusBody {
            exchange: desk.shelf.name(),
            default: desk.shelf.name() == default,
            markets: directory.as_ref().map(|directory| directory.registry.all().len()),
            markets_age_seconds: directory.map(|it| it.stamp().age(now).as_secs_f64()),
            cordoned: desk.shelf.upstream.is_cordoned(),
            budgets: budgets(desk),
        }
    });
    let metrics = &reader.metrics;
    let totals = metrics.totals();
    let (entries, bytes, flights) = reader.size();
    Ok(uncached(&StatusBody {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        started: metrics.started().iso(),
        uptime_seconds: metrics.uptime().as_secs_f64(),
        state: if phase.is_draining() { "draining" } else { "ready" },
        requests: RequestsBody {
            total: totals.requests,
            from_cache: totals.from_cache,
            from_streams: totals.from_streams,
            from_streams_share: share(totals.from_streams, totals.requests),
            collapsed: totals.collapsed,
            upstream_calls: totals.upstream_calls,
            rate_limited: totals.rate_limited,
            p99_ms: metrics.p99().map(|p99| p99.as_secs_f64() * 1000.0),
        },
        cache: CacheBody {
            entries,
            bytes,
            max_bytes: reader.config.now().cache.max_bytes,
            flights,
        },
        store: reader.desks.get(None)?.shelf.store.snapshot().into(),
        exchanges: exchanges.collect(),
        streams: streams(&reader),
        feeds: reader.desks.all().iter().map(|desk| feed(desk, now)).collect(),
        hot: hot(&reader, now),
        clients: clients(&reader, &gate),
        faults: faults(&reader),
        log: LogBody { filter: reader.logs.current() },
        access: access(&gate),
    }))
}

/// The metrics in the Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Operations",
    responses((status = 200, description = "The metrics", body = String))
)]
pub(crate) async fn metrics(State(reader): State<Arc<Reader>>) -> Response<Payload> {
    for desk in reader.desks.all() {
        desk.shelf.upstream.publish();
    }
    let (entries, bytes, _) = reader.size();
    reader.metrics.cache_holds(entries, bytes);
    let mut response = Response::new(Payload::Shared(Some(reader.metrics.render().into())));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
