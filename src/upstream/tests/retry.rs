//! Second tries.

use super::*;
use crate::exchange::TransportFault;

fn retrying(limit: u32, attempts: u32) -> Rig {
    let settings = config::Upstream { max_attempts: attempts, ..settings() };
    Rig::with(&[(Family::Candles, limit)], &settings)
}

#[tokio::test(start_paused = true)]
async fn a_mendable_fault_is_tried_again_after_a_pause_and_charged() {
    let rig = retrying(30, 3);
    let failed = rig.call(Call::within(secs(10)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    assert_eq!((rig.sent(), rig.candles().used), (3, 3));
    let sends = rig.sends.lock().unwrap().clone();
    let pauses: Vec<_> = sends.windows(2).map(|two| two[1].1 - two[0].1 - millis(150)).collect();
    assert!((millis(50)..=millis(251)).contains(&pauses[0]), "{pauses:?}");
    assert!((millis(100)..=millis(501)).contains(&pauses[1]), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_a_retry_cannot_mend_is_told_at_once() {
    for error in [
        UpstreamError::Rejected { code: 10020, message: "symbol: invalid".to_owned() },
        UpstreamError::Invalid("not JSON".to_owned()),
        UpstreamError::Transport(TransportFault::Timeout),
    ] {
        let rig = retrying(30, 3);
        let failed = rig.call(Call::within(secs(10)).failing(error.clone())).await;
        assert_eq!(failed, Err(CallError::Upstream(error)));
        assert_eq!(rig.sent(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_has_to_fit_the_deadline() {
    let rig = retrying(30, 3);
    let failed = rig.call(Call::within(millis(190)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    assert_eq!(rig.sent(), 1);
    assert_about(rig.elapsed(), millis(150));
}

/// 1 a minute: the retry's slot comes after the deadline, so the caller learns the fault at once.
#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_budget_like_anyone_else() {
    let rig = retrying(1, 2);
    let failed = rig.call(Call::within(secs(10)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    assert!(rig.elapsed() <= millis(401), "told at {:?}", rig.elapsed());
    let rig = retrying(1, 2);
    rig.call(Call::within(secs(70)).failing(unavailable())).await.unwrap_err();
    assert_eq!(rig.sent(), 2);
    assert!(rig.elapsed() >= secs(60));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_into_a_ban() {
    let rig = retrying(30, 5);
    let other = rig.spawn(Call::within(secs(10)).failing(banned(3)));
    let failed = rig.call(Call::within(secs(100)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    other.await.unwrap().unwrap_err();
    assert_eq!(rig.sent(), 2);
    assert!(rig.elapsed() < secs(1));
}

/// A retry that waits for its turn when the ban comes gives up, although it had the time.
#[tokio::test(start_paused = true)]
async fn a_waiting_retry_ends_with_the_ban() {
    let rig = retrying(30, 5);
    let others: Vec<_> = (0..8).map(|_| rig.spawn(Call::within(secs(10)))).collect();
    let offender = rig.spawn(Call::within(secs(10)).taking(secs(1)).failing(banned(3)));
    let failed = rig.call(Call::within(secs(100)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    assert_about(rig.elapsed(), secs(1));
    offender.await.unwrap().unwrap_err();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(rig.sent(), 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_retried_into_an_open_breaker() {
    let settings = config::Upstream { max_attempts: 5, breaker_failures: 2, ..settings() };
    let rig = Rig::with(&[(Family::Candles, 30)], &settings);
    let failed = rig.call(Call::within(secs(10)).failing(unavailable())).await;
    assert_eq!(failed, Err(CallError::Upstream(unavailable())));
    assert_eq!(rig.sent(), 2);
}
