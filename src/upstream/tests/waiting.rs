//! Queue, classes, deadlines and callers who hang up.

use proptest::prelude::*;

use super::*;

/// 30 a minute: 10 at once, the others as [`turn`] tells.
pub(super) async fn spent() -> Rig {
    let rig = Rig::new(30);
    rig.burst(10).await;
    rig
}

/// The `n`th turn after the burst. The 21st is the first with a slot of the burst; so many even
/// steps lead there, the first of them with 250 ms taken for the burst's answers, the others with
/// the 150 ms they needed.
pub(super) fn turn(n: u64) -> Duration {
    let (guessed, known) = (60_251, 60_151);
    let first = guessed / 21;
    millis(first + (known - first) * (n - 1) / 20)
}

/// Lets every task that can run do so, without the clock.
pub(super) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_go_before_refreshes_before_background_each_in_order() {
    let rig = spent().await;
    let mut asked = Vec::new();
    for class in [Wait::Background, Wait::Refresh, Wait::Client] {
        for _ in 0..2 {
            asked.push(rig.spawn(Call::within(secs(30)).class(class)));
            settle().await;
        }
    }
    assert_eq!(rig.candles().waiting.client, 2);
    assert_eq!(rig.candles().waiting.total(), 6);
    let mut turns = Vec::new();
    for call in asked {
        turns.push(call.await.unwrap().unwrap() - rig.start);
    }
    for (actual, expected) in turns.into_iter().zip([5, 6, 3, 4, 1, 2]) {
        assert_about(actual, turn(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn one_turn_in_four_goes_to_those_who_starve() {
    let rig = spent().await;
    let background = Call::within(secs(300)).class(Wait::Background);
    let low: Vec<_> = (0..4).map(|_| rig.spawn(background.clone())).collect();
    let high: Vec<_> = (0..40).map(|_| rig.spawn(Call::within(secs(300)))).collect();
    let mut turns = Vec::new();
    for (class, calls) in [('b', low), ('c', high)] {
        for call in calls {
            turns.push((call.await.unwrap().unwrap() - rig.start, class));
        }
    }
    turns.sort();
    let order: String = turns.iter().map(|(_, class)| *class).collect();
    // 5 turns up to 14.3 s, the bound is 15 s.
    assert_eq!(order, format!("cccccbcccbcccbcccb{}", "c".repeat(26)));
    assert_about(turns[5].0, turn(6));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_told_at_once_and_truly() {
    let rig = spent().await;
    let asked = Instant::now();
    let refusal = rig.call(Call::within(millis(500))).await.unwrap_err();
    assert_eq!(asked.elapsed(), Duration::ZERO);
    let CallError::BudgetExhausted { retry_after } = refusal else { panic!("{refusal:?}") };
    assert_about(retry_after, turn(1) - rig.elapsed());
    sleep(retry_after).await;
    let sent = rig.call(Call::within(millis(200))).await.unwrap();
    assert_eq!(sent, asked + retry_after.max(sent - asked));
    assert_about(sent - asked, retry_after);
}

#[tokio::test(start_paused = true)]
async fn the_wait_counts_the_queue_and_the_window() {
    let rig = spent().await;
    let now = rig.elapsed();
    let waiting: Vec<_> = (0..4).map(|_| rig.spawn(Call::within(secs(30)))).collect();
    settle().await;
    let wait = |refused: Result<Instant, CallError>| refused.unwrap_err().retry_after().unwrap();
    assert_about(wait(rig.call(Call::within(secs(9))).await), turn(5) - now);
    let background = Call::within(secs(9)).class(Wait::Background);
    assert_about(wait(rig.call(background).await), turn(5) - now);
    // A refresh that waits does not hold a client up.
    let _refresh = rig.spawn(Call::within(secs(30)).class(Wait::Refresh));
    settle().await;
    assert_about(wait(rig.call(Call::within(secs(9))).await), turn(5) - now);
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    // 30 used before the minute is over: the next slot is the first burst's, one window after its answers.
    let rest: Vec<_> = (0..15).map(|_| rig.spawn(Call::within(secs(50)))).collect();
    for call in rest {
        call.await.unwrap().unwrap();
    }
    assert_eq!(rig.sent(), 30);
    let now = rig.elapsed();
    assert_about(wait(rig.call(Call::within(secs(2))).await), millis(60_151) - now);
    assert_about(rig.candles().next_slot_in, millis(60_151) - now);
}

#[tokio::test(start_paused = true)]
async fn who_is_pushed_past_his_deadline_is_told_when_that_is_certain() {
    let rig = spent().await;
    let refresh = rig.spawn(Call::within(secs(5)).class(Wait::Refresh));
    sleep(millis(100)).await;
    assert!(!refresh.is_finished());
    let clients: Vec<_> = (0..3).map(|_| rig.spawn(Call::within(secs(30)))).collect();
    let told = Instant::now();
    let refusal = refresh.await.unwrap().unwrap_err();
    assert_eq!(told.elapsed(), Duration::ZERO);
    let CallError::BudgetExhausted { retry_after } = refusal else { panic!("{refusal:?}") };
    assert_about(retry_after, turn(4) - (told - rig.start));
    for client in clients {
        client.await.unwrap().unwrap();
    }
}

/// The slot that a waiter was promised is overdue, since the call that holds it takes longer
/// than calls usually do.
#[tokio::test(start_paused = true)]
async fn a_broken_promise_is_owned_up_to_by_the_deadline() {
    let rig = Rig::new(1);
    let slow = rig.spawn(Call::within(secs(30)).taking(secs(8)));
    settle().await;
    let waiter = rig.spawn(Call::within(secs(61)));
    let refusal = waiter.await.unwrap().unwrap_err();
    assert!(matches!(refusal, CallError::BudgetExhausted { .. }), "{refusal:?}");
    assert!(rig.elapsed() <= millis(1_251), "told at {:?}", rig.elapsed());
    slow.await.unwrap().unwrap();
    assert_eq!(rig.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_hangs_up_spends_nothing() {
    let rig = spent().await;
    let gone: Vec<_> = (0..5).map(|_| rig.spawn(Call::within(secs(30)))).collect();
    let stays = rig.spawn(Call::within(secs(30)));
    sleep(millis(500)).await;
    for call in gone {
        call.abort();
    }
    let sent = stays.await.unwrap().unwrap();
    assert_about(sent - rig.start, turn(1));
    assert_eq!(rig.sent(), 11);
    assert_eq!(rig.candles().used, 11);
}

/// Hung up between the grant and the first poll after it: window and pace get the turn back.
#[tokio::test(start_paused = true)]
async fn a_turn_that_finds_nobody_goes_to_the_next() {
    let rig = spent().await;
    let mut first = Box::pin(rig.call(Call::within(secs(30))));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    let second = rig.spawn(Call::within(secs(30)));
    // The first is granted its turn within 3 s, and never looks.
    sleep(secs(3)).await;
    assert_eq!((rig.candles().used, rig.sent()), (11, 10));
    drop(first);
    let sent = second.await.unwrap().unwrap();
    assert_about(sent - rig.start, secs(3) + millis(150));
    assert_eq!(rig.candles().used, 11);
}

#[tokio::test(start_paused = true)]
async fn a_sent_request_that_is_dropped_stays_charged() {
    let rig = Rig::new(30);
    let call = rig.spawn(Call::within(secs(30)).taking(secs(9)));
    settle().await;
    assert_eq!(rig.sent(), 1);
    call.abort();
    sleep(secs(59)).await;
    assert_eq!(rig.candles().used, 1);
    sleep(secs(7)).await;
    assert_eq!(rig.candles().used, 0);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_clients_displace_the_lower_classes() {
    let settings = config::Upstream { max_queue: 2, ..settings() };
    let rig = Rig::with(&[(Family::Candles, 30)], &settings);
    rig.burst(10).await;
    let now = rig.elapsed();
    let refresh = rig.spawn(Call::within(secs(30)).class(Wait::Refresh));
    let client = rig.spawn(Call::within(secs(30)));
    settle().await;
    let full = rig.call(Call::within(secs(30)).class(Wait::Refresh)).await.unwrap_err();
    let CallError::QueueFull { retry_after } = full else { panic!("{full:?}") };
    assert_about(retry_after, turn(3) - now);
    let second = rig.spawn(Call::within(secs(30)));
    let displaced = refresh.await.unwrap().unwrap_err();
    assert!(matches!(displaced, CallError::QueueFull { .. }), "{displaced:?}");
    let full = rig.call(Call::within(secs(30))).await.unwrap_err();
    assert!(matches!(full, CallError::QueueFull { .. }), "{full:?}");
    client.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(rig.sent(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_sends_nothing() {
    let rig = Rig::new(30);
    let refused = rig.call(Call::within(Duration::ZERO)).await;
    assert_eq!(refused, Err(CallError::DeadlineExceeded));
    assert_eq!((rig.sent(), rig.candles().used), (0, 0));
}

/// A turn so late that the usual answer comes after the deadline would be wasted.
#[tokio::test(start_paused = true)]
async fn the_time_of_the_answer_counts_against_the_deadline() {
    let rig = spent().await;
    let left = turn(1) - rig.elapsed();
    let refused = rig.call(Call::within(left + millis(100))).await.unwrap_err();
    assert!(matches!(refused, CallError::BudgetExhausted { .. }), "{refused:?}");
    rig.call(Call::within(left + millis(200))).await.unwrap();
}

/// A request that waits when the process is told to stop is still served.
#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_while_the_process_drains() {
    let tasks = tasks();
    let families = pools(&[(Family::Candles, 30)]);
    let metrics = Metrics::new();
    let upstream = Upstream::new("test", &families, &settings(), &metrics, &tasks);
    let rig = Rig::of(upstream, metrics);
    rig.burst(10).await;
    let waiter = rig.spawn(Call::within(secs(10)));
    settle().await;
    assert!(tasks.drain(secs(5)).await);
    let sent = waiter.await.unwrap().unwrap();
    assert_about(sent - rig.start, turn(1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whoever is refused and comes back when told to is served then. (With lower classes in
    /// the queue one of them takes the slot at that very instant, if it is free before he is
    /// back.)
    #[test]
    fn retry_after_is_true(
        limit in 1u32..60,
        calls in proptest::collection::vec((0u64..90_000, 0u64..60_000), 0..150),
        asks_at in 0u64..120_000,
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async move {
            let rig = Rig::new(limit);
            let mut others = JoinSet::new();
            for (at, within) in calls.into_iter().filter(|(at, _)| *at < asks_at) {
                let rig = rig.clone();
                others.spawn(async move {
                    sleep(millis(at)).await;
                    let _ignored = rig.call(Call::within(millis(within))).await;
                });
            }
            sleep(millis(asks_at)).await;
            if let Err(refusal) = rig.call(Call::within(millis(1))).await {
                if refusal == CallError::DeadlineExceeded {
                    return; // It was sent at once, and a millisecond is no time for an answer.
                }
                sleep(refusal.retry_after().unwrap()).await;
                let back = Instant::now();
                let sent = rig.call(Call::within(secs(1))).await;
                let waited = sent.expect("came back as told") - back;
                assert!(waited <= millis(5), "waited {waited:?} more");
            }
        });
    }
}
