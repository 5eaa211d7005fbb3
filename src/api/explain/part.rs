//! One part of an explanation.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::body::millis;
use crate::{
    api::{Reader, ops::status::millis as whole_millis},
    config::Policy,
    market::UnixMs,
    service::{Key, Stand},
    telemetry::explain::{Boarded, CallRecord, Facts, FlightRecord, Part},
};

/// Texts longer than this are cut.
const MAX_TEXT: usize = 240;

/// One key that was read.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplainedPart)]
pub(in crate::api) struct ExplainedPart {
    /// The canonical name: requests that mean the same have the same one.
    #[schema(example = "bitfinex ticker tBTCUSD")]
    key: String,
    #[schema(example = "ticker")]
    kind: &'static str,
    /// `hit`, `stale`, `miss`, `expired`, `collapsed`, `negative`; `null` where nothing was given
    /// and nothing failed.
    #[schema(example = "hit")]
    outcome: Option<&'static str>,
    /// What was decided, and why.
    #[schema(example = "900 ms old, fresh for 3 s")]
    decision: String,
    /// What was given; `null` where nothing was.
    entry: Option<HeldEntry>,
    policy: Option<PolicyBody>,
    /// The fetch that it took; `null` where it took none.
    flight: Option<FlightBody>,
    feed: Option<StandBody>,
    /// Why nothing was given.
    failure: Option<String>,
}

/// A value that is held.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldEntry)]
pub(in crate::api) struct HeldEntry {
    age_ms: u64,
    /// When it was received, in Unix milliseconds.
    #[schema(value_type = i64, example = 1_763_821_800_000_i64)]
    received_at: UnixMs,
    #[schema(example = "2025-11-22T14:30:00.000Z")]
    datetime: String,
    /// `rest`, `stream` or `store`.
    #[schema(example = "rest")]
    source: &'static str,
}

/// For how long a value may be served.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyInForce)]
pub(in crate::api) struct PolicyBody {
    ttl_ms: u64,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
}

/// How a key stands with the exchange's WebSocket.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedStanding)]
pub(in crate::api) struct StandBody {
    /// `live`, `opening`, `stale` or `not_followed`.
    #[schema(example = "not_followed")]
    state: &'static str,
    /// Why it is not live.
    reason: Option<&'static str>,
}

/// A fetch, and what the request had to do with it.
#[derive(Serialize, ToSchema)]
#[schema(as = Flight)]
pub(in crate::api) struct FlightBody {
    /// `started`: by this request, which waited for it. `joined`: it was under way.
    /// `refresh_started`, `refresh_under_way`: the same without waiting.
    #[schema(example = "started")]
    role: &'static str,
    /// How long it had been under way when the request met it.
    under_way_ms: f64,
    /// The request that started it; `null` where the gateway did so by itself.
    started_by: Option<String>,
    /// How many keys its call brings.
    keys: usize,
    /// What disk had, each time that it was asked: `found` or `missing`.
    #[schema(value_type = Vec<String>)]
    store: Vec<&'static str>,
    /// The waits of its calls for their turn, together.
    queue_wait_ms: f64,
    /// The time its calls took at the exchange, together.
    upstream_ms: f64,
    /// Calls that were sent; more than one where some failed.
    attempts: usize,
    calls: Vec<CallBody>,
}

/// One try of a call to the exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = UpstreamCall)]
pub(in crate::api) struct CallBody {
    #[schema(example = "ticker")]
    family: &'static str,
    /// Whom it was charged to.
    #[schema(example = "anonymous")]
    client: String,
    /// How it waited: `client`, `refresh` or `background`.
    #[schema(example = "client")]
    class: &'static str,
    attempt: u32,
    /// Whether it was sent, and so spent a call of the budget.
    sent: bool,
    queue_wait_ms: f64,
    /// `null` until it has ended.
    upstream_ms: Option<f64>,
    /// `ok`, or what went wrong; `null` until it has ended.
    #[schema(example = "ok")]
    result: Option<&'static str>,
    /// Calls that the window had room for after it.
    budget_left: Option<u32>,
}

impl ExplainedPart {
    pub(super) fn of(part: &Part, reader: &Reader) -> Self {
        let key = part.subject.downcast_ref::<Key>();
        let desk = key.and_then(|key| reader.desks.get(Some(key.exchange)).ok());
        let policy = || desk.map(|desk| desk.shelf.policy(part.kind));
        Self {
            key: cut(&part.key),
            kind: part.kind.as_str(),
            outcome: part.outcome.map(|outcome| outcome.as_str()),
            decision: cut(&part.decision),
            entry: part.given.map(HeldEntry::from),
            policy: part.given.map(|given| given.policy).or_else(policy).map(PolicyBody::from),
            flight: part.boarded.as_ref().map(|boarded| FlightBody::of(boarded, reader)),
            feed: desk.zip(key).map(|(desk, key)| StandBody::from(desk.live.stand(&key.product))),
            failure: part.failure.as_deref().map(cut),
        }
    }
}

impl From<Facts> for HeldEntry {
    fn from(facts: Facts) -> Self {
        Self {
            age_ms: whole_millis(facts.age),
            received_at: facts.received_at,
            datetime: facts.received_at.iso(),
            source: facts.source.as_str(),
        }
    }
}

impl From<Policy> for PolicyBody {
    fn from(policy: Policy) -> Self {
        Self {
            ttl_ms: whole_millis(policy.ttl),
            stale_while_revalidate_ms: whole_millis(policy.stale_while_revalidate),
            stale_if_error_ms: whole_millis(policy.stale_if_error),
        }
    }
}

impl From<Stand> for StandBody {
    fn from(Stand { state, reason }: Stand) -> Self {
        Self { state, reason }
    }
}

impl FlightBody {
    fn of(Boarded { role, flight, at }: &Boarded, reader: &Reader) -> Self {
        Self::told(role.as_str(), flight, *at, reader)
    }

    /// A fetch that was met at `at`.
    pub(super) fn told(
        role: &'static str,
        flight: &FlightRecord,
        at: Instant,
        reader: &Reader,
    ) -> Self {
        let (calls, now) = (flight.calls(), Instant::now());
        let sum = |of: fn(&CallRecord, Instant) -> Option<Duration>| {
            millis(calls.iter().filter_map(|call| of(call, now)).sum())
        };
        Self {
            role,
            under_way_ms: millis(at.saturating_duration_since(flight.started())),
            started_by: flight.started_by().map(str::to_owned),
            keys: flight.keys(),
            store: disk(&flight.disk()),
            queue_wait_ms: sum(|call, now| Some(waited(call, now))),
            upstream_ms: sum(took),
            attempts: calls.iter().filter(|call| call.sent.is_some()).count(),
            calls: calls.iter().map(|call| CallBody::of(call, reader, now)).collect(),
        }
    }
}

impl CallBody {
    fn of(call: &CallRecord, reader: &Reader, now: Instant) -> Self {
        Self {
            family: call.family,
            client: reader.metrics.of_client(call.payer.client).name().to_owned(),
            class: call.payer.class.as_str(),
            attempt: call.attempt,
            sent: call.sent.is_some(),
            queue_wait_ms: millis(waited(call, now)),
            upstream_ms: call.ended.and_then(|_| took(call, now)).map(millis),
            result: call.result,
            budget_left: call.budget_left,
        }
    }
}

/// How long a call waited for its turn, or has waited so far.
fn waited(call: &CallRecord, now: Instant) -> Duration {
    let end = call.sent.or(call.ended).unwrap_or(now);
    end.saturating_duration_since(call.asked)
}

/// How long a call took, or has taken so far; `None` where it was not sent.
fn took(call: &CallRecord, now: Instant) -> Option<Duration> {
    let sent = call.sent?;
    Some(call.ended.unwrap_or(now).saturating_duration_since(sent))
}

/// What disk had.
pub(super) fn disk(lookups: &[bool]) -> Vec<&'static str> {
    lookups.iter().map(|found| if *found { "found" } else { "missing" }).collect()
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
