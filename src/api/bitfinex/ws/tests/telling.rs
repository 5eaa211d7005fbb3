use super::*;

#[tokio::test]
async fn each_channel_begins_with_a_snapshot_and_goes_on_in_the_exchanges_text() {
    let mut bench = Bench::new();
    for request in [TICKER, TRADES, BOOK, CANDLES] {
        bench.say(request);
    }
    let line = |at: usize| bench.followers[at].1.line().clone();
    let [tick, trads, bok, cands] = [0, 1, 2, 3].map(line);
    let now = bench.started;
    bench.told();
    tick.data(&ticker(TICKER_ROW), now);
    tick.data(&ticker("[2,2,3,4,5,0.1,7,8,9,1.50,null]"), now);
    let many: Vec<String> = (1..41).rev().map(|id| format!("[{id},{id},-0.10,7e-7]")).collect();
    trads.data(&trades(&format!("[{}]", many.join(","))), now);
    trads.data(&trade("[99,99,1.0,2]", Report::Executed), now);
    trads.data(&trade("[99,99,1.0,2]", Report::Confirmed), now);
    bok.data(&book(&BOOK_ROWS), now);
    bok.data(&levels(&["[99,0,1]"]), now);
    cands.data(&candles("[[120000,1,2,3,1,5.0],[60000,1,1,1,1,0.10]]"), now);
    cands.data(&candle("[120000,1,2,3,1,6.0]"), now);
    cands.data(&candle("[180000,1,2,3,1,7.0]"), now);
    let newest: Vec<&str> = many.iter().take(30).map(String::as_str).collect();
    let told: Vec<String> = bench.told().into_iter().filter(|it| it.starts_with('[')).collect();
    assert_eq!(
        told,
        [
            "[1,[1,2,3,4,5,0.1,7,8,9,1.50,null]]".to_owned(),
            "[1,[2,2,3,4,5,0.1,7,8,9,1.50,null]]".to_owned(),
            format!("[2,[{}]]", newest.join(",")),
            "[2,\"te\",[99,99,1.0,2]]".to_owned(),
            "[2,\"tu\",[99,99,1.0,2]]".to_owned(),
            "[3,[[100,1,2],[99,2,0.50],[7e+2,1,-1]]]".to_owned(),
            "[3,[99,0,1]]".to_owned(),
            "[4,[[120000,1,2,3,1,5.0],[60000,1,1,1,1,0.10]]]".to_owned(),
            "[4,[120000,1,2,3,1,6.0]]".to_owned(),
            // That the bucket before is over is no row of its own.
            "[4,[180000,1,2,3,1,7.0]]".to_owned(),
        ]
    );
}

/// What a client that takes a book's messages as they come ends with.
fn replayed(messages: &[String]) -> Vec<String> {
    let mut rows: Vec<Value> = Vec::new();
    for message in messages {
        let message: Value = serde_json::from_str(message).unwrap();
        let Some(payload) = message[1].as_array() else { continue };
        let changes = match payload.first() {
            Some(Value::Array(_)) => payload.clone(),
            _ => vec![message[1].clone()],
        };
        for change in changes {
            let side = |row: &Value| row[2].as_f64().unwrap() < 0.0;
            rows.retain(|row| (&row[0], side(row)) != (&change[0], side(&change)));
            if change[1] != 0 {
                rows.push(change);
            }
        }
    }
    let mut rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_book_that_is_told_anew_becomes_the_changes_that_lead_to_it() {
    let mut bench = Bench::new();
    bench.say(&conf(CHECKSUMS));
    bench.say(BOOK);
    let line = bench.followers[0].1.line().clone();
    let now = bench.started;
    line.data(&book(&BOOK_ROWS), now);
    let mut all = bench.told();
    line.checked(-5, now);
    assert_eq!(bench.told(), ["[1,\"cs\",-5]"]);
    // The channel was opened anew: a level is gone, one has another amount, one changed sides.
    line.feed_by(Mode::Stale(Lapse::Disconnected), now);
    line.feed_by(Mode::Live, now);
    line.data(&book(&["[101,1,4]", "[100,1,2]", "[99,1,0.50]", "[800,1,-1]"]), now);
    line.checked(6, now);
    line.data(&levels(&["[800,0,-1]"]), now);
    let told = bench.told();
    let expected =
        ["[1,[7e+2,0,-1]]", "[1,[101,1,4]]", "[1,[99,1,0.50]]", "[1,[800,1,-1]]", "[1,\"cs\",6]"];
    assert_eq!(told[..5], expected);
    assert_eq!(told[5..], ["[1,[800,0,-1]]"]);
    all.extend(told);
    // Slow readers get what leads to the state at the end, and only checksums of states they saw.
    for price in 0..40 {
        line.data(&levels(&[&format!("[{},1,1]", 60 + price % 3)]), now);
        line.checked(price, now);
        line.data(&levels(&[&format!("[{},0,1]", 60 + price % 3)]), now);
    }
    line.data(&levels(&["[50,1,1.0]"]), now);
    line.checked(77, now);
    let told = bench.told();
    assert_eq!(told, ["[1,[50,1,1.0]]"], "the checksum was of a state before it was taken");
    line.checked(78, now);
    assert_eq!(bench.told(), ["[1,\"cs\",78]"]);
    all.extend(told);
    assert_eq!(replayed(&all), ["[100,1,2]", "[101,1,4]", "[50,1,1.0]", "[99,1,0.5]"]);
}

#[tokio::test]
async fn single_orders_and_loans_are_removed_by_their_own_columns() {
    let mut bench = Bench::new();
    bench.say(r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"R0"}"#);
    let orders = bench.followers[0].1.line().clone();
    let rows = |rows: &[&str]| Data::Book(rows.iter().map(|row| change(row, true)).collect());
    orders.data(&rows(&["[158000000001,100,2]", "[158000000002,101,-3]"]), bench.started);
    let mut told = bench.told();
    orders.data(&rows(&["[158000000001,99,2]"]), bench.started);
    bench.say(r#"{"event":"subscribe","channel":"book","symbol":"fUSD"}"#);
    let loans = bench.followers[1].1.line().clone();
    let loan = |row: &str, days, side| Change {
        side,
        number: days,
        raw: super::row(row),
        ..change("[0.0001,1,5]", false)
    };
    let offer = loan("[0.0001,30,1,5.0]", 30, BookSide::Ask);
    let bid = loan("[0.0001,2,1,-5.0]", 2, BookSide::Bid);
    loans.data(&Data::Book(vec![offer.clone(), bid]), bench.started);
    told.extend(bench.told());
    loans.data(&Data::Book(vec![offer]), bench.started);
    told.extend(bench.told());
    told.retain(|it| it.starts_with('['));
    assert_eq!(
        told,
        [
            "[1,[[158000000001,100,2],[158000000002,101,-3]]]",
            "[1,[158000000002,0,-1]]",
            "[1,[158000000001,99,2]]",
            "[2,[[0.0001,2,1,-5.0],[0.0001,30,1,5.0]]]",
            "[2,[0.0001,2,0,-1]]",
        ]
    );
}

#[tokio::test]
async fn trades_and_candles_that_are_told_anew_are_not_told_twice() {
    let mut bench = Bench::new();
    let now = bench.started;
    let line = bench.subscribed(TRADES, &trades("[[2,2,1,1],[1,1,1,1]]"));
    line.data(&trades("[[9,9,1.0,1],[8,8,1,1]]"), now);
    let expected =
        |id: &str, row: &str| ["te", "tu"].map(|name| format!("[{id},\"{name}\",{row}]"));
    let both = [expected("1", "[8,8,1,1]"), expected("1", "[9,9,1.0,1]")].concat();
    assert_eq!(bench.told(), both, "what came between is not known, the rest is");
    line.feed_by(Mode::Polled, now);
    line.data(&trades("[[10,10,1,1],[9,9,1.0,1]]"), now);
    assert_eq!(bench.told(), expected("1", "[10,10,1,1]"));
    let line = bench.subscribed(CANDLES, &candles("[[60000,1,2,3,1,5.0]]"));
    line.data(&candles("[[300000,1,2,3,1,5.0],[240000,1,2,3,1,5.0]]"), now);
    assert_eq!(bench.told(), ["[2,[240000,1,2,3,1,5.0]]", "[2,[300000,1,2,3,1,5.0]]"]);
    line.close_candle(now);
    assert!(bench.told().is_empty(), "its row is as it was");
    // Of loans, who is slow gets the newest as a whole, among them some that he has.
    let funding = r#"{"event":"subscribe","channel":"trades","symbol":"fUSD"}"#;
    let line = bench.subscribed(funding, &trades("[[100,100,1,1]]"));
    for id in 101..=190 {
        let row = format!("[{id},{id},1,1]");
        for report in [Report::Executed, Report::Confirmed] {
            line.data(&trade(&row, report), now);
        }
    }
    let told = bench.told();
    assert_eq!((told.len(), told[0].as_str()), (180, "[3,\"fte\",[101,101,1,1]]"));
    assert_eq!(told[179], "[3,\"ftu\",[190,190,1,1]]");
}

#[tokio::test]
async fn flags_say_what_messages_carry_and_replace_the_earlier_ones() {
    let mut bench = Bench::new();
    let now = bench.started;
    let line = bench.subscribed(BOOK, &book(&BOOK_ROWS));
    line.checked(1, now);
    assert!(bench.told().is_empty(), "checksums have to be asked for");
    bench.say(&conf(NUMBERS + CHECKSUMS));
    line.checked(2, now);
    line.data(&levels(&["[98,1,1]", "[97,1,1]"]), now);
    let row = |rows: &str, more: &str| format!("[1,{rows}{more}]");
    assert_eq!(bench.told(), [row("\"cs\",2", ",1"), row("[98,1,1]", ",2"), row("[97,1,1]", ",3")]);
    assert_eq!(bench.after(HEARTBEAT), ["[1,\"hb\",4]"]);
    bench.say(&conf(NUMBERS + TIMES + BULK + CHECKSUMS));
    line.data(&levels(&["[98,0,1]"]), now);
    line.data(&levels(&["[97,0,1]"]), now);
    line.checked(3, now);
    line.data(&levels(&["[96,1,1]"]), now);
    let time = format!(",{WALL}");
    assert_eq!(
        bench.told(),
        [
            row("[[98,0,1],[97,0,1]]", &format!(",5{time}")),
            row("\"cs\",3", &format!(",6{time}")),
            row("[[96,1,1]]", &format!(",7{time}")),
        ]
    );
    bench.say(&conf(TIMES));
    line.data(&levels(&["[96,0,1]"]), now);
    line.checked(4, now);
    assert_eq!(bench.told(), [row("[96,0,1]", &time)]);
    bench.say(&conf(NUMBERS));
    line.data(&levels(&["[95,1,1]"]), now);
    assert_eq!(bench.told(), [row("[95,1,1]", ",8")], "the count goes on");
}

#[tokio::test]
async fn heartbeats_say_only_of_living_channels_that_they_live() {
    let mut bench = Bench::new();
    let line = bench.subscribed(BOOK, &book(&BOOK_ROWS));
    bench.subscribed(TICKER, &ticker(TICKER_ROW));
    bench.say(TRADES);
    assert_eq!(bench.talk.wakes_at(), bench.started + ACK);
    assert!(bench.after(HEARTBEAT - Duration::from_millis(1)).len() == 1, "an acknowledgement");
    assert_eq!(bench.talk.wakes_at(), bench.started + HEARTBEAT);
    assert_eq!(bench.after(HEARTBEAT), ["[1,\"hb\"]", "[2,\"hb\"]", "[3,\"hb\"]"]);
    assert!(bench.after(HEARTBEAT).is_empty());
    line.feed_by(Mode::Stale(Lapse::Silent), bench.started);
    assert!(bench.told().is_empty());
    assert_eq!(bench.after(2 * HEARTBEAT), ["[2,\"hb\"]", "[3,\"hb\"]"]);
}

#[tokio::test]
async fn what_is_not_live_any_more_is_no_first_ticker_or_book() {
    let mut bench = Bench::new();
    let now = bench.started;
    let line = bench.subscribed(BOOK, &book(&BOOK_ROWS));
    line.feed_by(Mode::Stale(Lapse::Disconnected), now);
    let trade_line = bench.subscribed(TRADES, &trades("[[2,2,1,1]]"));
    trade_line.feed_by(Mode::Stale(Lapse::Disconnected), now);
    for id in [1, 2] {
        bench.say(&json!({"event":"unsubscribe","chanId":id}).to_string());
    }
    bench.say(BOOK);
    assert!(bench.told().is_empty());
    bench.say(TRADES);
    let told = bench.told();
    assert_eq!(told[1..], ["[4,[[2,2,1,1]]]"], "trades have their times");
    line.feed_by(Mode::Live, now);
    line.data(&book(&["[1,1,1]"]), now);
    let told = bench.told();
    assert!(told[0].starts_with(r#"{"event":"subscribed","channel":"book","chanId":3"#));
    assert_eq!(told[1..], ["[3,[[1,1,1]]]"]);
}

#[tokio::test]
async fn maintenance_is_told_once_and_ends_when_data_come_again() {
    let mut bench = Bench::new();
    let now = bench.started;
    let book_line = bench.subscribed(BOOK, &book(&BOOK_ROWS));
    let ticker_line = bench.subscribed(TICKER, &ticker(TICKER_ROW));
    let lines = [&book_line, &ticker_line];
    let code = |told: &[String]| -> Vec<i64> {
        let texts = told.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
        texts.map(|said| said["code"].as_i64().unwrap_or_default()).collect()
    };
    lines.iter().for_each(|line| line.feed_by(Mode::Live, now));
    assert!(bench.told().is_empty());
    lines.iter().for_each(|line| line.feed_by(Mode::Stale(Lapse::Maintenance), now));
    assert_eq!(code(&bench.told()), [20_060]);
    assert_eq!(bench.after(HEARTBEAT), ["[1,\"hb\"]", "[2,\"hb\"]"]);
    book_line.feed_by(Mode::Live, now);
    assert!(bench.told().is_empty());
    ticker_line.feed_by(Mode::Live, now);
    assert_eq!(code(&bench.told()), [20_061]);
    let mut out = Vec::new();
    bench.talk.farewell(&mut out);
    assert_eq!(code(&out), [20_051]);
}
