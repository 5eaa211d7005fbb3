//! Single asks that come close together, gathered into one load.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::Future,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};
use tracing::Instrument as _;

use crate::{
    tasks::Tasks,
    telemetry::{
        Payer,
        explain::{self, FlightRecord},
    },
};

/// The load ended without an answer: it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the load ended without an answer")]
pub struct Lost;

type Answer<K, V, E> = Result<Arc<HashMap<K, V>>, E>;
type Load<K, V, E> =
    dyn Fn(Vec<K>, Payer) -> BoxFuture<'static, Result<HashMap<K, V>, E>> + Send + Sync;

/// Gathers asks for single keys that come within a window into one load of many.
///
/// Clones share the same batches.
pub struct Merge<K, V, E> {
    inner: Arc<Inner<K, V, E>>,
}

struct Inner<K, V, E> {
    window: Duration,
    max: usize,
    tasks: Tasks,
    load: Box<Load<K, V, E>>,
    /// The batch that still takes keys.
    open: Mutex<Option<Batch<K, V, E>>>,
}

struct Batch<K, V, E> {
    keys: Arc<Mutex<HashSet<K>>>,
    full: Arc<Notify>,
    answer: Shared<oneshot::Receiver<Answer<K, V, E>>>,
    record: Arc<FlightRecord>,
}

impl<K, V, E> Clone for Merge<K, V, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K, V, E> fmt::Debug for Merge<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { window, max, .. } = &*self.inner;
        f.debug_struct("Merge").field("window", window).field("max", max).finish_non_exhaustive()
    }
}

impl<K, V, E> Merge<K, V, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + From<Lost> + Send + Sync + 'static,
{
    /// Batches of at most `max` keys, each gathered for `window` after its first ask and loaded
    /// in a task of its own, for which the first who asked pays.
    pub fn new<F, Fut>(window: Duration, max: usize, tasks: &Tasks, load: F) -> Self
    where
        F: Fn(Vec<K>, Payer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    {
        let load = Box::new(move |keys, payer| load(keys, payer).boxed());
        let (max, tasks, open) = (max.max(1), tasks.clone(), Mutex::new(None));
        Self { inner: Arc::new(Inner { window, max, tasks, load, open }) }
    }

    /// The value of `key`; `None` if the load's answer left it out.
    ///
    /// # Errors
    /// The load's error, shared by everyone in the batch; [`Lost`] if the load panicked.
    ///
    /// # Cancel safety
    /// A caller that is dropped changes nothing: the key is loaded for whoever else asked.
    pub async fn ask(&self, key: K, payer: Payer) -> Result<Option<V>, E> {
        let answer = self.inner.join(key.clone(), payer);
        match answer.await {
            Ok(Ok(values)) => Ok(values.get(&key).cloned()),
            Ok(Err(error)) => Err(error),
            Err(_gone) => Err(Lost.into()),
        }
    }
}

impl<K, V, E> Inner<K, V, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + From<Lost> + Send + Sync + 'static,
{
    fn join(self: &Arc<Self>, key: K, payer: Payer) -> Shared<oneshot::Receiver<Answer<K, V, E>>> {
        let mut open = self.open();
        let batch = open.get_or_insert_with(|| self.begin(payer));
        explain::merges_into(&batch.record);
        let size = {
            let mut keys = lock(&batch.keys);
            keys.insert(key);
            keys.len()
        };
        let answer = batch.answer.clone();
        if size >= self.max {
            batch.full.notify_one();
            *open = None;
        }
        answer
    }

    fn begin(self: &Arc<Self>, payer: Payer) -> Batch<K, V, E> {
        let (reply, answer) = oneshot::channel();
        let keys = Arc::new(Mutex::new(HashSet::new()));
        let full = Arc::new(Notify::new());
        let span = tracing::info_span!("merged load");
        let (answer, record) = (answer.shared(), FlightRecord::begin(span.clone()));
        let batch =
            Batch { keys: keys.clone(), full: full.clone(), answer, record: record.clone() };
        let inner = self.clone();
        let load = explain::aboard(record.clone(), async move {
            // Either way the batch is complete: it was full, or its time is over.
            let _full_or_elapsed = timeout(inner.window, full.notified()).await;
            let keys = inner.close(&keys);
            record.loads(keys.len());
            let loaded = (inner.load)(keys, payer).await;
            // Everyone who asked may be gone by now.
            let _unheard = reply.send(loaded.map(Arc::new));
        });
        self.tasks.spawn("merged load", load.instrument(span));
        batch
    }

    /// Takes a batch's keys and makes sure that it gets no more.
    fn close(&self, keys: &Arc<Mutex<HashSet<K>>>) -> Vec<K> {
        let mut open = self.open();
        if open.as_ref().is_some_and(|batch| Arc::ptr_eq(&batch.keys, keys)) {
            *open = None;
        }
        mem::take(&mut *lock(keys)).into_iter().collect()
    }

    fn open(&self) -> MutexGuard<'_, Option<Batch<K, V, E>>> {
        lock(&self.open)
    }
}

/// What is guarded is consistent between any two statements, so a panic does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
