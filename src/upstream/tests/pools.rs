//! Pools of several families, pools that bear few units at once, and what exchanges tell of them.

use super::*;
use crate::exchange::Meter;

static POOL: Pool = Pool {
    name: "public",
    about: "all public endpoints together",
    unit: Unit::Requests,
    per_minute: 60,
    burst: Some(5),
    families: &[Family::Candles, Family::Book],
};

static WHOLE: Pool = Pool { burst: None, name: "weight", ..POOL };

fn rig_of(pool: &'static Pool, limit: u32, meter: Option<Meter>) -> Rig {
    let (metrics, memory) = (Metrics::new(), crate::upstream::Memory::default());
    let pools = [(pool, limit)];
    let upstream = Upstream::resume("test", &pools, &settings(), memory, meter, &metrics, &tasks());
    Rig::of(upstream, metrics)
}

/// When so many calls that are asked for at once are sent.
async fn times(rig: &Rig, count: usize) -> Vec<Duration> {
    let calls: Vec<_> = (0..count).map(|_| rig.spawn(Call::within(secs(100)))).collect();
    let mut sent = Vec::new();
    for call in calls {
        sent.push(call.await.unwrap().unwrap() - rig.start);
    }
    sent.sort();
    sent
}

#[tokio::test(start_paused = true)]
async fn families_of_a_pool_share_its_units() {
    let rig = rig_of(&WHOLE, 6, None);
    rig.call(Call::within(secs(1))).await.unwrap();
    rig.call(Call::within(secs(1)).of(Family::Book)).await.unwrap();
    let pools = rig.upstream.snapshot().pools;
    assert_eq!(pools.len(), 1);
    assert_eq!((pools[0].pool.name, pools[0].used, pools[0].left), ("weight", 2, 4));
    let refused = rig.call(Call::within(secs(1)).of(Family::Trades)).await;
    assert!(matches!(refused, Err(CallError::BudgetExhausted { .. })), "{refused:?}");
    // A 429 to one of them closes both.
    rig.call(Call::within(secs(30)).failing(banned(30))).await.unwrap_err();
    assert_eq!(rig.upstream.ready(Family::Book), 0);
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_no_more_than_that_in_its_part_of_the_minute() {
    let rig = rig_of(&POOL, 60, None);
    let pool = rig.candles();
    assert_eq!((pool.per_minute, pool.limit, pool.window), (60, 5, secs(5)));
    assert_eq!(rig.upstream.ready(Family::Candles), 5);
    let sent = times(&rig, 60).await;
    assert_eq!(sent[4], Duration::ZERO);
    for six in sent.windows(6) {
        assert!(six[5] - six[0] > secs(5), "{six:?}");
    }
    // Each slot is held for the call's time longer.
    assert!(sent[59] < secs(62), "{:?}", sent[59]);
    sleep(secs(10)).await;
    assert_eq!(rig.upstream.ready(Family::Candles), 5);
}

#[tokio::test(start_paused = true)]
async fn another_limit_makes_the_burst_last_longer() {
    let rig = rig_of(&POOL, 60, None);
    rig.burst(5).await;
    assert_eq!(rig.upstream.limit("public", 30), Some(60));
    let pool = rig.candles();
    assert_eq!((pool.per_minute, pool.limit, pool.window, pool.left), (30, 5, secs(10), 0));
    let refused = rig.call(Call::within(secs(9))).await;
    let Err(CallError::BudgetExhausted { retry_after }) = refused else { panic!("{refused:?}") };
    assert_about(retry_after, secs(10));
    assert_eq!(rig.upstream.limit("public", 300), Some(30));
    assert_eq!(rig.candles().window, secs(1));
    sleep(secs(2)).await;
    assert_eq!(rig.candles().left, 5);
}

#[tokio::test(start_paused = true)]
async fn a_429_lowers_what_goes_in_a_burst_and_a_quiet_minute_raises_it() {
    let rig = rig_of(&POOL, 60, None);
    rig.call(Call::within(secs(1)).failing(banned(1))).await.unwrap_err();
    assert_eq!((rig.candles().limit, rig.candles().ceiling), (5, 4));
    sleep(secs(1)).await;
    rig.call(Call::within(secs(1))).await.unwrap();
    sleep(secs(59)).await;
    assert_eq!(rig.candles().ceiling, 4);
    sleep(secs(2)).await;
    assert_eq!(rig.candles().ceiling, 5);
}

#[tokio::test(start_paused = true)]
async fn what_others_spend_from_the_same_address_is_held_for_a_window() {
    let meter = Meter::default();
    let rig = rig_of(&WHOLE, 100, Some(meter.clone()));
    rig.call(Call::within(secs(1)).costing(10)).await.unwrap();
    // It counts what is held already, and then 30 more.
    meter.used(10);
    rig.call(Call::within(secs(1)).costing(5)).await.unwrap();
    assert_eq!(rig.candles().used, 15);
    meter.used(45);
    rig.call(Call::within(secs(1)).costing(5)).await.unwrap();
    let told = Instant::now();
    assert_eq!(rig.candles().used, 45);
    assert_eq!(rig.candles().clients.iter().map(|client| client.used).sum::<u32>(), 20);
    // Nor is that counted twice.
    sleep(secs(3)).await;
    meter.used(50);
    rig.call(Call::within(secs(1)).costing(5)).await.unwrap();
    assert_eq!(rig.candles().used, 50);
    sleep((told + secs(60)).saturating_duration_since(Instant::now())).await;
    assert_eq!(rig.candles().used, 35);
    sleep(millis(2)).await;
    assert_eq!(rig.candles().used, 5, "others' are free again, and so is our first");
}

#[tokio::test(start_paused = true)]
async fn others_who_spend_everything_leave_nothing() {
    let meter = Meter::default();
    let rig = rig_of(&WHOLE, 100, Some(meter.clone()));
    meter.used(5_900);
    rig.call(Call::within(secs(1))).await.unwrap();
    assert_eq!((rig.candles().left, rig.upstream.ready(Family::Candles)), (0, 0));
    let refused = rig.call(Call::within(secs(10))).await;
    let Err(CallError::BudgetExhausted { retry_after }) = refused else { panic!("{refused:?}") };
    assert_about(retry_after, secs(60));
    sleep(retry_after).await;
    rig.call(Call::within(secs(1))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lower_limit_that_the_exchange_names_is_kept_to_until_it_names_another() {
    let meter = Meter::default();
    let rig = rig_of(&WHOLE, 100, Some(meter.clone()));
    let named = async |limit| {
        meter.limit(limit);
        rig.call(Call::within(secs(70))).await.unwrap();
        (rig.candles().limit, rig.candles().ceiling)
    };
    assert_eq!(named(40).await, (100, 40));
    assert_eq!(rig.candles().left, 39);
    assert_eq!(named(60).await, (100, 60));
    assert_eq!(rig.upstream.limit("weight", 50), Some(100));
    assert_eq!((rig.candles().limit, rig.candles().ceiling), (50, 50));
    assert_eq!(rig.upstream.limit("weight", 200), Some(50));
    assert_eq!((rig.candles().limit, rig.candles().ceiling), (200, 60));
    assert_eq!(named(6000).await, (200, 200));
    // What a 429 has taught is not unlearned by that.
    rig.call(Call::within(secs(1)).failing(banned(2))).await.unwrap_err();
    sleep(secs(2)).await;
    assert_eq!(named(5000).await, (200, 160));
    assert_eq!(named(100).await, (200, 100));
}

/// Readers that ask again as soon as they have been answered, each for a key of its own.
async fn read_without_pause(rig: &Rig, readers: usize, length: Duration, call: Call) {
    let (mut all, until) = (JoinSet::new(), Instant::now() + length);
    for _ in 0..readers {
        let (rig, call) = (rig.clone(), call.clone());
        all.spawn(async move {
            while Instant::now() < until {
                let _ = rig.call(call.clone()).await;
                sleep(millis(250)).await;
            }
        });
    }
    all.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_short_while_its_calls_have_to_wait_and_at_ease_it_is_not() {
    let rig = rig_of(&POOL, 60, None);
    let client = Call::within(secs(10));
    read_without_pause(&rig, 2, secs(10), client.clone().class(Wait::Background)).await;
    assert!(!rig.upstream.is_short(Family::Candles), "what is not urgent does not count");
    sleep(secs(60)).await;
    read_without_pause(&rig, 6, secs(30), client.clone()).await;
    assert!(rig.upstream.is_short(Family::Candles));
    assert!(rig.upstream.is_short(Family::Book), "all families of the pool");
    assert!(!rig.upstream.is_short(Family::Trades), "which has no budget");
    sleep(secs(240)).await;
    assert!(!rig.upstream.is_short(Family::Candles), "nobody asks any more");

    // 24 calls a minute of 30.
    let rig = rig_of(&WHOLE, 30, None);
    for _ in 0..100 {
        rig.call(client.clone()).await.unwrap();
        assert!(!rig.upstream.is_short(Family::Candles));
        sleep(millis(2_350)).await;
    }
    // Who is refused had to wait as well.
    read_without_pause(&rig, 3, secs(60), Call::within(millis(500))).await;
    assert!(rig.upstream.is_short(Family::Candles));
}
