//! The last ten minutes, sample by sample.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::histogram::quantile;
use crate::market::UnixMs;

/// What is left of one family's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLeft {
    /// Whose endpoints.
    pub exchange: &'static str,
    /// Which of them.
    pub family: &'static str,
    /// Calls in any window, as the operator allows.
    pub limit: u32,
    /// Calls that could be made now.
    pub left: u32,
}

/// Counts since the start, read at one moment.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) requests: u64,
    /// Those that carried market data.
    pub(super) answers: u64,
    pub(super) from_cache: u64,
    pub(super) collapsed: u64,
    pub(super) upstream_calls: u64,
    pub(super) stream_clients: usize,
    /// Buckets of the requests' durations.
    pub(super) durations: Vec<u64>,
    /// Buckets of the served ages.
    pub(super) ages: Vec<u64>,
}

/// Two quantiles of what was counted between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half of it stayed below.
    pub p50: f32,
    /// 99 % of it stayed below.
    pub p99: f32,
}

/// What happened between two moments; `None` where it is not known.
///
/// `f32` holds more digits than a plot shows, and half of the memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Requests answered a second, those of operations left out.
    pub requests_per_second: Option<f32>,
    /// The part of the answers with market data that was made from held data alone.
    pub hit_ratio: Option<f32>,
    /// Answers a second that waited for another request's fetch.
    pub collapsed_per_second: Option<f32>,
    /// Calls made to exchanges a second.
    pub upstream_calls_per_second: Option<f32>,
    /// How long requests took, in milliseconds.
    pub latency_ms: Option<Spread>,
    /// Age of the data in answers, in seconds.
    pub served_age_seconds: Option<Spread>,
    /// Those who followed streams at its end.
    pub stream_clients: Option<u32>,
    /// What was left of each budget at its end, in the order of [`Past::budgets`]; budgets that
    /// became known later are missing at the end.
    pub left: Box<[Option<u32>]>,
}

/// The samples of the last ten minutes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// When the newest was taken; `None` before the first.
    pub until: Option<UnixMs>,
    /// Oldest first, [`History::STEP`] apart.
    pub samples: Vec<Sample>,
    /// Every budget, as it was last.
    pub budgets: Vec<BudgetLeft>,
}

/// Keeps samples: 300 of about 160 bytes, which is 48 kB for an exchange of eight budgets.
#[derive(Debug)]
pub struct History(Mutex<State>);

#[derive(Debug)]
struct State {
    at: Instant,
    before: Reading,
    past: Past,
    samples: VecDeque<Sample>,
}

/// Upper ends of the buckets of [`Reading::durations`] and [`Reading::ages`].
pub(super) type Bounds = [&'static [Duration]; 2];

impl History {
    /// The time between two samples.
    pub const STEP: Duration = Duration::from_secs(2);
    /// Samples that are kept: ten minutes.
    pub const SAMPLES: usize = 300;

    /// Begins now, when nothing has been counted.
    pub(super) fn new() -> Self {
        let (at, before) = (Instant::now(), Reading::default());
        let (past, samples) = (Past::default(), VecDeque::with_capacity(Self::SAMPLES));
        Self(Mutex::new(State { at, before, past, samples }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample. Where the last one is longer ago than a step, the time between is not
    /// known, and what was counted in it is spread over all of it.
    pub(super) fn note(
        &self,
        now: Reading,
        wall: UnixMs,
        bounds: Bounds,
        budgets: impl IntoIterator<Item = BudgetLeft>,
    ) {
        let mut state = self.state();
        let passed = state.at.elapsed();
        let steps = (passed.as_secs_f64() / Self::STEP.as_secs_f64()).round().max(1.0);
        for _ in 1..(steps as usize).min(Self::SAMPLES) {
            state.push(Sample::default());
        }
        let left = state.past.left(budgets);
        let sample = between(&state.before, &now, passed, bounds);
        state.push(Sample { left, ..sample });
        state.past.until = Some(wall);
        (state.at, state.before) = (Instant::now(), now);
    }

    /// What is known.
    pub fn past(&self) -> Past {
        let state = self.state();
        Past { samples: state.samples.iter().cloned().collect(), ..state.past.clone() }
    }
}

impl State {
    fn push(&mut self, sample: Sample) {
        if self.samples.len() >= History::SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

impl Past {
    /// What is left of each budget, in their order.
    fn left(&mut self, budgets: impl IntoIterator<Item = BudgetLeft>) -> Box<[Option<u32>]> {
        let mut left = vec![None; self.budgets.len()];
        for budget in budgets {
            let is_it = |known: &BudgetLeft| {
                (known.exchange, known.family) == (budget.exchange, budget.family)
            };
            match self.budgets.iter().position(is_it) {
                Some(at) => (self.budgets[at], left[at]) = (budget, Some(budget.left)),
                None => {
                    self.budgets.push(budget);
                    left.push(Some(budget.left));
                }
            }
        }
        left.into()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures of a plot"
)]
fn between(before: &Reading, now: &Reading, passed: Duration, bounds: Bounds) -> Sample {
    let since = |of: fn(&Reading) -> u64| of(now).saturating_sub(of(before)) as f64;
    let rate = |count: f64| (!passed.is_zero()).then(|| (count / passed.as_secs_f64()) as f32);
    let answers = since(|it| it.answers);
    let from_cache = since(|it| it.from_cache).min(answers);
    let [durations, ages] = bounds;
    Sample {
        requests_per_second: rate(since(|it| it.requests)),
        hit_ratio: (answers > 0.0).then(|| (from_cache / answers) as f32),
        collapsed_per_second: rate(since(|it| it.collapsed)),
        upstream_calls_per_second: rate(since(|it| it.upstream_calls)),
        latency_ms: spread(durations, &before.durations, &now.durations, 1000.0),
        served_age_seconds: spread(ages, &before.ages, &now.ages, 1.0),
        stream_clients: u32::try_from(now.stream_clients).ok(),
        left: Box::default(),
    }
}

/// What half, and 99 %, of what was counted in between stayed below, `per_second` to the second.
#[expect(clippy::cast_possible_truncation, reason = "figures of a plot")]
fn spread(bounds: &[Duration], before: &[u64], now: &[u64], per_second: f64) -> Option<Spread> {
    let before = before.iter().chain(std::iter::repeat(&0));
    let counts: Vec<u64> =
        now.iter().zip(before).map(|(now, then)| now.saturating_sub(*then)).collect();
    let at = |share| {
        let value = quantile(bounds, &counts, share)?;
        Some((value.as_secs_f64() * per_second) as f32)
    };
    Some(Spread { p50: at(0.5)?, p99: at(0.99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        [&[Duration::from_millis(1), Duration::from_millis(3)], &[Duration::from_secs(10)]];

    fn reading(requests: u64, fast: u64, slow: u64) -> Reading {
        Reading { requests, durations: vec![fast, slow, 0], ages: vec![0, 0], ..Reading::default() }
    }

    fn budget(family: &'static str, left: u32) -> BudgetLeft {
        BudgetLeft { exchange: "x", family, limit: 30, left }
    }

    async fn step(history: &History, now: Reading, budgets: &[BudgetLeft]) {
        tokio::time::advance(History::STEP).await;
        history.note(now, UnixMs::from_millis(7), BOUNDS, budgets.iter().copied());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_tells_of_its_own_time_only() {
        let history = History::new();
        assert_eq!(history.past(), Past::default());
        let first = Reading { answers: 8, from_cache: 6, ages: vec![2, 0], ..reading(10, 10, 0) };
        step(&history, first, &[budget("book", 30)]).await;
        let second = Reading { answers: 8, from_cache: 6, ages: vec![2, 0], ..reading(14, 10, 4) };
        step(&history, second, &[budget("book", 29)]).await;
        let third = Reading {
            answers: 9,
            from_cache: 6,
            collapsed: 1,
            upstream_calls: 1,
            stream_clients: 3,
            ..reading(14, 10, 4)
        };
        step(&history, Reading { ages: vec![2, 0], ..third }, &[budget("book", 28)]).await;

        let past = history.past();
        assert_eq!(past.until, Some(UnixMs::from_millis(7)));
        assert_eq!(past.budgets, [budget("book", 28)]);
        let [a, b, c] = past.samples.as_slice() else { panic!("{past:?}") };
        assert_eq!(a.requests_per_second, Some(5.0));
        assert_eq!((a.hit_ratio, b.hit_ratio, c.hit_ratio), (Some(0.75), None, Some(0.0)));
        assert_eq!(a.latency_ms, Some(Spread { p50: 0.5, p99: 0.99 }));
        assert_eq!(a.served_age_seconds, Some(Spread { p50: 5.0, p99: 9.9 }));
        // Of the ten fast ones before it says nothing.
        assert_eq!(b.latency_ms, Some(Spread { p50: 2.0, p99: 2.98 }));
        assert_eq!((b.served_age_seconds, c.latency_ms), (None, None));
        assert_eq!((c.collapsed_per_second, c.upstream_calls_per_second), (Some(0.5), Some(0.5)));
        assert_eq!((a.stream_clients, c.stream_clients), (Some(0), Some(3)));
        assert_eq!([&a.left, &b.left, &c.left].map(|left| left[0]), [Some(30), Some(29), Some(28)]);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_samples_is_not_known_and_old_samples_go() {
        let history = History::new();
        step(&history, reading(2, 0, 0), &[budget("book", 1)]).await;
        tokio::time::advance(2 * History::STEP).await;
        step(&history, reading(14, 0, 0), &[budget("conf", 5), budget("book", 2)]).await;
        let rates: Vec<_> =
            history.past().samples.iter().map(|sample| sample.requests_per_second).collect();
        assert_eq!(rates, [Some(1.0), None, None, Some(2.0)]);
        let past = history.past();
        assert_eq!((&*past.samples[0].left, &*past.samples[1].left), (&[Some(1)][..], &[][..]));
        assert_eq!(*past.samples[3].left, [Some(2), Some(5)]);

        for requests in 15..=315 {
            step(&history, reading(requests, 0, 0), &[]).await;
        }
        let past = history.past();
        assert_eq!(past.samples.len(), History::SAMPLES);
        assert!(past.samples.iter().all(|sample| sample.requests_per_second == Some(0.5)));
        tokio::time::advance(Duration::from_secs(86_400)).await;
        step(&history, reading(315, 0, 0), &[]).await;
        let known = |past: &Past| {
            past.samples.iter().filter(|sample| sample.requests_per_second.is_some()).count()
        };
        assert_eq!((history.past().samples.len(), known(&history.past())), (History::SAMPLES, 1));
    }
}
