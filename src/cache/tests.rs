//! Reads in virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, advance, sleep};

use super::{Ask, Cache, Content, Demand, Failure, Loaded, Read, ReadError, Source};
use crate::{
    clock::Clock,
    config::Policy,
    market::UnixMs,
    tasks::Tasks,
    telemetry::{CacheOutcome, DataKind, Metrics, Payer},
};

#[derive(Debug, PartialEq)]
struct Text(String);

impl Content for Text {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

/// A failure that names a wait.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("refused for {0:?}")]
struct Refused(Duration);

impl Failure for Refused {
    fn remembered_for(&self, negative_ttl: Duration) -> Duration {
        negative_ttl
    }

    fn told(self, later: Duration) -> Self {
        Self(self.0.saturating_sub(later))
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const POLICY: Policy = Policy {
    ttl: ms(1000),
    stale_while_revalidate: ms(500),
    stale_if_error: ms(5000),
    negative_ttl: ms(200),
};

/// A cache and a source that counts its loads, takes 100 ms for each, and may be told to fail.
#[derive(Clone)]
struct Bench {
    cache: Cache<&'static str, Text, Refused>,
    loads: Arc<AtomicUsize>,
    fails: Arc<AtomicUsize>,
}

impl Bench {
    fn new(max_bytes: u64) -> Self {
        let clock = Clock::anchored(UnixMs::from_millis(0));
        let tasks = Tasks::new(|_| {});
        let cache = Cache::new(max_bytes, ms(3000), clock, Metrics::new(), tasks);
        Self { cache, loads: Arc::default(), fails: Arc::default() }
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// The next `count` loads fail.
    fn fail(&self, count: usize) {
        self.fails.store(count, Ordering::SeqCst);
    }

    async fn read(&self, demand: Demand) -> Result<Read<Text>, ReadError<Refused>> {
        self.read_of(demand, 0).await
    }

    /// A read that is content with values of at least `length` bytes; a load brings 100.
    async fn read_of(
        &self,
        demand: Demand,
        length: usize,
    ) -> Result<Read<Text>, ReadError<Refused>> {
        let ask = Ask { demand, ..Ask::by(Instant::now() + ms(2000)) };
        let load = |_payer: Payer, _deadline: Instant| {
            let bench = self.clone();
            async move {
                let number = bench.loads.fetch_add(1, Ordering::SeqCst) + 1;
                sleep(ms(100)).await;
                let left = bench.fails.load(Ordering::SeqCst);
                if left > 0 {
                    bench.fails.store(left - 1, Ordering::SeqCst);
                    return Err(Refused(ms(900)));
                }
                let value = Text(format!("{number:>0$}", length.max(1)));
                Ok(Loaded { value, kind: DataKind::Ticker, policy: POLICY, source: Source::Rest })
            }
        };
        let enough = move |value: &Text| value.0.len() >= length;
        self.cache.read(&"key", DataKind::Ticker, POLICY.negative_ttl, ask, enough, load).await
    }
}

fn told(read: &Result<Read<Text>, ReadError<Refused>>) -> (&str, CacheOutcome) {
    let read = read.as_ref().expect("the read brought a value");
    (read.entry.value.0.trim(), read.outcome)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_share_one_load_that_outlives_the_first() {
    let bench = Bench::new(1 << 20);
    let reader = || {
        let bench = bench.clone();
        async move { bench.read(Demand::default()).await }
    };
    let mut readers = tokio::task::JoinSet::new();
    let first = readers.spawn(reader());
    sleep(ms(10)).await;
    for _ in 0..999 {
        readers.spawn(reader());
    }
    sleep(ms(10)).await;
    first.abort();
    let mut answered = 0;
    while let Some(read) = readers.join_next().await {
        if let Ok(read) = read {
            assert_eq!(told(&read), ("1", CacheOutcome::Collapsed));
            answered += 1;
        }
    }
    assert_eq!((answered, bench.loads()), (999, 1));
}

#[tokio::test(start_paused = true)]
async fn age_decides_between_hit_stale_and_a_new_load() {
    let bench = Bench::new(1 << 20);
    let none = Demand::default();
    assert_eq!(told(&bench.read(none).await), ("1", CacheOutcome::Miss));
    advance(ms(999)).await;
    assert_eq!(told(&bench.read(none).await), ("1", CacheOutcome::Hit));
    advance(ms(1)).await;
    let before = Instant::now();
    let stale = bench.read(none).await;
    assert_eq!(told(&stale), ("1", CacheOutcome::Stale));
    assert!(stale.as_ref().unwrap().entry.stamp.is_refreshing());
    assert_eq!(told(&bench.read(none).await), ("1", CacheOutcome::Stale));
    assert_eq!(before.elapsed(), ms(0));
    sleep(ms(150)).await;
    assert_eq!(told(&bench.read(none).await), ("2", CacheOutcome::Hit));
    assert_eq!(bench.loads(), 2);
    advance(ms(1500)).await;
    assert_eq!(told(&bench.read(none).await), ("3", CacheOutcome::Expired));
}

#[tokio::test(start_paused = true)]
async fn failures_are_shared_remembered_and_bridged_by_what_is_held() {
    let bench = Bench::new(1 << 20);
    let none = Demand::default();
    bench.fail(1);
    let (one, two) = tokio::join!(bench.read(none), bench.read(none));
    for read in [one, two] {
        assert!(matches!(read, Err(ReadError::Load(Refused(wait))) if wait == ms(900)));
    }
    advance(ms(150)).await;
    let read = bench.read(none).await;
    assert!(matches!(read, Err(ReadError::Load(Refused(wait))) if wait == ms(750)), "{read:?}");
    assert_eq!(bench.loads(), 1);
    advance(ms(50)).await;
    assert_eq!(told(&bench.read(none).await), ("2", CacheOutcome::Miss));

    advance(ms(3000)).await;
    bench.fail(9);
    assert_eq!(told(&bench.read(none).await), ("2", CacheOutcome::Stale));
    let strict = Demand { max_age: Some(ms(2000)), ..none };
    assert!(matches!(bench.read(strict).await, Err(ReadError::Load(_))));
    advance(ms(3000)).await;
    assert!(matches!(bench.read(none).await, Err(ReadError::Load(_))));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_again() {
    let bench = Bench::new(1 << 20);
    let none = Demand::default();
    bench.read(none).await.unwrap();
    advance(ms(1000)).await;
    bench.fail(1);
    let stale = bench.read(none).await.unwrap();
    assert_eq!((stale.outcome, stale.entry.stamp.is_refreshing()), (CacheOutcome::Stale, true));
    sleep(ms(150)).await;
    assert!(!stale.entry.stamp.is_refreshing());
    advance(ms(200)).await;
    assert_eq!(told(&bench.read(none).await), ("1", CacheOutcome::Stale));
    sleep(ms(110)).await;
    assert_eq!(told(&bench.read(none).await), ("3", CacheOutcome::Hit));
}

#[tokio::test(start_paused = true)]
async fn demands_are_met_or_refused() {
    let bench = Bench::new(1 << 20);
    let none = Demand::default();
    let cached_only = Demand { only_if_cached: true, ..none };
    assert!(matches!(bench.read(cached_only).await, Err(ReadError::NotCached)));
    assert_eq!(bench.loads(), 0);
    bench.read(none).await.unwrap();
    assert_eq!(told(&bench.read(cached_only).await), ("1", CacheOutcome::Hit));
    advance(ms(500)).await;
    let max_age = Demand { max_age: Some(ms(400)), ..none };
    assert_eq!(told(&bench.read(max_age).await), ("2", CacheOutcome::Expired));
    let min_fresh = Demand { min_fresh: Some(ms(1001)), ..none };
    assert!(matches!(bench.read(min_fresh).await, Err(ReadError::Unmeetable)));
    advance(ms(2000)).await;
    let any = Demand { max_stale: Some(Duration::MAX), only_if_cached: true, ..none };
    assert_eq!(told(&bench.read(any).await).1, CacheOutcome::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_no_longer_than_its_deadline() {
    let bench = Bench::new(1 << 20);
    let ask = Ask::by(Instant::now() + ms(300));
    let never = |_, _| std::future::pending();
    let before = Instant::now();
    let read = bench
        .cache
        .read(&"key", DataKind::Ticker, POLICY.negative_ttl, ask, |_: &Text| true, never)
        .await;
    assert!(matches!(read, Err(ReadError::Deadline)));
    assert_eq!(before.elapsed(), ms(300));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_frees_its_key() {
    let bench = Bench::new(1 << 20);
    let ask = Ask::by(Instant::now() + ms(300));
    let panics = |_, _| async { panic!("on purpose") };
    let read = bench
        .cache
        .read(&"key", DataKind::Ticker, POLICY.negative_ttl, ask, |_: &Text| true, panics)
        .await;
    assert!(matches!(read, Err(ReadError::Panicked)));
    assert_eq!(told(&bench.read(Demand::default()).await), ("1", CacheOutcome::Miss));
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_load_that_is_too_small_makes_his_own() {
    let bench = Bench::new(1 << 20);
    let none = Demand::default();
    let (small, large) = tokio::join!(bench.read_of(none, 5), bench.read_of(none, 50));
    assert_eq!(small.unwrap().entry.value.0.len(), 5);
    assert_eq!(large.unwrap().entry.value.0.len(), 50);
    assert_eq!(bench.loads(), 2);
    assert_eq!(told(&bench.read_of(none, 5).await), ("2", CacheOutcome::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_newer_value_supersedes_and_an_older_one_does_not() {
    let bench = Bench::new(1 << 20);
    let first = bench.read(Demand::default()).await.unwrap().entry;
    first.stamp.hit();
    let put = |text: &str, received| {
        let value = Text(text.to_owned());
        let loaded = Loaded { value, kind: DataKind::Ticker, policy: POLICY, source: Source::Rest };
        bench.cache.put("key", loaded, received);
    };
    put("older", first.stamp.received - ms(1));
    assert!(!first.stamp.is_superseded());
    advance(ms(10)).await;
    put("newer", Instant::now());
    assert!(first.stamp.is_superseded());
    let held = bench.cache.peek(&"key").unwrap();
    assert_eq!((held.value.0.as_str(), held.stamp.hits()), ("newer", 1));
    assert_eq!(held.stamp.received_at.millis(), 110);
}

#[tokio::test]
async fn memory_is_bounded_by_bytes() {
    let clock = Clock::anchored(UnixMs::from_millis(0));
    let tasks = Tasks::new(|_| {});
    let cache: Cache<u32, Text, Refused> =
        Cache::new(100_000, ms(3000), clock, Metrics::new(), tasks);
    for key in 0..10_000 {
        let value = Text("x".repeat(1000));
        let loaded = Loaded { value, kind: DataKind::Ticker, policy: POLICY, source: Source::Rest };
        cache.put(key, loaded, Instant::now());
    }
    let (entries, bytes, flights) = cache.size();
    assert!(bytes <= 100_000, "{bytes}");
    assert!((1..100).contains(&entries), "{entries}");
    assert_eq!(flights, 0);
}

fn pushed(text: &str) -> Loaded<Text> {
    let (kind, source) = (DataKind::Ticker, Source::Stream);
    Loaded { value: Text(text.to_owned()), kind, policy: POLICY, source }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_revised_in_one_step_and_never_by_an_older_one() {
    let bench = Bench::new(1 << 20);
    let (cache, first) = (&bench.cache, Instant::now());
    assert!(cache.revise("key", first, |held| held.map(|_| pushed("none"))).is_none());
    cache.revise("key", first, |held| held.is_none().then(|| pushed("a"))).unwrap();
    advance(ms(10)).await;
    let later = Instant::now();
    let longer =
        |held: Option<&Arc<super::Entry<Text>>>| Some(pushed(&format!("{}b", held?.value.0)));
    let old = cache.peek(&"key").unwrap();
    old.stamp.hit();
    let new = cache.revise("key", later, longer).unwrap();
    assert_eq!((new.value.0.as_str(), new.stamp.received, new.stamp.hits()), ("ab", later, 1));
    assert!(old.stamp.is_superseded() && !new.stamp.is_superseded());
    let held = cache.revise("key", first, longer).unwrap();
    assert!(Arc::ptr_eq(&held, &new), "what is older is dropped");
    let held = cache.revise("key", later, |_| None).unwrap();
    assert!(Arc::ptr_eq(&held, &new) && !new.stamp.is_superseded());
}

#[tokio::test(start_paused = true)]
async fn a_value_pushed_after_a_failure_is_read_at_once() {
    let bench = Bench::new(1 << 20);
    bench.fail(1);
    assert!(bench.read(Demand::default()).await.is_err());
    bench.cache.revise("key", Instant::now(), |_| Some(pushed("a")));
    let read = bench.read(Demand::default()).await;
    assert_eq!((told(&read), bench.loads()), (("a", CacheOutcome::Hit), 1));
}

#[tokio::test(start_paused = true)]
async fn a_value_gets_another_policy_and_keeps_its_age() {
    let bench = Bench::new(1 << 20);
    let cache = &bench.cache;
    assert!(cache.restamp("key", |_| panic!("nothing is held")).is_none());
    let old = cache.revise("key", Instant::now(), |_| Some(pushed("a"))).unwrap();
    advance(ms(300)).await;
    old.stamp.confirm(Instant::now());
    old.stamp.hit();
    advance(ms(200)).await;
    let policy = Policy { ttl: ms(100), ..POLICY };
    let new = cache.restamp("key", |stamp| Some((policy, stamp.known_at()))).unwrap();
    assert!(Arc::ptr_eq(&old.value, &new.value) && old.stamp.is_superseded());
    let stamp = &new.stamp;
    assert_eq!((stamp.age(Instant::now()), stamp.policy, stamp.hits()), (ms(200), policy, 1));
    assert_eq!((stamp.source, stamp.received_at.millis()), (Source::Stream, 300));
    let read = bench.read(Demand::default()).await;
    assert_eq!(told(&read), ("a", CacheOutcome::Stale));
    let kept = cache.restamp("key", |_| None).unwrap();
    assert!(Arc::ptr_eq(&kept, &new));
}
