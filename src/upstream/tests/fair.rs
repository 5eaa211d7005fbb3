//! Several clients, and what each gets of the budget.

use proptest::prelude::*;

use super::{
    budget::{assert_within, paused, steady_demand},
    waiting::{settle, spent, turn},
    *,
};

/// A client's calls between two instants of a rig.
async fn sends_of(rig: &Rig, calls: &[Call], until: Duration, from: Duration) -> Vec<u32> {
    let counted: Vec<Arc<Mutex<Vec<Instant>>>> = calls.iter().map(|_| Arc::default()).collect();
    let mut all = JoinSet::new();
    for (call, sends) in calls.iter().zip(&counted) {
        let own = Rig { sends: Arc::default(), ..rig.clone() };
        let (call, sends, end) = (call.clone(), sends.clone(), rig.start + until);
        all.spawn(async move {
            steady_demand(&own, call, end).await;
            let made = own.sends.lock().unwrap().iter().map(|(_, at)| *at).collect();
            *sends.lock().unwrap() = made;
        });
    }
    all.join_all().await;
    let everything = counted.iter().flat_map(|sends| sends.lock().unwrap().clone());
    assert_within(everything.collect(), rig.candles().limit as usize);
    let span = rig.start + from..rig.start + until;
    let count = |sends: &Arc<Mutex<Vec<Instant>>>| {
        sends.lock().unwrap().iter().filter(|at| span.contains(at)).count() as u32
    };
    counted.iter().map(count).collect()
}

#[tokio::test(start_paused = true)]
async fn who_wants_everything_gets_his_share_by_weight() {
    for limit in [15, 30, 90] {
        let rig = Rig::new(limit);
        let [a, b, c] = rig.clients();
        let calls = [(a, 1), (b, 2), (c, 5)]
            .map(|(client, weight)| Call::within(secs(10)).by(client).weighing(weight));
        let sends = sends_of(&rig, &calls, secs(660), secs(60)).await;
        let total: u32 = sends.iter().sum();
        assert!(total >= limit * 10 * 95 / 100, "limit {limit}: {sends:?}");
        for (sent, weight) in sends.iter().zip([1.0, 2.0, 5.0]) {
            let fair = f64::from(total) * weight / 8.0;
            // Half a slot of the window more or less.
            let off = (f64::from(*sent) - fair).abs();
            assert!(off <= 5.0 + fair * 0.05, "limit {limit}: {sends:?}");
        }
    }
}

/// It is clients that take turns, however many calls each has waiting.
#[tokio::test(start_paused = true)]
async fn those_who_wait_take_turns_by_client_and_in_order_within() {
    let rig = spent().await;
    let [greedy, modest] = rig.clients();
    let mut asked = Vec::new();
    for client in [greedy, greedy, greedy, modest, modest] {
        asked.push(rig.spawn(Call::within(secs(30)).by(client)));
        settle().await;
    }
    for (call, expected) in asked.into_iter().zip([1, 3, 5, 2, 4]) {
        assert_about(call.await.unwrap().unwrap() - rig.start, turn(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_take_turns_by_weight() {
    let rig = spent().await;
    let [heavy, light] = rig.clients();
    let mut asked = Vec::new();
    for (client, weight) in [(heavy, 3), (light, 1)] {
        for _ in 0..4 {
            asked.push(rig.spawn(Call::within(secs(60)).by(client).weighing(weight)));
            settle().await;
        }
    }
    // Both begin at once; then the three thirds of the heavy one's before the light one's second.
    for (call, expected) in asked.into_iter().zip([1, 3, 4, 5, 2, 6, 7, 8]) {
        assert_about(call.await.unwrap().unwrap() - rig.start, turn(expected));
    }
}

/// Of two whose turn it could be, the one who was charged less goes first; both were charged
/// nothing, so it is the one who waits longest.
async fn assert_not_charged(rig: &Rig, client: ClientId, other: ClientId) {
    let first = rig.spawn(Call::within(secs(60)).by(client));
    settle().await;
    let second = rig.spawn(Call::within(secs(60)).by(other));
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert!(first < second, "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_in_the_queue_is_not_charged() {
    let rig = spent().await;
    let [client, other] = rig.clients();
    let gone: Vec<_> = (0..3).map(|_| rig.spawn(Call::within(secs(30)).by(client))).collect();
    settle().await;
    gone.iter().for_each(JoinHandle::abort);
    settle().await;
    assert_eq!(rig.candles().clients.len(), 1, "only whoever holds the burst");
    assert_not_charged(&rig, client, other).await;
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_with_a_turn_in_his_hands_is_not_charged() {
    let rig = spent().await;
    let [client, other, third] = rig.clients();
    let mut unused = Box::pin(rig.call(Call::within(secs(30)).by(client)));
    assert!(futures_util::poll!(unused.as_mut()).is_pending());
    sleep(secs(3)).await;
    assert_eq!(rig.candles().used, 11);
    drop(unused);
    // The turn that was given back, which another one takes.
    let asked = Instant::now();
    assert_eq!(rig.call(Call::within(secs(9)).by(third)).await, Ok(asked));
    assert_not_charged(&rig, client, other).await;
}

#[tokio::test(start_paused = true)]
async fn who_loses_his_place_is_not_charged() {
    let rig = spent().await;
    let [client, other] = rig.clients();
    let lost = rig.spawn(Call::within(secs(5)).by(client).class(Wait::Refresh));
    sleep(millis(100)).await;
    let before: Vec<_> = (0..3).map(|_| rig.spawn(Call::within(secs(30)))).collect();
    lost.await.unwrap().unwrap_err();
    for call in before {
        call.await.unwrap().unwrap();
    }
    assert_not_charged(&rig, client, other).await;
}

/// A crowd of one client's waiters makes room for one of another's.
#[tokio::test(start_paused = true)]
async fn a_full_queue_has_room_for_a_client_with_fewer_in_it() {
    let settings = config::Upstream { max_queue: 3, ..settings() };
    let rig = Rig::with(&[(Family::Candles, 30)], &settings);
    rig.burst(10).await;
    let [greedy, modest] = rig.clients();
    let crowd: Vec<_> = (0..3).map(|_| rig.spawn(Call::within(secs(60)).by(greedy))).collect();
    settle().await;
    let first = rig.spawn(Call::within(secs(60)).by(modest));
    settle().await;
    // Two against one: a second would make it one against two.
    let second = rig.call(Call::within(secs(60)).by(modest)).await.unwrap_err();
    assert!(matches!(second, CallError::QueueFull { .. }), "{second:?}");
    first.await.unwrap().unwrap();
    let mut told = Vec::new();
    for call in crowd {
        told.push(call.await.unwrap());
    }
    assert!(told[0].is_ok() && told[1].is_ok(), "{told:?}");
    assert!(matches!(told[2], Err(CallError::QueueFull { .. })), "{told:?}");
}

/// One who asks every six seconds finds a slot at once, whatever another one wants, from when he is
/// known on; that one gets all the rest; and when the first falls silent, it all.
#[tokio::test(start_paused = true)]
async fn what_is_kept_for_others_is_not_kept_for_ever() {
    for class in [Wait::Client, Wait::Background] {
        let rig = Rig::new(30);
        let [modest, greedy] = rig.clients();
        let rest = Rig { sends: Arc::default(), ..rig.clone() };
        let wants_all = Call::within(secs(10)).by(greedy).class(class);
        let demand = steady_demand(&rest, wants_all, rig.start + secs(900));
        let asks = async {
            for ask in 0..50 {
                sleep_until(rig.start + secs(6) * ask + millis(500)).await;
                let asked = Instant::now();
                let told = rig.call(Call::within(secs(5)).by(modest)).await;
                // The first minute he finds spent, and in the next two he is being learned.
                assert!(ask < 30 || told == Ok(asked), "{class:?}: {ask} was told {told:?}");
            }
        };
        tokio::join!(demand, asks);
        let sends = rest.sends.lock().unwrap().clone();
        let between = |from, until| {
            let span = rig.start + secs(from)..rig.start + secs(until);
            sends.iter().filter(|(_, at)| span.contains(at)).count()
        };
        let (beside, alone) = (between(180, 300), between(520, 880));
        assert!(beside >= 2 * 20 * 9 / 10, "{class:?}: {beside} of 40 beside the other");
        assert!(alone >= 6 * 30 * 95 / 100, "{class:?}: {alone} of 180 alone");
    }
}

/// Someone with a claim on all of it does not leave background work of another without anything.
#[tokio::test(start_paused = true)]
async fn who_has_nothing_at_all_passes_what_is_kept_for_others() {
    let rig = Rig::new(30);
    let [greedy, patient] = rig.clients();
    let calls = [
        Call::within(secs(10)).by(greedy),
        Call::within(secs(120)).by(patient).class(Wait::Background),
    ];
    let sends = sends_of(&rig, &calls, secs(660), secs(60)).await;
    assert!((8..=40).contains(&sends[1]), "{sends:?}");
    assert!(sends[0] + sends[1] >= 285, "{sends:?}");
}

#[tokio::test(start_paused = true)]
async fn shares_and_counts_are_told_by_client() {
    let rig = Rig::new(30);
    let [a, b] = rig.clients();
    for _ in 0..4 {
        rig.call(Call::within(secs(1)).by(a)).await.unwrap();
    }
    rig.call(Call::within(secs(1)).by(b).weighing(2)).await.unwrap();
    rig.burst(5).await;
    let waiter = rig.spawn(Call::within(secs(30)).by(a));
    settle().await;
    rig.call(Call::within(millis(200)).by(b).weighing(2)).await.unwrap_err();
    let told = rig.candles().clients;
    let told: Vec<_> =
        told.into_iter().map(|it| (it.client, it.used, it.share, it.waiting)).collect();
    let gateway = ClientId::GATEWAY;
    assert_eq!(told, [(gateway, 5, 8, 0), (a, 4, 8, 1), (b, 1, 15, 0)]);
    let asked = Instant::now();
    waiter.await.unwrap().unwrap();
    let waited = asked.elapsed().as_secs_f64();

    rig.metrics.of_client(a);
    let text = rig.metrics.render();
    let value = |series: &str, client: &str| -> f64 {
        let name = format!("{series}{{client=\"{client}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    assert_eq!(value("tidegate_client_upstream_calls_total", "client 0"), 5.0);
    assert_eq!(value("tidegate_client_upstream_calls_total", "client 1"), 1.0);
    assert_eq!(value("tidegate_client_upstream_refusals_total", "client 0"), 0.0);
    assert_eq!(value("tidegate_client_upstream_refusals_total", "client 1"), 1.0);
    assert_eq!(value("tidegate_client_upstream_wait_seconds_count", "client 0"), 5.0);
    let sum = value("tidegate_client_upstream_wait_seconds_sum", "client 0");
    assert!((sum - (waited - 0.15)).abs() < 0.01, "{sum} {waited}");
}

/// A second try is its client's, and told in the same account.
#[tokio::test(start_paused = true)]
async fn a_retry_is_charged_to_whoever_asked() {
    let settings = config::Upstream { max_attempts: 2, ..settings() };
    let rig = Rig::with(&[(Family::Candles, 30)], &settings);
    let [client] = rig.clients();
    rig.call(Call::within(secs(9)).by(client).failing(unavailable())).await.unwrap_err();
    let clients = rig.candles().clients;
    assert_eq!(clients.iter().map(|it| (it.client, it.used)).collect::<Vec<_>>(), [(client, 2)]);
    assert_eq!(rig.metrics.of_client(client).totals().upstream_calls, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// What is told to one who comes is what then happens to him, if nobody else comes.
    #[test]
    fn the_wait_that_is_told_is_the_wait(
        limit in 10u32..40,
        calls in proptest::collection::vec(
            (0u64..120_000, 0u64..90_000, 0usize..3, 0usize..5, 1u16..6), 40..160),
        asks_at in 30_000u64..120_000,
        (class, client, weight) in (0usize..3, 0usize..5, 1u16..6),
    ) {
        paused(async move {
            let rig = Rig::new(limit);
            let clients: [ClientId; 5] = rig.clients();
            let call = |within, class, client: usize, weight| {
                let call = Call::within(millis(within)).by(clients[client]);
                call.class(Wait::ALL[class]).weighing(weight)
            };
            // How long answers take is known from here on.
            rig.call(Call::within(secs(1))).await.unwrap();
            let mut others = JoinSet::new();
            for (at, within, class, client, weight) in calls {
                if at < asks_at {
                    // One who could be too late by a hair later on is patient instead.
                    let within = if at + within < asks_at { within } else { 100_000_000 };
                    let (rig, call) = (rig.clone(), call(within, class, client, weight));
                    others.spawn(async move {
                        sleep(millis(at)).await;
                        let _told = rig.call(call).await;
                    });
                }
            }
            sleep(millis(asks_at)).await;
            settle().await;
            let told = rig.call(call(1, class, client, weight)).await;
            let Err(CallError::BudgetExhausted { retry_after }) = told else { return };
            let (asked, within) = (Instant::now(), retry_after + secs(5));
            let mut call = call(1, class, client, weight);
            call.within = within;
            let sent = rig.call(call).await.expect("served when he was told");
            let off = (sent - asked).abs_diff(retry_after);
            assert!(off <= millis(5), "told {retry_after:?}, sent after {:?}", sent - asked);
        });
    }
}
