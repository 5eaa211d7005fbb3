//! 429s: closing, probing, reopening, learning.

use super::*;

const OTHERS: [(Family, u32); 3] =
    [(Family::Candles, 30), (Family::Book, 240), (Family::Trades, 15)];

fn left(result: Result<Instant, CallError>) -> Duration {
    match result {
        Err(CallError::RateLimited { retry_after }) => retry_after,
        other => panic!("expected a ban, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_closes_the_family_for_as_long_as_it_says() {
    for (named, expected) in [(Some(secs(7)), 7), (None, 60), (Some(Duration::ZERO), 60)] {
        let rig = Rig::with(&OTHERS, &settings());
        let error = UpstreamError::RateLimited { retry_after: named };
        let first = rig.call(Call::within(secs(5)).failing(error)).await;
        assert_eq!(left(first), secs(expected));
        assert_eq!(rig.candles().banned_for, secs(expected));
        assert_eq!(rig.upstream.ready(Family::Candles), 0);
        let asked = Instant::now();
        assert_eq!(left(rig.call(Call::within(secs(5))).await), secs(expected));
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(rig.sent(), 1);
        rig.call(Call::within(secs(5)).of(Family::Book)).await.unwrap();
        sleep(secs(expected)).await;
        assert_eq!(rig.candles().banned_for, Duration::ZERO);
        assert_eq!(rig.upstream.ready(Family::Candles), 1);
        rig.call(Call::within(secs(5))).await.unwrap();
        assert!(rig.upstream.ready(Family::Candles) > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_that_cannot_outlast_the_ban_are_told_the_others_wait() {
    let rig = Rig::new(30);
    rig.burst(9).await;
    let offender = rig.spawn(Call::within(secs(5)).taking(secs(1)).failing(banned(20)));
    sleep(millis(10)).await;
    let short = rig.spawn(Call::within(secs(9)));
    let long = rig.spawn(Call::within(secs(40)));
    sleep(millis(10)).await;
    assert_eq!(rig.candles().waiting.client, 2);
    offender.await.unwrap().unwrap_err();
    let told = Instant::now();
    let wait = left(short.await.unwrap());
    assert_eq!(told.elapsed(), Duration::ZERO);
    assert!(wait >= secs(20), "{wait:?}");
    let sent = long.await.unwrap().unwrap();
    assert_about(sent - told, secs(20));
}

#[tokio::test(start_paused = true)]
async fn one_probe_reopens_however_many_wait() {
    let rig = Rig::new(240);
    rig.call(Call::within(secs(5)).failing(banned(30))).await.unwrap_err();
    let closed = Instant::now();
    let patient = Call::within(secs(100)).taking(secs(3));
    let waiters: Vec<_> = (0..40).map(|_| rig.spawn(patient.clone())).collect();
    sleep(secs(29)).await;
    assert_eq!(rig.sent(), 1);
    // Nobody has answered well yet: 250 ms are taken for the probe's answer, then 40 go first.
    let refused = rig.call(Call::within(millis(1_240))).await;
    assert_about(left(refused), secs(1) + millis(250));
    sleep(secs(3)).await;
    assert_eq!(rig.sent(), 2);
    let mut turns = Vec::new();
    for waiter in waiters {
        turns.push(waiter.await.unwrap().unwrap() - closed);
    }
    turns.sort();
    assert_about(turns[0], secs(30));
    assert_about(turns[1], secs(33));
    assert_eq!(rig.candles().banned_for, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_meets_a_429_closes_again() {
    let rig = Rig::new(30);
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    sleep(secs(10)).await;
    let probe = rig.spawn(Call::within(secs(5)).failing(banned(20)));
    sleep(millis(1)).await;
    let other = rig.spawn(Call::within(secs(5)));
    assert_eq!(left(probe.await.unwrap()), secs(20));
    assert!(left(other.await.unwrap()) >= secs(20));
    sleep(secs(20)).await;
    rig.call(Call::within(secs(5))).await.unwrap();
    assert_eq!(rig.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_up_or_proves_nothing_leaves_it_to_the_next() {
    let rig = Rig::new(30);
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    sleep(secs(10)).await;
    let gone = rig.spawn(Call::within(secs(5)).taking(secs(4)));
    sleep(millis(1)).await;
    let next = rig.spawn(Call::within(secs(5)).taking(secs(1)).failing(unavailable()));
    sleep(millis(1)).await;
    assert_eq!(rig.sent(), 2);
    gone.abort();
    sleep(millis(1)).await;
    assert_eq!(rig.sent(), 3);
    assert_eq!(next.await.unwrap(), Err(CallError::Upstream(unavailable())));
    assert_eq!(rig.upstream.ready(Family::Candles), 1);
    rig.call(Call::within(secs(5))).await.unwrap();
    assert!(rig.upstream.ready(Family::Candles) > 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_an_earlier_call_does_not_reopen() {
    let rig = Rig::new(30);
    let early = rig.spawn(Call::within(secs(15)).taking(secs(12)));
    let earlier = rig.spawn(Call::within(secs(15)).taking(secs(2)));
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    earlier.await.unwrap().unwrap();
    assert!(left(rig.call(Call::within(secs(1))).await) > secs(8));
    early.await.unwrap().unwrap();
    // The ban's time is over by now, but only a probe reopens.
    assert_eq!(rig.upstream.ready(Family::Candles), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_familys_429_closes_the_exchange_until_the_later_end() {
    let rig = Rig::with(&OTHERS, &settings());
    rig.call(Call::within(secs(5)).failing(banned(40))).await.unwrap_err();
    let book = Call::within(secs(5)).of(Family::Book);
    rig.call(book.clone()).await.unwrap();
    let waiter = rig.spawn(Call::within(secs(100)).of(Family::Trades));
    waiter.await.unwrap().unwrap();
    let second = left(rig.call(book.clone().failing(banned(10))).await);
    let end = rig.elapsed() + second;
    assert_about(end, millis(40_150));
    assert_eq!(rig.upstream.snapshot().banned_for, second);
    let trades = Call::within(secs(5)).of(Family::Trades);
    assert_eq!(left(rig.call(trades.clone()).await), second);

    // One probe for all families, whichever comes first.
    let before = rig.sent();
    let mut patient = Vec::new();
    for family in [Family::Candles, Family::Book, Family::Trades] {
        for _ in 0..3 {
            patient.push(rig.spawn(Call::within(secs(90)).of(family).taking(secs(2))));
        }
    }
    sleep(end + secs(1) - rig.elapsed()).await;
    assert_eq!(rig.sent(), before + 1);
    for call in patient {
        call.await.unwrap().unwrap();
    }
    assert_eq!(rig.upstream.snapshot().banned_for, Duration::ZERO);
    assert_eq!(rig.family(Family::Trades).ceiling, 15);
}

#[tokio::test(start_paused = true)]
async fn waiters_of_every_family_are_told_when_the_exchange_closes() {
    let rig = Rig::with(&OTHERS, &settings());
    let trades = Call::within(secs(9)).of(Family::Trades);
    for _ in 0..5 {
        rig.call(trades.clone()).await.unwrap();
    }
    let waiter = rig.spawn(trades);
    let offend = |family| rig.call(Call::within(secs(5)).of(family).failing(banned(30)));
    left(offend(Family::Candles).await);
    assert_eq!(rig.family(Family::Trades).waiting.client, 1);
    left(offend(Family::Book).await);
    let told = Instant::now();
    assert!(left(waiter.await.unwrap()) >= secs(30));
    assert_eq!(told.elapsed(), Duration::ZERO);
}

/// The ban comes between the grant and the first poll after it.
#[tokio::test(start_paused = true)]
async fn a_turn_from_before_the_ban_is_void() {
    let rig = Rig::new(30);
    rig.burst(9).await;
    let offender = rig.spawn(Call::within(secs(9)).taking(secs(3)).failing(banned(30)));
    sleep(millis(1)).await;
    let mut waiter = Box::pin(rig.call(Call::within(secs(9))));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    sleep(millis(2_900)).await;
    assert_eq!((rig.candles().used, rig.sent()), (11, 10));
    left(offender.await.unwrap());
    assert!(left(waiter.await) > secs(29));
    assert_eq!((rig.candles().used, rig.sent()), (10, 10));
}

/// The first family's ban was over: its 429 and the second one have nothing to do with each other.
#[tokio::test(start_paused = true)]
async fn families_closed_one_after_the_other_leave_the_exchange_open() {
    let rig = Rig::with(&OTHERS, &settings());
    rig.call(Call::within(secs(5)).failing(banned(5))).await.unwrap_err();
    sleep(secs(6)).await;
    rig.call(Call::within(secs(5)).of(Family::Book).failing(banned(5))).await.unwrap_err();
    assert_eq!(rig.upstream.snapshot().banned_for, Duration::ZERO);
    rig.call(Call::within(secs(5)).of(Family::Trades)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_ceiling_falls_once_for_a_burst_and_rises_slowly() {
    let rig = Rig::new(30);
    let offenders: Vec<_> =
        (0..5).map(|_| rig.spawn(Call::within(secs(5)).failing(banned(10)))).collect();
    for offender in offenders {
        offender.await.unwrap().unwrap_err();
    }
    assert_eq!(rig.candles().ceiling, 24);
    assert_eq!(rig.candles().limit, 30);
    sleep(secs(300)).await;
    assert_eq!(rig.candles().ceiling, 24, "nothing is learned while it is closed");
    // The probe meets a 429 too.
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    assert_eq!(rig.candles().ceiling, 19);
    sleep(secs(300)).await;
    rig.call(Call::within(secs(5))).await.unwrap();
    sleep(secs(59)).await;
    assert_eq!(rig.candles().ceiling, 19);
    sleep(secs(1)).await;
    assert_eq!(rig.candles().ceiling, 20);
    sleep(secs(60)).await;
    assert_eq!(rig.candles().ceiling, 21);
    // The pace follows: a third of the ceiling at once.
    assert_eq!(rig.upstream.ready(Family::Candles), 7);
    sleep(secs(3600)).await;
    assert_eq!(rig.candles().ceiling, 30);
    assert_eq!(rig.upstream.ready(Family::Candles), 10);
}

#[tokio::test(start_paused = true)]
async fn a_learned_ceiling_holds_in_every_window() {
    let rig = Rig::new(30);
    rig.call(Call::within(secs(5)).failing(banned(1))).await.unwrap_err();
    sleep(secs(60)).await;
    let start = Instant::now();
    let calls: Vec<_> = (0..40).map(|_| rig.spawn(Call::within(secs(59)))).collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap().is_ok());
    }
    assert!(start.elapsed() < secs(60));
    assert_eq!(served, 24);
}
