use bytes::Bytes;

use super::*;
use crate::{
    exchange::MarketList,
    market::{Bound, Kind, Listing},
};

fn listings() -> Vec<Listing> {
    vec![
        Listing {
            symbol: Symbol::swap("BTC", "USDT", "USDT"),
            id: "tBTCF0:USTF0".into(),
            base: "BTC".into(),
            quote: "USDT".into(),
            settle: Some("USDT".into()),
            kind: Kind::Swap,
            margin: Some(true),
            amount: Bound { min: Some(number("0.00004")), max: Some(number("1e2")) },
            amount_decimals: Some(8),
            price_significant_digits: Some(5),
            listed_as: None,
            amount_step: None,
            price_step: None,
            aliases: vec!["BTCF0/USTF0".into(), "B\"T\\C/ÜST".into()],
        },
        Listing {
            symbol: Symbol::spot("AAA", "USD"),
            id: "tAAAUSD".into(),
            base: "AAA".into(),
            quote: "USD".into(),
            settle: None,
            kind: Kind::Spot,
            margin: Some(false),
            amount: Bound { min: None, max: Some(number("2000.0")) },
            amount_decimals: None,
            price_significant_digits: None,
            listed_as: None,
            amount_step: None,
            price_step: None,
            aliases: Vec::new(),
        },
        Listing {
            symbol: Symbol::spot("ZZZ", "USD"),
            id: "tZZZUSD".into(),
            base: "ZZZ".into(),
            quote: "USD".into(),
            settle: None,
            kind: Kind::Spot,
            margin: None,
            amount: Bound::default(),
            amount_decimals: Some(0),
            price_significant_digits: Some(u32::MAX),
            listed_as: Some("ZZZ.USD".into()),
            amount_step: Some(number("0.10")),
            price_step: Some(number("1e-8")),
            aliases: vec!["Z/USD".into()],
        },
    ]
}

fn documents() -> Vec<(String, Bytes)> {
    vec![
        ("pub:list:pair:exchange".to_owned(), Bytes::from_static(b"[[\"ZZZUSD\"]]")),
        ("pub:info:pair".to_owned(), Bytes::from_static(b"\xff\x00 not even text")),
        ("a:empty:one".to_owned(), Bytes::new()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_back_as_it_was() {
    let bench = Bench::new().await;
    assert!(bench.store.markets("bitfinex").await.is_none());
    let list = MarketList { listings: listings(), documents: documents() };
    bench.store.keep_markets("bitfinex", &list, minute(3)).await.unwrap();
    bench.store.keep_markets("other", &MarketList::default(), minute(4)).await.unwrap();
    let bench = bench.again().await;
    let (read, received_at) = bench.store.markets("bitfinex").await.unwrap();
    assert_eq!((read.listings, read.documents, received_at), (listings(), documents(), minute(3)));

    let shorter = MarketList { listings: listings().split_off(2), documents: Vec::new() };
    bench.store.keep_markets("bitfinex", &shorter, minute(5)).await.unwrap();
    let (read, received_at) = bench.store.markets("bitfinex").await.unwrap();
    let expected = (listings().split_off(2), Vec::new(), minute(5));
    assert_eq!(
        (read.listings, read.documents, received_at),
        expected,
        "nothing is left of the old"
    );
    let (other, received_at) = bench.store.markets("other").await.unwrap();
    assert_eq!((other.listings, other.documents.len(), received_at), (vec![], 0, minute(4)));
}
