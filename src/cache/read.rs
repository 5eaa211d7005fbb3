//! One read: fresh, answer; stale, answer and fly; miss, fly.

use std::{fmt, future::Future, hash::Hash, sync::Arc, time::Duration};

use moka::ops::compute::{CompResult, Op};
use tokio::time::{Instant, timeout_at};

use super::{
    Ask, Content, Entry, Failure, Flights, Loaded, Read, ReadError, Source, Stamp, Verdict,
    flight::Boarding, reason,
};
use crate::{
    clock::Clock,
    config::Policy,
    market::UnixMs,
    tasks::Tasks,
    telemetry::{
        CacheOutcome, DataKind, Gate, Metrics, Payer, Wait,
        explain::{Note, Role},
    },
};

type Held<V, E> = Result<Arc<Entry<V>>, E>;

/// Entries by key, bounded by bytes, with their loads and remembered failures.
pub struct Cache<K, V, E> {
    pub(super) inner: Arc<Inner<K, V, E>>,
}

pub(super) struct Inner<K, V, E> {
    pub(super) entries: moka::sync::Cache<K, Arc<Entry<V>>, foldhash::quality::RandomState>,
    pub(super) failures:
        moka::sync::Cache<K, (E, Instant, Instant), foldhash::quality::RandomState>,
    pub(super) flights: Flights<K, Held<V, E>>,
    refresh_deadline: Duration,
    warnings: Gate,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

/// A load ends this much before its caller's patience does: it knows best why, and gets to tell.
const LAST_WORD: Duration = Duration::from_millis(50);

/// An exchange that is down fails every fetch; one of them a second is told in the log.
const WARNINGS_APART: Duration = Duration::from_secs(1);

/// Failures are small; this many of them are remembered.
const MAX_FAILURES: u64 = 4096;

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static,
    V: Content + Send + Sync + 'static,
    E: Failure,
{
    /// An empty cache of at most `max_bytes`; a refresh that no client waits for may take
    /// `refresh_deadline`.
    pub fn new(
        max_bytes: u64,
        refresh_deadline: Duration,
        clock: Clock,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        let weigher = |_: &K, entry: &Arc<Entry<V>>| {
            let bytes = entry.value.weight() + size_of::<Entry<V>>() + size_of::<Stamp>();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(weigher)
            .build_with_hasher(foldhash::quality::RandomState::default());
        let failures = moka::sync::Cache::builder()
            .max_capacity(MAX_FAILURES)
            .build_with_hasher(foldhash::quality::RandomState::default());
        let flights = Flights::new(tasks);
        let warnings = Gate::new(WARNINGS_APART);
        Self {
            inner: Arc::new(Inner {
                entries,
                failures,
                flights,
                refresh_deadline,
                warnings,
                clock,
                metrics,
            }),
        }
    }

    /// Reads `key`, loading it where what is held may not be served.
    ///
    /// `enough` says whether a held value covers this request (a series may be too short).
    /// `load` makes the one load, for the payer and until the deadline it is given; it runs in a
    /// task of its own. Cancel-safe: dropping the read neither cancels nor repeats a load.
    pub async fn read<L, F>(
        &self,
        key: &K,
        kind: DataKind,
        negative_ttl: Duration,
        ask: Ask,
        enough: impl Fn(&V) -> bool,
        load: L,
    ) -> Result<Read<V>, ReadError<E>>
    where
        L: Fn(Payer, Instant) -> F,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    {
        let mut note = Note::begin(key, kind);
        let read = self.read_unobserved(key, negative_ttl, ask, enough, load, &mut note).await;
        reason::end(&mut note, &ask.demand, &read);
        self.looked_up(
            kind,
            match &read {
                Ok(read) => read.outcome,
                Err(ReadError::Load(_)) => CacheOutcome::Negative,
                Err(_) => CacheOutcome::Miss,
            },
        );
        read
    }

    /// Counts a read that [`Cache::read`] was not needed for.
    pub fn looked_up(&self, kind: DataKind, outcome: CacheOutcome) {
        self.inner.metrics.looked_up(kind, outcome);
    }

    async fn read_unobserved<L, F>(
        &self,
        key: &K,
        negative_ttl: Duration,
        ask: Ask,
        enough: impl Fn(&V) -> bool,
        load: L,
        note: &mut Note,
    ) -> Result<Read<V>, ReadError<E>>
    where
        L: Fn(Payer, Instant) -> F,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    {
        let inner = &self.inner;
        let judge = |entry: &Entry<V>| {
            ask.demand.judge(entry.stamp.age(Instant::now()), &entry.stamp.policy)
        };
        let held = inner.entries.get(key);
        note.decides(|| reason::of_held(&ask.demand, held.as_deref(), &enough));
        let held = held.filter(|entry| enough(&entry.value));
        let verdict = held.as_ref().map_or(Verdict::Unusable, |entry| judge(entry));
        match (verdict, &held) {
            (Verdict::Fresh, Some(entry)) => return Ok(Read::new(entry, CacheOutcome::Hit)),
            (Verdict::Stale, Some(entry)) => {
                if !ask.demand.only_if_cached && inner.failure(key).is_none() {
                    entry.stamp.refreshes(true);
                    let looked = || inner.newer_than(key, &entry.stamp);
                    let deadline = Instant::now() + inner.refresh_deadline;
                    let boarding = inner.board(key, negative_ttl, looked, || {
                        load(ask.payer.waiting_as(Wait::Refresh), deadline)
                    });
                    match boarding {
                        Boarding::Found(()) => {}
                        Boarding::Started(_, record) => note.boards(Role::Refreshes, &record),
                        Boarding::Joined(_, record) => note.boards(Role::Refreshing, &record),
                    }
                }
                return Ok(Read::new(entry, CacheOutcome::Stale));
            }
            _ if ask.demand.only_if_cached => return Err(ReadError::NotCached),
            _ => {}
        }
        let or_stale = |error: ReadError<E>| {
            let acceptable = |entry: &&Arc<Entry<V>>| {
                let age = entry.stamp.age(Instant::now());
                ask.demand.accepts_on_error(age, &entry.stamp.policy)
            };
            match held.as_ref().filter(acceptable) {
                Some(entry) => Ok(Read::new(entry, CacheOutcome::Stale)),
                None => Err(error),
            }
        };
        let look = || {
            let entry = inner.entries.get(key).filter(|entry| enough(&entry.value));
            match entry.filter(|entry| judge(entry) == Verdict::Fresh) {
                Some(entry) => Some(Ok(entry)),
                None => inner.failure(key).map(Err),
            }
        };
        loop {
            let start = || load(ask.payer, ask.deadline - LAST_WORD);
            let (flight, outcome) = match inner.board(key, negative_ttl, look, start) {
                Boarding::Found(Ok(entry)) => return Ok(Read::new(&entry, CacheOutcome::Hit)),
                Boarding::Found(Err(failure)) => {
                    note.decides(|| reason::REMEMBERED.to_owned());
                    return or_stale(ReadError::Load(failure));
                }
                Boarding::Started(flight, record) => {
                    note.boards(Role::Started, &record);
                    let outcome = match held {
                        Some(_) => CacheOutcome::Expired,
                        None => CacheOutcome::Miss,
                    };
                    (flight, outcome)
                }
                Boarding::Joined(flight, record) => {
                    note.boards(Role::Joined, &record);
                    (flight, CacheOutcome::Collapsed)
                }
            };
            let started_it = outcome != CacheOutcome::Collapsed;
            return match timeout_at(ask.deadline, flight).await {
                Ok(Some(Ok(entry))) if ask.demand.is_unmeetable(&entry.stamp.policy) => {
                    Err(ReadError::Unmeetable)
                }
                // A load that somebody else started may have fetched less than is needed here.
                Ok(Some(Ok(entry))) if !started_it && !enough(&entry.value) => continue,
                Ok(Some(Ok(entry))) => Ok(Read::new(&entry, outcome)),
                Ok(Some(Err(failure))) => or_stale(ReadError::Load(failure)),
                Ok(None) => or_stale(ReadError::Panicked),
                Err(_elapsed) => or_stale(ReadError::Deadline),
            };
        }
    }

    /// Loads `key` anew, whatever is held, unless a load is under way or has just failed. Nobody
    /// waits for it.
    pub fn renew<F>(&self, key: &K, negative_ttl: Duration, load: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    {
        let failed = || self.inner.failure(key).map(drop);
        self.inner.board(key, negative_ttl, failed, load);
    }

    /// Stores a value that came along with another (a ticker out of a list of all).
    ///
    /// It is dropped if a newer one is held already.
    pub fn put(&self, key: K, loaded: Loaded<V>, received: Instant) {
        self.inner.store(key, loaded, received);
    }

    /// Stores what `make` makes of what is held, in one step: no other value comes in between.
    /// Without it, or if a newer one is held already, nothing changes. Gives what is held then.
    ///
    /// `make` must not use this cache.
    pub fn revise(
        &self,
        key: K,
        received: Instant,
        make: impl FnOnce(Option<&Arc<Entry<V>>>) -> Option<Loaded<V>>,
    ) -> Option<Arc<Entry<V>>> {
        self.inner.failures.invalidate(&key);
        self.inner.change(key, |held| Some(self.inner.entry(make(held)?, received)))
    }

    /// Stores what `make` makes of the held value, which is as old as before; with `true` beside
    /// it, so that answers made from it are made anew. Where nothing is held, it is stored as
    /// received at `otherwise`. Gives what is held then.
    ///
    /// `make` must not use this cache.
    pub fn amend(
        &self,
        key: K,
        otherwise: (DataKind, Policy, Source, Instant),
        make: impl FnOnce(Option<&V>) -> (V, bool),
    ) -> Arc<Entry<V>> {
        let inner = &self.inner;
        let result = inner.entries.entry(key).and_compute_with(|held| {
            let held = held.map(moka::Entry::into_value);
            let (value, is_other) = make(held.as_ref().map(|held| &*held.value));
            let stamp = match held {
                Some(held) if !is_other => held.stamp.clone(),
                Some(held) => {
                    let anew = Arc::new(held.stamp.renewed(held.stamp.policy));
                    held.stamp.supersede(&anew);
                    anew
                }
                None => {
                    let (kind, policy, source, received) = otherwise;
                    inner.stamp(source, kind, policy, received)
                }
            };
            Op::Put(Arc::new(Entry { value: Arc::new(value), stamp }))
        });
        held_then(result).expect("a value was put")
    }

    /// Keeps the held value under another policy, as known to be true at the given instant, which
    /// is not to lie before it was received. Without these nothing changes. Gives what is held
    /// then.
    ///
    /// `anew` must not use this cache.
    pub fn restamp(
        &self,
        key: K,
        anew: impl FnOnce(&Arc<Stamp>) -> Option<(Policy, Instant)>,
    ) -> Option<Arc<Entry<V>>> {
        self.inner.change(key, |held| {
            let held = held?;
            let (policy, known_at) = anew(&held.stamp)?;
            let (source, kind) = (held.stamp.source, held.stamp.kind);
            let stamp = self.inner.stamp(source, kind, policy, known_at);
            Some(Arc::new(Entry { value: held.value.clone(), stamp }))
        })
    }

    /// What is held, whatever its age.
    pub fn peek(&self, key: &K) -> Option<Arc<Entry<V>>> {
        self.inner.entries.get(key)
    }

    /// Entries and bytes held, and loads under way.
    pub fn size(&self) -> (u64, u64, usize) {
        self.inner.entries.run_pending_tasks();
        let entries = &self.inner.entries;
        (entries.entry_count(), entries.weighted_size(), self.inner.flights.len())
    }

    /// Every entry, in no order.
    pub fn entries(&self) -> Vec<(K, Arc<Entry<V>>)> {
        self.inner.entries.iter().map(|(key, entry)| ((*key).clone(), entry)).collect()
    }
}

impl<K, V, E> Inner<K, V, E>
where
    K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static,
    V: Content + Send + Sync + 'static,
    E: Failure,
{
    /// Boards the flight of `key`; what it loads is stored, a failure remembered, before it lands.
    fn board<R, F>(
        self: &Arc<Self>,
        key: &K,
        negative_ttl: Duration,
        look: impl FnOnce() -> Option<R>,
        load: impl FnOnce() -> F,
    ) -> Boarding<R, Held<V, E>>
    where
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    {
        self.flights.board(key, look, || {
            let (inner, key, load) = (self.clone(), key.clone(), load());
            async move {
                match load.await {
                    Ok(loaded) => Ok(inner.store(key, loaded, Instant::now())),
                    Err(failure) => {
                        inner.remember(key, &failure, negative_ttl);
                        Err(failure)
                    }
                }
            }
        })
    }

    fn remember(&self, key: K, failure: &E, negative_ttl: Duration) {
        if let Some(suppressed) = self.warnings.pass() {
            tracing::warn!(error = %failure, suppressed, "a fetch failed");
        }
        if let Some(held) = self.entries.get(&key) {
            held.stamp.refreshes(false);
        }
        let now = Instant::now();
        let until = now + failure.remembered_for(negative_ttl);
        self.failures.insert(key, (failure.clone(), now, until));
    }

    pub(super) fn failure(&self, key: &K) -> Option<E> {
        let (failure, since, until) = self.failures.get(key)?;
        let now = Instant::now();
        (now < until).then(|| failure.told(now.saturating_duration_since(since)))
    }

    fn newer_than(&self, key: &K, stamp: &Stamp) -> Option<()> {
        let held = self.entries.get(key)?;
        (held.stamp.received > stamp.received).then_some(())
    }

    /// Stores a value, unless a newer one is held already; gives what is held then.
    fn store(&self, key: K, loaded: Loaded<V>, received: Instant) -> Arc<Entry<V>> {
        self.failures.invalidate(&key);
        let Loaded { value, kind, policy, source } = loaded;
        let stamp = self.stamp(source, kind, policy, received);
        let result = self.entries.entry(key).and_compute_with(|held| {
            let held = held.map(moka::Entry::into_value);
            let (value, stamp) = match held {
                None => (value, stamp),
                Some(held) if held.stamp.received > received => {
                    let Some(value) = value.under(&held.value) else { return Op::Nop };
                    (value, held.stamp.clone())
                }
                Some(held) => {
                    held.stamp.supersede(&stamp);
                    (value.over(&held.value), stamp)
                }
            };
            Op::Put(Arc::new(Entry { value: Arc::new(value), stamp }))
        });
        held_then(result).expect("a value is put where none is held")
    }

    fn entry(&self, loaded: Loaded<V>, received: Instant) -> Arc<Entry<V>> {
        let Loaded { value, kind, policy, source } = loaded;
        let stamp = self.stamp(source, kind, policy, received);
        Arc::new(Entry { value: Arc::new(value), stamp })
    }

    fn stamp(
        &self,
        source: Source,
        kind: DataKind,
        policy: Policy,
        received: Instant,
    ) -> Arc<Stamp> {
        let age = i64::try_from(received.elapsed().as_millis()).unwrap_or(i64::MAX);
        let received_at = UnixMs::from_millis(self.clock.now().millis().saturating_sub(age));
        Arc::new(Stamp::new(received, received_at, source, kind, policy))
    }

    /// Replaces what is held by what `make` makes of it, unless that is older.
    fn change(
        &self,
        key: K,
        make: impl FnOnce(Option<&Arc<Entry<V>>>) -> Option<Arc<Entry<V>>>,
    ) -> Option<Arc<Entry<V>>> {
        let result = self.entries.entry(key).and_compute_with(|held| {
            let held = held.map(moka::Entry::into_value);
            let Some(anew) = make(held.as_ref()) else { return Op::Nop };
            if let Some(held) = held {
                if held.stamp.received > anew.stamp.received {
                    return Op::Nop;
                }
                held.stamp.supersede(&anew.stamp);
            }
            Op::Put(anew)
        });
        held_then(result)
    }
}

/// What is held after a change.
fn held_then<K, V>(result: CompResult<K, Arc<Entry<V>>>) -> Option<Arc<Entry<V>>> {
    match result {
        CompResult::Inserted(held)
        | CompResult::ReplacedWith(held)
        | CompResult::Unchanged(held) => Some(held.into_value()),
        CompResult::StillNone(_) | CompResult::Removed(_) => None,
    }
}
