//! Each fault does what it says on the channels that it is for, and nothing else.

use serde_json::json;
use tidegate::sim::{Frame, WsAction, WsFault, WsRule};

use crate::talk::{ClientBook, Talk, Told};

const SEQ_ALL: u64 = 65_536;
const CHECKSUM: u64 = 131_072;

/// Two books and a trades channel, with sequence numbers and checksums.
fn busy() -> (Talk, [i64; 3]) {
    let mut talk = Talk::new();
    talk.set_flags(SEQ_ALL | CHECKSUM);
    let bitcoin = talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD"}));
    let ether = talk.subscribe(json!({"channel":"book","symbol":"tETHUSD"}));
    let trades = talk.subscribe(json!({"channel":"trades","symbol":"tBTCUSD"}));
    (talk, [bitcoin, ether, trades])
}

fn of(told: &[Told], channel: i64, tag: &str) -> Vec<Told> {
    let fits = |one: &&Told| one.channel == channel && one.tag == tag;
    told.iter().filter(fits).cloned().collect()
}

/// Replays a channel's book; its checksums that hold and those that do not.
fn verdicts(told: &[Told], channel: i64) -> (usize, usize) {
    let mut book = ClientBook { len: 25, ..ClientBook::default() };
    let (mut right, mut wrong) = (0, 0);
    for one in told.iter().filter(|one| one.channel == channel) {
        match one.tag.as_str() {
            "cs" if one.payload == book.checksum().to_string() => right += 1,
            "cs" => wrong += 1,
            "" => book.take(one),
            _ => {}
        }
    }
    (right, wrong)
}

fn gaps(told: &[Told]) -> i64 {
    told.windows(2).map(|pair| pair[1].rest[0] - pair[0].rest[0] - 1).sum()
}

#[test]
fn a_lost_frame_leaves_a_gap() {
    let (mut talk, [bitcoin, ether, _]) = busy();
    assert_eq!(gaps(&talk.told), 0);
    talk.venue.ws_fault(WsFault::LoseFrame.times("book", "tBTCUSD", 2));
    talk.pass(20_000);
    assert_eq!(gaps(&talk.told), 2);
    assert_eq!(verdicts(&talk.told, ether).1, 0);
    assert!(!of(&talk.told, bitcoin, "cs").is_empty());
}

#[test]
fn a_corrupt_level_breaks_the_checksums_of_its_book_until_it_is_subscribed_again() {
    let (mut talk, [bitcoin, ether, _]) = busy();
    talk.pass(5_000);
    assert_eq!(verdicts(&talk.told, bitcoin).1, 0);
    let right = verdicts(&talk.told, bitcoin).0;
    talk.venue.ws_fault(WsFault::CorruptLevel.times("book", "tBTCUSD", 1));
    talk.pass(120_000);
    let (still, wrong) = verdicts(&talk.told, bitcoin);
    assert!(still <= right + 1 && wrong > 35, "{right} {still} {wrong}");
    assert_eq!((verdicts(&talk.told, ether).1, gaps(&talk.told)), (0, 0));
    talk.ask(json!({"event":"unsubscribe","chanId":bitcoin}));
    let again = talk.subscribe(json!({"channel":"book","symbol":"tBTCUSD"}));
    talk.pass(20_000);
    let (right, wrong) = verdicts(&talk.told, again);
    assert!(right > 5 && wrong == 0, "{right} {wrong}");
}

#[test]
fn a_frozen_channel_is_silent_alone() {
    for heartbeats in [false, true] {
        let (mut talk, [bitcoin, ether, trades]) = busy();
        let mut book = ClientBook { len: 25, ..ClientBook::default() };
        talk.pass(2_000);
        let freeze = WsFault::Freeze { heartbeats };
        talk.venue.ws_fault(WsRule { for_ms: Some(40_000), ..freeze.times("book", "tBTCUSD", 1) });
        let told = talk.pass(39_900);
        assert_eq!(of(&told, bitcoin, "").len() + of(&told, bitcoin, "cs").len(), 0);
        assert_eq!(of(&told, bitcoin, "hb").len(), if heartbeats { 2 } else { 0 });
        assert!(of(&told, ether, "").len() > 39 && of(&told, ether, "hb").len() == 2);
        assert_eq!(of(&told, trades, "hb").len(), 2);
        talk.pass(2_000);
        of(&talk.told, bitcoin, "").iter().for_each(|one| book.take(one));
        assert_eq!(book.all(), talk.rest("/v2/book/tBTCUSD/P0"), "caught up with");
        assert_eq!(gaps(&talk.told), 0);
    }
}

#[test]
fn trades_of_a_frozen_time_are_never_told() {
    let (mut talk, [.., trades]) = busy();
    talk.venue.ws_fault(WsFault::Freeze { heartbeats: true }.times("trades", "tBTCUSD", 1));
    assert!(of(&talk.pass(300_000), trades, "te").is_empty());
    let thawed = talk.time.now().millis();
    talk.venue.clear_faults();
    let told = talk.pass(300_000);
    let times: Vec<i64> =
        of(&told, trades, "te").iter().map(|one| one.row()[1].parse().unwrap()).collect();
    assert!(!times.is_empty() && times.iter().all(|ms| *ms > thawed), "{thawed} {times:?}");
}

#[test]
fn heartbeats_are_silenced_and_data_goes_on() {
    let (mut talk, [bitcoin, ..]) = busy();
    talk.venue.ws_fault(WsFault::SilenceHeartbeats.always());
    let told = talk.pass(61_000);
    assert!(told.iter().all(|one| one.tag != "hb"));
    assert!(of(&told, bitcoin, "").len() > 61);
    talk.venue.clear_faults();
    assert_eq!(of(&talk.pass(15_000), bitcoin, "hb").len(), 1);
}

#[test]
fn acknowledgements_come_late_or_after_the_data() {
    let mut talk = Talk::new();
    let request =
        |symbol: &str| json!({"event":"subscribe","channel":"ticker","symbol":symbol}).to_string();
    talk.venue.ws_fault(WsFault::SlowAck { ms: 5_000 }.times("ticker", "tBTCUSD", 1));
    assert!(talk.say(&request("tBTCUSD")).is_empty());
    assert!(talk.pass(4_900).is_empty());
    assert_eq!((talk.pass(100).len(), talk.events.len()), (1, 2));
    assert_eq!(talk.events[1]["event"], "subscribed");

    talk.venue.ws_fault(WsFault::DataFirst { ms: 0 }.times("ticker", "tETHUSD", 1));
    let before = talk.texts.len();
    assert_eq!(talk.say(&request("tETHUSD")).len(), 1);
    assert!(talk.texts[before].starts_with('[') && talk.texts[before + 1].contains("subscribed"));

    talk.venue.ws_fault(WsFault::DataFirst { ms: 20_000 }.times("book", "tBTCUSD", 1));
    assert!(talk.say(r#"{"event":"subscribe","channel":"book","symbol":"tBTCUSD"}"#).is_empty());
    let told = talk.pass(19_900);
    assert!(told.iter().any(|one| one.tag == "hb") && talk.events.len() == 3);
    talk.pass(100);
    assert_eq!(talk.events[3]["channel"], "book");
    assert!(verdicts(&talk.told, talk.events[3]["chanId"].as_i64().unwrap()).1 == 0);
}

#[test]
fn confirmations_change_their_order_and_are_all_told() {
    let (mut talk, [.., trades]) = busy();
    let rule = WsRule { probability: Some(0.4), ..WsFault::ReorderTu.always() };
    talk.venue.ws_fault(rule);
    let told = talk.pass(1_800_000);
    talk.venue.clear_faults();
    let more = talk.pass(600_000);
    let told = [told, more].concat();
    let [mut first, mut second] = ["te", "tu"]
        .map(|tag| of(&told, trades, tag).into_iter().map(|one| one.payload).collect::<Vec<_>>());
    assert!(first.len() > 30 && first != second, "{}", first.len());
    first.sort();
    second.sort();
    assert_eq!(first, second);
}

#[test]
fn rows_grow_and_keep_their_truth() {
    let (mut talk, [bitcoin, ether, _]) = busy();
    talk.venue.ws_fault(WsFault::GrowRow.times("book", "tBTCUSD", 3));
    let told = talk.pass(5_000);
    let rows: Vec<_> = of(&told, bitcoin, "").iter().map(Told::row).collect();
    assert!(rows[..3].iter().all(|row| row.len() == 5 && row[3] == "null"), "{rows:?}");
    assert!(rows[3..].iter().all(|row| row.len() == 3));
    assert!(of(&told, ether, "").iter().all(|one| one.row().len() == 3));
}

#[test]
fn a_subscription_is_refused_though_there_is_room() {
    let mut talk = Talk::new();
    talk.venue.ws_fault(WsFault::SubscribeLimit.times("ticker", "tBTCUSD", 1));
    let request = json!({"event":"subscribe","channel":"ticker","symbol":"tBTCUSD"});
    assert_eq!(talk.ask(request.clone())["code"], 10_305);
    assert_eq!(talk.ask(request)["event"], "subscribed");
}

#[test]
fn a_connection_ends_before_a_frame_or_at_once() {
    let (mut talk, _) = busy();
    let before = talk.told.len() as u64;
    let early = WsFault::Drop { after_frames: before + 10 };
    talk.venue.ws_fault(WsRule { times: Some(1), ..early.always() });
    talk.pass(30_000);
    assert_eq!((talk.end.clone(), talk.told.len() as u64), (Some(Frame::Drop), before + 10));
    assert!(talk.conversation.is_over() && talk.say(r#"{"event":"ping"}"#).is_empty());
    assert_eq!(talk.venue.counts().ws.open, 1, "until it is dropped");

    let (venue, time) = (talk.venue.clone(), talk.time.clone());
    let mut others = [Talk::on(&venue, &time), Talk::on(&venue, &time)];
    venue.ws_now(WsAction::Drop);
    others.iter_mut().for_each(|other| drop(other.step()));
    assert!(others.iter().all(|other| other.end == Some(Frame::Drop)));
    let mut later = Talk::on(&venue, &time);
    assert!(later.step().is_empty() && later.end.is_none());
    drop((talk, others, later));
    assert_eq!(venue.counts().ws.open, 0);
}

#[test]
fn maintenance_pauses_data_and_a_restart_ends_it() {
    let (mut talk, [bitcoin, ..]) = busy();
    talk.venue.ws_now(WsAction::MaintenanceStart);
    let told = talk.pass(120_000);
    assert!(told.iter().all(|one| one.tag == "hb") && told.len() == 3 * 8);
    assert_eq!(Talk::on(&talk.venue, &talk.time).events[0]["platform"]["status"], 0);
    talk.venue.ws_now(WsAction::MaintenanceEnd);
    talk.pass(10_000);
    let codes: Vec<_> = talk.events.iter().filter_map(|event| event["code"].as_i64()).collect();
    assert_eq!(codes, [20_060, 20_061]);
    let (right, wrong) = verdicts(&talk.told, bitcoin);
    assert!(right > 1 && wrong == 0, "{right} {wrong}");
    talk.venue.ws_now(WsAction::Restart);
    talk.step();
    assert_eq!(
        (talk.events.last().unwrap()["code"].as_i64(), &talk.end),
        (Some(20_051), &Some(Frame::Close(1012)))
    );
}

#[test]
fn the_exchange_in_process_answers_and_counts_rest_like_the_one_on_a_socket() {
    use tidegate::sim::{Family, Fault};
    let talk = Talk::new();
    let (status, body) = talk.venue.rest("/v2/tickers?symbols=tBTCUSD%2CtDOGE%3AUSD");
    assert_eq!((status, crate::talk::rows(&body).len()), (200, 2));
    assert_eq!(talk.venue.rest("/v2/nope").0, 404);
    talk.venue.fault(Fault::RateLimited { retry_after: None }.times(Family::Book, 1));
    assert_eq!(talk.venue.rest("/v2/book/tBTCUSD/P0").0, 429);
    talk.venue.fault(Fault::Empty.times(Family::Book, 1));
    assert_eq!(talk.venue.rest("/v2/book/tBTCUSD/P0"), (200, "[]".to_owned()));
    talk.venue.fault(Fault::Hang.times(Family::Book, 1));
    assert_ne!(talk.venue.rest("/v2/book/tBTCUSD/P0").1, "[]");
    let counts = talk.venue.counts();
    assert_eq!((counts.of(Family::Book), counts.total(), talk.venue.log().len()), (3, 5, 5));
}
