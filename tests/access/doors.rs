//! Which door opens with which key, and what is said at a closed one.

use reqwest::Method;

use crate::rig::{Rig, TICKER, client};

const OPEN: [&str; 8] = [
    "/livez",
    "/readyz",
    "/healthz",
    "/",
    "/docs",
    "/assets/app.js",
    "/openapi.json",
    "/asyncapi.json",
];

fn keys() -> String {
    client("bots", "bots key", "")
        + &client("watcher", "watcher key", "rights = [\"ops\"]")
        + &client("reader", "reader key", "rights = [\"read\"]")
        + &client("boss", "boss key", "rights = [\"admin\"]")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_told_that_a_key_is_needed_and_cost_nothing() {
    let rig = Rig::far(&keys()).await;
    assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
    rig.sim.reset_counts();
    // The answer is held, so that the fast path would have one.
    for path in [TICKER, "/api/market-data/ohlcv/BTC/USD", "/api/status", "/metrics", "/nowhere"] {
        let told = rig.get(path, &[]).await.problem(401, "unauthorized");
        let detail = "a key is needed here: Authorization: Bearer KEY, or X-Api-Key: KEY";
        assert_eq!((&told["detail"], &told["retryable"]), (&detail.into(), &false.into()));
        assert_eq!(told["instance"], path);
    }
    for path in OPEN {
        assert_eq!(rig.get(path, &[]).await.status, 200, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let reply = rig.send(method, "/api/admin/drain", &[]).await;
        reply.problem(401, "unauthorized");
    }
    let head = rig.send(Method::HEAD, TICKER, &[]).await;
    assert_eq!((head.status, head.text.as_str()), (401, ""));
    for (path, upgrade) in [("/ws/2", true), ("/api/market-data/ws", true), (TICKER, false)] {
        let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
        let headers = if upgrade { &headers[..] } else { &[] };
        assert_eq!(rig.get(path, headers).await.status, 401, "{path}");
    }
    assert_eq!(rig.sim.counts().total(), 0);
}

/// Who has a key and makes a mistake with it is told so, and not taken for somebody without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_never_as_good_as_none() {
    let rig = Rig::near(&keys()).await;
    assert_eq!(rig.get(TICKER, &[]).await.status, 200, "none is needed here");
    for wrong in ["wrong", "bots ke", "bots keyy", "Bots key"] {
        let told = rig.get_as(wrong, TICKER).await.problem(401, "unauthorized");
        assert_eq!(told["detail"], "the key is not known here");
        assert!(!told.to_string().contains(wrong), "{told}");
        let told = rig.get(TICKER, &[("x-api-key", wrong)]).await.problem(401, "unauthorized");
        assert!(!told.to_string().contains(wrong), "{told}");
    }
    let both = [("authorization", "Bearer bots key"), ("x-api-key", "reader key")];
    let told = rig.get(TICKER, &both).await.problem(401, "unauthorized");
    assert_eq!(told["detail"], "two keys are shown, and they differ");
    let both = [("authorization", "Bearer bots key"), ("x-api-key", "bots key")];
    assert_eq!(rig.get(TICKER, &both).await.status, 200);
    let basic = [("authorization", "Basic Ym90czprZXk=")];
    rig.get(TICKER, &basic).await.problem(401, "unauthorized");
    // What is open to all stays open.
    assert_eq!(rig.get_as("wrong", "/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_right_opens_its_own_doors() {
    let rig = Rig::far(&keys()).await;
    let doors = [
        TICKER,
        "/v2/ticker/tBTCUSD",
        "/api/market-data/stream?symbols=NO-PE",
        "/api/status",
        "/metrics",
        "/api/admin/drain",
    ];
    for (key, expected) in [
        ("bots key", [200, 200, 404, 403, 403, 403]),
        ("reader key", [200, 200, 403, 403, 403, 403]),
        ("watcher key", [403, 403, 403, 200, 200, 403]),
    ] {
        for (path, status) in doors.into_iter().zip(expected) {
            let reply = rig.get_as(key, path).await;
            assert_eq!(reply.status, status, "{key} {path}: {}", reply.text);
            if status == 403 && !path.starts_with("/v2") {
                let told = reply.problem(403, "forbidden");
                let detail = told["detail"].as_str().unwrap();
                assert!(detail.starts_with("this needs a key with the right "), "{detail}");
            }
        }
    }
    let reply = rig.get_as("boss key", "/api/status").await;
    let told = reply.problem(403, "forbidden");
    assert_eq!(told["detail"], "this needs a key with the right ops", "a right brings no other");
    let through = rig.get_as("boss key", "/api/admin/nothing").await;
    assert_eq!(through.status, 404, "behind the door: {}", through.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_the_exchange_are_told_in_its_own_words() {
    let rig = Rig::far(&(keys() + &client("slow", "slow key", QUOTA))).await;
    const QUOTA: &str = "quota = { requests = 1, window = \"1h\" }";
    let path = "/v2/ticker/tBTCUSD";
    let reply = rig.get(path, &[]).await;
    let said =
        r#"["error",10100,"a key is needed here: Authorization: Bearer KEY, or X-Api-Key: KEY"]"#;
    assert_eq!((reply.status, reply.text.as_str()), (401, said));
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"tidegate\""));
    let reply = rig.get_as("watcher key", path).await;
    let said = r#"["error",10100,"this needs a key with the right read"]"#;
    assert_eq!((reply.status, reply.text.as_str()), (403, said));
    assert_eq!(rig.get_as("slow key", path).await.status, 200);
    let reply = rig.get_as("slow key", path).await;
    assert_eq!((reply.status, reply.text.as_str()), (429, r#"["error",11010,"ratelimit: error"]"#));
    assert!(reply.header("retry-after").is_some() && reply.header("ratelimit").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_without_a_key_have_the_rights_of_their_entry() {
    let anonymous = "[[client]]\nname = \"anonymous\"\nrights = [\"ops\"]\n";
    let rig = Rig::near(&(keys() + anonymous)).await;
    rig.get(TICKER, &[]).await.problem(401, "unauthorized");
    assert_eq!(rig.get("/metrics", &[]).await.status, 200);
    let rig = Rig::start("0.0.0.0:0", &keys(), |config| config.access.open = true).await;
    assert_eq!(rig.get(TICKER, &[]).await.status, 200);
    let drain = rig.send(Method::POST, "/api/admin/drain", &[]).await;
    drain.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_keys_are_configured_nobody_is_asked_for_one() {
    let rig = Rig::start("127.0.0.1:0", "", |config| config.access.keys_file = None).await;
    for headers in [&[] as &[_], &[("authorization", "Bearer any"), ("x-api-key", "other")]] {
        let reply = rig.get(TICKER, headers).await;
        assert_eq!((reply.status, reply.header("ratelimit")), (200, None));
    }
}

/// Everybody is counted under a name of the keys file, whatever he shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_know_clients_by_configured_names_only() {
    let rig = Rig::far(&keys()).await;
    for n in 0..30 {
        rig.get_as(&format!("tg_{n}"), TICKER).await.problem(401, "unauthorized");
    }
    for _ in 0..3 {
        assert_eq!(rig.get_as("bots key", TICKER).await.status, 200);
    }
    assert_eq!(rig.get_as("reader key", "/api/market-data/ticker/NO-PE").await.status, 404);
    assert_eq!(rig.get_as("watcher key", TICKER).await.status, 403);
    let expected = "\
{client=\"anonymous\",outcome=\"client_error\"} 30
{client=\"bots\",outcome=\"ok\"} 3
{client=\"reader\",outcome=\"client_error\"} 1
{client=\"watcher\",outcome=\"client_error\"} 1
";
    assert_eq!(rig.samples("tidegate_client_requests_total"), expected);
    let text = rig.app.gateway().reader().metrics.render();
    assert!(!text.contains("tg_") && !text.contains(" key"));
}
