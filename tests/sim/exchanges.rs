//! What the simulated exchanges other than Bitfinex have in common: one market, limits in their own
//! ways, and their own words for trouble.

use std::time::Duration;

use serde_json::Value;
use tidegate::sim::{Family, Fault, Kind, SimConfig, Venue};

use crate::{
    support::{Bench, calm, start},
    talk::venue,
};

pub(crate) async fn exchange(exchange: Kind) -> Bench {
    start(SimConfig { exchange, ..calm() }).await
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

/// Statuses and bodies of calls at one time.
fn calls(venue: &Venue, path: &str, count: usize) -> Vec<(u16, String)> {
    (0..count).map(|_| venue.rest(path)).collect()
}

#[tokio::test(start_paused = true)]
async fn kraken_bears_a_burst_of_thirty_and_then_one_a_second() {
    let (venue, _) = venue(SimConfig { exchange: Kind::Kraken, enforce: true, ..calm() });
    let path = "/0/public/Time";
    let said = calls(&venue, path, 45);
    assert!(said[..30].iter().all(|(_, text)| text.contains("unixtime")));
    let refusal = r#"{"error":["EGeneral:Too many requests"]}"#;
    for (status, text) in &said[30..] {
        assert_eq!((*status, text.as_str()), (200, refusal), "a refusal is no error of HTTP");
    }
    let counts = venue.counts();
    assert_eq!((counts.of(Family::Platform), counts.refused_total()), (45, 15));
    tokio::time::advance(Duration::from_millis(2_500)).await;
    let later: Vec<bool> = calls(&venue, path, 3).iter().map(|(_, text)| text == refusal).collect();
    assert_eq!(later, [false, false, true], "a second makes room for one");
}

#[tokio::test(start_paused = true)]
async fn coinbase_bears_fifteen_at_once_and_ten_a_second() {
    let (venue, _) = venue(SimConfig { exchange: Kind::Coinbase, enforce: true, ..calm() });
    let path = "/api/v3/brokerage/time";
    let statuses = |count| calls(&venue, path, count).iter().map(|(status, _)| *status).collect();
    let first: Vec<u16> = statuses(17);
    assert_eq!(first, [vec![200; 15], vec![429; 2]].concat());
    tokio::time::advance(Duration::from_secs(1)).await;
    let later: Vec<u16> = statuses(12);
    assert_eq!(later, [vec![200; 10], vec![429; 2]].concat());
    assert!(venue.rest(path).1.contains("rate_limit_exceeded"));
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
