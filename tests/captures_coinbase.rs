//! Coinbase's decoders and session against what was recorded from the exchange by an open-source
//! project in August 2026.
//!
//! The recording is kept beside the project, not in it; where it is not there, or nothing unpacks
//! it, these tests say so and check nothing.

use std::{
    collections::HashMap,
    io::Write as _,
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tidegate::{
    exchange::{
        Data, Event, Output, Session as _, SessionError, SessionSettings, Stream, Topic,
        coinbase::{Conversation, market_list, wire},
    },
    market::{BookSide, Identity, Ladder, Number, Precision, Side},
    registry::Registry,
};
use tokio::time::Instant;

/// The lines of the recording, or `None` where there is none.
fn recorded() -> Option<&'static [Value]> {
    static LINES: OnceLock<Option<Vec<Value>>> = OnceLock::new();
    let read = || {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
        let file = folder.join("cryptofeed/COINBASE.jsonl.zst");
        let unpacked = Command::new("zstd").arg("-dcq").arg(&file).output();
        let text = unpacked.ok().filter(|unpacked| unpacked.status.success());
        let Some(text) = text else {
            // Past the harness, which keeps what a passing test prints.
            let _ = writeln!(std::io::stderr(), "skipped: cannot unpack {}", file.display());
            return None;
        };
        let lines = text.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Some(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
    };
    LINES.get_or_init(read).as_deref()
}

fn products(lines: &[Value]) -> Bytes {
    let answer = lines.iter().find(|line| line["t"] == "http").unwrap();
    Bytes::from(answer["data"].as_str().unwrap().to_owned())
}

fn frames(lines: &[Value]) -> impl Iterator<Item = &str> {
    let received = lines.iter().filter(|line| line["t"] == "recv");
    received.map(|line| line["data"].as_str().unwrap())
}

fn text(number: Option<&Number>) -> &str {
    number.map_or("none", Number::as_str)
}

#[test]
fn products_become_a_market_list() {
    let Some(lines) = recorded() else { return };
    let list = market_list(&products(lines)).unwrap();
    // 920 products, of which 8 are delisted; of the others 396 are aliases.
    assert_eq!(list.listings.len(), 912);
    let aliases = list.listings.iter().filter(|listing| listing.listed_as.is_some()).count();
    assert_eq!(aliases, 396);
    let first_alias = list.listings.iter().position(|listing| listing.listed_as.is_some());
    assert_eq!(first_alias, Some(912 - 396), "aliases stand behind what they mean");
    let registry = Registry::new(list.listings);
    for (asked, symbol, id) in [
        ("BTC/USD", "BTC/USD", "BTC-USD"),
        ("btcusd", "BTC/USD", "BTC-USD"),
        ("BTC-USDC", "BTC/USDC", "BTC-USD"),
        ("eth_usdc", "ETH/USDC", "ETH-USD"),
        ("CELO/USD", "CELO/USD", "CGLD-USD"),
        ("CGLD-USDC", "CELO/USDC", "CGLD-USD"),
        ("00-USD", "00/USD", "00-USD"),
    ] {
        let listing = registry.resolve(asked).unwrap();
        assert_eq!((listing.symbol.as_str(), listing.id.as_str()), (symbol, id), "{asked}");
    }
    for delisted in ["EOS-USD", "DAI-USDC"] {
        assert!(registry.resolve(delisted).is_err(), "{delisted}");
    }
    for listing in registry.all() {
        assert_eq!(registry.resolve(listing.symbol.as_str()).unwrap().symbol, listing.symbol);
        let joined = format!("{}{}", listing.base, listing.quote);
        assert_eq!(registry.resolve(&joined).unwrap().symbol, listing.symbol);
        let id = registry.by_id(&listing.id).unwrap();
        assert!(id.listed_as.is_none() && id.id == listing.id);
    }
    let bitcoin = registry.by_id("BTC-USD").unwrap();
    assert_eq!(text(bitcoin.amount.max.as_ref()), "3400");
    assert_eq!(text(bitcoin.amount_step.as_ref()), "0.00000001");
    assert_eq!(text(bitcoin.price_step.as_ref()), "0.01");
}

/// Figures as ccxt 4.5.90 computes them from the same body.
#[test]
fn products_are_tickers() {
    let Some(lines) = recorded() else { return };
    let rows = wire::tickers(&products(lines)).unwrap();
    assert_eq!(rows.len(), 920);
    let rows: HashMap<String, _> = rows.into_iter().collect();
    let figures = |id: &str| {
        let ticker = &rows[id];
        let figures = [&ticker.opening, &ticker.vwap, &ticker.last, &ticker.change_percent];
        figures.map(|figure| figure.as_ref().map(Number::f64))
    };
    let near = |id: &str, expected: [f64; 4]| {
        for (figure, expected) in figures(id).into_iter().zip(expected) {
            let figure = figure.unwrap();
            assert!((figure / expected - 1.0).abs() < 1e-12, "{id}: {figure} {expected}");
        }
    };
    near("BTC-USD", [65_023.75, 65_086.179_999_284_25, 65_086.18, 0.096_011_072_877_22]);
    near("ALLO-USDC", [0.327, 0.295_499_998_616_010_3, 0.2955, -9.633_027_522_935_78]);
    assert_eq!(figures("BAT-BTC"), [None, None, Some(0.000_001_03), None]);
    let bitcoin = &rows["BTC-USD"];
    assert_eq!(text(bitcoin.base_volume.as_ref()), "2867.54532609");
    assert_eq!(text(bitcoin.quote_volume.as_ref()), "186637571.25");
    assert_eq!((&bitcoin.bid, &bitcoin.ask, bitcoin.at), (&None, &None, None));
}

/// A session that hears the recording.
struct Replay {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
}

impl Replay {
    fn new(topics: &[Arc<Topic>]) -> Self {
        let settings = SessionSettings { ack_timeout: Duration::from_secs(10) };
        let mut session = Conversation::new(settings);
        let (now, mut out) = (Instant::now(), Vec::new());
        session.on_open(now, &mut out);
        topics.iter().for_each(|topic| session.subscribe(topic, now, &mut out));
        assert!(out.iter().all(|output| matches!(output, Output::Send(_))));
        Self { session, now, told: Vec::new() }
    }

    fn hear(&mut self, text: &str) -> Result<(), SessionError> {
        let mut out = Vec::new();
        self.session.on_text(&Bytes::copy_from_slice(text.as_bytes()), self.now, &mut out)?;
        for output in out {
            let Output::Tell(event) = output else { panic!("{output:?}") };
            self.told.push(event);
        }
        Ok(())
    }
}

/// All that was subscribed to in the recording, the books in several depths; candles are not
/// followed.
fn topics() -> Vec<Arc<Topic>> {
    let topic = |id: &str, stream: Stream| Arc::new(Topic { id: id.into(), stream });
    let book = |id: &str, depth: u32| topic(id, Stream::Book { precision: Precision::P0, depth });
    vec![
        topic("BTC-USD", Stream::Trades),
        topic("ETH-USD", Stream::Trades),
        topic("BTC-USD", Stream::Ticker),
        topic("ETH-USD", Stream::Ticker),
        book("BTC-USD", 25),
        book("BTC-USD", 250),
        book("ETH-USD", 100),
    ]
}

/// What the recorded levels make of the books, told apart by product and side: the whole of them.
#[derive(Default)]
struct Truth(HashMap<(String, bool), Vec<(f64, String)>>);

impl Truth {
    fn hear(&mut self, frame: &Value) {
        for event in frame["events"].as_array().unwrap() {
            let product = event["product_id"].as_str().unwrap().to_owned();
            if event["type"] == "snapshot" {
                self.0.retain(|(of, _), _| *of != product);
            }
            for level in event["updates"].as_array().unwrap() {
                let side = self.0.entry((product.clone(), level["side"] == "bid")).or_default();
                let price: f64 = level["price_level"].as_str().unwrap().parse().unwrap();
                let amount = level["new_quantity"].as_str().unwrap();
                let place = side.binary_search_by(|(other, _)| other.total_cmp(&price));
                match place {
                    Ok(place) if amount == "0" => drop(side.remove(place)),
                    Ok(place) => side[place].1 = amount.to_owned(),
                    Err(_) if amount == "0" => {}
                    Err(place) => side.insert(place, (price, amount.to_owned())),
                }
            }
        }
    }

    fn best(&self, product: &str, side: BookSide, depth: usize) -> Vec<(f64, String)> {
        let levels = &self.0[&(product.to_owned(), side == BookSide::Bid)];
        match side {
            BookSide::Bid => levels.iter().rev().take(depth).cloned().collect(),
            BookSide::Ask => levels.iter().take(depth).cloned().collect(),
        }
    }

    fn assert_shown(&self, topic: &Topic, ladder: &Ladder) {
        let Stream::Book { depth, .. } = topic.stream else { panic!("{topic}") };
        let depth = depth as usize;
        for side in [BookSide::Bid, BookSide::Ask] {
            let told = ladder.levels(side);
            let told = told.map(|(_, level)| (level.price.f64(), level.amount.to_string()));
            let told: Vec<_> = told.collect();
            assert_eq!(told.len(), depth);
            assert_eq!(told, self.best(&topic.id, side, depth));
        }
        assert!(!ladder.is_crossed());
    }
}

/// 1,030 texts, snapshots of 46,000 and 23,334 levels among them: none is missing, and after each
/// the levels told are the best of the whole book.
#[test]
fn the_recording_is_told_without_a_gap() {
    let Some(lines) = recorded() else { return };
    let mut replay = Replay::new(&topics());
    let (mut truth, mut ladders) = (Truth::default(), HashMap::<Arc<Topic>, Ladder>::new());
    let (mut snapshots, mut trades, mut tickers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sound, mut alive) = (0, 0);
    for text in frames(lines) {
        let frame: Value = serde_json::from_str(text).unwrap();
        replay.hear(text).unwrap();
        if frame["channel"] == "l2_data" {
            truth.hear(&frame);
        }
        for event in replay.told.drain(..) {
            match event {
                Event::Subscribed(_) => {}
                Event::Alive => alive += 1,
                Event::Data(_, Data::Trades(rows)) => snapshots.push(rows),
                Event::Data(_, Data::Trade(trade, _)) => trades.push(trade),
                Event::Data(_, Data::Ticker(ticker)) => tickers.push(ticker),
                Event::Data(topic, Data::Book(levels)) => {
                    ladders.insert(topic, Ladder::of(Identity::Price, &levels).unwrap());
                }
                Event::Data(topic, Data::Levels(changes)) => {
                    let ladder = ladders.get_mut(&topic).unwrap();
                    changes.iter().for_each(|change| ladder.apply(change).unwrap());
                }
                Event::Sound(topic) => {
                    truth.assert_shown(&topic, &ladders[&topic]);
                    sound += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(replay.session.wakes_at(), None, "every request was answered");
    assert_eq!((ladders.len(), alive), (3, 25));
    // 773 texts with changes, some of them of the book that two topics show.
    assert!((773..2 * 773).contains(&sound), "{sound}");

    let lengths: Vec<usize> = snapshots.iter().map(Vec::len).collect();
    assert_eq!((lengths, trades.len(), tickers.len()), (vec![100, 100], 79, 160));
    let last = snapshots[0].last().unwrap();
    assert_eq!((last.id, last.price.as_str(), last.side), (1_068_572_090, "65083.67", Side::Buy));
    assert_eq!(last.at.iso(), "2026-08-09T21:05:42.514Z");
    let first = &tickers[0];
    assert_eq!((text(first.bid.as_ref()), text(first.ask.as_ref())), ("65083.66", "65083.67"));
    assert_eq!(first.at.unwrap().iso(), "2026-08-09T21:05:48.229Z");
    assert!((first.opening.as_ref().unwrap().f64() - 65_023.75).abs() < 1e-9);
    assert!(tickers.iter().all(|ticker| ticker.high.is_some() && ticker.bid_volume.is_some()));
}

#[test]
fn a_missing_text_is_noticed() {
    let Some(lines) = recorded() else { return };
    let mut replay = Replay::new(&topics());
    let mut texts = frames(lines);
    replay.hear(texts.next().unwrap()).unwrap();
    let _missing = texts.next().unwrap();
    let gap = replay.hear(texts.next().unwrap()).unwrap_err();
    assert_eq!(gap, SessionError::Gap { expected: 1, got: 2 });
}
