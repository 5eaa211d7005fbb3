//! Whose pages may read answers.

use crate::rig::{Reply, Rig, STUCK, TICKER, plain};

const DESK: &str = "https://desk.example.com";
const EXPOSED: &str =
    "Age, ETag, Cache-Status, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Link";
const ALLOWED: &str = "Authorization, X-Api-Key, Cache-Control, If-None-Match, Priority, \
                       X-Request-Id, X-Tidegate-Explain, Last-Event-ID";

async fn allowing(origins: &[&str]) -> Rig {
    Rig::start(|config| {
        config.server.cors.origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        config.cache.ticker.ttl = STUCK;
    })
    .await
}

async fn from(rig: &Rig, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    plain(rig.address(), method, path, headers).await
}

/// Everything that is said about origins.
fn said(reply: &Reply) -> Vec<(&str, &str)> {
    let said = reply.headers.iter().filter(|(name, value)| {
        name.starts_with("access-control-") || name == "vary" && value == "Origin"
    });
    let mut said: Vec<_> = said.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    said.sort_unstable();
    said
}

/// The first answer comes from the router, the second from memory.
async fn twice(rig: &Rig, headers: &[(&str, &str)]) -> [Reply; 2] {
    let path = format!("{TICKER}?exchange=bitfinex");
    let replies = [from(rig, "GET", &path, headers).await, from(rig, "GET", &path, headers).await];
    let hits = replies.each_ref().map(|reply| {
        assert_eq!(reply.status, 200);
        reply.header("cache-status").unwrap().starts_with("tidegate; hit")
    });
    assert_eq!(hits, [false, true]);
    replies
}

#[tokio::test]
async fn without_settings_nothing_is_said() {
    let rig = allowing(&[]).await;
    for reply in twice(&rig, &[("origin", DESK)]).await {
        assert_eq!(said(&reply), []);
    }
    let preflight = [("origin", DESK), ("access-control-request-method", "GET")];
    let reply = from(&rig, "OPTIONS", TICKER, &preflight).await;
    assert_eq!((reply.status, said(&reply)), (405, vec![]));
}

#[tokio::test]
async fn a_listed_origin_may_read_and_others_may_not() {
    let rig = allowing(&["http://localhost:3000", DESK]).await;
    for reply in twice(&rig, &[("origin", DESK)]).await {
        let expected = [
            ("access-control-allow-origin", DESK),
            ("access-control-expose-headers", EXPOSED),
            ("vary", "Origin"),
        ];
        assert_eq!(said(&reply), expected);
    }
    let strangers: [&[(&str, &str)]; 4] = [
        &[],
        &[("origin", "https://desk.example.com.evil.example")],
        &[("origin", "http://desk.example.com")],
        &[("origin", "null")],
    ];
    for stranger in strangers {
        // Caches between are not to give this answer to the others.
        let reply = from(&rig, "GET", TICKER, stranger).await;
        assert_eq!((reply.status, said(&reply)), (200, vec![("vary", "Origin")]), "{stranger:?}");
    }
    let problem = from(&rig, "GET", "/api/market-data/ticker/NO-SUCH", &[("origin", DESK)]).await;
    assert_eq!((problem.status, said(&problem)[0]), (404, ("access-control-allow-origin", DESK)));
}

#[tokio::test]
async fn a_preflight_is_answered_in_full() {
    let rig = allowing(&[DESK]).await;
    let preflight = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x-api-key"),
        ]
    };
    let reply = from(&rig, "OPTIONS", TICKER, &preflight(DESK)).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    let expected = [
        ("access-control-allow-headers", ALLOWED),
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-origin", DESK),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ];
    assert_eq!(said(&reply), expected);
    let reply = from(&rig, "OPTIONS", TICKER, &preflight("https://evil.example")).await;
    assert_eq!((reply.status, said(&reply)), (204, vec![("vary", "Origin")]));
    let reply = from(&rig, "OPTIONS", TICKER, &[("origin", DESK)]).await;
    assert_eq!(reply.status, 405, "no preflight");
}

#[tokio::test]
async fn everybody_is_one_answer_for_all() {
    let rig = allowing(&["*"]).await;
    for reply in twice(&rig, &[("origin", DESK)]).await {
        let expected =
            [("access-control-allow-origin", "*"), ("access-control-expose-headers", EXPOSED)];
        assert_eq!(said(&reply), expected);
    }
}
