//! The simulated Kraken against what is documented and was recorded of the exchange.

use serde_json::{Value, json};
use tidegate::sim::{Kind, SimConfig, WsAction, WsFault};

use crate::{
    exchanges::exchange,
    support::{MINUTE, NOW, calm},
    talk::Plain,
};

fn number(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn errors_are_told_with_status_200() {
    let bench = exchange(Kind::Kraken).await;
    for (path, error) in [
        ("/0/public/Ticker?pair=NOPEUSD", "EQuery:Unknown asset pair"),
        ("/0/public/Ticker?pair=XBTUSD,NOPEUSD", "EQuery:Unknown asset pair"),
        ("/0/public/Depth?pair=NOPEUSD", "EQuery:Unknown asset pair"),
        ("/0/public/OHLC?pair=XBTUSD&interval=360", "EGeneral:Invalid arguments"),
        ("/0/public/OHLC", "EGeneral:Invalid arguments"),
        ("/0/public/Depth?pair=XBTUSD&count=0", "EGeneral:Invalid arguments"),
        ("/0/public/Nope", "EGeneral:Unknown method"),
    ] {
        let body = format!(r#"{{"error":["{error}"]}}"#);
        assert_eq!(bench.answer(path).await, (200, body), "{path}");
    }
}

#[tokio::test]
async fn candles_are_721_filled_rows_whose_last_is_open() {
    let bench = exchange(Kind::Kraken).await;
    let said = bench.get("/0/public/OHLC?pair=XRPUSD&interval=1").await.json();
    let rows = said["result"]["XXRPZUSD"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 721);
    let open = (NOW - NOW % MINUTE) / 1_000;
    let times: Vec<i64> = rows.iter().map(|row| row[0].as_i64().unwrap()).collect();
    assert_eq!(times, (0..721).map(|n| open - (720 - n) * 60).collect::<Vec<_>>());
    assert_eq!(said["result"]["last"], open - 60, "the newest closed row");
    let (mut flat, mut busy) = (0, 0);
    for pair in rows.windows(2) {
        let (row, close) = (&pair[1], &pair[0][4]);
        let [o, h, l, c] = [1, 2, 3, 4].map(|place| number(&row[place]));
        assert!(h >= o.max(c) && l <= o.min(c), "{row}");
        if row[7] == 0 {
            flat += 1;
            for place in 1..=4 {
                assert_eq!(&row[place], close, "the close before it");
            }
            assert_eq!((&row[5], &row[6]), (&json!("0.0"), &json!("0.00000000")));
        } else {
            busy += 1;
            assert!((l..=h).contains(&number(&row[5])) && number(&row[6]) > 0.0, "{row}");
        }
    }
    assert!(flat > 20 && busy > 100, "{flat} flat and {busy} busy");

    let since = open - 300;
    let path = format!("/0/public/OHLC?pair=XRPUSD&interval=1&since={since}");
    let later = bench.get(&path).await.json();
    let later = later["result"]["XXRPZUSD"].as_array().unwrap();
    assert_eq!(later[..], rows[715..], "since is inclusive");
    let old = bench.get("/0/public/OHLC?pair=XRPUSD&interval=1&since=1500000000").await.json();
    assert_eq!(old["result"]["XXRPZUSD"].as_array().unwrap()[..], rows[..]);
}

#[tokio::test]
async fn trades_page_forwards_by_last_and_make_the_candles() {
    let bench = exchange(Kind::Kraken).await;
    let start = (NOW - NOW % MINUTE) / 1_000 - 600;
    let (mut since, mut all) = (format!("{}", start * 1_000_000_000 - 1), Vec::<Value>::new());
    loop {
        let path = format!("/0/public/Trades?pair=XBTUSD&count=7&since={since}");
        let said = bench.get(&path).await.json();
        let rows = said["result"]["XXBTZUSD"].as_array().unwrap().clone();
        assert!(rows.len() <= 7 && rows.iter().all(|row| row.as_array().unwrap().len() == 7));
        let last = said["result"]["last"].as_str().unwrap().to_owned();
        if rows.is_empty() {
            assert_eq!(last, since, "where nothing is new it stays");
            break;
        }
        since = last;
        all.extend(rows);
    }
    let ids: Vec<i64> = all.iter().map(|row| row[6].as_i64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "each once, oldest first");
    let path = format!("/0/public/OHLC?pair=XBTUSD&interval=5&since={start}");
    let said = bench.get(&path).await.json();
    let rows = said["result"]["XXBTZUSD"].as_array().unwrap();
    let traded: i64 = rows.iter().map(|row| row[7].as_i64().unwrap()).sum();
    let begin = rows[0][0].as_f64().unwrap();
    let counted = all.iter().filter(|row| row[2].as_f64().unwrap() >= begin).count();
    assert_eq!(traded, counted as i64);
    let newest = bench.get("/0/public/Trades?pair=XBTUSD").await.json();
    let newest = newest["result"]["XXBTZUSD"].as_array().unwrap().clone();
    assert_eq!((newest.len(), newest.last()), (1_000, all.last()));
}

#[tokio::test]
async fn a_ticker_has_today_beside_the_last_day() {
    let bench = exchange(Kind::Kraken).await;
    let said = bench.get("/0/public/Ticker?pair=XBT/USD").await.json();
    let ticker = &said["result"]["XXBTZUSD"];
    for figure in ["v", "t"] {
        let [today, day] = [&ticker[figure][0], &ticker[figure][1]];
        let value = |of: &Value| of.as_f64().unwrap_or_else(|| number(of));
        assert!(value(today) < value(day), "{figure}: {ticker}");
    }
    let midnight = NOW / 86_400_000 * 86_400;
    let path = format!("/0/public/OHLC?pair=XBTUSD&interval=1440&since={midnight}");
    let today = bench.get(&path).await.json()["result"]["XXBTZUSD"][0].clone();
    assert_eq!(ticker["o"], today[1], "the first price of the day, not of 24 hours");
    assert_eq!((&ticker["h"][0], &ticker["l"][0]), (&today[2], &today[3]));
    assert_eq!(ticker["c"][0], today[4]);
    let all = bench.get("/0/public/Ticker").await.json();
    let pairs = bench.get("/0/public/AssetPairs").await.json();
    let names = |value: &Value| -> Vec<String> {
        value["result"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&all), names(&pairs));
    assert!(names(&all).len() > 150);
}

/// Digits of a raw JSON number, written from the documentation alone.
fn digits(number: &str) -> String {
    number.replace('.', "").trim_start_matches('0').to_owned()
}

/// A client's book: price and amount as they were sent.
#[derive(Default)]
struct Book {
    sides: [Vec<(String, String)>; 2],
}

impl Book {
    fn apply(&mut self, data: &Value, depth: usize) {
        for (side, name) in ["bids", "asks"].iter().enumerate() {
            for level in data[name].as_array().unwrap() {
                let text = |name: &str| level[name].as_str().unwrap().to_owned();
                let (price, qty) = (text("price"), text("qty"));
                let value = |text: &str| text.parse::<f64>().unwrap();
                let levels = &mut self.sides[side];
                levels.retain(|(known, _)| *known != price);
                if value(&qty) > 0.0 {
                    levels.push((price, qty));
                }
                let sign = if side == 0 { -1.0 } else { 1.0 };
                levels.sort_by(|a, b| (sign * value(&a.0)).total_cmp(&(sign * value(&b.0))));
                levels.truncate(depth);
            }
        }
    }

    fn checksum(&self) -> u32 {
        let [bids, asks] = &self.sides;
        let best = asks.iter().take(10).chain(bids.iter().take(10));
        let text: String = best.map(|(price, qty)| digits(price) + &digits(qty)).collect();
        crc32fast::hash(text.as_bytes())
    }
}

/// The messages of a channel, numbers as the text they were sent as.
fn told(talk: &Plain, channel: &str) -> Vec<Value> {
    let quoted =
        talk.texts.iter().filter(|text| text.contains(&format!(r#""channel":"{channel}","#)));
    let quoted = quoted.filter(|text| text.contains(r#""data""#)).map(|text| {
        let mut out = String::new();
        let mut inside = false;
        let mut number = false;
        for c in text.chars() {
            let numeric = !inside && (c.is_ascii_digit() || (number && c == '.') || c == '-');
            if numeric != number {
                out.push('"');
            }
            number = numeric;
            inside ^= c == '"';
            out.push(c);
        }
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    });
    quoted.collect()
}

fn kraken() -> Plain {
    Plain::new(SimConfig { exchange: Kind::Kraken, ..calm() })
}

const BOOK: &str = r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","ETH/USD"],"depth":25},"req_id":7}"#;

#[test]
fn every_checksum_is_that_of_the_book_a_client_makes() {
    let mut talk = kraken();
    talk.say(BOOK);
    talk.run(20_000);
    for symbol in ["BTC/USD", "ETH/USD"] {
        let mut book = Book::default();
        let all = told(&talk, "book");
        let mine: Vec<&Value> =
            all.iter().filter(|one| one["data"][0]["symbol"] == symbol).collect();
        assert!(mine.len() > 10, "{}", mine.len());
        assert_eq!(mine[0]["type"], "snapshot");
        for message in mine {
            let data = &message["data"][0];
            book.apply(data, 25);
            assert_eq!(data["checksum"], book.checksum().to_string(), "{message}");
        }
        assert_eq!([book.sides[0].len(), book.sides[1].len()], [25, 25]);
    }
}

#[test]
fn a_wrong_level_a_lost_frame_and_a_wrong_checksum_are_seen_by_checksums() {
    for fault in [WsFault::CorruptLevel, WsFault::LoseFrame, WsFault::WrongChecksum] {
        let mut talk = kraken();
        talk.say(BOOK);
        talk.run(3_000);
        talk.venue.ws_fault(fault.clone().times("book", "BTC/USD", 1));
        talk.run(6_000);
        let mut wrong = 0;
        let mut book = Book::default();
        for message in told(&talk, "book") {
            let data = &message["data"][0];
            if data["symbol"] == "BTC/USD" {
                book.apply(data, 25);
                wrong += u32::from(data["checksum"] != book.checksum().to_string());
            }
        }
        assert!(wrong > 0, "{fault:?}");
        if fault == WsFault::WrongChecksum {
            assert_eq!(wrong, 1);
        }
    }
}

#[test]
fn each_symbol_is_acknowledged_or_refused_for_itself() {
    let mut talk = kraken();
    assert_eq!(talk.json(0)["data"][0]["system"], "online", "told by itself");
    talk.say(
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["XBT/USD","BTC/USD"]},"req_id":3}"#,
    );
    let [refused, ack, data] = [1, 2, 3].map(|place| talk.json(place));
    assert_eq!(refused["error"], "Currency pair not supported XBT/USD");
    assert_eq!((&refused["success"], &refused["symbol"]), (&json!(false), &json!("XBT/USD")));
    assert_eq!((&ack["success"], &ack["req_id"]), (&json!(true), &json!(3)));
    assert_eq!(ack["result"]["symbol"], "BTC/USD");
    assert_eq!((&data["channel"], &data["type"]), (&json!("ticker"), &json!("snapshot")));
    for (params, error) in [
        (r#""channel":"ticker","symbol":["BTC/USD"]"#, "Already subscribed"),
        (r#""channel":"book","symbol":["BTC/USD"],"depth":11"#, "Subscription depth not supported"),
        (
            r#""channel":"ohlc","symbol":["BTC/USD"],"interval":2"#,
            "Subscription ohlc interval not supported",
        ),
    ] {
        talk.say(&format!(r#"{{"method":"subscribe","params":{{{params}}}}}"#));
        assert_eq!(talk.json(talk.texts.len() - 1)["error"], error);
    }
    talk.say(r#"{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}"#);
    assert_eq!(talk.json(talk.texts.len() - 1)["success"], true);
    talk.say(r#"{"method":"ping","req_id":9}"#);
    let pong = talk.json(talk.texts.len() - 1);
    assert_eq!((&pong["method"], &pong["req_id"]), (&json!("pong"), &json!(9)));
}

#[test]
fn heartbeats_fill_silence_and_maintenance_stops_data() {
    let mut talk = kraken();
    talk.run(3_000);
    assert_eq!(talk.texts.len(), 1, "none before a subscription");
    talk.say(r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#);
    talk.run(30_000);
    let beats = talk.texts.iter().filter(|text| *text == r#"{"channel":"heartbeat"}"#).count();
    assert!((20..=30).contains(&beats), "{beats}");
    let trades = told(&talk, "trade").len();
    talk.venue.ws_now(WsAction::MaintenanceStart);
    talk.run(120_000);
    assert_eq!(told(&talk, "trade").len(), trades);
    let status = talk.texts.iter().filter(|text| text.contains(r#""system":"maintenance""#));
    assert_eq!(status.count(), 1);
    talk.venue.ws_now(WsAction::MaintenanceEnd);
    talk.run(180_000);
    assert!(told(&talk, "trade").len() > trades, "data goes on");
}
