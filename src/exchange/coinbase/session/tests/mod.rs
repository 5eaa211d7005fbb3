//! A session driven by hand: texts in, texts and events out.

mod opening;
mod property;
mod rows;

use std::time::Duration;

use super::*;
use crate::{
    exchange::{Broken, Data, Refused, Stream},
    market::Precision,
};

const ACK_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Script {
    session: Conversation,
    now: Instant,
    told: Vec<Event>,
    sent: Vec<String>,
    number: u64,
}

fn topic(id: &str, stream: Stream) -> Arc<Topic> {
    Arc::new(Topic { id: id.into(), stream })
}

fn ticker(id: &str) -> Arc<Topic> {
    topic(id, Stream::Ticker)
}

fn trades(id: &str) -> Arc<Topic> {
    topic(id, Stream::Trades)
}

fn book(id: &str, depth: u32) -> Arc<Topic> {
    topic(id, Stream::Book { precision: Precision::P0, depth })
}

impl Script {
    fn new() -> Self {
        let session = Conversation::new(SessionSettings { ack_timeout: ACK_TIMEOUT });
        let (told, sent) = (Vec::new(), Vec::new());
        let mut script = Self { session, now: Instant::now(), told, sent, number: 0 };
        let mut out = Vec::new();
        script.session.on_open(script.now, &mut out);
        script.file(out);
        assert_eq!(script.sent(), [HEARTBEATS]);
        script
    }

    fn file(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Tell(event) => self.told.push(event),
                Output::Send(text) => self.sent.push(text),
                other => panic!("{other:?}"),
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

    /// A numbered text of a channel with one event.
    fn channel(&mut self, channel: &str, event: &str) {
        let number = self.number;
        self.number += 1;
        let text = format!(
            r#"{{"channel":"{channel}","timestamp":"2026-09-01T12:00:00.228568804Z","sequence_num":{number},"events":[{event}]}}"#
        );
        self.try_hear(&text).unwrap();
    }

    fn error(&mut self, message: &str) {
        self.try_hear(&format!(r#"{{"type":"error","message":"{message}"}}"#)).unwrap();
    }

    /// The list of what is subscribed to, beside heartbeats.
    fn list(&mut self, channels: &str) {
        let comma = if channels.is_empty() { "" } else { "," };
        let event =
            format!(r#"{{"subscriptions":{{"heartbeats":["heartbeats"]{comma}{channels}}}}}"#);
        self.channel("subscriptions", &event);
    }

    fn heartbeat(&mut self) {
        let event =
            r#"{"current_time":"2026-09-01 12:00:00.8 +0000 UTC m=+1.2","heartbeat_counter":7}"#;
        self.channel("heartbeats", event);
    }

    /// Levels `bid|offer PRICE AMOUNT`.
    fn levels(&mut self, kind: &str, id: &str, levels: &[&str]) {
        let row = |level: &&str| {
            let words: Vec<&str> = level.split(' ').collect();
            let [side, price, amount] = words.as_slice() else { panic!("{level}") };
            format!(
                r#"{{"side":"{side}","event_time":"2026-09-01T12:00:00.1Z","price_level":"{price}","new_quantity":"{amount}"}}"#
            )
        };
        let rows = levels.iter().map(row).collect::<Vec<_>>().join(",");
        let event = format!(r#"{{"type":"{kind}","product_id":"{id}","updates":[{rows}]}}"#);
        self.channel("l2_data", &event);
    }

    /// Trades of `ID SIDE`, newest first, one a second.
    fn trades(&mut self, kind: &str, id: &str, trades: &[&str]) {
        let row = |(second, trade): (usize, &&str)| {
            let (number, side) = trade.split_once(' ').unwrap();
            let second = 59 - second;
            format!(
                r#"{{"product_id":"{id}","trade_id":"{number}","price":"10.50","size":"0.1","time":"2026-09-01T12:00:{second:02}.5Z","side":"{side}"}}"#
            )
        };
        let rows = trades.iter().enumerate().map(row).collect::<Vec<_>>().join(",");
        self.channel("market_trades", &format!(r#"{{"type":"{kind}","trades":[{rows}]}}"#));
    }

    fn ticker(&mut self, kind: &str, id: &str, price: &str) {
        let event = format!(
            r#"{{"type":"{kind}","tickers":[{{"type":"ticker","product_id":"{id}","price":"{price}","volume_24_h":"5","low_24_h":"1","high_24_h":"90","price_percent_chg_24_h":"1","best_bid":"9","best_ask":"11","best_bid_quantity":"1","best_ask_quantity":"2"}}]}}"#
        );
        self.channel("ticker", &event);
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
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.wakes_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            let mut out = Vec::new();
            self.session.on_time(self.now, &mut out).unwrap();
            self.file(out);
        }
        self.now = end;
    }

    fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// What was sent since the last look, as `VERB CHANNEL PRODUCT`.
    fn asked(&mut self) -> Vec<String> {
        let of = |text: String| {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let products = &message["product_ids"];
            assert_eq!(products.as_array().unwrap().len(), 1);
            [word(&message["type"]), word(&message["channel"]), word(&products[0])].join(" ")
        };
        self.sent().into_iter().map(of).collect()
    }

    /// What was told since the last look, in short.
    fn shown(&mut self) -> Vec<String> {
        self.told().iter().map(shown).collect()
    }
}

fn shown(event: &Event) -> String {
    match event {
        Event::Subscribed(topic) => format!("subscribed {topic}"),
        Event::Unsubscribed(topic) => format!("unsubscribed {topic}"),
        Event::Refused(topic, why) => format!("refused {topic}: {why}"),
        Event::Broken(topic, why) => format!("broken {topic}: {why}"),
        Event::Sound(topic) => format!("sound {topic}"),
        Event::Alive => "alive".to_owned(),
        Event::Data(topic, data) => format!("{topic}: {}", content(data)),
        other => panic!("{other:?}"),
    }
}

fn content(data: &Data) -> String {
    match data {
        Data::Ticker(ticker) => format!("last {}", ticker.last.as_ref().unwrap()),
        Data::Trades(trades) => {
            let ids = trades.iter().map(|trade| trade.id.to_string());
            format!("trades [{}]", ids.collect::<Vec<_>>().join(" "))
        }
        Data::Trade(trade, _) => format!("trade {} {}", trade.id, trade.side.as_str()),
        Data::Book(levels) => format!("book [{}]", changes(levels)),
        Data::Levels(levels) => format!("levels [{}]", changes(levels)),
        other => panic!("{other:?}"),
    }
}

fn changes(changes: &[crate::market::Change]) -> String {
    let one = |change: &crate::market::Change| {
        let side = if change.side == crate::market::BookSide::Bid { "b" } else { "a" };
        let amount = change.amount.as_ref().map_or("gone", |amount| amount.as_str());
        format!("{side}{} {amount}", change.price)
    };
    changes.iter().map(one).collect::<Vec<_>>().join(", ")
}
