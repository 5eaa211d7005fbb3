//! A session driven by hand: texts in, texts and events out.

mod closing;
mod opening;
mod property;
mod rows;

use std::time::Duration;

use super::*;
use crate::exchange::{Broken, Data, Refused, Report};

const ACK_TIMEOUT: Duration = Duration::from_secs(10);

struct Script {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
    sent: Vec<String>,
}

fn topic(parameters: &str) -> Arc<Topic> {
    Arc::new(serde_json::from_str::<Subscription>(parameters).unwrap().topic().unwrap())
}

fn ticker(symbol: &str) -> Arc<Topic> {
    topic(&format!(r#"{{"channel":"ticker","symbol":"{symbol}"}}"#))
}

fn book() -> Arc<Topic> {
    topic(r#"{"channel":"book","symbol":"tBTCUSD","len":25}"#)
}

fn trades() -> Arc<Topic> {
    topic(r#"{"channel":"trades","symbol":"tBTCUSD"}"#)
}

impl Script {
    /// An open socket of an exchange that numbers.
    fn numbered() -> Self {
        let mut script = Self::open();
        script.hear(r#"{"event":"conf","status":"OK","flags":196608}"#);
        script
    }

    /// An open socket of an exchange that has not agreed to number.
    fn open() -> Self {
        let settings = SessionSettings { ack_timeout: ACK_TIMEOUT };
        let session = Conversation::new(settings);
        let mut script = Self { session, now: Instant::now(), told: Vec::new(), sent: Vec::new() };
        let mut out = Vec::new();
        script.session.on_open(script.now, &mut out);
        script.file(out);
        assert_eq!(script.sent(), [r#"{"event":"conf","flags":196608}"#]);
        script.hear(r#"{"event":"info","version":2,"serverId":"x","platform":{"status":1}}"#);
        assert!(script.told.is_empty());
        script
    }

    /// With a channel that is open under number 5.
    fn with(topic: &Arc<Topic>) -> Self {
        let mut script = Self::open();
        script.subscribe(topic);
        script.acknowledge(1, 5);
        assert_eq!(script.told(), [Event::Subscribed(Arc::clone(topic))]);
        script.sent.clear();
        script
    }

    fn file(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Tell(event) | Output::TellLate(event, _) => self.told.push(event),
                Output::Send(text) => self.sent.push(text),
                Output::FetchBook(..) => panic!("its snapshots come over the socket"),
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

    /// The answer to the subscription with that number, with nothing else to know it by.
    fn acknowledge(&mut self, sub_id: u64, channel: u64) {
        self.hear(&format!(r#"{{"event":"subscribed","chanId":{channel},"subId":{sub_id}}}"#));
    }

    fn unsubscribed(&mut self, channel: u64) {
        self.hear(&format!(r#"{{"event":"unsubscribed","status":"OK","chanId":{channel}}}"#));
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

    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// What was sent since the last look: each message's event, and what it is about.
    fn asked(&mut self) -> Vec<String> {
        let of = |text: String| {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let about = [&message["chanId"], &message["symbol"]];
            let about = about.into_iter().find(|value| !value.is_null());
            format!("{} {}", message["event"], about.unwrap_or(&serde_json::Value::Null))
                .replace('"', "")
        };
        self.sent().into_iter().map(of).collect()
    }
}
