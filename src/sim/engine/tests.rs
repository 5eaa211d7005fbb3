use std::collections::HashSet;

use proptest::prelude::*;

use crate::market::{Timeframe, UnixMs};

use super::*;

const NOW: i64 = 1_790_000_012_345;
const ANY: std::ops::RangeInclusive<u32> = 0..=0;

fn engine() -> MarketEngine {
    let day = NOW / 86_400_000 * 86_400_000;
    MarketEngine::new(7, UnixMs::from_millis(day - 40 * 86_400_000), now())
}

fn now() -> UnixMs {
    UnixMs::from_millis(NOW)
}

fn all(ascending: bool) -> Window {
    Window { start: i64::MIN, end: i64::MAX, limit: usize::MAX, ascending }
}

#[test]
fn some_three_hundred_symbols_of_every_kind_with_distinct_names() {
    let engine = engine();
    let names: HashSet<_> = engine.instruments().iter().map(Instrument::symbol).collect();
    assert_eq!(names.len(), engine.instruments().len());
    assert!((300..512).contains(&names.len()), "{}", names.len());
    for name in [
        "tBTCUSD",
        "tBTCUST",
        "tETHBTC",
        "tDOGE:USD",
        "tLINK:UST",
        "tAVAX:USD",
        "tBTCF0:USTF0",
        "tETHF0:BTCF0",
        "tTESTBTC:TESTUSD",
        "tTESTBTCF0:TESTUSDTF0",
        "tALT2612:USD",
        "tLUNA:USD",
        "tLUNA2:USD",
        "tDSHUSD",
        "tIOTBTC",
        "tUDCUSD",
        "tWBTUSD",
        "tWHBT:USD",
        "tUSTUSD",
        "tXAUT:BTC",
        "tPEPE:USD",
        "tTRXBTC",
        "fUSD",
        "fUST",
        "fBTC",
    ] {
        assert!(names.contains(name), "{name}");
    }
    let shape = |name: &&str| name.starts_with('f') || name.len() == 7 || name.contains(':');
    assert!(names.iter().all(shape), "a pair without a colon has six letters");
}

#[test]
fn candles_of_every_width_gather_exactly_the_trades() {
    let engine = engine();
    for symbol in ["tBTCUSD", "tETHF0:USTF0", "tBAND:USD", "tSHIB:USD"] {
        let instrument = engine.find(symbol).unwrap();
        let trades = engine.trades(instrument, all(true), now());
        assert!(trades.len() > 100 && trades.is_sorted_by_key(|trade| trade.id), "{symbol}");
        assert!(trades.iter().all(|trade| trade.ms <= NOW));
        for width in [
            Timeframe::M1,
            Timeframe::M15,
            Timeframe::H3,
            Timeframe::D1,
            Timeframe::W1,
            Timeframe::Month,
        ] {
            let bars = engine.candles(instrument, width, &ANY, all(true), now());
            let mut rest = trades.as_slice();
            for bar in &bars {
                let open = UnixMs::from_millis(bar.start);
                assert_eq!(width.start_of(open), open, "{symbol} {width} is aligned");
                let end = width.end_of(open).millis();
                let (inside, after) = rest.split_at(rest.partition_point(|t| t.ms < end));
                rest = after;
                let prices = || inside.iter().map(|trade| trade.price);
                assert!(inside[0].ms >= bar.start, "no bar is missing before {open}");
                assert_eq!(bar.open, inside[0].price);
                assert_eq!(bar.close, inside[inside.len() - 1].price);
                assert_eq!(bar.high, prices().fold(f64::MIN, f64::max));
                assert_eq!(bar.low, prices().fold(f64::MAX, f64::min));
                let volume: f64 = inside.iter().map(|trade| trade.amount.abs()).sum();
                assert!((bar.volume / volume - 1.0).abs() < 1e-12, "{symbol} {width} {open}");
            }
            assert!(rest.is_empty(), "{symbol} {width}: every trade is in a bar");
        }
    }
}

#[test]
fn the_ticker_is_that_of_the_last_day_of_trades_and_the_top_of_the_book() {
    let engine = engine();
    for symbol in ["tBTCUSD", "tADAUSD", "tRRTUSD", "tTRXBTC", "fUSD"] {
        let instrument = engine.find(symbol).unwrap();
        let ticker = engine.ticker(instrument, now());
        let trades = engine.trades(instrument, all(true), now());
        let book = engine.book(instrument, now());
        assert_eq!(ticker.last, trades.last().unwrap().price, "{symbol}");
        assert_eq!(ticker.first_trade, Some(trades[0].ms), "{symbol}");
        let day = trades.iter().filter(|trade| trade.ms > NOW - 86_400_000).collect::<Vec<_>>();
        if let [first, ..] = day.as_slice() {
            let volume: f64 = day.iter().map(|trade| trade.amount.abs()).sum();
            assert!((ticker.volume / volume - 1.0).abs() < 1e-12, "{symbol}");
            assert_eq!(ticker.high, day.iter().map(|t| t.price).fold(f64::MIN, f64::max));
            assert_eq!(ticker.low, day.iter().map(|t| t.price).fold(f64::MAX, f64::min));
            assert!((ticker.change - (ticker.last - first.price)).abs() < 1e-8, "{symbol}");
        }
        assert_eq!((ticker.bid, ticker.ask), (book.bids()[0].price, book.asks()[0].price));
        let best: f64 = book.bids().iter().take(25).map(|order| order.amount).sum();
        assert_eq!(ticker.bid_size, best, "{symbol}");
    }
}

#[test]
fn tether_and_cross_rates_fit_the_dollar_pairs() {
    let engine = engine();
    let last = |symbol| engine.last_price(engine.find(symbol).unwrap(), now()).unwrap();
    assert!((last("tBTCUST") / last("tBTCUSD") - 1.0).abs() < 0.01);
    assert!((last("tETHBTC") * last("tBTCUSD") / last("tETHUSD") - 1.0).abs() < 0.02);
    assert!((last("tBTCF0:USTF0") / last("tBTCUSD") - 1.0).abs() < 0.02);
}

#[test]
fn every_book_has_two_sorted_sides_that_do_not_cross_and_unique_ids() {
    let engine = engine();
    let mut depths = HashSet::new();
    for instrument in engine.instruments() {
        let symbol = instrument.symbol();
        let book = engine.book(instrument, now());
        let [bids, asks] = [book.bids(), book.asks()];
        assert!(bids[0].price < asks[0].price, "{symbol} {} {}", bids[0].price, asks[0].price);
        assert!(bids.is_sorted_by(|a, b| (-a.price, a.id) <= (-b.price, b.id)), "{symbol}");
        assert!(asks.is_sorted_by(|a, b| (a.price, a.id) <= (b.price, b.id)), "{symbol}");
        let ids: HashSet<_> = bids.iter().chain(asks).map(|order| order.id).collect();
        assert_eq!(ids.len(), bids.len() + asks.len(), "{symbol}");
        assert!(ids.iter().all(|id| (150_000_000_000..170_000_000_000).contains(id)));
        assert!(bids.iter().chain(asks).all(|order| order.amount > 0.0 && order.price > 0.0));
        depths.insert((bids.len(), asks.len()));
    }
    assert!(depths.iter().any(|(bids, asks)| bids.min(asks) > &250));
    assert!(depths.iter().any(|(bids, asks)| bids != asks && bids.max(asks) < &20));
}

#[test]
fn levels_hold_what_the_orders_hold() {
    let engine = engine();
    for symbol in ["tBTCUSD", "tETHUSD", "tPEPE:USD", "fUSD"] {
        let book = engine.book(engine.find(symbol).unwrap(), now());
        for digits in 1..=5 {
            let sides = book.levels(digits, usize::MAX);
            for (levels, orders) in sides.iter().zip([book.bids(), book.asks()]) {
                let sum = |amounts: &mut dyn Iterator<Item = f64>| amounts.sum::<f64>();
                let held = sum(&mut levels.iter().map(|level| level.amount));
                let all = sum(&mut orders.iter().map(|order| order.amount));
                assert!((held / all - 1.0).abs() < 1e-9, "{symbol} P{}", 5 - digits);
                let count: u32 = levels.iter().map(|level| level.count).sum();
                assert_eq!(count as usize, orders.len());
            }
            let [bids, asks] = &sides;
            assert!(bids[0].price <= book.bids()[0].price);
            assert!(asks[0].price >= book.asks()[0].price);
            let short = book.levels(digits, 3);
            assert!(short.iter().zip(&sides).all(|(few, all)| all.starts_with(few)));
        }
        let [bids, asks] = book.levels(5, 250);
        if symbol != "tPEPE:USD" {
            assert!(
                bids.len() >= 100 && asks.len() >= 250,
                "{symbol} {} {}",
                bids.len(),
                asks.len()
            );
        }
    }
}

#[test]
fn levels_are_those_of_the_whole_book() {
    let engine = engine();
    for (place, instrument) in engine.instruments().iter().enumerate() {
        let at = UnixMs::from_millis(NOW + 1_000 * place as i64);
        for (digits, len) in [(5, 1), (5, 25), (5, 250), (4, 25), (2, 25), (1, 100)] {
            let whole = engine.book(instrument, at).levels(digits, len);
            let name = instrument.symbol();
            assert_eq!(engine.levels(instrument, at, digits, len), whole, "{name} {digits} {len}");
        }
    }
}

#[test]
fn a_book_changes_a_little_each_second_and_not_within_one() {
    let engine = engine();
    let bitcoin = engine.find("tBTCUSD").unwrap();
    let ids = |ms| {
        let book = engine.book(bitcoin, UnixMs::from_millis(ms));
        book.bids().iter().chain(book.asks()).map(|order| order.id).collect::<HashSet<_>>()
    };
    let second = NOW / 1_000 * 1_000;
    assert_eq!(ids(second), ids(second + 999));
    let (before, after) = (ids(second), ids(second + 1_000));
    let stayed = before.intersection(&after).count();
    assert!(
        stayed < before.len() && stayed * 10 > before.len() * 7,
        "{stayed} of {}",
        before.len()
    );
}

#[test]
fn quiet_minutes_have_no_candle_even_of_bitcoin() {
    let engine = engine();
    let rows = engine.candles(
        engine.find("tBTCUSD").unwrap(),
        Timeframe::M1,
        &ANY,
        Window::newest(1_000),
        now(),
    );
    let minutes = (rows[0].start - rows[999].start) / 60_000;
    assert!((1_050..1_500).contains(&minutes), "1000 rows span {minutes} minutes");
    assert!(rows.iter().all(|bar| bar.volume > 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What was true of the past stays true, whatever is asked in between.
    #[test]
    fn later_views_contain_earlier_ones(back in 0_i64..200_000_000, ahead in 1_i64..9_000_000) {
        let engine = engine();
        let ethereum = engine.find("tETHUSD").unwrap();
        let (early, late) = (now().millis() - back, now().millis() - back + ahead);
        let newest = |at, limit| {
            engine.trades(ethereum, Window::newest(limit), UnixMs::from_millis(at))
        };
        let (before, after) = (newest(early, 50), newest(late, 2_000));
        let known = after.iter().filter(|trade| trade.ms <= early).take(before.len());
        let overlap = known.copied().collect::<Vec<_>>();
        prop_assert_eq!(&overlap[..], &before[..overlap.len()]);
        prop_assert!(after.iter().all(|trade| trade.ms <= late));
    }

    /// Windows are cut from one and the same series, from either end.
    #[test]
    fn windows_are_views_of_one_series(from in 0_i64..80_000_000, span in 0_i64..9_000_000, limit in 1_usize..200) {
        let engine = engine();
        let ripple = engine.find("tXRPUSD").unwrap();
        let (start, end) = (NOW - from - span, NOW - from);
        let ask = |limit, ascending| {
            let window = Window { start, end, limit, ascending };
            engine.candles(ripple, Timeframe::M5, &ANY, window, now())
        };
        let whole = ask(usize::MAX, true);
        prop_assert!(whole.iter().all(|bar| (start..=end).contains(&bar.start)));
        prop_assert_eq!(&ask(limit, true)[..], &whole[..limit.min(whole.len())]);
        let mut newest = ask(limit, false);
        newest.reverse();
        prop_assert_eq!(&newest[..], &whole[whole.len() - limit.min(whole.len())..]);
    }
}
