//! From the socket to the first data.

use super::*;

const DUMMY: &str = "[7,[1,1,1,1,1,1,1,1,1,1]]";

#[test]
fn subscriptions_wait_for_nothing_and_are_sent_once() {
    let mut script = Script::open();
    script.subscribe(&ticker("tBTCUSD"));
    script.subscribe(&ticker("tBTCUSD"));
    assert_eq!(
        script.sent(),
        [r#"{"event":"subscribe","channel":"ticker","symbol":"tBTCUSD","subId":1}"#]
    );
    script.acknowledge(1, 7);
    script.subscribe(&ticker("tBTCUSD"));
    assert!(script.sent().is_empty());
    script.hear(DUMMY);
    let [Event::Subscribed(_), Event::Data(topic, Data::Ticker(_))] = &script.told()[..] else {
        panic!()
    };
    assert_eq!(*topic, ticker("tBTCUSD"));
    // An acknowledgement that comes twice says nothing new.
    script.acknowledge(1, 7);
    assert!(script.told().is_empty() && script.sent().is_empty());
}

#[test]
fn acknowledgements_are_known_by_what_they_repeat() {
    let mut script = Script::open();
    let week = topic(r#"{"channel":"candles","key":"trade:1W:tBTCUSD"}"#);
    for topic in [&ticker("tBTCUSD"), &ticker("tETHUSD"), &week, &book()] {
        script.subscribe(topic);
    }
    for (text, topic) in [
        (
            r#"{"event":"subscribed","channel":"ticker","chanId":2,"symbol":"tETHUSD","pair":"ETHUSD"}"#,
            ticker("tETHUSD"),
        ),
        (r#"{"event":"subscribed","channel":"candles","chanId":3,"key":"trade:7D:tBTCUSD"}"#, week),
        (
            r#"{"event":"subscribed","channel":"book","chanId":4,"symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"25","pair":"BTCUSD"}"#,
            book(),
        ),
        // As a text, which the exchange makes of a number elsewhere.
        (r#"{"event":"subscribed","chanId":1,"subId":"1"}"#, ticker("tBTCUSD")),
    ] {
        script.hear(text);
        assert_eq!(script.told(), [Event::Subscribed(topic)]);
    }
}

#[test]
fn one_channel_with_two_topics_is_another_protocol() {
    let mut script = Script::open();
    script.subscribe(&ticker("tBTCUSD"));
    script.subscribe(&ticker("tETHUSD"));
    script.acknowledge(1, 7);
    let second = script.try_hear(r#"{"event":"subscribed","chanId":7,"subId":2}"#);
    assert!(matches!(second, Err(SessionError::Protocol(_))));
}

#[test]
fn refusals_are_told_in_the_exchanges_words() {
    let refusal = |text: &str| {
        let mut script = Script::open();
        script.subscribe(&book());
        script.hear(text);
        script.wait(Duration::from_secs(5)).unwrap();
        let told = script.told();
        script.sent();
        // Whoever was refused may ask again.
        script.subscribe(&book());
        (told, script.sent().len())
    };
    let echo = r#""channel":"book","symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"25""#;
    let refused = |why| (vec![Event::Refused(book(), why)], 1);
    let invalid = |code, message: &str| Refused::Invalid { code, message: message.to_owned() };
    for (text, expected) in [
        (
            format!(r#"{{"event":"error","msg":"symbol: invalid","code":10300,{echo}}}"#),
            refused(invalid(10_300, "symbol: invalid")),
        ),
        (
            r#"{"event":"error","msg":"channel: unknown","code":10302,"subId":1}"#.to_owned(),
            refused(invalid(10_302, "channel: unknown")),
        ),
        (
            format!(r#"{{"event":"error","msg":"subscribe: limit","code":10305,{echo}}}"#),
            refused(Refused::Full),
        ),
        (
            format!(r#"{{"event":"error","msg":"ready: invalid","code":11000,{echo}}}"#),
            refused(Refused::Unanswered),
        ),
        // Not about this subscription.
        (r#"{"event":"error","msg":"event: invalid (nope)","code":10000}"#.to_owned(), (vec![], 0)),
        (
            r#"{"event":"error","msg":"unsubscribe: invalid","code":10400,"chanId":3}"#.to_owned(),
            (vec![], 0),
        ),
    ] {
        assert_eq!(refusal(&text), expected, "{text}");
    }
}

#[test]
fn who_is_not_answered_is_refused_in_time() {
    let mut script = Script::open();
    script.subscribe(&ticker("tBTCUSD"));
    script.wait(ACK_TIMEOUT - Duration::from_millis(1)).unwrap();
    assert!(script.told().is_empty());
    script.wait(Duration::from_millis(1)).unwrap();
    assert_eq!(script.told(), [Event::Refused(ticker("tBTCUSD"), Refused::Unanswered)]);
    // What is acknowledged too late is closed again.
    script.sent();
    script.acknowledge(1, 7);
    assert_eq!(script.asked(), ["unsubscribe 7"]);
    script.hear(DUMMY);
    script.unsubscribed(7);
    assert!(script.told().is_empty());
}

#[test]
fn a_duplicate_waits_for_the_first_ones_acknowledgement() {
    let duplicate = r#"{"event":"error","channel":"ticker","symbol":"tBTCUSD","msg":"subscribe: dup","code":10301,"chanId":7}"#;
    let mut script = Script::open();
    script.subscribe(&ticker("tBTCUSD"));
    script.hear(duplicate);
    script.hear(r#"{"event":"subscribed","channel":"ticker","chanId":7,"symbol":"tBTCUSD"}"#);
    assert_eq!(script.told(), [Event::Subscribed(ticker("tBTCUSD"))]);
    script.hear(duplicate);
    script.sent();
    script.wait(ACK_TIMEOUT).unwrap();
    assert!(script.told().is_empty() && script.sent().is_empty());

    // Where that never comes, the channel is closed, as its snapshot is lost.
    let mut script = Script::open();
    script.subscribe(&ticker("tBTCUSD"));
    script.hear(duplicate);
    script.sent();
    script.wait(ACK_TIMEOUT).unwrap();
    assert_eq!(script.told(), [Event::Refused(ticker("tBTCUSD"), Refused::Unanswered)]);
    assert_eq!(script.asked(), ["unsubscribe 7"]);
}

#[test]
fn messages_before_their_acknowledgement_are_not_lost() {
    let mut script = Script::numbered();
    script.subscribe(&book());
    script.hear(r#"[5,"hb",1]"#);
    script.hear("[5,[[10,1,1],[11,1,-1]],2]");
    script.hear("[6,[[1,1,1]],3]");
    script.hear("[5,[10,2,3],4]");
    assert!(script.told().is_empty());
    script.acknowledge(1, 5);
    let told = script.told();
    let [
        Event::Subscribed(_),
        Event::Heartbeat(_),
        Event::Data(_, Data::Book(levels)),
        Event::Data(_, Data::Levels(one)),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((levels.len(), one[0].raw.as_str()), (2, "[10,2,3]"));
    // With nothing left to be acknowledged, nothing is kept of unknown channels.
    script.hear("[9,[[1,1,1]],5]");
    script.subscribe(&ticker("tBTCUSD"));
    script.acknowledge(2, 9);
    assert_eq!(script.told(), [Event::Subscribed(ticker("tBTCUSD"))]);
}

#[test]
fn too_many_messages_before_an_acknowledgement_begin_it_anew() {
    let mut script = Script::open();
    script.subscribe(&book());
    (0..65).for_each(|_| script.hear("[5,[10,2,3]]"));
    script.sent();
    script.acknowledge(1, 5);
    assert!(matches!(&script.told()[..], [Event::Subscribed(_), Event::Broken(..)]));
    assert_eq!(script.asked(), ["unsubscribe 5"]);
}

#[test]
fn messages_are_counted_once_the_exchange_has_agreed() {
    let mut script = Script::open();
    script.hear(r#"[5,"hb"]"#);
    script.hear(r#"[5,"hb",77]"#);
    script.hear(r#"{"event":"conf","status":"OK","flags":196608}"#);
    for text in [
        r#"[5,"hb",1]"#,
        r#"[5,[[1,2,3]],2]"#,
        r#"[5,[1,2,3],3]"#,
        r#"[5,"te",[1,2,3,4],4]"#,
        r#"[5,"tu",[1,2,3,4],5]"#,
        r#"[5,"cs",-123,6]"#,
        r#"[5,"new",[1,2],[3],7]"#,
        // With a time behind it, and without a number.
        r#"[5,"hb",8,1790134414850]"#,
        r#"[5,"hb"]"#,
        "[5,[[]],9]",
    ] {
        script.hear(text);
    }
    let gap = script.try_hear(r#"[5,"hb",11]"#);
    assert_eq!(gap, Err(SessionError::Gap { expected: 10, got: 11 }));
    let mut script = Script::numbered();
    script.hear(r#"[5,"hb",1]"#);
    let again = script.try_hear(r#"[5,"hb",1]"#);
    assert_eq!(again, Err(SessionError::Gap { expected: 2, got: 1 }));
    // Only a number that was agreed on is one.
    let mut script = Script::open();
    script.hear(r#"{"event":"conf","status":"FAILED","flags":196608}"#);
    script.hear(r#"[5,"hb",1]"#);
    script.hear(r#"[5,"hb",7]"#);
}

#[test]
fn an_idle_socket_is_kept_open_by_pings() {
    let mut script = Script::open();
    let second = Duration::from_secs(1);
    script.wait(14 * second).unwrap();
    script.hear(r#"[1,"hb"]"#);
    script.wait(14 * second).unwrap();
    assert!(script.sent().is_empty());
    script.wait(second).unwrap();
    assert_eq!(script.sent(), [r#"{"event":"ping","cid":1}"#]);
    script.wait(19 * second).unwrap();
    script.hear(r#"{"event":"pong","ts":1790134414850,"cid":1}"#);
    script.wait(15 * second).unwrap();
    assert_eq!(script.sent(), [r#"{"event":"ping","cid":2}"#]);
    script.wait(19 * second).unwrap();
    assert_eq!(script.wait(second), Err(SessionError::Silent(20 * second)));
}

#[test]
fn what_is_no_message_ends_the_session() {
    for text in [
        "",
        "x",
        "[",
        "[]",
        "[1]",
        "7",
        "null",
        "[1,\"cs\"]",
        "[1,\"te\"]",
        "[-1,\"hb\"]",
        r#"[1,"cs",1.5]"#,
        "[1,[2],",
        "{\"event\":1}",
        r#"{"event":"subscribed"}"#,
        r#"{"event":"info","version":1}"#,
    ] {
        let result = Script::open().try_hear(text);
        assert!(matches!(result, Err(SessionError::Protocol(_))), "{text:?}: {result:?}");
    }
    let mut script = Script::open();
    let not_utf8 = Bytes::from_static(b"[1,[\"\xff\"]]");
    let result = script.session.on_text(&not_utf8, script.now, &mut Vec::new());
    assert!(matches!(result, Err(SessionError::Protocol(_))));
    // What has been added since says nothing, but does no harm.
    script.hear(r#"{"event":"news","of":[1]}"#);
    script.hear(r#"{"event":"info","version":2,"code":20099,"msg":"hello"}"#);
    script.hear("{}");
    assert!(script.told().is_empty());
}
