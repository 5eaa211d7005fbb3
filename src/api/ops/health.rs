//! `/livez`, `/readyz` and `/healthz`: plain and fast.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, Response, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    Payload, Problem, Reader,
    ops::status::{BudgetBody, budgets},
    params::{Kind, Param},
    problem::Code,
    reader::Asked,
    router::Phase,
    uncached,
};

/// Health in detail.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `ok` or `draining`.
    #[schema(example = "ok")]
    status: &'static str,
    exchanges: Vec<ExchangeHealthBody>,
}

/// One exchange's health.
#[derive(Serialize, ToSchema)]
#[schema(as = ExchangeHealth)]
pub(crate) struct ExchangeHealthBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    /// Whether every family's breaker is closed and none is banned.
    healthy: bool,
    /// Operators keep it from being called and connected to. What is held of it is still served.
    cordoned: bool,
    /// How its WebSocket feed is, as in `/api/status`. It is no part of health: without it, data
    /// comes by requests.
    #[schema(example = "connected")]
    feed: &'static str,
    budgets: Vec<BudgetBody>,
}

fn plain(text: &'static str) -> Response<Payload> {
    let mut response = Response::new(Payload::Shared(Some(text.into())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn verbose(reader: &Reader, phase: &Phase) -> Response<Payload> {
    let exchanges = reader.desks.all().iter().map(|desk| {
        let budgets = budgets(desk);
        let healthy = budgets.iter().all(BudgetBody::is_open);
        let feed = desk.live.feed().snapshot().state().as_str();
        let cordoned = desk.shelf.upstream.is_cordoned();
        ExchangeHealthBody { exchange: desk.shelf.name(), healthy, cordoned, feed, budgets }
    });
    let status = if phase.is_draining() { "draining" } else { "ok" };
    uncached(&HealthBody { status, exchanges: exchanges.collect() })
}

/// The query parameters of health.
pub(crate) const PARAMS: [Param; 1] =
    [Param::new("verbose", "Answers with JSON, budget by budget.", Kind::Flag)];

fn is_verbose(asked: &Asked) -> Result<bool, Problem> {
    asked.params(&PARAMS)?.flag("verbose")
}

/// The process lives.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Operations",
    responses((
        status = 200,
        description = "It does",
        content((String = "text/plain"), (HealthBody = "application/json"))
    ))
)]
pub(crate) async fn livez(
    State(reader): State<Arc<Reader>>,
    State(phase): State<Arc<Phase>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    Ok(if is_verbose(&asked)? { verbose(&reader, &phase) } else { plain("ok\n") })
}

/// Requests are wanted.
///
/// Not while draining. An exchange that is down does not matter here: what
/// is held can still be served.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Operations",
    responses((
        status = 200,
        description = "They are",
        content((String = "text/plain"), (HealthBody = "application/json"))
    ))
)]
pub(crate) async fn readyz(
    State(reader): State<Arc<Reader>>,
    State(phase): State<Arc<Phase>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    let is_verbose = is_verbose(&asked)?;
    if phase.is_draining() {
        return Err(Problem {
            // Long enough for another replica to be found, or for this one's successor.
            retry_after: Some(Duration::from_secs(1)),
            ..Problem::new(Code::Draining, "the process is shutting down")
        });
    }
    Ok(if is_verbose { verbose(&reader, &phase) } else { plain("ready\n") })
}

/// The same as `/livez`, for those who ask for it under this name.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "Operations",
    responses((
        status = 200,
        description = "It lives",
        content((String = "text/plain"), (HealthBody = "application/json"))
    ))
)]
pub(crate) async fn healthz(
    reader: State<Arc<Reader>>,
    phase: State<Arc<Phase>>,
    asked: Asked,
) -> Result<Response<Payload>, Problem> {
    livez(reader, phase, asked).await
}
