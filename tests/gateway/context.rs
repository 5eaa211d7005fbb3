//! A market context: what it is made of, and what becomes of it when a part is missing.

use serde_json::Value;
use tidegate::sim::{Family, Fault};
use tokio::time::Instant;

use crate::{
    rig::{Rig, SOON, eventually, for_each_product, ms, policy, settings},
    time::passes,
};

const PATH: &str = "/api/market-data/market-context/BTC-USD?limit=20";
const SINGLE: [(&str, &str, Family); 3] = [
    ("ohlcv", "/api/market-data/ohlcv/BTC-USD?limit=20", Family::Candles),
    ("ticker", "/api/market-data/ticker/BTC-USD", Family::Ticker),
    ("orderbook", "/api/market-data/orderbook/BTC-USD", Family::Book),
];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The parts are those of the single endpoints, from the same entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_parts_are_those_of_the_single_endpoints() {
    let rig = Rig::start(settings()).await;
    let body = rig.get(PATH).await.json();
    let [candles, ticker, book] = SINGLE.map(|(_, path, _)| path);
    let (candles, ticker) = (rig.get(candles).await.json(), rig.get(ticker).await.json());
    let book = rig.get(book).await.json();
    assert_eq!(rig.sim.counts().total(), 3, "{:?}", rig.sim.log());

    assert_eq!((&body["symbol"], &body["exchange"]), (&"BTC/USD".into(), &"bitfinex".into()));
    assert_eq!(body["ohlcv_data"], candles["candles"]);
    assert_eq!((&body["ticker"], &body["orderbook"]), (&ticker, &book));
    assert_eq!(body["current_price"], candles["candles"][19]["close"]);
    assert_eq!((&body["best_bid"], &body["best_ask"]), (&book["bids"][0][0], &book["asks"][0][0]));
    let spread = book["asks"][0][0].as_f64().unwrap() - book["bids"][0][0].as_f64().unwrap();
    assert!((body["spread"].as_f64().unwrap() - spread).abs() < 1e-6);
    let of_ticker = [
        ("volume_24h", "baseVolume"),
        ("price_change_24h", "change"),
        ("price_change_pct", "percentage"),
    ];
    for (of_context, of_ticker) in of_ticker {
        assert_eq!(body[of_context], ticker[of_ticker], "{of_context}");
    }
    let closes =
        body["ohlcv_data"].as_array().unwrap().iter().map(|row| row["close"].as_f64().unwrap());
    let closes: Vec<f64> = closes.collect();
    let changes: Vec<f64> = closes.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
    let mean = changes.iter().sum::<f64>() / changes.len() as f64;
    let squares: f64 = changes.iter().map(|change| (change - mean).powi(2)).sum();
    let expected = (squares / (changes.len() - 1) as f64).sqrt() * 100.0;
    assert!((body["volatility_pct"].as_f64().unwrap() - expected).abs() < 1e-9);
    assert!(body["market_cap"].is_null() && body.get("market_cap").is_some());

    let quality = &body["data_quality"];
    assert_eq!(quality["ohlcv_rows"], 20);
    let levels = [&book["bids"], &book["asks"]].map(|side| side.as_array().unwrap().len());
    assert_eq!(quality["orderbook_levels"], levels[0] + levels[1]);
    assert_eq!(
        (&quality["ticker_complete"], &quality["degraded"]),
        (&true.into(), &Value::Array(Vec::new()))
    );
    assert_eq!(keys(&quality["parts"]), ["ohlcv", "orderbook", "ticker"]);
}

/// The time taken is that of the slowest part, not of their sum.
#[tokio::test(start_paused = true)]
async fn its_parts_are_fetched_at_once() {
    passes();
    let rig = Rig::start(settings()).await;
    rig.sim.fault(Fault::delay(ms(900)).always());
    let reply = rig.get(PATH).await;
    assert_eq!(reply.status, 200);
    assert!((ms(900)..ms(1_800)).contains(&reply.took), "{:?}", reply.took);
}

/// Between two answers from the same parts their age grows, and is told.
#[tokio::test(start_paused = true)]
async fn its_age_grows_between_answers() {
    passes();
    let rig = Rig::start(settings()).await;
    let first = rig.get(PATH).await.json();
    let since = Instant::now();
    tokio::time::sleep(ms(120)).await;
    let second = rig.get(PATH).await;
    let waited = since.elapsed();
    assert!(second.cache_status().contains("; hit;"), "{second:?}");
    let second = second.json();
    assert_eq!(rig.sim.counts().total(), 3);
    for (part, ..) in SINGLE {
        let age = |body: &Value| body["data_quality"]["parts"][part]["age_ms"].as_u64().unwrap();
        let grown = ms(age(&second) - age(&first));
        assert!(grown >= ms(119) && grown <= waited + ms(2_000), "{part} grew by {grown:?}");
        assert_eq!(second["data_quality"]["parts"][part]["source"], "rest");
    }
    let oldest = |body: &Value| {
        let parts = body["data_quality"]["parts"].as_object().unwrap().values();
        parts.map(|part| part["age_ms"].as_u64().unwrap()).max().unwrap() as f64 / 1000.0
    };
    assert_eq!(second["data_quality"]["data_freshness_seconds"], oldest(&second));
}

/// Without a book: degraded, told so, best prices from the ticker, and whole again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_book_it_is_degraded() {
    let mut config = settings();
    for_each_product(&mut config, policy([60_000, 0, 0, 200]));
    let rig = Rig::start(config).await;
    for fault in
        [Fault::Crossed, Fault::NotReady, Fault::Html { status: 200 }, Fault::Cut { bytes: None }]
    {
        rig.only_fault(fault.clone().on(Family::Book));
        let reply = rig.get(PATH).await;
        let body = reply.json();
        assert_eq!(reply.status, 200, "{fault:?}: {body}");
        assert!(body["orderbook"].is_null(), "{fault:?}: {}", body["orderbook"]);
        let quality = &body["data_quality"];
        assert_eq!(quality["degraded"], serde_json::json!(["orderbook"]));
        assert_eq!(
            (keys(&quality["parts"]), &quality["orderbook_levels"]),
            (vec!["ohlcv", "ticker"], &0.into())
        );
        for (best, side) in [("best_bid", "bid"), ("best_ask", "ask")] {
            assert!(body[best].as_f64() > Some(0.0));
            assert_eq!(body[best], body["ticker"][side]);
        }
    }
    rig.sim.clear_faults();
    let whole =
        async || Some(rig.get(PATH).await.json()).filter(|body| !body["orderbook"].is_null());
    let body = eventually(SOON, "a whole context", whole).await;
    assert_eq!(body["data_quality"]["degraded"], serde_json::json!([]));
}

/// Without ticker or candles there is none, and the problem names the part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_ticker_or_candles_there_is_none() {
    let mut config = settings();
    for_each_product(&mut config, policy([60_000, 0, 0, 200]));
    config.upstream.breaker_failures = 1_000;
    let rig = Rig::start(config).await;
    let faults = [
        (Fault::NotReady, 503, "exchange_unavailable"),
        (Fault::Strings, 502, "upstream_invalid"),
        (Fault::RateLimited { retry_after: Some(1) }, 503, "exchange_rate_limited"),
    ];
    for (part, single, family) in &SINGLE[..2] {
        for (fault, status, code) in &faults {
            rig.only_fault(fault.clone().on(*family));
            let document =
                rig.get_with(PATH, "cache-control", "no-cache").await.problem(PATH, *status, code);
            assert_eq!(document["part"], *part);
            assert!(document["detail"].as_str().unwrap().starts_with(part), "{document}");
            rig.sim.clear_faults();
            let anew = async || {
                let reply = rig.get_with(single, "cache-control", "no-cache").await;
                (reply.status == 200).then_some(())
            };
            eventually(SOON, "the part alone", anew).await;
        }
    }
    assert_eq!(
        rig.recovers(SOON, PATH).await.json()["data_quality"]["degraded"],
        serde_json::json!([])
    );
}

/// A part that may be served stale keeps the context whole, and its age is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_part_keeps_it_whole() {
    let mut config = settings();
    config.cache.ohlcv = policy([50, 0, 60_000, 200]);
    let rig = Rig::start(config).await;
    assert_eq!(rig.get(PATH).await.status, 200);
    rig.sim.fault(Fault::NotReady.on(Family::Candles));
    tokio::time::sleep(ms(60)).await;
    let reply = rig.get(PATH).await;
    assert!(reply.status == 200 && reply.ttl() < 0, "{}", reply.text());
    let quality = &reply.json()["data_quality"];
    let ages = ["ohlcv", "ticker"].map(|part| quality["parts"][part]["age_ms"].as_u64().unwrap());
    assert!(ages[0] >= 60, "{quality}");
    assert!(quality["data_freshness_seconds"].as_f64().unwrap() >= 0.06);
}

/// One symbol of a batch that is wrong does not spoil the others.
#[tokio::test(start_paused = true)]
async fn a_batch_tells_each_symbols_fate() {
    passes();
    let mut config = settings();
    config.upstream.merge_window = ms(250);
    let rig = Rig::start(config).await;
    let path = "/api/market-data/market-context?symbols=BTC/USD,BTC-XYZ,ethusd&limit=5";
    let reply = rig.get(path).await;
    let body = reply.json();
    assert_eq!((reply.status, &body["exchange"]), (200, &"bitfinex".into()), "{body}");
    assert_eq!(keys(&body["contexts"]), ["BTC-XYZ", "BTC/USD", "ETH/USD"]);
    for symbol in ["BTC/USD", "ETH/USD"] {
        let context = &body["contexts"][symbol];
        assert_eq!(
            (&context["symbol"], &context["data_quality"]["ohlcv_rows"]),
            (&symbol.into(), &5.into())
        );
    }
    let problem = &body["contexts"]["BTC-XYZ"];
    assert_eq!((&problem["code"], &problem["status"]), (&"unknown_symbol".into(), &404.into()));
    assert_eq!(problem["request_id"].as_str(), reply.header("x-request-id"));
    let counts = rig.sim.counts();
    let asked = [Family::Candles, Family::Book].map(|family| counts.of(family));
    assert_eq!(
        (asked, counts.of(Family::Tickers), counts.of(Family::Ticker)),
        ([2, 2], 1, 0),
        "{counts:?}"
    );
}
