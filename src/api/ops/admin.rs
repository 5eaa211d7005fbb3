//! What operators do: never by GET, and only with a key that may.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, Path, State},
    http::{Response, StatusCode, request::Parts},
    routing::{post, put},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use crate::{
    api::{
        Payload, Problem, Reader,
        caller::{Caller, Right},
        reader::Asked,
        router::{Gateway, Phase},
        uncached,
    },
    telemetry::logs,
};

/// The routes of operators' actions.
pub(super) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/api/admin/drain", post(drain))
        .route("/api/admin/cache/clear", post(clear))
        .route("/api/admin/exchanges/{exchange}/cordon", put(cordon).delete(uncordon))
        .route("/api/admin/log", put(log))
}

/// One who may act, and his request's name.
pub(crate) struct Operator {
    client: String,
    request_id: String,
}

impl<S> FromRequestParts<S> for Operator
where
    Arc<Reader>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::of(parts);
        caller.require(Right::Admin)?;
        let asked = Asked::from_request_parts(parts, state).await?;
        asked.params(&[])?;
        let reader = Arc::<Reader>::from_ref(state);
        let client = reader.metrics.of_client(caller.payer.client).name().to_owned();
        Ok(Self { client, request_id: asked.request_id().to_owned() })
    }
}

impl Operator {
    /// Every action is in the log, with who did it.
    fn does(&self, action: &'static str, to: &str) {
        let Self { client, request_id } = self;
        tracing::info!(client, request_id, action, to, "an operator acts");
    }
}

/// Where the process is in its life.
#[derive(Serialize, ToSchema)]
#[schema(as = Draining)]
pub(crate) struct DrainingBody {
    /// `draining`
    #[schema(example = "draining")]
    state: &'static str,
}

/// Which entry.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClearKey)]
pub(crate) struct ClearBody {
    #[schema(example = "bitfinex")]
    exchange: String,
    /// Its name, as `hot[].key` of `/api/status` has it.
    #[schema(example = "ticker tBTCUSD")]
    key: String,
}

/// What became of the entry.
#[derive(Serialize, ToSchema)]
#[schema(as = Cleared)]
pub(crate) struct ClearedBody {
    /// False if nothing of this name was held.
    cleared: bool,
}

/// How an exchange is treated now.
#[derive(Serialize, ToSchema)]
#[schema(as = Cordoned)]
pub(crate) struct CordonedBody {
    #[schema(example = "bitfinex")]
    exchange: &'static str,
    /// Whether it is neither called nor connected to.
    cordoned: bool,
}

/// Which log lines are wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedLog)]
pub(crate) struct WantedLogBody {
    /// As in `log.filter` of the settings.
    #[schema(example = "info,tidegate=debug")]
    filter: String,
}

/// Which log lines are written now.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedLog)]
pub(crate) struct ChangedLogBody {
    #[schema(example = "info,tidegate=debug")]
    filter: String,
    /// Those that were written before.
    #[schema(example = "info")]
    before: String,
}

/// Begins to shut the process down, as SIGTERM does: `/readyz` says so, requests in flight are
/// answered, streams are asked to go elsewhere.
#[utoipa::path(
    post,
    path = "/api/admin/drain",
    operation_id = "drain",
    tag = "Administration",
    responses((status = 202, description = "It has begun", body = DrainingBody))
)]
pub(crate) async fn drain(
    operator: Operator,
    State(phase): State<Arc<Phase>>,
) -> Result<Response<Payload>, Infallible> {
    operator.does("drain", "");
    phase.drain();
    let mut response = uncached(&DrainingBody { state: "draining" });
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Drops what is held under a key, a remembered failure, and the answers made from it.
///
/// The next request for it asks the exchange. What a live channel keeps comes back with its next
/// word; those who follow streams notice nothing.
#[utoipa::path(
    post,
    path = "/api/admin/cache/clear",
    operation_id = "clear",
    tag = "Administration",
    request_body = ClearBody,
    responses((status = 200, description = "It is not held any more", body = ClearedBody))
)]
pub(crate) async fn clear(
    operator: Operator,
    State(reader): State<Arc<Reader>>,
    Body(wanted): Body<ClearBody>,
) -> Result<Response<Payload>, Problem> {
    let desk = reader.desks.get(Some(&wanted.exchange))?;
    operator.does("clear", &format!("{} {}", wanted.exchange, wanted.key));
    let cleared = desk.clear(&wanted.key);
    reader.answers.drop_superseded();
    Ok(uncached(&ClearedBody { cleared }))
}

/// Keeps an exchange from being called and connected to.
///
/// What is held is served as its policy allows; the rest is a 503 `exchange_unavailable`. It lasts
/// until it is lifted, or the process ends.
#[utoipa::path(
    put,
    path = "/api/admin/exchanges/{exchange}/cordon",
    operation_id = "cordon",
    tag = "Administration",
    responses((status = 200, description = "It is left alone", body = CordonedBody))
)]
pub(crate) async fn cordon(
    operator: Operator,
    State(reader): State<Arc<Reader>>,
    Path(exchange): Path<String>,
) -> Result<Response<Payload>, Problem> {
    set_cordon(&operator, &reader, &exchange, true)
}

/// Lets an exchange be called and connected to again.
#[utoipa::path(
    delete,
    path = "/api/admin/exchanges/{exchange}/cordon",
    operation_id = "uncordon",
    tag = "Administration",
    responses((status = 200, description = "It is asked again", body = CordonedBody))
)]
pub(crate) async fn uncordon(
    operator: Operator,
    State(reader): State<Arc<Reader>>,
    Path(exchange): Path<String>,
) -> Result<Response<Payload>, Problem> {
    set_cordon(&operator, &reader, &exchange, false)
}

fn set_cordon(
    operator: &Operator,
    reader: &Reader,
    exchange: &str,
    cordoned: bool,
) -> Result<Response<Payload>, Problem> {
    let desk = reader.desks.get(Some(exchange))?;
    operator.does(if cordoned { "cordon" } else { "uncordon" }, exchange);
    desk.cordon(cordoned);
    Ok(uncached(&CordonedBody { exchange: desk.shelf.name(), cordoned }))
}

/// Changes which log lines are written, until it is changed again or the process ends.
#[utoipa::path(
    put,
    path = "/api/admin/log",
    operation_id = "log",
    tag = "Administration",
    request_body = WantedLogBody,
    responses((status = 200, description = "It is changed", body = ChangedLogBody))
)]
pub(crate) async fn log(
    operator: Operator,
    State(reader): State<Arc<Reader>>,
    Body(WantedLogBody { filter }): Body<WantedLogBody>,
) -> Result<Response<Payload>, Problem> {
    let bad = |error: logs::LogsError| Problem::parameter("filter", &filter, error.to_string());
    logs::check_filter(&filter).map_err(bad)?;
    // Before the change: it may be that nothing is written after it.
    operator.does("log", &filter);
    let before = reader.logs.set(&filter).map_err(bad)?;
    Ok(uncached(&ChangedLogBody { filter, before }))
}
