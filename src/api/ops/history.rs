//! `/api/status/history`: the last ten minutes, for plots.

use std::sync::Arc;

use axum::{extract::State, http::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::status::millis;
use crate::{
    api::{Payload, Problem, Reader, reader::Asked, uncached},
    market::UnixMs,
    telemetry::{History, Past, Sample, Spread},
};

/// A figure at each sample, the oldest first; `null` where it is not known.
type Line = Vec<Option<f32>>;

/// The last ten minutes, sample by sample. All lists are equally long, the oldest sample first.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusHistory)]
pub(crate) struct HistoryBody {
    /// The time between two samples.
    #[schema(example = 2000)]
    step_ms: u64,
    /// When the newest was taken, in Unix milliseconds; `null` before the first.
    #[schema(value_type = Option<i64>)]
    until: Option<UnixMs>,
    /// How many there are: 300 at most.
    samples: usize,
    /// Requests answered, those of operations left out.
    requests_per_second: Line,
    /// The part of the answers with market data that was made from held data alone.
    hit_ratio: Line,
    /// Answers that waited for another request's fetch.
    collapsed_per_second: Line,
    upstream_calls_per_second: Line,
    /// How long requests took.
    latency_ms: SpreadBody,
    /// Age of the data in answers.
    served_age_seconds: SpreadBody,
    /// Those who follow streams.
    stream_clients: Vec<Option<u32>>,
    budgets: Vec<BudgetLineBody>,
}

/// What half of it, and 99 % of it, stayed below.
#[derive(Serialize, ToSchema)]
#[schema(as = SpreadLines)]
pub(crate) struct SpreadBody {
    p50: Line,
    p99: Line,
}

/// The budget of one family of endpoints as it burnt down.
#[derive(Serialize, ToSchema)]
#[schema(as = BudgetLine)]
pub(crate) struct BudgetLineBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    #[schema(example = "candles")]
    family: &'static str,
    /// Calls in any minute, as the operator allows.
    limit: u32,
    /// Calls that could be made.
    left: Vec<Option<u32>>,
}

impl From<Past> for HistoryBody {
    fn from(past: Past) -> Self {
        let samples = &past.samples;
        let line = |of: fn(&Sample) -> Option<f32>| samples.iter().map(of).collect::<Line>();
        let spread = |of: fn(&Sample) -> Option<Spread>| SpreadBody {
            p50: samples.iter().map(|sample| of(sample).map(|it| it.p50)).collect(),
            p99: samples.iter().map(|sample| of(sample).map(|it| it.p99)).collect(),
        };
        let left = |at: usize| samples.iter().map(move |it| it.left.get(at).copied().flatten());
        let budgets = past.budgets.iter().enumerate().map(|(at, budget)| BudgetLineBody {
            exchange: budget.exchange,
            family: budget.family,
            limit: budget.limit,
            left: left(at).collect(),
        });
        Self {
            step_ms: millis(History::STEP),
            until: past.until,
            samples: samples.len(),
            requests_per_second: line(|it| it.requests_per_second),
            hit_ratio: line(|it| it.hit_ratio),
            collapsed_per_second: line(|it| it.collapsed_per_second),
            upstream_calls_per_second: line(|it| it.upstream_calls_per_second),
            latency_ms: spread(|it| it.latency_ms),
            served_age_seconds: spread(|it| it.served_age_seconds),
            stream_clients: samples.iter().map(|it| it.stream_clients).collect(),
            budgets: budgets.collect(),
        }
    }
}

/// What happened in the last ten minutes, a sample every two seconds.
#[utoipa::path(
    get,
    path = "/api/status/history",
    operation_id = "status_history",
    tag = "Operations",
    responses((status = 200, description = "The samples", body = HistoryBody))
)]
pub(crate) async fn history(
    State(reader): State<Arc<Reader>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    asked.params(&[])?;
    Ok(uncached(&HistoryBody::from(reader.metrics.history().past())))
}
