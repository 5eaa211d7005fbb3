//! A gateway in process: asked through its router, without sockets, so that time may be made to
//! pass.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request as HttpRequest, StatusCode},
};
use serde_json::Value;
use tidegate::{
    api::{Surface, router},
    app::App,
    clock::Clock,
    config::Config,
    feed::Feed,
    sim::{Kind, Venue},
};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::{
    bars::{Bar, judge},
    exchange::InProcess,
    tally::Outcome,
    trace::{Request, Wish},
};

/// How often the exchange looks whether it has something to say.
const TICK: Duration = Duration::from_millis(250);

pub(crate) struct Gateway {
    app: App,
    router: Router,
    venue: Venue,
}

impl Gateway {
    /// One with nothing but defaults, cold, in front of `venue`.
    pub(crate) async fn start(venue: Venue, clock: Clock, feeds: bool) -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.feed.enabled = feeds;
        let connector = Arc::new(InProcess::new(venue.clone(), TICK));
        let exchange = connector.adapter(Kind::Bitfinex, clock.clone());
        let settings = config.feed.clone();
        let spoken = exchange.clone();
        let open = |sink, metrics: &_, tasks: &_| {
            Feed::start(&settings, spoken, connector, sink, metrics, tasks)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let app = App::with_parts(config, exchange, open, clock, listener).await?;
        let router = router(app.gateway().clone(), Surface::Whole);
        Ok(Self { app, router, venue })
    }

    /// What a client gets.
    pub(crate) async fn ask(&self, request: &Request) -> anyhow::Result<Outcome> {
        let Request { market, .. } = request;
        let width = request.timeframe.as_str();
        let ohlcv = format!("/api/market-data/ohlcv/{market}?timeframe={width}");
        let path = match request.wish {
            Wish::Newest { limit } => format!("{ohlcv}&limit={limit}"),
            Wish::Since { bars, limit } => {
                let since = request.since(bars, self.venue.now()).millis();
                format!("{ohlcv}&limit={limit}&since={since}")
            }
            Wish::Closed { limit } => format!("{ohlcv}&limit={limit}&closed_only=true"),
            Wish::Context { limit } => {
                let context = format!("/api/market-data/market-context/{market}");
                format!("{context}?timeframe={width}&limit={limit}")
            }
        };
        let ask = HttpRequest::get(path).body(Body::empty())?;
        let response = self.router.clone().oneshot(ask).await?;
        if response.status() != StatusCode::OK {
            return Ok(Outcome::Nothing);
        }
        let age = response.headers().get("age").context("an answer tells its age")?;
        let age = Duration::from_secs(age.to_str()?.parse()?);
        if !matches!(request.wish, Wish::Closed { .. }) {
            return Ok(Outcome::Data(age));
        }
        let body = to_bytes(response.into_body(), usize::MAX).await?;
        let body: Value = serde_json::from_slice(&body)?;
        let newest = body["candles"].as_array().and_then(|rows| rows.last());
        let bar = |row: &Value| {
            Some(Bar {
                start: row["timestamp"].as_i64()?,
                close: row["close"].as_f64()?,
                volume: row["volume"].as_f64()?,
            })
        };
        Ok(judge(&self.venue, request, newest.and_then(bar)))
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.app.drain().await;
    }
}
