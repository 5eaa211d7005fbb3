//! What it costs to turn an answer of the exchange into values. Decoding happens once per
//! upstream call, so the largest bodies matter most: they hold a worker thread for that long.

use std::{fmt::Write as _, hint::black_box, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use tidegate::{
    exchange::{
        Output, Session, SessionSettings,
        bitfinex::{Conversation, Subscription, wire},
    },
    market::{Kind, Listing, Symbol, Timeframe},
    registry::Registry,
};
use tokio::time::Instant;

fn main() {
    divan::main();
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> Bytes {
    let mut body = "[".to_owned();
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        write!(body, "{comma}{}", row(index)).unwrap();
    }
    body.push(']');
    Bytes::from(body)
}

fn book() -> Bytes {
    rows(500, |index| match index.checked_sub(250) {
        None => format!("[{},{},{}.10345678]", 118_000 - index, index % 7 + 1, index),
        Some(index) => format!("[{},{},-{}.10345678]", 118_001 + index, index % 7 + 1, index),
    })
}

/// Newest first and with float noise, as they come.
fn candles() -> Bytes {
    rows(10_000, |index| {
        let open_time = 1_754_820_600_000_u64 - index as u64 * 60_000;
        let price = 118_000 + index % 300;
        format!("[{open_time},{price},{price}.5,{},{},0.015486090000000001]", price + 3, price - 3)
    })
}

fn tickers() -> Bytes {
    rows(431, |index| {
        let price = 100 + index;
        format!(
            "[\"tAB{index:03}:USD\",{price},11.70386829,{price}.1,18.51237853,0.32,0.00271301,\
             {price}.05,135.91444049780002,{}.5,{}.25,1412294400000]",
            price + 1,
            price - 1
        )
    })
}

#[divan::bench]
fn book_of_250_levels(bencher: Bencher) {
    let body = book();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| wire::book(black_box(&body), 250).unwrap());
}

#[divan::bench]
fn candles_10_000(bencher: Bencher) {
    let body = candles();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| wire::candles(black_box(&body), Timeframe::M1).unwrap());
}

#[divan::bench]
fn tickers_431(bencher: Bencher) {
    let body = tickers();
    bencher.counter(BytesCount::new(body.len())).bench(|| wire::tickers(black_box(&body)).unwrap());
}

/// 400 markets whose names share most letters with what is asked for, which is the worst case for
/// the search for near names. Budget 50 us.
#[divan::bench(args = ["tBTCUSD", "btc-usd", "XXXUSD", "QQ/QQQQQ"])]
fn resolve(bencher: Bencher, text: &str) {
    let registry = registry();
    bencher.bench(|| registry.resolve(black_box(text)).is_ok());
}

fn registry() -> Registry {
    let mut bases = vec!["BTC".to_owned()];
    bases.extend(('A'..='Z').flat_map(|a| ('A'..='H').map(move |b| format!("{a}X{b}"))));
    let listing = |base: &str, quote: &str, id: String| Listing {
        symbol: Symbol::spot(base, quote),
        id: id.into(),
        base: base.into(),
        quote: quote.into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Default::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    };
    let pairs = |base: &String| {
        [("USD", "USD"), ("USDT", "UST")]
            .map(|(quote, code)| listing(base, quote, format!("t{base}{code}")))
    };
    Registry::new(bases.iter().flat_map(pairs).collect())
}

/// A session that has asked for what `wanted` names and heard `texts`.
struct Feed {
    session: Conversation,
    out: Vec<Output>,
}

impl Feed {
    fn new<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let settings = SessionSettings { ack_timeout: Duration::from_secs(60) };
        let mut feed = Self { session: Conversation::new(settings), out: Vec::new() };
        for wanted in wanted {
            let subscription: Subscription = serde_json::from_str(wanted).unwrap();
            let topic = Arc::new(subscription.topic().unwrap());
            feed.session.subscribe(&topic, Instant::now(), &mut feed.out);
        }
        feed
    }

    fn hear(&mut self, texts: &[Bytes], now: Instant) {
        for text in texts {
            self.session.on_text(black_box(text), now, &mut self.out).unwrap();
            black_box(&self.out);
            self.out.clear();
        }
    }
}

fn text(text: String) -> Bytes {
    Bytes::from(text)
}

/// A book of `args` levels a side whose levels change, leave and return all over it, as an
/// exchange that numbers its messages sends them. Budget 3 us a message.
#[divan::bench(args = [25, 250])]
fn book_updates(bencher: Bencher, depth: i64) {
    let wanted = format!(r#"{{"channel":"book","symbol":"tBTCUSD","len":{depth}}}"#);
    let level = |place: i64, amount: i64| match place {
        0.. => format!("[{},2,-{amount}.10345678]", 118_001 + place),
        _ => format!("[{},2,{amount}.10345678]", 118_001 + place),
    };
    let rows: Vec<String> = (-depth..depth).map(|place| level(place, 1)).collect();
    let opening = [
        text(r#"{"event":"conf","status":"OK","flags":196608}"#.to_owned()),
        text(r#"{"event":"subscribed","chanId":759362,"subId":1}"#.to_owned()),
        text(format!("[759362,[{}],1]", rows.join(","))),
    ];
    let mut number = 1;
    let mut message = |row: String| {
        number += 1;
        text(format!("[759362,{row},{number}]"))
    };
    let mut updates = Vec::new();
    for step in 0..1000 {
        let place = (step * 7919) % (2 * depth) - depth;
        let price = 118_001 + place;
        updates.push(message(level(place, step)));
        updates.push(message(format!("[{price},0,{}]", if place < 0 { 1 } else { -1 })));
        updates.push(message(level(place, step + 1)));
    }
    let now = Instant::now();
    bencher
        .counter(ItemsCount::new(updates.len()))
        .with_inputs(|| {
            let mut feed = Feed::new([wanted.as_str()]);
            feed.hear(&opening, now);
            feed
        })
        .bench_local_refs(|feed| feed.hear(&updates, now));
}

/// The recorded conversation of 21 channels, where the recordings are.
#[divan::bench]
fn recorded_conversation(bencher: Bencher) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/cryptofeed/BITFINEX.jsonl");
    let Ok(recording) = std::fs::read_to_string(file) else { return };
    let lines: Vec<serde_json::Value> =
        recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |what: &str| -> Vec<&str> {
        let of = |line: &&serde_json::Value| line["t"] == what;
        lines.iter().filter(of).map(|line| line["data"].as_str().unwrap()).collect()
    };
    let wanted: Vec<&str> =
        said("send").into_iter().filter(|text| text.contains("subscribe")).collect();
    let texts: Vec<Bytes> = said("recv").into_iter().map(|said| text(said.to_owned())).collect();
    let now = Instant::now();
    bencher
        .counter(ItemsCount::new(texts.len()))
        .with_inputs(|| Feed::new(wanted.iter().copied()))
        .bench_local_refs(|feed| feed.hear(&texts, now));
}
