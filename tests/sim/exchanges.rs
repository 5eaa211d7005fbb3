//! What the simulated exchanges other than Bitfinex have in common: one market, limits in their own
//! ways, and their own words for trouble.

use std::time::Duration;

use serde_json::Value;
use tidegate::sim::{Family, Fault, Kind, SimConfig};

use crate::support::{Bench, calm, start};

pub(crate) async fn exchange(exchange: Kind) -> Bench {
    start(SimConfig { exchange, ..calm() }).await
}

async fn limited(exchange: Kind) -> Bench {
    start(SimConfig { exchange, enforce: true, ..calm() }).await
}

#[tokio::test]
async fn each_exchange_has_prices_of_its_own_near_one_market() {
    let (kraken, coinbase) = (exchange(Kind::Kraken).await, exchange(Kind::Coinbase).await);
    let said = kraken.get("/0/public/Ticker?pair=XBTUSD").await.json();
    let last = said["result"]["XXBTZUSD"]["c"][0].as_str().unwrap().to_owned();
    let theirs: f64 = last.parse().unwrap();
    let said = coinbase.get("/api/v3/brokerage/market/products/BTC-USD").await.json();
    let ours: f64 = said["price"].as_str().unwrap().parse().unwrap();
    let truth = kraken.sim.market().find("tBTCUSD").unwrap();
    let truth = kraken.sim.market().last_price(truth, kraken.sim.now()).unwrap();
    assert!(ours < truth && truth < theirs, "{ours} {truth} {theirs}");
    assert!((theirs / ours - 1.0) < 0.001, "{ours} {theirs}");
}

#[tokio::test]
async fn the_urls_are_what_adapters_are_set_to() {
    for (kind, path) in [(Kind::Kraken, "/v2"), (Kind::Coinbase, "/")] {
        let bench = exchange(kind).await;
        assert_eq!(bench.sim.rest_url(), format!("http://{}", bench.sim.addr()));
        assert_eq!(bench.sim.ws_url(), format!("ws://{}{path}", bench.sim.addr()));
    }
}

#[tokio::test]
async fn kraken_bears_a_burst_of_thirty_and_then_one_a_second() {
    let bench = limited(Kind::Kraken).await;
    let path = "/0/public/Time";
    let mut refused = Vec::new();
    let begun = std::time::Instant::now();
    for call in 0..45 {
        let (status, text) = bench.answer(path).await;
        assert_eq!(status, 200, "a refusal is no error of HTTP");
        if text == r#"{"error":["EGeneral:Too many requests"]}"# {
            refused.push(call);
        }
    }
    let passed = begun.elapsed().as_secs() as usize;
    assert!((15 - 1 - passed..=15).contains(&refused.len()), "{refused:?} in {passed} s");
    assert!(refused[0] >= 30, "{refused:?}");
    let counts = bench.sim.counts();
    assert_eq!(counts.of(Family::Platform), 45);
    assert_eq!(counts.refused_total(), refused.len() as u64);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(bench.answer(path).await.1.contains("unixtime"), "a second makes room for one");
}

#[tokio::test]
async fn coinbase_bears_fifteen_at_once() {
    let bench = limited(Kind::Coinbase).await;
    let path = "/api/v3/brokerage/time";
    let replies =
        futures_util::future::join_all((0..60).map(|_| async { bench.get(path).await })).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!((20..=45).contains(&refused.len()), "{}", refused.len());
    assert_eq!(refused[0].json()["error"], "rate_limit_exceeded");
    assert!(refused[0].headers.get("retry-after").is_none(), "the exchange sends none");
    assert_eq!(bench.sim.counts().refused_total(), refused.len() as u64);
}

#[tokio::test]
async fn trouble_has_each_exchanges_own_words() {
    let depth = "/0/public/Depth?pair=XBTUSD&count=2";
    let kraken = exchange(Kind::Kraken).await;
    for (fault, error) in [
        (Fault::RateLimited { retry_after: None }, "EGeneral:Too many requests"),
        (Fault::Banned { retry_after: None }, "EGeneral:Temporary lockout"),
        (Fault::Maintenance, "EService:Unavailable"),
        (Fault::NotReady, "EService:Busy"),
        (Fault::ErrorArray { code: 1, message: "EQuery:Odd".to_owned() }, "EQuery:Odd"),
    ] {
        kraken.sim.fault(fault.times(Family::Book, 1));
        let body = format!(r#"{{"error":["{error}"]}}"#);
        assert_eq!(kraken.answer(depth).await, (200, body));
    }
    kraken.sim.fault(Fault::Restricted.times(Family::Book, 1));
    assert_eq!(kraken.get(depth).await.status, 403);
    kraken.sim.fault(Fault::Crossed.times(Family::Book, 1));
    let crossed = kraken.get(depth).await.json();
    let best = |value: &Value, side: &str| -> f64 {
        let price = &value["result"]["XXBTZUSD"][side][0][0];
        price.as_str().unwrap().parse().unwrap()
    };
    assert!(best(&crossed, "bids") > best(&crossed, "asks"));
    let fine = kraken.get(depth).await.json();
    assert!(best(&fine, "bids") < best(&fine, "asks"));

    let coinbase = exchange(Kind::Coinbase).await;
    let book = "/api/v3/brokerage/market/product_book?product_id=BTC-USD&limit=2";
    for (fault, status, error) in [
        (Fault::RateLimited { retry_after: Some(3) }, 429, "rate_limit_exceeded"),
        (Fault::Maintenance, 503, "UNAVAILABLE"),
        (Fault::Status { status: 500, body: None }, 500, "INTERNAL"),
    ] {
        let waits = matches!(fault, Fault::RateLimited { .. });
        coinbase.sim.fault(fault.times(Family::Book, 1));
        let reply = coinbase.get(book).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (status, &error.into()));
        assert_eq!(reply.headers.contains_key("retry-after"), waits);
    }
    assert_eq!(coinbase.get(book).await.status, 200);
}
