use super::*;

#[test]
fn texts_are_counted_over_all_channels() {
    let mut script = Script::new();
    script.number = 41;
    script.heartbeat();
    script.list("");
    script.error("of no number");
    script.heartbeat();
    assert_eq!(script.told(), [Event::Alive, Event::Alive]);
    script.number += 1;
    let text = r#"{"channel":"heartbeats","sequence_num":45,"events":[]}"#;
    assert_eq!(script.try_hear(text), Err(SessionError::Gap { expected: 44, got: 45 }));
    assert_eq!(script.told(), []);
}

#[test]
fn what_is_no_text_of_this_protocol_ends_the_connection() {
    for text in [
        "",
        "[]",
        "hello",
        r#"{"channel":"heartbeats","events":[]}"#,
        r#"{"channel":"ticker","sequence_num":0,"events":[{"tickers":[{}]}]}"#,
        r#"{"channel":"ticker","timestamp":"noon","sequence_num":0,"events":[]}"#,
        r#"{"channel":"l2_data","sequence_num":0,"events":[1]}"#,
        r#"{"channel":"ticker","sequence_num":0,"events":{}}"#,
    ] {
        let refused = Script::new().try_hear(text);
        assert!(matches!(refused, Err(SessionError::Protocol(_))), "{text}: {refused:?}");
    }
    let mut script = Script::new();
    assert_eq!(script.try_hear(r#"{"type":"hello"}"#), Ok(()));
    assert_eq!(script.try_hear(r#"{"channel":"news","sequence_num":0,"events":[7]}"#), Ok(()));
}

#[test]
fn tickers_have_the_texts_time() {
    let mut script = Script::new();
    script.subscribe(&ticker("BTC-USD"));
    script.ticker("snapshot", "BTC-USD", "10");
    script.ticker("update", "BTC-USD", "10.10");
    let told = script.told();
    let [_, Event::Data(_, Data::Ticker(one)), Event::Data(_, Data::Ticker(other))] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(one.at.unwrap().iso(), "2026-09-01T12:00:00.228Z");
    assert_eq!(other.last.as_ref().unwrap().as_str(), "10.10");
    assert!(other.raw.as_str().starts_with(r#"{"type":"ticker","product_id":"BTC-USD""#));
}

#[test]
fn each_trade_is_told_once_and_oldest_first() {
    let mut script = Script::new();
    script.subscribe(&trades("BTC-USD"));
    script.subscribe(&trades("ETH-USD"));
    script.trades("update", "BTC-USD", &["1 BUY"]);
    assert_eq!(script.shown(), [""; 0], "before the snapshot it says nothing");
    script.trades("snapshot", "BTC-USD", &["3 SELL", "2 BUY"]);
    script.trades("update", "BTC-USD", &["5 BUY", "4 SELL", "3 SELL"]);
    assert_eq!(
        script.shown(),
        [
            "subscribed trades BTC-USD",
            "trades BTC-USD: trades [2 3]",
            "trades BTC-USD: trade 4 buy",
            "trades BTC-USD: trade 5 sell",
        ]
    );
    // One event may bring trades of several products.
    let row = |id: &str, number: u32| {
        format!(
            r#"{{"product_id":"{id}","trade_id":"{number}","price":"1","size":"1","time":"2026-09-01T12:00:00Z","side":"BUY"}}"#
        )
    };
    let rows = [row("ETH-USD", 9), row("BTC-USD", 6), row("ETH-USD", 8)].join(",");
    script.channel("market_trades", &format!(r#"{{"type":"snapshot","trades":[{rows}]}}"#));
    assert_eq!(
        script.shown(),
        ["subscribed trades ETH-USD", "trades ETH-USD: trades [8 9]", "trades BTC-USD: trades [6]"]
    );
}

#[test]
fn a_book_is_told_as_deep_as_asked_for() {
    let mut script = Script::new();
    let topic = book("BTC-USD", 25);
    script.subscribe(&topic);
    let bids: Vec<String> = (1..=27).map(|price| format!("bid {price} 1")).collect();
    let mut levels: Vec<&str> = bids.iter().map(String::as_str).collect();
    levels.push("offer 30 1");
    script.levels("snapshot", "BTC-USD", &levels);
    let told = script.told();
    let [Event::Subscribed(_), Event::Data(_, Data::Book(shown))] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(shown.len(), 26);
    assert_eq!(changes(&shown[24..]), "b3 1, a30 1");
    let mut hear = |levels: &[&str]| {
        script.levels("update", "BTC-USD", levels);
        let mut shown = script.shown();
        assert_eq!(shown.pop().unwrap(), "sound orderbook BTC-USD P0 25");
        assert!(shown.len() < 2, "{shown:?}");
        shown.pop().unwrap_or_default().replace("orderbook BTC-USD P0 25: ", "")
    };
    assert_eq!(hear(&["bid 28 5"]), "levels [b3 gone, b28 5]");
    assert_eq!(hear(&["bid 28 0", "bid 27 0"]), "levels [b28 gone, b27 gone, b3 1, b2 1]");
    assert_eq!(hear(&["bid 1 7"]), "", "it is below what is shown");
    assert_eq!(hear(&["bid 1.50 2", "bid 26 0"]), "levels [b26 gone, b1.50 2]");
    assert_eq!(hear(&["bid 24 1.0"]), "levels [b24 1.0]");
    assert_eq!(hear(&["bid 24 1.0"]), "", "it is as it was");
    assert_eq!(hear(&["bid 99 0", "offer 5 0"]), "", "they were not there");
    assert_eq!(hear(&["offer 30 0", "offer 29.9 1"]), "levels [a30 gone, a29.9 1]");
}

#[test]
fn a_crossed_book_is_held_back_until_it_is_mended() {
    let mut script = Script::new();
    script.subscribe(&book("BTC-USD", 25));
    script.levels("snapshot", "BTC-USD", &["bid 10 1", "offer 11 1"]);
    script.told();
    script.levels("update", "BTC-USD", &["bid 11 1"]);
    assert_eq!(script.shown(), [""; 0]);
    script.levels("update", "BTC-USD", &["offer 11 0", "offer 12 1"]);
    assert_eq!(
        script.shown(),
        [
            "orderbook BTC-USD P0 25: levels [a11 gone, b11 1, a12 1]",
            "sound orderbook BTC-USD P0 25"
        ]
    );
    // A heartbeat says that nothing is on its way.
    script.levels("update", "BTC-USD", &["bid 12 1"]);
    script.heartbeat();
    let told = script.shown();
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("broken orderbook BTC-USD P0 25:"), "{told:?}");
    assert_eq!(told[1], "alive");
}

#[test]
fn a_broken_channel_is_mended_and_the_others_stay() {
    let mut script = Script::new();
    script.subscribe(&book("BTC-USD", 25));
    script.subscribe(&book("ETH-USD", 25));
    script.levels("snapshot", "BTC-USD", &["bid 10 1"]);
    script.levels("snapshot", "ETH-USD", &["bid 10 1"]);
    let both = r#""level2":["BTC-USD","ETH-USD"]"#;
    script.list(both);
    script.told();
    script.asked();
    for broken in ["bid 10 -1", "bid x 1", "bid 0 1", "ask 11 1", "bid 1e40 1"] {
        script.levels("update", "BTC-USD", &[broken]);
        let told = script.told();
        assert!(
            matches!(told.as_slice(), [Event::Broken(_, Broken::Invalid(_))]),
            "{broken}: {told:?}"
        );
        assert_eq!(script.asked(), ["unsubscribe level2 BTC-USD"], "{broken}");
        script.levels("update", "BTC-USD", &["bid 9 1"]);
        script.levels("update", "ETH-USD", &["bid 9 1"]);
        assert_eq!(
            script.shown(),
            ["orderbook ETH-USD P0 25: levels [b9 1]", "sound orderbook ETH-USD P0 25"]
        );
        script.levels("update", "ETH-USD", &["bid 9 0"]);
        script.told();
        script.list(r#""level2":["ETH-USD"]"#);
        assert_eq!(script.asked(), ["subscribe level2 BTC-USD"]);
        script.levels("snapshot", "BTC-USD", &["bid 10 1"]);
        script.list(both);
        assert_eq!(
            script.shown(),
            ["subscribed orderbook BTC-USD P0 25", "orderbook BTC-USD P0 25: book [b10 1]"]
        );
        script.wait(Duration::from_secs(11));
    }
}

#[test]
fn what_breaks_again_at_once_rests() {
    let mut script = Script::new();
    script.subscribe(&book("BTC-USD", 25));
    for snapshot in [&["bid 10 0"][..], &["bid 10 1", "bid 10.0 1"], &["bid 11 1", "offer 11 1"]] {
        script.asked();
        script.levels("snapshot", "BTC-USD", snapshot);
        assert!(script.told().iter().any(|event| matches!(event, Event::Broken(..))));
        assert_eq!(script.asked(), ["unsubscribe level2 BTC-USD"]);
        script.list(r#""level2":["BTC-USD"]"#);
        script.list("");
        if script.asked() == ["subscribe level2 BTC-USD"] {
            continue;
        }
        script.wait(Duration::from_secs(9));
        assert_eq!(script.asked(), [""; 0]);
        script.wait(Duration::from_secs(1));
        assert_eq!(script.asked(), ["subscribe level2 BTC-USD"]);
    }
}
