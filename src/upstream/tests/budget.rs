//! The budget: never more than the limit in any window, and little less.

use std::sync::{Arc, Mutex};

use proptest::{collection::vec, prelude::*};

use super::*;

const WINDOW: Duration = secs(60);

#[derive(Clone, Debug)]
pub(super) struct Arrival {
    at: Duration,
    within: Duration,
    latency: Duration,
    class: Wait,
    /// Which client's, and its weight.
    by: (usize, u16),
    hangs_up: Option<Duration>,
    answer: Result<(), UpstreamError>,
    /// Where between sending and end the exchange counts the call.
    counted: f64,
}

prop_compose! {
    pub(super) fn arrival()(
        at in 0u64..200_000,
        within in prop_oneof![0u64..3_000, 3_000u64..90_000],
        latency in prop_oneof![3 => 0u64..300, 1 => 0u64..5_000],
        class in 0usize..3,
        by in (0usize..5, 1u16..6),
        hangs_up in proptest::option::weighted(0.15, 0u64..20_000),
        answer in prop_oneof![
            30 => Just(Ok(())),
            2 => Just(Err(unavailable())),
            1 => (1u64..30).prop_map(|wait| Err(banned(wait))),
        ],
        counted in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
    ) -> Arrival {
        Arrival {
            at: millis(at),
            within: millis(within),
            latency: millis(latency),
            class: Wait::ALL[class],
            by,
            hangs_up: hangs_up.map(millis),
            answer,
            counted,
        }
    }
}

/// When a call was sent, and the last instant at which the exchange may count it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    sent: Instant,
    ended: Instant,
    counted: f64,
}

pub(super) type Flights = Arc<Mutex<Vec<Flight>>>;

/// Notes the flight however it ends.
struct Recorder {
    flights: Flights,
    sent: Instant,
    counted: f64,
    complete: bool,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A request that was given up may be in some buffer on the way.
        let stray = if self.complete { Duration::ZERO } else { secs(5) };
        let ended = Instant::now() + stray;
        let (sent, counted) = (self.sent, self.counted);
        self.flights.lock().unwrap().push(Flight { sent, ended, counted });
    }
}

/// One call, of which nobody is told later than his deadline.
pub(super) async fn fly(rig: Rig, arrival: Arrival, flights: Flights) {
    sleep(arrival.at).await;
    let deadline = Instant::now() + arrival.within;
    let request = || {
        let (flights, counted) = (flights.clone(), arrival.counted);
        let recorder = Recorder { flights, sent: Instant::now(), counted, complete: false };
        let (latency, answer) = (arrival.latency, arrival.answer.clone());
        async move {
            let mut recorder = recorder;
            sleep(latency).await;
            recorder.complete = true;
            answer
        }
    };
    let (client, weight) = arrival.by;
    let client = rig.clients::<5>()[client];
    let payer = Payer { class: arrival.class, client, weight: NonZeroU16::new(weight).unwrap() };
    let call = rig.upstream.call(Family::Candles, payer, deadline, request);
    match arrival.hangs_up {
        Some(patience) => drop(tokio::time::timeout(patience, call).await),
        None => drop(call.await),
    }
    let late = Instant::now().saturating_duration_since(deadline);
    assert!(late <= millis(1), "told {late:?} after the deadline");
}

/// The reference: sorted arrivals, `limit` apart they have to be more than a window apart.
pub(super) fn assert_within(mut arrivals: Vec<Instant>, limit: usize) {
    arrivals.sort();
    for pair in arrivals.windows(limit + 1) {
        let span = pair[limit] - pair[0];
        assert!(span > WINDOW, "{} calls in {span:?}, the limit is {limit}", limit + 1);
    }
}

/// No window of the exchange holds more of these calls than `limit`, whenever it counts them.
pub(super) fn assert_safe(flights: &Flights, limit: u32) {
    let flights = flights.lock().unwrap().clone();
    let counted =
        |flight: &Flight| flight.sent + (flight.ended - flight.sent).mul_f64(flight.counted);
    assert_within(flights.iter().map(counted).collect(), limit as usize);
    // The worst that any choice of arrivals could do, window by window.
    for window in flights.iter().map(|flight| flight.ended) {
        let worst = flights
            .iter()
            .filter(|flight| flight.sent <= window + WINDOW && flight.ended >= window)
            .count();
        assert!(worst <= limit as usize, "{worst} calls may fall into one window");
    }
}

pub(super) fn paused(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_window_holds_more_than_the_limit(
        limit in 1u32..90,
        arrivals in vec(arrival(), 1..400),
        attempts in 1u32..3,
    ) {
        paused(async move {
            let settings = config::Upstream {
                max_attempts: attempts,
                breaker_failures: 30,
                ..config::Upstream::default()
            };
            let rig = Rig::with(&[(Family::Candles, limit)], &settings);
            let flights = Flights::default();
            let mut calls = JoinSet::new();
            for arrival in arrivals {
                calls.spawn(fly(rig.clone(), arrival, flights.clone()));
            }
            calls.join_all().await;

            assert_safe(&flights, limit);
            let candles = rig.candles();
            assert_eq!(candles.waiting.total(), 0);
            assert!((1..=limit).contains(&candles.ceiling));
            sleep(WINDOW + secs(6)).await;
            assert_eq!(rig.candles().used, 0, "a slot leaked");
        });
    }
}

/// Callers who ask again as soon as they are answered, or when they were told to.
pub(super) async fn steady_demand(rig: &Rig, call: Call, until: Instant) {
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (rig, call) = (rig.clone(), call.clone());
        callers.spawn(async move {
            while Instant::now() < until {
                if let Err(refusal) = rig.call(call.clone()).await {
                    sleep(refusal.retry_after().unwrap()).await;
                }
            }
        });
    }
    callers.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn steady_demand_gets_95_percent_of_the_limit_and_never_more() {
    for limit in [15, 30, 90, 240] {
        let rig = Rig::new(limit);
        steady_demand(&rig, Call::within(secs(10)), rig.start + secs(660)).await;
        let sends: Vec<_> = rig.sends.lock().unwrap().iter().map(|(_, at)| *at).collect();
        let ten_minutes = rig.start + secs(60)..rig.start + secs(660);
        let used = sends.iter().filter(|at| ten_minutes.contains(at)).count() as f64;
        let share = used / f64::from(limit * 10);
        assert!((0.95..=1.0).contains(&share), "limit {limit}: {share}");
        assert_within(sends, limit as usize);
    }
}

fn cases() -> impl Iterator<Item = (u32, u64, Duration)> {
    let deadlines = [millis(600), secs(10), secs(100)];
    let latencies = [1, 150, 500].into_iter();
    let of_limit = move |limit| {
        latencies.clone().flat_map(move |latency| deadlines.map(|within| (limit, latency, within)))
    };
    [15, 30, 90, 240].into_iter().flat_map(of_limit)
}

/// The longest time without a call, and when it began.
fn longest_gap(sends: &[Instant]) -> (Duration, Instant) {
    let gaps = sends.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
    gaps.max().expect("at least two calls")
}

#[tokio::test(start_paused = true)]
async fn steady_demand_is_served_steadily_from_the_first_minute_on() {
    for (limit, latency, within) in cases() {
        let rig = Rig::new(limit);
        let until = rig.start + secs(600);
        steady_demand(&rig, Call::within(within).taking(millis(latency)), until).await;
        let sends: Vec<_> = rig.sends.lock().unwrap().iter().map(|(_, at)| *at).collect();
        let (gap, at) = longest_gap(&sends);
        let case = format!("limit {limit}, {latency} ms, within {within:?}");
        let most = (WINDOW / limit).mul_f64(2.5) + millis(latency + 5);
        assert!(gap <= most, "{case}: no call for {gap:?} after {:?}", at - rig.start);
        // Any whole minute, not only those that begin with a full one.
        for from in (60..=540).map(|second| rig.start + secs(second)) {
            let used = sends.iter().filter(|at| (from..from + WINDOW).contains(at)).count() as u32;
            assert!(used >= limit * 95 / 100, "{case}: {used} from {:?}", from - rig.start);
        }
        assert_within(sends, limit as usize);
    }
}

/// The window was filled by a burst and by a trickle that left the burst to be had again. Whoever
/// asks more than that waits, and the first burst's slots come free all at once.
#[tokio::test(start_paused = true)]
async fn slots_that_come_free_at_once_are_spread_while_somebody_waits() {
    let rig = Rig::new(30);
    rig.burst(10).await;
    for second in (20..60).step_by(2) {
        sleep((rig.start + secs(second)).saturating_duration_since(Instant::now())).await;
        rig.call(Call::within(secs(1))).await.unwrap();
    }
    let full = rig.sent() - 1;
    assert_eq!(rig.candles().left, 0);
    steady_demand(&rig, Call::within(secs(10)), rig.start + secs(200)).await;
    let sends: Vec<_> = rig.sends.lock().unwrap().iter().map(|(_, at)| *at).collect();
    let (gap, at) = longest_gap(&sends[full..]);
    assert!(gap <= millis(2_300), "no call for {gap:?} after {:?}", at - rig.start);
}

/// Once nobody asks, the burst is earned again as fast as before.
#[tokio::test(start_paused = true)]
async fn idle_after_steady_demand_gives_the_burst_back() {
    let rig = Rig::new(30);
    steady_demand(&rig, Call::within(secs(10)), rig.start + secs(200)).await;
    assert!(rig.upstream.ready(Family::Candles) <= 1);
    sleep(secs(22)).await;
    assert_eq!(rig.upstream.ready(Family::Candles), 10);
    rig.burst(10).await;
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_limit_goes_at_once_after_idle() {
    for limit in [1, 2, 10, 15, 30, 90, 240] {
        let rig = Rig::new(limit);
        sleep(secs(600)).await;
        let third = limit.div_ceil(3);
        assert_eq!(rig.upstream.ready(Family::Candles), third);
        rig.burst(third as usize).await;
        assert_eq!(rig.upstream.ready(Family::Candles), 0);
        assert_eq!((rig.candles().used, rig.candles().left), (third, limit - third));
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_without_a_budget_is_never_called() {
    let rig = Rig::with(&[(Family::Candles, 30), (Family::Stats, 0)], &settings());
    for family in [Family::Stats, Family::Book] {
        let refused = rig.call(Call::within(secs(100)).of(family)).await;
        assert_eq!(refused, Err(CallError::BudgetExhausted { retry_after: WINDOW }));
        assert_eq!(rig.upstream.ready(family), 0);
    }
    assert_eq!(rig.sent(), 0);
}

/// What is sent stays charged from its sending until one window after its end.
#[tokio::test(start_paused = true)]
async fn a_slot_is_held_for_a_window_after_the_call_ended() {
    let rig = Rig::new(1);
    rig.call(Call::within(secs(10)).taking(secs(5))).await.unwrap();
    sleep(secs(59)).await;
    assert_eq!(rig.candles().used, 1);
    let sent = rig.call(Call::within(secs(10))).await.unwrap();
    assert_about(sent - rig.start, secs(65));
}
