//! Books whose channels tell changes only, and what is right without a checksum.

use super::*;
use crate::feed::{Lapse, Standing};

#[tokio::test(start_paused = true)]
async fn a_book_is_fetched_for_a_channel_that_tells_changes_only() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.feed.pin(topics("A"));
    rig.run(secs(5)).await;
    rig.world().say(0, "fetch A");
    rig.world().say(0, "fetch A");
    rig.run(millis(50)).await;
    assert_eq!(rig.told("A"), ["fetch 5"], "once for both");
    rig.run(secs(1)).await;
    rig.world().say(0, "data A");
    rig.world().say(0, "sound A");
    rig.run(millis(100)).await;
    assert_eq!(rig.told("A"), ["fetch 5", "opened", "snap", "data", "sound"]);
}

#[tokio::test(start_paused = true)]
async fn a_book_that_cannot_be_had_is_fetched_again_after_longer_and_longer_pauses() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.books(&[false; 7]);
    rig.feed.pin(topics("A"));
    rig.run(secs(5)).await;
    rig.world().say(0, "fetch A");
    rig.run_with(secs(100), |world| world.say(0, "pong")).await;
    let fetches = rig.fetches("A");
    let pauses: Vec<u64> =
        fetches.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as u64 / 100).collect();
    assert_eq!(pauses, [11, 21, 41, 81, 161, 301, 301], "and 100 ms each takes");
    assert_eq!(rig.standing("A"), Standing::Live);
    assert_eq!(rig.turns("A").matches("lapsed").count(), 0, "nor was it taken for silent");
    assert_eq!(rig.world().count("sub A"), 1);

    let before = rig.elapsed();
    rig.world().say(0, "fetch A");
    rig.run(secs(1)).await;
    let last = *rig.fetches("A").last().unwrap();
    assert!(last - before < millis(20), "what was of use is fetched at once the next time");
}

#[tokio::test(start_paused = true)]
async fn fetches_end_with_their_connection() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.books(&[false]);
    rig.feed.pin(topics("A"));
    rig.run(secs(5)).await;
    rig.world().say(0, "fetch A");
    rig.run(millis(500)).await;
    rig.world().cut(0);
    rig.run(secs(30)).await;
    assert_eq!(rig.fetches("A").len(), 1, "the second one was given up in its pause");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lives_confirms_all_its_channels_and_no_others() {
    let rig = Rig::open("A B C D").await;
    rig.forget();
    rig.run_with(secs(30), |world| {
        world.say(0, "alive");
        world.say(1, "pong");
    })
    .await;
    assert_eq!(rig.told("A").len(), 300);
    assert!(rig.told("B").iter().all(|what| what == "confirmed"));
    assert_eq!(rig.turns("D"), "lapsed silent, opened", "on the other one");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_has_nothing_to_say_yet_is_waited_for_as_long_as_its_connection_lives() {
    let rig = Rig::new();
    rig.world().frozen.insert("A".to_owned());
    rig.feed.pin(topics("A"));
    rig.run_with(secs(3600), |world| {
        if !world.connections.is_empty() {
            world.say(0, "alive");
        }
    })
    .await;
    assert_eq!(rig.world().count("sub A"), 1);
    assert_eq!(rig.world().attempts.len(), 1);
    assert_eq!(rig.standing("A"), Standing::Opening);
    rig.run(secs(19)).await;
    assert_eq!(rig.world().count("sub A"), 1);
    rig.run(secs(3)).await;
    assert_eq!(rig.standing("A"), lapsed(Lapse::Silent), "then it is asked for anew");
    assert_eq!(rig.world().count("sub A"), 2);
}
