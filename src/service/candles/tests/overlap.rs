//! What is fetched, and how often.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::*;
use crate::cache::Source;

fn known(range: std::ops::RangeInclusive<i64>) -> Vec<Candle> {
    range.filter_map(row).collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_is_missing_and_one_that_is_known_is_fetched() {
    let bench = Bench::new().await;
    assert_eq!(bench.get(between(-900, -500)).await.rows(), known(-900..=-500));
    assert_eq!(bench.asked(), ["1m 401 Some(-900) Some(-500)"]);
    assert_eq!(bench.get(between(-800, -600)).await.rows(), known(-800..=-600));
    assert_eq!(bench.asked(), Vec::<String>::new());
    assert_eq!(bench.get(between(-600, -400)).await.rows(), known(-600..=-400));
    assert_eq!(bench.asked(), ["1m 101 Some(-500) Some(-400)"]);
    assert_eq!(bench.get(between(-300, -200)).await.rows(), known(-300..=-200));
    bench.asked();
    assert_eq!(bench.get(between(-900, -200)).await.rows(), known(-900..=-200));
    assert_eq!(bench.asked(), ["1m 100 Some(-400) Some(-301)"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_overlap_share_what_is_under_way() {
    let bench = Bench::new().await;
    let views = [between(-900, -500), between(-700, -300), between(-900, -300)];
    let (a, b, c) = tokio::join!(bench.get(views[0]), bench.get(views[1]), bench.get(views[2]));
    assert_eq!(a.rows(), known(-900..=-500));
    assert_eq!(b.rows(), known(-700..=-300));
    assert_eq!(c.rows(), known(-900..=-300));
    let asked = bench.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0], "1m 401 Some(-900) Some(-500)");
    let same = join_all((0..50).map(|_| bench.get(between(-2000, -1500)))).await;
    assert!(same.iter().all(|candles| candles.rows() == known(-2000..=-1500)));
    assert_eq!(bench.asked(), ["1m 501 Some(-2000) Some(-1500)"]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_and_the_past_are_one_series() {
    let bench = Bench::new().await;
    assert_eq!(bench.get(last(100)).await.rows().len(), 100);
    assert_eq!(bench.asked(), ["1m 250 None None"]);
    // Four minutes of five have a candle.
    assert_eq!(bench.get(between(-300, -10)).await.rows(), known(-300..=-10));
    assert_eq!(bench.asked(), Vec::<String>::new());
    assert_eq!(bench.get(last(400)).await.rows().len(), 400);
    assert_eq!(bench.asked(), ["1m 251 None Some(-313)"]);
    // The newest ones once more, and with them one that is known.
    bench.until(secs(90)).await;
    let candles = bench.get(last(400)).await;
    assert_eq!(*candles.rows(), bench.market.rows(-600..=1)[candles_from(600, 400)..]);
    assert_eq!(bench.asked(), ["1m 4 None None"]);
}

fn candles_from(minutes: usize, wanted: usize) -> usize {
    known(-(minutes as i64)..=1).len() - wanted
}

#[tokio::test(start_paused = true)]
async fn a_beginning_is_known_when_it_was_seen() {
    let bench = Bench::new().await;
    let all = CandleView { until: Some(minute(market::FIRST + 20)), ..last(100) };
    assert_eq!(bench.get(all).await.rows(), known(market::FIRST..=market::FIRST + 20));
    assert_eq!(bench.asked().len(), 1);
    let earlier = between(market::FIRST - 1000, market::FIRST + 5);
    assert_eq!(bench.get(earlier).await.rows(), known(market::FIRST..=market::FIRST + 5));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_is_not_believed_for_long() {
    let bench = Bench::new().await;
    bench.market.is_silent.store(true, Ordering::SeqCst);
    let empty = bench.get(between(-900, -500)).await;
    assert!(empty.rows().is_empty());
    assert_eq!(empty.stamp().policy.ttl, secs(2));
    bench.get(between(-900, -500)).await;
    assert_eq!(bench.asked().len(), 1, "for a moment it is");
    bench.market.is_silent.store(false, Ordering::SeqCst);
    sleep(secs(3)).await;
    assert_eq!(bench.get(between(-900, -500)).await.rows(), known(-900..=-500));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_not_believed_where_something_must_be() {
    let bench = Bench::new().await;
    bench.get(between(-900, -500)).await;
    bench.market.is_silent.store(true, Ordering::SeqCst);
    // `[]`, although the candle beside it was asked for too.
    let refused = bench.try_get(between(-900, -400), bench.ask()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid(_)), "{refused}");
    let refused = bench.try_get(last(100), bench.ask()).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid(_)), "{refused}");
    let demand = Demand { max_age: Some(Duration::ZERO), ..Demand::default() };
    sleep(ms(10)).await;
    let anew = bench.try_get(between(-900, -500), Ask { demand, ..bench.ask() }).await;
    assert!(matches!(anew.unwrap_err(), ServiceError::Invalid(_)));
    bench.market.is_silent.store(false, Ordering::SeqCst);
    sleep(secs(3)).await;
    bench.asked();
    assert_eq!(bench.get(between(-900, -400)).await.rows(), known(-900..=-400));
    assert_eq!((bench.asked().len(), bench.restated()), (1, 0), "nothing was forgotten");
    // A minute in which nothing was traded is known to be empty by the one before it.
    assert!(bench.get(between(-397, -397)).await.rows().is_empty());
    bench.asked();
    assert!(bench.get(between(-397, -397)).await.rows().is_empty());
    assert_eq!(bench.asked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_remembered_for_a_moment() {
    let bench = Bench::with(|config| config.upstream.max_attempts = 1).await;
    bench.market.fails.store(true, Ordering::SeqCst);
    let views = (0..20).map(|_| bench.try_get(between(-900, -500), bench.ask()));
    assert!(join_all(views).await.iter().all(Result::is_err));
    assert!(bench.try_get(between(-900, -600), bench.ask()).await.is_err());
    assert_eq!(bench.asked().len(), 1);
    bench.market.fails.store(false, Ordering::SeqCst);
    sleep(secs(3)).await;
    assert_eq!(bench.get(between(-900, -500)).await.rows(), known(-900..=-500));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_ends_nothing() {
    let bench = Bench::new().await;
    let impatient = tokio::time::timeout(ms(50), bench.get(between(-900, -500))).await;
    assert!(impatient.is_err());
    assert_eq!(bench.get(between(-900, -500)).await.rows(), known(-900..=-500));
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn long_ranges_come_in_pages_and_the_next_is_fetched_ahead() {
    let bench = Bench::new().await;
    let first = bench.get(between(-30_000, -1)).await;
    assert_eq!((first.rows().len(), first.rows()), (10_000, &known(-30_000..=-1)[..10_000]));
    let Some(Rest::Since(next)) = first.rest() else { panic!("{:?}", first.rest()) };
    sleep(secs(1)).await;
    let asked = bench.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let second = bench.get(CandleView { since: Some(next), ..between(0, -1) }).await;
    assert_eq!(second.rows(), &known(-30_000..=-1)[10_000..20_000]);
    assert_eq!(bench.asked(), Vec::<String>::new(), "it had been fetched");
    let Some(Rest::Since(next)) = second.rest() else { panic!("{:?}", second.rest()) };
    let third = bench.get(CandleView { since: Some(next), ..between(0, -1) }).await;
    assert_eq!(third.rows(), &known(-30_000..=-1)[20_000..]);
    assert_eq!(third.rest(), None);
}

#[tokio::test(start_paused = true)]
async fn final_candles_tell_their_age_and_are_checked_for_who_demands_it() {
    let bench = Bench::new().await;
    let view = between(-900, -500);
    bench.get(view).await;
    bench.asked();
    bench.market.correct(-600, "12345");
    sleep(secs(3600)).await;
    let held = bench.get(view).await;
    assert_eq!(held.stamp().age(Instant::now()), secs(3600));
    assert!(held.stamp().policy.ttl > secs(3600), "it lasts");
    assert_eq!(held.rows(), known(-900..=-500));
    assert_eq!((bench.asked(), bench.restated()), (Vec::new(), 0));
    let demand = Demand { max_age: Some(secs(5)), ..Demand::default() };
    let young = bench.try_get(view, Ask { demand, ..bench.ask() }).await.unwrap();
    assert_eq!(young.stamp().age(Instant::now()), Duration::ZERO);
    assert_eq!(young.stamp().source, Source::Rest);
    assert_eq!(young.rows(), bench.market.rows(-900..=-500));
    assert_eq!((bench.asked().len(), bench.restated()), (1, 1));
    assert!(held.stamp().is_superseded(), "answers made from it are made anew");
    assert_eq!(bench.get(view).await.rows(), young.rows());
    let demand = Demand { only_if_cached: true, ..demand };
    let refused = bench.try_get(view, Ask { demand, ..bench.ask() }).await;
    assert_eq!(refused.unwrap_err(), ServiceError::NotCached);
}

/// The one that is not final yet lies behind a page of final ones as well.
#[tokio::test(start_paused = true)]
async fn a_page_before_the_newest_candle_is_not_the_last() {
    let bench = Bench::new().await;
    bench.until(secs(150)).await;
    bench.get(last(50)).await;
    let page = |first| CandleView { since: Some(minute(first)), ..last(3) };
    let candles = bench.get(page(-1)).await;
    assert_eq!((minutes(candles.rows()), closed(&candles)), (vec![-1, 0, 1], vec![true; 3]));
    assert_eq!(candles.rest(), Some(Rest::Since(minute(2))));
    let candles = bench.get(page(2)).await;
    assert_eq!((minutes(candles.rows()), closed(&candles)), (vec![2], vec![false]));
    assert_eq!(candles.rest(), None);
}

#[tokio::test(start_paused = true)]
async fn a_series_that_was_refused_once_gets_its_turn_all_the_same() {
    let bench = Bench::with(|config| {
        config.exchanges["bitfinex"].budget["candles"] = 3;
        config.cache.ohlcv.stale_if_error = secs(300);
    });
    let bench = bench.await;
    bench.get(last(10)).await;
    let view = CandleView { timeframe: Timeframe::M30, ..last(10) };
    let before = Instant::now();
    for _ in 0..20 {
        let refused = bench.try_get(view, bench.ask()).await.unwrap_err();
        let ServiceError::BudgetExhausted { retry_after } = refused else { panic!("{refused}") };
        assert!(retry_after > secs(10) && before.elapsed() < secs(1), "at once, and truly");
    }
    assert_eq!(bench.asked(), ["1m 250 None None"]);
    bench.until(secs(45)).await;
    let demand = Demand { only_if_cached: true, ..Demand::default() };
    let held = bench.try_get(view, Ask { demand, ..bench.ask() }).await.unwrap();
    assert_eq!(held.rows().len(), 10);
    assert_eq!(bench.asked(), ["30m 250 None None"], "one for all who were refused");
}
