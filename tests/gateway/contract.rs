//! What is asked and what is answered: ranges, parameters, shapes, and numbers to the digit.

use serde_json::{Value, json};
use tidegate::{
    market::{Timeframe, UnixMs},
    sim::{Family, Fault},
};

use crate::{
    client::{Reply, ask},
    rig::{Rig, says, settings},
    time::stands_still,
};

fn times(reply: &Reply) -> Vec<i64> {
    let body = reply.json();
    let rows = body["candles"].as_array().unwrap_or_else(|| panic!("{body}"));
    rows.iter().map(|row| row["timestamp"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_outside_their_range_are_refused_by_name() {
    let rig = Rig::start(settings()).await;
    let cases = [
        (
            "ohlcv/BTC-USD",
            "limit",
            "from 1 to 10000",
            &["0", "10001", "-1", "1.5", "ten", "", "99999999999999999999"][..],
        ),
        ("orderbook/BTC-USD", "limit", "from 1 to 250", &["0", "251"]),
        ("trades/BTC-USD", "limit", "from 1 to 1000", &["0", "1001"]),
        ("market-context/BTC-USD", "limit", "from 1 to 10000", &["0", "10001"]),
        ("validate-market/BTC-USD", "limit", "from 1 to 10000", &["0", "10001"]),
        ("orderbook/BTC-USD", "precision", "one of P0, P1, P2, P3, P4", &["P5", "R0", "p0", ""]),
        ("ohlcv/BTC-USD", "timeframe", "one of 1m, 3m, 5m", &["2m", "5M", "", "1"]),
        ("ohlcv/BTC-USD", "format", "one of objects, arrays, csv, arrow, parquet", &["xml", "CSV"]),
        ("trades/BTC-USD", "format", "one of objects, csv, arrow, parquet", &["arrays", ""]),
        ("ohlcv/BTC-USD", "closed_only", "true or false", &["yes", "2"]),
        (
            "ohlcv/BTC-USD",
            "wait_final",
            "milliseconds from 1 to 30000",
            &["0", "30001", "-1", "1.5", "2s", "", "99999999999999999999"],
        ),
        ("ohlcv/BTC-USD", "since", "ISO 8601", &["yesterday", "2024-13-01", "1e3"]),
        ("ohlcv/BTC-USD", "until", "ISO 8601", &["", "2024-02-30"]),
        ("trades/BTC-USD", "since", "ISO 8601", &["now"]),
        ("tickers", "symbols", "separated by commas", &["", "BTC-USD,", ",,"]),
        ("market-context", "symbols", "separated by commas", &["", "BTC-USD,,ETH-USD"]),
    ];
    for (endpoint, name, allowed, values) in cases {
        for value in values {
            let path = format!("/api/market-data/{endpoint}?{name}={value}");
            let document = rig.get(&path).await.problem(&path, 422, "invalid_parameter");
            let parameter = &document["parameter"];
            assert_eq!((&parameter["name"], &parameter["value"]), (&json!(name), &json!(value)));
            assert!(parameter["allowed"].as_str().unwrap().contains(allowed), "{document}");
        }
    }
    assert_eq!(rig.sim.counts().total(), 0, "what is refused costs nothing");
    let path = "/api/market-data/market-context";
    rig.get(path).await.problem(path, 422, "invalid_parameter");
    let (path, many) = ("/api/market-data/tickers", vec!["BTC-USD"; 201].join(","));
    let document =
        rig.get(&format!("{path}?symbols={many}")).await.problem(path, 422, "invalid_parameter");
    assert!(document["parameter"]["allowed"].as_str().unwrap().contains("1 to 200"), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_repeated_parameters_are_refused() {
    let rig = Rig::start(settings()).await;
    let cases = [
        ("ticker/BTC-USD?limit=5", "limit", "known are exchange"),
        (
            "ohlcv/BTC-USD?limits=5",
            "limits",
            "known are timeframe, limit, since, until, format, closed_only, wait_final, \
             exchange",
        ),
        ("orderbook/BTC-USD?Limit=5", "Limit", "known are limit, precision, exchange"),
        ("trades/BTC-USD?until=5", "until", "known are limit, since, format, exchange"),
        ("markets?symbol=BTC-USD", "symbol", "known are exchange"),
        ("ohlcv/BTC-USD?limit=5&limit=5", "limit", "given more than once"),
        ("ohlcv/BTC-USD?limit=5&%6cimit=6", "limit", "given more than once"),
    ];
    for (asked, name, allowed) in cases {
        let path = format!("/api/market-data/{asked}");
        let document = rig.get(&path).await.problem(&path, 422, "invalid_parameter");
        assert_eq!(document["parameter"]["name"], name);
        assert!(document["parameter"]["allowed"].as_str().unwrap().contains(allowed), "{document}");
    }
    let path = "/api/market-data/ticker/BTC-USD?exchange=mtgox";
    let document = rig.get(path).await.problem(path, 404, "unknown_exchange");
    assert_eq!(document["suggestions"], json!(["bitfinex"]));
    assert_eq!(rig.get("/api/market-data/ticker/BTC-USD?exchange=bitfinex").await.status, 200);
    for path in
        ["/api/market-data/nothing", "/api/market-data/ticker", "/api/market-data/ticker/", "/x"]
    {
        rig.get(path).await.problem(path, 404, "not_found");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let path = "/api/market-data/ticker/BTC-USD";
        let reply = ask(rig.app.address(), method, path, &[]).await;
        reply.problem(path, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some("GET,HEAD"), "RFC 9110, section 15.5.6");
    }
}

/// One series, cut in every way that a client may ask for.
#[tokio::test(start_paused = true)]
async fn candles_are_cut_as_asked() {
    let _time = stands_still();
    let (rig, now) = Rig::still().await;
    let path = |query: &str| format!("/api/market-data/ohlcv/BTC-USD?timeframe=1m&{query}");
    let reply = rig.get(&path("limit=100")).await;
    let all = times(&reply);
    assert!(all.len() == 100 && all.is_sorted_by(|a, b| a < b), "{all:?}");
    let body = reply.json();
    assert_eq!(
        [&body["symbol"], &body["exchange"], &body["timeframe"]],
        ["BTC/USD", "bitfinex", "1m"]
    );
    let rows = body["candles"].as_array().unwrap();
    let closed = |row: &Value| {
        row["closed"] == (row["timestamp"].as_i64().unwrap() + 62_000 <= now.millis())
    };
    assert!(rows[..98].iter().all(|row| row["closed"] == true) && rows[..99].iter().all(closed));

    let (since, until) = (all[40], all[59]);
    let iso = |ms: i64| UnixMs::from_millis(ms).iso();
    let middle = all[40..60].to_vec();
    for query in [
        format!("since={since}&until={until}"),
        format!("since={}&until={}", iso(since), iso(until)),
        format!("since={}&until={}", since - 30_000, until + 59_999),
    ] {
        assert_eq!(times(&rig.get(&path(&query)).await), middle, "{query}");
    }
    assert_eq!(times(&rig.get(&path(&format!("since={since}&limit=5"))).await), all[40..45]);
    assert_eq!(times(&rig.get(&path(&format!("until={until}&limit=5"))).await), all[55..60]);
    assert_eq!(times(&rig.get(&path("limit=7")).await), all[93..]);
    let none = rig.get(&path(&format!("since={until}&until={since}"))).await;
    assert_eq!((none.status, times(&none)), (200, Vec::new()));
    assert_eq!(rig.calls(Family::Candles), 1, "views of one series: {:?}", rig.sim.log());

    let whole = rig.get(&path("limit=100&closed_only=true")).await.json();
    let whole = whole["candles"].as_array().unwrap().clone();
    assert!(whole.len() == 100 && whole.iter().all(|row| row["closed"] == true));

    let arrays = rig.get(&path("limit=3&format=arrays")).await.json();
    let row = |row: &Value| {
        json!([row["timestamp"], row["open"], row["high"], row["low"], row["close"], row["volume"]])
    };
    assert_eq!(arrays["candles"], Value::Array(rows[97..].iter().map(row).collect()));
    let csv = rig.get(&path("limit=2&format=csv")).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "timestamp,open,high,low,close,volume,closed"));
    assert!(lines[2].starts_with(&format!("{},", all[99])), "{}", lines[2]);
}

/// A span that lies before what is held is fetched as such, with the exchange's own bounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_of_the_past_is_one_call() {
    let (rig, now) = Rig::still().await;
    let start =
        Timeframe::H1.start_of(UnixMs::from_millis(now.millis() - 30 * 86_400_000)).millis();
    let end = start + 9 * 3_600_000;
    let path = format!("/api/market-data/ohlcv/BTC-USD?timeframe=1h&since={start}&until={end}");
    let reply = rig.get(&path).await;
    let expected: Vec<i64> = (0..10).map(|hour| start + hour * 3_600_000).collect();
    assert_eq!(times(&reply), expected);
    assert!(reply.json()["candles"].as_array().unwrap().iter().all(|row| row["closed"] == true));
    assert_eq!(rig.get(&path).await.body, reply.body);
    assert_eq!(rig.calls(Family::Candles), 1, "{:?}", rig.sim.log());
}

/// Numbers keep the exchange's own text, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_pass_to_the_digit() {
    let rig = Rig::start(settings()).await;
    rig.sim.fault(says("[7e-7, 1.5,0.0000011,2,-1e-8,-0.0135,7.0e-7,19203.444049780002,0.00000120,6.9e-7,1700000000000,\"new\"]").on(Family::Ticker));
    let text = rig.get("/api/market-data/ticker/BTC-USD").await;
    let expected = [
        "\"bid\":7e-7,",
        "\"ask\":0.0000011,",
        "\"last\":7.0e-7,",
        "\"close\":7.0e-7,",
        "\"change\":-1e-8,",
        "\"high\":0.00000120,",
        "\"low\":6.9e-7,",
        "\"baseVolume\":19203.444049780002,",
        "\"percentage\":-1.35,",
        "\"open\":0.00000071,",
        "\"average\":0.000000705,",
        "\"info\":[7e-7, 1.5,0.0000011,2,-1e-8,-0.0135,7.0e-7,19203.444049780002,0.00000120,6.9e-7,1700000000000,\"new\"]",
    ];
    for part in expected {
        assert!(text.text().contains(part), "{part} in {}", text.text());
    }
    rig.sim.fault(
        says("[[7e-7,3,0.015486090000000001],[6.90e-7,1,1E2],[0.0000011,2,-1000.0]]")
            .on(Family::Book),
    );
    let text = rig.get("/api/market-data/orderbook/BTC-USD").await;
    assert!(
        text.text().contains(
            "\"bids\":[[7e-7,0.015486090000000001],[6.90e-7,1E2]],\"asks\":[[0.0000011,1000.0]]"
        ),
        "{}",
        text.text()
    );
    rig.sim.fault(says("[[1700000100000,7e-7,8.10e-7,0.0000009,6e-7,1.0]]").on(Family::Candles));
    let text = rig.get("/api/market-data/ohlcv/BTC-USD?format=csv").await;
    assert!(
        text.text().contains("1700000100000,7e-7,0.0000009,6e-7,8.10e-7,1.0,true"),
        "{}",
        text.text()
    );
    rig.sim.fault(says("[[17,1700000100000,-0.015486090000000001,7e-7]]").on(Family::Trades));
    let text = rig.get("/api/market-data/trades/BTC-USD").await;
    assert!(
        text.text().contains("\"side\":\"sell\",\"price\":7e-7,\"amount\":0.015486090000000001,"),
        "{}",
        text.text()
    );
}

/// The cheapest markets of the simulated exchange, through the whole gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchanges_own_rows_come_through_unchanged() {
    let (rig, _) = Rig::still().await;
    for id in ["tBTTUSD", "tAPENFT:USD", "tPEPE:USD", "tBTCUSD"] {
        let row = ask(rig.sim.addr(), "GET", &format!("/v2/ticker/{id}"), &[]).await;
        let reply = rig.get(&format!("/api/market-data/ticker/{id}")).await;
        assert!(
            reply.text().ends_with(&format!("\"info\":{}}}", row.text())),
            "{} in {}",
            row.text(),
            reply.text()
        );
        let columns: Vec<&str> = row.text().trim_matches(['[', ']']).split(',').collect();
        for (name, column) in [
            ("bid", 0),
            ("ask", 2),
            ("change", 4),
            ("last", 6),
            ("baseVolume", 7),
            ("high", 8),
            ("low", 9),
        ] {
            let part = format!("\"{name}\":{},", columns[column]);
            assert!(reply.text().contains(&part), "{part} in {}", reply.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_trades_and_lists_have_their_shapes() {
    let (rig, _) = Rig::still().await;
    let book = rig.get("/api/market-data/orderbook/BTC-USD?limit=3&precision=P1").await.json();
    let prices = |side: &str| -> Vec<f64> {
        book[side].as_array().unwrap().iter().map(|level| level[0].as_f64().unwrap()).collect()
    };
    let (bids, asks) = (prices("bids"), prices("asks"));
    assert!(bids.len() == 3 && bids.is_sorted_by(|a, b| a > b) && asks.is_sorted_by(|a, b| a < b));
    assert!(bids[0] < asks[0] && book["nonce"].is_null() && book["timestamp"].is_i64());
    let trades = rig.get("/api/market-data/trades/BTC-USD?limit=30").await.json();
    let trades = trades.as_array().unwrap();
    let at = |trade: &Value| trade["timestamp"].as_i64().unwrap();
    assert!(trades.len() == 30 && trades.is_sorted_by_key(at));
    let trade = &trades[7];
    assert!(trade["id"].is_string() && matches!(trade["side"].as_str(), Some("buy" | "sell")));
    let product = trade["price"].as_f64().unwrap() * trade["amount"].as_f64().unwrap();
    assert!((trade["cost"].as_f64().unwrap() - product).abs() < 1e-6 * product, "{trade}");
    let since = at(trade);
    let later =
        rig.get(&format!("/api/market-data/trades/BTC-USD?limit=5&since={since}")).await.json();
    assert!(later[0]["timestamp"] == since && later.as_array().unwrap().len() == 5, "{later}");

    let markets = rig.get("/api/market-data/markets").await.json();
    let markets = markets["markets"].as_array().unwrap();
    assert!(markets.len() > 250);
    let bitcoin = markets.iter().find(|market| market["symbol"] == "BTC/USD").unwrap();
    assert_eq!(
        [&bitcoin["id"], &bitcoin["base"], &bitcoin["quote"], &bitcoin["type"]],
        ["tBTCUSD", "BTC", "USD", "spot"]
    );
    assert!(
        bitcoin["active"] == true
            && bitcoin["margin"] == true
            && bitcoin["limits"]["amount"]["min"].is_number()
    );
    let exchanges = rig.get("/api/market-data/exchanges").await;
    assert!(
        exchanges.text().contains("\"bitfinex\"") && exchanges.text().contains("\"candles\""),
        "{}",
        exchanges.text()
    );
}

/// The market list is fetched once, kept when it cannot be fetched anew, and needed by all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_market_list_the_reason_is_told() {
    let mut config = settings();
    config.cache.markets = crate::rig::policy([200, 0, 60_000, 100]);
    let rig = Rig::start(config).await;
    rig.sim.fault(Fault::Html { status: 503 }.on(Family::Conf));
    tokio::time::sleep(crate::rig::ms(250)).await;
    assert_eq!(rig.get("/api/market-data/ticker/BTC-USD").await.status, 200, "the old list serves");
    assert!(rig.get("/api/market-data/markets").await.ttl() < 0);
    assert!(rig.calls(Family::Conf) > 0, "it was tried");
}
