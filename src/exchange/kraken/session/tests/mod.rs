//! A session driven by hand: texts in, texts and events out.

mod closing;
mod opening;
mod rows;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    exchange::{Broken, Data, Refused, Report, Stream},
    market::{Precision, Timeframe},
};

const ACK_TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

struct Script {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
    sent: Vec<String>,
}

fn topic(stream: Stream) -> Arc<Topic> {
    Arc::new(Topic { id: "BTC/USD".into(), stream })
}

fn ticker() -> Arc<Topic> {
    topic(Stream::Ticker)
}

fn book(depth: u32) -> Arc<Topic> {
    topic(Stream::Book { precision: Precision::P0, depth })
}

fn candles(timeframe: Timeframe) -> Arc<Topic> {
    topic(Stream::Candles(timeframe))
}

/// The documented book as the data of a message.
fn snapshot() -> String {
    data("book", "snapshot", super::book::tests::DOCUMENTED)
}

fn data(channel: &str, kind: &str, rows: &str) -> String {
    format!(r#"{{"channel":"{channel}","type":"{kind}","data":[{rows}]}}"#)
}

impl Script {
    /// An open socket on which the exchange has said that it is well.
    fn open() -> Self {
        let session = Conversation::new(SessionSettings { ack_timeout: ACK_TIMEOUT });
        let mut script = Self { session, now: Instant::now(), told: Vec::new(), sent: Vec::new() };
        let mut out = Vec::new();
        script.session.on_open(script.now, &mut out);
        script.file(out);
        script.hear(r#"{"channel":"status","data":[{"api_version":"v2","connection_id":1,"system":"online","version":"2.0.9"}],"type":"update"}"#);
        assert_eq!(script.told(), [Event::Alive]);
        script
    }

    /// With a channel that is acknowledged; its request had the number 1.
    fn with(topic: &Arc<Topic>) -> Self {
        let mut script = Self::open();
        script.subscribe(topic);
        script.acknowledge("subscribe", 1);
        assert_eq!(script.told(), [Event::Subscribed(Arc::clone(topic))]);
        script.sent.clear();
        script
    }

    fn file(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Tell(event) => self.told.push(event),
                Output::Send(text) => self.sent.push(text),
                Output::TellLate(..) | Output::FetchBook(..) => panic!("{output:?}"),
            }
        }
    }

    fn try_hear(&mut self, text: &str) -> Result<(), SessionError> {
        let mut out = Vec::new();
        let text = Bytes::copy_from_slice(text.as_bytes());
        let result = self.session.on_text(&text, self.now, &mut out);
        self.file(out);
        result
    }

    fn hear(&mut self, text: &str) {
        self.try_hear(text).unwrap();
    }

    /// The answer to the request with that number, with nothing else to know it by.
    fn acknowledge(&mut self, method: &str, req_id: u64) {
        self.hear(&format!(
            r#"{{"method":"{method}","req_id":{req_id},"result":{{}},"success":true}}"#
        ));
    }

    fn refuse(&mut self, req_id: u64, why: &str) {
        self.hear(&format!(r#"{{"error":"{why}","method":"subscribe","req_id":{req_id},"success":false,"symbol":"BTC/USD"}}"#));
    }

    fn subscribe(&mut self, topic: &Arc<Topic>) {
        let mut out = Vec::new();
        self.session.subscribe(topic, self.now, &mut out);
        self.file(out);
    }

    fn unsubscribe(&mut self, topic: &Topic) {
        let mut out = Vec::new();
        self.session.unsubscribe(topic, self.now, &mut out);
        self.file(out);
    }

    /// Lets time pass, waking the session whenever it wants to be.
    fn wait(&mut self, time: Duration) -> Result<(), SessionError> {
        let end = self.now + time;
        while let Some(at) = self.session.wakes_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            let mut out = Vec::new();
            let result = self.session.on_time(self.now, &mut out);
            self.file(out);
            result?;
        }
        self.now = end;
        Ok(())
    }

    /// As [`Script::wait`], while heartbeats come.
    fn live(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.wait(SECOND).unwrap();
            self.hear(r#"{"channel":"heartbeat"}"#);
        }
    }

    /// What was told since the last look, but that the connection lives.
    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    fn news(&mut self) -> Vec<Event> {
        let mut told = self.told();
        told.retain(|event| *event != Event::Alive);
        told
    }

    /// What was sent since the last look: each request's method, channel and number.
    fn asked(&mut self) -> Vec<String> {
        let of = |text: String| {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let part = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let (method, channel) = (part(&message["method"]), part(&message["params"]["channel"]));
            format!("{method} {channel} {}", message["req_id"])
        };
        std::mem::take(&mut self.sent).into_iter().map(of).collect()
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(snapshot()),
        Just(data("book", "update", r#"{"symbol":"BTC/USD","bids":[{"price":1,"qty":0}],"asks":[],"checksum":3310070434}"#)),
        Just(r#"{"method":"subscribe","req_id":1,"result":{"channel":"book","symbol":"BTC/USD","depth":25},"success":true}"#.to_owned()),
        Just(r#"{"error":"Already subscribed","method":"subscribe","req_id":1,"success":false}"#.to_owned()),
        Just(r#"{"method":"unsubscribe","result":{"channel":"book","symbol":"BTC/USD"},"success":true}"#.to_owned()),
        Just(data("status", "update", r#"{"system":"maintenance","api_version":"v2"}"#)),
        Just(r#"{"channel":"heartbeat"}"#.to_owned()),
    ];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(texts in proptest::collection::vec(
        prop_oneof![4 => mutated(), 1 => proptest::collection::vec(any::<u8>(), 0..60)], 1..12,
    )) {
        let mut script = Script::open();
        script.subscribe(&book(25));
        for text in texts {
            let mut out = Vec::new();
            let _ = script.session.on_text(&Bytes::from(text), script.now, &mut out);
            script.file(out);
            prop_assert!(script.told().len() <= 8);
            // There is one topic, so there is one channel at most.
            prop_assert!(script.asked().len() <= 2);
        }
    }
}
