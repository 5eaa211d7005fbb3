//! When clients ask.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Rhythm, time::Us};

/// More clients than this make a stream in which intervals and chance cannot be told apart.
const MOST_PHASES: u32 = 1024;

/// The times at which one thing is asked for, by all clients together.
#[derive(Clone, Debug)]
pub(super) enum Arrivals {
    /// At any moment with the same chance: this many a microsecond.
    Random(f64),
    /// Each client in a fixed interval, shifted by chance.
    Even { period: Us, phases: Vec<Us>, next: u64 },
}

impl Arrivals {
    pub(super) fn new(clients: u32, every: Us, rhythm: Rhythm, dice: &mut ChaCha8Rng) -> Self {
        let every = every.max(1);
        if rhythm == Rhythm::Random || clients > MOST_PHASES {
            return Self::Random(f64::from(clients) / every as f64);
        }
        let mut phases: Vec<Us> = (0..clients).map(|_| dice.random_range(0..every)).collect();
        phases.sort_unstable();
        Self::Even { period: every, phases, next: 0 }
    }

    /// The next time at `until` or later, and how many there are between `now` and that.
    pub(super) fn after(&mut self, now: Us, until: Us, dice: &mut ChaCha8Rng) -> (Us, u64) {
        let until = until.max(now + 1);
        match self {
            Self::Random(rate) => {
                let wait = -(1.0 - dice.random::<f64>()).ln() / *rate;
                let next = until.saturating_add(wait.min(1e15) as Us);
                (next, poisson(*rate * (until - now) as f64, dice))
            }
            Self::Even { period, phases, next } => {
                let (count, cycle) = (phases.len() as u64, until / *period);
                let within = phases.partition_point(|phase| *phase < until % *period) as u64;
                let at = (cycle * count + within).max(*next);
                let skipped = at - *next;
                *next = at + 1;
                let phase = phases[usize::try_from(at % count).unwrap_or_default()];
                (at / count * *period + phase, skipped)
            }
        }
    }
}

/// How many of so many expected there are.
fn poisson(mean: f64, dice: &mut ChaCha8Rng) -> u64 {
    if mean < 30.0 {
        let (mut left, mut count) = ((-mean).exp(), 0);
        let mut sum = left;
        let chance = dice.random::<f64>();
        while chance > sum && count < 200 {
            count += 1;
            left *= mean / count as f64;
            sum += left;
        }
        return count;
    }
    // The normal distribution is near enough by then (Box and Muller's transform).
    let (u, v) = (1.0 - dice.random::<f64>(), dice.random::<f64>());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    (mean + mean.sqrt() * normal).max(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    /// Reads in so many seconds if every one within 100 ms is skipped.
    fn count(rhythm: Rhythm) -> u64 {
        let mut dice = ChaCha8Rng::seed_from_u64(7);
        let mut arrivals = Arrivals::new(20, 1_000_000, rhythm, &mut dice);
        let (mut now, _) = arrivals.after(0, 1, &mut dice);
        let mut all = 0;
        while now < 500_000_000 {
            let (next, skipped) = arrivals.after(now, now + 100_000, &mut dice);
            assert!(next >= now + 100_000);
            all += 1 + skipped;
            now = next;
        }
        all
    }

    #[test]
    fn none_is_lost_by_skipping() {
        assert!((9_990..=10_010).contains(&count(Rhythm::Even)), "{}", count(Rhythm::Even));
        assert!((9_600..=10_400).contains(&count(Rhythm::Random)), "{}", count(Rhythm::Random));
    }

    #[test]
    fn one_client_keeps_his_interval() {
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        let mut arrivals = Arrivals::new(1, 30_000_000, Rhythm::Even, &mut dice);
        let (first, none) = arrivals.after(0, 1, &mut dice);
        let second = arrivals.after(first, first + 10_000_000, &mut dice);
        assert_eq!((none, second), (0, (first + 30_000_000, 0)));
    }
}
