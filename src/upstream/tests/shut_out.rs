//! Exchanges that ban an address as a whole, or do not serve it at all.

use super::*;

const BOTH: [(Family, u32); 2] = [(Family::Candles, 30), (Family::Book, 30)];

fn banned_address(seconds: u64) -> UpstreamError {
    UpstreamError::Banned { retry_after: Some(secs(seconds)) }
}

fn left(result: Result<Instant, CallError>) -> Duration {
    match result {
        Err(CallError::RateLimited { retry_after }) => retry_after,
        other => panic!("expected a ban, got {other:?}"),
    }
}

const DAY: u64 = 86_400;

#[tokio::test(start_paused = true)]
async fn a_banned_address_sends_nothing_until_one_probe_reopens_every_pool() {
    let rig = Rig::with(&BOTH, &settings());
    let refused = rig.call(Call::within(secs(5)).failing(banned_address(2 * DAY))).await;
    assert_eq!(left(refused), secs(2 * DAY));
    assert_eq!(rig.upstream.snapshot().banned_for, secs(2 * DAY));
    let other = rig.call(Call::within(secs(5)).of(Family::Book)).await;
    assert_eq!(left(other), secs(2 * DAY));
    assert_eq!(rig.sent(), 1);
    assert_eq!(rig.candles().ceiling, 24, "it went beyond what the exchange bears");

    sleep(secs(2 * DAY)).await;
    let ready = || [Family::Candles, Family::Book].map(|family| rig.upstream.ready(family));
    assert_eq!(ready(), [1, 1]);
    let probe = rig.spawn(Call::within(secs(5)).of(Family::Book).taking(secs(1)));
    sleep(millis(1)).await;
    assert_eq!(ready(), [0, 0]);
    probe.await.unwrap().unwrap();
    assert_eq!(ready(), [8, 9]);
    assert_eq!(rig.upstream.snapshot().banned_for, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_ban_is_longer_than_three_days_nor_a_429_than_an_hour() {
    let rig = Rig::with(&BOTH, &settings());
    let refused = rig.call(Call::within(secs(5)).failing(banned_address(30 * DAY))).await;
    assert_eq!(left(refused), secs(3 * DAY));
    let rig = Rig::with(&BOTH, &settings());
    assert_eq!(left(rig.call(Call::within(secs(5)).failing(banned(30 * DAY))).await), secs(3_600));
    let rig = Rig::with(&BOTH, &settings());
    let silent = UpstreamError::Banned { retry_after: None };
    let refused = rig.call(Call::within(secs(5)).failing(silent)).await;
    assert_eq!(left(refused), config::Upstream::default().ban);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_meets_the_ban_again_closes_again() {
    let rig = Rig::with(&BOTH, &settings());
    rig.call(Call::within(secs(5)).failing(banned_address(120))).await.unwrap_err();
    sleep(secs(120)).await;
    let again = rig.call(Call::within(secs(5)).of(Family::Book).failing(banned_address(300))).await;
    assert_eq!(left(again), secs(300));
    assert_eq!(left(rig.call(Call::within(secs(5))).await), secs(300));
    sleep(secs(300)).await;
    rig.call(Call::within(secs(5))).await.unwrap();
    rig.call(Call::within(secs(5)).of(Family::Book)).await.unwrap();
    assert_eq!(rig.sent(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_served_at_all_asks_again_after_the_longest_pause_only() {
    let settings = config::Upstream { max_attempts: 3, ..config::Upstream::default() };
    let rig = Rig::with(&BOTH, &settings);
    let restricted = UpstreamError::Restricted { status: 451 };
    let call = Call::within(secs(5)).failing(restricted.clone());
    assert_eq!(rig.call(call.clone()).await, Err(CallError::Upstream(restricted.clone())));
    assert_eq!(rig.sent(), 1, "it is not tried again");
    let longest = settings.breaker_open_max;
    let refused = rig.call(Call::within(secs(5))).await;
    let Err(CallError::BreakerOpen { retry_after }) = refused else { panic!("{refused:?}") };
    assert!(retry_after <= longest && retry_after >= longest.mul_f64(0.7), "{retry_after:?}");
    sleep(retry_after).await;
    assert_eq!(rig.call(call).await, Err(CallError::Upstream(restricted)));
    assert!(rig.candles().breaker_open_for >= longest.mul_f64(0.7));
    // The other endpoints find out for themselves.
    rig.call(Call::within(secs(5)).of(Family::Book)).await.unwrap();
}
