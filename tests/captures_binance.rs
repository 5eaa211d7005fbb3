//! Binance's decoders and conversation against what open-source projects recorded of it.
//!
//! The recordings are kept beside the project, not in it; where they are not there, these tests
//! say so and check nothing.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tidegate::{
    exchange::{
        Data, Event, Output, Report, Session, SessionSettings, Stream, Topic,
        binance::{Conversation, market_list, wire},
    },
    market::{Identity, Ladder, Number, Precision, Side, Timeframe},
    registry::Registry,
};
use tokio::time::Instant;

/// A recorded file, decompressed, or `None` where there are no recordings.
fn recorded(file: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !folder.is_dir() {
        // Past the harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: no recordings in {}", folder.display());
        return None;
    }
    let path = folder.join(file);
    if path.extension().is_none_or(|extension| extension != "zst") {
        return Some(std::fs::read_to_string(path).unwrap());
    }
    let Ok(unpacked) = Command::new("zstd").arg("-dc").arg(&path).output() else {
        let _ = writeln!(std::io::stderr(), "skipped: no zstd to unpack {}", path.display());
        return None;
    };
    assert!(unpacked.status.success());
    Some(String::from_utf8(unpacked.stdout).unwrap())
}

fn conversation_of_2021() -> Option<Vec<Value>> {
    let text = recorded("cryptofeed/BINANCE.jsonl.zst")?;
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn bodies<'a>(lines: &'a [Value], path: &'a str) -> impl Iterator<Item = (&'a str, Bytes)> {
    let of = move |line: &&Value| line["url"].as_str().is_some_and(|url| url.contains(path));
    lines.iter().filter(of).map(|line| {
        let body = line["data"].as_str().unwrap().to_owned();
        (line["url"].as_str().unwrap(), Bytes::from(body))
    })
}

#[test]
fn the_list_of_2021_becomes_a_market_list() {
    let Some(lines) = conversation_of_2021() else { return };
    let (_, body) = bodies(&lines, "exchangeInfo").next().unwrap();
    let info: Value = serde_json::from_slice(&body).unwrap();
    let rows = info["symbols"].as_array().unwrap();
    let open = |row: &&Value| row["status"] == "TRADING" && row["isSpotTradingAllowed"] == true;
    let open: Vec<_> = rows.iter().filter(open).collect();
    let markets = market_list(&body).unwrap();
    assert_eq!((rows.len(), markets.listings.len()), (1695, open.len()));
    assert_eq!(markets.weight_per_minute, Some(1200));
    let registry = Registry::new(markets.listings);
    for row in &open {
        let listing = registry.by_id(row["symbol"].as_str().unwrap()).unwrap();
        assert_eq!(
            (listing.base.as_str(), listing.quote.as_str()),
            (row["baseAsset"].as_str().unwrap(), row["quoteAsset"].as_str().unwrap(),)
        );
        let filter = |kind: &str| {
            let filters = row["filters"].as_array().unwrap();
            filters.iter().find(|filter| filter["filterType"] == kind).unwrap()
        };
        let text = |number: &Option<Number>| number.as_ref().map(Number::to_string);
        let step = |kind, field: &str| filter(kind)[field].as_str().map(str::to_owned);
        assert_eq!(text(&listing.price_step), step("PRICE_FILTER", "tickSize"));
        assert_eq!(text(&listing.amount_step), step("LOT_SIZE", "stepSize"));
        assert_eq!(text(&listing.amount.min), step("LOT_SIZE", "minQty"));
        assert_eq!(text(&listing.amount.max), step("LOT_SIZE", "maxQty"));
    }
    assert_eq!(registry.resolve("btc-usdt").unwrap().id, "BTCUSDT");
    assert_eq!(registry.resolve("RUNEEUR").unwrap().symbol.as_str(), "RUNE/EUR");
}

/// A session on a socket, with what it told and what it wants fetched.
struct Replay {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
    sent: usize,
    fetches: Vec<Arc<Topic>>,
}

impl Replay {
    fn new(topics: &[Arc<Topic>]) -> Self {
        let settings = SessionSettings { ack_timeout: Duration::from_secs(30) };
        let mut replay = Self {
            session: Conversation::new(settings),
            now: Instant::now(),
            told: Vec::new(),
            sent: 0,
            fetches: Vec::new(),
        };
        let mut out = Vec::new();
        replay.session.on_open(replay.now, &mut out);
        for topic in topics {
            replay.session.subscribe(topic, replay.now, &mut out);
        }
        replay.session.on_time(replay.now, &mut out).unwrap();
        let ack = Bytes::from_static(br#"{"result":null,"id":1}"#);
        replay.session.on_text(&ack, replay.now, &mut out).unwrap();
        replay.file(out);
        replay
    }

    fn hear(&mut self, text: &str) {
        let mut out = Vec::new();
        let text = Bytes::copy_from_slice(text.as_bytes());
        self.session.on_text(&text, self.now, &mut out).unwrap();
        if self.session.wakes_at().is_some_and(|at| at <= self.now) {
            self.session.on_time(self.now, &mut out).unwrap();
        }
        self.file(out);
    }

    fn file(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Tell(event) | Output::TellLate(event, _) => self.told.push(event),
                Output::Send(_) => self.sent += 1,
                Output::FetchBook(topic, _) => self.fetches.push(topic),
            }
        }
    }
}

/// Every book is one that can be true after every event.
fn follow_books(told: &[Event]) -> HashMap<Arc<Topic>, Ladder> {
    let mut books: HashMap<Arc<Topic>, Ladder> = HashMap::new();
    for event in told {
        let (topic, ladder) = match event {
            Event::Data(topic, Data::Book(levels)) => {
                let ladder = Ladder::of(Identity::Price, levels).unwrap();
                books.insert(Arc::clone(topic), ladder);
                (topic, &books[topic])
            }
            Event::Data(topic, Data::Levels(changes)) => {
                let ladder = books.get_mut(topic).unwrap();
                changes.iter().for_each(|change| ladder.apply(change).unwrap());
                (topic, &*ladder)
            }
            _ => continue,
        };
        let Stream::Book { depth, .. } = topic.stream else { panic!("{topic}") };
        assert!(!ladder.is_crossed() && ladder.depth() <= depth as usize, "{topic}");
        assert_eq!(ladder.book().fault(), None, "{topic}");
    }
    books
}

/// The best bids and asks by the documentation's recipe, all of the snapshot and the changes.
fn by_hand(lines: &[Value], id: &str, depth: usize) -> [Vec<(f64, f64)>; 2] {
    let level = |row: &Value| {
        let number = |column: &Value| column.as_str().unwrap().parse::<f64>().unwrap();
        (number(&row[0]), number(&row[1]))
    };
    let (_, body) = bodies(lines, &format!("symbol={id}&")).next().unwrap();
    let snapshot: Value = serde_json::from_slice(&body).unwrap();
    let last = snapshot["lastUpdateId"].as_i64().unwrap();
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    let mut make = |side: usize, rows: &Value| {
        for (price, amount) in rows.as_array().unwrap().iter().map(level) {
            match amount {
                0.0 => _ = sides[side].remove(&price.to_bits()),
                _ => _ = sides[side].insert(price.to_bits(), amount),
            }
        }
    };
    make(0, &snapshot["bids"]);
    make(1, &snapshot["asks"]);
    for line in lines.iter().filter(|line| line["t"] == "recv") {
        let message: Value = serde_json::from_str(line["data"].as_str().unwrap()).unwrap();
        let data = &message["data"];
        if data["e"] == "depthUpdate" && data["s"] == id && data["u"].as_i64().unwrap() > last {
            make(0, &data["b"]);
            make(1, &data["a"]);
        }
    }
    // Of positive doubles the bits are in the order of the values.
    let shown = |(bits, amount): (&u64, &f64)| (f64::from_bits(*bits), *amount);
    [
        sides[0].iter().rev().take(depth).map(shown).collect(),
        sides[1].iter().take(depth).map(shown).collect(),
    ]
}

#[test]
fn the_conversation_of_2021_runs_through_a_session() {
    let Some(mut lines) = conversation_of_2021() else { return };
    let at = |line: &Value| line["ts"].as_f64().unwrap_or_default();
    lines.sort_by(|a, b| at(a).total_cmp(&at(b)));
    let ids = ["NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"];
    let on = |id: &str, stream| Arc::new(Topic { id: id.into(), stream });
    let book = |id: &str, depth| on(id, Stream::Book { precision: Precision::P0, depth });
    let topics: Vec<_> = ids
        .iter()
        .flat_map(|id| {
            [
                book(id, 25),
                book(id, 250),
                on(id, Stream::Trades),
                on(id, Stream::Candles(Timeframe::M1)),
            ]
        })
        .collect();
    let mut replay = Replay::new(&topics);
    assert_eq!((replay.sent, replay.fetches.len()), (1, 4));
    let (opened, start) = (replay.now, at(&lines[1]));
    let mut texts = 0;
    for line in &lines {
        replay.now = opened + Duration::from_secs_f64((at(line) - start).max(0.0));
        match line["t"].as_str().unwrap() {
            "recv" => {
                replay.hear(line["data"].as_str().unwrap());
                texts += 1;
            }
            "http" if line["url"].as_str().unwrap().contains("depth") => {
                let url = line["url"].as_str().unwrap();
                let snapshot = Bytes::from(line["data"].as_str().unwrap().to_owned());
                let snapshot = wire::book(&snapshot, 1000).unwrap();
                let asked = |topic: &&Arc<Topic>| url.contains(&format!("symbol={}&", topic.id));
                let topic = replay.fetches.iter().find(asked).unwrap().clone();
                let mut out = Vec::new();
                replay.session.on_book(&topic, Some(&snapshot), replay.now, &mut out);
                replay.file(out);
            }
            _ => {}
        }
    }
    assert_eq!(texts, 265);
    let count = |of: fn(&Event) -> bool| replay.told.iter().filter(|event| of(event)).count();
    assert_eq!(count(|it| matches!(it, Event::Broken(..) | Event::Refused(..))), 0);
    assert_eq!(count(|it| matches!(it, Event::Subscribed(_))), 16);
    assert_eq!(
        count(|it| matches!(it, Event::Data(_, Data::Book(_)))),
        8,
        "the first snapshot fits"
    );
    assert_eq!(replay.fetches.len(), 4);
    assert_eq!(count(|it| matches!(it, Event::Data(_, Data::Trade(_, Report::Confirmed)))), 2);
    assert_eq!(count(|it| matches!(it, Event::Data(_, Data::Candles(_)))), 2);
    let sound = count(|it| matches!(it, Event::Sound(_)));
    assert!(sound > 200, "{sound}");
    let alive = count(|it| matches!(it, Event::Alive));
    assert!((5..30).contains(&alive), "{alive}");
    let books = follow_books(&replay.told);
    assert_eq!(books.len(), 8);
    for (topic, ladder) in &books {
        let Stream::Book { depth, .. } = topic.stream else { panic!("{topic}") };
        let [bids, asks] = by_hand(&lines, &topic.id, depth as usize);
        let book = ladder.book();
        let values = |levels: &[tidegate::market::Level]| -> Vec<(f64, f64)> {
            levels.iter().map(|level| (level.price.f64(), level.amount.f64())).collect()
        };
        assert_eq!((values(&book.bids), values(&book.asks)), (bids, asks), "{topic}");
    }
}

/// What a recorded route answered, as its body.
fn answers(path: &str) -> Option<Vec<Bytes>> {
    let text = recorded("gocryptotrader/binance_http_public_subset.json")?;
    let routes: Value = serde_json::from_str(&text).unwrap();
    let calls = routes["routes"][path]["GET"].as_array().unwrap();
    Some(calls.iter().map(|call| Bytes::from(call["data"].to_string())).collect())
}

#[test]
fn bodies_of_2020_to_2023_decode() {
    let Some(klines) = answers("/api/v3/klines") else { return };
    let first = wire::candles(&klines[0], Timeframe::M5).unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&klines[0]).unwrap();
    assert_eq!(first.len(), rows.len());
    assert_eq!(first[0].close.as_str(), "6727.14000000");

    for body in answers("/api/v3/aggTrades").unwrap() {
        let rows: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let trades = wire::trades(&body).unwrap();
        assert_eq!(trades.len(), rows.len());
        if let (Some(trade), Some(row)) = (trades.first(), rows.first()) {
            assert_eq!(Some(trade.id), row["a"].as_i64());
            let side = if row["m"] == true { Side::Sell } else { Side::Buy };
            assert_eq!(trade.side, side);
        }
    }
    let mut decoded = 0;
    for body in answers("/api/v3/ticker/24hr").unwrap() {
        if body.starts_with(b"[") {
            let rows: Vec<Value> = serde_json::from_slice(&body).unwrap();
            assert_eq!(wire::tickers(&body).unwrap().len(), rows.len());
        } else {
            let (_, ticker) = wire::ticker(&body).unwrap();
            assert!(ticker.is_complete() && ticker.at.is_some());
        }
        decoded += 1;
    }
    assert!(decoded > 0);
    for body in answers("/api/v3/depth").unwrap() {
        let book = wire::book(&body, 5000).unwrap();
        assert!(book.nonce.is_some() && !book.bids.is_empty());
    }
}
