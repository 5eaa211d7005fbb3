//! At most one load per key, in a task of its own.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::{
    tasks::Tasks,
    telemetry::explain::{self, FlightRecord},
};

/// How a flight ended: with the load's result, or `None` if the load panicked.
pub type Landed<T> = Option<T>;

type Waiting<T> = Shared<BoxFuture<'static, Landed<T>>>;

/// Loads that are under way.
///
/// A caller that is dropped neither cancels nor repeats a load. A load that panics ends its flight
/// with `None` for everyone and frees the key.
pub struct Flights<K, T> {
    open: Open<K, T>,
    tasks: Tasks,
}

/// What is under way, each with what it did so far.
type Open<K, T> = Arc<Mutex<HashMap<K, (Waiting<T>, Arc<FlightRecord>)>>>;

/// Frees the key when the load's task ends in whatever way.
struct Landing<K: Eq + Hash, T> {
    key: K,
    open: Open<K, T>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.key);
    }
}

/// What became of a wish to load.
pub enum Boarding<R, T> {
    /// The second look found what was wanted; no load is needed.
    Found(R),
    /// This caller started the load.
    Started(Waiting<T>, Arc<FlightRecord>),
    /// A load was under way already.
    Joined(Waiting<T>, Arc<FlightRecord>),
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + fmt::Display + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No loads under way; they will be owned by `tasks`.
    pub fn new(tasks: Tasks) -> Self {
        Self { open: Arc::default(), tasks }
    }

    /// Joins the load of `key`, or starts it.
    ///
    /// `look` is called first, with the key held, if none is under way: a load that landed since
    /// the caller's own look has left its result there, since a load stores before it lands.
    pub fn board<R, F>(
        &self,
        key: &K,
        look: impl FnOnce() -> Option<R>,
        load: impl FnOnce() -> F,
    ) -> Boarding<R, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((flight, record)) = open.get(key) {
            record.is_waited_for();
            return Boarding::Joined(flight.clone(), record.clone());
        }
        if let Some(found) = look() {
            return Boarding::Found(found);
        }
        let (land, landed) = oneshot::channel();
        let landing = Landing { key: key.clone(), open: self.open.clone() };
        let load = load();
        let flight = landed.map(Result::ok).boxed().shared();
        let span = tracing::info_span!("flight", %key);
        let record = FlightRecord::begin(span.clone());
        open.insert(key.clone(), (flight.clone(), record.clone()));
        drop(open);
        let load = explain::aboard(record.clone(), load);
        let flies = async move {
            let _landing = landing;
            // The send fails if every caller has hung up, which does not concern the load.
            let _ = land.send(load.await);
        };
        self.tasks.spawn("flight", flies.instrument(span));
        Boarding::Started(flight, record)
    }

    /// The load of `key`, if one is under way.
    pub fn under_way(&self, key: &K) -> Option<Arc<FlightRecord>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(key).map(|(_, record)| record.clone())
    }

    /// Loads under way.
    pub fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True if nothing is being loaded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
