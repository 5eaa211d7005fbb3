//! What operators do.

use super::*;

const CORDON: &str = "/api/admin/exchanges/bitfinex/cordon";

impl Bench {
    async fn clear(&self, exchange: &str, key: &str) -> Reply {
        let body = json!({ "exchange": exchange, "key": key });
        self.act(Method::POST, "/api/admin/cache/clear", body).await
    }

    async fn cordoned(&self) -> Value {
        let shown = self.status().await["exchanges"][0]["cordoned"].clone();
        let health = self.get("/readyz?verbose").await;
        assert_eq!(health.status, 200, "an exchange that is not asked is no reason");
        assert_eq!(health.json()["exchanges"][0]["cordoned"], shown);
        let metrics = self.get("/metrics").await.text;
        let line = metrics.lines().find(|line| line.starts_with("tidegate_cordoned{")).unwrap();
        let gauge =
            format!("tidegate_cordoned{{exchange=\"bitfinex\"}} {}", u8::from(shown == true));
        assert_eq!(line, gauge);
        shown
    }
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_exchange_is_not_called_and_what_is_held_is_served() {
    let bench = Bench::new().await;
    assert_eq!(bench.cordoned().await, false);
    bench.get(TICKER).await;
    let reply = bench.act(Method::PUT, CORDON, Value::Null).await;
    let cordoned = json!({ "exchange": "bitfinex", "cordoned": true });
    assert_eq!((reply.status, reply.json()), (200, cordoned));
    assert_eq!(bench.cordoned().await, true);

    let served = async |wait: u64| {
        sleep(secs(wait)).await;
        let reply = bench.get(TICKER).await;
        (reply.status, reply.header("age").to_owned())
    };
    assert_eq!(served(9).await, (200, "9".to_owned()), "fresh");
    assert_eq!(served(6).await, (200, "15".to_owned()), "stale while it would be fetched anew");
    assert_eq!(served(50).await, (200, "65".to_owned()), "stale since that fails");
    sleep(secs(10)).await;
    let missed = bench.get(TICKER).await;
    let problem = missed.json();
    assert_eq!((missed.status, &problem["code"]), (503, &json!("exchange_unavailable")));
    assert_eq!(problem["detail"], "the exchange is unavailable: cordoned by an operator");
    assert_eq!((missed.header("retry-after"), &problem["retry_after_ms"]), ("5", &json!(5000)));
    let native = bench.get("/v2/ticker/tBTCUSD").await;
    assert_eq!((native.status, native.header("retry-after")), (503, "5"));
    assert_eq!(bench.asked(), 1);
    let refused = "tidegate_upstream_refusals_total{exchange=\"bitfinex\",family=\"ticker\",\
                   reason=\"cordoned\"}";
    let metrics = bench.get("/metrics").await.text;
    let refused = metrics.lines().find_map(|line| line.strip_prefix(refused)).unwrap();
    assert_ne!(refused.trim(), "0");

    let reply = bench.act(Method::DELETE, CORDON, Value::Null).await;
    assert_eq!((reply.status, reply.json()["cordoned"].clone()), (200, json!(false)));
    assert_eq!(bench.cordoned().await, false);
    assert_eq!(bench.get(TICKER).await.status, 200, "the failure is forgotten at once");
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cleared_key_is_asked_for_once_by_the_next_read() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        assert_eq!(bench.get(TICKER).await.json()["last"], json!(1));
    }
    assert!(bench.has_encoded(TICKER));
    let size = async || bench.status().await["cache"]["entries"].as_u64().unwrap();
    let before = size().await;
    let reply = bench.clear("bitfinex", "ticker tBTCUSD").await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "cleared": true })));
    assert!(!bench.has_encoded(TICKER));
    assert_eq!(size().await, before - 2, "the entry, and the answer made from it");
    assert_eq!(bench.asked(), 1, "nobody has asked for it");
    let again = bench.clear("bitfinex", "ticker tBTCUSD").await;
    assert_eq!(again.json(), json!({ "cleared": false }));
    for _ in 0..3 {
        assert_eq!(bench.get(TICKER).await.json()["last"], json!(2));
    }
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_failure_can_be_cleared() {
    let bench = Bench::new().await;
    let path = "/api/market-data/orderbook/BTC-USD";
    let refused = async || bench.get(path).await.json()["code"].clone();
    assert_eq!(refused().await, "exchange_unavailable");
    let key = "orderbook tBTCUSD P0 25";
    assert_eq!(bench.clear("bitfinex", key).await.json(), json!({ "cleared": true }));
    assert_eq!(bench.clear("bitfinex", key).await.json(), json!({ "cleared": false }));
}

#[tokio::test(start_paused = true)]
async fn the_log_filter_is_changed_and_a_bad_one_is_not_taken() {
    let bench = Bench::new().await;
    let shown = async || bench.status().await["log"]["filter"].clone();
    let before = shown().await;
    let put = |filter: &str| bench.act(Method::PUT, "/api/admin/log", json!({ "filter": filter }));
    let reply = put("info,tidegate=debug").await;
    let changed = json!({ "filter": "info,tidegate=debug", "before": before });
    assert_eq!((reply.status, reply.json()), (200, changed));
    for bad in ["tidegate=loud", ""] {
        let reply = put(bad).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["parameter"]["name"]), (422, &json!("filter")), "{bad}");
        assert_eq!(problem["code"], "invalid_parameter");
    }
    assert_eq!(shown().await, "info,tidegate=debug");
}

#[tokio::test(start_paused = true)]
async fn draining_begins_at_once() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/readyz").await.status, 200);
    let reply = bench.act(Method::POST, "/api/admin/drain", Value::Null).await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "state": "draining" })));
    assert_eq!(bench.get("/readyz").await.json()["code"], "draining");
    assert_eq!(bench.status().await["state"], "draining");
    // What `serve` waits for beside signals.
    bench.app.gateway().phase().drains().await;
    assert!(bench.app.drain().await);
}

#[tokio::test(start_paused = true)]
async fn nobody_acts_without_the_right_whatever_he_sends() {
    let bench = Bench::new().await;
    bench.get(TICKER).await;
    let actions = [
        ("POST", "/api/admin/drain", "POST"),
        ("POST", "/api/admin/cache/clear", "POST"),
        ("PUT", CORDON, "PUT,DELETE"),
        ("DELETE", CORDON, "PUT,DELETE"),
        ("PUT", "/api/admin/log", "PUT"),
    ];
    let body = json!({ "exchange": "bitfinex", "key": "ticker tBTCUSD" });
    for (method, path, allowed) in actions {
        for caller in [Caller::ANYONE, bench.caller("bot", false)] {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("content-type", "application/json");
            let request = request.body(Body::from(body.to_string())).unwrap();
            let reply = bench.send(caller, request).await;
            let problem = reply.json();
            assert_eq!((reply.status, &problem["code"]), (403, &json!("forbidden")), "{path}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with("this needs a key with the right admin"), "{detail}");
        }
        for method in [Method::GET, Method::HEAD] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let reply = bench.send(bench.caller("ops", true), request).await;
            assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{path}");
        }
    }
    let status = bench.status().await;
    assert_eq!(
        (&status["state"], &status["exchanges"][0]["cordoned"]),
        (&json!("ready"), &json!(false))
    );
    assert!(bench.has_encoded(TICKER));
}

#[tokio::test(start_paused = true)]
async fn what_operators_send_is_read_strictly() {
    let bench = Bench::new().await;
    let ops = bench.caller("ops", true);
    let refused = async |media: &str, body: String| {
        let request = Request::post("/api/admin/cache/clear").header("content-type", media);
        let reply = bench.send(ops, request.body(Body::from(body)).unwrap()).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (422, &json!("invalid_parameter")));
        let detail = problem["detail"].as_str().unwrap().to_owned();
        (problem["parameter"]["name"].as_str().unwrap().to_owned(), detail)
    };
    let good = json!({ "exchange": "bitfinex", "key": "x" });
    let (name, detail) = refused("text/plain", good.to_string()).await;
    assert_eq!(name, "content-type");
    assert!(detail.ends_with("must be application/json"), "{detail}");
    for (body, why) in [
        ("{".to_owned(), "EOF while parsing"),
        (json!({ "exchange": "bitfinex" }).to_string(), "missing field `key`"),
        (json!({ "exchange": "bitfinex", "key": "x", "all": true }).to_string(), "unknown field"),
        (json!({ "exchange": "bitfinex", "key": 7 }).to_string(), "invalid type: integer `7`"),
        (format!("{good}{}", " ".repeat(4096)), "at most 4096 bytes"),
    ] {
        let (name, detail) = refused("application/json; charset=utf-8", body).await;
        assert_eq!(name, "body");
        assert!(detail.starts_with(&format!("the body: {why}")), "{detail}");
    }
    let unknown = bench.clear("mtgox", "x").await;
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (404, json!("unknown_exchange")));
    let path = "/api/admin/exchanges/mtgox/cordon?now=1";
    let parameter = bench.act(Method::PUT, path, Value::Null).await;
    assert_eq!(parameter.json()["parameter"]["name"], "now");
    let path = "/api/admin/exchanges/mtgox/cordon";
    assert_eq!(bench.act(Method::PUT, path, Value::Null).await.status, 404);
}
