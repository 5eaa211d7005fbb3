//! How a snapshot and the stream of changes become a book.

use super::*;

const ID: &str = "BTCUSDT";
const BIDS: &str = r#"["100","1"],["99","1"]"#;
const ASKS: &str = r#"["101","1"],["102","1"]"#;

fn levels(changes: &[crate::market::Change]) -> Vec<String> {
    let text = |change: &crate::market::Change| {
        let side = if change.side == BookSide::Bid { "bid" } else { "ask" };
        let amount = change.amount.as_ref().map_or("gone", |amount| amount.as_str());
        format!("{side} {} {amount}", change.price)
    };
    changes.iter().map(text).collect()
}

/// What was told of books: each event in short.
fn shown(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Data(topic, Data::Book(changes)) => {
            format!("{topic}: book {}", levels(changes).join(", "))
        }
        Event::Data(topic, Data::Levels(changes)) => {
            format!("{topic}: {}", levels(changes).join(", "))
        }
        Event::Sound(topic) => format!("{topic}: sound"),
        Event::Broken(topic, Broken::Invalid(why)) => format!("{topic}: {why}"),
        other => format!("{other:?}"),
    };
    let short = |text: String| text.replace("orderbook BTCUSDT P0 ", "");
    events.iter().map(text).map(short).collect()
}

impl Script {
    fn shown(&mut self) -> Vec<String> {
        shown(&self.told())
    }

    /// With a book that was told, at change 10.
    fn with_book() -> (Self, Arc<Topic>) {
        let topic = book(ID, 25);
        let mut script = Self::with(std::slice::from_ref(&topic));
        assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
        script.bring(&topic, Some(&snapshot(10, BIDS, ASKS)));
        assert_eq!(script.shown(), ["25: book bid 100 1, bid 99 1, ask 101 1, ask 102 1"]);
        (script, topic)
    }
}

#[test]
fn a_snapshot_is_joined_to_the_changes_that_came_meanwhile() {
    let topic = book(ID, 25);
    let mut script = Script::with(std::slice::from_ref(&topic));
    // Older than the snapshot; reaching into it; after it.
    script.hear(&update(ID, (5, 7), r#"["90","9"]"#, ""));
    script.hear(&update(ID, (8, 12), r#"["100","2"]"#, r#"["103","3"]"#));
    script.hear(&update(ID, (13, 13), "", r#"["101","0.00000000"],["555","0"]"#));
    assert!(script.told().is_empty());
    script.bring(&topic, Some(&snapshot(10, BIDS, ASKS)));
    assert_eq!(script.shown(), ["25: book bid 100 2, bid 99 1, ask 102 1, ask 103 3"]);
    // The next one is the snapshot's successor in the recorded books, and may reach into it.
    script.hear(&update(ID, (14, 15), r#"["99","0"]"#, ""));
    assert_eq!(script.shown(), ["25: bid 99 gone", "25: sound"]);
}

#[test]
fn a_snapshot_that_is_newer_than_every_change_stands() {
    let topic = book(ID, 25);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.hear(&update(ID, (5, 7), r#"["90","9"]"#, ""));
    script.bring(&topic, Some(&snapshot(10, BIDS, ASKS)));
    assert_eq!(script.shown(), ["25: book bid 100 1, bid 99 1, ask 101 1, ask 102 1"]);
    script.hear(&update(ID, (8, 10), r#"["100","7"]"#, ""));
    assert!(script.told().is_empty(), "the snapshot has it");
    script.hear(&update(ID, (11, 11), r#"["100","7"]"#, ""));
    assert_eq!(script.shown(), ["25: bid 100 7", "25: sound"]);
    assert_eq!(script.fetched().len(), 1, "no more than the first");
}

#[test]
fn a_snapshot_that_is_too_old_is_asked_for_again_after_a_pause() {
    let topic = book(ID, 25);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.fetched();
    script.hear(&update(ID, (12, 13), r#"["100","2"]"#, ""));
    script.bring(&topic, Some(&snapshot(10, BIDS, ASKS)));
    assert!(script.told().is_empty() && script.fetched().is_empty());
    script.wait(2 * SECOND).unwrap();
    assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
    // 12 continues 11.
    script.bring(&topic, Some(&snapshot(11, BIDS, ASKS)));
    assert_eq!(script.shown()[0], "25: book bid 100 2, bid 99 1, ask 101 1, ask 102 1");

    // One that could not be had is asked for at once: the pause has been made.
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.fetched();
    script.bring(&topic, None);
    assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
    // What nobody asked for is nobody's.
    script.bring(&book("ETHUSDT", 25), Some(&snapshot(10, BIDS, ASKS)));
    script.bring(&book(ID, 100), Some(&snapshot(10, BIDS, ASKS)));
    assert!(script.told().is_empty() && script.fetched().is_empty());
}

#[test]
fn a_gap_breaks_the_book_and_nothing_else() {
    let (mut script, topic) = Script::with_book();
    script.wait(10 * SECOND).unwrap();
    script.sent.clear();
    script.hear(&update(ID, (11, 12), "", ""));
    assert_eq!(script.shown(), ["25: sound"], "nothing has changed, and that is right");
    script.hear(&update(ID, (14, 15), r#"["100","5"]"#, ""));
    assert_eq!(script.shown(), ["25: book: change 13 was due, 14 came"]);
    assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
    assert!(script.sent().is_empty(), "the stream stays");
    script.hear(&update(ID, (16, 17), r#"["99","6"]"#, ""));
    // It has to reach the change that came after the gap.
    script.bring(&topic, Some(&snapshot(14, BIDS, ASKS)));
    assert!(script.told().is_empty());
    script.wait(2 * SECOND).unwrap();
    assert_eq!(script.fetched().len(), 1);
    script.bring(&topic, Some(&snapshot(15, BIDS, ASKS)));
    assert_eq!(script.shown(), ["25: book bid 100 1, bid 99 6, ask 101 1, ask 102 1"]);
}

#[test]
fn what_cannot_be_true_breaks_the_book() {
    for (event, why) in [
        (update(ID, (11, 11), r#"["101","1"]"#, ""), "crossed"),
        (update(ID, (11, 11), r#"["x","1"]"#, ""), "not a number"),
        (update(ID, (11, 11), r#"["99","-1"]"#, ""), "negative"),
        (update(ID, (11, 11), r#"["99"]"#, ""), "too short"),
        (update(ID, (12, 11), "", ""), "backwards"),
        (update(ID, (9, 10), "", "").replace("\"u\":10", "\"v\":10"), "missing field"),
        (
            update(ID, (11, 11), "", "").replace("\"s\":\"BTCUSDT\"", "\"s\":\"B\""),
            "another market",
        ),
    ] {
        let (mut script, topic) = Script::with_book();
        script.wait(3 * SECOND).unwrap();
        script.hear(&event);
        let told = script.shown();
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
        assert_eq!(script.fetched().len(), 1);
        // The change that could not be read is in this one, or is not: the next event tells.
        if why != "crossed" && why != "not a number" && why != "negative" && why != "too short" {
            script.bring(&topic, Some(&snapshot(20, BIDS, ASKS)));
            assert!(script.told().is_empty(), "{why}");
        }
    }
    // Numbers that go back.
    let (mut script, _) = Script::with_book();
    script.hear(&update(ID, (11, 12), "", ""));
    script.told();
    script.hear(&update(ID, (11, 12), "", ""));
    assert_eq!(script.shown(), ["25: book: change 13 was due, 11 came"]);
}

/// Prices 1000 levels a side, `1001` upwards and `1000` downwards.
fn deep(last: i64) -> Book {
    let side = |price: &dyn Fn(i64) -> i64| {
        let rows: Vec<String> = (0..1000).map(|at| format!(r#"["{}","1"]"#, price(at))).collect();
        rows.join(",")
    };
    snapshot(last, &side(&|at| 2000 - at), &side(&|at| 2001 + at))
}

#[test]
fn each_depth_is_told_its_own_levels() {
    let (shallow, middle) = (book(ID, 25), book(ID, 100));
    let mut script = Script::with(&[shallow.clone(), middle.clone()]);
    assert_eq!(script.fetched(), [(shallow.clone(), 1000)]);
    script.bring(&shallow, Some(&deep(10)));
    let told = script.told();
    let sizes: Vec<usize> = told
        .iter()
        .map(|event| match event {
            Event::Data(_, Data::Book(levels)) => levels.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [50, 200]);
    // A level in the midst goes, the next one moves in at the end; a new best one pushes it out.
    script.hear(&update(ID, (11, 11), r#"["1990","0"]"#, ""));
    assert_eq!(
        script.shown(),
        [
            "25: bid 1990 gone, bid 1975 1",
            "25: sound",
            "100: bid 1990 gone, bid 1900 1",
            "100: sound"
        ]
    );
    script.hear(&update(ID, (12, 12), "", r#"["2000.5","2"]"#));
    assert_eq!(
        script.shown(),
        [
            "25: ask 2025 gone, ask 2000.5 2",
            "25: sound",
            "100: ask 2100 gone, ask 2000.5 2",
            "100: sound"
        ]
    );
    script.hear(&update(ID, (13, 13), r#"["1950","5"]"#, ""));
    assert_eq!(script.shown(), ["25: sound", "100: bid 1950 5", "100: sound"]);
    // One that joins is told what is known; one that leaves takes nothing with it.
    let wide = book(ID, 250);
    script.subscribe(&wide);
    let told = script.told();
    assert_eq!(told[0], Event::Subscribed(wide.clone()));
    let all = |event: &&Event| matches!(event, Event::Data(_, Data::Book(it)) if it.len() == 500);
    assert_eq!(told.iter().filter(all).count(), 1);
    script.unsubscribe(&shallow);
    assert_eq!(script.told(), [Event::Unsubscribed(shallow)]);
    script.hear(&update(ID, (14, 14), r#"["1800","5"]"#, ""));
    assert_eq!(script.shown(), ["100: sound", "250: bid 1800 5", "250: sound"]);
    script.sent.clear();
    script.unsubscribe(&middle);
    script.unsubscribe(&wide);
    script.wait(SECOND).unwrap();
    assert_eq!(script.asked(), ["2 UNSUBSCRIBE btcusdt@depth@100ms"]);
}

#[test]
fn a_snapshot_for_a_topic_that_left_is_asked_for_by_another() {
    let (first, second) = (book(ID, 25), book(ID, 100));
    let mut script = Script::with(&[first.clone(), second.clone()]);
    assert_eq!(script.fetched(), [(first.clone(), 1000)]);
    script.unsubscribe(&first);
    assert_eq!(script.fetched(), [(second.clone(), 1000)]);
    script.told();
    script.bring(&first, Some(&snapshot(10, BIDS, ASKS)));
    assert!(script.told().is_empty());
    script.bring(&second, Some(&snapshot(10, BIDS, ASKS)));
    assert_eq!(script.shown()[0], "100: book bid 100 1, bid 99 1, ask 101 1, ask 102 1");
    // Of a stream that is being closed nothing is asked for any more.
    script.hear(&update(ID, (20, 20), "", ""));
    script.unsubscribe(&second);
    script.told();
    script.fetched();
    script.wait(5 * SECOND).unwrap();
    assert!(script.fetched().is_empty());
}

/// The bids from `from` down to `to` go, in one event.
fn gone(numbers: (i64, i64), from: i64, to: i64) -> String {
    let rows: Vec<String> = (to..=from).rev().map(|it| format!(r#"["{it}","0"]"#)).collect();
    update(ID, numbers, &rows.join(","), "")
}

#[test]
fn a_new_snapshot_comes_before_the_known_levels_run_out() {
    let topic = book(ID, 250);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.bring(&topic, Some(&deep(10)));
    script.told();
    script.fetched();
    script.wait(3 * SECOND).unwrap();
    script.hear(&gone((11, 11), 2000, 1501));
    assert!(script.fetched().is_empty(), "half of them are left");
    script.told();
    script.hear(&gone((12, 12), 1500, 1500));
    assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
    assert_eq!(script.shown(), ["250: bid 1500 gone, bid 1250 1", "250: sound"], "it goes on");
    // Beyond the snapshot's end nothing is known but single changes, which do not count.
    script.hear(&update(ID, (13, 13), r#"["1000","4"]"#, ""));
    script.hear(&gone((14, 14), 1499, 1300));
    script.told();
    let rows: Vec<String> = (0..400).map(|at| format!(r#"["{}","1"]"#, 1299 - at)).collect();
    let asks: Vec<String> = (0..400).map(|at| format!(r#"["{}","1"]"#, 2001 + at)).collect();
    script.bring(&topic, Some(&snapshot(14, &rows.join(","), &asks.join(","))));
    assert_eq!(script.shown(), ["250: sound"], "it is as it was told");
    script.hear(&gone((15, 15), 1299, 901));
    let told = script.shown();
    assert!(
        told[0].ends_with("bid 901 gone, bid 900 1") || told[0].contains("bid 900 1"),
        "{told:?}"
    );
    assert!(script.fetched().is_empty(), "that snapshot was whole");
}

#[test]
fn a_book_of_which_too_little_is_known_is_broken() {
    let topic = book(ID, 250);
    let mut script = Script::with(std::slice::from_ref(&topic));
    script.bring(&topic, Some(&deep(10)));
    script.told();
    script.fetched();
    script.hear(&gone((11, 11), 2000, 1250));
    assert_eq!(script.shown(), ["250: book: fewer levels are known than asked for"]);
    assert!(script.fetched().is_empty(), "one was fetched a moment ago");
    script.hear(&update(ID, (12, 12), r#"["1100","3"]"#, ""));
    assert!(script.told().is_empty());
    script.wait(2 * SECOND).unwrap();
    assert_eq!(script.fetched(), [(topic.clone(), 1000)]);
    script.bring(&topic, Some(&snapshot(12, r#"["1100","3"]"#, r#"["2001","1"]"#)));
    assert_eq!(script.shown(), ["250: book bid 1100 3, ask 2001 1"]);
}

#[test]
fn what_waits_for_a_snapshot_has_a_bound() {
    let topic = book(ID, 25);
    let mut script = Script::with(std::slice::from_ref(&topic));
    for number in 0..300 {
        script.hear(&update(ID, (number, number), r#"["100","2"]"#, ""));
    }
    // The oldest are gone, so that this one meets nothing.
    script.bring(&topic, Some(&snapshot(10, BIDS, ASKS)));
    assert!(script.told().is_empty());
    script.wait(2 * SECOND).unwrap();
    script.bring(&topic, Some(&snapshot(100, BIDS, ASKS)));
    assert_eq!(script.shown()[0], "25: book bid 100 2, bid 99 1, ask 101 1, ask 102 1");
}
