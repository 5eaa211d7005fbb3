//! What may be served while the exchange fails, and how it is told.

use tidegate::sim::{Family, Fault};

use crate::{
    rig::{Rig, SOON, eventually, for_each_product, ms, policy, settings},
    time::stands_still,
};

const PATHS: [(&str, Family); 3] = [
    ("/api/market-data/ohlcv/BTC-USD?limit=50", Family::Candles),
    ("/api/market-data/orderbook/BTC-USD", Family::Book),
    ("/api/market-data/trades/BTC-USD", Family::Trades),
];

/// A copy that is stale is served on error, word for word, and says how old it is; once it is too
/// old there is an error.
#[tokio::test(start_paused = true)]
async fn a_stale_copy_is_served_on_error_for_as_long_as_allowed_and_is_labelled() {
    let time = stands_still();
    let mut config = settings();
    for_each_product(&mut config, policy([1_000, 0, 2_500, 200]));
    // Between two tries there is a pause, in which time would have to pass.
    config.upstream.max_attempts = 1;
    config.upstream.breaker_failures = 1_000;
    let rig = Rig::start(config).await;
    for (path, family) in PATHS {
        let known = rig.get(path).await;
        assert_eq!((known.status, known.ttl()), (200, 1), "{}", known.text());
        rig.only_fault(Fault::Html { status: 502 }.on(family));
        for (later, age, ttl) in [(1_001, "1", -1), (1_000, "2", -2), (1_498, "3", -3)] {
            time.pass(ms(later)).await;
            let reply = rig.get(path).await;
            assert_eq!((reply.status, &reply.body), (200, &known.body), "{path}");
            assert_eq!((reply.header("age"), reply.ttl()), (Some(age), ttl), "{reply:?}");
            assert!(reply.cache_status().starts_with("tidegate; hit; "), "{reply:?}");
            assert_eq!(reply.header("etag"), known.header("etag"));
        }
        time.pass(ms(1)).await;
        rig.get(path).await.problem(path, 503, "exchange_unavailable");

        rig.sim.clear_faults();
        time.pass(ms(200)).await;
        let reply = rig.get(path).await;
        assert_eq!((reply.status, reply.ttl()), (200, 1), "{}", reply.text());
        assert!(reply.cache_status().contains("fwd=stale"), "{reply:?}");
    }
}

/// Without leave to serve something stale there is an error at once, although a copy is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_copy_is_not_served_where_it_may_not_be() {
    let mut config = settings();
    for_each_product(&mut config, policy([50, 0, 0, 200]));
    let rig = Rig::start(config).await;
    for (path, family) in PATHS {
        assert_eq!(rig.get(path).await.status, 200);
        rig.only_fault(Fault::NotReady.on(family));
        tokio::time::sleep(ms(60)).await;
        rig.get(path).await.problem(path, 503, "exchange_unavailable");
        // Who says that he will take it may have it.
        let reply = rig.get_with(path, "cache-control", "max-stale=60").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.ttl() < 0 && reply.cache_status().contains("; hit; "), "{reply:?}");
    }
}

/// While the exchange fails, a stale copy costs no more calls than an error does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_answers_do_not_hammer_the_exchange() {
    let mut config = settings();
    for_each_product(&mut config, policy([1, 0, 60_000, 60_000]));
    let rig = Rig::start(config).await;
    let (path, family) = PATHS[1];
    assert_eq!(rig.get(path).await.status, 200);
    rig.only_fault(Fault::Html { status: 200 }.on(family));
    let stale = async || Some(rig.get(path).await).filter(|reply| reply.ttl() < 0);
    eventually(SOON, "a stale answer", stale).await;
    for _ in 0..3 {
        for reply in rig.crowd(20, path).await {
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(reply.ttl() < 0, "{reply:?}");
        }
    }
    assert_eq!(rig.calls(family), 2, "the good one and one that failed: {:?}", rig.sim.log());
}
