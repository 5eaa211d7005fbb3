//! Limits that change while calls are being made.

use super::*;

fn lower(rig: &Rig, limit: u32) -> Option<u32> {
    rig.upstream.limit("candles", limit)
}

#[tokio::test(start_paused = true)]
async fn a_lower_limit_is_kept_to_at_once() {
    let rig = Rig::new(30);
    rig.burst(10).await;
    assert_eq!(lower(&rig, 5), Some(30));
    let candles = rig.candles();
    assert_eq!((candles.limit, candles.ceiling, candles.left), (5, 5, 0));
    let calls: Vec<_> = (0..12).map(|_| rig.spawn(Call::within(secs(400)))).collect();
    let mut sent = Vec::new();
    for call in calls {
        sent.push(call.await.unwrap().unwrap() - rig.start);
    }
    sent.sort();
    assert!(sent[0] > secs(60), "ten of the last minute are more than five: {sent:?}");
    for pair in sent.windows(6) {
        assert!(pair[5] - pair[0] > secs(60), "more than five a minute: {sent:?}");
    }
    assert!(sent[11] < secs(240), "and not much fewer: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_profit_from_a_higher_limit() {
    let rig = Rig::new(3);
    let calls: Vec<_> = (0..6).map(|_| rig.spawn(Call::within(secs(300)))).collect();
    sleep(secs(1)).await;
    assert!(rig.sent() < 3, "the pace of three a minute");
    assert_eq!(lower(&rig, 30), Some(3));
    for call in calls {
        let sent = call.await.unwrap().unwrap() - rig.start;
        assert!(sent <= secs(2), "{sent:?}");
    }
    assert_eq!((rig.candles().limit, rig.candles().left), (30, 24));
}

#[tokio::test(start_paused = true)]
async fn what_the_exchange_taught_outlasts_a_higher_limit() {
    let rig = Rig::new(30);
    let refused = rig.call(Call::within(secs(5)).failing(banned(2))).await;
    assert!(matches!(refused, Err(CallError::RateLimited { .. })), "{refused:?}");
    assert_eq!(rig.candles().ceiling, 24);
    assert_eq!(lower(&rig, 60), Some(30));
    assert_eq!((rig.candles().limit, rig.candles().ceiling), (60, 24));
    assert_eq!(lower(&rig, 10), Some(60));
    assert_eq!(rig.candles().ceiling, 10);
    assert_eq!(rig.upstream.limit("book", 10), None, "it has no budget here");
}
