//! Calls that cost more than one unit: never more than the limit in any window, little less, and
//! nobody passed by for ever.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};

use super::{
    budget::{paused, steady_demand},
    waiting::settle,
    *,
};

const WINDOW: Duration = secs(60);

/// What calls of an exchange that counts weight cost.
const COSTS: [u32; 4] = [2, 5, 25, 80];

/// What was sent: when, the last instant at which the exchange may count it, and what it costs.
type Sent = Arc<Mutex<Vec<(Instant, Instant, u32)>>>;

/// The most units that may fall into one window, whenever between its sending and its end the
/// exchange counts each call.
fn fullest(sent: &Sent, window: Duration) -> u32 {
    let sent = sent.lock().unwrap();
    let worst = |from: Instant| {
        let within = sent.iter().filter(|(at, end, _)| *at <= from + window && *end >= from);
        within.map(|(_, _, units)| units).sum::<u32>()
    };
    sent.iter().map(|(_, end, _)| worst(*end)).max().unwrap_or(0)
}

async fn send(rig: Rig, call: Call, sent: Sent) -> Result<Instant, CallError> {
    let at = rig.call(call.clone()).await;
    if let Ok(at) = at {
        sent.lock().unwrap().push((at, at + call.latency, call.charge.units()));
    }
    at
}

/// Clients that each want as many units as they can get, in calls of one cost.
async fn greedy(rig: &Rig, costs: &[u32], length: Duration) -> Vec<(Instant, u32)> {
    let until = rig.start + length;
    let mut all = JoinSet::new();
    let clients = rig.clients::<4>();
    for (cost, client) in costs.iter().copied().zip(clients) {
        let own = Rig { sends: Arc::default(), ..rig.clone() };
        all.spawn(async move {
            let call = Call::within(secs(40)).by(client).costing(cost);
            steady_demand(&own, call, until).await;
            let sends = own.sends.lock().unwrap();
            sends.iter().map(|(_, at)| (*at, cost)).collect::<Vec<_>>()
        });
    }
    let mut sends = all.join_all().await.concat();
    sends.sort_unstable();
    sends
}

/// Units that were sent in a part of the time.
fn spent(sends: &[(Instant, u32)], from: Instant, until: Instant) -> u32 {
    sends.iter().filter(|(at, _)| (from..until).contains(at)).map(|(_, units)| units).sum()
}

/// Where the largest calls are a good part of the limit, slots lie idle while one of them gathers
/// all that it needs: half of it on average, for as long as that takes.
#[tokio::test(start_paused = true)]
async fn steady_mixed_demand_uses_nearly_all_of_the_limit_and_never_more() {
    for (limit, least) in [(3000, 0.95), (300, 0.88)] {
        let rig = Rig::new(limit);
        let sends = greedy(&rig, &COSTS, secs(360)).await;
        let (from, until) = (rig.start + secs(60), rig.start + secs(360));
        let share = f64::from(spent(&sends, from, until)) / f64::from(limit * 5);
        assert!((least..=1.0).contains(&share), "limit {limit}: {share}");
        for (at, _) in &sends {
            let most = spent(&sends, *at, *at + WINDOW + millis(1));
            assert!(most <= limit, "limit {limit}: {most} from {:?}", *at - rig.start);
        }
        // Units are shared out, not calls.
        for cost in COSTS {
            let own: Vec<_> = sends.iter().copied().filter(|(_, units)| *units == cost).collect();
            let part = f64::from(spent(&own, from, until)) / f64::from(spent(&sends, from, until));
            assert!((0.2..=0.3).contains(&part), "limit {limit}: {part} for calls of {cost}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_more_units_than_the_limit(
        limit in prop_oneof![Just(300_u32), Just(3000), 80_u32..1000],
        burst in prop_oneof![2 => Just(None), 1 => (1_u32..200).prop_map(Some)],
        calls in vec(
            (0_u64..150_000, 0_u64..60_000, 0_u64..4_000, 0_usize..4, 0_usize..3, 0_usize..4),
            1..300,
        ),
    ) {
        paused(async move {
            let pool = Box::leak(Box::new(Pool { burst, ..pool_of(Family::Candles) }));
            let metrics = Metrics::new();
            let pools = [(&*pool, limit)];
            let upstream = Upstream::new("test", &pools, &settings(), &metrics, &tasks());
            let rig = Rig::of(upstream, metrics);
            let (sent, window) = (Sent::default(), rig.candles().window);
            let (slots, clients) = (rig.candles().limit, rig.clients::<4>());
            let mut all = JoinSet::new();
            for (at, within, latency, cost, class, client) in calls {
                let call = Call::within(millis(within))
                    .taking(millis(latency.min(within)))
                    .costing(COSTS[cost])
                    .class(Wait::ALL[class])
                    .by(clients[client]);
                let (rig, sent, start) = (rig.clone(), sent.clone(), rig.start + millis(at));
                all.spawn(async move {
                    sleep_until(start).await;
                    let deadline = Instant::now() + call.within;
                    let answer = send(rig, call.clone(), sent).await;
                    assert!(Instant::now() <= deadline + millis(1), "told after the deadline");
                    call.charge.units() <= slots || answer.is_err()
                });
            }
            assert!(all.join_all().await.into_iter().all(|is_right| is_right));
            let most = fullest(&sent, window);
            assert!(most <= slots, "{most} units may fall into one window of {slots}");
            assert_eq!(rig.candles().waiting.total(), 0);
            sleep(WINDOW + secs(6)).await;
            assert_eq!(rig.candles().used, 0, "a slot leaked");
        });
    }
}

/// A call waits until there is room for all of it, and nothing that came later passes meanwhile.
#[tokio::test(start_paused = true)]
async fn a_stream_of_small_calls_does_not_pass_a_large_one() {
    let rig = Rig::new(300);
    let [large, small, other] = rig.clients();
    // Nothing is left of the burst.
    let first = Call::within(secs(1)).by(other).costing(100);
    rig.call(first).await.unwrap();
    let mut stream = JoinSet::new();
    let (own, call) = (rig.clone(), Call::within(secs(40)).by(small).costing(2));
    let until = rig.start + secs(120);
    stream.spawn(async move { steady_demand(&own, call, until).await });
    settle().await;
    let asked = Instant::now();
    let sent = rig.call(Call::within(secs(60)).by(large).costing(80)).await.unwrap();
    stream.abort_all();
    let waited = sent - asked;
    // 80 turns of 0.2 s, and those of at most as much by the other.
    assert!((secs(15)..secs(35)).contains(&waited), "{waited:?}");
}

/// Whoever is next and has to wait keeps the rest waiting until all of his are free.
#[tokio::test(start_paused = true)]
async fn whoever_is_next_keeps_what_he_waits_for() {
    let rig = Rig::new(300);
    let [one, large, small] = rig.clients();
    rig.call(Call::within(secs(1)).by(one).costing(100)).await.unwrap();
    let first = rig.spawn(Call::within(secs(60)).by(large).costing(80));
    settle().await;
    let second = rig.spawn(Call::within(secs(60)).by(small).costing(1));
    let first = first.await.unwrap().unwrap();
    let second = second.await.unwrap().unwrap();
    // 80 turns of 0.2 s, a little slower so that they meet the slots that come free.
    assert!((secs(16)..millis(16_200)).contains(&(first - rig.start)), "{:?}", first - rig.start);
    assert!(second > first, "{:?}", second - rig.start);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_had_is_refused_at_once() {
    let rig = Rig::new(50);
    let refused = rig.call(Call::within(secs(500)).costing(51)).await;
    assert_eq!(refused, Err(CallError::BudgetExhausted { retry_after: WINDOW }));
    assert_eq!((rig.elapsed(), rig.sent()), (Duration::ZERO, 0));
    rig.call(Call::within(secs(500)).costing(50)).await.unwrap();
    assert_eq!((rig.candles().used, rig.candles().left), (50, 0));
}

/// A 429 takes away what one who waits would need.
#[tokio::test(start_paused = true)]
async fn one_who_waits_for_more_than_the_exchange_bears_is_told() {
    let rig = Rig::new(100);
    let offender = rig.spawn(Call::within(secs(9)).taking(secs(2)).failing(banned(5)));
    settle().await;
    let waiter = rig.spawn(Call::within(secs(500)).costing(100));
    sleep(secs(1)).await;
    assert_eq!(rig.candles().waiting.client, 1);
    offender.await.unwrap().unwrap_err();
    assert_eq!(rig.candles().ceiling, 80);
    let told = waiter.await.unwrap();
    assert!(matches!(told, Err(CallError::RateLimited { .. })), "{told:?}");
    assert_about(rig.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn ready_counts_calls_of_a_kind() {
    let rig = Rig::new(300);
    let ready = |units| rig.upstream.ready(Charge::new(Family::Candles, units));
    assert_eq!([1, 25, 80, 250, 301].map(ready), [100, 4, 1, 1, 0]);
    rig.call(Call::within(secs(1)).costing(80)).await.unwrap();
    assert_eq!([1, 25, 80].map(ready), [20, 0, 0]);
}

/// Turns that are not used are given back whole.
#[tokio::test(start_paused = true)]
async fn who_hangs_up_with_many_units_in_his_hands_leaves_them_all() {
    let rig = Rig::new(300);
    let ready = |units| rig.upstream.ready(Charge::new(Family::Candles, units));
    rig.call(Call::within(secs(1)).costing(100)).await.unwrap();
    let mut unused = Box::pin(rig.call(Call::within(secs(60)).costing(50)));
    assert!(futures_util::poll!(unused.as_mut()).is_pending());
    sleep(secs(11)).await;
    assert_eq!((rig.candles().used, rig.sent()), (150, 1));
    drop(unused);
    assert_eq!(rig.candles().used, 100);
    assert_eq!(ready(50), 1);
    let asked = Instant::now();
    assert_eq!(rig.call(Call::within(secs(60)).costing(50)).await, Ok(asked));
}

#[tokio::test(start_paused = true)]
async fn the_outlook_is_that_of_the_call_that_is_asked_about() {
    let rig = Rig::new(3000);
    for cost in [400, 350] {
        rig.call(Call::within(secs(1)).costing(cost)).await.unwrap();
    }
    let turn = |units| {
        let charge = Charge::new(Family::Candles, units);
        rig.upstream.outlook(charge, Wait::Client).unwrap().next_slot_in
    };
    assert_eq!((turn(1), turn(250), rig.candles().next_slot_in), (secs(0), secs(0), secs(0)));
    rig.call(Call::within(secs(1)).costing(200)).await.unwrap();
    assert_eq!((turn(1), rig.candles().next_slot_in), (secs(0), secs(0)));
    let told = turn(250);
    assert!(told > secs(3), "{told:?}");
    let before = Instant::now();
    let sent = rig.call(Call::within(secs(60)).costing(250)).await.unwrap();
    assert_about(sent - before, told);
    assert!(rig.upstream.outlook(Family::Book, Wait::Client).is_none());
}
