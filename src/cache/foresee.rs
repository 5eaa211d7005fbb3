//! What a read would do, without doing it.

use std::{fmt, hash::Hash, sync::Arc};

use tokio::time::Instant;

use super::{Cache, Content, Demand, Entry, Failure, Verdict, reason};
use crate::telemetry::explain::FlightRecord;

/// What a read of a key would do now.
#[derive(Debug)]
pub struct Foresight<V, E> {
    /// What is held, whether it may answer or not.
    pub held: Option<Arc<Entry<V>>>,
    /// Why it may, or may not.
    pub decision: String,
    /// What would happen.
    pub prospect: Prospect<E>,
    /// A load of the key that is under way.
    pub flight: Option<Arc<FlightRecord>>,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prospect<E> {
    /// What is held would be given.
    Hit,
    /// It would be given, and fetched anew unless that is under way, has just failed, or is not
    /// to be.
    Stale {
        /// Whether a load would be started.
        fetches: bool,
    },
    /// The load under way would be waited for.
    Joins,
    /// A load would be started and waited for.
    Fetches,
    /// A remembered failure would be told; what is held would be given in its place if `stale`.
    Fails {
        /// Which.
        failure: E,
        /// What is held may be given on error.
        stale: bool,
    },
    /// `only-if-cached`, and nothing usable is held.
    NotCached,
    /// Not even a new value could be as fresh as was demanded.
    Unmeetable,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static,
    V: Content + Send + Sync + 'static,
    E: Failure,
{
    /// What a read of `key` would do now; nothing is started, counted or changed by it.
    pub fn foresee(
        &self,
        key: &K,
        demand: &Demand,
        enough: impl Fn(&V) -> bool,
    ) -> Foresight<V, E> {
        let held = self.peek(key);
        let mut decision = reason::of_held(demand, held.as_deref(), &enough);
        let flight = self.inner.flights.under_way(key);
        let failure = self.inner.failure(key);
        let usable = held.as_ref().filter(|entry| enough(&entry.value));
        let now = Instant::now();
        let verdict = usable.map_or(Verdict::Unusable, |entry| {
            demand.judge(entry.stamp.age(now), &entry.stamp.policy)
        });
        if failure.is_some() && verdict != Verdict::Fresh && flight.is_none() {
            decision = format!("{decision}; {}", reason::REMEMBERED);
        }
        let prospect = match verdict {
            Verdict::Fresh => Prospect::Hit,
            Verdict::Stale => {
                let is_idle = flight.is_none() && failure.is_none();
                Prospect::Stale { fetches: is_idle && !demand.only_if_cached }
            }
            Verdict::Unusable if demand.only_if_cached => Prospect::NotCached,
            Verdict::Unusable => match failure.filter(|_| flight.is_none()) {
                Some(failure) => {
                    let accepts = |entry: &&Arc<Entry<V>>| {
                        demand.accepts_on_error(entry.stamp.age(now), &entry.stamp.policy)
                    };
                    Prospect::Fails { failure, stale: usable.filter(accepts).is_some() }
                }
                None if usable.is_some_and(|it| demand.is_unmeetable(&it.stamp.policy)) => {
                    Prospect::Unmeetable
                }
                None if flight.is_some() => Prospect::Joins,
                None => Prospect::Fetches,
            },
        };
        Foresight { held, decision, prospect, flight }
    }
}
