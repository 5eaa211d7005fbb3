//! What breaks, pauses and ends.

use super::*;

fn update(bids: &str, sum: u32) -> String {
    data(
        "book",
        "update",
        &format!(
            r#"{{"symbol":"BTC/USD","bids":[{bids}],"asks":[],"checksum":{sum},"timestamp":"2026-09-25T10:00:00Z"}}"#
        ),
    )
}

fn broken(topic: &Arc<Topic>) -> Event {
    Event::Broken(Arc::clone(topic), Broken::Checksum)
}

fn status(system: &str) -> String {
    data("status", "update", &format!(r#"{{"system":"{system}"}}"#))
}

#[test]
fn a_book_that_is_not_the_exchanges_is_asked_for_anew_alone() {
    let (topic, other) = (book(25), ticker());
    let mut script = Script::with(&topic);
    script.subscribe(&other);
    script.hear(&snapshot());
    // Nothing has changed: the sum of the snapshot still holds.
    script.hear(&update("", 3_310_070_434));
    assert!(matches!(
        script.news().as_slice(),
        [Event::Data(..), Event::Checked(..), Event::Checked(_, 3_310_070_434)]
    ));
    script.hear(&update(r#"{"price":45283.5,"qty":9.00000000}"#, 3_310_070_434));
    assert_eq!(script.news(), [broken(&topic)]);
    assert_eq!(script.asked(), ["subscribe ticker 2", "unsubscribe book 3"]);
    // What still comes of it is dropped, until it is closed and its snapshot is there.
    script.hear(&snapshot());
    assert_eq!(script.news(), []);
    script.acknowledge("unsubscribe", 3);
    assert_eq!(script.asked(), ["subscribe book 4"]);
    script.hear(&update("", 3_310_070_434));
    script.acknowledge("subscribe", 4);
    script.hear(&snapshot());
    let told = script.news();
    assert!(
        matches!(told.as_slice(), [Event::Subscribed(_), Event::Data(..), Event::Checked(..)]),
        "{told:?}"
    );
}

#[test]
fn a_book_that_never_is_the_exchanges_is_given_up() {
    let topic = book(25);
    let wrong = snapshot().replace("3310070434", "1");
    let mut script = Script::with(&topic);
    script.hear(&wrong);
    assert_eq!(script.news(), [broken(&topic)]);
    script.acknowledge("unsubscribe", 2);
    assert_eq!(
        script.asked(),
        ["unsubscribe book 2", "subscribe book 3"],
        "at once for the first time"
    );
    script.acknowledge("subscribe", 3);
    script.hear(&wrong);
    assert_eq!(script.news(), [Event::Subscribed(Arc::clone(&topic)), broken(&topic)]);
    script.acknowledge("unsubscribe", 4);
    assert_eq!(script.asked(), ["unsubscribe book 4"], "then after a pause");
    script.live(9);
    assert_eq!(script.asked(), [""; 0]);
    script.live(1);
    assert_eq!(script.asked(), ["subscribe book 5"]);
    script.acknowledge("subscribe", 5);
    script.hear(&wrong);
    match script.news().as_slice() {
        [Event::Subscribed(_), Event::Refused(refused, why @ Refused::Invalid { .. })] => {
            assert_eq!(*refused, topic);
            assert!(why.to_string().ends_with("the checksums of its book do not hold"), "{why}");
        }
        told => panic!("{told:?}"),
    }
    assert_eq!(script.asked(), ["unsubscribe book 6"]);
    script.acknowledge("unsubscribe", 6);
    script.live(60);
    assert_eq!((script.news(), script.session.desk.wakes_at()), (vec![], None));
}

#[test]
fn a_sum_that_holds_forgives_those_that_did_not() {
    let topic = book(25);
    let mut script = Script::with(&topic);
    let mut req_id = 1;
    for _ in 0..4 {
        script.hear(&snapshot());
        script.hear(&update("", 5));
        assert_eq!(script.news().last(), Some(&broken(&topic)));
        script.acknowledge("unsubscribe", req_id + 1);
        script.live(10);
        script.acknowledge("subscribe", req_id + 2);
        req_id += 2;
    }
}

#[test]
fn a_channel_is_given_back() {
    let topic = ticker();
    let mut script = Script::with(&topic);
    script.unsubscribe(&topic);
    script.unsubscribe(&topic);
    assert_eq!((script.asked(), script.news()), (vec!["unsubscribe ticker 2".to_owned()], vec![]));
    // That there is nothing to close is as good.
    script.hear(
        r#"{"error":"Subscription Not Found","method":"unsubscribe","req_id":2,"success":false}"#,
    );
    assert_eq!(script.news(), [Event::Unsubscribed(Arc::clone(&topic))]);

    // Given back before the answer: closed once it is there.
    script.subscribe(&topic);
    script.unsubscribe(&topic);
    assert_eq!(script.asked(), ["subscribe ticker 3"]);
    script.acknowledge("subscribe", 3);
    assert_eq!((script.asked(), script.news()), (vec!["unsubscribe ticker 4".to_owned()], vec![]));
    // Wanted again before it is closed: its end is told, and it is asked for.
    script.subscribe(&topic);
    script.acknowledge("unsubscribe", 4);
    assert_eq!(script.news(), [Event::Unsubscribed(Arc::clone(&topic))]);
    assert_eq!(script.asked(), ["subscribe ticker 5"]);
    // Given back and refused: there is nothing to refuse.
    script.unsubscribe(&topic);
    script.refuse(5, "Currency pair not supported BTC/USD");
    assert_eq!(script.news(), [Event::Unsubscribed(Arc::clone(&topic))]);

    // The answer to its closing never comes.
    let mut script = Script::with(&topic);
    script.unsubscribe(&topic);
    script.live(10);
    assert_eq!(script.news(), [Event::Unsubscribed(Arc::clone(&topic))]);

    // Given back while it rests.
    let topic = book(25);
    let mut script = Script::with(&topic);
    for req_id in [2, 4] {
        script.hear(&snapshot().replace("3310070434", "1"));
        script.acknowledge("unsubscribe", req_id);
        script.acknowledge("subscribe", req_id + 1);
    }
    script.told();
    script.unsubscribe(&topic);
    assert_eq!(script.news(), [Event::Unsubscribed(topic)]);
}

#[test]
fn a_channel_that_the_exchange_closes_is_asked_for_anew() {
    let topic = ticker();
    let mut script = Script::with(&topic);
    script.hear(r#"{"method":"unsubscribe","result":{"channel":"ticker","symbol":"BTC/USD"},"success":true}"#);
    assert!(matches!(script.news().as_slice(), [Event::Broken(_, Broken::Invalid(_))]));
    assert_eq!(script.asked(), ["subscribe ticker 2"]);
}

#[test]
fn maintenance_is_a_pause_and_other_states_are_none() {
    let (topic, waiting) = (book(25), ticker());
    let mut script = Script::with(&topic);
    script.hear(&snapshot());
    script.subscribe(&waiting);
    script.told();
    for state in ["post_only", "cancel_only", "limit_only", "online"] {
        script.hear(&status(state));
        assert_eq!(script.news(), [], "{state}");
    }
    script.asked();
    script.hear(&status("maintenance"));
    script.hear(&status("maintenance"));
    script.live(3);
    assert_eq!(script.told(), [Event::Paused], "nothing is alive meanwhile");
    script.hear(&status("post_only"));
    assert_eq!(script.news(), [Event::Resumed]);
    // What was open begins anew; what was asked for is still to be answered.
    assert_eq!(script.asked(), ["unsubscribe book 3"]);
    script.acknowledge("unsubscribe", 3);
    assert_eq!(script.asked(), ["subscribe book 4"]);
}

#[test]
fn it_lives_as_long_as_something_comes() {
    let mut script = Script::with(&ticker());
    script.now += Duration::from_millis(400);
    script.hear(r#"{"method":"pong","req_id":7}"#);
    assert_eq!(script.told(), [], "once a second is enough");
    script.hear(r#"{"channel":"heartbeat"}"#);
    assert_eq!(script.told(), [Event::Alive]);
    script.now += SECOND;
    script.hear(r#"{"method":"pong","req_id":7}"#);
    assert_eq!(script.told(), [Event::Alive]);
}

#[test]
fn it_pings_and_gives_up_a_silent_socket() {
    let mut script = Script::open();
    // Heard every second, it speaks every 30 s so as not to be taken for idle.
    script.live(29);
    assert_eq!(script.sent, [""; 0]);
    script.live(1);
    assert_eq!(script.sent, [r#"{"method":"ping","req_id":1}"#]);
    script.live(30);
    assert_eq!(script.asked(), ["ping  1", "ping  2"]);
    // Nothing is heard: it asks after 10 s, and waits for 10 s.
    script.wait(Duration::from_millis(9_999)).unwrap();
    assert_eq!(script.asked(), [""; 0]);
    script.wait(Duration::from_millis(1)).unwrap();
    assert_eq!(script.asked(), ["ping  3"]);
    script.wait(Duration::from_secs(9)).unwrap();
    script.hear(r#"{"method":"pong","req_id":3}"#);
    script.wait(Duration::from_millis(19_999)).unwrap();
    let silent = SessionError::Silent(Duration::from_secs(10));
    assert_eq!(script.wait(Duration::from_millis(1)), Err(silent));
}
