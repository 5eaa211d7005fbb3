//! A connection that is replaced before the exchange ends it.

use super::{venue::Venue, *};
use crate::feed::{Lapse, Standing};

/// The names of what is open on each connection that is not gone.
fn open(rig: &Rig) -> Vec<String> {
    rig.world().open()
}

#[tokio::test(start_paused = true)]
async fn topics_move_one_by_one_when_the_new_connection_has_brought_their_first_data() {
    let rig = Rig::open("A B").await;
    rig.forget();
    rig.world().say(0, "row A 1");
    rig.world().frozen.extend(["A".to_owned(), "B".to_owned()]);
    rig.world().say(0, "leave");
    rig.run_with(secs(5), |world| world.say(0, "hb B")).await;
    assert_eq!(open(&rig), ["A B", "A B"], "both are open");
    for (connection, text) in [
        (0, "row A 2"),
        (1, "data A"),
        (1, "row A 3"),
        (0, "row A 4"),
        (0, "cs A"),
        (0, "checksum A"),
        (1, "row A 5"),
        (0, "row B 6"),
    ] {
        rig.world().say(connection, text);
        rig.run(millis(100)).await;
    }
    assert_eq!(rig.told("A"), ["1", "2", "opened", "3", "5"], "one history, of one at a time");
    assert_eq!(rig.standing("B"), Standing::Live);
    assert_eq!(open(&rig).len(), 2, "B has not moved");
    rig.world().say(1, "row B 7");
    rig.run(millis(200)).await;
    let told: Vec<String> = rig.told("B").into_iter().filter(|what| what != "confirmed").collect();
    assert_eq!(told, ["6", "opened", "7"]);
    assert_eq!(open(&rig), ["A B"], "one connection is left");
    assert_eq!(rig.world().connections[0].heard.last().unwrap(), "bye");
    let sockets = rig.snapshot().sockets;
    assert_eq!((sockets.len(), sockets[0].reconnects), (1, 0));
    assert_eq!(rig.series("reconnects_total", ",reason=\"replaced\""), 1.0);
    assert_eq!(rig.series("connect_attempts_total", ",outcome=\"ok\""), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_replaced_before_its_lifetime_is_over_and_so_is_the_next_one() {
    let venue = Venue::with(|live| live.lifetime = Some(secs(1000)));
    let rig = Rig::open_at(venue, "A B C").await;
    rig.forget();
    rig.run_with(secs(2100), |world| {
        let all = 0..world.connections.len();
        all.for_each(|connection| world.say(connection, "alive"));
    })
    .await;
    let attempts = rig.world().attempts.clone();
    assert_eq!(attempts.len(), 3);
    for pair in attempts.windows(2) {
        let lived = (pair[1] - pair[0]).as_secs_f64();
        assert!((950.0..=1001.0).contains(&lived), "{lived}");
    }
    for name in ["A", "B", "C"] {
        assert_eq!(rig.turns(name), "opened, opened", "{name} never lapsed");
    }
    assert_eq!(open(&rig), ["A B C"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_within_a_quarter_of_an_hour_lapses() {
    let rig = Rig::open("A B").await;
    rig.forget();
    rig.world().frozen.insert("B".to_owned());
    rig.world().say(0, "leave");
    let began = rig.elapsed();
    let keep = |world: &mut super::venue::World| {
        world.say(0, "hb B");
        let last = world.connections.len() - 1;
        world.say(last, "hb A");
    };
    rig.run_with(secs(898), keep).await;
    assert_eq!((rig.turns("A").as_str(), rig.turns("B").as_str()), ("opened", ""));
    assert_eq!(rig.standing("B"), Standing::Live, "on the old one");
    rig.run_with(secs(8), keep).await;
    assert_eq!(rig.turns("B"), "lapsed disconnected");
    let after = rig.when("B", "lapsed disconnected") - rig.start - began;
    assert!((secs(900)..secs(905)).contains(&after), "{after:?}");
    assert_eq!(open(&rig), ["A B"]);
    rig.world().say(1, "row B 1");
    rig.run(millis(200)).await;
    assert_eq!(rig.standing("B"), Standing::Live, "its channel is that of the new connection");
}

#[tokio::test(start_paused = true)]
async fn the_old_connection_may_end_first() {
    let rig = Rig::open("A B").await;
    rig.forget();
    rig.world().frozen.insert("B".to_owned());
    rig.world().say(0, "leave");
    rig.run_with(secs(5), |world| world.say(0, "hb B")).await;
    rig.world().cut(0);
    rig.run(millis(200)).await;
    assert_eq!(
        (rig.turns("A").as_str(), rig.turns("B").as_str()),
        ("opened", "lapsed disconnected")
    );
    assert_eq!(rig.world().attempts.len(), 2, "the new one is there already");
    rig.world().say(1, "row B 1");
    rig.run(millis(200)).await;
    assert_eq!(rig.turns("B"), "lapsed disconnected, opened");
}

#[tokio::test(start_paused = true)]
async fn the_new_connection_may_end_first() {
    let rig = Rig::open("A B").await;
    rig.run_with(secs(40), |world| world.each("hb")).await;
    rig.forget();
    rig.world().frozen.insert("B".to_owned());
    rig.world().say(0, "leave");
    rig.run_with(secs(1), |world| world.say(0, "hb B")).await;
    assert_eq!(rig.turns("A"), "opened");
    rig.world().cut(1);
    rig.run_with(secs(1), |world| world.say(0, "hb B")).await;
    assert_eq!(rig.turns("A"), "opened, lapsed disconnected, opened", "back on the old one");
    assert_eq!(rig.turns("B"), "", "which B has never left");
    rig.world().frozen.clear();
    rig.run_with(secs(15), |world| world.each("hb")).await;
    assert_eq!(rig.turns("B"), "opened", "and tries again");
    assert_eq!(open(&rig), ["A B"]);
    assert_eq!(rig.world().attempts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn while_no_new_connection_can_be_had_the_old_one_goes_on_to_its_end() {
    let rig = Rig::open("A").await;
    rig.run_with(secs(40), |world| world.each("hb")).await;
    rig.forget();
    rig.world().hangs = true;
    rig.world().say(0, "leave");
    rig.run_with(secs(50), |world| world.each("hb")).await;
    assert_eq!((rig.standing("A"), rig.turns("A")), (Standing::Live, String::new()));
    let attempts = rig.world().attempts.len();
    assert!((3..=5).contains(&attempts), "{attempts}");
    rig.world().cut(0);
    rig.run(millis(200)).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::Disconnected));
    rig.world().hangs = false;
    rig.run_with(secs(60), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
}

#[tokio::test(start_paused = true)]
async fn topics_come_and_go_while_others_move() {
    let rig = Rig::open("A B").await;
    rig.forget();
    rig.world().frozen.extend(["A".to_owned(), "B".to_owned()]);
    rig.world().say(0, "leave");
    rig.run_with(secs(5), |world| world.say(0, "hb A")).await;
    rig.feed.pin(topics("A C"));
    rig.run_with(secs(1), |world| world.say(0, "hb A")).await;
    assert_eq!(rig.turns("B"), "closed");
    assert_eq!(rig.turns("C"), "opened");
    assert_eq!(open(&rig), ["A", "A C"], "what is new need not move");
    rig.world().say(1, "row A 1");
    rig.run(millis(200)).await;
    assert_eq!((open(&rig), rig.turns("A")), (vec!["A C".to_owned()], "opened".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_the_new_connection_refuses_goes_elsewhere_in_the_end() {
    let rig = Rig::open("A B").await;
    rig.forget();
    rig.world().cap = Some(1);
    rig.world().say(0, "leave");
    rig.run_with(secs(20), |world| {
        world.each("hb");
    })
    .await;
    assert_eq!(rig.all(&Standing::Live), "A B");
    assert_eq!(rig.turns("A"), "opened");
    assert_eq!(open(&rig), ["A", "B"], "each on a socket of its own");
}
