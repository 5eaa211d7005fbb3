//! Every route, and the whole middleware stack in its order.

use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    bitfinex,
    explain::forecast,
    market_data::{context, exchanges, markets, ohlcv, orderbook, ticker, trades, validate},
    middleware, ops,
    problem::{Code, Problem},
    reader::Reader,
    stream::{sse, ws},
    upgrade::Streams,
};
use crate::{tasks::Tasks, telemetry::Metrics};

/// What the routes are served from.
#[derive(Clone)]
pub struct Gateway {
    reader: Arc<Reader>,
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
    /// A gateway that serves `reader`'s products; those who follow streams are served by `tasks`.
    pub fn new(reader: Arc<Reader>, tasks: &Tasks) -> Self {
        let streams = Streams::new(&reader.config.stream, tasks.clone());
        let waiting = Arc::new(Semaphore::new(reader.config.server.limits.max_waiting));
        Self { metrics: reader.metrics.clone(), phase: Arc::default(), waiting, streams, reader }
    }

    /// The products.
    pub fn reader(&self) -> &Arc<Reader> {
        &self.reader
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

/// Every route.
pub fn router(gateway: Gateway) -> Router {
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
        .route("/exchanges", get(exchanges::exchanges))
        .route("/stream", get(sse::stream))
        .route("/ws", get(ws::ws));
    let limit = axum::middleware::from_fn_with_state(gateway.clone(), middleware::limit_waiting);
    let observe = axum::middleware::from_fn_with_state(gateway.clone(), middleware::observe);
    Router::new()
        .nest("/api/market-data", market_data)
        .nest("/api/explain", forecast::routes())
        .route("/v2", get(bitfinex::rest))
        .route("/v2/", get(bitfinex::rest))
        .route("/v2/{*path}", get(bitfinex::rest))
        .route_layer(limit)
        .route("/ws/2", get(bitfinex::ws))
        .merge(ops::routes(&gateway.reader))
        .fallback(async || Problem::new(Code::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "only GET and HEAD are answered here")
        })
        .layer(observe)
        .with_state(gateway)
}
