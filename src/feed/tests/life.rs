//! Connections that end, tasks that panic, the process that stops.

use super::*;
use crate::feed::{FeedState, Lapse, SocketState, Standing};

#[tokio::test(start_paused = true)]
async fn a_lost_message_drops_the_socket_and_everything_comes_back() {
    let rig = Rig::open("A B C D").await;
    rig.forget();
    rig.world().say(0, "gap");
    rig.run(secs(1)).await;
    assert_eq!(rig.all(&lapsed(Lapse::Lost)), "A B C");
    assert_eq!(rig.turns("A"), "lapsed lost", "nothing else of that message counts");
    rig.run_with(secs(9), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B C D");
    assert_eq!(rig.turns("A"), "lapsed lost, opened");
    assert_eq!(rig.turns("D"), "", "the other socket went on");
    assert_eq!(rig.series("reconnects_total", ",reason=\"lost\""), 1.0);
    assert_eq!(rig.snapshot().sockets[0].reconnects, 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_exchange_is_followed_after_a_pause() {
    let rig = Rig::open("A").await;
    rig.run_with(secs(60), |world| world.each("hb")).await;
    rig.world().say(0, "restart");
    let before = rig.elapsed();
    rig.run_with(millis(400), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::Disconnected));
    rig.run_with(secs(5), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    let again = rig.world().attempts[1] - rig.start - before;
    assert!((millis(400)..secs(6)).contains(&again), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_ends_its_socket_and_not_the_feed() {
    let rig = Rig::open("A B C D").await;
    rig.run_with(secs(40), |world| world.each("hb")).await;
    rig.forget();
    rig.world().say(0, "nonsense");
    rig.run(millis(200)).await;
    assert_eq!(*rig.panics.lock().unwrap(), ["feed socket"]);
    assert_eq!(rig.all(&lapsed(Lapse::Disconnected)), "A B C");
    rig.run_with(secs(9), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B C D");
    assert_eq!(rig.turns("A"), "lapsed disconnected, opened");
    assert_eq!(rig.turns("D"), "");
    assert_eq!(rig.series("reconnects_total", ",reason=\"panic\""), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_while_its_socket_is_down_is_closed() {
    let rig = Rig::new();
    rig.world().hangs = true;
    let (a, b) = (rig.feed.lease(&topic("A")), rig.feed.lease(&topic("B")));
    rig.run(secs(16)).await;
    drop(a);
    rig.run(secs(31)).await;
    assert_eq!(rig.turns("A"), "lapsed disconnected, closed");
    rig.world().hangs = false;
    rig.run_with(secs(30), |world| world.each("hb")).await;
    assert_eq!(rig.standing("B"), Standing::Live);
    assert_eq!(rig.world().count("sub A"), 0);
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn every_task_ends_when_the_process_stops() {
    let rig = Rig::open("A B C D").await;
    rig.world().hangs = true;
    rig.feed.pin(topics("A B C D E F G"));
    rig.run(secs(5)).await;
    assert_eq!(rig.snapshot().sockets[2].state, SocketState::Connecting);
    assert_eq!(rig.snapshot().state(), FeedState::Degraded);
    assert!(rig.tasks.drain(secs(2)).await);
    let world = rig.world();
    assert!(world.connections.iter().all(|connection| connection.gone));
    assert_eq!(world.connections[0].heard.last().unwrap(), "bye");
    assert!(rig.panics.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_feed_shows_its_sockets_topics_and_counts() {
    let rig = Rig::open("A B").await;
    rig.run_with(secs(2), |world| world.tell("data", "A")).await;
    let shown = rig.snapshot();
    assert_eq!((shown.state(), shown.channels()), (FeedState::Connected, 2));
    assert_eq!((shown.topics[0].state(), shown.topics[0].reason()), ("live", None));
    let socket = &shown.sockets[0];
    assert_eq!((socket.id, socket.channels, socket.capacity), (1, 2, 3));
    assert_eq!((socket.state, socket.reconnects), (SocketState::Open, 0));
    assert!(socket.last_message_age.unwrap() <= millis(110));
    assert!(shown.topics[0].age.unwrap() <= millis(110));
    assert!(shown.topics[1].age.unwrap() >= secs(2));
    assert_eq!(shown.topics[1].socket, Some(1));
    assert_eq!((shown.totals.messages, shown.totals.connect_attempts), (22, 1));
    assert_eq!(shown.totals.bytes, 2 * 4 + 2 * 6 + 20 * 6 + 18 * 4, "with heartbeats");
    assert_eq!(rig.series("connected", ""), 1.0);
    assert_eq!(rig.series("channels", ""), 2.0);
    assert_eq!(rig.series("messages_total", ",kind=\"book\""), 22.0);
    assert_eq!(rig.series("bytes_total", ""), 212.0);
    let age =
        |stat| rig.series("last_message_age_seconds", &format!(",kind=\"book\",stat=\"{stat}\""));
    assert!(age("worst") >= 2.0 && age("worst") < 3.5, "{}", age("worst"));
    assert!(age("median") < 1.2, "{}", age("median"));
}

#[tokio::test(start_paused = true)]
async fn a_cordon_closes_every_connection_until_it_is_lifted() {
    let rig = Rig::open("A B C D").await;
    rig.forget();
    rig.feed.cordon(true);
    rig.run(secs(2)).await;
    assert_eq!((rig.snapshot().state(), rig.snapshot().sockets.len()), (FeedState::Idle, 0));
    assert!(rig.world().connections.iter().all(|connection| connection.gone));
    assert_eq!(rig.turns("A"), "lapsed no_room", "its followers are told");
    let attempts = rig.world().attempts.len();
    rig.run(secs(120)).await;
    assert_eq!(rig.world().attempts.len(), attempts);
    rig.forget();
    rig.feed.cordon(false);
    rig.run_with(secs(10), |world| world.each("hb")).await;
    assert_eq!(rig.all(&Standing::Live), "A B C D");
    assert_eq!(rig.turns("A"), "opened");
}
