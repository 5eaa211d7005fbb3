//! Every route, and the whole middleware stack in its order.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, Request},
    middleware::Next,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    bitfinex,
    explain::forecast,
    market_data::{
        compare, context, exchanges, markets, ohlcv, orderbook, ticker, trades, validate,
    },
    middleware, ops,
    problem::{Code, Problem},
    reader::Reader,
    stream::{sse, ws},
    upgrade::Streams,
};
use crate::{access::Access, tasks::Tasks, telemetry::Metrics};

/// What the routes are served from.
#[derive(Clone)]
pub struct Gateway {
    reader: Arc<Reader>,
    access: Arc<Access>,
    metrics: Arc<Metrics>,
    phase: Arc<Phase>,
    waiting: Arc<Semaphore>,
    streams: Streams,
}

/// Where the process is in its life.
#[derive(Debug, Default)]
pub struct Phase {
    draining: CancellationToken,
}

impl Phase {
    /// True from the stop signal on.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Makes `/readyz` say that no further requests are wanted.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Waits for the stop signal. Cancel-safe.
    pub async fn drains(&self) {
        self.draining.cancelled().await;
    }
}

impl Gateway {
    /// A gateway that serves `reader`'s products to those whom `access` lets in; those who follow
    /// streams are served by `tasks`.
    pub fn new(reader: Arc<Reader>, access: Arc<Access>, tasks: &Tasks) -> Self {
        let streams = Streams::new(&reader.config.now().stream, tasks.clone());
        let waiting = Arc::new(Semaphore::new(reader.config.now().server.limits.max_waiting));
        let metrics = reader.metrics.clone();
        Self { metrics, access, phase: Arc::default(), waiting, streams, reader }
    }

    /// The products.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// Who may ask.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Where the process is in its life.
    pub fn phase(&self) -> &Arc<Phase> {
        &self.phase
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Places for requests that wait for something.
    pub(super) fn waiting(&self) -> &Arc<Semaphore> {
        &self.waiting
    }
}

impl FromRef<Gateway> for Arc<Reader> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.reader.clone()
    }
}

impl FromRef<Gateway> for Arc<Access> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.access.clone()
    }
}

impl FromRef<Gateway> for Streams {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.streams.clone()
    }
}

impl FromRef<Gateway> for Arc<Phase> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.phase.clone()
    }
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Everything.
    Whole,
    /// What clients need, where operators have a listener of their own: market data, streams, the
    /// drop-in, health and documentation.
    Clients,
}

/// The routes of a surface.
pub fn router(gateway: Gateway, surface: Surface) -> Router {
    let observe = axum::middleware::from_fn_with_state(gateway.clone(), middleware::observe);
    let routes = market(&gateway).merge(ops::health());
    let routes = match surface {
        Surface::Whole => routes.merge(ops::routes()).merge(ops::pages(&gateway.reader)),
        Surface::Clients => {
            let hide = axum::middleware::from_fn(hide_dashboard);
            routes.merge(ops::pages(&gateway.reader).route_layer(hide))
        }
    };
    routes
        .fallback(nothing)
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "only GET and HEAD are answered here")
        })
        .layer(observe)
        .with_state(gateway)
}

async fn nothing() -> Problem {
    Problem::new(Code::NotFound, "there is nothing at this path")
}

/// The dashboard shows what only operators are told; its assets are those of the documentation.
async fn hide_dashboard(request: Request, next: Next) -> Response {
    match request.uri().path() {
        "/" => nothing().await.into_response(),
        _ => next.run(request).await,
    }
}

/// Market data, streams of it, and the drop-in.
fn market(gateway: &Gateway) -> Router<Gateway> {
    let market_data = Router::new()
        .route("/ohlcv/{*symbol}", get(ohlcv::ohlcv))
        .route("/ticker/{*symbol}", get(ticker::ticker))
        .route("/tickers", get(ticker::tickers))
        .route("/orderbook/{*symbol}", get(orderbook::orderbook))
        .route("/trades/{*symbol}", get(trades::trades))
        .route("/market-context/{*symbol}", get(context::context))
        .route("/market-context", get(context::contexts))
        .route("/validate-market/{*symbol}", get(validate::validate_market))
        .route("/markets", get(markets::markets))
        .route("/compare/{*symbol}", get(compare::compare))
        .route("/exchanges", get(exchanges::exchanges))
        .route("/stream", get(sse::stream))
        .route("/ws", get(ws::ws));
    let limit = axum::middleware::from_fn_with_state(gateway.clone(), middleware::limit_waiting);
    Router::new()
        .nest("/api/market-data", market_data)
        .nest("/api/explain", forecast::routes())
        .route("/v2", get(bitfinex::rest))
        .route("/v2/", get(bitfinex::rest))
        .route("/v2/{*path}", get(bitfinex::rest))
        .route_layer(limit)
        .route("/ws/2", get(bitfinex::ws))
}
