use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    super::conversation::{Conversation, Terms},
    *,
};

#[tokio::test]
async fn a_conversation_begins_with_the_version() {
    for (paused, status) in [(false, 1), (true, 0)] {
        let mut out = Vec::new();
        let terms = Terms { heartbeat: HEARTBEAT, ack_timeout: ACK, max_channels: MOST };
        Conversation::open(terms, 0x1234, paused, Instant::now(), &mut out);
        let id = "00000000-0000-0000-0000-000000001234";
        let expected = format!(
            r#"{{"event":"info","version":2,"serverId":"{id}","platform":{{"status":{status}}}}}"#
        );
        assert_eq!(out, [expected]);
    }
}

#[tokio::test]
async fn everything_that_is_asked_is_answered_in_the_exchanges_words() {
    let mut bench = Bench::new();
    let wrong = |channel: &str, field: &str, value: Value| {
        let mut request = json!({"event":"subscribe","channel":channel,"symbol":"tBTCUSD"});
        request[field] = value;
        request
    };
    let refused = |request: Value, code: i64, message: &str| {
        let mut error = json!({"event":"error","msg":message,"code":code});
        for (name, value) in request.as_object().unwrap() {
            if name != "event" {
                error[name] = value.clone();
            }
        }
        (request.to_string(), error)
    };
    let cases = [
        (r#"{"event":"ping","cid":1234}"#.to_owned(), json!({"event":"pong","ts":WALL,"cid":1234})),
        (r#"{"event":"ping"}"#.to_owned(), json!({"event":"pong","ts":WALL})),
        (conf(CHECKSUMS), json!({"event":"conf","status":"OK","flags":CHECKSUMS})),
        (conf(0), json!({"event":"conf","status":"OK","flags":0})),
        refused(json!({"event":"conf","flags":"all"}), 10_050, "conf: invalid"),
        refused(wrong("ticker", "symbol", json!("tNOPE")), 10_300, "symbol: invalid"),
        refused(wrong("ticker", "symbol", json!("tNOPUSD")), 10_300, "symbol: invalid"),
        refused(wrong("ticker", "symbol", json!("fNOP")), 10_300, "symbol: invalid"),
        refused(wrong("book", "len", json!(7)), 10_300, "length: invalid"),
        refused(wrong("book", "prec", json!("P9")), 10_300, "precision: invalid"),
        refused(wrong("book", "freq", json!("F9")), 10_300, "freq: invalid"),
        refused(wrong("nope", "subId", json!("a")), 10_300, "channel: unknown"),
        refused(wrong("candles", "key", json!("trade:1m:tNOPUSD")), 10_300, "key: invalid"),
        refused(wrong("candles", "key", json!("trade:7m:tBTCUSD")), 10_300, "key: invalid"),
        refused(wrong("status", "key", json!("deriv:tBTCUSD")), 10_300, "key: invalid"),
        refused(json!({"event":"unsubscribe","chanId":99}), 10_400, "unsubscribe: invalid"),
        refused(json!({"event":"unsubscribe"}), 10_400, "unsubscribe: invalid"),
        (
            r#"{"event":"nope"}"#.to_owned(),
            json!({"event":"error","msg":"event: invalid (nope)","code":10_000}),
        ),
        (
            r#"{"event":"auth","apiKey":"k","authSig":"s"}"#.to_owned(),
            json!({"event":"auth","status":"FAILED","chanId":0,"code":10_100,"msg":"apikey: invalid"}),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(bench.answer(&request), expected, "{request}");
    }
    for silent in ["", "no json", "[0,\"on\",null,{}]", "7", "{\"event\":"] {
        assert!(bench.say(silent).is_empty(), "{silent}");
    }
    assert_eq!(bench.hub.all().len(), 0, "nothing was asked of the exchange");
}

#[tokio::test]
async fn acknowledgements_have_the_documented_fields() {
    let with = |channel: &str, fields: Value| {
        let mut request = json!({"event":"subscribe","channel":channel});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        request.to_string()
    };
    for (request, ack) in [
        (
            with("ticker", json!({"symbol":"tBTCUSD"})),
            r#"{"event":"subscribed","channel":"ticker","chanId":1,"symbol":"tBTCUSD","pair":"BTCUSD"}"#,
        ),
        (
            with("trades", json!({"symbol":"DOGE:USD","subId":"x"})),
            r#"{"event":"subscribed","channel":"trades","chanId":1,"symbol":"tDOGE:USD","subId":"x","pair":"DOGE:USD"}"#,
        ),
        (
            with("trades", json!({"symbol":"fUSD"})),
            r#"{"event":"subscribed","channel":"trades","chanId":1,"symbol":"fUSD","currency":"USD"}"#,
        ),
        (
            with("book", json!({"symbol":"tBTCUSD"})),
            r#"{"event":"subscribed","channel":"book","chanId":1,"symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"25","pair":"BTCUSD"}"#,
        ),
        (
            with("book", json!({"symbol":"tBTCUSD","prec":"R0","freq":"F1","len":100,"subId":7})),
            r#"{"event":"subscribed","channel":"book","chanId":1,"symbol":"tBTCUSD","prec":"R0","freq":"F1","len":"100","subId":7,"pair":"BTCUSD"}"#,
        ),
        (
            with("candles", json!({"key":"trade:1m:tBTCUSD"})),
            r#"{"event":"subscribed","channel":"candles","chanId":1,"key":"trade:1m:tBTCUSD"}"#,
        ),
        (
            with("candles", json!({"key":"trade:1h:fUSD:p30"})),
            r#"{"event":"subscribed","channel":"candles","chanId":1,"key":"trade:1h:fUSD:p30"}"#,
        ),
        (
            with("status", json!({"key":"deriv:tBTCF0:USTF0"})),
            r#"{"event":"subscribed","channel":"status","chanId":1,"key":"deriv:tBTCF0:USTF0"}"#,
        ),
    ] {
        let mut bench = Bench::new();
        assert!(bench.say(&request).is_empty(), "not before it is known that there is such a one");
        bench.followers[0].1.line().feed_by(Mode::Live, bench.started);
        assert_eq!(bench.told(), [ack], "{request}");
    }
}

#[tokio::test]
async fn a_subscription_waits_for_the_exchanges_verdict_and_no_longer_than_that() {
    let mut bench = Bench::new();
    assert!(bench.say(BOOK).is_empty());
    assert!(bench.say(TICKER).is_empty());
    let line = bench.followers[0].1.line().clone();
    line.feed_by(Mode::Stale(Lapse::Refused), bench.started);
    let error = json!({"event":"error","msg":"symbol: invalid","code":10_300,"channel":"book","symbol":"tBTCUSD"});
    assert_eq!(bench.told(), [error.to_string()]);
    assert_eq!(line.followers(), 0, "what is refused is not followed");
    assert!(bench.after(ACK - Duration::from_millis(1)).is_empty());
    let said = bench.after(ACK);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with(r#"{"event":"subscribed","channel":"ticker""#), "{said:?}");
    // What is known of a topic answers at once; a refusal, too.
    assert_eq!(bench.answer(BOOK), error);
    let live = bench.followers[0].1.line().clone();
    live.feed_by(Mode::Live, bench.started);
    bench.told();
    bench.say(r#"{"event":"unsubscribe","chanId":2}"#);
    assert_eq!(bench.answer(TICKER)["event"], "subscribed");
}

#[tokio::test]
async fn there_are_bounds_and_nothing_twice() {
    let mut bench = Bench::new();
    bench.say(TICKER);
    assert_eq!(
        bench.answer(r#"{"event":"subscribe","channel":"ticker","symbol":"BTCUSD","subId":2}"#),
        json!({"event":"error","msg":"subscribe: dup","code":10_301,"chanId":1,
            "channel":"ticker","symbol":"BTCUSD","subId":2}),
    );
    for request in [BOOK, TRADES, CANDLES] {
        assert!(bench.say(request).is_empty());
    }
    let further = r#"{"event":"subscribe","channel":"ticker","symbol":"tDOGE:USD"}"#;
    let limit = json!({"event":"error","msg":"subscribe: limit","code":10_305,
        "channel":"ticker","symbol":"tDOGE:USD"});
    assert_eq!(bench.answer(further), limit);
    let line = bench.followers[0].1.line().clone();
    assert_eq!(
        bench.answer(r#"{"event":"unsubscribe","chanId":"1"}"#),
        json!({"event":"unsubscribed","status":"OK","chanId":1}),
    );
    assert_eq!((line.followers(), bench.followers.len()), (0, 3));
    // All clients together follow as many topics as there may be.
    let bell = Default::default();
    let others: Vec<_> = ["1", "2"]
        .map(|id| {
            let stream = crate::exchange::Stream::Ticker;
            let topic = std::sync::Arc::new(crate::exchange::Topic { id: id.into(), stream });
            bench.hub.follow(&topic, None, crate::market::Identity::Price, &bell, None).unwrap()
        })
        .into();
    assert_eq!(bench.answer(further), limit);
    drop(others);
    assert!(bench.say(TICKER).is_empty(), "a topic that there is has room");
    assert_eq!(bench.followers.last().unwrap().0, 6, "no number is given twice");
}
