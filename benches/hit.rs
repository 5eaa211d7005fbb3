//! What an answer costs once its data is held: as a hit, which is a lookup, an age check and the
//! headers; and through the router, which resolves the symbol, reads the entries and encodes.
//!
//! The data comes from the simulated exchange, fetched once before the clock is looked at.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use divan::{Bencher, black_box};
use tidegate::{
    api::{Answers, Gateway, Reader, Server, Surface, router},
    app::App,
    config::{Config, Policy},
    service::Desks,
    sim::{Sim, SimConfig},
    tasks::Tasks,
    telemetry::ClientId,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tower::ServiceExt as _;

const PATHS: [&str; 4] = [
    "/api/market-data/ticker/BTC/USD",
    "/api/market-data/ohlcv/BTC/USD?limit=100&format=arrays",
    "/api/market-data/orderbook/BTC/USD?limit=25",
    "/api/market-data/market-context/BTC/USD",
];

struct Stage {
    runtime: Runtime,
    server: Server,
    /// The same products behind a router that keeps no encoded answer.
    encoding: Router,
    _app: App,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let (app, server, encoding) = runtime.block_on(async {
        let port = || TcpListener::bind("127.0.0.1:0");
        let tasks = Tasks::new(|_| {});
        let sim = Sim::start(SimConfig::default(), port().await.unwrap(), &tasks).await.unwrap();
        let mut config = Config::default();
        config.exchanges["bitfinex"].rest_url = sim.rest_url();
        config.feed.enabled = false;
        let ttl = Duration::from_secs(3600);
        for policy in
            [&mut config.cache.ticker, &mut config.cache.ohlcv, &mut config.cache.orderbook]
        {
            *policy = Policy { ttl, ..*policy };
        }
        let app = App::start(config, port().await.unwrap()).await.unwrap();
        let reader = app.gateway().reader();
        let reader = Arc::new(Reader {
            desks: Desks::new(reader.desks.all().to_vec(), "bitfinex"),
            answers: Answers::new(0),
            metrics: reader.metrics.clone(),
            clock: reader.clock.clone(),
            config: reader.config.clone(),
            logs: reader.logs.clone(),
        });
        let access = app.gateway().access().clone();
        let encoding = router(Gateway::new(reader, access, &tasks), Surface::Whole);
        for path in PATHS {
            let response =
                router(app.gateway().clone(), Surface::Whole).oneshot(get(path)).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
        }
        let server = Server::new(app.gateway().clone());
        (app, server, encoding)
    });
    Stage { runtime, server, encoding, _app: app }
});

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[divan::bench(args = PATHS)]
fn hit(bencher: Bencher<'_, '_>, path: &str) {
    let request = get(path);
    bencher.bench_local(|| {
        STAGE.server.hit(black_box(&request), ClientId::ANONYMOUS).expect("the answer is held")
    });
}

#[divan::bench(args = PATHS)]
fn encoded_anew(bencher: Bencher<'_, '_>, path: &str) {
    let stage = &*STAGE;
    bencher.with_inputs(|| get(path)).bench_local_values(|request| {
        let response = stage.runtime.block_on(stage.encoding.clone().oneshot(request)).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response
    });
}

fn main() {
    divan::main();
}
