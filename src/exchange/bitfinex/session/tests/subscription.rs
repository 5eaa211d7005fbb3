use super::*;

fn read(json: &str) -> Result<Topic, (i64, String)> {
    let subscription: Subscription = serde_json::from_str(json).unwrap();
    subscription.topic().map_err(|bad| (bad.code, bad.message))
}

fn shown(json: &str) -> String {
    read(json).unwrap().to_string()
}

#[test]
fn parameters_become_topics() {
    for (json, topic) in [
        (r#"{"channel":"ticker","symbol":"tBTCUSD"}"#, "ticker tBTCUSD"),
        (r#"{"event":"subscribe","channel":"ticker","symbol":"BTCUSD"}"#, "ticker tBTCUSD"),
        (r#"{"channel":"trades","pair":"DOGE:USD"}"#, "trades tDOGE:USD"),
        (r#"{"channel":"ticker","symbol":"fUSD"}"#, "ticker fUSD"),
        (r#"{"channel":"book","symbol":"tBTCUSD"}"#, "orderbook tBTCUSD P0 25"),
        (
            r#"{"channel":"book","symbol":"tBTCUSD","prec":"P3","freq":"F0","len":"100"}"#,
            "orderbook tBTCUSD P3 100",
        ),
        (
            r#"{"channel":"book","symbol":"tBTCUSD","len":250,"prec":null}"#,
            "orderbook tBTCUSD P0 250",
        ),
        (r#"{"channel":"book","symbol":"tBTCUSD","freq":"F1","len":1}"#, "book P0 F1 1 tBTCUSD"),
        (r#"{"channel":"book","symbol":"tBTCUSD","prec":"R0"}"#, "book R0 F0 25 tBTCUSD"),
        (r#"{"channel":"book","symbol":"fUSD"}"#, "book P0 F0 25 fUSD"),
        (r#"{"channel":"candles","key":"trade:1m:tBTCUSD"}"#, "ohlcv tBTCUSD 1m"),
        (r#"{"channel":"candles","key":"trade:1D:tBTCF0:USTF0"}"#, "ohlcv tBTCF0:USTF0 1d"),
        (r#"{"channel":"candles","key":"trade:4h:tBTCUSD"}"#, "candles trade:4h:tBTCUSD"),
        (r#"{"channel":"candles","key":"trade:1m:fUSD:p30"}"#, "candles trade:1m:fUSD:p30"),
        (r#"{"channel":"status","key":"deriv:tBTCF0:USTF0"}"#, "status deriv:tBTCF0:USTF0"),
    ] {
        assert_eq!(shown(json), topic, "{json}");
        let there = read(json).unwrap();
        let back = Subscription::of(&there).unwrap();
        assert_eq!(back.topic().unwrap(), there, "{json}");
    }
    let unified = |json| !matches!(read(json).unwrap().stream, Stream::Native(_));
    assert!(unified(r#"{"channel":"ticker","symbol":"tBTCUSD"}"#));
    assert!(!unified(r#"{"channel":"ticker","symbol":"fUSD"}"#));
    // Two names of a week are one channel.
    let week =
        |width: &str| read(&format!(r#"{{"channel":"candles","key":"trade:{width}:tBTCUSD"}}"#));
    assert_eq!(week("7D"), week("1W"));
}

#[test]
fn what_the_exchange_refuses_is_refused_in_its_words() {
    for (json, message) in [
        (r#"{}"#, "channel: unknown"),
        (r#"{"channel":"nope","symbol":"tBTCUSD"}"#, "channel: unknown"),
        (r#"{"channel":["book"]}"#, "channel: unknown"),
        (r#"{"channel":"ticker"}"#, "symbol: invalid"),
        (r#"{"channel":"ticker","symbol":"tBTCUSD\"}"}"#, "symbol: invalid"),
        (r#"{"channel":"trades","symbol":{"t":1}}"#, "symbol: invalid"),
        (r#"{"channel":"trades","symbol":"btcusd"}"#, "symbol: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","prec":"P5"}"#, "precision: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","prec":0}"#, "precision: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","freq":"F2"}"#, "freq: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","len":"24"}"#, "length: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","len":-25}"#, "length: invalid"),
        (r#"{"channel":"book","symbol":"tBTCUSD","len":25.5}"#, "length: invalid"),
        (r#"{"channel":"candles"}"#, "key: invalid"),
        (r#"{"channel":"candles","key":"trade:2m:tBTCUSD"}"#, "key: invalid"),
        (r#"{"channel":"candles","key":"trade:1m:fUSD"}"#, "key: invalid"),
        (r#"{"channel":"status","key":"liq:global"}"#, "key: invalid"),
        (r#"{"channel":"status","key":"deriv:fUSD"}"#, "key: invalid"),
    ] {
        assert_eq!(read(json), Err((10_300, message.to_owned())), "{json}");
    }
}

#[test]
fn the_message_asks_for_the_topic() {
    let message = |json| Subscription::of(&read(json).unwrap()).unwrap().message(7);
    assert_eq!(
        message(r#"{"channel":"book","symbol":"BTCUSD","len":100}"#),
        r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"100","subId":7}"#
    );
    assert_eq!(
        message(r#"{"channel":"candles","key":"trade:1W:tBTCUSD"}"#),
        r#"{"event":"subscribe","channel":"candles","key":"trade:7D:tBTCUSD","subId":7}"#
    );
    let foreign = Topic { id: "x".into(), stream: Stream::Native(NativeStream::new("depth")) };
    assert_eq!(Subscription::of(&foreign), None);
}
