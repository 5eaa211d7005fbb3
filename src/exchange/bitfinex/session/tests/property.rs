use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::market::{BookSide, Identity, Ladder};

/// The book as the exchange would keep it: amounts by price, bids below 1000, asks from there.
type Side = BTreeMap<u32, u32>;

const DEPTH: usize = 25;

/// A snapshot and the changes after it, each with the sides as they are then. A side that grows
/// too long loses its worst level first.
fn market() -> impl Strategy<Value = (Vec<u32>, Vec<(u32, u32)>)> {
    let price = || 960..1040_u32;
    (
        proptest::collection::vec(price(), 0..60),
        proptest::collection::vec((price(), 0..4_u32), 0..200),
    )
}

fn row(price: u32, amount: u32) -> String {
    let sign = if price < 1000 { "" } else { "-" };
    match amount {
        0 => format!("[{price},0,{sign}1]"),
        _ => format!("[{price},1,{sign}{amount}.5]"),
    }
}

fn told_book(script: &mut Script, ladder: &mut Option<Ladder>) {
    for event in script.told() {
        match event {
            Event::Data(_, Data::Book(levels)) => {
                *ladder = Some(Ladder::of(Identity::Price, &levels).unwrap());
            }
            Event::Data(_, Data::Levels(changes)) => {
                let ladder = ladder.as_mut().unwrap();
                changes.iter().for_each(|change| ladder.apply(change).unwrap());
            }
            Event::Checked(..) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn assert_same(ladder: &Ladder, bids: &Side, asks: &Side) {
    let of = |side| {
        let levels = ladder.levels(side);
        levels.map(|(_, level)| (level.price.to_string(), level.amount.to_string())).collect()
    };
    let text = |(price, amount): (&u32, &u32)| (price.to_string(), format!("{amount}.5"));
    let (told_bids, told_asks): (Vec<_>, Vec<_>) = (of(BookSide::Bid), of(BookSide::Ask));
    assert_eq!(told_bids, bids.iter().rev().map(text).collect::<Vec<_>>());
    assert_eq!(told_asks, asks.iter().map(text).collect::<Vec<_>>());
    assert!(!ladder.is_crossed() && ladder.depth() <= DEPTH);
}

fn sum(bids: &Side, asks: &Side) -> i32 {
    let mut pieces = Vec::new();
    let (mut down, mut up) = (bids.iter().rev(), asks.iter());
    for _ in 0..DEPTH {
        pieces.extend(down.next().map(|(price, amount)| format!("{price}:{amount}.5")));
        pieces.extend(up.next().map(|(price, amount)| format!("{price}:-{amount}.5")));
    }
    crc32fast::hash(pieces.join(":").as_bytes()).cast_signed()
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(r#"[5,[[10,1,1],[11,1,-1]],3]"#),
        Just(r#"[5,[10,2,0.5],4]"#),
        Just(r#"[5,"cs",-1175357890,5]"#),
        Just(r#"[5,"te",[12,1790134414002,-0.5,10],6]"#),
        Just(r#"[5,"hb",7]"#),
        Just(
            r#"{"event":"subscribed","channel":"book","chanId":5,"symbol":"tBTCUSD","len":"25","subId":1}"#
        ),
        Just(r#"{"event":"error","msg":"subscribe: dup","code":10301,"chanId":5,"subId":1}"#),
        Just(r#"{"event":"info","version":2,"platform":{"status":1}}"#),
        Just(r#"{"event":"unsubscribed","status":"OK","chanId":5}"#),
    ];
    crate::exchange::spoilt::spoilt(valid)
}

proptest! {
    #[test]
    fn a_replay_gives_the_book_that_was_meant((start, changes) in market()) {
        let (mut bids, mut asks) = (Side::new(), Side::new());
        let mut rows = Vec::new();
        for price in start {
            let side = if price < 1000 { &mut bids } else { &mut asks };
            if side.len() < DEPTH && side.insert(price, 1).is_none() {
                rows.push(row(price, 1));
            }
        }
        let mut script = Script::with(&book());
        let mut ladder = None;
        script.hear(&format!("[5,[{}]]", rows.join(",")));
        told_book(&mut script, &mut ladder);
        for (price, amount) in changes {
            let bid = price < 1000;
            let side = if bid { &mut bids } else { &mut asks };
            if amount == 0 && side.remove(&price).is_none() {
                continue;
            }
            if amount > 0 {
                side.insert(price, amount);
            }
            // One too many is there until the next message.
            script.hear(&format!("[5,{}]", row(price, amount)));
            if side.len() > DEPTH {
                let worst = if bid { side.pop_first() } else { side.pop_last() };
                script.hear(&format!("[5,{}]", row(worst.unwrap().0, 0)));
            }
            told_book(&mut script, &mut ladder);
            assert_same(ladder.as_ref().unwrap(), &bids, &asks);
        }
        let sum = sum(&bids, &asks);
        script.hear(&format!(r#"[5,"cs",{sum}]"#));
        prop_assert_eq!(script.told(), [Event::Checked(book(), sum.into())]);
    }

    #[test]
    fn no_bytes_make_it_panic(texts in proptest::collection::vec(
        prop_oneof![mutated(), proptest::collection::vec(any::<u8>(), 0..60)], 1..12,
    )) {
        let mut script = Script::numbered();
        script.subscribe(&book());
        for text in texts {
            let mut out = Vec::new();
            let _ = script.session.on_text(&Bytes::from(text), script.now, &mut out);
            script.file(out);
            let told = script.told();
            prop_assert!(told.len() <= 65);
        }
    }
}
