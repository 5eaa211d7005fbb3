//! What rows become.

use super::*;
use crate::market::Number;

fn trade(event: &Event) -> (i64, Option<Report>) {
    match event {
        Event::Data(_, Data::Trade(trade, report)) => (trade.id, Some(*report)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn trades_are_told_once_as_executed_and_then_as_confirmed() {
    let mut script = Script::with(&trades());
    script.hear("[5,[[12,1790134414002,-0.5,10],[11,1790134414001,1,9.9,null]]]");
    let told = script.told();
    let [Event::Data(_, Data::Trades(snapshot))] = &told[..] else { panic!("{told:?}") };
    assert_eq!(snapshot.iter().map(|trade| trade.id).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(snapshot[1].raw.as_str(), "[12,1790134414002,-0.5,10]");
    for text in [
        // Known from the snapshot; new; confirmed out of order; confirmed without having come.
        r#"[5,"te",[12,1790134414002,-0.5,10]]"#,
        r#"[5,"te",[13,1790134414003,1,10],1]"#,
        r#"[5,"te",[14,1790134414003,1,10,"new"]]"#,
        r#"[5,"te",[14,1790134414003,1,10]]"#,
        r#"[5,"tu",[14,1790134414003,1,10]]"#,
        r#"[5,"tu",[13,1790134414003,1,10]]"#,
        r#"[5,"tu",[15,1790134414003,1,10]]"#,
        r#"[5,"te",[15,1790134414003,1,10]]"#,
    ] {
        script.hear(text);
    }
    let (executed, confirmed) = (Some(Report::Executed), Some(Report::Confirmed));
    assert_eq!(
        script.told().iter().map(trade).collect::<Vec<_>>(),
        [
            (13, executed),
            (14, executed),
            (14, confirmed),
            (13, confirmed),
            (15, executed),
            (15, confirmed)
        ]
    );
    script.hear(r#"[5,"te",[16,1790134414003,0,10]]"#);
    assert!(matches!(script.told()[..], [Event::Broken(..)]));
}

#[test]
fn trades_of_loans_have_reports_too() {
    let mut script = Script::with(&topic(r#"{"channel":"trades","symbol":"fUSD"}"#));
    script.hear("[5,[]]");
    script.hear(r#"[5,"fte",[1,1790134414003,-100,0.0002,30]]"#);
    script.hear(r#"[5,"ftu",[1,1790134414003,-100,0.0002,30]]"#);
    let told = script.told();
    assert!(matches!(&told[0], Event::Data(_, Data::Trades(none)) if none.is_empty()));
    assert_eq!(trade(&told[1]), (1, Some(Report::Executed)));
    assert_eq!(trade(&told[2]), (1, Some(Report::Confirmed)));
}

#[test]
fn a_trade_before_the_snapshot_comes_after_an_empty_one() {
    let mut script = Script::with(&trades());
    script.hear(r#"[5,"te",[12,1790134414002,-0.5,10]]"#);
    let told = script.told();
    assert!(matches!(&told[0], Event::Data(_, Data::Trades(none)) if none.is_empty()));
    assert_eq!(trade(&told[1]), (12, Some(Report::Executed)));
    script.hear("[5,[[12,1790134414002,-0.5,10]]]");
    assert!(matches!(&script.told()[..], [Event::Data(_, Data::Trades(one))] if one.len() == 1));
}

#[test]
fn candles_come_oldest_first() {
    let minute = r#"{"channel":"candles","key":"trade:1m:tBTCUSD"}"#;
    let mut script = Script::with(&topic(minute));
    script.hear("[5,[[1790134440000,10,11,12,9,1],[1790134380000,10,10,10,10,2,null]]]");
    script.hear("[5,[1790134440000,10,11.5,12,9,1.5,null],7]");
    script.hear(r#"[5,"hb"]"#);
    let told = script.told();
    let [
        Event::Data(_, Data::Candles(two)),
        Event::Data(_, Data::Candle(one)),
        Event::Heartbeat(_),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        two.iter().map(|candle| candle.open_time.millis()).collect::<Vec<_>>(),
        [1_790_134_380_000, 1_790_134_440_000]
    );
    let texts = [&one.open, &one.high, &one.low, &one.close, &one.volume].map(Number::as_str);
    assert_eq!(texts, ["10", "12", "9", "11.5", "1.5"]);
    // A time that opens no minute.
    script.hear("[5,[1790134440001,10,11.5,12,9,1.5]]");
    assert!(matches!(script.told()[..], [Event::Broken(..)]));

    for (text, count) in [
        ("[5,[]]", 0),
        ("[5,[[1790134380000,10,10,10,10,2]]]", 1),
        ("[5,[1790134380000,10,10,10,10,2]]", 1),
    ] {
        let mut script = Script::with(&topic(minute));
        script.hear(text);
        assert!(
            matches!(&script.told()[..], [Event::Data(_, Data::Candles(some))] if some.len() == count),
            "{text}"
        );
    }
    // Of another width the times are not known.
    let mut script = Script::with(&topic(r#"{"channel":"candles","key":"trade:1m:fUSD:p30"}"#));
    script.hear("[5,[[1790134440001,0.0002,0.0002,0.0002,0.0002,100]]]");
    assert!(matches!(script.told()[..], [Event::Data(_, Data::Candles(_))]));
}

#[test]
fn rows_without_a_unified_form_are_passed_on() {
    for parameters in [
        r#"{"channel":"ticker","symbol":"fUSD"}"#,
        r#"{"channel":"status","key":"deriv:tBTCF0:USTF0"}"#,
    ] {
        let mut script = Script::with(&topic(parameters));
        script.hear("[5, [1790133734000, null, 7e-7] ]");
        let told = script.told();
        assert!(
            matches!(&told[..], [Event::Data(_, Data::Row(raw))] if raw.as_str() == "[1790133734000, null, 7e-7]"),
            "{told:?}"
        );
    }
}

#[test]
fn books_begin_empty_with_one_row_or_with_many() {
    for (text, count) in [("[5,[]]", 0), ("[5,[[10,1,1]]]", 1), ("[5,[10,1,1]]", 1)] {
        let mut script = Script::with(&book());
        script.hear(text);
        script.hear("[5,[11,1,-1]]");
        let told = script.told();
        let [Event::Data(_, Data::Book(levels)), Event::Data(_, Data::Levels(one))] = &told[..]
        else {
            panic!("{text}: {told:?}")
        };
        assert_eq!((levels.len(), one.len()), (count, 1), "{text}");
    }
    // Several changes in one message, which have a snapshot's form.
    let mut script = Script::with(&book());
    script.hear("[5,[[10,1,1],[11,1,-1]]]");
    script.hear("[5,[[10,0,1],[9,1,1]]]");
    assert!(matches!(
        script.told()[1..],
        [Event::Data(_, Data::Levels(_)), Event::Data(_, Data::Levels(_))]
    ));
    // A row that came before its snapshot is replaced by it.
    let mut script = Script::with(&book());
    script.hear("[5,[10,1,1]]");
    script.hear("[5,[[8,1,1],[11,1,-1]]]");
    assert!(matches!(
        script.told()[..],
        [Event::Data(_, Data::Book(_)), Event::Data(_, Data::Book(_))]
    ));
}

#[test]
fn checksums_that_hold_are_told() {
    let mut script = Script::with(&book());
    script.hear("[5,[[10,1,1.50],[11,1,-2e-7]]]");
    let sum = crc32fast::hash(b"10:1.50:11:-2e-7").cast_signed();
    script.hear(&format!(r#"[5,"cs",{sum}]"#));
    assert_eq!(script.told()[1..], [Event::Checked(book(), sum.into())]);
}

#[test]
fn a_level_keeps_no_message_alive() {
    let mut script = Script::with(&book());
    let text = Bytes::from("[5,[[10,1,1],[11,1,-1]]]".to_owned());
    let mut out = Vec::new();
    script.session.on_text(&text, script.now, &mut out).unwrap();
    let Output::Tell(Event::Data(_, Data::Book(levels))) = &out[0] else { panic!() };
    let within = text.as_ptr_range();
    assert!(!within.contains(&levels[0].raw.bytes().as_ptr()));
    // The row that the next one replaces shares its message.
    let mut script = Script::with(&ticker("tBTCUSD"));
    let text = Bytes::from("[5,[1,1,1,1,1,1,1,1,1,1]]".to_owned());
    let mut out = Vec::new();
    script.session.on_text(&text, script.now, &mut out).unwrap();
    let Output::Tell(Event::Data(_, Data::Ticker(ticker))) = &out[0] else { panic!() };
    assert!(text.as_ptr_range().contains(&ticker.raw.bytes().as_ptr()));
}
