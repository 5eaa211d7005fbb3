//! What is live, and where.

use super::*;
use crate::{
    config,
    feed::{FeedState, Lapse, Reads, Standing, Want},
};

fn heat(rig: &Rig, reads: &[(&str, f64)]) {
    heat_where(rig, reads, false);
}

fn heat_where(rig: &Rig, reads: &[(&str, f64)], is_short: bool) {
    let reads = reads.iter();
    let reads = reads.map(|(name, a_minute)| (topic(name), *a_minute));
    let reads = reads.map(|(topic, a_minute)| Reads { topic, a_minute, is_short });
    rig.feed.heat(reads.collect());
}

fn small(max_channels: usize) -> config::Feed {
    config::Feed { max_channels, ..settings() }
}

#[tokio::test(start_paused = true)]
async fn a_lease_opens_a_topic_and_a_while_after_the_last_it_closes() {
    let rig = Rig::new();
    let (one, two) = (rig.feed.lease(&topic("A")), rig.feed.lease(&topic("A")));
    assert_eq!(rig.standing("A"), Standing::Opening);
    rig.run(secs(5)).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    assert_eq!(rig.snapshot().topics[0].followers, 2);
    drop(one);
    rig.run_with(secs(60), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    drop(two);
    rig.run_with(secs(29), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    assert_eq!(rig.snapshot().topics[0].want, Want::Lingering);
    rig.run(secs(2)).await;
    assert_eq!(rig.standing("A"), Standing::Unwanted);
    assert_eq!(rig.turns("A"), "opened, closed");
    let shown = rig.snapshot();
    assert!(shown.topics.is_empty() && shown.sockets.is_empty(), "{shown:?}");
    assert_eq!(rig.world().connections[0].heard.last().unwrap(), "bye");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_comes_back_in_time_finds_its_channel() {
    let rig = Rig::new();
    let lease = rig.feed.lease(&topic("A"));
    rig.run(secs(5)).await;
    drop(lease);
    rig.run_with(secs(20), |world| world.each("hb")).await;
    let _lease = rig.feed.lease(&topic("A"));
    rig.run_with(secs(60), |world| world.each("hb")).await;
    assert_eq!(rig.turns("A"), "opened");
    assert_eq!(rig.world().count("sub A"), 1);
}

#[tokio::test(start_paused = true)]
async fn pinned_go_before_followed_and_who_finds_no_room_is_told() {
    let rig = Rig::with(&small(4));
    rig.feed.pin(topics("A B"));
    let leases: Vec<_> = topics("C D E F").iter().map(|topic| rig.feed.lease(topic)).collect();
    rig.run(secs(9)).await;
    assert_eq!(rig.all(&Standing::Live), "A B C D");
    assert_eq!(rig.all(&lapsed(Lapse::NoRoom)), "E F");
    assert_eq!(rig.turns("E"), "lapsed no_room");
    assert_eq!(rig.world().open(), ["A B C", "D"], "packed, a new socket for the rest");

    rig.feed.pin(topics("A B Z"));
    rig.run_with(secs(2), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B C Z");
    assert_eq!(rig.turns("D"), "opened, lapsed no_room");
    rig.feed.pin(topics("A B"));
    rig.run_with(secs(2), |world| world.each("hb")).await;
    assert_eq!(rig.turns("Z"), "opened, closed");
    assert_eq!(rig.turns("D"), "opened, lapsed no_room, opened");
    drop(leases);
    rig.run_with(secs(40), |world| world.each("hb")).await;
    assert_eq!(rig.turns("E"), "lapsed no_room, closed");
    assert_eq!(rig.world().open(), ["A B"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_read_often_earns_a_channel_and_gives_it_back_when_idle() {
    let rig = Rig::new();
    heat(&rig, &[("A", 12.0), ("B", 11.9), ("C", f64::NAN)]);
    rig.run(secs(5)).await;
    assert_eq!(rig.all(&Standing::Live), "A");
    assert_eq!(rig.series("promotions_total", ""), 1.0);
    heat(&rig, &[("A", 5.0)]);
    rig.run_with(secs(110), |world| world.each("hb")).await;
    heat(&rig, &[("A", 12.0)]);
    rig.run_with(secs(5), |world| world.each("hb")).await;
    heat(&rig, &[]);
    rig.run_with(secs(119), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live, "the idle time begins anew");
    assert_eq!(rig.series("demotions_total", ""), 0.0);
    rig.run_with(secs(3), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Unwanted);
    assert_eq!(rig.turns("A"), "opened, closed");
    assert_eq!(rig.series("demotions_total", ""), 1.0);
}

#[tokio::test(start_paused = true)]
async fn where_calls_are_short_what_is_read_again_earns_a_channel_and_keeps_it() {
    let rig = Rig::new();
    heat_where(&rig, &[("A", 1.5), ("B", 1.4)], true);
    rig.run(secs(5)).await;
    assert_eq!(rig.all(&Standing::Live), "A");
    assert_eq!(rig.series("promotions_total", ""), 1.0);
    // The channels have ended the shortage, and are not given back for that.
    heat(&rig, &[("A", 1.5), ("B", 11.9)]);
    rig.run_with(secs(200), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A", "B has to earn its own as ever");
    heat(&rig, &[("A", 1.4)]);
    rig.run_with(secs(119), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    rig.run_with(secs(3), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Unwanted);
    heat(&rig, &[("A", 11.9)]);
    rig.run_with(secs(5), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Unwanted, "what it once had is forgotten");
}

#[tokio::test(start_paused = true)]
async fn where_calls_are_short_what_is_read_little_takes_nobodys_channel() {
    let rig = Rig::with(&small(2));
    heat_where(&rig, &[("A", 1.5), ("B", 4.0)], true);
    rig.run(secs(5)).await;
    assert_eq!(rig.all(&Standing::Live), "A B");
    heat_where(&rig, &[("A", 1.5), ("B", 4.0), ("C", 11.9)], true);
    rig.run_with(secs(60), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B");
    heat_where(&rig, &[("A", 1.5), ("B", 4.0), ("C", 12.0)], true);
    rig.run_with(secs(3), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "B C", "as many reads as are needed at any time");
    heat_where(&rig, &[("B", 4.0), ("D", 1.6), ("E", 3.0)], true);
    rig.run_with(secs(125), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "B E", "of those that wait the most read one goes first");
}

#[tokio::test(start_paused = true)]
async fn only_a_good_deal_hotter_takes_a_channel_and_never_at_once() {
    let rig = Rig::with(&small(2));
    heat(&rig, &[("A", 20.0), ("B", 30.0)]);
    rig.run(secs(5)).await;
    assert_eq!(rig.all(&Standing::Live), "A B");
    heat(&rig, &[("A", 20.0), ("B", 30.0), ("C", 500.0)]);
    rig.run_with(secs(10), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B", "not at once");
    heat(&rig, &[("A", 20.0), ("B", 30.0), ("C", 29.0)]);
    rig.run_with(secs(60), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B", "a little hotter is not enough");
    heat(&rig, &[("A", 20.0), ("B", 30.0), ("C", 31.0)]);
    rig.run_with(secs(3), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "B C");
    assert_eq!(rig.turns("A"), "opened, closed");
    assert_eq!(rig.series("promotions_total", ""), 3.0);
    assert_eq!(rig.series("demotions_total", ""), 1.0);
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_channels_than_there_may_be() {
    let rig = Rig::with(&small(5));
    for round in 0..60_usize {
        let names: Vec<String> = (0..9).map(|n| format!("T{}", (round * 2 + n) % 20)).collect();
        heat(&rig, &[("T3", 90.0), ("T7", 90.0), ("T11", 90.0)]);
        let leases: Vec<_> = names.iter().map(|name| rig.feed.lease(&topic(name))).collect();
        rig.run_with(secs(2), |world| world.each("hb")).await;
        drop(leases);
    }
    assert_eq!(rig.world().peak, 5);
    assert!(rig.world().count("sub T3") < 30);
}

#[tokio::test(start_paused = true)]
async fn what_a_socket_has_no_room_for_goes_to_another() {
    let rig = Rig::new();
    rig.world().cap = Some(2);
    rig.feed.pin(topics("A B C D E"));
    rig.run_with(secs(30), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B C D E");
    let mut open = rig.world().open();
    open.sort_by_key(String::len);
    assert_eq!(open.iter().map(String::len).collect::<Vec<_>>(), [1, 3, 3], "{open:?}");
    assert_eq!(rig.turns("C"), "opened", "nobody notices");
    assert!(rig.snapshot().sockets.iter().filter(|socket| socket.capacity == 2).count() >= 1);
}

#[tokio::test(start_paused = true)]
async fn where_no_socket_has_room_a_topic_rests_and_few_sockets_are_opened() {
    let rig = Rig::new();
    rig.world().cap = Some(0);
    rig.feed.pin(topics("A"));
    rig.run(secs(300)).await;
    assert_eq!(rig.turns("A"), "lapsed no_room");
    let attempts = rig.world().attempts.len();
    assert!((4..=20).contains(&attempts), "{attempts} in five minutes");
    rig.world().cap = None;
    rig.run_with(secs(130), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
}

#[tokio::test(start_paused = true)]
async fn what_the_exchange_calls_invalid_is_not_asked_for_again_for_ten_minutes() {
    let rig = Rig::new();
    rig.world().invalid.insert("B".to_owned());
    rig.feed.pin(topics("A"));
    let _lease = rig.feed.lease(&topic("B"));
    rig.run_with(secs(600), |world| world.each("hb")).await;
    assert_eq!(rig.turns("B"), "refused");
    assert_eq!(rig.standing("B"), lapsed(Lapse::Refused));
    assert_eq!(rig.world().count("sub B"), 1);
    rig.world().invalid.clear();
    rig.run_with(secs(10), |world| world.each("hb")).await;
    assert_eq!(rig.turns("B"), "refused, opened");
    assert_eq!(rig.turns("A"), "opened");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_asked_for_again_ever_more_rarely() {
    let rig = Rig::new();
    rig.world().ignored.insert("B".to_owned());
    rig.feed.pin(topics("A"));
    let lease = rig.feed.lease(&topic("B"));
    rig.run_with(secs(300), |world| world.each("hb")).await;
    assert_eq!(rig.turns("B"), "lapsed refused");
    let asked = rig.world().count("sub B");
    assert!((6..=13).contains(&asked), "asked for {asked} times in five minutes");
    rig.world().ignored.clear();
    rig.run_with(secs(65), |world| world.each("hb")).await;
    assert_eq!(rig.turns("B"), "lapsed refused, opened");
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_switched_off_opens_nothing_and_keeps_nothing() {
    let rig = Rig::with(&config::Feed { enabled: false, ..settings() });
    let lease = rig.feed.lease(&topic("A"));
    rig.feed.pin(topics("B"));
    heat(&rig, &[("C", 100.0)]);
    rig.run(secs(60)).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::NoRoom));
    assert_eq!(rig.standing("B"), Standing::Unwanted);
    assert!(rig.world().attempts.is_empty() && !rig.snapshot().enabled);
    assert_eq!((rig.snapshot().state(), rig.snapshot().max_channels), (FeedState::Off, 0));
    drop(lease);
    assert_eq!(rig.standing("A"), Standing::Unwanted);
    assert!(rig.snapshot().topics.is_empty());
}
