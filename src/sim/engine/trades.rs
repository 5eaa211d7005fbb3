//! Trades: what everything else is counted from.

use super::{
    Instrument,
    noise::{HourPath, Stream, at},
    price::{eight_decimals, printable},
};

/// One trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimTrade {
    /// Unique among all symbols; larger means not earlier.
    pub id: i64,
    /// Unix milliseconds.
    pub ms: i64,
    /// Base units; positive if the taker bought.
    pub amount: f64,
    /// Price, or daily rate of a funding trade.
    pub price: f64,
    /// Days of a funding trade; 0 for others.
    pub period: u32,
}

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
const QUARTER: i64 = 15 * MINUTE;
/// 2013-01-01, before any simulated trade.
const ID_EPOCH: i64 = 1_356_998_400_000;
const MOST_IN_A_MINUTE: u32 = 48;
/// Trades of one order share a millisecond; an id has three bits to tell them apart.
const MOST_IN_A_SWEEP: i64 = 8;

impl Instrument {
    /// Appends the trades of the hour that begins at `hour`, oldest first, those after `until`
    /// left out.
    pub(super) fn trades_of_hour(&self, hour: i64, until: i64, out: &mut Vec<SimTrade>) {
        if hour + HOUR <= self.listed || hour > until {
            return;
        }
        let path = std::cell::OnceCell::new();
        let path = || path.get_or_init(|| HourPath::new(&self.waves, self.level, hour));
        let first = out.len();
        for quarter in (hour..hour + HOUR).step_by(QUARTER as usize) {
            // Activity comes in spells, so that quiet and busy quarters alternate.
            let spell = Stream::new(at(self.key ^ 0x73_7065_6c6c, quarter)).normal();
            let none = (-self.per_minute * (0.9 * spell - 0.3).exp()).exp();
            for minute in (quarter..quarter + QUARTER).step_by(MINUTE as usize) {
                if minute > until {
                    break;
                }
                let mut stream = Stream::new(at(self.key, minute));
                let count = poisson(stream.unit(), none);
                if count > 0 {
                    self.trades_of_minute(minute, count, path(), &mut stream, out);
                }
            }
        }
        let kept = out[first..].iter().take_while(|trade| trade.ms <= until).count();
        out.truncate(first + kept);
        if hour < self.listed {
            let early = out[first..].iter().take_while(|trade| trade.ms < self.listed).count();
            out.drain(first..first + early);
        }
    }

    fn trades_of_minute(
        &self,
        minute: i64,
        count: u32,
        path: &HourPath<'_>,
        stream: &mut Stream,
        out: &mut Vec<SimTrade>,
    ) {
        let first = out.len();
        let mut times: smallvec::SmallVec<[i64; 16]> =
            (0..count).map(|_| minute + (stream.unit() * MINUTE as f64) as i64).collect();
        times.sort_unstable();
        let (mut side, mut run) = (1.0, 0);
        for mut ms in times {
            let before = out[first..].last().map(|trade| trade.ms);
            let swept = before.is_some() && run + 1 < MOST_IN_A_SWEEP && stream.unit() < 0.2;
            match before {
                Some(before) if before == ms && run + 1 == MOST_IN_A_SWEEP => continue,
                Some(before) if swept || before == ms => (ms, run) = (before, run + 1),
                _ => {
                    run = 0;
                    side = if stream.unit() < 0.5 { -1.0 } else { 1.0 };
                }
            }
            let size = self.typical * (1.3 * stream.normal()).exp();
            let away = side * self.half_spread * (1.0 + 0.3 * run as f64);
            out.push(SimTrade {
                id: ((ms - ID_EPOCH) << 12) | (i64::from(self.index) << 3) | run,
                ms,
                amount: side * eight_decimals(size).max(1e-8),
                price: printable(path.price(ms) * (1.0 + away)),
                period: if self.is_funding() { period(stream.unit()) } else { 0 },
            });
        }
    }
}

/// Lenders offer mostly the shortest and the longest common periods.
pub(super) fn period(lot: f64) -> u32 {
    match lot {
        short if short < 0.55 => 2,
        month if month < 0.8 => 30,
        long if long < 0.9 => 120,
        other => 3 + ((other - 0.9) * 260.0) as u32,
    }
}

/// How many events occur where none do with probability `none`.
fn poisson(lot: f64, none: f64) -> u32 {
    let mean = -none.ln();
    let (mut count, mut term, mut sum) = (0, none, none);
    while lot >= sum && count < MOST_IN_A_MINUTE {
        count += 1;
        term *= mean / f64::from(count);
        sum += term;
    }
    count
}
