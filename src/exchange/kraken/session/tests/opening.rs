//! From the request to the first data.

use super::*;

fn refused(topic: &Arc<Topic>, why: Refused) -> Event {
    Event::Refused(Arc::clone(topic), why)
}

#[test]
fn each_channel_is_asked_for_in_its_own_words() {
    let mut script = Script::open();
    for topic in [ticker(), topic(Stream::Trades), book(100), candles(Timeframe::H4)] {
        script.subscribe(&topic);
        // Asking twice is asking once.
        script.subscribe(&topic);
    }
    assert_eq!(
        script.sent,
        [
            r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo","snapshot":true},"req_id":1}"#,
            r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":true},"req_id":2}"#,
            r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":100,"snapshot":true},"req_id":3}"#,
            r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":240,"snapshot":true},"req_id":4}"#,
        ]
    );
    script.sent.clear();
    for (req_id, topic) in [(1, ticker()), (3, book(100))] {
        script.acknowledge("subscribe", req_id);
        assert_eq!(script.news(), [Event::Subscribed(Arc::clone(&topic))]);
        script.unsubscribe(&topic);
    }
    assert_eq!(
        script.sent,
        [
            r#"{"method":"unsubscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo"},"req_id":5}"#,
            r#"{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":100},"req_id":6}"#,
        ]
    );
}

#[test]
fn what_there_is_no_channel_for_is_refused_at_once() {
    let mut script = Script::open();
    for stream in [
        Stream::Book { precision: Precision::P1, depth: 25 },
        Stream::Book { precision: Precision::P0, depth: 30 },
        Stream::Candles(Timeframe::H3),
    ] {
        script.subscribe(&topic(stream));
        let told = script.told();
        assert!(
            matches!(told.as_slice(), [Event::Refused(_, Refused::Invalid { .. })]),
            "{told:?}"
        );
    }
    // Data do not say which of two depths they are of.
    script.subscribe(&book(25));
    script.subscribe(&book(100));
    assert_eq!(script.told(), [refused(&book(100), Refused::Full)]);
    script.unsubscribe(&book(100));
    assert_eq!(script.asked(), ["subscribe book 1"]);
    // No more channels than a socket is to have.
    for number in 0..PROFILE_CHANNELS {
        script.subscribe(&Arc::new(Topic {
            id: format!("X{number}/USD").into(),
            stream: Stream::Ticker,
        }));
    }
    let last: Arc<Topic> = Arc::new(Topic { id: "X199/USD".into(), stream: Stream::Ticker });
    assert_eq!(script.told(), [refused(&last, Refused::Full)]);
}

const PROFILE_CHANNELS: usize = 200;

#[test]
fn a_snapshot_before_its_acknowledgement_opens_the_channel() {
    let mut script = Script::open();
    let topic = book(25);
    script.subscribe(&topic);
    // Changes without a snapshot mean nothing.
    script.hear(&data(
        "book",
        "update",
        r#"{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":0}"#,
    ));
    assert_eq!(script.news(), []);
    script.hear(&snapshot());
    let told = script.news();
    assert!(
        matches!(
            told.as_slice(),
            [Event::Subscribed(_), Event::Data(_, Data::Book(_)), Event::Checked(_, 3_310_070_434)]
        ),
        "{told:?}"
    );
    script.hear(r#"{"method":"subscribe","req_id":1,"result":{"channel":"book","depth":25,"snapshot":true,"symbol":"BTC/USD"},"success":true}"#);
    assert_eq!((script.news(), script.asked()), (vec![], vec!["subscribe book 1".to_owned()]));
    script.live(60);
    assert_eq!(script.news(), [], "nothing is overdue");
}

#[test]
fn refusals_are_told_by_their_words() {
    for (words, why) in [
        ("Currency pair not supported BTC/USD", None),
        ("Subscription depth not supported", None),
        ("Exceeded msg rate", Some(Refused::Unanswered)),
        ("EService:Unavailable", Some(Refused::Unanswered)),
    ] {
        let mut script = Script::open();
        script.subscribe(&ticker());
        script.refuse(1, words);
        let why = why.unwrap_or(Refused::Invalid { code: 0, message: words.to_owned() });
        assert_eq!(script.news(), [refused(&ticker(), why)]);
        script.subscribe(&ticker());
        assert_eq!(
            script.asked(),
            ["subscribe ticker 1", "subscribe ticker 2"],
            "it may be asked again"
        );
    }
}

#[test]
fn a_refusal_without_a_number_is_of_the_market_it_names() {
    let refusal = r#"{"error":"Currency pair not supported BTC/USD","method":"subscribe","success":false,"symbol":"BTC/USD"}"#;
    let mut script = Script::open();
    script.subscribe(&ticker());
    script.subscribe(&Arc::new(Topic { id: "ETH/USD".into(), stream: Stream::Ticker }));
    script.hear(refusal);
    assert!(matches!(script.news().as_slice(), [Event::Refused(topic, _)] if *topic == ticker()));
    // Of two channels of that market it could be either.
    script.subscribe(&ticker());
    script.subscribe(&book(25));
    script.hear(refusal);
    script.hear(r#"{"error":"Malformed request","method":"error","success":false}"#);
    assert_eq!(script.news(), []);
}

#[test]
fn what_is_not_answered_in_time_is_refused() {
    let mut script = Script::open();
    script.subscribe(&ticker());
    script.live(9);
    assert_eq!(script.news(), []);
    script.live(1);
    assert_eq!(script.news(), [refused(&ticker(), Refused::Unanswered)]);
    // What opens too late is closed.
    script.hear(r#"{"method":"subscribe","req_id":1,"result":{"channel":"ticker","symbol":"BTC/USD"},"success":true}"#);
    assert_eq!(script.asked(), ["subscribe ticker 1", "unsubscribe ticker 2"]);
    assert_eq!(script.news(), []);
}

#[test]
fn the_time_for_an_answer_begins_when_the_request_can_have_left() {
    let mut script = Script::open();
    for number in 0..50 {
        script.subscribe(&Arc::new(Topic {
            id: format!("X{number}/USD").into(),
            stream: Stream::Ticker,
        }));
    }
    // Five a second: the first goes at once, the last after 9.8 s.
    script.live(10);
    assert_eq!(script.news().len(), 1);
    script.live(9);
    assert_eq!(script.news().len(), 45);
    script.live(1);
    assert_eq!(script.news().len(), 4);
}

#[test]
fn a_snapshot_that_does_not_come_is_waited_for_no_longer_than_an_answer() {
    let mut script = Script::with(&ticker());
    script.live(9);
    assert_eq!(script.news(), []);
    script.live(1);
    assert_eq!(script.news(), [refused(&ticker(), Refused::Unanswered)]);
    assert_eq!(script.asked(), ["unsubscribe ticker 2"]);
    // Wanted again before it is closed, it is asked for when it is.
    script.subscribe(&ticker());
    assert_eq!(script.asked(), [""; 0]);
    script.acknowledge("unsubscribe", 2);
    assert_eq!(script.asked(), ["subscribe ticker 3"]);
}

#[test]
fn what_is_still_open_from_before_is_closed_and_opened_anew() {
    let mut script = Script::open();
    script.subscribe(&book(25));
    script.refuse(1, "Already subscribed");
    assert_eq!(script.asked(), ["subscribe book 1", "unsubscribe book 2"]);
    script.acknowledge("unsubscribe", 2);
    assert_eq!(script.asked(), ["subscribe book 3"]);
    script.acknowledge("subscribe", 3);
    script.hear(&snapshot());
    let told = script.news();
    assert!(
        matches!(told.as_slice(), [Event::Subscribed(_), Event::Data(..), Event::Checked(..)]),
        "{told:?}"
    );
}
