//! The breaker, above all that half-open means one.

use super::*;
use crate::telemetry::BreakerState;

/// 5 failures in a row, the default.
async fn opened(settings: &config::Upstream) -> Rig {
    let rig = Rig::with(&[(Family::Candles, 240)], settings);
    for _ in 0..4 {
        rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    }
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
    rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    assert_eq!(rig.candles().breaker, BreakerState::Open);
    rig
}

fn open_for(result: Result<Instant, CallError>) -> Duration {
    match result {
        Err(CallError::BreakerOpen { retry_after }) => retry_after,
        other => panic!("expected an open breaker, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_at_once_and_spends_nothing() {
    let rig = opened(&settings()).await;
    let asked = Instant::now();
    let wait = open_for(rig.call(Call::within(secs(30))).await);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert!((millis(800)..=secs(1)).contains(&wait), "{wait:?}");
    assert_eq!((rig.sent(), rig.candles().used), (5, 5));
    assert_eq!(rig.upstream.ready(Family::Candles), 0);
    assert_eq!(rig.candles().last_error.unwrap().label, "unavailable");
    sleep(wait).await;
    assert_eq!(rig.candles().breaker, BreakerState::HalfOpen);
    assert_eq!(rig.upstream.ready(Family::Candles), 1);
    rig.call(Call::within(secs(30))).await.unwrap();
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_are_one_probe() {
    let rig = opened(&settings()).await;
    sleep(secs(1)).await;
    let before = rig.sent();
    let probe = Call::within(secs(30)).taking(secs(3)).failing(unavailable());
    let callers: Vec<_> = (0..1000).map(|_| rig.spawn(probe.clone())).collect();
    let (mut failed, mut refused) = (0, 0);
    for caller in callers {
        match caller.await.unwrap() {
            Err(CallError::Upstream(_)) => failed += 1,
            Err(CallError::BreakerOpen { retry_after }) => {
                assert!(retry_after > Duration::ZERO);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((failed, refused), (1, 999));
    assert_eq!(rig.sent(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn each_failed_probe_doubles_the_wait_up_to_the_longest() {
    let rig = opened(&settings()).await;
    for expected in [2.0, 4.0, 8.0, 16.0, 30.0, 30.0f64] {
        sleep(open_for(rig.call(Call::within(secs(5))).await)).await;
        rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
        let wait = open_for(rig.call(Call::within(secs(5))).await).as_secs_f64();
        assert!((expected * 0.8..=expected).contains(&wait), "{wait}, expected {expected}");
    }
    // A success starts over.
    sleep(secs(30)).await;
    rig.call(Call::within(secs(5))).await.unwrap();
    for _ in 0..5 {
        rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    }
    assert!(open_for(rig.call(Call::within(secs(5))).await) <= secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_up_gives_the_permit_back() {
    let rig = opened(&settings()).await;
    sleep(secs(1)).await;
    let gone = rig.spawn(Call::within(secs(30)).taking(secs(20)));
    sleep(secs(1)).await;
    open_for(rig.call(Call::within(secs(30))).await);
    gone.abort();
    sleep(millis(1)).await;
    rig.call(Call::within(secs(30))).await.unwrap();
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_gives_the_permit_back() {
    let rig = opened(&settings()).await;
    sleep(secs(1)).await;
    let upstream = rig.upstream.clone();
    let mut caller = JoinSet::new();
    caller.spawn(async move {
        let deadline = Instant::now() + secs(5);
        let request = || async { panic!("a bug in the adapter") };
        upstream.call::<(), _, _>(Family::Candles, Wait::Client, deadline, request).await
    });
    assert!(caller.join_next().await.unwrap().unwrap_err().is_panic());
    assert_eq!(rig.candles().used, 6);
    rig.call(Call::within(secs(5))).await.unwrap();
}

/// The permit is held while its caller waits for budget, and comes back if there is none.
#[tokio::test(start_paused = true)]
async fn a_probe_without_budget_gives_the_permit_back() {
    let settings = config::Upstream { breaker_failures: 1, ..settings() };
    let rig = Rig::with(&[(Family::Candles, 1)], &settings);
    rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    sleep(secs(1)).await;
    for _ in 0..2 {
        let refused = rig.call(Call::within(secs(5))).await.unwrap_err();
        assert!(matches!(refused, CallError::BudgetExhausted { .. }), "{refused:?}");
    }
    let waits = rig.spawn(Call::within(secs(90)));
    sleep(secs(1)).await;
    open_for(rig.call(Call::within(secs(90))).await);
    waits.await.unwrap().unwrap();
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_and_429s_are_not_the_breakers_business() {
    let rejected = UpstreamError::Rejected { code: 10020, message: "symbol: invalid".to_owned() };
    let rig = Rig::with(&[(Family::Candles, 240)], &settings());
    for _ in 0..6 {
        rig.call(Call::within(secs(5)).failing(rejected.clone())).await.unwrap_err();
        sleep(secs(1)).await;
        rig.call(Call::within(secs(5)).failing(banned(1))).await.unwrap_err();
        sleep(secs(1)).await;
    }
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
    // A wrong request between faults hides nothing; for a probe it is proof of health.
    for _ in 0..5 {
        rig.call(Call::within(secs(5)).failing(rejected.clone())).await.unwrap_err();
        rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    }
    assert_eq!(rig.candles().breaker, BreakerState::Open);
    sleep(secs(1)).await;
    rig.call(Call::within(secs(5)).failing(rejected)).await.unwrap_err();
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_success_between_faults_keeps_it_closed() {
    let rig = Rig::with(&[(Family::Candles, 240)], &settings());
    for _ in 0..3 {
        for _ in 0..4 {
            rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
        }
        rig.call(Call::within(secs(5))).await.unwrap();
    }
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_outlasts_its_deadline_is_a_fault() {
    let rig = Rig::with(&[(Family::Candles, 240)], &settings());
    for _ in 0..5 {
        let late = rig.call(Call::within(secs(2)).taking(secs(100))).await;
        assert_eq!(late, Err(CallError::DeadlineExceeded));
    }
    assert_eq!(rig.elapsed(), secs(10));
    assert_eq!(rig.candles().breaker, BreakerState::Open);
    assert_eq!(rig.candles().last_error.unwrap().label, "timeout");
}

/// Callers with less time than an answer needs do not prove that the exchange is unwell.
#[tokio::test(start_paused = true)]
async fn impatience_is_not_a_fault() {
    let rig = Rig::with(&[(Family::Candles, 240)], &settings());
    rig.call(Call::within(secs(5))).await.unwrap();
    for _ in 0..10 {
        let late = rig.call(Call::within(millis(100))).await;
        assert_eq!(late, Err(CallError::DeadlineExceeded));
    }
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn maintenance_opens_at_once_and_is_named() {
    let rig = Rig::new(30);
    rig.burst(9).await;
    let offender = Call::within(secs(5)).failing(UpstreamError::Maintenance);
    let offender = rig.spawn(offender);
    sleep(millis(1)).await;
    let waiter = rig.spawn(Call::within(secs(30)));
    for call in [offender, waiter] {
        let told = call.await.unwrap().unwrap_err();
        assert!(matches!(told, CallError::Maintenance { .. }), "{told:?}");
    }
    let refused = rig.call(Call::within(secs(5))).await.unwrap_err();
    let CallError::Maintenance { retry_after } = refused else { panic!("{refused:?}") };
    sleep(retry_after).await;
    assert_eq!(rig.sent(), 10);
    // Waiting for budget as the probe, then well again.
    rig.call(Call::within(secs(30))).await.unwrap();
    assert_eq!(rig.candles().breaker, BreakerState::Closed);
}
