//! A session driven by hand: texts in, texts and events out.

mod books;
mod property;
mod rows;
mod streams;

use std::time::Duration;

use super::*;
use crate::{
    exchange::{Broken, Data, Refused, Report, Stream, binance::wire},
    market::{BookSide, Precision, Timeframe},
};

const ACK_TIMEOUT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

struct Script {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
    sent: Vec<String>,
    fetched: Vec<(Arc<Topic>, u32)>,
    /// How often it was told that the connection lives.
    alive: usize,
}

fn topic(id: &str, stream: Stream) -> Arc<Topic> {
    Arc::new(Topic { id: id.into(), stream })
}

fn book(id: &str, depth: u32) -> Arc<Topic> {
    topic(id, Stream::Book { precision: Precision::P0, depth })
}

/// An event of changes `first` to `last`.
fn update(id: &str, (first, last): (i64, i64), bids: &str, asks: &str) -> String {
    let stream = id.to_lowercase();
    format!(
        r#"{{"stream":"{stream}@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"{id}","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}"#
    )
}

/// As REST would tell it.
fn snapshot(last: i64, bids: &str, asks: &str) -> Book {
    let body = format!(r#"{{"lastUpdateId":{last},"bids":[{bids}],"asks":[{asks}]}}"#);
    wire::book(&Bytes::from(body), 1000).unwrap()
}

impl Script {
    fn open() -> Self {
        let mut script = Self {
            session: Conversation::new(SessionSettings { ack_timeout: ACK_TIMEOUT }),
            now: Instant::now(),
            told: Vec::new(),
            sent: Vec::new(),
            fetched: Vec::new(),
            alive: 0,
        };
        script.call(|session, now, out| session.on_open(now, out));
        assert!(script.sent().is_empty(), "it is for the gateway to speak first");
        script
    }

    /// With open streams, in requests up to number 1.
    fn with(topics: &[Arc<Topic>]) -> Self {
        let mut script = Self::open();
        topics.iter().for_each(|topic| script.subscribe(topic));
        script.wait(Duration::ZERO).unwrap();
        script.acknowledge(1);
        let opened: Vec<Event> =
            script.told().into_iter().filter(|it| matches!(it, Event::Subscribed(_))).collect();
        assert_eq!(opened.len(), topics.len());
        script.sent.clear();
        script
    }

    fn call<T>(
        &mut self,
        work: impl FnOnce(&mut Conversation, Instant, &mut Vec<Output>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let result = work(&mut self.session, self.now, &mut out);
        for output in out {
            match output {
                Output::Tell(Event::Alive) => self.alive += 1,
                Output::Tell(event) | Output::TellLate(event, _) => self.told.push(event),
                Output::Send(text) => self.sent.push(text),
                Output::FetchBook(topic, depth) => self.fetched.push((topic, depth)),
            }
        }
        result
    }

    fn try_hear(&mut self, text: &str) -> Result<(), SessionError> {
        let text = Bytes::copy_from_slice(text.as_bytes());
        self.call(|session, now, out| session.on_text(&text, now, out))
    }

    fn hear(&mut self, text: &str) {
        self.try_hear(text).unwrap();
    }

    fn acknowledge(&mut self, request: u64) {
        self.hear(&format!(r#"{{"result":null,"id":{request}}}"#));
    }

    fn subscribe(&mut self, topic: &Arc<Topic>) {
        self.call(|session, now, out| session.subscribe(topic, now, out));
    }

    fn unsubscribe(&mut self, topic: &Topic) {
        self.call(|session, now, out| session.unsubscribe(topic, now, out));
    }

    fn bring(&mut self, topic: &Topic, book: Option<&Book>) {
        self.call(|session, now, out| session.on_book(topic, book, now, out));
    }

    /// Lets time pass, waking the session whenever it wants to be.
    fn wait(&mut self, time: Duration) -> Result<(), SessionError> {
        let end = self.now + time;
        while let Some(at) = self.session.wakes_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.call(|session, now, out| session.on_time(now, out))?;
        }
        self.now = end;
        Ok(())
    }

    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    fn fetched(&mut self) -> Vec<(Arc<Topic>, u32)> {
        std::mem::take(&mut self.fetched)
    }

    /// What was sent since the last look: method and streams of each request.
    fn asked(&mut self) -> Vec<String> {
        let of = |text: String| {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let streams: Vec<&str> = message["params"]
                .as_array()
                .map(|params| params.iter().map(|it| it.as_str().unwrap()).collect())
                .unwrap_or_default();
            format!(
                "{} {} {}",
                message["id"],
                message["method"].as_str().unwrap(),
                streams.join(" ")
            )
            .trim_end()
            .to_owned()
        };
        self.sent().into_iter().map(of).collect()
    }
}
