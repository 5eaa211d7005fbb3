//! What one channel may do while the others go on.

use super::*;
use crate::feed::{FeedState, Lapse, SocketState, Standing};

fn live() -> Standing {
    Standing::Live
}

#[tokio::test(start_paused = true)]
async fn the_sink_is_told_opened_then_the_snapshot_then_data() {
    let rig = Rig::open("A").await;
    rig.world().tell("data", "A");
    rig.world().tell("hb", "A");
    rig.world().tell("cs", "A");
    rig.run(secs(1)).await;
    assert_eq!(rig.told("A"), ["opened", "snap", "data", "confirmed", "checked 7"]);
    assert_eq!(rig.world().connections[0].heard, ["hello", "sub A"]);
}

#[tokio::test(start_paused = true)]
async fn data_before_the_snapshot_is_not_told() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.feed.pin(topics("A"));
    rig.run(secs(5)).await;
    for word in ["data", "hb", "cs"] {
        rig.world().tell(word, "A");
    }
    rig.run(secs(1)).await;
    assert_eq!(rig.told("A"), [""; 0]);
    assert_eq!(rig.standing("A"), Standing::Opening);
    rig.world().tell("snap", "A");
    rig.run(secs(1)).await;
    assert_eq!(rig.told("A"), ["opened", "snap"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_freezes_among_others_lapses_and_is_opened_anew() {
    let rig = Rig::open("A B C").await;
    rig.run_with(secs(10), |world| world.each("hb")).await;
    let last = rig.when("B", "confirmed");
    rig.world().frozen.insert("B".to_owned());
    rig.run_with(secs(21), |world| {
        world.each("data");
        world.frozen.remove("B");
        world.frozen.insert("B".to_owned());
        // It is alive again as soon as it is asked for anew.
        if world.count("unsub B") == 1 {
            world.frozen.remove("B");
        }
    })
    .await;
    let silence = rig.when("B", "lapsed silent") - last;
    assert!((secs(20)..secs(20) + millis(20)).contains(&silence), "{silence:?}");
    rig.run_with(secs(1), |world| world.each("data")).await;
    assert_eq!(rig.world().connections[0].heard[4..], ["unsub B", "sub B"]);
    assert_eq!(rig.turns("A"), "opened");
    assert_eq!(rig.series("resyncs_total", ",reason=\"silent\""), 1.0);
    assert_eq!(rig.series("reconnects_total", ",reason=\"channel\""), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_stays_frozen_costs_its_socket_once_and_then_itself() {
    let rig = Rig::open("A B").await;
    rig.world().frozen.insert("B".to_owned());
    rig.run_with(secs(42), |world| world.each("data")).await;
    assert_eq!(rig.turns("B"), "opened, lapsed silent", "told once");
    assert_eq!(rig.turns("A"), "opened, lapsed disconnected, opened", "a new connection");
    assert_eq!(rig.world().attempts.len(), 2);
    assert_eq!(rig.world().connections[0].heard.last().unwrap(), "bye");

    rig.forget();
    rig.run_with(secs(300), |world| world.each("data")).await;
    assert_eq!(rig.turns("A"), "", "A does not suffer again");
    let asked = rig.world().count("sub B");
    assert!((4..=20).contains(&asked), "asked for {asked} times in five minutes");
    rig.world().frozen.clear();
    rig.run_with(secs(90), |world| world.each("data")).await;
    assert_eq!(rig.standing("B"), live());
}

#[tokio::test(start_paused = true)]
async fn a_channel_with_heartbeats_and_no_data_is_suspected_and_a_quiet_one_not_for_ever() {
    let rig = Rig::open("A B").await;
    rig.run_with(secs(20), |world| world.each("data")).await;
    rig.forget();
    rig.run_with(secs(4), |world| {
        world.tell("hb", "A");
        world.tell("data", "B");
    })
    .await;
    assert_eq!(rig.told("A").len(), 40, "heartbeats confirm for a while");
    assert_eq!(rig.world().count("sub A"), 1);
    rig.run_with(secs(2), |world| {
        world.tell("data", "B");
        if world.count("sub A") == 1 {
            world.tell("hb", "A");
        }
    })
    .await;
    assert_eq!(rig.world().count("sub A"), 2, "after 5 s, 20 times its gaps being less");
    assert_eq!(rig.turns("A"), "opened", "no lapse, a new snapshot");
    assert_eq!(rig.series("resyncs_total", ",reason=\"suspected\""), 1.0);

    // The market is merely quiet.
    rig.run_with(secs(3600), |world| world.each("hb")).await;
    let asked = rig.world().count("sub A");
    assert!((6..=14).contains(&asked), "asked for {asked} times in an hour");
    assert_eq!(rig.standing("A"), live());
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_a_suspected_channel_do_not_confirm() {
    let rig = Rig::open("A").await;
    rig.run_with(secs(10), |world| world.each("data")).await;
    rig.world().deaf.insert("A".to_owned());
    rig.forget();
    rig.run_with(secs(10), |world| {
        let connection = world.connections.len() - 1;
        world.say(connection, "hb A");
    })
    .await;
    let confirmed = rig.told("A");
    assert!((48..=51).contains(&confirmed.len()), "{} in 10 s", confirmed.len());
}

#[tokio::test(start_paused = true)]
async fn a_broken_book_lapses_until_its_next_snapshot() {
    let rig = Rig::open("A B").await;
    rig.world().tell("checksum", "A");
    rig.world().tell("data", "A");
    rig.run(secs(1)).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::Checksum));
    rig.world().tell("checksum", "A");
    rig.world().tell("snap", "A");
    rig.run(secs(1)).await;
    assert_eq!(rig.told("A")[2..], ["lapsed checksum", "opened", "snap"]);
    assert_eq!(rig.turns("B"), "opened");
    assert_eq!(rig.series("checksum_failures_total", ""), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_breaks_again_and_again_has_its_socket_replaced() {
    let rig = Rig::open("A B").await;
    for _ in 0..6 {
        rig.world().tell("checksum", "A");
        rig.world().tell("snap", "A");
        rig.run(secs(1)).await;
    }
    rig.run(secs(9)).await;
    assert_eq!(rig.series("reconnects_total", ",reason=\"channel\""), 1.0);
    assert_eq!(rig.turns("B"), "opened, lapsed disconnected, opened");
}

#[tokio::test(start_paused = true)]
async fn a_pause_lapses_everything_and_what_follows_begins_anew() {
    let rig = Rig::open("A B").await;
    rig.world().say(0, "pause");
    rig.run(secs(120)).await;
    assert_eq!(rig.all(&lapsed(Lapse::Maintenance)), "A B");
    let shown = rig.snapshot();
    assert_eq!((shown.sockets[0].state, shown.state()), (SocketState::Paused, FeedState::Paused));
    assert_eq!((shown.topics[0].state(), shown.topics[0].reason()), ("stale", Some("maintenance")));
    rig.world().say(0, "resume");
    rig.world().tell("data", "A");
    rig.run(secs(1)).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::Maintenance), "not without a snapshot");
    rig.world().each("snap");
    rig.run(secs(1)).await;
    assert_eq!(rig.turns("A"), "opened, lapsed maintenance, opened");
    assert_eq!(rig.world().attempts.len(), 1, "the socket stayed");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_says_nothing_is_dropped() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.world().ignored.insert("B".to_owned());
    rig.feed.pin(topics("A"));
    rig.run(secs(26)).await;
    assert_eq!(rig.world().count("sub A"), 2, "asked for anew");
    rig.run(secs(24)).await;
    assert_eq!(rig.world().attempts.len(), 2);
    assert_eq!(rig.turns("A"), "lapsed silent");
}
