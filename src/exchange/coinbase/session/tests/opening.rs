use super::*;

const UNANSWERED: &str = "the exchange did not answer the subscription in time";

#[test]
fn data_come_before_the_list_and_open_the_channel() {
    let mut script = Script::new();
    script.list("");
    for topic in [ticker("BTC-USD"), trades("BTC-USD"), book("BTC-USD", 25)] {
        script.subscribe(&topic);
        script.subscribe(&topic);
    }
    assert_eq!(
        script.asked(),
        ["subscribe ticker BTC-USD", "subscribe market_trades BTC-USD", "subscribe level2 BTC-USD"]
    );
    script.ticker("snapshot", "BTC-USD", "10");
    script.list(r#""ticker":["BTC-USD"]"#);
    script.trades("snapshot", "BTC-USD", &["8 BUY", "7 SELL"]);
    script.list(r#""ticker":["BTC-USD"],"market_trades":["BTC-USD"]"#);
    script.levels("snapshot", "BTC-USD", &["bid 10 1", "offer 11 2"]);
    script.list(r#""ticker":["BTC-USD"],"market_trades":["BTC-USD"],"level2":["BTC-USD"]"#);
    assert_eq!(
        script.shown(),
        [
            "subscribed ticker BTC-USD",
            "ticker BTC-USD: last 10",
            "subscribed trades BTC-USD",
            "trades BTC-USD: trades [7 8]",
            "subscribed orderbook BTC-USD P0 25",
            "orderbook BTC-USD P0 25: book [b10 1, a11 2]",
        ]
    );
    assert_eq!(script.session.wakes_at(), None, "nothing is awaited");
    assert_eq!(script.session.desk.awaits(), 0);
}

#[test]
fn a_market_without_trades_is_opened_by_the_list() {
    let mut script = Script::new();
    script.subscribe(&trades("NEW-USD"));
    script.list("");
    assert_eq!(script.shown(), [""; 0]);
    script.list(r#""market_trades":["NEW-USD"]"#);
    assert_eq!(script.shown(), ["subscribed trades NEW-USD", "trades NEW-USD: trades []"]);
    script.trades("update", "NEW-USD", &["1 SELL"]);
    assert_eq!(script.shown(), ["trades NEW-USD: trade 1 buy"]);
}

/// Tickers and books owe a snapshot, whatever the list says.
#[test]
fn what_is_never_answered_is_refused() {
    let mut script = Script::new();
    script.subscribe(&ticker("BTC-USD"));
    script.subscribe(&book("BTC-USD", 25));
    script.list(r#""ticker":["BTC-USD"],"level2":["BTC-USD"]"#);
    script.levels("update", "BTC-USD", &["bid 10 1"]);
    script.asked();
    script.wait(ACK_TIMEOUT);
    assert_eq!(script.shown(), [""; 0], "two texts a second: they leave one after the other");
    script.wait(Duration::from_millis(1_000));
    assert_eq!(
        script.shown(),
        [
            format!("refused ticker BTC-USD: {UNANSWERED}"),
            format!("refused orderbook BTC-USD P0 25: {UNANSWERED}"),
        ]
    );
    assert_eq!(script.asked(), ["unsubscribe ticker BTC-USD", "unsubscribe level2 BTC-USD"]);
    // What comes after all the same is given back.
    script.levels("snapshot", "BTC-USD", &["bid 10 1"]);
    assert_eq!(script.asked(), ["unsubscribe level2 BTC-USD"]);
    script.levels("update", "BTC-USD", &["bid 10 1"]);
    script.ticker("update", "", "1");
    assert_eq!(
        (script.asked(), script.shown()),
        (vec![], vec![]),
        "once, and nothing that is none"
    );
    script.list("");
    script.subscribe(&ticker("BTC-USD"));
    assert_eq!(script.asked(), ["subscribe ticker BTC-USD"]);
}

#[test]
fn refusals_mean_the_oldest_request_or_the_product_they_name() {
    let mut script = Script::new();
    for id in ["AAA-USD", "BBB-USD", "CCC-USD"] {
        script.subscribe(&ticker(id));
    }
    script.ticker("snapshot", "AAA-USD", "10");
    script.error("CCC-USD is not a valid product");
    script.error("something is wrong");
    let refused = "the exchange refused the subscription:";
    assert_eq!(
        script.shown(),
        [
            "subscribed ticker AAA-USD".to_owned(),
            "ticker AAA-USD: last 10".to_owned(),
            format!("refused ticker CCC-USD: {refused} CCC-USD is not a valid product"),
            format!("refused ticker BBB-USD: {refused} something is wrong"),
        ]
    );
    script.error("nobody has asked");
    assert_eq!(script.shown(), [""; 0]);
    script.list(r#""ticker":["AAA-USD"]"#);
    assert_eq!((script.session.desk.awaits(), script.session.wakes_at()), (0, None));
}

#[test]
fn too_many_books_are_no_fault_of_the_others() {
    let mut script = Script::new();
    let (one, other) = (ticker("AAA-USD"), book("BBB-USD", 25));
    script.subscribe(&one);
    script.subscribe(&other);
    script.error("too many L2 streams requested in a single session");
    assert_eq!(script.told(), [Event::Refused(other, Refused::Full)]);
    script.error("rate limit exceeded");
    assert_eq!(script.told(), [Event::Refused(one, Refused::Unanswered)]);
}

#[test]
fn there_are_no_other_channels() {
    let mut script = Script::new();
    let five = Stream::Candles(crate::market::Timeframe::M5);
    let coarse = Stream::Book { precision: Precision::P1, depth: 25 };
    for topic in [
        topic("BTC-USD", five),
        topic("BTC-USD", coarse),
        book("BTC-USD", 26),
        ticker(r#"X","-USD"#),
    ] {
        script.subscribe(&topic);
        assert!(matches!(script.told().as_slice(), [Event::Refused(_, Refused::Invalid { .. })]));
        script.unsubscribe(&topic);
    }
    assert_eq!((script.sent(), script.told()), (vec![], vec![]));
}

#[test]
fn what_is_given_back_is_closed_and_may_be_asked_for_again() {
    let mut script = Script::new();
    let topic = ticker("BTC-USD");
    script.subscribe(&topic);
    script.ticker("snapshot", "BTC-USD", "10");
    script.list(r#""ticker":["BTC-USD"]"#);
    script.unsubscribe(&topic);
    script.unsubscribe(&topic);
    script.subscribe(&topic);
    assert_eq!(script.asked(), ["subscribe ticker BTC-USD", "unsubscribe ticker BTC-USD"]);
    script.told();
    script.ticker("update", "BTC-USD", "11");
    assert_eq!(script.shown(), [""; 0], "nobody wants it any more");
    script.list("");
    assert_eq!(script.shown(), ["unsubscribed ticker BTC-USD"]);
    assert_eq!(script.asked(), ["subscribe ticker BTC-USD"]);
    script.ticker("snapshot", "BTC-USD", "12");
    assert_eq!(script.shown(), ["subscribed ticker BTC-USD", "ticker BTC-USD: last 12"]);
    script.list(r#""ticker":["BTC-USD"]"#);
    // Without an answer it counts as closed after a while.
    script.unsubscribe(&topic);
    script.wait(ACK_TIMEOUT + Duration::from_secs(2));
    assert_eq!(script.shown(), ["unsubscribed ticker BTC-USD"]);
}

#[test]
fn what_is_given_back_before_its_answer_waits_for_its_own() {
    let mut script = Script::new();
    let (one, other) = (ticker("AAA-USD"), book("BBB-USD", 25));
    script.subscribe(&one);
    script.subscribe(&other);
    script.unsubscribe(&other);
    script.subscribe(&other);
    assert_eq!(
        script.asked(),
        ["subscribe ticker AAA-USD", "subscribe level2 BBB-USD", "unsubscribe level2 BBB-USD"]
    );
    script.ticker("snapshot", "AAA-USD", "10");
    script.told();
    // The answer to the first one says nothing of the others.
    script.list(r#""ticker":["AAA-USD"]"#);
    script.levels("snapshot", "BBB-USD", &["bid 1 1"]);
    script.list(r#""ticker":["AAA-USD"],"level2":["BBB-USD"]"#);
    assert_eq!((script.shown(), script.asked()), (vec![], vec![]));
    script.list(r#""ticker":["AAA-USD"]"#);
    assert_eq!(script.shown(), ["unsubscribed orderbook BBB-USD P0 25"]);
    assert_eq!(script.asked(), ["subscribe level2 BBB-USD"]);
    script.levels("snapshot", "BBB-USD", &["bid 2 1"]);
    assert_eq!(
        script.shown(),
        ["subscribed orderbook BBB-USD P0 25", "orderbook BBB-USD P0 25: book [b2 1]"]
    );
}

#[test]
fn what_the_exchange_closes_is_asked_for_anew() {
    let mut script = Script::new();
    script.subscribe(&ticker("AAA-USD"));
    script.ticker("snapshot", "AAA-USD", "10");
    script.list(r#""ticker":["AAA-USD"]"#);
    script.subscribe(&trades("AAA-USD"));
    script.trades("snapshot", "AAA-USD", &["1 BUY"]);
    script.told();
    script.asked();
    script.list(r#""market_trades":["AAA-USD"]"#);
    let broken = script.told();
    assert!(
        matches!(broken.as_slice(), [Event::Broken(topic, _)] if **topic == *ticker("AAA-USD"))
    );
    assert_eq!(script.asked(), ["unsubscribe ticker AAA-USD"]);
    script.list(r#""market_trades":["AAA-USD"]"#);
    assert_eq!(script.asked(), ["subscribe ticker AAA-USD"]);
}

#[test]
fn books_of_several_depths_are_one_subscription() {
    let mut script = Script::new();
    let (shallow, deep) = (book("BTC-USD", 25), book("BTC-USD", 100));
    script.subscribe(&shallow);
    script.levels("snapshot", "BTC-USD", &["bid 10 1", "offer 11 1"]);
    script.list(r#""level2":["BTC-USD"]"#);
    script.told();
    script.subscribe(&deep);
    assert_eq!(script.asked(), ["subscribe level2 BTC-USD"]);
    assert_eq!(
        script.shown(),
        ["subscribed orderbook BTC-USD P0 100", "orderbook BTC-USD P0 100: book [b10 1, a11 1]"]
    );
    script.unsubscribe(&shallow);
    assert_eq!(script.shown(), ["unsubscribed orderbook BTC-USD P0 25"]);
    script.levels("update", "BTC-USD", &["bid 10 0"]);
    assert_eq!(
        script.shown(),
        ["orderbook BTC-USD P0 100: levels [b10 gone]", "sound orderbook BTC-USD P0 100"]
    );
    assert_eq!(script.asked(), [""; 0]);
    script.unsubscribe(&deep);
    assert_eq!(script.asked(), ["unsubscribe level2 BTC-USD"]);
}
