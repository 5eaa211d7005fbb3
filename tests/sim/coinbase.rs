//! The simulated Coinbase against what is documented and was recorded of the exchange.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate::sim::{Kind, SimConfig, WsFault};

use crate::{
    exchanges::exchange,
    support::{MINUTE, NOW, calm},
    talk::Plain,
};

const ROOT: &str = "/api/v3/brokerage/market";

fn number(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn errors_have_a_status_and_say_it_twice() {
    let bench = exchange(Kind::Coinbase).await;
    let unknown = "valid product_id is required";
    let (start, end) = (NOW / 1_000 - 350 * 60, NOW / 1_000);
    let wide =
        format!("products/BTC-USD/candles?granularity=ONE_MINUTE&start={}&end={end}", start - 60);
    let odd = format!("products/BTC-USD/candles?granularity=ONE_YEAR&start={start}&end={end}");
    for (path, status, error, part) in [
        ("product_book?product_id=NOPE-USD", 404, "NOT_FOUND", unknown),
        ("products/NOPE-USD/ticker", 404, "NOT_FOUND", unknown),
        ("products/NOPE-USD", 404, "NOT_FOUND", "Product NOPE-USD not supported"),
        ("product_book?product_id=RRT-USD", 404, "NOT_FOUND", "no pricebook found"),
        (&wide, 400, "INVALID_ARGUMENT", "should be less than 350"),
        (&odd, 400, "INVALID_ARGUMENT", "granularity argument is invalid"),
        ("products/BTC-USD/ticker?limit=1001", 500, "INTERNAL", ""),
    ] {
        let reply = bench.get(&format!("{ROOT}/{path}")).await;
        let body = reply.json();
        assert_eq!((reply.status.as_u16(), &body["error"]), (status, &json!(error)), "{path}");
        assert!(body["message"].as_str().unwrap().contains(part), "{body}");
        assert_eq!(body["message"], body["error_details"]);
    }
    assert_eq!(bench.get("/api/v3/brokerage/products").await.status, 401, "needs a key");
}

#[tokio::test]
async fn candles_are_newest_first_with_holes_and_350_at_most() {
    let bench = exchange(Kind::Coinbase).await;
    let open = NOW / MINUTE * 60;
    let path = format!(
        "{ROOT}/products/XRP-USD/candles?granularity=ONE_MINUTE&start={}&end={open}",
        open - 349 * 60
    );
    let said = bench.get(&path).await.json();
    let rows = said["candles"].as_array().unwrap();
    let starts: Vec<i64> = rows.iter().map(|row| number(&row["start"]) as i64).collect();
    assert!(starts.is_sorted_by(|a, b| a > b), "newest first");
    assert!((100..350).contains(&rows.len()), "buckets without trades are left out");
    assert!(starts.iter().all(|start| (open - 349 * 60..=open).contains(start)));
    assert!(rows.iter().all(|row| number(&row["volume"]) > 0.0));
    assert!(rows.iter().all(|row| number(&row["high"]) >= number(&row["low"])));
    let few = bench.get(&format!("{path}&limit=5")).await.json();
    assert_eq!(few["candles"].as_array().unwrap()[..], rows[..5]);
    let numbers: Vec<&Value> = rows.iter().map(|row| &row["volume"]).collect();
    assert!(numbers.iter().all(|text| !text.as_str().unwrap().ends_with('0')), "short texts");
}

#[tokio::test]
async fn an_alias_is_the_same_market_and_answers_with_its_name() {
    let bench = exchange(Kind::Coinbase).await;
    let get = async |path: &str| bench.get(&format!("{ROOT}/{path}")).await.json();
    let products = get("products").await;
    let all = products["products"].as_array().unwrap();
    assert_eq!(products["num_products"], all.len());
    let aliases = all.iter().filter(|one| one["alias"] != "").count();
    assert!(aliases > 100 && all.len() > 250, "{aliases} of {}", all.len());
    for one in all {
        let id = format!(
            "{}-{}",
            one["base_currency_id"].as_str().unwrap(),
            one["quote_currency_id"].as_str().unwrap()
        );
        assert_eq!(one["product_id"], id);
        assert_eq!((&one["best_bid_price"], &one["best_ask_price"]), (&json!(""), &json!("")));
    }
    let [mine, twin] = [
        get("product_book?product_id=BTC-USD&limit=20").await,
        get("product_book?product_id=BTC-USDC&limit=20").await,
    ];
    assert_eq!(mine, twin);
    assert_eq!(twin["pricebook"]["product_id"], "BTC-USD");
    assert_eq!(mine["pricebook"]["bids"].as_array().unwrap().len(), 20);
    let deep = get("product_book?product_id=BTC-USD&limit=5000").await;
    assert!((300..=1_000).contains(&deep["pricebook"]["bids"].as_array().unwrap().len()));
    let some = get("products?product_ids=BTC-USD&product_ids=ETH-USD").await;
    assert_eq!(some["products"].as_array().unwrap().len(), 2);
    assert_eq!(get("products?product_type=FUTURE").await["num_products"], 0);
}

#[tokio::test]
async fn trades_have_the_makers_side_and_make_the_candles() {
    let bench = exchange(Kind::Coinbase).await;
    let said = bench.get(&format!("{ROOT}/products/BTC-USDC/ticker?limit=500")).await.json();
    let trades = said["trades"].as_array().unwrap();
    assert_eq!(trades.len(), 100, "whatever the limit says");
    assert!(number(&said["best_bid"]) < number(&said["best_ask"]));
    let engine = bench.sim.market();
    let instrument = engine.find("tBTCUSD").unwrap();
    let truth =
        engine.trades(instrument, tidegate::sim::engine::Window::newest(100), bench.sim.now());
    for (trade, truth) in trades.iter().zip(&truth) {
        let maker = if truth.amount > 0.0 { "SELL" } else { "BUY" };
        assert_eq!((&trade["side"], &trade["product_id"]), (&json!(maker), &json!("BTC-USD")));
        assert_eq!(trade["trade_id"], truth.id.to_string());
        assert!((number(&trade["size"]) - truth.amount.abs()).abs() < 1e-9);
    }
    let start = NOW / MINUTE * 60 - 600;
    let window = format!("start={start}&end={}", start + 299);
    let path = format!("{ROOT}/products/BTC-USD/ticker?limit=1000&{window}");
    let trades = bench.get(&path).await.json()["trades"].as_array().unwrap().clone();
    let path = format!("{ROOT}/products/BTC-USD/candles?granularity=ONE_MINUTE&{window}");
    let candles = bench.get(&path).await.json()["candles"].as_array().unwrap().clone();
    let traded: f64 = trades.iter().map(|one| number(&one["size"])).sum();
    let volume: f64 = candles.iter().map(|one| number(&one["volume"])).sum();
    assert!(traded > 0.0 && (traded - volume).abs() < 1e-6, "{traded} {volume}");
}

fn coinbase() -> Plain {
    Plain::new(SimConfig { exchange: Kind::Coinbase, ..calm() })
}

fn subscribe(channel: &str, products: &[&str]) -> String {
    json!({"type":"subscribe","product_ids":products,"channel":channel}).to_string()
}

fn sequence(talk: &Plain) -> Vec<u64> {
    let all = (0..talk.texts.len()).map(|place| talk.json(place));
    all.filter_map(|one| one["sequence_num"].as_u64()).collect()
}

#[test]
fn every_frame_of_a_connection_has_the_next_number_and_data_comes_before_its_ack() {
    let mut talk = coinbase();
    for channel in ["market_trades", "candles", "ticker", "level2"] {
        talk.say(&subscribe(channel, &["BTC-USD", "ETH-USDC"]));
    }
    talk.say(r#"{"type":"subscribe","channel":"heartbeats"}"#);
    let names: Vec<String> = (0..talk.texts.len())
        .map(|place| talk.json(place)["channel"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        ["market_trades", "market_trades", "subscriptions"],
        ["candles", "candles", "subscriptions"],
        ["ticker", "ticker", "subscriptions"],
        ["l2_data", "l2_data", "subscriptions"],
    ];
    assert_eq!(names[..12], expected.concat()[..]);
    let last = talk.json(12);
    let listed = &last["events"][0]["subscriptions"];
    assert_eq!(listed["level2"], json!(["BTC-USD", "ETH-USD"]), "by the canonical name");
    assert_eq!(listed["heartbeats"], json!(["heartbeats"]));
    assert_eq!(listed.as_object().unwrap().len(), 5, "all that there are");
    assert_eq!(talk.json(3)["events"][0]["candles"].as_array().unwrap().len(), 100);
    talk.run(30_000);
    let numbers = sequence(&talk);
    assert!(numbers.len() > 100);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let beats = talk.texts.iter().filter(|text| text.contains(r#""channel":"heartbeats""#));
    assert_eq!(beats.count(), 30);

    talk.venue.ws_fault(WsFault::LoseFrame.times("book", "BTC-USD", 1));
    talk.run(5_000);
    let numbers = sequence(&talk);
    let gaps = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(gaps, 1, "the lost frame had a number");
}

#[test]
fn updates_turn_the_first_book_into_that_of_rest() {
    let mut talk = coinbase();
    talk.say(&subscribe("level2", &["ETH-USD"]));
    talk.run(20_000);
    let mut sides: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for place in 0..talk.texts.len() {
        for update in talk.json(place)["events"][0]["updates"].as_array().into_iter().flatten() {
            let text = |name: &str| update[name].as_str().unwrap().to_owned();
            let side = sides.entry(text("side")).or_default();
            match text("new_quantity").as_str() {
                "0" => drop(side.remove(&text("price_level"))),
                _ => drop(side.insert(text("price_level"), text("new_quantity"))),
            }
        }
    }
    let (status, body) = talk.venue.rest(&format!("{ROOT}/product_book?product_id=ETH-USD"));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    for (ours, theirs) in [("bid", "bids"), ("offer", "asks")] {
        let theirs: BTreeMap<String, String> = body["pricebook"][theirs]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                (text("price"), text("size"))
            })
            .collect();
        assert!(theirs.len() > 300);
        assert_eq!(sides[ours], theirs);
    }
}

#[test]
fn the_thirty_first_book_is_refused_as_a_whole() {
    let mut talk = coinbase();
    let (_, body) = talk.venue.rest(&format!("{ROOT}/products"));
    let products: Value = serde_json::from_str(&body).unwrap();
    let ids: Vec<&str> = products["products"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["alias"] == "")
        .map(|one| one["product_id"].as_str().unwrap())
        .collect();
    talk.say(&subscribe("level2", &ids[..29]));
    assert_eq!(talk.texts.len(), 30);
    talk.say(&subscribe("level2", &ids[29..31]));
    let error =
        json!({"type":"error","message":"too many L2 streams requested in a single session"});
    assert_eq!(talk.json(30), error, "without channel or number");
    talk.say(&subscribe("level2", &ids[29..30]));
    talk.say(&subscribe("ticker", &ids[..100]));
    let numbers = sequence(&talk);
    assert_eq!(numbers, (0..30 + 2 + 101).collect::<Vec<_>>(), "the socket goes on");
    talk.say(&subscribe("level2", &["NOPE-USD"]));
    assert_eq!(talk.json(talk.texts.len() - 1)["type"], "error");
}

#[test]
fn who_does_not_subscribe_soon_or_says_too_much_is_shown() {
    let mut talk = coinbase();
    talk.run(4_900);
    assert!(talk.end.is_none());
    talk.run(200);
    assert!(talk.end.is_some(), "nothing was subscribed to within five seconds");

    let mut talk = coinbase();
    let mut other = talk.another();
    for _ in 0..4 {
        talk.say(&subscribe("ticker", &["BTC-USD"]));
        other.say(&subscribe("ticker", &["BTC-USD"]));
    }
    let last = |talk: &Plain| talk.json(talk.texts.len() - 1);
    assert_eq!(last(&other)["channel"], "subscriptions");
    talk.say(&subscribe("ticker", &["BTC-USD"]));
    let refused = json!({"type":"error","message":"rate limit exceeded"});
    assert_eq!(last(&talk), refused, "connections are counted together");
    talk.run(1_000);
    talk.say(&subscribe("ticker", &["BTC-USD"]));
    assert_ne!(last(&talk), refused);
}
