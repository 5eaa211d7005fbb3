//! The decoders against bodies that were recorded from the exchange by open-source projects.
//!
//! The recordings are kept beside the project, not in it; where they are not there, these tests
//! say so and check nothing.

use std::{collections::HashMap, fs, io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tidegate::{
    exchange::{
        Broken, Data, Event, Output, Report, Session, SessionError, SessionSettings, Stream, Topic,
        bitfinex::{CONF_KEYS, Conversation, Subscription, market_list, wire},
    },
    market::{Identity, Kind, Ladder, Number, Side, Timeframe},
    registry::Registry,
};
use tokio::time::Instant;

/// A recorded file, or `None` where there are no recordings.
fn recorded(file: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !folder.is_dir() {
        // Past the harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: no recordings in {}", folder.display());
        return None;
    }
    Some(fs::read_to_string(folder.join(file)).unwrap())
}

/// The element of a recorded conf answer; the file begins with method, path and a flag.
fn conf(file: &str) -> Option<Value> {
    let text = recorded(&format!("Bitfinex.Net/{file}.txt"))?;
    let body = text.splitn(4, '\n').nth(3).unwrap();
    let elements: Vec<Value> = serde_json::from_str(body).unwrap();
    elements.into_iter().next()
}

/// What a WebSocket snapshot `[CHANNEL, ROWS]` holds, as a REST body would.
fn snapshot(text: &str) -> Bytes {
    let (_, rows) = text.trim().strip_prefix('[').unwrap().split_once(',').unwrap();
    Bytes::from(rows.strip_suffix(']').unwrap().to_owned())
}

#[test]
fn conf_of_2024_becomes_a_market_list() {
    let Some(pairs) = conf("GetSymbolNames") else { return };
    let infos = conf("GetSymbols").unwrap();
    let futures = conf("GetFuturesSymbols").unwrap();
    let names = |infos: &Value| -> Vec<Value> {
        infos.as_array().unwrap().iter().map(|row| row[0].clone()).collect()
    };
    // The list of that recording is older than its sizes and has no pair with a colon.
    let mut spot = pairs.as_array().unwrap().clone();
    spot.extend(names(&infos));
    let count = spot.iter().map(Value::to_string).collect::<std::collections::HashSet<_>>().len();
    let swaps = names(&futures);
    assert_eq!(swaps.len(), 89);
    let map = conf("GetAssetSymbols").unwrap();
    let body = serde_json::json!([spot, null, swaps, null, map, infos, futures]).to_string();
    let list = market_list(&Bytes::from(body)).unwrap();

    assert_eq!(list.listings.len(), count + swaps.len());
    assert_eq!(list.documents.len(), CONF_KEYS.len());
    let registry = Registry::new(list.listings);
    for (text, symbol, id) in [
        ("BTC/USD", "BTC/USD", "tBTCUSD"),
        ("btc-usdt", "BTC/USDT", "tBTCUST"),
        ("BTCUST", "BTC/USDT", "tBTCUST"),
        ("DASHUSD", "DASH/USD", "tDSHUSD"),
        ("1inch_usd", "1INCH/USD", "t1INCH:USD"),
        ("tAVAX:UST", "AVAX/USDT", "tAVAX:UST"),
        ("MANA/USD", "MANA/USD", "tMNAUSD"),
        // The map of 2024 called tether's perpetual code USDt0.
        ("BTCF0/USTF0", "BTC/USDT0:USDT0", "tBTCF0:USTF0"),
    ] {
        let listing = registry.resolve(text).unwrap();
        assert_eq!((listing.symbol.as_str(), listing.id.as_str()), (symbol, id));
    }
    let aave = registry.by_id("tAAVE:USD").unwrap();
    assert_eq!(aave.amount.min.as_ref().map(Number::as_str), Some("0.02"));
    assert_eq!(aave.amount.max.as_ref().map(Number::as_str), Some("5000.0"));
    let swap = registry.by_id("tALGF0:USTF0").unwrap();
    assert_eq!(
        (swap.kind, swap.amount.min.as_ref().map(Number::as_str)),
        (Kind::Swap, Some("8.0"))
    );
    // Every listing is found under every name it has.
    for listing in registry.all() {
        for name in [listing.symbol.as_str(), listing.id.as_str()] {
            assert_eq!(registry.resolve(name).unwrap().id, listing.id);
        }
        for alias in &listing.aliases {
            assert_eq!(registry.resolve(alias).unwrap().id, listing.id, "{alias}");
        }
    }
}

#[test]
fn conf_of_2021_becomes_a_market_list() {
    let Some(text) = recorded("cryptofeed/BITFINEX.jsonl") else { return };
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let element = |path: &str| -> Value {
        let of = |line: &&Value| line["url"].as_str().is_some_and(|url| url.ends_with(path));
        let body = lines.iter().find(of).unwrap()["data"].as_str().unwrap();
        serde_json::from_str::<Vec<Value>>(body).unwrap().remove(0)
    };
    let (spot, swaps) = (element("pub:list:pair:exchange"), element("pub:list:pair:future"));
    assert_eq!((spot.as_array().unwrap().len(), swaps.as_array().unwrap().len()), (293, 35));
    let body = serde_json::json!([spot, null, swaps, null, [["UST", "USDt"]]]).to_string();
    let list = market_list(&Bytes::from(body)).unwrap();
    assert_eq!(list.listings.len(), 293 + 35);
    let registry = Registry::new(list.listings);
    assert_eq!(registry.resolve("DOT/BTC:BTC").unwrap().id, "tDOTF0:BTCF0");
    assert_eq!(registry.resolve("TESTBTC/TESTUSD").unwrap().id, "tTESTBTC:TESTUSD");
    assert_eq!(registry.resolve("AAVE/USDT").unwrap().id, "tAAVE:UST");
}

#[test]
fn snapshots_of_2021_decode() {
    let Some(text) = recorded("cryptofeed/BITFINEX.jsonl") else { return };
    let (mut books, mut trades, mut tickers) = (0, 0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(frame) = line["data"].as_str().filter(|_| line["t"] == "recv") else { continue };
        // Every frame of that recording ends in a running number.
        let Some((frame, _)) = frame.strip_suffix(']').and_then(|f| f.rsplit_once(',')) else {
            continue;
        };
        if frame.contains(",[[") {
            let rows = snapshot(&format!("{frame}]"));
            let columns = serde_json::from_slice::<Vec<Vec<Value>>>(&rows).unwrap()[0].len();
            if columns == 4 {
                let decoded = wire::trades(&rows).unwrap();
                assert_eq!(decoded.len(), 30);
                assert!(decoded.windows(2).all(|pair| pair[0].at <= pair[1].at));
                trades += 1;
            } else {
                let book = wire::book(&rows, 100).unwrap();
                assert!(!book.bids.is_empty() && !book.asks.is_empty());
                books += 1;
            }
        } else if let Some(row) = frame.split_once(",[").map(|(_, row)| row)
            && row.matches(',').count() == 9
        {
            let ticker = wire::ticker(&Bytes::from(format!("[{row}"))).unwrap();
            assert!(ticker.is_complete() || ticker.base_volume.is_some());
            tickers += 1;
        }
    }
    assert_eq!((books, trades), (7, 7));
    assert!(tickers >= 7, "{tickers}");
}

#[test]
fn bodies_of_2017_decode() {
    let Some(text) = recorded("bitfinex-api-node/response-ticker-pairs.json") else { return };
    let ticker = wire::ticker(&Bytes::from(text)).unwrap();
    assert_eq!(ticker.bid.as_ref().map(Number::as_str), Some("1781.8"));
    assert_eq!(ticker.change_relative.as_ref().map(Number::as_str), Some("-0.0196"));
    assert_eq!(ticker.open().as_ref().map(Number::as_str), Some("1817.5"));

    let text = recorded("bitfinex-api-node/response-trades-pairs.json").unwrap();
    let count = serde_json::from_str::<Vec<Value>>(&text).unwrap().len();
    let trades = wire::trades(&Bytes::from(text)).unwrap();
    assert_eq!(trades.len(), count);
    let last = trades.last().unwrap();
    assert_eq!((last.id, last.side, last.price.as_str()), (32_179_419, Side::Sell, "1760.2"));
    assert_eq!(last.raw.as_str(), "[32179419,1494853783000,-0.04824433,1760.2]");

    for (precision, best_bid, best_ask) in [("P0", "1921.8", "1921.9"), ("P1", "1779", "1780")] {
        let file = format!("bitfinex-api-node/response-ws2-server-order-book-{precision}.json");
        let book = wire::book(&snapshot(&recorded(&file).unwrap()), 25).unwrap();
        assert_eq!((book.bids.len(), book.asks.len()), (25, 25));
        assert_eq!(book.bids[0].price.as_str(), best_bid);
        assert_eq!(book.asks[0].price.as_str(), best_ask);
    }
    // A book of single orders is none of price levels.
    let orders = recorded("bitfinex-api-node/response-ws2-server-order-book-R0.json").unwrap();
    assert!(wire::book(&snapshot(&orders), 25).is_err());
    let funding = recorded("bitfinex-api-node/response-trades-funding.json").unwrap();
    assert!(wire::candles(&Bytes::from(funding), Timeframe::M1).is_err());
}

#[test]
fn prices_below_a_millionth_keep_their_text() {
    let Some(text) = recorded("transcribed/checksum_vector_XRPBTC_P0.json") else { return };
    let vector: Value = serde_json::from_str(&text).unwrap();
    let frames = vector["frames"].as_array().unwrap();
    let frame = frames.iter().filter_map(Value::as_str).find(|frame| frame.contains("[[")).unwrap();
    let book = wire::book(&snapshot(frame), 25).unwrap();
    let texts: Vec<_> = book.bids.iter().map(|level| level.price.as_str()).collect();
    assert_eq!(&texts[8..12], ["0.00000101", "0.000001", "7e-7", "6.6e-7"]);
}

/// A session whose topics are asked for, and what it has told.
struct Replay {
    session: Conversation,
    opened: Instant,
    told: Vec<Event>,
}

impl Replay {
    fn new(topics: impl IntoIterator<Item = Topic>) -> Self {
        let session = Conversation::new(SessionSettings { ack_timeout: Duration::from_secs(30) });
        let mut replay = Self { session, opened: Instant::now(), told: Vec::new() };
        let mut out = Vec::new();
        replay.session.on_open(replay.opened, &mut out);
        for topic in topics {
            replay.session.subscribe(&Arc::new(topic), replay.opened, &mut out);
        }
        replay
    }

    fn hear(&mut self, text: &str, after: Duration) {
        let now = self.opened + after;
        let mut out = Vec::new();
        self.session.on_text(&Bytes::copy_from_slice(text.as_bytes()), now, &mut out).unwrap();
        if self.session.wakes_at().is_some_and(|at| at <= now) {
            self.session.on_time(now, &mut out).unwrap();
        }
        self.told.extend(out.into_iter().filter_map(|output| match output {
            Output::Tell(event) | Output::TellLate(event, _) => Some(event),
            Output::Send(_) | Output::FetchBook(..) => None,
        }));
    }

    /// How often each kind of event was told.
    fn counts(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for event in &self.told {
            let name = match event {
                Event::Subscribed(_) => "subscribed",
                Event::Heartbeat(_) => "heartbeat",
                Event::Checked(..) => "checked",
                Event::Broken(..) => "broken",
                Event::Data(_, Data::Ticker(_)) => "ticker",
                Event::Data(_, Data::Trades(_)) => "trades",
                Event::Data(_, Data::Trade(_, Report::Executed)) => "executed",
                Event::Data(_, Data::Trade(_, Report::Confirmed)) => "confirmed",
                Event::Data(_, Data::Book(_)) => "book",
                Event::Data(_, Data::Levels(_)) => "levels",
                Event::Data(_, Data::Row(_)) => "row",
                _ => "other",
            };
            *counts.entry(name).or_default() += 1;
        }
        counts
    }
}

fn topic(message: &str) -> Topic {
    serde_json::from_str::<Subscription>(message).unwrap().topic().unwrap()
}

/// Every book is one that can be true after every event, and as deep as asked for at most.
fn follow_books(told: &[Event]) -> HashMap<Arc<Topic>, Ladder> {
    let mut books: HashMap<Arc<Topic>, Ladder> = HashMap::new();
    for event in told {
        let topic = match event {
            Event::Data(topic, Data::Book(levels)) => {
                let ladder = Ladder::of(Identity::Price, levels).unwrap();
                books.insert(Arc::clone(topic), ladder);
                topic
            }
            Event::Data(topic, Data::Levels(changes)) => {
                let ladder = books.get_mut(topic).unwrap();
                changes.iter().for_each(|change| ladder.apply(change).unwrap());
                topic
            }
            _ => continue,
        };
        let Stream::Book { depth, .. } = topic.stream else { panic!("{topic}") };
        let ladder = &books[topic];
        assert!(!ladder.is_crossed() && ladder.depth() <= depth as usize, "{topic}");
        assert_eq!(ladder.book().fault(), None, "{topic}");
    }
    books
}

#[test]
fn the_conversation_of_2021_runs_through_a_session() {
    let Some(text) = recorded("cryptofeed/BITFINEX.jsonl") else { return };
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |what: &'static str| {
        let of = move |line: &&Value| line["t"] == what;
        lines.iter().filter(of).map(|line| (line["ts"].as_f64().unwrap(), &line["data"]))
    };
    let asked = said("send").filter_map(|(_, text)| text.as_str());
    let asked: Vec<Topic> = asked.filter(|text| text.contains("subscribe")).map(topic).collect();
    assert_eq!(asked.len(), 21);

    let mut replay = Replay::new(asked);
    let start = said("recv").next().unwrap().0;
    let mut heard = 0;
    for (at, text) in said("recv") {
        replay.hear(text.as_str().unwrap(), Duration::from_secs_f64(at - start));
        heard += 1;
    }
    let counts = replay.counts();
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    assert_eq!((count("broken"), count("other"), count("subscribed")), (0, 0, 21));
    assert_eq!((count("book"), count("trades")), (7, 7));
    // Every message is told of once: all but info, conf and acknowledgements are events.
    let data: usize = counts.values().sum::<usize>() - 21;
    assert_eq!(data, heard - 2 - 21, "{counts:?}");
    // No trade happened in those 31 seconds.
    assert_eq!((count("executed"), count("confirmed")), (0, 0));
    assert_eq!((count("ticker"), count("levels"), count("heartbeat")), (21, 1593, 42));
    let books = follow_books(&replay.told);
    assert_eq!(books.len(), 7);

    // The same conversation with a message lost in its midst.
    let mut replay = Replay::new([]);
    let texts: Vec<&str> = said("recv").map(|(_, text)| text.as_str().unwrap()).collect();
    texts[..900].iter().for_each(|text| replay.hear(text, Duration::ZERO));
    let after_the_lost = Bytes::copy_from_slice(texts[901].as_bytes());
    let gap = replay.session.on_text(&after_the_lost, replay.opened, &mut Vec::new());
    assert!(
        matches!(gap, Err(SessionError::Gap { expected, got }) if got == expected + 1),
        "{gap:?}"
    );
}

/// Has the session ask for what an acknowledgement names and hear `frames`.
fn after(acknowledgement: &str, frames: &[&str]) -> Replay {
    let mut replay = Replay::new([topic(acknowledgement)]);
    replay.hear(acknowledgement, Duration::ZERO);
    frames.iter().for_each(|frame| replay.hear(frame, Duration::ZERO));
    replay
}

#[test]
fn the_checksum_of_prices_below_a_millionth_holds() {
    let Some(text) = recorded("transcribed/checksum_vector_XRPBTC_P0.json") else { return };
    let vector: Value = serde_json::from_str(&text).unwrap();
    let frames: Vec<&str> =
        vector["frames"].as_array().unwrap().iter().map(|frame| frame.as_str().unwrap()).collect();
    let [_conf, acknowledgement, frames @ ..] = frames.as_slice() else { panic!() };
    let replay = after(acknowledgement, frames);
    let checked = Event::Checked(Arc::new(topic(acknowledgement)), -1_175_357_890);
    assert_eq!(replay.told.last(), Some(&checked));
    assert_eq!(follow_books(&replay.told).len(), 1);
    // The same sum over a book that has missed its last change does not hold.
    let [snapshot, _update, sum] = frames else { panic!() };
    let replay = after(acknowledgement, &[snapshot, sum]);
    assert!(matches!(replay.told.last(), Some(Event::Broken(_, Broken::Checksum))));
}

#[test]
fn frames_of_2026_are_understood() {
    let Some(text) = recorded("transcribed/ws_frames_2026-09-22.jsonl") else { return };
    let frames: Vec<&str> = text.lines().collect();
    let [info, conf, acknowledgement, book @ ..] = frames.as_slice() else { panic!() };
    // They are single frames of several channels; each goes to a channel of its kind.
    let of = |topic: &str, channel: &str, frames: &[&str]| {
        let acknowledgement = format!(
            r#"{{"event":"subscribed","chanId":{channel},{}"#,
            topic.strip_prefix('{').unwrap()
        );
        after(&acknowledgement, &[&[*info], frames].concat()).told
    };
    let on_book = r#"{"channel":"book","symbol":"tBTCF0:USTF0","prec":"P0","len":"25"}"#;
    let told = of(on_book, "759362", &[book[0], book[1]]);
    let [
        Event::Subscribed(_),
        Event::Data(_, Data::Book(levels)),
        Event::Data(_, Data::Levels(one)),
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((levels.len(), one[0].raw.as_str()), (3, "[86719,2,-0.03483509]"));
    // Their book is quoted in part, so its checksum cannot hold; that it is compared shows.
    let told = of(on_book, "759362", &[book[0], book[3]]);
    assert!(matches!(told.last(), Some(Event::Broken(_, Broken::Checksum))));
    let told = of(on_book, "765277", &[book[4]]);
    assert!(matches!(told.last(), Some(Event::Heartbeat(_))));
    // Numbered, and several changes in one message.
    let told = of(on_book, "853691", &[conf, &book[6].replace("[86717,0,1],[86816,0,-1],", "")]);
    assert!(matches!(told.last(), Some(Event::Data(_, Data::Book(levels))) if levels.len() == 2));
    let told = of(
        r#"{"channel":"book","symbol":"fUSD","prec":"P0","len":"25"}"#,
        "765277",
        &["[765277,[[0.0002,2,1,-100],[0.0003,30,2,250.5]]]"],
    );
    assert!(matches!(told.last(), Some(Event::Data(_, Data::Book(levels))) if levels.len() == 2));
    let told = of(r#"{"channel":"status","key":"deriv:tBTCF0:USTF0"}"#, "759363", &[book[8]]);
    assert!(
        matches!(told.last(), Some(Event::Data(_, Data::Row(raw))) if raw.as_str().starts_with("[1790133734000,null,"))
    );
    let told = of(r#"{"channel":"ticker","symbol":"tBTCF0:USTF0"}"#, "761045", &[book[9]]);
    let Some(Event::Data(_, Data::Ticker(ticker))) = told.last() else { panic!("{told:?}") };
    assert_eq!(ticker.last.as_ref().map(Number::as_str), Some("86717"));
    assert_eq!(acknowledgement.matches("tBTCF0:USTF0").count(), 1);

    let refusals = &book[10..13];
    let told: Vec<Vec<Event>> = refusals
        .iter()
        .map(|error| {
            let mut replay = Replay::new([topic(error)]);
            replay.hear(error, Duration::ZERO);
            replay.told
        })
        .collect();
    assert_eq!(told[0].len(), 1);
    assert!(
        matches!(&told[0][0], Event::Refused(_, why) if why.to_string().ends_with("symbol: invalid"))
    );
    assert!(told[1].is_empty(), "a duplicate waits for the first one's answer");
    assert!(matches!(&told[2][0], Event::Refused(_, tidegate::exchange::Refused::Full)));
}
