//! Operators who keep the exchange from being called.

use super::*;

#[tokio::test(start_paused = true)]
async fn no_call_is_sent_and_those_that_wait_are_told_at_once() {
    let rig = Rig::new(3);
    rig.burst(1).await;
    let under_way = rig.spawn(Call::within(secs(120)).taking(secs(2)));
    let waiting = rig.spawn(Call::within(secs(120)).taking(secs(2)));
    let third = rig.spawn(Call::within(secs(120)).taking(secs(2)));
    while rig.candles().waiting.client == 0 {
        sleep(millis(10)).await;
    }
    let (sent, at) = (rig.sends.lock().unwrap().len(), Instant::now());
    rig.upstream.cordon(true);
    let cordoned = Err(CallError::Cordoned { retry_after: secs(5) });
    let mut fates = Vec::new();
    for call in [under_way, waiting, third] {
        fates.push(call.await.unwrap());
    }
    assert!(fates.contains(&cordoned), "{fates:?}");
    assert!(Instant::now() - at <= secs(2), "only what was sent goes on to its end");
    assert_eq!(rig.call(Call::within(secs(1))).await, cordoned);
    assert_eq!(rig.upstream.ready(Family::Candles), 0);
    assert_eq!(rig.sends.lock().unwrap().len(), sent);
    assert_eq!(rig.candles().waiting.client, 0);

    // Nothing was spent, and nothing counts against the exchange.
    rig.upstream.cordon(false);
    sleep(secs(61)).await;
    assert_eq!(rig.upstream.ready(Family::Candles), 1);
    assert!(rig.call(Call::within(secs(1))).await.is_ok());
}
