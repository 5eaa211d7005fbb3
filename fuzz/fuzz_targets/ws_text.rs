//! Texts of an exchange's WebSocket, a line each, on a socket where everything is subscribed. The
//! first byte is which exchange's.
//!
//! Requests are answered as the exchange does, again where a channel is asked for anew.

#![no_main]

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tidegate::{
    clock::Clock,
    exchange::{
        Answer, CATALOGUE, Data, Event, Exchange, Fetch, Output, Session, SessionError,
        SessionSettings, Source, Stream, Topic, Transport, UpstreamError, bitfinex::Subscription,
    },
    market::{Book, Identity, Ladder, Level, Precision, Raw, Timeframe},
};
use tokio::time::Instant;

const DEPTH: u32 = 25;
/// Between two lines.
const STEP: Duration = Duration::from_millis(200);

/// Sessions ask nobody.
struct Nobody;

impl Source for Nobody {
    fn get<'a>(&'a self, _: &'a str) -> Fetch<'a, Answer> {
        async { Err(UpstreamError::Invalid("nobody answers".to_owned())) }.boxed()
    }
}

/// How an exchange speaks.
struct Tongue {
    id: &'static str,
    /// The answers to what the session says; the number is that of the answer.
    answer: fn(&Value, u64) -> Option<Value>,
    /// The text that a line stands for; the number is that of the text.
    text: fn(&[u8], u64) -> Bytes,
}

/// In the order of the catalogue.
const TONGUES: [Tongue; 4] = [
    Tongue { id: "tBTCUSD", answer: bitfinex, text: plain },
    Tongue { id: "BTC/USD", answer: kraken, text: plain },
    Tongue { id: "BTC-USD", answer: coinbase, text: numbered },
    Tongue { id: "BTCUSDT", answer: binance, text: plain },
];

static EXCHANGES: LazyLock<Vec<Arc<dyn Exchange>>> = LazyLock::new(|| {
    let nobody = Arc::new(Nobody);
    let over = |spec: &tidegate::exchange::Spec| {
        (spec.over)(Transport::local(nobody.clone(), Clock::system()))
    };
    CATALOGUE.into_iter().map(over).collect()
});

fn bitfinex(said: &Value, number: u64) -> Option<Value> {
    let event = match said["event"].as_str()? {
        "subscribe" => "subscribed",
        "unsubscribe" => return Some(json!({"event": "unsubscribed", "chanId": said["chanId"]})),
        _ => return None,
    };
    let mut told = said.clone();
    told["event"] = event.into();
    told["chanId"] = number.into();
    Some(told)
}

fn kraken(said: &Value, _: u64) -> Option<Value> {
    let method = said["method"].as_str().filter(|method| method.ends_with("subscribe"))?;
    let mut result = said["params"].clone();
    result["symbol"] = result["symbol"][0].clone();
    Some(json!({"method": method, "req_id": said["req_id"], "success": true, "result": result}))
}

/// Data open a channel; the list says that it was before.
fn coinbase(said: &Value, number: u64) -> Option<Value> {
    said["channel"].as_str().filter(|channel| *channel == "market_trades")?;
    let list = json!({"ticker": ["BTC-USD"], "level2": ["BTC-USD"], "market_trades": ["BTC-USD"]});
    let events = json!([{"subscriptions": list}]);
    Some(json!({"channel": "subscriptions", "sequence_num": number, "events": events}))
}

fn binance(said: &Value, _: u64) -> Option<Value> {
    Some(json!({"result": null, "id": said["id"]}))
}

fn plain(line: &[u8], _: u64) -> Bytes {
    Bytes::copy_from_slice(line)
}

/// A line that begins with a digit is the events of a channel; of a text without its number
/// nothing else would be read.
fn numbered(line: &[u8], number: u64) -> Bytes {
    const CHANNELS: [&str; 4] = ["l2_data", "market_trades", "ticker", "heartbeats"];
    let Some((digit @ b'0'..=b'3', events)) = line.split_first() else {
        return plain(line, number);
    };
    let channel = CHANNELS[usize::from(digit - b'0')];
    let head = format!(
        r#"{{"channel":"{channel}","timestamp":"2026-08-01T00:00:00Z","sequence_num":{number},"events":"#
    );
    [head.as_bytes(), events, b"}"].concat().into()
}

/// Books as they are told, and what has to hold of them.
struct Ladders(HashMap<Arc<Topic>, Ladder>);

impl Ladders {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Data(topic, Data::Book(levels)) if is_book(topic) => {
                let ladder = Ladder::of(Identity::Price, levels).expect("a possible snapshot");
                self.0.insert(topic.clone(), ladder);
            }
            Event::Data(topic, Data::Levels(changes)) if is_book(topic) => {
                let ladder = self.0.get_mut(topic).expect("a snapshot comes first");
                changes.iter().for_each(|one| ladder.apply(one).expect("a possible change"));
            }
            Event::Data(_, Data::Candles(bars)) => {
                assert!(bars.is_sorted_by(|a, b| a.open_time < b.open_time));
            }
            Event::Broken(topic, _) | Event::Subscribed(topic) => {
                self.0.remove(topic);
            }
            Event::Checked(topic, _) | Event::Sound(topic) => {
                if let Some(ladder) = self.0.get(topic) {
                    assert!(!ladder.is_crossed(), "a crossed book is called right");
                }
            }
            _ => {}
        }
        assert!(self.0.values().all(|ladder| ladder.depth() <= DEPTH as usize));
    }
}

/// Single orders have numbers of their own.
fn is_book(topic: &Topic) -> bool {
    matches!(topic.stream, Stream::Book { .. })
}

struct Talk<'a> {
    tongue: &'a Tongue,
    session: Box<dyn Session>,
    ladders: Ladders,
    now: Instant,
    /// Of the next text or channel.
    number: u64,
    fetched: Book,
}

impl Talk<'_> {
    /// Does what the session wants done, and what follows from it, a little.
    fn settle(&mut self, mut out: Vec<Output>) -> Result<(), SessionError> {
        for _ in 0..4 {
            for output in std::mem::take(&mut out) {
                match output {
                    Output::Tell(event) | Output::TellLate(event, _) => self.ladders.hear(&event),
                    Output::FetchBook(topic, _) => {
                        self.session.on_book(&topic, Some(&self.fetched), self.now, &mut out);
                    }
                    Output::Send(text) => {
                        let said: Value = serde_json::from_str(&text).expect("sessions write JSON");
                        if let Some(answer) = (self.tongue.answer)(&said, self.number) {
                            self.number += 1;
                            let answer = answer.to_string().into();
                            self.session.on_text(&answer, self.now, &mut out)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn pass(&mut self) -> Result<(), SessionError> {
        self.now += STEP;
        let mut out = Vec::new();
        if self.session.wakes_at().is_some_and(|at| at <= self.now) {
            self.session.on_time(self.now, &mut out)?;
        }
        self.settle(out)
    }

    fn read(&mut self, line: &[u8]) -> Result<(), SessionError> {
        let text = (self.tongue.text)(line, self.number);
        self.number += 1;
        let mut out = Vec::new();
        self.session.on_text(&text, self.now, &mut out)?;
        self.settle(out)
    }
}

fn topics(place: usize, id: &'static str, exchange: &dyn Exchange) -> Vec<Arc<Topic>> {
    let book = Stream::Book { precision: Precision::P0, depth: DEPTH };
    let candles = Stream::Candles(Timeframe::M1);
    let mut streams = vec![Stream::Ticker, Stream::Trades, book];
    if exchange.profile().live.timeframes.contains(&Timeframe::M1) {
        streams.push(candles);
    }
    let topic = |stream| Arc::new(Topic { id: id.into(), stream });
    let mut topics: Vec<_> = streams.into_iter().map(topic).collect();
    if place == 0 {
        let raw = r#"{"channel":"book","symbol":"tBTCUSD","prec":"R0","freq":"F0","len":"25"}"#;
        let raw: Subscription = serde_json::from_str(raw).expect("a channel");
        topics.push(Arc::new(raw.topic().expect("a channel of its own")));
    }
    topics
}

/// A book as it is fetched, number 100.
fn fetched() -> Book {
    let row = serde_json::value::to_raw_value(&()).expect("null");
    let raw = || Raw::copy_of(&row);
    let level = |price: u32| Level {
        price: price.to_string().parse().expect("a number"),
        amount: "1".parse().expect("a number"),
        raw: raw(),
    };
    Book {
        bids: (0..30).map(|step| level(100 - step)).collect(),
        asks: (0..30).map(|step| level(101 + step)).collect(),
        at: None,
        nonce: Some(100),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let place = usize::from(*first) % TONGUES.len();
    let (tongue, exchange) = (&TONGUES[place], &*EXCHANGES[place]);
    let settings = SessionSettings { ack_timeout: Duration::from_secs(10) };
    let session = exchange.session(settings).expect("a live feed");
    let (now, ladders) = (Instant::now(), Ladders(HashMap::new()));
    let mut talk = Talk { tongue, session, ladders, now, number: 0, fetched: fetched() };
    let mut out = Vec::new();
    talk.session.on_open(now, &mut out);
    for topic in topics(place, tongue.id, exchange) {
        talk.session.subscribe(&topic, now, &mut out);
    }
    talk.settle(out).expect("nothing is wrong yet");
    // Some ask in rounds.
    for _ in 0..3 {
        talk.pass().expect("nothing is wrong yet");
    }
    for line in data.split(|byte| *byte == b'\n') {
        if talk.read(line).and_then(|()| talk.pass()).is_err() {
            return;
        }
    }
});
