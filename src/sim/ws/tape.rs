//! A symbol's trades as they happen.

use std::collections::VecDeque;

use crate::{
    market::UnixMs,
    sim::engine::{Instrument, MarketEngine, SimTrade, Window},
};

/// Yields each trade once, in order. The trades of a minute are computed at a time, since a caller
/// asks many times a second.
pub(in crate::sim) struct Tape {
    /// Trades up to here, Unix milliseconds, are in `ahead` or have been taken.
    known: i64,
    ahead: VecDeque<SimTrade>,
}

/// How far ahead trades are computed.
const AHEAD_MS: i64 = 60_000;
/// A caller that has been away for longer than so many trades gets the newest.
const MOST: usize = 10_000;

impl Tape {
    /// Begins after `now`.
    pub(in crate::sim) const fn after(now: UnixMs) -> Self {
        Self { known: now.millis(), ahead: VecDeque::new() }
    }

    /// The trades up to `now` that have not been taken yet, oldest first.
    pub(in crate::sim) fn take(
        &mut self,
        engine: &MarketEngine,
        instrument: &Instrument,
        now: UnixMs,
    ) -> Vec<SimTrade> {
        if now.millis() > self.known {
            let end = now.millis().max(self.known + AHEAD_MS);
            let window = Window { start: self.known + 1, end, limit: MOST, ascending: false };
            let found = engine.trades(instrument, window, UnixMs::from_millis(end));
            self.ahead.extend(found.into_iter().rev());
            self.known = end;
        }
        let due = self.ahead.partition_point(|trade| trade.ms <= now.millis());
        self.ahead.drain(..due).collect()
    }
}
