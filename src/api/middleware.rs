//! What happens to every request around its handler.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{Method, Response},
    middleware::Next,
    response::IntoResponse as _,
};
use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::{
    Gateway,
    admission::Admission,
    bitfinex::{self, Refusal},
    caller::Caller,
    explain::{Explained, ExplanationBody},
    faults::{Failing, Reason},
    problem::{Code, Problem},
    reader::Arrived,
    request_id::{X_REQUEST_ID, request_id},
};
use crate::telemetry::{Endpoint, Outcome, explain, traces};

/// A handler has its own deadline; this much later it is given up from outside.
const HANDLER_GRACE: Duration = Duration::from_millis(250);

/// Names the request, opens its span, bounds its time, survives its panic, completes its problem,
/// counts it.
pub(super) async fn observe(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let arrived = Instant::now();
    let id = request_id(request.headers());
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    request.extensions_mut().insert(Arrived(arrived));
    let matched = request.extensions().get::<MatchedPath>();
    let uri = request.uri().clone();
    let path = uri.path();
    let endpoint = bitfinex::endpoint(path)
        .unwrap_or_else(|| matched.map_or(Endpoint::Unknown, |route| endpoint(route.as_str())));
    let method = request.method().clone();
    let caller = request.extensions().get().copied().unwrap_or(Caller::ANYONE);
    let name = id.to_str().unwrap_or_default();
    let kind = tracing::field::Empty;
    let span = tracing::info_span!("request", id = name, method = %method, path, otel.kind = kind);
    if traces::are_on() {
        span.record("otel.kind", "server");
        traces::continue_from(&span, request.headers());
    }
    let deadline = arrived + gateway.reader().config.now().server.request_deadline + HANDLER_GRACE;
    let explained = Explained::wanted(request.uri(), request.headers(), name, arrived);
    if let Some(explained) = &explained {
        request.extensions_mut().insert(explained.clone());
    }
    let trail = explained.as_ref().map(|explained| explained.trail().clone());
    let admission = request.extensions().get::<Box<Admission>>().cloned();
    let refusal = admission.as_ref().and_then(|admission| admission.verdict.clone().err());
    let handle = async move {
        match refusal {
            Some(problem) => problem.into_response(),
            None => next.run(request).await,
        }
    };
    let handled = explain::asked(name, trail, AssertUnwindSafe(handle).catch_unwind());
    let mut response = match timeout_at(deadline, handled.instrument(span.clone())).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            gateway.metrics().task_panicked("request");
            Problem::new(Code::Internal, "the request's handler panicked").into_response()
        }
        Err(_elapsed) => {
            Problem::new(Code::DeadlineExceeded, "the request took too long").into_response()
        }
    };
    let mut reason = response.extensions_mut().remove::<Reason>();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        reason = Some(Reason::from(&problem));
        let refuse = |explanation: Option<&ExplanationBody>| {
            refuse(&problem, &method, path, name, explanation)
        };
        response = match &explained {
            Some(it) => it.of_problem(gateway.reader(), path, |body| refuse(Some(body))),
            None => refuse(None),
        };
        let _entered = span.enter();
        let status = problem.code.status().as_u16();
        let (code, detail) = (problem.code.as_str(), problem.detail);
        tracing::debug!(status, code, detail, "refused");
    }
    if let Some(reason) = reason {
        let client = caller.payer.client;
        let query = uri.query();
        Failing { id: name, client, method: &method, path, query, endpoint }.note(
            gateway.reader(),
            response.status(),
            reason,
        );
    }
    if let Some(explained) = explained {
        explained.complete(gateway.reader(), path, &mut response);
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    let known = response.extensions_mut().remove::<Outcome>();
    let status = response.status().as_u16();
    if traces::are_on() {
        traces::note(&span, "http.response.status_code", i64::from(status));
        traces::note(&span, "http.route", endpoint.as_str());
    }
    let outcome = known.unwrap_or_else(|| Outcome::of_status(status));
    gateway.metrics().answered(endpoint, outcome, arrived.elapsed());
    if let Some(admission) = admission {
        admission.tell(response.headers_mut());
        admission.grant.client().metrics().answered(outcome);
    }
    response
}

/// A problem as the response to a request: a document, or an error in the exchange's own shape
/// where its clients are answered.
pub(super) fn refuse(
    problem: &Problem,
    method: &Method,
    path: &str,
    id: &str,
    explanation: Option<&ExplanationBody>,
) -> Response<Body> {
    match bitfinex::endpoint(path) {
        Some(_) => Refusal::from(problem).respond(method.as_str(), path).map(Body::new),
        None => problem.respond(path, id, explanation),
    }
}

/// Refuses a request for market data where too many wait already.
pub(super) async fn limit_waiting(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let Ok(_place) = gateway.waiting().try_acquire() else {
        let mut problem = Problem::new(Code::Overloaded, "too many requests wait already");
        problem.retry_after = Some(Duration::from_secs(1));
        return problem.into_response();
    };
    next.run(request).await
}

/// The endpoint that a route stands for.
fn endpoint(route: &str) -> Endpoint {
    let name = route.strip_prefix("/api/market-data/").unwrap_or_default();
    match name.split('/').next().unwrap_or_default() {
        "ohlcv" => Endpoint::Ohlcv,
        "ticker" => Endpoint::Ticker,
        "tickers" => Endpoint::Tickers,
        "orderbook" => Endpoint::Orderbook,
        "trades" => Endpoint::Trades,
        "market-context" if name.contains('/') => Endpoint::MarketContext,
        "market-context" => Endpoint::MarketContexts,
        "validate-market" => Endpoint::ValidateMarket,
        "markets" => Endpoint::Markets,
        "exchanges" => Endpoint::Exchanges,
        "compare" => Endpoint::Compare,
        "stream" => Endpoint::Stream,
        "ws" => Endpoint::Ws,
        _ => Endpoint::Ops,
    }
}
