//! Wider candles out of narrower ones, exactly or not at all.
//!
//! Prices are taken over as they are. Volumes are harder: an exchange that adds up amounts as
//! doubles prints the sum's error along (`19203.444049780002`), and its own wider candle has an
//! error of its own. What both mean is the sum of amounts that have a known number of decimals, so
//! each part is rounded to those first, provided that there can be no doubt about where it belongs.

use rust_decimal::{Decimal, RoundingStrategy, prelude::FromPrimitive as _};

use super::{Candle, Number, Timeframe};

/// How many trades a bar is taken to hold at most: a minute of panic, and this many in each minute
/// otherwise, both several times what the busiest markets of exchanges that add up doubles see.
const TRADES_OF_A_PANIC: f64 = 2_000.0;
const TRADES_PER_MINUTE: f64 = 200.0;

/// A volume that may be off by more than this share of the last decimal of its amounts cannot be
/// told from its neighbours.
const DOUBT: Decimal = Decimal::from_parts(4, 0, 0, false, 1);

/// Where a volume is so small that its noise would be nothing, this share of the last decimal is
/// let pass: far more than any error, far less than a decimal too many.
const TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// Texts up to this length have no more digits than a [`Decimal`] holds. Longer ones it would
/// round; no double needs one.
const LONGEST_EXACT: usize = 28;

/// The candles of width `to` that the exchange would print, computed from its candles of width
/// `from`, oldest first. A bucket without any of them has none.
///
/// Where an exchange fills buckets without a trade with flat candles, those tell no price of the
/// wider one: its open, high, low and close are of those in which something was traded. If that is
/// none of them, the wider one is flat too, at the price of the first, and has no volume.
///
/// `bars` have to be everything that traded in the buckets of width `to` that they fall in; this
/// cannot be seen here. Texts of prices are kept; where two are equal in value, the earlier's.
/// `amount_decimals` tells how many decimals the amounts have of which volumes are sums; without
/// it volumes are added up as they are.
///
/// `None` if `from` does not divide `to`, if the bars are out of order or open no bucket, or if a
/// volume is too large, or has too many digits, for its decimals to be certain.
pub fn derive(
    bars: &[Candle],
    from: Timeframe,
    to: Timeframe,
    amount_decimals: Option<u32>,
) -> Option<Vec<Candle>> {
    let in_order = bars.is_sorted_by(|earlier, later| earlier.open_time < later.open_time);
    let opens_bucket = |bar: &Candle| from.start_of(bar.open_time) == bar.open_time;
    if !from.divides(to) || !in_order || !bars.iter().all(opens_bucket) {
        return None;
    }
    let bucket = |bar: &Candle| to.start_of(bar.open_time);
    let noise = noise(from)?;
    bars.chunk_by(|a, b| bucket(a) == bucket(b))
        .map(|parts| whole(parts, to, amount_decimals.map(|decimals| (decimals, noise))))
        .collect()
}

/// The candle of the bucket that `parts` fall in.
fn whole(parts: &[Candle], to: Timeframe, amounts: Option<(u32, Decimal)>) -> Option<Candle> {
    // The flat price is the close before, and may lie outside of what was paid since.
    let traded = || parts.iter().filter(|part| !part.is_empty());
    let (first, last) = match traded().next() {
        Some(first) => (first, traded().next_back()?),
        None => (parts.first()?, parts.first()?),
    };
    let (mut high, mut highest) = (&first.high, exact(&first.high)?);
    let (mut low, mut lowest) = (&first.low, exact(&first.low)?);
    let mut volume = Decimal::ZERO;
    for part in traded() {
        let (above, below) = (exact(&part.high)?, exact(&part.low)?);
        if above > highest {
            (high, highest) = (&part.high, above);
        }
        if below < lowest {
            (low, lowest) = (&part.low, below);
        }
        let amount = exact(&part.volume)?;
        let amount = match amounts {
            Some((decimals, noise)) => without_noise(amount, decimals, noise)?,
            None => amount,
        };
        volume = sum(volume, amount)?;
    }
    Some(Candle {
        open_time: to.start_of(first.open_time),
        open: first.open.clone(),
        high: high.clone(),
        low: low.clone(),
        close: last.close.clone(),
        volume: volume.into(),
    })
}

fn exact(number: &Number) -> Option<Decimal> {
    if number.as_str().len() > LONGEST_EXACT { None } else { number.decimal() }
}

/// By how much of itself the volume of a bar may be off. Each addition of doubles rounds by up to
/// half a unit in the last place (2.2e-16 of the sum so far); a sum of `n` is off by about
/// `0.2 * sqrt(n)` units, and by five times that practically never.
fn noise(width: Timeframe) -> Option<Decimal> {
    let minutes = width.fixed()?.as_secs_f64() / 60.0;
    let trades = TRADES_OF_A_PANIC + TRADES_PER_MINUTE * minutes;
    Decimal::from_f64(f64::EPSILON * trades.sqrt())
}

/// The multiple of the last decimal that `volume` was before doubles were added up. `None` if it
/// may be off by too much to tell, or is off by more than it can be.
fn without_noise(volume: Decimal, decimals: u32, noise: Decimal) -> Option<Decimal> {
    let step = Decimal::try_from_i128_with_scale(1, decimals).ok()?;
    let noise = (volume.abs().checked_mul(noise)?).max(step * TOLERANCE);
    let amount = volume.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
    let is_certain = noise <= step * DOUBT && (volume - amount).abs() <= noise;
    is_certain.then_some(amount)
}

/// The sum, unless it has more digits than fit: those that do not would be rounded off.
fn sum(a: Decimal, b: Decimal) -> Option<Decimal> {
    // A zero's decimals are not kept by the addition, so they must not count.
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b)?;
    (sum.scale() == a.scale().max(b.scale())).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::market::UnixMs;

    const MINUTE: i64 = 60_000;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    fn bar(minute: i64, [open, high, low, close, volume]: [&str; 5]) -> Candle {
        Candle {
            open_time: UnixMs::from_millis(minute * MINUTE),
            open: number(open),
            high: number(high),
            low: number(low),
            close: number(close),
            volume: number(volume),
        }
    }

    fn of_volume(minute: i64, volume: &str) -> Candle {
        bar(minute, ["1", "1", "1", "1", volume])
    }

    /// The volume of five minutes of which two have these volumes.
    fn volume(parts: [&str; 2], decimals: Option<u32>) -> Option<String> {
        let bars = [of_volume(0, parts[0]), of_volume(3, parts[1])];
        let derived = derive(&bars, Timeframe::M1, Timeframe::M5, decimals)?;
        assert_eq!(derived.len(), 1);
        Some(derived[0].volume.to_string())
    }

    #[test]
    fn texts_are_kept_and_empty_buckets_left_out() {
        let bars = [
            bar(6, ["2", "9.50", "1.5", "3", "0.1"]),
            bar(9, ["3", "9.5", "7e-7", "4.0", "0.2"]),
            bar(20, ["4", "4", "4", "4", "1e-8"]),
            bar(21, ["11", "11", "5", "6", "1e-8"]),
            bar(22, ["6", "9", "3", "8", "1e-8"]),
        ];
        let derived = derive(&bars, Timeframe::M1, Timeframe::M5, Some(8)).unwrap();
        let expected = [
            bar(5, ["2", "9.50", "7e-7", "4.0", "0.3"]),
            bar(20, ["4", "11", "3", "8", "0.00000003"]),
        ];
        assert_eq!(derived, expected);
        assert_eq!(derive(&[], Timeframe::M1, Timeframe::M5, Some(8)), Some(vec![]));
    }

    /// 100 was the last price before, then nothing was traded until somebody paid 7.
    #[test]
    fn flat_bars_without_volume_tell_no_price() {
        let flat = |minute, price| bar(minute, [price, price, price, price, "0.0"]);
        let bars = [
            flat(0, "100"),
            bar(1, ["7", "9", "5", "8", "1.5"]),
            flat(2, "8"),
            bar(3, ["6", "6", "6", "6", "1"]),
            flat(4, "6"),
            flat(5, "6"),
            flat(7, "6.0"),
        ];
        let derived = derive(&bars, Timeframe::M1, Timeframe::M5, Some(8)).unwrap();
        let expected = [bar(0, ["7", "9", "5", "6", "2.5"]), flat(5, "6")];
        assert_eq!(derived.len(), 2);
        assert!(derived[0] == expected[0] && derived[1].is_same(&expected[1]), "{derived:?}");
        assert!(derived[1].is_empty() && !derived[0].is_empty());
    }

    #[test]
    fn noise_is_taken_off_before_volumes_are_added() {
        let parts = ["19203.444049780002", "0.015486090000000001"];
        assert_eq!(volume(parts, Some(8)).unwrap(), "19203.45953587");
        assert_eq!(volume(parts, None).unwrap(), "19203.459535870002000001");
        assert_eq!(volume(["0.1", "0.2"], None).unwrap(), "0.3");
    }

    #[test]
    fn what_is_not_certain_is_not_derived() {
        for (volumes, decimals) in [
            // A decimal too many for noise.
            (["0.123456789", "1"], 8),
            (["1", "0.0000000001"], 9),
            // Doubles of this size are too coarse for the eighth decimal.
            (["1", "400000"], 8),
            (["123456789.12345678", "1"], 8),
            // No double needs so many digits.
            (["0.100000000000000000000000000001", "1"], 8),
        ] {
            assert_eq!(volume(volumes, Some(decimals)), None, "{volumes:?}");
        }
        assert_eq!(volume(["1", "380000"], Some(8)).unwrap(), "380001");
        assert_eq!(volume(["1", "38000000"], Some(6)).unwrap(), "38000001");
        // The more trades a bar may hold, the more its volume may be off.
        let hours = [of_volume(0, "380000")];
        assert_eq!(derive(&hours, Timeframe::H1, Timeframe::H3, Some(8)), None);
        // 29 digits.
        assert_eq!(volume(["9000000000000000000", "0.0000000001"], None), None);
    }

    #[test]
    fn widths_and_times_have_to_fit() {
        let minutes = [of_volume(0, "1"), of_volume(1, "1")];
        for (from, to) in [
            (Timeframe::M5, Timeframe::M5),
            (Timeframe::H1, Timeframe::M5),
            (Timeframe::H3, Timeframe::H4),
            (Timeframe::D1, Timeframe::W1),
            // The second opens no bucket of five minutes.
            (Timeframe::M5, Timeframe::H1),
        ] {
            assert_eq!(derive(&minutes, from, to, None), None, "{from} {to}");
        }
        let [first, second] = minutes;
        for bars in [[second.clone(), first.clone()], [first.clone(), first]] {
            assert_eq!(derive(&bars, Timeframe::M1, Timeframe::M5, None), None);
        }
    }

    proptest! {
        /// Amounts are added up as doubles to minutes, minutes are rounded and added up exactly.
        #[test]
        fn the_sum_of_the_amounts_comes_back(
            amounts in proptest::collection::vec(
                prop_oneof![1_u64..1_000, 1_u64..100_000_000, 1_u64..8_000_000_000], 1..400,
            ),
            minutes in 1_usize..6,
        ) {
            let per_minute = amounts.len().div_ceil(minutes);
            let bars: Vec<Candle> = amounts.chunks(per_minute).enumerate().map(|(minute, amounts)| {
                let sum: f64 = amounts.iter().map(|amount| *amount as f64 / 1e8).sum();
                of_volume(minute as i64, &sum.to_string())
            }).collect();
            let derived = derive(&bars, Timeframe::M1, Timeframe::M5, Some(8)).unwrap();
            let total = amounts.iter().map(|amount| Decimal::new(*amount as i64, 8));
            prop_assert_eq!(&derived[0].volume, &Number::from(total.sum::<Decimal>()));
        }
    }
}
