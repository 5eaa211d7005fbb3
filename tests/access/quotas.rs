//! How often, and what is told of it.

use std::time::Duration;

use reqwest::Method;

use crate::rig::{Rig, TICKER, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_told_and_kept_to_on_every_path() {
    let keys = client("bots", "bots key", "quota = { requests = 6, window = \"1h\" }")
        + &client("free", "free key", "");
    let rig = Rig::far(&keys).await;
    let auth = [("authorization", "Bearer bots key")];
    let policy = "\"bots\";q=6;w=3600";
    // A miss, a hit, one that is not found, a 304, a HEAD, and one in the exchange's shape.
    let first = rig.get(TICKER, &auth).await;
    let etag = first.header("etag").unwrap().to_owned();
    let known = [auth[0], ("if-none-match", etag.as_str())];
    let replies = [
        (first, 200),
        (rig.get(TICKER, &auth).await, 200),
        (rig.get("/api/market-data/ticker/NO-PE", &auth).await, 404),
        (rig.get(TICKER, &known).await, 304),
        (rig.send(Method::HEAD, TICKER, &auth).await, 200),
        (rig.get("/v2/ticker/tBTCUSD", &auth).await, 200),
    ];
    let lasts = [3000, 2400, 1800, 1200, 600, 600];
    for (index, ((reply, status), lasts)) in replies.iter().zip(lasts).enumerate() {
        assert_eq!(reply.status, *status, "{reply:?}");
        assert_eq!(reply.header("ratelimit-policy"), Some(policy));
        let told = reply.header("ratelimit").unwrap();
        let (left, time) = told.strip_prefix("\"bots\";r=").unwrap().split_once(";t=").unwrap();
        assert_eq!(left, (5 - index).to_string());
        let time: u64 = time.parse().unwrap();
        // The last one tells when there is another, which the test's own time brings nearer.
        assert!((lasts - 120..=lasts).contains(&time), "{told}");
    }
    for _ in 0..3 {
        let reply = rig.get(TICKER, &auth).await;
        let told = reply.problem(429, "client_quota_exceeded");
        assert_eq!(told["detail"], "6 requests in 1h are used up");
        assert_eq!(told["retryable"], true);
        let wait = told["retry_after_ms"].as_u64().unwrap();
        assert!((480_000..=600_000).contains(&wait), "a refusal costs nothing: {wait}");
        let seconds = wait.div_ceil(1000);
        assert_eq!(reply.header("retry-after"), Some(&*seconds.to_string()));
        assert_eq!(reply.header("ratelimit"), Some(&*format!("\"bots\";r=0;t={seconds}")));
        assert_eq!(reply.header("ratelimit-policy"), Some(policy));
    }
    let free = rig.get_as("free key", TICKER).await;
    assert_eq!((free.status, free.header("ratelimit")), (200, None));
    assert_eq!(free.header("ratelimit-policy"), None);
    let expected = "{client=\"bots\",outcome=\"refused\"} 3\n";
    assert!(rig.samples("tidegate_client_requests_total").contains(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_as_long_as_he_is_told_passes() {
    let keys = client("bots", "bots key", "quota = { requests = 2, window = \"3s\" }");
    let rig = Rig::far(&keys).await;
    assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
    let mut refused = 0;
    // Whoever is slow meanwhile is not refused.
    for _ in 0..100 {
        let reply = rig.get_as("bots key", TICKER).await;
        if reply.status == 200 {
            continue;
        }
        refused += 1;
        let told = reply.problem(429, "client_quota_exceeded");
        let wait = told["retry_after_ms"].as_u64().unwrap();
        assert!((1..=1500).contains(&wait), "one request's part of the window: {wait}");
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
        if refused == 2 {
            return;
        }
    }
    panic!("refused {refused} times only");
}

/// Who looks after the gateway sees it all the more when its clients ask too much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_after_it_costs_nothing_of_a_quota() {
    let more = "rights = [\"read\", \"ops\"]\nquota = { requests = 1, window = \"1h\" }";
    let rig = Rig::far(&client("bots", "bots key", more)).await;
    for path in ["/metrics", "/api/status", "/livez", "/", "/metrics"] {
        let reply = rig.get_as("bots key", path).await;
        assert_eq!((reply.status, reply.header("ratelimit")), (200, None), "{path}");
    }
    assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
    rig.get_as("bots key", TICKER).await.problem(429, "client_quota_exceeded");
    let stream = "/api/market-data/stream?symbols=BTC-USD";
    rig.get_as("bots key", stream).await.problem(403, "forbidden");
    assert_eq!(rig.get_as("bots key", "/metrics").await.status, 200);
}
