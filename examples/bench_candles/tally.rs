//! What came of the requests.

use std::time::Duration;

use tidegate::sim::{Counts, Family};

/// What a client got.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Nothing that can be used.
    Nothing,
    /// An answer whose oldest part was received so long ago.
    Data(Duration),
    /// The newest closed bar, and whether it is the right one.
    Closed(Verdict),
}

/// What is to be said of a closed bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the newest one, with its final values.
    Right,
    /// It is an earlier one: the newest one is missing.
    Late,
    /// It is the newest one, as it was before its time was over.
    Unfinished,
}

/// The outcomes of a trace.
#[derive(Default)]
pub(crate) struct Tally {
    asked: usize,
    answered: usize,
    ages: Vec<Duration>,
    closed: usize,
    late: usize,
    unfinished: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.asked += 1;
        match outcome {
            Outcome::Nothing => return,
            Outcome::Data(age) => self.ages.push(age),
            Outcome::Closed(verdict) => {
                self.closed += 1;
                self.late += usize::from(verdict == Verdict::Late);
                self.unfinished += usize::from(verdict == Verdict::Unfinished);
            }
        }
        self.answered += 1;
    }

    /// The heading of [`Tally::row`].
    pub(crate) fn heading() -> String {
        format!(
            "{:<34} {:>8} {:>9} {:>9} {:>8} {:>9} {:>7} {:>7} {:>7} {:>10}",
            "per 1,000 requests of clients",
            "calls",
            "candles",
            "refused",
            "answered",
            "age p50",
            "p99",
            "max",
            "late",
            "unfinished"
        )
    }

    /// A line of the table: calls, those of them for candles, and those that the exchange refused,
    /// for 1,000 requests; the share that was answered; ages in seconds; of the closed bars that were
    /// answered, the share that was late, and that was handed out unfinished.
    pub(crate) fn row(&mut self, name: &str, counts: &Counts) -> String {
        let per_1000 = |calls: u64| 1_000.0 * calls as f64 / self.asked.max(1) as f64;
        let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        self.ages.sort_unstable();
        format!(
            "{name:<34} {:>8.1} {:>9.1} {:>9.1} {:>6.1} % {:>7} s {:>5} s {:>5} s {:>5.1} % {:>8.1} %",
            per_1000(counts.total()),
            per_1000(counts.of(Family::Candles)),
            per_1000(counts.refused_total()),
            share(self.answered, self.asked),
            quantile(&self.ages, 0.50).as_secs(),
            quantile(&self.ages, 0.99).as_secs(),
            quantile(&self.ages, 1.0).as_secs(),
            share(self.late, self.closed),
            share(self.unfinished, self.closed),
        )
    }
}

/// The smallest value that is not exceeded by this share of them; they are sorted.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let nth = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(nth.saturating_sub(1)).copied().unwrap_or_default()
}
