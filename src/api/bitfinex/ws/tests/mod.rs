mod answers;
mod telling;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    conversation::{Conversation, Need, Now, Terms, Wanted},
    request::Request,
};
use crate::{
    clock::Clock,
    config,
    exchange::{Data, Report, bitfinex::wire},
    feed::{Bell, Follower, Hub, Item, Lapse, Line, Mode},
    market::{BookSide, Change, Kind, Listing, Number, Raw, Symbol, Timeframe, UnixMs},
    registry::Registry,
};

const WALL: i64 = 1_700_000_000_000;
const HEARTBEAT: Duration = Duration::from_secs(15);
const ACK: Duration = Duration::from_secs(10);
const MOST: usize = 4;

const CHECKSUMS: u64 = 131_072;
const NUMBERS: u64 = 65_536;
const TIMES: u64 = 32_768;
const BULK: u64 = 536_870_912;

fn listing(id: &str, kind: Kind) -> Listing {
    Listing {
        symbol: Symbol::spot("BTC", id),
        id: id.into(),
        base: "BTC".into(),
        quote: id.into(),
        settle: None,
        kind,
        margin: None,
        amount: Default::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    }
}

fn row(text: &str) -> Raw {
    Raw::copy_of(serde_json::from_str(text).unwrap())
}

/// A change from a row `[PRICE, COUNT, AMOUNT]`, or `[ID, PRICE, AMOUNT]` of single orders.
fn change(text: &str, orders: bool) -> Change {
    let columns: Vec<&str> = text.trim_matches(['[', ']']).split(',').collect();
    let (price, gone) =
        if orders { (columns[1], columns[1] == "0") } else { (columns[0], columns[1] == "0") };
    let amount: Number = columns[2].parse().unwrap();
    let side = if amount.is_negative() { BookSide::Ask } else { BookSide::Bid };
    let number = if orders { columns[0].parse().unwrap() } else { 0 };
    let amount = (!gone).then(|| amount.abs());
    Change { side, price: price.parse().unwrap(), number, amount, raw: row(text) }
}

fn book(rows: &[&str]) -> Data {
    Data::Book(rows.iter().map(|row| change(row, false)).collect())
}

fn levels(rows: &[&str]) -> Data {
    Data::Levels(rows.iter().map(|row| change(row, false)).collect())
}

fn trades(rows: &str) -> Data {
    Data::Trades(wire::trades(&Bytes::copy_from_slice(rows.as_bytes())).unwrap())
}

fn trade(row: &str, report: Report) -> Data {
    let rows = wire::trades(&Bytes::from(format!("[{row}]"))).unwrap();
    Data::Trade(rows[0].clone(), report)
}

fn candles(rows: &str) -> Data {
    let rows = Bytes::copy_from_slice(rows.as_bytes());
    Data::Candles(wire::candles(&rows, Timeframe::M1).unwrap())
}

fn candle(row: &str) -> Data {
    let rows = Bytes::from(format!("[{row}]"));
    Data::Candle(wire::candles(&rows, Timeframe::M1).unwrap()[0].clone())
}

fn ticker(row: &str) -> Data {
    Data::Ticker(wire::ticker(&Bytes::copy_from_slice(row.as_bytes())).unwrap())
}

/// One conversation with topics that the test feeds.
struct Bench {
    hub: Hub,
    bell: std::sync::Arc<Bell>,
    registry: Registry,
    talk: Conversation,
    followers: Vec<(u64, Follower)>,
    started: Instant,
}

impl Bench {
    fn new() -> Self {
        let settings =
            config::Stream { max_total_topics: 6, buffer: 128, ..config::Stream::default() };
        let hub = Hub::new(7, &settings, Clock::anchored(UnixMs::from_millis(WALL)));
        let terms = Terms { heartbeat: HEARTBEAT, ack_timeout: ACK, max_channels: MOST };
        let started = Instant::now();
        let talk = Conversation::open(terms, 0, false, started, &mut Vec::new());
        let registry = Registry::new(vec![
            listing("tBTCUSD", Kind::Spot),
            listing("tDOGE:USD", Kind::Spot),
            listing("tBTCF0:USTF0", Kind::Swap),
        ]);
        let bell = Default::default();
        Self { hub, bell, registry, talk, followers: Vec::new(), started }
    }

    fn now(&self) -> Now {
        Now { at: self.started, wall: UnixMs::from_millis(WALL) }
    }

    /// What is answered to a text.
    fn say(&mut self, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        let Some(request) = Request::parse(text) else { return out };
        match self.talk.on_request(request, self.now(), &mut out) {
            None => {}
            Some(Need::Leave(id)) => self.followers.retain(|(other, _)| *other != id),
            Some(Need::Markets(wish)) => {
                let now = self.started;
                let wanted = self.talk.subscribe(&wish, &self.registry, now, &mut out);
                let Some(Wanted { channel, topic, market, identity }) = wanted else { return out };
                let market = market.as_ref();
                let follower = self.hub.follow(&topic, market, identity, &self.bell, None).ok();
                let mode = follower.as_ref().map(|follower| follower.line().mode());
                if self.talk.followed(channel, mode, &mut out) {
                    self.followers.extend(follower.map(|follower| (channel, follower)));
                }
            }
        }
        out
    }

    /// The one answer to a text.
    #[track_caller]
    fn answer(&mut self, text: &str) -> Value {
        let said = self.say(text);
        assert_eq!(said.len(), 1, "{said:?}");
        serde_json::from_str(&said[0]).unwrap()
    }

    /// What there is to be told.
    fn told(&mut self) -> Vec<String> {
        let (mut items, mut out, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (id, follower) in &mut self.followers {
            let mut taken: Vec<Item> = Vec::new();
            follower.take(self.hub.published(), &mut taken);
            items.extend(taken.into_iter().map(|item| (*id, item)));
        }
        items.sort_by_key(|(_, item)| item.number());
        self.talk.tell(&items, UnixMs::from_millis(WALL), &mut out, &mut left);
        self.followers.retain(|(id, follower)| {
            let mode = || Some(follower.line().mode());
            !left.contains(id)
                && (!self.talk.is_pending(*id) || self.talk.followed(*id, mode(), &mut out))
        });
        out
    }

    fn after(&mut self, time: Duration) -> Vec<String> {
        let mut out = Vec::new();
        let now = Now { at: self.started + time, ..self.now() };
        self.talk.on_time(now, &mut out);
        out
    }

    /// Subscribes, with everything said and told so far thrown away; gives the topic's line.
    fn subscribed(&mut self, request: &str, first: &Data) -> std::sync::Arc<Line> {
        self.say(request);
        let line = self.followers.last().unwrap().1.line().clone();
        line.data(first, self.started);
        self.told();
        line
    }
}

const BOOK: &str = r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD"}"#;
const TRADES: &str = r#"{"event":"subscribe","channel":"trades","symbol":"tBTCUSD"}"#;
const TICKER: &str = r#"{"event":"subscribe","channel":"ticker","symbol":"tBTCUSD"}"#;
const CANDLES: &str = r#"{"event":"subscribe","channel":"candles","key":"trade:1m:tBTCUSD"}"#;

const TICKER_ROW: &str = "[1,2,3,4,5,0.1,7,8,9,1.50,null]";
const BOOK_ROWS: [&str; 3] = ["[100,1,2]", "[99,2,0.50]", "[7e+2,1,-1]"];

fn conf(flags: u64) -> String {
    json!({"event":"conf","flags":flags}).to_string()
}
