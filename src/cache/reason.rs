//! Why a read was answered as it was, for people.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::{Demand, Entry, Read, ReadError, Stamp, Verdict};
use crate::{
    config::Policy,
    telemetry::{
        CacheOutcome,
        explain::{Facts, Note},
    },
};

/// A failure that is remembered keeps the exchange from being asked.
pub(super) const REMEMBERED: &str = "a fetch failed a moment ago and is not repeated yet";

/// A time in the unit that people would use.
struct Spelled(Duration);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms @ 0..1000 => write!(f, "{ms} ms"),
            ms if ms % 1000 == 0 => write!(f, "{} s", ms / 1000),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

/// What is decided about a held value, or that there is none.
pub(super) fn of_held<V>(
    demand: &Demand,
    held: Option<&Entry<V>>,
    enough: impl Fn(&V) -> bool,
) -> String {
    match held {
        None => "nothing is held".to_owned(),
        Some(entry) if !enough(&entry.value) => "what is held is not all that is asked".to_owned(),
        Some(entry) => of_age(demand, entry.stamp.age(Instant::now()), &entry.stamp.policy),
    }
}

/// Why a value of this age may answer, or may not.
pub(super) fn of_age(demand: &Demand, age: Duration, policy: &Policy) -> String {
    let (old, ttl) = (Spelled(age), Spelled(policy.ttl));
    let (verdict, none) = (demand.judge(age, policy), Demand::default());
    if let Some(most) = demand.max_age.filter(|most| age > *most) {
        return format!("{old} old, and no more than {} is demanded", Spelled(most));
    }
    if let Some(more) = demand.min_fresh.filter(|_| verdict != none.judge(age, policy)) {
        let more = Spelled(more);
        return format!("{old} old, fresh for {ttl}, and {more} more of that are demanded");
    }
    match (verdict, demand.max_stale) {
        (Verdict::Fresh, _) => format!("{old} old, fresh for {ttl}"),
        (Verdict::Stale, Some(_)) => {
            format!("{old} old, fresh for {ttl}: stale, as max-stale allows")
        }
        (Verdict::Stale, None) => {
            let more = Spelled(policy.stale_while_revalidate);
            format!("{old} old, fresh for {ttl}: stale, and given for {more} more meanwhile")
        }
        (Verdict::Unusable, _) => format!("{old} old, fresh for {ttl}: too old to be given"),
    }
}

/// Notes how a read ended.
pub(super) fn end<V, E: fmt::Display>(
    note: &mut Note,
    demand: &Demand,
    read: &Result<Read<V>, ReadError<E>>,
) {
    match read {
        Ok(Read { entry, outcome }) => {
            let stamp = &entry.stamp;
            let age = stamp.age(Instant::now());
            if *outcome == CacheOutcome::Stale
                && demand.judge(age, &stamp.policy) == Verdict::Unusable
            {
                let more = Spelled(stamp.policy.stale_if_error);
                note.decides(|| format!("given all the same: it may be for {more} on error"));
            }
            note.gives(*outcome, || stamp.facts(Instant::now()));
        }
        Err(ReadError::Load(error)) => {
            note.fails(Some(CacheOutcome::Negative), || error.to_string());
        }
        Err(error) => note.fails(None, || why(error).to_owned()),
    }
}

fn why<E>(error: &ReadError<E>) -> &'static str {
    match error {
        ReadError::Load(_) => "the fetch failed",
        ReadError::NotCached => "only-if-cached was demanded",
        ReadError::Unmeetable => "not even a new value is fresh for as long as was demanded",
        ReadError::Deadline => "the request's time was over before the fetch was",
        ReadError::Panicked => "the fetch panicked",
    }
}

impl Stamp {
    /// Why the value may answer, or may not.
    pub fn reason(&self, demand: &Demand, now: Instant) -> String {
        of_age(demand, self.age(now), &self.policy)
    }

    /// What there is to tell about the value.
    pub fn facts(&self, now: Instant) -> Facts {
        Facts {
            age: self.age(now),
            received_at: self.received_at,
            source: self.source,
            policy: self.policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_names_what_decided() {
        let secs = Duration::from_secs;
        let policy = Policy {
            ttl: secs(5),
            stale_while_revalidate: secs(10),
            stale_if_error: secs(60),
            negative_ttl: secs(1),
        };
        let none = Demand::default();
        let young = Demand { max_age: Some(secs(2)), ..none };
        let fresh = Demand { min_fresh: Some(secs(3)), ..none };
        let stale = Demand { max_stale: Some(secs(100)), ..none };
        for (demand, age, expected) in [
            (none, 3200, "3.2 s old, fresh for 5 s"),
            (none, 900, "900 ms old, fresh for 5 s"),
            (none, 6000, "6 s old, fresh for 5 s: stale, and given for 10 s more meanwhile"),
            (none, 15_000, "15 s old, fresh for 5 s: too old to be given"),
            (young, 2500, "2.5 s old, and no more than 2 s is demanded"),
            (young, 1000, "1 s old, fresh for 5 s"),
            (fresh, 2500, "2.5 s old, fresh for 5 s, and 3 s more of that are demanded"),
            (fresh, 1000, "1 s old, fresh for 5 s"),
            (stale, 50_000, "50 s old, fresh for 5 s: stale, as max-stale allows"),
        ] {
            assert_eq!(of_age(&demand, Duration::from_millis(age), &policy), expected);
        }
    }
}
