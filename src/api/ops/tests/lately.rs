//! What is shown of the last minutes.

use super::*;
use crate::telemetry::StreamKind;

#[tokio::test(start_paused = true)]
async fn known_traffic_makes_known_history() {
    let bench = Bench::new().await;
    for _ in 0..4 {
        assert_eq!(bench.get(TICKER).await.status, 200);
    }
    bench.status().await;
    assert_eq!(bench.get("/api/market-data/nothing").await.status, 404);
    sleep(secs(2)).await;
    sleep(secs(2)).await;
    assert_eq!(bench.get(TICKER).await.status, 200);
    sleep(secs(2)).await;

    let reply = bench.get("/api/status/history").await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"));
    let history = reply.json();
    assert_eq!((&history["step_ms"], &history["samples"]), (&json!(2000), &json!(4)));
    assert_eq!(history["until"], START + 8_000);
    let last = |line: &Value| line.as_array().unwrap()[1..].to_vec();
    assert_eq!(last(&history["requests_per_second"]), [json!(2.5), json!(0.0), json!(0.5)]);
    assert_eq!(last(&history["hit_ratio"]), [json!(0.75), Value::Null, json!(1.0)]);
    assert_eq!(last(&history["upstream_calls_per_second"]), [0.5, 0.0, 0.0]);
    assert_eq!(last(&history["collapsed_per_second"]), [0.0, 0.0, 0.0]);
    assert_eq!(last(&history["stream_clients"]), [0, 0, 0]);
    let latency = &history["latency_ms"];
    assert_eq!(last(&latency["p50"])[1], Value::Null, "nothing was answered");
    assert!(last(&latency["p50"])[0].as_f64().unwrap() <= 10.0, "{latency}");
    // Ages are kept in buckets, the first of up to 0.1 s, the one of 3.99 s of 2.5 to 5 s.
    let ages = &history["served_age_seconds"];
    assert_eq!(last(&ages["p50"])[..2], [json!(0.05), Value::Null]);
    let aged = last(&ages["p99"])[2].as_f64().unwrap();
    assert!((2.5..=5.0).contains(&aged), "{ages}");
    let budgets = history["budgets"].as_array().unwrap();
    assert_eq!(budgets.len(), 8);
    let ticker = budgets.iter().find(|budget| budget["family"] == "ticker").unwrap();
    assert_eq!((&ticker["exchange"], &ticker["limit"]), (&json!("bitfinex"), &json!(90)));
    assert_eq!(ticker["left"], json!([90, 89, 89, 89]));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_fault_does_not_hide_another() {
    let bench = Bench::new().await;
    let bot = bench.caller("bot", false);
    let unknown = Request::get("/api/market-data/ticker/BTC-UDS?apikey=s3cret");
    let unknown = unknown.header("x-request-id", "mine-1").header("x-api-key", "s3cret");
    bench.send(bot, unknown.body(Body::empty()).unwrap()).await;
    assert_eq!(bench.get_as(bot, "/v2/ticker/tNOPE").await.status, 500);
    for number in 0..300 {
        let path = format!("/{}?token=s3cret", "x".repeat(number));
        assert_eq!(bench.get(&path).await.status, if number == 0 { 200 } else { 404 });
    }
    let status = bench.status().await;
    let faults = status["faults"].as_array().unwrap();
    let told = |field: &str| -> Vec<&Value> { faults.iter().map(|it| &it[field]).collect() };
    assert_eq!(
        told("code"),
        ["not_found", "not_found", "not_found", "not_found", "10020", "invalid_parameter"]
    );
    assert_eq!(
        told("repeats"),
        [295, 0, 0, 0, 0, 0].map(|it| json!(it)).iter().collect::<Vec<_>>()
    );
    assert_eq!(told("path")[0], &json!(format!("/{}", "x".repeat(199))));
    let first = &faults[5];
    assert_eq!((&first["request_id"], &first["client"]), (&json!("mine-1"), &json!("bot")));
    assert_eq!((&first["method"], &first["status"]), (&json!("GET"), &json!(422)));
    assert_eq!(first["path"], "/api/market-data/ticker/BTC-UDS");
    assert_eq!(first["at"].as_i64().unwrap(), START + 2_010);
    assert_eq!(first["datetime"], "2023-11-14T22:13:22.010Z");
    assert_eq!(faults[4]["detail"], "symbol: invalid");
    assert!(!status.to_string().contains("s3cret"), "{status:#}");
}

#[tokio::test(start_paused = true)]
async fn hot_keys_tell_who_reads_them() {
    let bench = Bench::new().await;
    let bot = bench.caller("bot", false);
    bench.get_as(bot, TICKER).await;
    bench.get(TICKER).await;
    sleep(secs(30)).await;
    bench.get(TICKER).await;
    let hot = |status: Value| status["hot"][0].clone();
    let shown = hot(bench.status().await);
    assert_eq!((&shown["exchange"], &shown["key"]), (&json!("bitfinex"), &json!("ticker tBTCUSD")));
    assert_eq!((&shown["hits"], &shown["state"]), (&json!(3), &json!("fresh")));
    assert_eq!(shown["clients"], json!(["anonymous", "bot"]), "over the newer value too");
    sleep(secs(31)).await;
    assert_eq!(hot(bench.status().await)["clients"], json!(["anonymous"]));
    sleep(secs(30)).await;
    assert_eq!(hot(bench.status().await)["clients"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn those_who_lag_are_listed_worst_first() {
    let bench = Bench::new().await;
    let metrics = bench.app.gateway().reader().metrics.clone();
    let bot = bench.caller("bot", false).payer.client;
    let fine = metrics.stream(StreamKind::Ws).client(bot);
    let mut slow = metrics.stream(StreamKind::Sse).client(bot);
    let slower = metrics.stream(StreamKind::Ws).client(bot);
    slow.follows(3);
    slow.left_out(90, 0);
    slower.left_out(1, 2);
    sleep(secs(5)).await;
    let streams = bench.status().await["streams"].clone();
    let row = |id: u64, kind: &str, topics: u64, conflated: u64, skipped: u64| {
        json!({
            "id": id, "kind": kind, "client": "bot", "topics": topics, "conflated": conflated,
            "skipped": skipped, "since_seconds": 5.0
        })
    };
    assert_eq!(streams["clients"], 3);
    assert_eq!(streams["slow"], json!([row(3, "ws", 0, 1, 2), row(2, "sse", 3, 90, 0)]));
    drop((fine, slower));
    assert_eq!(bench.status().await["streams"]["slow"], json!([row(2, "sse", 3, 90, 0)]));
    let many: Vec<_> = (0..30).map(|_| metrics.stream(StreamKind::Ws).client(bot)).collect();
    many.iter().for_each(|client| client.left_out(1, 0));
    assert_eq!(bench.status().await["streams"]["slow"].as_array().unwrap().len(), 20);
}
