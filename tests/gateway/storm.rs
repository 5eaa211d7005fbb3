//! A thousand clients for one cold key, the first of them gone before the answer.

use futures_util::future::join_all;
use tidegate::{
    app::App,
    config::Config,
    sim::{Family, Fault},
};

use crate::{
    client::{Reply, drain, head, send},
    rig::{Rig, SOON, eventually, lenient, ms, settings},
    valve::Valve,
};

const CLIENTS: usize = 1000;

/// Whoever comes first hangs up while the exchange thinks; the others come meanwhile.
async fn storm(path: &str, families: &[Family]) {
    let mut config = settings();
    config.server.request_deadline = 2 * SOON;
    config.exchanges["bitfinex"].request_timeout = 2 * SOON;
    let mut valve = None;
    let rig = Rig::with(lenient(), config, async |mut config: Config, listener| {
        let site = &mut config.exchanges["bitfinex"];
        site.rest_url = valve.insert(Valve::before(&site.rest_url).await).rest_url();
        App::start(config, listener).await
    });
    let rig = rig.await;
    let valve = valve.expect("it is opened before the gateway starts");
    valve.close();
    let request = head("GET", path, &[]);
    let ask = async || send(rig.app.address(), request.as_bytes()).await.unwrap();
    let first = ask().await;
    eventually(SOON, "the first client's calls", async || {
        families.iter().all(|family| rig.calls(*family) == 1).then_some(())
    })
    .await;
    drop(first);

    let others = join_all((1..CLIENTS).map(|_| ask())).await;
    eventually(SOON, "everybody's arrival", async || {
        let open = rig.metric("tidegate_connections_open", "").await;
        (open >= CLIENTS as f64).then_some(())
    })
    .await;
    valve.open();
    let answered = async |mut stream| {
        let bytes = drain(&mut stream).await;
        Reply::parse(&bytes, true).expect("a whole answer").0
    };
    let replies = join_all(others.into_iter().map(answered)).await;

    // Ages are the one thing in which answers may differ.
    let lasting = |body: &[u8]| {
        let text = std::str::from_utf8(body).unwrap();
        text.split("\"data_quality\"").next().unwrap().to_owned()
    };
    let expected = lasting(&replies[0].body);
    let mut collapsed = 0;
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(lasting(&reply.body), expected);
        collapsed += usize::from(reply.cache_status().contains("collapsed"));
    }
    assert!(collapsed > CLIENTS / 2, "{collapsed} came while the flight was under way");
    assert_eq!(rig.sim.counts().total(), families.len() as u64, "{:?}", rig.sim.log());
    assert!(families.iter().all(|family| rig.calls(*family) == 1));
    // A flight gives its answers out before it is over.
    let landed = async || (rig.status().await["cache"]["flights"] == 0).then_some(());
    eventually(SOON, "no flight is left", landed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_brings_a_thousand_tickers() {
    storm("/api/market-data/ticker/BTC-USD", &[Family::Ticker]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_brings_a_thousand_series_of_candles() {
    storm("/api/market-data/ohlcv/BTC-USD?limit=50", &[Family::Candles]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_brings_a_thousand_books() {
    storm("/api/market-data/orderbook/BTC-USD", &[Family::Book]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_calls_bring_a_thousand_contexts() {
    let parts = [Family::Candles, Family::Ticker, Family::Book];
    storm("/api/market-data/market-context/BTC-USD", &parts).await;
}

/// Clients who want different views of the same thing share the one call, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_views_of_one_thing_share_its_call() {
    let rig = Rig::start(settings()).await;
    rig.sim.fault(Fault::delay(ms(300)).always());
    let paths = [
        "/api/market-data/orderbook/BTC-USD?limit=1",
        "/api/market-data/orderbook/btcusd?limit=25",
        "/api/market-data/ohlcv/BTC-USD?limit=10",
        "/api/market-data/ohlcv/BTC-USD?limit=10&format=csv",
        "/api/market-data/market-context/BTC-USD?limit=10",
        "/api/market-data/validate-market/BTC-USD?limit=10",
        "/api/market-data/ticker/tBTCUSD",
    ];
    for reply in join_all(paths.map(|path| rig.get(path))).await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let counts = rig.sim.counts();
    assert_eq!(counts.total(), 3, "one for each part: {:?}", rig.sim.log());
}
