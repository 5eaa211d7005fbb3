//! One process after another: what the journal is told, and what comes of it.

use std::sync::OnceLock;

use super::{
    budget::{Arrival, Flights, arrival, assert_safe, fly, paused},
    *,
};
use crate::upstream::{Journal, Memory, Saved, SavedBan, SavedCall};

/// The longest that a call of these tests is under way.
const LONGEST: Duration = secs(5);

/// A call that may have been under way until its process ended may still arrive.
const STRAY: Duration = secs(5);

const FAMILIES: [(Family, u32); 3] =
    [(Family::Candles, 30), (Family::Book, 240), (Family::Trades, 15)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Called(&'static str, u32),
    Closed(Option<&'static str>, Duration),
    Opened(Option<&'static str>),
}

/// Writes down what it is told, and reads it as a next process would.
#[derive(Default)]
struct Notes {
    entries: Mutex<Vec<(Instant, Entry)>>,
    /// Looked at whenever something is told.
    upstream: OnceLock<Arc<Upstream>>,
}

impl Notes {
    fn note(&self, exchange: &'static str, entry: Entry) {
        assert_eq!(exchange, "test");
        self.entries.lock().unwrap().push((Instant::now(), entry));
        if let Some(upstream) = self.upstream.get() {
            assert_eq!(upstream.snapshot().exchange, "test");
        }
    }

    fn told(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().iter().map(|(_, entry)| *entry).collect()
    }

    /// What is in force now, by a clock that was set back by `slow` since it was written.
    fn saved(&self, slow: Duration) -> Saved {
        let mut saved = Saved::default();
        for (at, entry) in self.entries.lock().unwrap().iter() {
            match entry {
                Entry::Called(pool, units) => {
                    let age = at.elapsed().saturating_sub(slow);
                    saved.calls.push(SavedCall { pool: (*pool).to_owned(), units: *units, age });
                }
                Entry::Closed(pool, left) => {
                    let pool = pool.map(str::to_owned);
                    saved.bans.retain(|ban| ban.pool != pool);
                    let left = (*left + slow).saturating_sub(at.elapsed());
                    saved.bans.push(SavedBan { pool, left });
                }
                Entry::Opened(pool) => saved.bans.retain(|ban| ban.pool.as_deref() != *pool),
            }
        }
        saved
    }
}

impl Journal for Notes {
    fn called(&self, exchange: &'static str, pool: &'static str, units: u32) {
        self.note(exchange, Entry::Called(pool, units));
    }

    fn closed(&self, exchange: &'static str, pool: Option<&'static str>, left: Duration) {
        self.note(exchange, Entry::Closed(pool, left));
    }

    fn opened(&self, exchange: &'static str, pool: Option<&'static str>) {
        self.note(exchange, Entry::Opened(pool));
    }
}

fn ban(pool: Option<&str>, left: Duration) -> SavedBan {
    SavedBan { pool: pool.map(str::to_owned), left }
}

fn calls(family: Family, age: Duration, count: usize) -> Vec<SavedCall> {
    vec![SavedCall { pool: family.as_str().to_owned(), units: 1, age }; count]
}

fn process(families: &[(Family, u32)], notes: &Arc<Notes>, saved: Saved) -> Rig {
    let memory = Memory { journal: notes.clone(), saved, longest_call: LONGEST };
    let metrics = Metrics::new();
    let pools = pools(families);
    let upstream = Upstream::resume("test", &pools, &settings(), memory, None, &metrics, &tasks());
    Rig::of(upstream, metrics)
}

fn first(limit: u32) -> (Rig, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (process(&[(Family::Candles, limit)], &notes, Saved::default()), notes)
}

fn next(limit: u32, notes: &Arc<Notes>) -> Rig {
    process(&[(Family::Candles, limit)], notes, notes.saved(Duration::ZERO))
}

fn left(result: Result<Instant, CallError>) -> Duration {
    match result {
        Err(CallError::RateLimited { retry_after }) => retry_after,
        other => panic!("expected a ban, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn calls_and_bans_are_told_when_they_begin_and_end() {
    let (rig, notes) = first(30);
    assert!(notes.upstream.set(rig.upstream.clone()).is_ok());
    let candles = Some("candles");
    let called = Entry::Called("candles", 1);

    // Neither a call that succeeds, nor one that is never sent, nor a family that never closed.
    rig.call(Call::within(secs(5))).await.unwrap();
    rig.call(Call::within(Duration::ZERO)).await.unwrap_err();
    rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    assert_eq!(notes.told(), [called, called]);

    // Three 429s, of which the second ends later and the third before that.
    notes.entries.lock().unwrap().clear();
    let slow = rig.spawn(Call::within(secs(9)).taking(secs(3)).failing(banned(20)));
    let third = rig.spawn(Call::within(secs(9)).taking(secs(4)).failing(banned(2)));
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    assert_eq!(left(slow.await.unwrap()), secs(20));
    assert_eq!(left(third.await.unwrap()), secs(19));
    let closed = |seconds| Entry::Closed(candles, secs(seconds));
    assert_eq!(notes.told(), [called, called, called, closed(10), closed(20), closed(19)]);
    assert_eq!(notes.saved(Duration::ZERO).bans, [ban(candles, secs(19))]);

    // A probe that proves nothing, and one that does.
    sleep(secs(19)).await;
    notes.entries.lock().unwrap().clear();
    rig.call(Call::within(secs(5)).failing(unavailable())).await.unwrap_err();
    assert_eq!(notes.told(), [called]);
    rig.call(Call::within(secs(5))).await.unwrap();
    rig.call(Call::within(secs(5))).await.unwrap();
    assert_eq!(notes.told(), [called, called, Entry::Opened(candles), called]);
}

/// The call is noted before it is sent, so that a process that ends in between has spent it.
#[tokio::test(start_paused = true)]
async fn a_call_is_noted_before_its_request_is_made() {
    let (rig, notes) = first(30);
    let deadline = Instant::now() + secs(1);
    let noted = rig.upstream.call(Family::Candles, Wait::Client, deadline, || {
        let noted = notes.told().len();
        async move { Ok(noted) }
    });
    assert_eq!(noted.await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_restart_within_a_ban_stays_banned_for_what_is_left_and_sends_one_probe() {
    let (rig, notes) = first(240);
    rig.call(Call::within(secs(5)).failing(banned(60))).await.unwrap_err();
    drop(rig);
    sleep(secs(20)).await;

    let rig = next(240, &notes);
    assert_eq!(rig.candles().banned_for, secs(40));
    assert_eq!(rig.upstream.ready(Family::Candles), 0);
    assert_eq!(left(rig.call(Call::within(secs(5))).await), secs(40));
    let patient = Call::within(secs(100)).taking(secs(3));
    let waiters: Vec<_> = (0..20).map(|_| rig.spawn(patient.clone())).collect();
    sleep(secs(41)).await;
    assert_eq!(rig.sent(), 1);
    let mut turns = Vec::new();
    for waiter in waiters {
        turns.push(waiter.await.unwrap().unwrap() - rig.start);
    }
    turns.sort();
    assert_about(turns[0], secs(40));
    assert_about(turns[1], secs(43));
    assert_eq!(notes.saved(Duration::ZERO).bans, []);
    assert_eq!(next(240, &notes).candles().banned_for, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_ban_of_all_families_survives_too() {
    let notes = Arc::new(Notes::default());
    let rig = process(&FAMILIES, &notes, Saved::default());
    for family in [Family::Candles, Family::Book] {
        rig.call(Call::within(secs(5)).of(family).failing(banned(30))).await.unwrap_err();
    }
    let before = rig.upstream.snapshot().banned_for;
    sleep(secs(10)).await;

    let rig = process(&FAMILIES, &notes, notes.saved(Duration::ZERO));
    assert_eq!(rig.upstream.snapshot().banned_for, before - secs(10));
    let trades = Call::within(secs(5)).of(Family::Trades);
    assert_eq!(left(rig.call(trades.clone()).await), before - secs(10));
    sleep(secs(30)).await;
    rig.call(trades).await.unwrap();
    let proved = [Entry::Called("trades", 1), Entry::Opened(None)];
    assert_eq!(notes.told()[notes.told().len() - 2..], proved);
    let bans = notes.saved(Duration::ZERO).bans;
    assert_eq!(bans, ["candles", "book"].map(|pool| ban(Some(pool), Duration::ZERO)));
}

/// The process was not there when the ban's time was over, and nobody has tried since.
#[tokio::test(start_paused = true)]
async fn a_ban_that_is_over_still_lacks_its_probe() {
    let (rig, notes) = first(30);
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    sleep(secs(300)).await;
    let rig = next(30, &notes);
    assert_eq!(rig.candles().banned_for, Duration::ZERO);
    assert_eq!(rig.upstream.ready(Family::Candles), 1);
    rig.call(Call::within(secs(5))).await.unwrap();
    assert_eq!(rig.upstream.ready(Family::Candles), 9);
}

#[tokio::test(start_paused = true)]
async fn a_ban_of_the_address_survives_for_days() {
    let (rig, notes) = first(30);
    let shut_out = UpstreamError::Banned { retry_after: Some(secs(2 * 86_400)) };
    rig.call(Call::within(secs(5)).failing(shut_out)).await.unwrap_err();
    assert_eq!(notes.told()[1..], [Entry::Closed(None, secs(2 * 86_400))]);
    sleep(secs(86_400)).await;
    let rig = next(30, &notes);
    assert_eq!(rig.upstream.snapshot().banned_for, secs(86_400));
    assert_eq!(left(rig.call(Call::within(secs(5))).await), secs(86_400));
    sleep(secs(86_400)).await;
    rig.call(Call::within(secs(5))).await.unwrap();
    assert_eq!(notes.saved(Duration::ZERO).bans, []);
}

/// A call that cost many units holds as many slots in the next process.
#[tokio::test(start_paused = true)]
async fn units_survive_a_restart() {
    let (rig, notes) = first(300);
    rig.call(Call::within(secs(5)).costing(80)).await.unwrap();
    rig.call(Call::within(secs(5)).costing(15)).await.unwrap();
    let restarted = next(300, &notes);
    assert_eq!(restarted.candles().used, 95);
    let of_many = |count| calls(Family::Candles, secs(1), count);
    let families = [(Family::Candles, 30)];
    let saved = Saved { calls: of_many(30), bans: Vec::new() };
    let saved = Saved {
        calls: saved.calls.into_iter().map(|it| SavedCall { units: 7, ..it }).collect(),
        ..saved
    };
    let full = process(&families, &notes, saved);
    assert_eq!(
        (full.candles().used, full.candles().left),
        (35, 0),
        "no more than fills the window"
    );
}

#[tokio::test(start_paused = true)]
async fn no_clock_makes_a_ban_longer_than_the_longest() {
    let (rig, notes) = first(30);
    rig.call(Call::within(secs(5)).failing(banned(10))).await.unwrap_err();
    let saved = notes.saved(secs(86_400));
    let rig = process(&[(Family::Candles, 30)], &notes, saved);
    assert_eq!(rig.candles().banned_for, secs(3_600));
}

#[tokio::test(start_paused = true)]
async fn a_restart_after_all_calls_sends_none_until_the_window_is_over() {
    let (rig, notes) = first(30);
    let mut sends = Vec::new();
    for _ in 0..30 {
        sends.push(rig.call(Call::within(secs(60))).await.unwrap());
    }
    let rig = next(30, &notes);
    assert_eq!((rig.candles().used, rig.candles().left), (30, 0));
    assert_eq!(rig.upstream.ready(Family::Candles), 0);
    // They were answered, but the next process cannot know: they may have taken the longest time.
    let free = sends[0] + LONGEST + STRAY + secs(60);
    let refused = rig.call(Call::within(secs(5))).await;
    let Err(CallError::BudgetExhausted { retry_after }) = refused else { panic!("{refused:?}") };
    assert_about(retry_after, free - rig.start);
    let patient = Call::within(secs(200));
    let waiters: Vec<_> = (0..30).map(|_| rig.spawn(patient.clone())).collect();
    sleep((free - rig.start) - millis(10)).await;
    assert_eq!(rig.sent(), 0);
    sleep(millis(20)).await;
    assert_eq!(rig.sent(), 1);
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    // Slots are not given out faster than they come free.
    let sends: Vec<_> = rig.sends.lock().unwrap().iter().map(|(_, at)| *at).collect();
    let pauses = sends.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.max().unwrap() < secs(4));
    assert!(sends[29] - sends[0] > secs(40), "{:?}", sends[29] - sends[0]);
}

/// The restart neither gives the burst back nor takes much more than was spent.
#[tokio::test(start_paused = true)]
async fn the_pace_goes_on_as_if_there_had_been_no_restart() {
    for (burst, pause) in [(10, 0), (10, 7), (4, 0), (4, 100), (10, 30), (9, 66)] {
        let (rig, notes) = first(30);
        rig.burst(burst).await;
        sleep(secs(pause)).await;
        let restarted = next(30, &notes);
        let ready = |rig: &Rig| rig.upstream.ready(Family::Candles);
        let [before, after] = [ready(&rig), ready(&restarted)];
        assert!(after == before || after + 1 == before, "{burst} {pause}: {before}, {after}");
        // What the window has left has to last until slots come free that are held longer.
        let [before, after] = [&rig, &restarted].map(|rig| rig.candles().next_slot_in);
        assert!(
            after >= before && after - before < secs(1),
            "{burst} {pause} {before:?} {after:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_future_and_of_long_ago_do_no_harm() {
    let (_, notes) = first(30);
    let horizon = Saved::horizon(secs(60), LONGEST);
    let limits = [(Family::Candles, 30)];
    let calls = |age, count| calls(Family::Candles, age, count);
    let with = |calls| process(&limits, &notes, Saved { calls, bans: Vec::new() });

    let long_ago = with(calls(horizon, 1_000));
    assert_eq!((long_ago.candles().used, long_ago.upstream.ready(Family::Candles)), (0, 10));
    let just_not = with(calls(horizon - millis(1), 1_000));
    assert_eq!(just_not.candles().used, 30);
    let never = with(calls(Duration::MAX, 3));
    assert_eq!(never.upstream.ready(Family::Candles), 10);
    let of_another = with(super::restart::calls(Family::Book, Duration::ZERO, 30));
    assert_eq!(of_another.upstream.ready(Family::Candles), 10);

    // Their process ended just now, and them with it.
    let just_now = with(calls(Duration::ZERO, 1_000));
    assert_eq!(just_now.candles().used, 30);
    assert_about(just_now.candles().next_slot_in, horizon - LONGEST);
    sleep(horizon - LONGEST + millis(2)).await;
    just_now.call(Call::within(secs(1))).await.unwrap();
}

mod series {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    struct Life {
        arrivals: Vec<Arrival>,
        lasts: Duration,
        /// From its end to the next one's start.
        down: Duration,
        /// By how much the wall clock is set back meanwhile.
        slow: Duration,
    }

    prop_compose! {
        fn life()(
            arrivals in vec(arrival(), 0..120),
            lasts in prop_oneof![0_u64..5_000, 0_u64..120_000],
            down in prop_oneof![Just(0_u64), 0_u64..3_000, 0_u64..90_000],
            slow in prop_oneof![4 => Just(0_u64), 1 => 0_u64..40_000],
        ) -> Life {
            Life { arrivals, lasts: millis(lasts), down: millis(down), slow: millis(slow) }
        }
    }

    async fn live(life: Life, limit: u32, notes: &Arc<Notes>, flights: &Flights) -> Rig {
        let saved = notes.saved(life.slow);
        let rig = process(&[(Family::Candles, limit)], notes, saved);
        let mut calls = JoinSet::new();
        for arrival in life.arrivals {
            calls.spawn(fly(rig.clone(), arrival, flights.clone()));
        }
        sleep(life.lasts).await;
        calls.shutdown().await;
        sleep(life.down).await;
        rig
    }

    /// No call is sent within a ban: neither by the process that met it nor by a later one.
    fn assert_bans_kept(notes: &Notes) {
        let mut closed_until = None;
        for (at, entry) in notes.entries.lock().unwrap().iter() {
            match entry {
                Entry::Called(..) => assert!(closed_until.is_none_or(|until| *at >= until)),
                Entry::Closed(_, left) => closed_until = Some(*at + *left),
                Entry::Opened(_) => closed_until = None,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn no_window_holds_more_than_the_limit_over_restarts(
            limit in 1u32..60,
            lives in vec(life(), 1..7),
        ) {
            paused(async move {
                let (notes, flights) = (Arc::new(Notes::default()), Flights::default());
                let mut last = None;
                for life in lives {
                    last = Some(live(life, limit, &notes, &flights).await);
                }
                assert_safe(&flights, limit);
                assert_bans_kept(&notes);
                let calls = notes.told().into_iter().filter(|entry| matches!(entry, Entry::Called(..)));
                assert_eq!(calls.count(), flights.lock().unwrap().len());
                sleep(secs(140)).await;
                assert_eq!(last.map_or(0, |rig| rig.candles().used), 0, "a slot leaked");
            });
        }
    }
}
