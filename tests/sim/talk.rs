//! A conversation in process, and a client's book that is written from the documentation alone.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json, value::RawValue};
use tidegate::{
    market::UnixMs,
    sim::{Conversation, Frame, ManualTime, SimClock, SimConfig, Venue},
};

use crate::support::{NOW, calm};

pub(crate) const STEP: i64 = 100;

/// An array frame: its channel, tag, payload's text and what follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) at: i64,
    pub(crate) channel: i64,
    pub(crate) tag: String,
    pub(crate) payload: String,
    pub(crate) rest: Vec<i64>,
}

impl Told {
    fn read(at: i64, text: &str) -> Self {
        let mut items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        let channel = items.remove(0).get().parse().unwrap();
        let tagged = items[0].get().starts_with('"');
        let mut tag = String::new();
        if tagged {
            tag = items.remove(0).get().trim_matches('"').to_owned();
        }
        let payload = if tag == "hb" { String::new() } else { items.remove(0).get().to_owned() };
        let rest = items.iter().map(|item| item.get().parse().unwrap()).collect();
        Self { at, channel, tag, payload, rest }
    }

    /// A snapshot: rows, not a row. A candle's or a ticker's update is one row.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        rows(&self.payload)
    }

    pub(crate) fn row(&self) -> Vec<String> {
        rows(&format!("[{}]", self.payload)).remove(0)
    }
}

/// Rows of tokens, just as they were printed.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<&RawValue>> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    rows.iter().map(|row| row.iter().map(|item| item.get().to_owned()).collect()).collect()
}

pub(crate) struct Talk {
    pub(crate) venue: Venue,
    pub(crate) time: ManualTime,
    pub(crate) conversation: Conversation,
    pub(crate) told: Vec<Told>,
    pub(crate) events: Vec<Value>,
    /// Every text frame.
    pub(crate) texts: Vec<String>,
    pub(crate) end: Option<Frame>,
}

pub(crate) fn venue(config: SimConfig) -> (Venue, ManualTime) {
    let time = ManualTime::new(UnixMs::from_millis(NOW));
    (Venue::new(SimConfig { clock: SimClock::Manual(time.clone()), ..config }), time)
}

impl Talk {
    pub(crate) fn new() -> Self {
        let (venue, time) = venue(calm());
        Self::on(&venue, &time)
    }

    pub(crate) fn on(venue: &Venue, time: &ManualTime) -> Self {
        let mut talk = Self {
            venue: venue.clone(),
            time: time.clone(),
            conversation: venue.connect().unwrap(),
            told: Vec::new(),
            events: Vec::new(),
            texts: Vec::new(),
            end: None,
        };
        let mut frames = Vec::new();
        talk.conversation.open(&mut frames);
        talk.keep(frames);
        talk
    }

    fn keep(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            assert_eq!(self.end, None, "nothing follows the end");
            match frame {
                Frame::Text(text) => {
                    match text.starts_with('[') {
                        true => self.told.push(Told::read(self.time.now().millis(), &text)),
                        false => self.events.push(serde_json::from_str(&text).unwrap()),
                    }
                    self.texts.push(text);
                }
                end => self.end = Some(end),
            }
        }
    }

    /// Says something; the events that answer it.
    pub(crate) fn say(&mut self, text: &str) -> Vec<Value> {
        let (mut frames, before) = (Vec::new(), self.events.len());
        self.conversation.on_text(text, self.time.now(), &mut frames);
        self.keep(frames);
        self.events[before..].to_vec()
    }

    /// Says an object; the one event that answers it.
    pub(crate) fn ask(&mut self, request: Value) -> Value {
        let mut answers = self.say(&request.to_string());
        assert_eq!(answers.len(), 1, "{request}: {answers:?}");
        answers.remove(0)
    }

    /// Subscribes; the channel's number.
    pub(crate) fn subscribe(&mut self, mut fields: Value) -> i64 {
        fields["event"] = json!("subscribe");
        let ack = self.ask(fields);
        assert_eq!(ack["event"], "subscribed", "{ack}");
        ack["chanId"].as_i64().unwrap()
    }

    pub(crate) fn set_flags(&mut self, flags: u64) {
        let answer = self.ask(json!({"event":"conf","flags":flags}));
        assert_eq!(answer, json!({"event":"conf","status":"OK","flags":flags}));
    }

    /// One step of time; what was told in it.
    pub(crate) fn step(&mut self) -> Vec<Told> {
        let before = self.told.len();
        self.time.advance(Duration::from_millis(STEP as u64));
        let mut frames = Vec::new();
        self.conversation.on_time(self.time.now(), &mut frames);
        self.keep(frames);
        self.told[before..].to_vec()
    }

    /// Lets time pass in steps; what was told.
    pub(crate) fn pass(&mut self, ms: i64) -> Vec<Told> {
        let before = self.told.len();
        (0..ms / STEP).for_each(|_| drop(self.step()));
        self.told[before..].to_vec()
    }

    /// What a channel was told so far.
    pub(crate) fn of(&self, channel: i64) -> Vec<Told> {
        self.told.iter().filter(|told| told.channel == channel).cloned().collect()
    }

    pub(crate) fn rest(&self, path: &str) -> Vec<Vec<String>> {
        let (status, body) = self.venue.rest(path);
        assert_eq!(status, 200, "{path}: {body}");
        rows(&body)
    }
}

/// A client's book: tokens by the number that they stand for.
#[derive(Default)]
pub(crate) struct ClientBook {
    pub(crate) raw: bool,
    pub(crate) funding: bool,
    /// By price (and period) or order id.
    pub(crate) rows: BTreeMap<(bool, String), Vec<String>>,
    pub(crate) len: usize,
}

impl ClientBook {
    pub(crate) fn take(&mut self, told: &Told) {
        assert_eq!(told.tag, "");
        if told.payload.starts_with("[[") {
            told.rows().into_iter().for_each(|row| self.apply(row));
        } else {
            self.apply(told.row());
        }
    }

    fn apply(&mut self, row: Vec<String>) {
        let amount: f64 = row.last().unwrap().parse().unwrap();
        let bid = (amount > 0.0) != self.funding;
        let mut key = row[0].clone();
        if self.funding && !self.raw {
            key = format!("{key}/{}", row[1]);
        }
        let counter = if self.funding { 2 } else { 1 };
        if row[counter] == "0" {
            assert!(row.last().unwrap() == "1" || row.last().unwrap() == "-1", "{row:?}");
            let known = self.rows.remove(&(bid, key));
            assert!(known.is_some(), "{row:?} removes what is not there");
        } else {
            self.rows.insert((bid, key), row);
            let side = self.rows.keys().filter(|(side, _)| *side == bid).count();
            assert!(side <= self.len, "{side} rows on a side of {}", self.len);
        }
        if !self.funding {
            let price = |row: Option<&Vec<String>>| -> Option<f64> {
                row.map(|row| row[usize::from(self.raw)].parse().unwrap())
            };
            let sides = [self.side(true), self.side(false)];
            if let [Some(bid), Some(ask)] = [price(sides[0].first()), price(sides[1].first())] {
                assert!(bid < ask, "crossed: {bid} {ask}");
            }
        }
    }

    /// A side's rows, best first, equal prices by id.
    pub(crate) fn side(&self, bid: bool) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .filter(|((side, _), _)| *side == bid)
            .map(|(_, row)| row.clone())
            .collect();
        let price = match (self.raw, self.funding) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let number = |token: &String| token.parse::<f64>().unwrap();
        rows.sort_by(|a, b| {
            let order = number(&a[price]).total_cmp(&number(&b[price]));
            let order = if bid { order.reverse() } else { order };
            order.then(number(&a[0]).total_cmp(&number(&b[0])))
        });
        rows
    }

    pub(crate) fn all(&self) -> Vec<Vec<String>> {
        [self.side(true), self.side(false)].concat()
    }

    pub(crate) fn checksum(&self) -> i32 {
        let sides = [self.side(true), self.side(false)];
        let mut parts = Vec::new();
        for place in 0..25 {
            for side in &sides {
                if let Some(row) = side.get(place) {
                    parts.push(row[0].as_str());
                    parts.push(row.last().unwrap());
                }
            }
        }
        crc32(parts.join(":").as_bytes()).cast_signed()
    }
}

/// CRC-32 as IEEE 802.3 has it, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    })
}

/// A conversation of any exchange: what it said, as it said it.
pub(crate) struct Plain {
    pub(crate) venue: Venue,
    time: ManualTime,
    conversation: Conversation,
    pub(crate) texts: Vec<String>,
    pub(crate) end: Option<Frame>,
}

impl Plain {
    pub(crate) fn new(config: SimConfig) -> Self {
        let (venue, time) = venue(config);
        Self::with(venue, time)
    }

    /// A further connection to the same exchange.
    pub(crate) fn another(&self) -> Self {
        Self::with(self.venue.clone(), self.time.clone())
    }

    fn with(venue: Venue, time: ManualTime) -> Self {
        let mut conversation = venue.connect().unwrap();
        let mut frames = Vec::new();
        conversation.open(&mut frames);
        let mut talk = Self { venue, time, conversation, texts: Vec::new(), end: None };
        talk.keep(frames);
        talk
    }

    fn keep(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            assert_eq!(self.end, None, "nothing follows the end");
            match frame {
                Frame::Text(text) => self.texts.push(text),
                Frame::Ping(_) => {}
                end => self.end = Some(end),
            }
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let mut frames = Vec::new();
        self.conversation.on_text(text, self.time.now(), &mut frames);
        self.keep(frames);
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, ms: i64) {
        for _ in 0..ms / STEP {
            self.time.advance(Duration::from_millis(STEP.unsigned_abs()));
            let mut frames = Vec::new();
            self.conversation.on_time(self.time.now(), &mut frames);
            self.keep(frames);
        }
    }

    pub(crate) fn json(&self, place: usize) -> Value {
        serde_json::from_str(&self.texts[place]).unwrap()
    }
}
