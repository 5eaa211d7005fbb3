use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::market::{BookSide, Identity, Ladder};

/// The book as the exchange would keep it: amounts by price, bids below 1000, asks from there.
type Levels = BTreeMap<u32, u32>;

fn level((price, amount): (u32, u32)) -> String {
    let side = if price < 1000 { "bid" } else { "offer" };
    let amount = if amount == 0 { "0".to_owned() } else { format!("{amount}.5") };
    format!("{side} {price} {amount}")
}

fn best(levels: &Levels, side: BookSide, depth: usize) -> Vec<(String, String)> {
    let text = |(price, amount): (&u32, &u32)| (price.to_string(), format!("{amount}.5"));
    match side {
        BookSide::Bid => levels.range(..1000).rev().take(depth).map(text).collect(),
        BookSide::Ask => levels.range(1000..).take(depth).map(text).collect(),
    }
}

fn follow(ladders: &mut [Option<Ladder>; 2], script: &mut Script) {
    for event in script.told() {
        match event {
            Event::Data(topic, data) => {
                let ladder = &mut ladders[usize::from(*topic != *book("BTC-USD", 25))];
                match data {
                    Data::Book(levels) => {
                        *ladder = Some(Ladder::of(Identity::Price, &levels).unwrap());
                    }
                    Data::Levels(changes) => {
                        let ladder = ladder.as_mut().unwrap();
                        changes.iter().for_each(|change| ladder.apply(change).unwrap());
                    }
                    other => panic!("{other:?}"),
                }
            }
            Event::Subscribed(_) | Event::Sound(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(
            r#"{"channel":"l2_data","timestamp":"2026-09-01T12:00:00Z","sequence_num":0,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","price_level":"1","new_quantity":"2"}]}]}"#
        ),
        Just(
            r#"{"channel":"market_trades","sequence_num":0,"events":[{"type":"snapshot","trades":[{"product_id":"BTC-USD","trade_id":"1","price":"1","size":"1","time":"2026-09-01T12:00:00Z","side":"BUY"}]}]}"#
        ),
        Just(
            r#"{"channel":"ticker","sequence_num":0,"events":[{"type":"update","tickers":[{"product_id":"BTC-USD","price":"1","volume_24_h":"1","low_24_h":"1","high_24_h":"1","price_percent_chg_24_h":"1","best_bid":"","best_ask":""}]}]}"#
        ),
        Just(
            r#"{"channel":"subscriptions","sequence_num":0,"events":[{"subscriptions":{"ticker":["BTC-USD"],"level2":[]}}]}"#
        ),
        Just(r#"{"type":"error","message":"too many L2 streams"}"#),
    ];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    /// Whoever makes the changes that are told has the best levels of the exchange's book, at
    /// every depth.
    #[test]
    fn windows_show_the_best_of_the_book(
        start in proptest::collection::btree_map(900..1100_u32, 1..4_u32, 0..160),
        texts in proptest::collection::vec(
            proptest::collection::vec((900..1100_u32, 0..4_u32), 1..8), 0..40),
    ) {
        let mut levels = start;
        let mut script = Script::new();
        script.subscribe(&book("BTC-USD", 25));
        script.subscribe(&book("BTC-USD", 100));
        let rows: Vec<String> = levels.iter().map(|(price, amount)| level((*price, *amount))).collect();
        script.levels("snapshot", "BTC-USD", &rows.iter().map(String::as_str).collect::<Vec<_>>());
        let mut ladders = [None, None];
        follow(&mut ladders, &mut script);
        for text in texts {
            let rows: Vec<String> = text.iter().copied().map(level).collect();
            for (price, amount) in text {
                if amount == 0 { levels.remove(&price); } else { levels.insert(price, amount); }
            }
            script.levels("update", "BTC-USD", &rows.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert!(matches!(script.told.last(), Some(Event::Sound(_))));
            follow(&mut ladders, &mut script);
            for (ladder, depth) in ladders.iter().zip([25, 100]) {
                for side in [BookSide::Bid, BookSide::Ask] {
                    let told = ladder.as_ref().unwrap().levels(side);
                    let told = told.map(|(_, level)| (level.price.to_string(), level.amount.to_string()));
                    prop_assert_eq!(told.collect::<Vec<_>>(), best(&levels, side, depth));
                }
            }
        }
    }

    #[test]
    fn no_text_can_do_harm(texts in proptest::collection::vec(mutated(), 0..6)) {
        let mut script = Script::new();
        for topic in [ticker("BTC-USD"), trades("BTC-USD"), book("BTC-USD", 25)] {
            script.subscribe(&topic);
        }
        for text in texts {
            let mut out = Vec::new();
            let _ = script.session.on_text(&Bytes::from(text), script.now, &mut out);
            // Each text is the first of its connection as far as its number goes.
            script.session.next = None;
        }
        script.wait(Duration::from_secs(60));
    }
}
