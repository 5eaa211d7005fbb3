use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::market::{Identity, Ladder};

/// The book as the exchange would keep it: amounts by price, bids below 1000, asks from there.
type Prices = BTreeMap<u32, u32>;

const DEPTH: usize = 25;

fn row(price: u32, amount: u32) -> String {
    format!(r#"["{price}","{amount}"]"#)
}

fn rows<'a>(levels: impl Iterator<Item = (&'a u32, &'a u32)>) -> String {
    levels.map(|(price, amount)| row(*price, *amount)).collect::<Vec<_>>().join(",")
}

fn make(book: &mut Prices, changes: &[(u32, u32)]) {
    for (price, amount) in changes {
        match amount {
            0 => _ = book.remove(price),
            _ => _ = book.insert(*price, *amount),
        }
    }
}

/// Takes what was told into the follower's own book.
fn follow(script: &mut Script, ladder: &mut Option<Ladder>) {
    for event in script.told() {
        match event {
            Event::Data(_, Data::Book(levels)) => {
                *ladder = Some(Ladder::of(Identity::Price, &levels).unwrap());
            }
            Event::Data(_, Data::Levels(changes)) => {
                let ladder = ladder.as_mut().unwrap();
                changes.iter().for_each(|change| ladder.apply(change).unwrap());
            }
            Event::Sound(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn assert_best(ladder: &Ladder, book: &Prices) {
    let of = |side| -> Vec<(String, String)> {
        let levels = ladder.levels(side);
        levels.map(|(_, level)| (level.price.to_string(), level.amount.to_string())).collect()
    };
    let text = |(price, amount): (&u32, &u32)| (price.to_string(), amount.to_string());
    let bids: Vec<_> = book.range(..1000).rev().take(DEPTH).map(text).collect();
    let asks: Vec<_> = book.range(1000..).take(DEPTH).map(text).collect();
    assert_eq!((of(BookSide::Bid), of(BookSide::Ask)), (bids, asks));
}

fn changes() -> impl Strategy<Value = Vec<Vec<(u32, u32)>>> {
    let change = (950..1050_u32, 0..4_u32);
    proptest::collection::vec(proptest::collection::vec(change, 0..6), 1..60)
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(update("BTCUSDT", (11, 12), r#"["99","1"]"#, r#"["102","0.0"]"#)),
        Just(r#"{"result":null,"id":1}"#.to_owned()),
        Just(r#"{"code":2,"msg":"Invalid request","id":1}"#.to_owned()),
        Just(r#"{"stream":"btcusdt@aggTrade","data":{"s":"BTCUSDT","a":1,"p":"1","q":"1","T":1672515782136,"m":true}}"#.to_owned()),
        Just(r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown"}}"#.to_owned()),
    ];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    /// Whenever the snapshot is taken and however late it comes.
    #[test]
    fn the_best_levels_are_those_of_the_exchange(
        events in changes(),
        taken in any::<prop::sample::Index>(),
        late in 0..20_usize,
    ) {
        let topic = book("BTCUSDT", 25);
        let mut script = Script::with(std::slice::from_ref(&topic));
        let (mut market, mut ladder) = (Prices::new(), None);
        let taken = taken.index(events.len());
        let mut pending = None;
        let mut number = 100;
        for (at, changes) in events.iter().enumerate() {
            let first = number + 1;
            number += i64::try_from(changes.len()).unwrap().max(1);
            make(&mut market, changes);
            let (bids, asks): (Vec<_>, Vec<_>) =
                changes.iter().partition(|(price, _)| *price < 1000);
            let rows_of = |side: Vec<&(u32, u32)>| {
                side.iter().map(|(price, amount)| row(*price, *amount)).collect::<Vec<_>>().join(",")
            };
            script.hear(&update("BTCUSDT", (first, number), &rows_of(bids), &rows_of(asks)));
            if at == taken {
                let (bids, asks) = (rows(market.range(..1000).rev()), rows(market.range(1000..)));
                pending = Some(snapshot(number, &bids, &asks));
            }
            if at >= taken + late && let Some(snapshot) = pending.take() {
                script.bring(&topic, Some(&snapshot));
                prop_assert!(script.told.iter().any(|it| matches!(it, Event::Data(..))));
            }
            follow(&mut script, &mut ladder);
            if let Some(ladder) = &ladder {
                assert_best(ladder, &market);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(texts in proptest::collection::vec(
        prop_oneof![mutated(), proptest::collection::vec(any::<u8>(), 0..60)], 1..12,
    )) {
        let mut script = Script::open();
        script.subscribe(&book("BTCUSDT", 25));
        script.subscribe(&topic("BTCUSDT", Stream::Trades));
        script.wait(Duration::ZERO).unwrap();
        for text in texts {
            let text = Bytes::from(text);
            let _ = script.call(|session, now, out| session.on_text(&text, now, out));
            for (topic, _) in script.fetched() {
                script.bring(&topic, Some(&snapshot(10, r#"["100","1"]"#, r#"["101","1"]"#)));
            }
            prop_assert!(script.told().len() <= 8);
        }
    }
}
