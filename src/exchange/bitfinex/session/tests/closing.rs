//! Channels that end, break or begin anew.

use super::*;

const SNAPSHOT: &str = "[5,[[10,1,1],[11,1,-1]]]";
/// Removes what is not there.
const WRONG: &str = "[5,[7,0,1]]";

fn names(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Subscribed(_) => "subscribed",
        Event::Refused(..) => "refused",
        Event::Unsubscribed(_) => "unsubscribed",
        Event::Data(_, Data::Book(_)) => "book",
        Event::Data(_, Data::Levels(_)) => "levels",
        Event::Data(..) => "data",
        Event::Heartbeat(_) => "heartbeat",
        Event::Checked(..) => "checked",
        Event::Broken(..) => "broken",
        Event::Paused => "paused",
        Event::Resumed => "resumed",
        Event::Sound(_) => "sound",
        Event::Alive => "alive",
        Event::Leaving => "leaving",
        Event::Sound(_) => "sound",
        Event::Alive => "alive",
    };
    events.iter().map(name).collect()
}

#[test]
fn a_channel_is_closed_as_asked() {
    let mut script = Script::with(&book());
    script.unsubscribe(&book());
    script.unsubscribe(&book());
    assert_eq!(script.asked(), ["unsubscribe 5"]);
    // What was on its way counts no more.
    script.hear(SNAPSHOT);
    script.unsubscribed(5);
    script.hear(WRONG);
    assert_eq!(script.told(), [Event::Unsubscribed(book())]);
    script.unsubscribe(&book());
    assert!(script.told().is_empty() && script.sent().is_empty());
    // The exchange may say that there is nothing to close, or nothing at all.
    for answer in
        [Some(r#"{"event":"error","code":10400,"msg":"unsubscribe: invalid","chanId":5}"#), None]
    {
        let mut script = Script::with(&book());
        script.unsubscribe(&book());
        match answer {
            Some(answer) => script.hear(answer),
            None => script.wait(ACK_TIMEOUT).unwrap(),
        }
        assert_eq!(script.told(), [Event::Unsubscribed(book())]);
    }
}

#[test]
fn what_is_wanted_again_while_it_closes_is_asked_for_after_that() {
    let mut script = Script::with(&book());
    script.unsubscribe(&book());
    script.subscribe(&book());
    assert_eq!(script.asked(), ["unsubscribe 5"]);
    script.unsubscribed(5);
    assert_eq!(script.asked(), ["subscribe tBTCUSD"]);
    script.acknowledge(2, 6);
    assert_eq!(names(&script.told()), ["unsubscribed", "subscribed"]);
}

#[test]
fn what_is_given_back_before_its_answer_is_closed_with_it() {
    for (answer, asked) in [
        (r#"{"event":"subscribed","chanId":5,"subId":1}"#, vec!["unsubscribe 5"]),
        (r#"{"event":"error","code":10300,"msg":"x","subId":1}"#, vec![]),
    ] {
        let mut script = Script::open();
        script.subscribe(&book());
        script.unsubscribe(&book());
        script.sent();
        script.hear(answer);
        assert_eq!(script.asked(), asked);
        script.hear(SNAPSHOT);
        script.unsubscribed(5);
        assert_eq!(script.told(), [Event::Unsubscribed(book())], "{answer}");
    }
    let mut script = Script::open();
    script.subscribe(&book());
    script.unsubscribe(&book());
    script.subscribe(&book());
    script.acknowledge(1, 5);
    assert_eq!(names(&script.told()), ["subscribed"]);
}

#[test]
fn a_broken_book_is_told_once_and_begun_anew() {
    for (wrong, why) in [
        (WRONG, Broken::Invalid("book: a level was removed that is not there".to_owned())),
        (r#"[5,"cs",123]"#, Broken::Checksum),
    ] {
        let mut script = Script::with(&book());
        script.hear(SNAPSHOT);
        script.hear(wrong);
        assert_eq!(script.told()[1..], [Event::Broken(book(), why)]);
        assert_eq!(script.asked(), ["unsubscribe 5"]);
        script.hear(wrong);
        script.hear("[5,[9,1,1]]");
        script.unsubscribed(5);
        assert_eq!(script.asked(), ["subscribe tBTCUSD"]);
        // The exchange gives the same number again; a row of before is no snapshot.
        script.hear("[5,[9,1,1]]");
        script.acknowledge(2, 5);
        script.hear("[5,[9,1,1]]");
        assert_eq!(names(&script.told()), ["subscribed"]);
        script.hear(SNAPSHOT);
        script.hear("[5,[9,1,1]]");
        assert_eq!(names(&script.told()), ["book", "levels"]);
    }
}

#[test]
fn a_channel_that_breaks_again_at_once_waits_before_it_is_mended() {
    let mut script = Script::with(&book());
    script.hear(WRONG);
    script.unsubscribed(5);
    script.acknowledge(2, 6);
    script.hear("[6,[7,0,1]]");
    script.unsubscribed(6);
    assert_eq!(script.asked(), ["unsubscribe 5", "subscribe tBTCUSD", "unsubscribe 6"]);
    script.wait(Duration::from_millis(9_999)).unwrap();
    assert!(script.sent().is_empty());
    script.wait(Duration::from_millis(1)).unwrap();
    assert_eq!(script.asked(), ["subscribe tBTCUSD"]);
    script.acknowledge(3, 7);
    script.hear("[7,[7,0,1]]");
    script.unsubscribed(7);
    script.told();
    // Whoever waits can be given back.
    script.unsubscribe(&book());
    assert_eq!(script.told(), [Event::Unsubscribed(book())]);
    script.sent();
    script.wait(Duration::from_secs(11)).unwrap();
    assert!(script.sent().is_empty());
}

#[test]
fn a_channel_that_the_exchange_closes_is_asked_for_again() {
    let mut script = Script::with(&book());
    script.unsubscribed(5);
    assert_eq!(names(&script.told()), ["broken"]);
    assert_eq!(script.asked(), ["subscribe tBTCUSD"]);
    script.hear(r#"{"event":"error","code":10300,"msg":"symbol: invalid","subId":2}"#);
    assert_eq!(names(&script.told()), ["refused"]);
}

#[test]
fn a_pause_ends_with_everything_anew() {
    let mut script = Script::open();
    for (number, topic) in [book(), ticker("tBTCUSD")].iter().enumerate() {
        script.subscribe(topic);
        let number = u64::try_from(number).unwrap();
        script.acknowledge(number + 1, number + 5);
    }
    script.hear(SNAPSHOT);
    script.told();
    script.sent();
    let pause = r#"{"event":"info","code":20060,"msg":"Entering in Maintenance mode"}"#;
    script.hear(pause);
    script.hear(pause);
    assert_eq!(script.told(), [Event::Paused]);
    script.hear(r#"{"event":"info","code":20061,"msg":"Maintenance ended"}"#);
    assert_eq!(script.told(), [Event::Resumed]);
    assert_eq!(script.asked(), ["unsubscribe 5", "unsubscribe 6"]);
    script.hear("[5,[9,1,1]]");
    script.unsubscribed(5);
    script.unsubscribed(6);
    script.acknowledge(3, 8);
    script.acknowledge(4, 9);
    script.hear(&SNAPSHOT.replace("[5,", "[8,"));
    assert_eq!(names(&script.told()), ["subscribed", "subscribed", "book"]);
    assert_eq!(script.asked(), ["subscribe tBTCUSD", "subscribe tBTCUSD"]);
    script.hear(pause);
    assert_eq!(script.told(), [Event::Paused]);
}

#[test]
fn maintenance_at_the_start_is_a_pause_and_a_restart_an_end() {
    let mut script = Script::open();
    script.hear(r#"{"event":"info","version":2,"platform":{"status":0}}"#);
    assert_eq!(script.told(), [Event::Paused]);
    let restart = script.try_hear(r#"{"event":"info","code":20051,"msg":"Stopping"}"#);
    assert_eq!(restart, Err(SessionError::Restart));
}

#[test]
fn a_book_that_is_impossible_while_nothing_happens_is_broken() {
    let mut script = Script::with(&book());
    script.hear(SNAPSHOT);
    script.hear("[5,[11,1,2]]");
    assert_eq!(names(&script.told()), ["book"]);
    script.hear(r#"[5,"hb"]"#);
    assert_eq!(script.told(), [Event::Broken(book(), Broken::Invalid("book: crossed".to_owned()))]);
}
