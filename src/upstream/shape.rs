//! What of a pool's limit one window holds.

use std::{num::NonZeroU32, time::Duration};

use super::pace::Quota;

/// A window and what fits into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Slots.
    pub(super) units: u32,
    pub(super) length: Duration,
    /// All of them may be taken at once.
    bursts: bool,
}

impl Shape {
    /// Of `limit` units in a `window`. Where no more than `burst` may go at once the window is as
    /// much shorter as that is less.
    pub(super) fn new(limit: u32, burst: Option<u32>, window: Duration) -> Self {
        let limit = limit.max(1);
        let units = burst.map_or(limit, |burst| burst.clamp(1, limit));
        Self { units, length: window * units / limit, bursts: burst.is_some() }
    }

    /// The pace of so many units in its length: a third of them at once where the window could not
    /// bear all.
    pub(super) fn quota(self, ceiling: u32) -> Quota {
        let ceiling = ceiling.max(1);
        let at_once = if self.bursts { ceiling } else { ceiling.div_ceil(3) };
        let burst = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
        Quota { period: self.length / ceiling, burst }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_makes_the_window_shorter_and_the_rate_the_same() {
        let minute = Duration::from_secs(60);
        let shape = Shape::new(60, Some(5), minute);
        assert_eq!((shape.units, shape.length), (5, Duration::from_secs(5)));
        assert_eq!(shape.quota(5).burst.get(), 5);
        assert_eq!(shape.quota(5).period, Duration::from_secs(1));
        assert_eq!(Shape::new(300, Some(8), minute).length, Duration::from_millis(1_600));
        let few = Shape::new(3, Some(5), minute);
        assert_eq!((few.units, few.length), (3, minute));
        let whole = Shape::new(90, None, minute);
        assert_eq!((whole.units, whole.length, whole.quota(90).burst.get()), (90, minute, 30));
    }
}
