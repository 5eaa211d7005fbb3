//! Freshness in HTTP's own words: what an answer tells of its age, and what a client may demand.

use std::io::Read as _;

use tidegate::sim::{Family, Fault};

use crate::{
    client::{Reply, ask},
    rig::{Rig, SOON, eventually, for_each_product, ms, policy, settings},
    time::{passes, stands_still},
};

const BOOK: &str = "/api/market-data/orderbook/BTC-USD";
const CANDLES: &str = "/api/market-data/ohlcv/BTC-USD";

async fn rig(times: [u64; 4]) -> Rig {
    let mut config = settings();
    for_each_product(&mut config, policy(times));
    Rig::start(config).await
}

async fn demand(rig: &Rig, demand: &str) -> Reply {
    rig.get_with(BOOK, "cache-control", demand).await
}

fn age(reply: &Reply) -> u64 {
    reply.header("age").and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("{reply:?}"))
}

/// What is held, whatever its age.
async fn held(rig: &Rig) -> Reply {
    demand(rig, "only-if-cached, max-stale").await
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_its_age_and_its_lifetime() {
    let time = stands_still();
    let rig = rig([20_000, 30_000, 40_000, 1_000]).await;
    let first = rig.get(BOOK).await;
    assert_eq!((age(&first), first.ttl()), (0, 20));
    let told = "max-age=20, stale-while-revalidate=30, stale-if-error=40";
    assert_eq!(first.header("cache-control"), Some(told));
    time.pass(ms(1_500)).await;
    let later = held(&rig).await;
    assert_eq!((age(&later), later.ttl(), &later.body), (1, 18, &first.body));
    assert_eq!(later.header("cache-control"), Some(told));
    assert_eq!(rig.calls(Family::Book), 1);
}

#[tokio::test(start_paused = true)]
async fn each_way_of_answering_is_told() {
    passes();
    let rig = rig([900, 0, 0, 0]).await;
    assert_eq!(
        rig.get(BOOK).await.cache_status(),
        "tidegate; fwd=miss; stored; ttl=0; detail=rest"
    );
    assert_eq!(rig.get(BOOK).await.cache_status(), "tidegate; hit; ttl=0; detail=rest");
    let expired =
        async || Some(rig.get(BOOK).await).filter(|reply| reply.cache_status().contains("fwd="));
    let reply = eventually(SOON, "the end of its life", expired).await;
    assert_eq!(reply.cache_status(), "tidegate; fwd=stale; stored; ttl=0; detail=rest");

    rig.sim.fault(Fault::delay(ms(400)).always());
    let replies = rig.crowd(5, CANDLES).await;
    let mut told: Vec<&str> = replies.iter().map(Reply::cache_status).collect();
    told.sort_unstable();
    let collapsed = "tidegate; fwd=miss; collapsed; ttl=0; detail=rest";
    assert_eq!(told[..4], [collapsed; 4], "{told:?}");
    assert_eq!(told[4], "tidegate; fwd=miss; stored; ttl=0; detail=rest");
}

#[tokio::test(start_paused = true)]
async fn demands_for_something_newer_are_met_or_refused() {
    let time = stands_still();
    let rig = rig([20_000, 0, 20_000, 0]).await;
    let absent = demand(&rig, "only-if-cached").await;
    absent.problem(BOOK, 504, "deadline_exceeded");
    assert_eq!(rig.calls(Family::Book), 0, "only-if-cached never asks");
    assert_eq!(rig.get(BOOK).await.status, 200);
    for fine in ["only-if-cached", "max-age=10", "min-fresh=10", "max-stale=5", "no-transform"] {
        let reply = demand(&rig, fine).await;
        assert!(
            reply.status == 200 && reply.cache_status().contains("; hit;"),
            "{fine}: {reply:?}"
        );
    }
    assert_eq!(rig.calls(Family::Book), 1);
    for anew in ["no-cache", "max-age=0"] {
        time.pass(ms(1)).await;
        let reply = demand(&rig, anew).await;
        assert_eq!((reply.status, age(&reply)), (200, 0));
        assert!(reply.cache_status().contains("fwd=stale"), "{anew}: {reply:?}");
    }
    assert_eq!(rig.calls(Family::Book), 3);
    time.pass(ms(2_000)).await;
    let reply = demand(&rig, "max-age=1").await;
    assert_eq!((age(&reply), rig.calls(Family::Book)), (0, 4));
    time.pass(ms(2_000)).await;
    let reply = demand(&rig, "min-fresh=19").await;
    assert_eq!((age(&reply), rig.calls(Family::Book)), (0, 5));
    demand(&rig, "min-fresh=21").await.problem(BOOK, 504, "deadline_exceeded");
    for (bad, value) in [("max-age=soon", "soon"), ("min-fresh=-1", "-1"), ("max-stale=1.5", "1.5")]
    {
        let document = demand(&rig, bad).await.problem(BOOK, 422, "invalid_parameter");
        assert_eq!(document["parameter"]["name"], "Cache-Control");
        assert_eq!(document["parameter"]["value"], value);
    }
}

/// What was demanded and cannot be had is an error, never a silently older answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demand_that_cannot_be_met_is_an_error() {
    let rig = rig([20_000, 20_000, 20_000, 0]).await;
    assert_eq!(rig.get(BOOK).await.status, 200);
    rig.sim.fault(Fault::NotReady.always());
    for strict in ["no-cache", "max-age=0"] {
        demand(&rig, strict).await.problem(BOOK, 503, "exchange_unavailable");
    }
    assert_eq!(rig.get(BOOK).await.status, 200, "who demands nothing gets what is held");
}

#[tokio::test(start_paused = true)]
async fn max_stale_widens_what_may_be_served() {
    let time = stands_still();
    let rig = rig([500, 0, 0, 0]).await;
    assert_eq!(rig.get(BOOK).await.status, 200);
    time.pass(ms(1_000)).await;
    let reply = held(&rig).await;
    assert!(reply.ttl() < 0 && rig.calls(Family::Book) == 1, "{reply:?}");
    demand(&rig, "only-if-cached").await.problem(BOOK, 504, "deadline_exceeded");
    demand(&rig, "only-if-cached, max-stale=0").await.problem(BOOK, 504, "deadline_exceeded");
    assert_eq!(rig.calls(Family::Book), 1);
    let reply = demand(&rig, "max-stale=30").await;
    assert!(reply.ttl() < 0 && reply.cache_status().contains("; hit;"), "{reply:?}");
}

/// A stale answer comes at once, and one call refreshes it, however many ask.
#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_answers_at_once_and_refreshes_once() {
    passes();
    let rig = rig([1_500, 60_000, 0, 0]).await;
    let first = rig.get(BOOK).await;
    tokio::time::sleep(ms(2_000)).await;
    rig.sim.fault(Fault::delay(ms(1_200)).always());
    let replies = rig.crowd(20, BOOK).await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (200, &first.body));
        assert!(reply.ttl() < 0, "{reply:?}");
        assert!(reply.took < ms(1_000), "waited {:?}", reply.took);
        assert!(reply.cache_status().starts_with("tidegate; hit;"), "{reply:?}");
    }
    let fresh = async || Some(held(&rig).await).filter(|reply| reply.ttl() >= 0);
    let reply = eventually(SOON, "the refresh", fresh).await;
    assert!(reply.json()["timestamp"].as_i64() > first.json()["timestamp"].as_i64());
    assert_eq!(rig.calls(Family::Book), 2, "one refresh: {:?}", rig.sim.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_the_answer_is_not_sent_it_again() {
    let rig = rig([600_000, 0, 0, 0]).await;
    for path in [BOOK, CANDLES, "/api/market-data/ticker/BTC-USD", "/api/market-data/markets"] {
        let full = rig.get(path).await;
        let tag = full.header("etag").expect("a tag").to_owned();
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let reply = rig.get_with(path, "if-none-match", &known).await;
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{path} {known}");
            assert_eq!(reply.header("etag"), Some(tag.as_str()));
            for header in ["cache-control", "age", "cache-status", "vary"] {
                assert_eq!(
                    reply.header(header).is_some(),
                    full.header(header).is_some(),
                    "{header}"
                );
            }
        }
        let reply = rig.get_with(path, "if-none-match", "\"x\"").await;
        assert_eq!((reply.status, reply.body), (200, full.body));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzip_holds_the_same_text_under_a_tag_of_its_own() {
    let rig = rig([600_000, 0, 0, 0]).await;
    for path in [
        "/api/market-data/orderbook/BTC-USD?limit=100",
        CANDLES,
        "/api/market-data/ohlcv/BTC-USD?format=csv",
        "/api/market-data/markets",
    ] {
        let plain = rig.get(path).await;
        assert!(plain.body.len() > 1024 && plain.header("content-encoding").is_none());
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        let zipped = rig.get_with(path, "accept-encoding", "br, gzip;q=0.5").await;
        assert_eq!(zipped.header("content-encoding"), Some("gzip"));
        assert_eq!(zipped.header("vary"), Some("accept-encoding"));
        assert_eq!(zipped.header("content-type"), plain.header("content-type"));
        assert!(zipped.body.len() < plain.body.len());
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body, "{path}");

        let (tag, plain_tag) = (zipped.header("etag").unwrap(), plain.header("etag").unwrap());
        assert_ne!(tag, plain_tag);
        let both = [("accept-encoding", "gzip"), ("if-none-match", tag)];
        let reply = ask(rig.app.address(), "GET", path, &both).await;
        assert_eq!((reply.status, reply.header("etag")), (304, Some(tag)));
        for refused in ["identity", "gzip;q=0", "br"] {
            let reply = rig.get_with(path, "accept-encoding", refused).await;
            assert_eq!((reply.header("content-encoding"), &reply.body), (None, &plain.body));
        }
    }
    let small = rig.get_with("/api/market-data/ticker/BTC-USD", "accept-encoding", "gzip").await;
    assert!(small.header("content-encoding").is_none() && small.header("vary").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_tells_what_get_would() {
    let rig = rig([600_000, 0, 0, 0]).await;
    let paths = [
        BOOK,
        CANDLES,
        "/api/market-data/ticker/BTC-USD",
        "/livez",
        "/api/market-data/ticker/NO-PE",
    ];
    for path in paths {
        let get = rig.get(path).await;
        let head = ask(rig.app.address(), "HEAD", path, &[]).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for header in ["content-type", "content-length", "etag", "cache-control", "vary"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {path}");
        }
    }
    assert_eq!(rig.sim.counts().total(), 3, "HEAD is answered from the same entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_named() {
    let rig = rig([600_000, 0, 0, 0]).await;
    for path in [BOOK, "/livez", "/nothing", "/api/market-data/ticker/NO-PE"] {
        let given = rig.get_with(path, "x-request-id", "order-17").await;
        assert_eq!(given.header("x-request-id"), Some("order-17"), "{path}");
        let made = [rig.get(path).await, rig.get(path).await];
        let [first, second] = made.map(|reply| reply.header("x-request-id").unwrap().to_owned());
        assert!(first.len() == 16 && first != second, "{first} {second}");
    }
    let long = "x".repeat(500);
    let replaced = rig.get_with(BOOK, "x-request-id", &long).await;
    assert_eq!(replaced.header("x-request-id").map(str::len), Some(16));
}
