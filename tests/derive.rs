//! Candles that are computed from narrower ones equal the exchange's own.
//!
//! The exchange is the simulated one, which adds amounts up as doubles and prints the error along.

use std::{cell::Cell, sync::LazyLock, time::Duration};

use bytes::Bytes;
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use rust_decimal::Decimal;
use tidegate::{
    exchange::bitfinex::{PROFILE, wire},
    market::{Candle, Number, Timeframe, UnixMs, derive},
    sim::{ManualTime, SimClock, SimConfig, Venue, engine::Window},
};

/// A Sunday afternoon in the middle of every bucket.
const NOW: i64 = 1_795_360_452_345;
const DAY: Duration = Duration::from_secs(86_400);
const DECIMALS: u32 = 8;
/// The error of adding up the few thousand trades of a day in this exchange may reach the eighth
/// decimal of volumes beyond this.
const COMPARABLE: Decimal = Decimal::from_parts(400_000, 0, 0, false, 0);
/// Volumes up to this one are certain in bars of every width.
const CERTAIN: Decimal = Decimal::from_parts(47_000, 0, 0, false, 0);

static VENUES: LazyLock<Vec<Venue>> = LazyLock::new(|| {
    let venue = |seed| {
        let time = ManualTime::new(UnixMs::from_millis(NOW));
        let clock = SimClock::Manual(time);
        Venue::new(SimConfig { seed, enforce: false, clock, ..SimConfig::default() })
    };
    (1..=4).map(venue).collect()
});

/// The exchange's own name of a width.
fn name(width: Timeframe) -> &'static str {
    if width == Timeframe::D1 { "1D" } else { width.as_str() }
}

fn is_offered(width: &Timeframe) -> bool {
    PROFILE.timeframes.contains(width)
}

/// The width itself, or, if the exchange does not offer it, the widest that it can be derived from.
fn source(width: Timeframe) -> Timeframe {
    if is_offered(&width) { width } else { width.sources().find(is_offered).unwrap() }
}

/// What to derive from: the exchange's own candles, or those derived from them. `None` if these are
/// not certain.
fn parts(
    venue: &Venue,
    symbol: &str,
    width: Timeframe,
    from: UnixMs,
    to: UnixMs,
) -> Option<Vec<Candle>> {
    let source = source(width);
    let own = own(venue, symbol, source, from, to);
    if source == width { Some(own) } else { derive(&own, source, width, Some(DECIMALS)) }
}

/// The exchange's own candles of a span of time.
fn own(venue: &Venue, symbol: &str, width: Timeframe, from: UnixMs, to: UnixMs) -> Vec<Candle> {
    let (name, from, last) = (name(width), from.millis(), to.millis() - 1);
    let path = format!("/v2/candles/trade:{name}:{symbol}/hist?sort=1&limit=10000");
    let (status, body) = venue.rest(&format!("{path}&start={from}&end={last}"));
    assert_eq!(status, 200, "{body}");
    let candles = wire::candles(&Bytes::from(body), width).unwrap();
    assert!(candles.len() < 10_000, "the page holds them all");
    candles
}

/// The sum of amounts that a volume stands for, if it can be told.
fn meant(volume: &Number) -> Option<Decimal> {
    let volume = volume.decimal().unwrap();
    (volume <= COMPARABLE).then(|| volume.round_dp(DECIMALS).normalize())
}

fn assert_prices(derived: &Candle, own: &Candle) {
    assert_eq!(derived.open_time, own.open_time);
    let prices = |candle: &Candle| {
        [&candle.open, &candle.high, &candle.low, &candle.close].map(|price| price.to_string())
    };
    assert_eq!(prices(derived), prices(own), "{}", own.open_time);
}

/// How many candles were compared in volume too, and how many were not derived for lack of
/// certainty.
#[derive(Default)]
struct Tally {
    compared: Cell<usize>,
    uncertain: Cell<usize>,
}

fn add(count: &Cell<usize>, more: usize) {
    count.set(count.get() + more);
}

fn assert_equal_to_own(
    tally: &Tally,
    venue: &Venue,
    symbol: &str,
    [part, whole]: [Timeframe; 2],
    [from, to]: [UnixMs; 2],
) {
    let own_ones = own(venue, symbol, whole, from, to);
    let parts = parts(venue, symbol, part, from, to);
    let derived = parts.and_then(|parts| derive(&parts, part, whole, Some(DECIMALS)));
    let Some(derived) = derived else {
        // A part that is too large is part of something larger.
        let too_large = |bar: &Candle| bar.volume.decimal().unwrap() > CERTAIN;
        assert!(own_ones.iter().any(too_large), "{symbol} {part} {whole}: not derived");
        add(&tally.uncertain, own_ones.len());
        return;
    };
    assert_eq!(derived.len(), own_ones.len(), "{symbol} {part} {whole}");
    for (derived, own) in derived.iter().zip(&own_ones) {
        assert_prices(derived, own);
        if let Some(meant) = meant(&own.volume) {
            assert_eq!(
                derived.volume,
                Number::from(meant),
                "{symbol} {part} {whole} {}",
                own.open_time
            );
            add(&tally.compared, 1);
        } else {
            let off = derived.volume.f64() / own.volume.f64() - 1.0;
            assert!(off.abs() < 1e-13, "{symbol} {part} {whole} {} {}", derived.volume, own.volume);
        }
    }
}

/// Every width that the exchange offers, with each that it can be derived from.
fn widths() -> Vec<[Timeframe; 2]> {
    let wholes = Timeframe::ALL.into_iter().filter(is_offered);
    wholes.flat_map(|whole| whole.sources().map(move |part| [part, whole])).collect()
}

/// The end of the newest bucket that is complete.
fn newest_end(width: Timeframe) -> UnixMs {
    width.start_of(UnixMs::from_millis(NOW))
}

fn before(end: UnixMs, by: Duration) -> UnixMs {
    UnixMs::from_millis(end.millis() - by.as_millis() as i64)
}

#[test]
fn any_candles_derived_equal_the_exchanges_own() {
    let widths = widths();
    assert_eq!(widths.len(), 1 + 3 + 4 + 5 + 6 + 8 + 10 + 12);
    let tally = Tally::default();
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    let market = any::<Index>();
    let any = (0..VENUES.len(), market, select(widths), 1_u32..300, 1_u32..40);
    let outcome = runner.run(&any, |(seed, market, widths, ago, buckets)| {
        let venue = &VENUES[seed];
        let markets = venue.market().instruments().iter().filter(|one| !one.is_funding());
        let symbol = market.get(&markets.collect::<Vec<_>>()).symbol();
        let [part, whole] = [source(widths[0]), widths[1]].map(|width| width.fixed().unwrap());
        let ago = (whole * ago).min(30 * DAY);
        let from = widths[1].start_of(before(newest_end(widths[1]), ago));
        // No more bars than a page of the exchange holds.
        let most = part.as_secs() * 9_999 / whole.as_secs();
        let span = whole * buckets.min(most as u32);
        let to = (from + span).min(newest_end(widths[1]));
        assert_equal_to_own(&tally, venue, symbol, widths, [from, to]);
        Ok(())
    });
    outcome.unwrap();
    assert!(tally.compared.get() > 1_000, "{} compared", tally.compared.get());
}

/// None is left out for want of certainty where most is traded.
#[test]
fn candles_of_the_great_markets_are_always_derived() {
    for (venue, symbol) in VENUES.iter().zip(["tBTCUSD", "tETHUSD", "tBTCF0:USTF0", "tSOLUSD"]) {
        let tally = Tally::default();
        for [part, whole] in widths() {
            let to = newest_end(whole);
            assert_equal_to_own(&tally, venue, symbol, [part, whole], [before(to, 3 * DAY), to]);
        }
        assert_eq!(tally.uncertain.get(), 0, "{symbol}");
        assert!(tally.compared.get() > 2_200, "{symbol}: {}", tally.compared.get());
    }
}

/// The widths that the exchange does not offer, against the market behind its answers.
#[test]
fn widths_of_our_own_equal_what_traded() {
    let venue = &VENUES[0];
    let own_widths = [Timeframe::H2, Timeframe::H4, Timeframe::H8];
    for (symbol, whole) in ["tBTCUSD", "tETHUSD", "tBTCF0:USTF0"]
        .into_iter()
        .flat_map(|symbol| own_widths.map(|whole| (symbol, whole)))
    {
        let width = whole.fixed().unwrap();
        let end = whole.start_of(UnixMs::from_millis(NOW));
        let start = before(end, 10 * DAY);
        let instrument = venue.market().find(symbol).unwrap();
        let window =
            Window { start: start.millis(), end: end.millis() - 1, limit: 1_000, ascending: true };
        let bars = venue.market().candles(instrument, whole, &(0..=0), window, venue.now());
        for part in whole.sources() {
            // Ten days of minutes are more than a page holds.
            let days = if part < Timeframe::M5 { 2 } else { 10 };
            let parts = parts(venue, symbol, part, before(end, days * DAY), end).unwrap();
            let derived = derive(&parts, part, whole, Some(DECIMALS)).unwrap();
            assert_eq!(derived.len() as u64, u64::from(days) * DAY.as_secs() / width.as_secs());
            let bars = &bars[bars.len() - derived.len()..];
            for (derived, bar) in derived.iter().zip(bars) {
                let Candle { open_time, open, high, low, close, volume } = derived;
                assert_eq!(open_time.millis(), bar.start);
                let prices = [open, high, low, close].map(Number::f64);
                assert_eq!(prices, [bar.open, bar.high, bar.low, bar.close], "{symbol} {part}");
                let meant = (bar.volume * 1e8).round() / 1e8;
                assert_eq!(volume.f64(), meant, "{symbol} {part} {open_time}");
            }
        }
    }
}
