//! How streams are opened and closed.

use super::*;

fn ticker(id: &str) -> Arc<Topic> {
    topic(id, Stream::Ticker)
}

fn subscribed(topic: &Arc<Topic>) -> Event {
    Event::Subscribed(Arc::clone(topic))
}

fn unsubscribed(topic: &Arc<Topic>) -> Event {
    Event::Unsubscribed(Arc::clone(topic))
}

const TICK: &str = r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","s":"BTCUSDT","c":"3"}}"#;

#[test]
fn what_comes_together_is_asked_for_in_one_message() {
    let mut script = Script::open();
    let topics = [
        ticker("BTCUSDT"),
        topic("BTCUSDT", Stream::Trades),
        topic("ETHUSDT", Stream::Candles(Timeframe::Month)),
        book("BTCUSDT", 25),
        book("BTCUSDT", 250),
    ];
    topics.iter().for_each(|topic| script.subscribe(topic));
    script.subscribe(&topics[0]);
    script.wait(Duration::ZERO).unwrap();
    assert_eq!(
        script.asked(),
        ["1 SUBSCRIBE btcusdt@aggTrade btcusdt@depth@100ms btcusdt@ticker ethusdt@kline_1M"]
    );
    assert!(script.told().is_empty());
    script.acknowledge(1);
    let told = script.told();
    for topic in &topics {
        assert!(told.contains(&subscribed(topic)), "{topic}");
    }
    let none = Event::Data(topics[1].clone(), Data::Trades(Vec::new()));
    assert_eq!(told.iter().filter(|it| matches!(it, Event::Data(..))).collect::<Vec<_>>(), [&none]);
    assert_eq!(script.fetched(), [(topics[3].clone(), 1000)], "one snapshot serves both depths");
}

#[test]
fn rounds_of_requests_keep_within_the_exchanges_limits() {
    let mut script = Script::open();
    for number in 0..250 {
        script.subscribe(&ticker(&format!("MARKETWITHALONGNAME{number:03}USDT")));
    }
    let start = script.now;
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let at = script.session.wakes_at().unwrap();
        script.now = at;
        script.call(|session, now, out| session.on_time(now, out)).unwrap();
        texts.extend(script.sent().into_iter().map(|text| (at - start, text)));
    }
    assert!(texts.iter().all(|(_, text)| text.len() <= 4000), "no text is longer than is read");
    let count = |text: &str| text.matches("@ticker").count();
    assert_eq!(texts.iter().map(|(_, text)| count(text)).collect::<Vec<_>>(), [97, 97, 56]);
    let times: Vec<_> = texts.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [0, 500, 1000]);
    // One of each kind may go at once.
    script.acknowledge(1);
    script.told();
    script.unsubscribe(&ticker("MARKETWITHALONGNAME000USDT"));
    script.subscribe(&ticker("BTCUSDT"));
    script.wait(SECOND).unwrap();
    assert_eq!(
        script.asked(),
        ["4 SUBSCRIBE btcusdt@ticker", "5 UNSUBSCRIBE marketwithalongname000usdt@ticker"]
    );
}

#[test]
fn data_before_the_acknowledgement_show_that_the_stream_is_open() {
    let mut script = Script::open();
    let topic = ticker("BTCUSDT");
    script.subscribe(&topic);
    script.hear(TICK);
    assert!(script.told().is_empty(), "nothing was asked for yet");
    script.wait(Duration::ZERO).unwrap();
    script.hear(TICK);
    let told = script.told();
    assert_eq!(told[0], subscribed(&topic));
    assert!(matches!(&told[1..], [Event::Data(_, Data::Ticker(_))]));
    script.acknowledge(1);
    script.acknowledge(1);
    script.acknowledge(99);
    assert!(script.told().is_empty());
}

#[test]
fn an_answer_that_never_comes_is_a_refusal() {
    let mut script = Script::open();
    let topic = ticker("BTCUSDT");
    script.subscribe(&topic);
    script.wait(ACK_TIMEOUT - SECOND).unwrap();
    assert_eq!(script.asked()[0], "1 SUBSCRIBE btcusdt@ticker");
    assert!(script.told().is_empty());
    script.wait(SECOND).unwrap();
    assert_eq!(script.told(), [Event::Refused(topic.clone(), Refused::Unanswered)]);
    // It may have been opened all the same.
    assert_eq!(script.asked(), ["3 UNSUBSCRIBE btcusdt@ticker"]);
    script.acknowledge(1);
    script.hear(TICK);
    assert!(script.told().is_empty(), "too late");
    script.subscribe(&topic);
    script.acknowledge(3);
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["4 SUBSCRIBE btcusdt@ticker"]);
    script.acknowledge(4);
    assert_eq!(script.told(), [subscribed(&topic)]);
}

#[test]
fn one_wrong_stream_does_not_take_the_others_with_it() {
    let topics: Vec<_> = ["A", "B", "C"].map(ticker).into();
    for refusal in [
        r#"{"code":2,"msg":"Invalid request: no","id":NUMBER}"#,
        r#"{"error":{"code":2,"msg":"Invalid request: no"},"id":NUMBER}"#,
        r#"{"code":2,"msg":"Invalid request: no"}"#,
    ] {
        let refusal = |number: &str| refusal.replace("NUMBER", number);
        let mut script = Script::open();
        topics.iter().for_each(|topic| script.subscribe(topic));
        script.wait(Duration::ZERO).unwrap();
        assert_eq!(script.asked(), ["1 SUBSCRIBE a@ticker b@ticker c@ticker"]);
        script.hear(&refusal("1"));
        assert!(script.told().is_empty());
        script.wait(Duration::from_millis(500)).unwrap();
        assert_eq!(script.asked(), ["2 SUBSCRIBE a@ticker"]);
        script.hear(&refusal("2"));
        let message = "Invalid request: no".to_owned();
        let why = Refused::Invalid { code: 2, message };
        assert_eq!(script.told(), [Event::Refused(topics[0].clone(), why)]);
        script.wait(Duration::from_millis(500)).unwrap();
        assert_eq!(script.asked(), ["3 SUBSCRIBE b@ticker c@ticker"]);
        script.acknowledge(3);
        assert_eq!(script.told(), [subscribed(&topics[1]), subscribed(&topics[2])]);
    }
}

#[test]
fn what_has_no_stream_is_refused_at_once() {
    let mut script = Script::open();
    for stream in [
        Stream::Candles(Timeframe::H3),
        Stream::Book { precision: Precision::P1, depth: 25 },
        Stream::Book { precision: Precision::P0, depth: 1000 },
    ] {
        let topic = topic("BTCUSDT", stream);
        script.subscribe(&topic);
        assert!(matches!(&script.told()[..], [Event::Refused(_, Refused::Invalid { .. })]));
        script.unsubscribe(&topic);
    }
    script.wait(Duration::from_millis(1)).unwrap();
    assert!(script.sent().is_empty() && script.told().is_empty());
}

#[test]
fn a_stream_that_is_given_back_and_wanted_again_begins_anew() {
    let topic = ticker("BTCUSDT");
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.unsubscribe(&topic);
    script.subscribe(&topic);
    script.hear(TICK);
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["2 UNSUBSCRIBE btcusdt@ticker"]);
    script.hear(TICK);
    assert!(script.told().is_empty(), "of a stream that is being closed nothing counts");
    script.acknowledge(2);
    assert_eq!(script.told(), [unsubscribed(&topic)]);
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["3 SUBSCRIBE btcusdt@ticker"]);
    script.acknowledge(3);
    assert_eq!(script.told(), [subscribed(&topic)]);
    // Given back, wanted, and given back once more.
    script.unsubscribe(&topic);
    script.subscribe(&topic);
    script.unsubscribe(&topic);
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["4 UNSUBSCRIBE btcusdt@ticker"]);
    // Nobody answers: it is as good as closed.
    script.wait(ACK_TIMEOUT).unwrap();
    assert_eq!(script.told(), [unsubscribed(&topic)]);
    script.subscribe(&topic);
    script.sent.clear();
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked().len(), 1);
}

#[test]
fn what_is_given_back_before_its_answer_is_closed_after_it() {
    let topic = ticker("BTCUSDT");
    let mut script = Script::open();
    script.subscribe(&topic);
    script.unsubscribe(&topic);
    assert_eq!(script.told(), [unsubscribed(&topic)]);
    script.wait(SECOND).unwrap();
    assert!(script.sent().is_empty(), "it had not been asked for");

    script.subscribe(&topic);
    script.wait(Duration::ZERO).unwrap();
    script.unsubscribe(&topic);
    script.subscribe(&topic);
    script.acknowledge(1);
    assert_eq!(script.told(), [subscribed(&topic)]);

    let other = ticker("ETHUSDT");
    script.subscribe(&other);
    script.wait(SECOND).unwrap();
    script.unsubscribe(&other);
    assert!(script.told().is_empty());
    script.acknowledge(2);
    script.sent.clear();
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["3 UNSUBSCRIBE ethusdt@ticker"]);
    script.acknowledge(3);
    assert_eq!(script.told(), [unsubscribed(&other)]);

    // Refused while it was wanted no more.
    script.subscribe(&other);
    script.wait(SECOND).unwrap();
    script.unsubscribe(&other);
    script.hear(r#"{"code":2,"msg":"Invalid request","id":4}"#);
    assert_eq!(script.told(), [unsubscribed(&other)]);
}

#[test]
fn a_quiet_exchange_is_asked_and_a_silent_one_left() {
    let mut script = Script::with(&[ticker("BTCUSDT")]);
    let alive = script.alive;
    for _ in 0..10 {
        script.hear(TICK);
        script.wait(Duration::from_millis(250)).unwrap();
    }
    assert_eq!(script.alive - alive, 2, "once a second is enough");
    script.wait(5 * SECOND).unwrap();
    assert_eq!(script.asked(), ["2 LIST_SUBSCRIPTIONS"]);
    script.hear(r#"{"result":["btcusdt@ticker"],"id":2}"#);
    assert_eq!(script.alive - alive, 3);
    script.wait(5 * SECOND).unwrap();
    assert_eq!(script.asked(), ["3 LIST_SUBSCRIPTIONS"]);
    script.wait(19 * SECOND).unwrap();
    assert!(script.asked().is_empty());
    let silent = script.wait(SECOND).unwrap_err();
    assert_eq!(silent, SessionError::Silent(Duration::from_secs(20)));
}

#[test]
fn a_farewell_is_told_once_and_the_talk_goes_on() {
    let combined =
        r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}"#;
    for farewell in [combined, r#"{"e":"serverShutdown","E":1770123456789}"#] {
        let mut script = Script::with(&[ticker("BTCUSDT")]);
        script.hear(farewell);
        script.hear(farewell);
        assert_eq!(script.told(), [Event::Leaving]);
        script.hear(TICK);
        assert!(matches!(&script.told()[..], [Event::Data(_, Data::Ticker(_))]));
    }
}

#[test]
fn what_is_no_message_ends_the_talk_and_what_is_not_understood_does_not() {
    for text in ["", "[]", "null", "{", "<html>", r#"{"stream":1}"#, r#"{"code":"x"}"#] {
        let mut script = Script::open();
        assert!(matches!(script.try_hear(text), Err(SessionError::Protocol(_))), "{text}");
    }
    let mut script = Script::with(&[ticker("BTCUSDT")]);
    for text in [
        "{}",
        r#"{"stream":"ethusdt@ticker","data":{}}"#,
        r#"{"stream":"btcusdt@ticker"}"#,
        r#"{"result":null,"id":null}"#,
        r#"{"result":true,"id":"x"}"#,
        r#"{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}"#,
        r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}"#,
    ] {
        script.hear(text);
        assert!(script.told().is_empty(), "{text}");
    }
}
