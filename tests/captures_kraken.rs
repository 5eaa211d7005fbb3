//! Kraken's adapter against what was recorded from the exchange by an open-source project.
//!
//! The recording is kept beside the project, not in it; where it is not there, or cannot be
//! unpacked, these tests say so and check nothing.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rust_decimal::Decimal;
use serde_json::Value;
use tidegate::{
    exchange::{
        Broken, Data, Event, Output, Session, SessionSettings, Stream, Topic,
        kraken::{Conversation, market_list},
    },
    market::{BookSide, Identity, Ladder, Precision},
    registry::Registry,
};
use tokio::time::Instant;

/// The lines of the recording of 2021: the list of pairs, then conversations of version 1.
fn recorded() -> Option<Vec<Value>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let file = folder.join("cryptofeed/KRAKEN.jsonl.zst");
    let unpacked = Command::new("zstd").arg("-dcq").arg(&file).output();
    let Some(unpacked) = unpacked.ok().filter(|unpacked| unpacked.status.success()) else {
        // Past the harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: no recording in {}", folder.display());
        return None;
    };
    let text = String::from_utf8(unpacked.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn the_pairs_of_2021_become_a_market_list() {
    let Some(lines) = recorded() else { return };
    let body: Value = lines.iter().find(|line| line["t"] == "http").unwrap()["data"].clone();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let pairs = body["result"].as_object().unwrap();
    let listings = market_list(&Bytes::from(body["result"].to_string())).unwrap();
    let dark = pairs.keys().filter(|id| id.ends_with(".d")).count();
    assert_eq!((pairs.len(), dark, listings.len()), (304, 11, 293));
    let registry = Registry::new(listings);
    for (text, symbol, listed_as) in [
        ("BTC/USD", "BTC/USD", "XXBTZUSD"),
        ("XBTUSD", "BTC/USD", "XXBTZUSD"),
        ("eth-btc", "ETH/BTC", "XETHXXBT"),
        ("DOGE/EUR", "DOGE/EUR", "XDGEUR"),
        ("XTZ/USD", "XTZ/USD", "XTZUSD"),
    ] {
        let found = registry.resolve(text).unwrap();
        assert_eq!((found.symbol.as_str(), found.listed_as.as_deref()), (symbol, Some(listed_as)));
    }
    for listing in registry.all() {
        assert_eq!(listing.symbol.as_str(), listing.id.as_str());
        let ours = pairs[listing.listed_as.as_deref().unwrap()]["wsname"].as_str().unwrap();
        for name in [listing.id.as_str(), listing.listed_as.as_deref().unwrap(), ours] {
            assert_eq!(registry.resolve(name).unwrap().id, listing.id, "{name}");
        }
    }
}

/// Less than was recorded, so that levels fall out of it and come back.
const DEPTH: usize = 100;

/// One side of a book as it was recorded: price and amount in their texts, by the price.
type Side = BTreeMap<Decimal, [String; 2]>;

/// A book as it was recorded.
#[derive(Default)]
struct Recorded {
    bids: Side,
    asks: Side,
}

impl Recorded {
    fn side(&mut self, bid: bool) -> &mut Side {
        if bid { &mut self.bids } else { &mut self.asks }
    }

    /// Makes the changes of `parts` under one of their keys.
    fn take(&mut self, parts: &[&Value], key: &str, bid: bool) {
        for level in parts.iter().filter_map(|part| part[key].as_array()).flatten() {
            let [price, amount] = [0, 1].map(|column| level[column].as_str().unwrap().to_owned());
            let by: Decimal = price.parse().unwrap();
            if amount.parse::<Decimal>().unwrap().is_zero() {
                self.side(bid).remove(&by);
            } else {
                self.side(bid).insert(by, [price, amount]);
            }
        }
        while self.side(bid).len() > 1000 {
            if bid {
                self.bids.pop_first()
            } else {
                self.asks.pop_last()
            };
        }
    }

    fn best(&self, bid: bool) -> Side {
        let level = |(by, level): (&Decimal, &[String; 2])| (*by, level.clone());
        match bid {
            true => self.bids.iter().rev().take(DEPTH).map(level).collect(),
            false => self.asks.iter().take(DEPTH).map(level).collect(),
        }
    }

    fn sum(&self) -> u32 {
        let digits = |text: &String| text.replace('.', "").trim_start_matches('0').to_owned();
        let asks = self.asks.values().take(10);
        let levels = asks.chain(self.bids.values().rev().take(10));
        let text: String = levels.flatten().map(digits).collect();
        crc32fast::hash(text.as_bytes())
    }
}

/// What version 2 says where one side of a book becomes another: a level that falls out of the
/// depth it does not name.
fn changes(before: &Side, after: &Side, bid: bool) -> String {
    let level = |[price, amount]: &[String; 2]| format!(r#"{{"price":{price},"qty":{amount}}}"#);
    let worst = if bid { after.keys().next() } else { after.keys().next_back() }.copied();
    let beyond = |by: &Decimal| {
        after.len() == DEPTH
            && worst.is_some_and(|worst| if bid { *by < worst } else { *by > worst })
    };
    let gone = before.iter().filter(|(by, _)| !after.contains_key(by) && !beyond(by));
    let gone = gone.map(|(_, [price, _])| level(&[price.clone(), "0.00000000".to_owned()]));
    let new = after.iter().filter(|(by, now)| before.get(by) != Some(now));
    gone.chain(new.map(|(_, now)| level(now))).collect::<Vec<_>>().join(",")
}

/// A session that follows the books, and what it has made of them.
struct Replay {
    session: Conversation,
    now: Instant,
    books: HashMap<Arc<Topic>, Ladder>,
    checked: usize,
    broken: Vec<Broken>,
}

impl Replay {
    fn new() -> Self {
        let session = Conversation::new(SessionSettings { ack_timeout: Duration::from_secs(30) });
        let now = Instant::now();
        Self { session, now, books: HashMap::new(), checked: 0, broken: Vec::new() }
    }

    fn topic(pair: &str) -> Arc<Topic> {
        let precision = Precision::P0;
        let depth = u32::try_from(DEPTH).unwrap();
        let id = pair.replace("XBT", "BTC").into();
        Arc::new(Topic { id, stream: Stream::Book { precision, depth } })
    }

    fn hear(&mut self, pair: &str, kind: &str, [bids, asks]: [String; 2], sum: u32) {
        let id = &Self::topic(pair).id;
        let text = format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"{id}","bids":[{bids}],"asks":[{asks}],"checksum":{sum}}}]}}"#
        );
        let mut out = Vec::new();
        self.session.on_text(&Bytes::from(text), self.now, &mut out).unwrap();
        for output in out {
            match output {
                Output::Tell(Event::Data(topic, Data::Book(levels))) => {
                    self.books.insert(topic, Ladder::of(Identity::Price, &levels).unwrap());
                }
                Output::Tell(Event::Data(topic, Data::Levels(changes))) => {
                    let ladder = self.books.get_mut(&topic).unwrap();
                    changes.iter().for_each(|change| ladder.apply(change).unwrap());
                    assert!(ladder.depth() <= DEPTH && !ladder.is_crossed());
                }
                Output::Tell(Event::Checked(..)) => self.checked += 1,
                Output::Tell(Event::Broken(_, broken)) => self.broken.push(broken),
                _ => {}
            }
        }
    }
}

#[test]
fn the_books_of_2021_keep_the_exchanges_checksums() {
    let Some(lines) = recorded() else { return };
    let mut replay = Replay::new();
    let mut recorded: HashMap<String, Recorded> = HashMap::new();
    let (mut updates, mut snapshots) = (0, 0);
    for line in lines.iter().filter(|line| line["t"] == "recv") {
        let message: Value = serde_json::from_str(line["data"].as_str().unwrap()).unwrap();
        let Some([_, parts @ .., channel, pair]) = message.as_array().map(Vec::as_slice) else {
            continue;
        };
        if channel != "book-1000" {
            continue;
        }
        let (parts, pair): (Vec<&Value>, _) = (parts.iter().collect(), pair.as_str().unwrap());
        let book = recorded.entry(pair.to_owned()).or_default();
        let before = [true, false].map(|bid| book.best(bid));
        let is_snapshot = parts[0].get("as").is_some();
        let keys = if is_snapshot { ["bs", "as"] } else { ["b", "a"] };
        book.take(&parts, keys[0], true);
        book.take(&parts, keys[1], false);
        let sides =
            [true, false].map(|bid| changes(&before[usize::from(!bid)], &book.best(bid), bid));
        if is_snapshot {
            snapshots += 1;
            replay.session.subscribe(&Replay::topic(pair), replay.now, &mut Vec::new());
            replay.hear(pair, "snapshot", sides, book.sum());
        } else {
            updates += 1;
            let sum = parts.iter().find_map(|part| part["c"].as_str()).unwrap().parse().unwrap();
            replay.hear(pair, "update", sides, sum);
        }
    }
    assert_eq!((snapshots, updates), (10, 4269));
    assert_eq!((replay.checked, replay.broken.as_slice()), (10 + 4269, [].as_slice()));
    for (pair, book) in &recorded {
        let ladder = &replay.books[&Replay::topic(pair)];
        let told = |side| -> Vec<[String; 2]> {
            let text = |(_, level): (i64, &tidegate::market::Level)| {
                [level.price.to_string(), level.amount.to_string()]
            };
            ladder.levels(side).map(text).collect()
        };
        let bids: Vec<_> = book.best(true).into_values().rev().collect();
        assert_eq!(told(BookSide::Bid), bids, "{pair}");
        let asks: Vec<_> = book.best(false).into_values().collect();
        assert_eq!(told(BookSide::Ask), asks, "{pair}");
    }

    // The same books, of which a level was lost, are not the exchange's.
    for (pair, book) in &recorded {
        let mut best = book.best(true);
        best.pop_last();
        let sides =
            [changes(&Side::new(), &best, true), changes(&Side::new(), &book.best(false), false)];
        replay.hear(pair, "snapshot", sides, book.sum());
    }
    assert_eq!(replay.broken, vec![Broken::Checksum; recorded.len()]);
}
