//! What the clients saw.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::sim::{Family, Kind, Limits};

/// Buckets of an octave of durations: figures are exact to 1/16.
const STEPS: usize = 16;

/// Enough for a minute in microseconds.
const OCTAVES: usize = 26;

/// How often things took how long.
#[derive(Clone, Debug)]
pub(super) struct Durations(Vec<u64>);

impl Default for Durations {
    fn default() -> Self {
        Self(vec![0; STEPS * OCTAVES])
    }
}

impl Durations {
    fn count(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let octave = micros.ilog2() as usize;
        let step = if octave < OCTAVES { (micros * STEPS as u64) >> octave } else { 0 };
        let last = self.0.len() - 1;
        let bucket = if octave < OCTAVES { octave * STEPS + step as usize % STEPS } else { last };
        self.0[bucket] += 1;
    }

    /// What this share of them stayed below; `None` if there are none.
    pub(super) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (self.0.iter().sum::<u64>() as f64 * share).ceil().max(1.0);
        let mut below = 0;
        let bucket = self.0.iter().position(|count| {
            below += count;
            below as f64 >= rank
        })?;
        let (octave, step) = (bucket / STEPS, bucket % STEPS);
        let end = ((STEPS + step + 1) << octave) / STEPS;
        Some(Duration::from_micros(end as u64))
    }

    /// Those that are not in `earlier`, a former state of the same counts.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now - then).collect())
    }
}

/// One answer as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    /// The status; `None` if no answer came.
    pub(super) status: Option<u16>,
    /// `Cache-Status` says `hit`.
    pub(super) from_cache: bool,
    /// `Cache-Status` says `detail=stream`.
    pub(super) from_streams: bool,
    /// `Age`, in seconds.
    pub(super) age: Option<u64>,
    /// From the request to the body's end.
    pub(super) took: Duration,
}

/// What all clients saw up to now.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    began: Instant,
    /// Requests, answered or not.
    pub(super) asked: u64,
    /// Answered with data at once, out of the cache.
    pub(super) from_cache: u64,
    /// Answered with data that the exchange's WebSocket brought.
    pub(super) from_streams: u64,
    /// Answered with a problem (503 and the like).
    pub(super) refused: u64,
    /// Not answered at all.
    pub(super) failed: u64,
    /// The greatest `Age`, in seconds.
    pub(super) oldest: u64,
    /// How long answers took.
    pub(super) took: Durations,
    /// The calls that clients without a gateway would have made.
    pub(super) calls: BTreeMap<(Kind, Family), u64>,
    /// The family of Bitfinex whose limit those calls would have passed first, and when.
    pub(super) breach: Option<(Family, Duration)>,
}

impl Seen {
    /// Nothing yet; time begins now.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            asked: 0,
            from_cache: 0,
            from_streams: 0,
            refused: 0,
            failed: 0,
            oldest: 0,
            took: Durations::default(),
            calls: BTreeMap::new(),
            breach: None,
        }
    }

    /// Counts a request that ended this way and stands for these calls.
    pub(super) fn count(&mut self, reply: Reply, exchange: Kind, calls: &[Family]) {
        self.asked += 1;
        match reply.status {
            Some(200) => {
                self.from_cache += u64::from(reply.from_cache);
                self.from_streams += u64::from(reply.from_streams);
                self.oldest = self.oldest.max(reply.age.unwrap_or_default());
            }
            Some(_) => self.refused += 1,
            None => self.failed += 1,
        }
        if reply.status.is_some() {
            self.took.count(reply.took);
        }
        let since = self.began.elapsed();
        for family in calls {
            let made = self.calls.entry((exchange, *family)).or_default();
            *made += 1;
            if exchange != Kind::Bitfinex {
                continue;
            }
            let limit = Limits::DOCUMENTED.of(*family).unwrap_or(u32::MAX);
            // Within the first window, what was made in all was made in one window.
            if self.breach.is_none() && since < Limits::MINUTE && *made > u64::from(limit) {
                self.breach = Some((*family, since));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BFX: Kind = Kind::Bitfinex;

    fn reply(status: Option<u16>, from_cache: bool, age: u64, micros: u64) -> Reply {
        let took = Duration::from_micros(micros);
        Reply { status, from_cache, from_streams: from_cache, age: Some(age), took }
    }

    #[test]
    fn quantiles_are_exact_to_a_sixteenth() {
        assert_eq!(Durations::default().quantile(0.5), None);
        for micros in [1, 7, 100, 999, 12_345, 9_999_999] {
            let mut durations = Durations::default();
            durations.count(Duration::from_micros(micros));
            let found = durations.quantile(0.99).unwrap().as_micros() as f64;
            let least = micros as f64;
            assert!((least..=least * 1.07 + 1.0).contains(&found), "{micros}: {found}");
        }
        let mut durations = Durations::default();
        for micros in 1..=1000 {
            durations.count(Duration::from_micros(micros));
        }
        let before = durations.clone();
        durations.count(Duration::from_secs(3600));
        assert!((500..540).contains(&durations.quantile(0.5).unwrap().as_micros()));
        let since = durations.since(&before);
        assert!(since.quantile(0.5).unwrap() > Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_sorted_by_how_they_ended() {
        let mut seen = Seen::new();
        seen.count(reply(Some(200), true, 4, 100), BFX, &[Family::Ticker]);
        seen.count(reply(Some(200), false, 0, 900), BFX, &[Family::Ticker, Family::Book]);
        seen.count(reply(Some(503), true, 90, 100), BFX, &[]);
        seen.count(reply(None, false, 0, 100), BFX, &[]);
        assert_eq!((seen.asked, seen.from_cache, seen.refused, seen.failed), (4, 1, 1, 1));
        assert_eq!(seen.oldest, 4, "the age of a problem is no age of data");
        assert_eq!(
            seen.calls,
            BTreeMap::from([((BFX, Family::Ticker), 2), ((BFX, Family::Book), 1)])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_limit_passed_is_noted_with_its_time() {
        let mut seen = Seen::new();
        for _ in 0..30 {
            seen.count(reply(Some(200), true, 0, 1), BFX, &[Family::Candles]);
        }
        assert_eq!(seen.breach, None);
        tokio::time::advance(Duration::from_secs(2)).await;
        seen.count(reply(Some(200), true, 0, 1), BFX, &[Family::Candles]);
        assert_eq!(seen.breach, Some((Family::Candles, Duration::from_secs(2))));

        let mut slow = Seen::new();
        tokio::time::advance(Duration::from_secs(61)).await;
        for _ in 0..31 {
            slow.count(reply(Some(200), true, 0, 1), BFX, &[Family::Candles]);
        }
        assert_eq!(slow.breach, None, "spread over more than one window, for all that is known");
    }
}
