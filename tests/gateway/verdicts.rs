//! Whether a market is fit to be traded: each reason why it is not.

use serde_json::Value;
use tidegate::{
    config::Config,
    exchange::UpstreamError,
    sim::{Family, Fault},
};

use crate::{
    client::ask,
    fake::{Fake, book, candles},
    rig::{Rig, SOON, before, eventually, for_each_product, ms, policy, says, settings},
    time::passes,
};

const PATH: &str = "/api/market-data/validate-market/BTC-USD?limit=50";

/// The answer, and for each check whether it was passed.
fn verdict(body: &Value) -> (bool, &str, [bool; 4]) {
    let checks = body["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["volatility_pct", "spread_pct", "orderbook_levels", "data_age_seconds"]);
    let passed = std::array::from_fn(|index| checks[index]["ok"] == true);
    (body["valid"] == true, body["reason"].as_str().unwrap(), passed)
}

async fn of(fake: Fake, config: Config) -> Value {
    let app = before(fake, config).await;
    let reply = ask(app.address(), "GET", PATH, &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calm_market_is_suitable() {
    let body = of(Fake::default(), settings()).await;
    let suitable = "Market conditions are suitable for trading";
    assert_eq!(verdict(&body), (true, suitable, [true; 4]), "{body}");
    assert_eq!((&body["symbol"], &body["checks"][0]["limit"]), (&"BTC/USD".into(), &10.0.into()));
    assert!(body["timestamp"].is_i64() && body["datetime"].as_str().unwrap().ends_with('Z'));
    let spread = body["checks"][1]["value"].as_f64().unwrap();
    assert!((spread - 0.2 / 100.1 * 100.0).abs() < 1e-9, "{spread}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wild_market_is_not() {
    // Changes of +25 % and -20 % in turns.
    let wild = Fake {
        candles: Box::new(|_| Ok(candles(&[100.0, 125.0, 100.0, 125.0, 100.0]))),
        ..Fake::default()
    };
    let body = of(wild, settings()).await;
    let reason = "High volatility detected (25.98%) - pausing trading";
    assert_eq!(verdict(&body), (false, reason, [false, true, true, true]));
    let young = Fake { candles: Box::new(|_| Ok(candles(&[100.0, 101.0]))), ..Fake::default() };
    let body = of(young, settings()).await;
    let reason = "Volatility is unknown: fewer than three candles";
    assert_eq!(verdict(&body), (false, reason, [false, true, true, true]));
    assert!(body["checks"][0]["value"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wide_spread_is_not_suitable() {
    let wide = Fake { book: Box::new(|_| Ok(book(&[98.5], &[100.0]))), ..Fake::default() };
    let body = of(wide, settings()).await;
    assert_eq!(verdict(&body), (false, "Wide spread: 1.50%", [true, false, true, true]));
    let mut config = settings();
    config.validation.max_spread_pct = 1.6;
    let wide = Fake { book: Box::new(|_| Ok(book(&[98.5], &[100.0]))), ..Fake::default() };
    assert!(verdict(&of(wide, config).await).0, "the limit is a setting");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_without_a_sound_book_is_not() {
    let with = |bids: &'static [f64], asks: &'static [f64]| Fake {
        book: Box::new(move |_| Ok(book(bids, asks))),
        ..Fake::default()
    };
    let crossed = of(with(&[100.2], &[100.1]), settings()).await;
    assert_eq!(verdict(&crossed), (false, "Order book is crossed", [true, true, false, true]));
    let mixed = of(with(&[99.8, 99.9], &[100.1]), settings()).await;
    assert_eq!(verdict(&mixed), (false, "Order book is out of order", [true, true, false, true]));
    let empty = of(with(&[], &[]), settings()).await;
    let reason = "Spread is unknown: no best bid or no best ask";
    assert_eq!(verdict(&empty), (false, reason, [true, false, false, true]));
    let one_sided = of(with(&[99.9], &[]), settings()).await;
    assert_eq!(verdict(&one_sided), (false, reason, [true, false, false, true]));
    let gone = Fake { book: Box::new(|_| Err(UpstreamError::Maintenance)), ..Fake::default() };
    let reason = "Order book is missing: the exchange is in maintenance";
    assert_eq!(verdict(&of(gone, settings()).await), (false, reason, [true, true, false, true]));
}

/// The same through the real adapter, which does not let a crossed book pass at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchanges_own_answers_are_judged_alike() {
    let mut config = settings();
    for_each_product(&mut config, policy([60_000, 0, 0, 0]));
    let rig = Rig::start(config).await;
    let anew = async || rig.get_with(PATH, "cache-control", "no-cache").await.json();
    let body = anew().await;
    assert_eq!(verdict(&body).2, [true; 4], "{body}");
    let cases = [
        (
            Fault::Crossed,
            "Order book is missing: the exchange's answer is invalid: book: crossed",
            [true, true, false, true],
        ),
        (says("[[98.5,1,2],[100,1,-2]]"), "Wide spread: 1.50%", [true, false, true, true]),
        (Fault::Empty, "Spread is unknown: no best bid or no best ask", [true, false, false, true]),
    ];
    for (fault, reason, checks) in cases {
        rig.only_fault(fault.on(Family::Book));
        let body = anew().await;
        assert_eq!(verdict(&body), (false, reason, checks), "{body}");
    }
    rig.only_fault(Fault::NotReady.on(Family::Ticker));
    let single = PATH.replace("BTC-USD", "ETH-USD");
    assert_eq!(
        rig.get(&single).await.problem(&single, 503, "exchange_unavailable")["part"],
        "ticker"
    );
}

#[tokio::test(start_paused = true)]
async fn old_data_is_not_suitable() {
    passes();
    let mut config = settings();
    config.validation.max_age = ms(1_000);
    let app = before(Fake::default(), config).await;
    let asked = async || ask(app.address(), "GET", PATH, &[]).await.json();
    let first = asked().await;
    assert!(verdict(&first).0, "{first}");
    let old = async || Some(asked().await).filter(|body| !verdict(body).0);
    let body = eventually(SOON, "old data", old).await;
    let (_, reason, checks) = verdict(&body);
    assert!(reason.starts_with("Data is 1.") && reason.ends_with(" s old"), "{reason}");
    assert_eq!(checks, [true, true, true, false]);
}
