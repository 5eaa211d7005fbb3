//! Texts of the exchange's WebSocket, a line each, on a socket where everything is subscribed.

#![no_main]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tidegate::{
    exchange::{
        Data, Event, Exchange as _, Output, SessionSettings, Stream, Topic,
        bitfinex::{Bitfinex, Subscription},
    },
    market::{Identity, Ladder, Precision, Timeframe},
};
use tokio::time::Instant;

const DEPTH: u32 = 25;

/// Every kind of channel, with the number that the exchange gives it.
const CHANNELS: [&str; 5] = [
    r#""channel":"ticker","symbol":"tBTCUSD""#,
    r#""channel":"trades","symbol":"tBTCUSD""#,
    r#""channel":"book","symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"25""#,
    r#""channel":"book","symbol":"tBTCUSD","prec":"R0","freq":"F0","len":"25""#,
    r#""channel":"candles","key":"trade:1m:tBTCUSD""#,
];

fuzz_target!(|data: &[u8]| {
    let exchange = Bitfinex::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap();
    let settings = SessionSettings { ack_timeout: Duration::from_secs(10) };
    let mut session = exchange.session(settings).unwrap();
    let (now, mut out) = (Instant::now(), Vec::new());
    session.on_open(now, &mut out);
    for (at, fields) in CHANNELS.iter().enumerate() {
        let message = format!(r#"{{"event":"subscribe",{fields}}}"#);
        let asked: Subscription = serde_json::from_str(&message).unwrap();
        session.subscribe(&Arc::new(asked.topic().unwrap()), now, &mut out);
        let ack = format!(r#"{{"event":"subscribed","chanId":{at},{fields}}}"#);
        session.on_text(&ack.into(), now, &mut out).unwrap();
    }
    let id = "tBTCUSD".into();
    let book = Topic { id, stream: Stream::Book { precision: Precision::P0, depth: DEPTH } };
    let candles = Topic { stream: Stream::Candles(Timeframe::M1), ..book.clone() };
    let mut ladder = Ladder::new(Identity::Price);
    for line in data.split(|byte| *byte == b'\n') {
        out.clear();
        if session.on_text(&Bytes::copy_from_slice(line), now, &mut out).is_err() {
            return;
        }
        for output in &out {
            let Output::Tell(Event::Data(topic, data)) = output else { continue };
            match data {
                Data::Book(levels) if **topic == book => {
                    ladder = Ladder::of(Identity::Price, levels).expect("a possible snapshot");
                }
                Data::Levels(changes) if **topic == book => {
                    changes.iter().for_each(|one| ladder.apply(one).expect("a possible change"));
                }
                Data::Candles(bars) if **topic == candles => {
                    assert!(bars.is_sorted_by(|a, b| a.open_time < b.open_time));
                }
                _ => {}
            }
            assert!(!ladder.is_crossed() && ladder.depth() <= DEPTH as usize);
        }
    }
});
