//! Attempts to connect.

use proptest::{collection::vec, prelude::*};
use tokio::time::{Instant, sleep};

use super::{venue::Venue, *};
use crate::{
    config,
    feed::{ConnectError, FeedState, Standing},
};

fn failed() -> ConnectError {
    ConnectError::Failed("no".to_owned())
}

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Restart,
    Fail(usize),
    Block,
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..40_000).prop_map(Step::Run),
        3 => Just(Step::Restart),
        2 => (1_usize..4).prop_map(Step::Fail),
        1 => Just(Step::Block),
        3 => Just(Step::Cut),
    ]
}

/// What a process does that is restarted again and again, on several sockets.
async fn live(steps: Vec<Step>, settings: &config::Feed) -> Vec<Instant> {
    let venue = Venue::default();
    let start = || {
        let rig = Rig::at(venue.clone(), settings);
        rig.feed.pin(topics("A B C D E F G"));
        rig
    };
    let mut rig = start();
    for step in steps {
        match step {
            Step::Run(time) => sleep(millis(time)).await,
            Step::Restart => {
                assert!(rig.tasks.drain(secs(5)).await, "a task does not end");
                rig = start();
            }
            Step::Fail(times) => rig.world().outcomes.extend((0..times).map(|_| failed())),
            Step::Block => rig.world().outcomes.push_back(ConnectError::Blocked),
            Step::Cut => {
                let mut world = rig.world();
                (0..world.connections.len()).for_each(|number| world.cut(number));
            }
        }
    }
    venue.world().attempts.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_minute_holds_more_attempts_than_intervals(
        steps in vec(step(), 1..60),
        interval in 1_000_u64..9_000,
    ) {
        let settings = config::Feed { connect_interval: millis(interval), ..settings() };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let attempts = runtime.unwrap().block_on(live(steps, &settings));
        assert_paced(&attempts, settings.connect_interval);
        for pair in attempts.windows(2) {
            prop_assert!(pair[1] - pair[0] >= settings.connect_interval);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_comes_an_interval_after_the_start_and_sockets_follow_one_by_one() {
    let rig = Rig::new();
    assert_eq!(rig.snapshot().state(), FeedState::Idle);
    rig.feed.pin(topics("A B C D E F G"));
    rig.run(secs(2)).await;
    assert_eq!(rig.snapshot().state(), FeedState::Connecting);
    rig.run(secs(18)).await;
    assert_eq!(rig.snapshot().state(), FeedState::Connected);
    let world = rig.world();
    let times: Vec<u128> =
        world.attempts.iter().map(|at| (*at - rig.start).as_secs_f64().round() as u128).collect();
    assert_eq!(times, [4, 8, 12], "seven topics, three a socket");
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_to_the_longest_pause_and_a_connection_that_held_ends_that() {
    let rig = Rig::new();
    rig.world().outcomes.extend((0..8).map(|_| failed()));
    rig.feed.pin(topics("A"));
    rig.run_with(secs(400), |world| world.each("hb")).await;
    assert_eq!(rig.standing("A"), Standing::Live);
    let gaps: Vec<f64> =
        rig.world().attempts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert_eq!(gaps.len(), 8);
    for (gap, longest) in gaps.iter().zip([4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]) {
        let least = f64::max(longest / 2.0, 4.0);
        assert!((least - 0.1..=longest + 0.1).contains(gap), "{gap} of {longest}");
    }
    assert_eq!(rig.turns("A"), "lapsed disconnected, opened", "told once");
    assert_eq!(rig.series("connect_attempts_total", ",outcome=\"failed\""), 8.0);
    assert_eq!(rig.series("connect_attempts_total", ",outcome=\"ok\""), 1.0);

    rig.run_with(secs(30), |world| world.each("hb")).await;
    rig.forget();
    rig.world().cut(0);
    rig.run(secs(1)).await;
    assert_eq!(rig.turns("A"), "lapsed disconnected, opened", "at once after it held");
}

#[tokio::test(start_paused = true)]
async fn after_a_429_no_socket_connects_for_a_minute() {
    let rig = Rig::new();
    rig.world().outcomes.push_back(ConnectError::Blocked);
    rig.feed.pin(topics("A B C D"));
    rig.run(secs(63)).await;
    assert_eq!(rig.world().attempts.len(), 1);
    assert!(rig.snapshot().rest <= secs(2));
    rig.run(secs(6)).await;
    let attempts = rig.world().attempts.clone();
    assert_eq!(attempts.len(), 3);
    assert!(attempts[1] - attempts[0] >= secs(60));
    assert_eq!(rig.series("connect_attempts_total", ",outcome=\"blocked\""), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_not_answered_ends_after_ten_seconds() {
    let rig = Rig::new();
    rig.world().hangs = true;
    rig.feed.pin(topics("A"));
    rig.run(secs(15)).await;
    assert_eq!(rig.world().attempts.len(), 1);
    assert_eq!(rig.series("connect_attempts_total", ",outcome=\"timeout\""), 1.0);
    rig.world().hangs = false;
    rig.run(secs(5)).await;
    assert_eq!(rig.standing("A"), Standing::Live);
}
