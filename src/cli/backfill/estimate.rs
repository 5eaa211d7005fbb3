//! Calls and time that are left.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::series::Series;
use crate::cli::status::Budget;

/// The exchange counts by the minute: a pace that was kept up over one holds.
const MINUTE: Duration = Duration::from_secs(60);

/// Calls that the pace is measured over: at 30 a minute, the last two minutes.
const MEASURED: usize = 64;

/// How fast pages have come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last pages came that cost a call each, without one between them that did not.
    fetched: VecDeque<Instant>,
    /// How long a call takes that need not wait for the budget.
    latency: Option<Duration>,
    last_cost_a_call: bool,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outlook {
    pub(super) calls: u64,
    pub(super) time: Duration,
    /// Nothing of what is left is known to be stored, but it may be.
    pub(super) is_bound: bool,
}

impl Pace {
    /// A page came, `took` after it was asked for; the budget had a call left or it had not.
    pub(super) fn page(&mut self, cost_a_call: bool, took: Duration, had_budget: bool) {
        self.last_cost_a_call = cost_a_call;
        if !cost_a_call {
            self.fetched.clear();
            return;
        }
        if self.fetched.len() == MEASURED {
            self.fetched.pop_front();
        }
        self.fetched.push_back(Instant::now());
        if had_budget {
            self.latency = Some(self.latency.map_or(took, |before| (before * 3 + took) / 4));
        }
    }

    /// The outlook for what is left of these series. What a minute of calls has shown goes before
    /// what the budget promises: others spend it, too, and before us.
    pub(super) fn outlook(&self, series: &[Series], budget: Option<Budget>) -> Option<Outlook> {
        let calls: u64 = series.iter().map(Series::calls_left).sum();
        let is_bound = !self.last_cost_a_call;
        let budget = budget?;
        let exactly = calls as f64;
        let latency = self.latency.unwrap_or_default().mul_f64(exactly);
        let beyond = calls.saturating_sub(u64::from(budget.left)) as f64;
        let promised = MINUTE.mul_f64(beyond / f64::from(budget.per_minute.max(1)));
        let time = match self.interval() {
            Some(interval) => interval.mul_f64(exactly).max(budget.banned),
            None => latency.max(budget.banned + promised),
        };
        Some(Outlook { calls, time, is_bound })
    }

    fn interval(&self) -> Option<Duration> {
        let (first, last) = (self.fetched.front()?, self.fetched.back()?);
        let lasted = last.duration_since(*first);
        let between = u32::try_from(self.fetched.len() - 1).ok()?;
        (lasted >= MINUTE).then(|| lasted / between.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Timeframe, UnixMs};

    fn series(days: u64) -> Series {
        let since = "2024-01-01".parse::<UnixMs>().unwrap();
        let until = since + Duration::from_secs(days * 86_400);
        Series::new("BTC/USD".to_owned(), Timeframe::M1, since, until)
    }

    fn budget(left: u32, banned: u64) -> Option<Budget> {
        let banned = Duration::from_secs(banned);
        Some(Budget { per_minute: 30, left, next_slot: Duration::ZERO, banned })
    }

    #[tokio::test(start_paused = true)]
    async fn without_experience_it_is_what_the_budget_promises() {
        let pace = Pace::default();
        // 1440 buckets a day: 100 days are 144,000 buckets, or 15 pages; twice.
        let work = [series(100), series(100)];
        let outlook = |left, banned| pace.outlook(&work, budget(left, banned)).unwrap();
        let (calls, is_bound) = (30, true);
        let time = Duration::from_secs(40);
        assert_eq!(outlook(10, 0), Outlook { calls, time, is_bound });
        assert_eq!(outlook(10, 25).time, Duration::from_secs(65));
        assert_eq!(outlook(30, 0).time, Duration::ZERO);
        assert_eq!(pace.outlook(&work, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_of_calls_goes_before_the_promise() {
        let mut pace = Pace::default();
        let work = [series(100)];
        pace.page(true, Duration::from_secs(3), true);
        assert_eq!(pace.outlook(&work, budget(30, 0)).unwrap().time, Duration::from_secs(45));
        // Others take half of the budget: a call every four seconds.
        for _ in 0..15 {
            tokio::time::advance(Duration::from_secs(4)).await;
            pace.page(true, Duration::from_secs(4), false);
        }
        let outlook = pace.outlook(&work, budget(30, 0)).unwrap();
        let time = Duration::from_secs(60);
        assert_eq!(outlook, Outlook { calls: 15, time, is_bound: false });
        // A page from the store says nothing about calls.
        pace.page(false, Duration::from_millis(10), true);
        let outlook = pace.outlook(&work, budget(30, 0)).unwrap();
        assert_eq!((outlook.time, outlook.is_bound), (Duration::from_secs(45), true));
    }

    #[test]
    fn a_market_that_trades_less_needs_fewer_calls() {
        let mut series = series(100);
        assert_eq!(series.calls_left(), 15);
        // Half of its buckets had a trade, over the first half of its time.
        series.first = Some(series.since);
        series.reached = series.since + Duration::from_secs(50 * 86_400);
        series.bars = 36_000;
        assert_eq!(series.calls_left(), 4);
        series.reached = series.until;
        assert_eq!(series.calls_left(), 1, "the last page has not come yet");
        series.is_done = true;
        assert_eq!(series.calls_left(), 0);
    }
}
