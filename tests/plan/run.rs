//! A workload on a real gateway, on virtual time.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tidegate::{
    api::{Surface, router},
    app::App,
    clock::Clock,
    config::Config,
    exchange::Family,
    feed::Feed,
    market::UnixMs,
    plan::{Demand, Rhythm, WARM_UP, What, Workload},
    sim::{Kind, SimClock, SimConfig, Venue},
};
use tokio::{net::TcpListener, time::Instant};
use tower::ServiceExt as _;

use crate::{counted::Counted, exchange::InProcess};

/// 2026-11-22T14:00:00Z.
const START: UnixMs = UnixMs::from_millis(1_795_356_000_000);

/// How often the exchange's sockets look whether they have something to say.
const TICK: Duration = Duration::from_millis(500);

/// What became of a workload after [`WARM_UP`].
pub(crate) struct Seen {
    pub(crate) calls_per_minute: [f64; Family::ALL.len()],
    /// Requests and refusals of each demand, and contexts without their book.
    pub(crate) requests: Vec<[u64; 3]>,
    pub(crate) channels: usize,
    pub(crate) sockets: usize,
}

fn path(demand: &Demand, symbol: &str) -> String {
    let (symbol, limit) = (symbol.replace('/', "-"), demand.limit);
    let rest = match demand.what {
        What::Ticker => format!("ticker/{symbol}"),
        What::Orderbook => format!("orderbook/{symbol}?limit={limit}"),
        What::Trades => format!("trades/{symbol}?limit={limit}"),
        What::Candles(width) => format!("ohlcv/{symbol}?timeframe={width}&limit={limit}"),
        What::Context(width) => {
            format!("market-context/{symbol}?timeframe={width}&limit={limit}")
        }
    };
    format!("/api/market-data/{rest}")
}

fn request(demand: &Demand, path: &str) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(max_age) = demand.max_age {
        let demanded = format!("max-age={}", max_age.as_secs());
        request = request.header(header::CACHE_CONTROL, demanded);
    }
    request.body(Body::empty()).unwrap()
}

/// One client, who asks for one thing.
struct Client {
    demand: usize,
    path: String,
}

/// Lets `workload` go on for `span` after the warm-up.
pub(crate) async fn run(config: &Config, workload: &Workload, span: Duration, seed: u64) -> Seen {
    let clock = Clock::anchored(START);
    let venue = Venue::new(SimConfig {
        seed,
        clock: SimClock::Wall(clock.clone()),
        history: Duration::from_secs(3 * 86_400),
        ..SimConfig::default()
    });
    let exchange = InProcess::new(venue.clone(), TICK);
    let connector = Arc::new(exchange.clone());
    let adapter = exchange.adapter(Kind::Bitfinex, clock.clone());
    let exchange = Arc::new(Counted::new(adapter, workload.latency));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (spoken, settings) = (exchange.clone(), config.feed.clone());
    let open = |sink, metrics: &_, tasks: &_| match settings.enabled {
        true => Feed::start(&settings, spoken, connector, sink, metrics, tasks),
        false => Feed::disabled(),
    };
    let app = App::with_parts(config.clone(), exchange.clone(), open, clock, listener);
    let app = app.await.expect("a gateway");

    let router = router(app.gateway().clone(), Surface::Whole);
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut clients, mut due) = (Vec::new(), BinaryHeap::new());
    let start = Instant::now();
    for (number, demand) in workload.demands.iter().enumerate() {
        for symbol in &demand.symbols {
            for _ in 0..demand.clients {
                due.push(Reverse((start + demand.every.mul_f64(dice.random()), clients.len())));
                clients.push(Client { demand: number, path: path(demand, symbol) });
            }
        }
    }
    let counts_from = start + WARM_UP;
    let end = counts_from + span;
    let mut requests = vec![[0; 3]; workload.demands.len()];
    let mut counts = false;
    let mut under_way = FuturesUnordered::new();
    while let Some(Reverse((at, client))) = due.pop().filter(|next| next.0.0 < end) {
        while Instant::now() < at {
            tokio::select! {
                Some((began, demand, refused, degraded)) = under_way.next() => {
                    note(&mut requests, began >= counts_from, demand, refused, degraded);
                }
                () = tokio::time::sleep_until(at) => {}
            }
        }
        if !counts && at >= counts_from {
            counts = true;
            exchange.take();
        }
        let Client { demand: number, path } = &clients[client];
        let demand = &workload.demands[*number];
        let (router, request) = (router.clone(), request(demand, path));
        let (number, is_context) = (*number, matches!(demand.what, What::Context(_)));
        under_way.push(async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            assert!([200, 503, 504].contains(&status), "{status}");
            let mut degraded = false;
            if is_context && status == 200 {
                let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
                let context: Value = serde_json::from_slice(&body).unwrap();
                degraded = context["orderbook"].is_null();
            }
            (at, number, status != 200, degraded)
        });
        let wait = match demand.rhythm {
            Rhythm::Even => demand.every,
            Rhythm::Random => demand.every.mul_f64(-(1.0 - dice.random::<f64>()).ln()),
        };
        due.push(Reverse((at + wait, client)));
    }
    tokio::time::sleep_until(end).await;
    let calls = exchange.take();
    while let Some((began, demand, refused, degraded)) = under_way.next().await {
        note(&mut requests, began >= counts_from, demand, refused, degraded);
    }
    assert_eq!(venue.counts().refused_total(), 0, "the exchange's limits held");
    let minutes = span.as_secs_f64() / 60.0;
    let feed = app.gateway().reader().desks.all()[0].live.feed().snapshot();
    Seen {
        calls_per_minute: calls.map(|calls| calls as f64 / minutes),
        requests,
        channels: feed.channels(),
        sockets: feed.sockets.len(),
    }
}

fn note(requests: &mut [[u64; 3]], counts: bool, demand: usize, refused: bool, degraded: bool) {
    if counts {
        requests[demand][0] += 1;
        requests[demand][1] += u64::from(refused);
        requests[demand][2] += u64::from(degraded);
    }
}
