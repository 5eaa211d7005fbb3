//! Exchanges whose answers are about so many buckets, and those that tell only the newest candles.

use super::*;
use crate::{
    cache::Prospect,
    exchange::{CandleHistory, CandlePages, EmptyBuckets},
};

/// Like Coinbase: 300 buckets an answer, of which those without a trade have no candle.
async fn by_buckets() -> Bench {
    let pages = CandlePages::Buckets;
    let profile = Profile { candle_pages: pages, max_candles: 300, ..PROFILE.clone() };
    Bench::of(Box::leak(Box::new(profile)), |_| {}).await
}

/// Like Kraken: the newest 720 and no others, whatever is asked.
async fn newest() -> Bench {
    let profile = Profile {
        candle_history: CandleHistory::Newest(720),
        empty_buckets: EmptyBuckets::Filled,
        max_candles: 720,
        ..PROFILE.clone()
    };
    Bench::of(Box::leak(Box::new(profile)), |_| {}).await
}

fn until(limit: u32, end: i64) -> CandleView {
    CandleView { until: Some(minute(end)), ..last(limit) }
}

fn refused(outcome: Result<Candles, ServiceError>) -> String {
    match outcome {
        Err(ServiceError::Unsupported(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn few_rows_of_many_buckets_are_not_the_beginning() {
    let bench = by_buckets().await;
    bench.until(secs(45)).await;
    // Each fifth minute has no candle.
    let candles = bench.get(last(500)).await;
    assert_eq!((candles.rows().len(), candles.rest()), (500, None));
    assert_eq!(bench.asked().len(), 3, "625 minutes are three pages");
    let wanted: Vec<i64> = (-624_i64..=0).filter(|number| number.rem_euclid(5) != 3).collect();
    assert_eq!(minutes(candles.rows()), wanted);
    assert_eq!(minutes(bench.get(between(-900, -850)).await.rows()).len(), 41);
    assert_eq!(minutes(bench.get(between(-624, 0)).await.rows()), wanted);
    assert_eq!(bench.asked().len(), 1, "only what was not held");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_market_is_not_paged_for_ever() {
    let bench = by_buckets().await;
    bench.market.rests(-2_000..=-10);
    bench.until(secs(45)).await;
    let candles = bench.get(last(100)).await;
    assert_eq!(minutes(candles.rows()), [-9, -8, -6, -5, -4, -3, -1, 0]);
    // 250 with the newest ones, and three times as many of the past.
    let asked = bench.asked();
    let expected = ["1m 250 None Some(0)", "1m 250 None Some(-250)"];
    assert_eq!((asked.len(), &asked[..2]), (4, &expected.map(str::to_owned)[..]));
    assert_eq!(candles.rest(), Some(Rest::Until(minute(-999) - ms(1))));
    // Asked again, it costs nothing, and says the same.
    let again = bench.get(last(100)).await;
    assert_eq!((again.rest(), bench.asked()), (candles.rest(), Vec::new()));
    // Where it goes on, the next pages are asked for, until there is something.
    let next = bench.get(until(100, -1_000)).await;
    assert_eq!((next.rows().len(), next.rest()), (0, Some(Rest::Until(minute(-1_749) - ms(1)))));
    assert_eq!(bench.asked().len(), 3);
    let next = bench.get(until(100, -1_750)).await;
    assert_eq!((next.rows().len(), next.rest()), (100, None));
    assert_eq!(minutes(next.rows()).last(), Some(&-2_001));
}

#[tokio::test(start_paused = true)]
async fn the_same_holds_towards_later_times() {
    let bench = by_buckets().await;
    bench.market.rests(-9_000..=-3_000);
    let since = |number| CandleView { since: Some(minute(number)), ..last(100) };
    let candles = bench.get(since(-9_010)).await;
    assert_eq!(
        minutes(candles.rows()),
        [-9_010, -9_009, -9_008, -9_006, -9_005, -9_004, -9_003, -9_001]
    );
    let Some(Rest::Since(next)) = candles.rest() else { panic!("{candles:?}") };
    assert_eq!(next, minute(-9_010 + 1_000));
    assert_eq!(bench.asked().len(), 4);
    bench.get(since(-9_010)).await;
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_market_that_was_never_traded_is_told_as_it_is() {
    let bench = by_buckets().await;
    bench.market.is_silent.store(true, std::sync::atomic::Ordering::SeqCst);
    let candles = bench.get(last(10)).await;
    assert_eq!((candles.rows().len(), bench.asked().len()), (0, 3));
    assert_eq!(candles.rest(), Some(Rest::Until(minute(-749) - ms(1))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_candle_that_is_known_is_not_believed() {
    let bench = by_buckets().await;
    bench.until(secs(45)).await;
    bench.get(last(100)).await;
    bench.market.is_silent.store(true, std::sync::atomic::Ordering::SeqCst);
    bench.until(secs(110)).await;
    let outcome = bench.try_get(last(10), bench.ask()).await;
    assert!(matches!(outcome, Err(ServiceError::Invalid(_))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_before_the_newest_ones_is_told_from_what_is_held() {
    let bench = newest().await;
    bench.until(secs(45)).await;
    let candles = bench.get(last(1_000)).await;
    assert_eq!(minutes(candles.rows()), (-719..=0).collect::<Vec<_>>());
    assert_eq!(candles.rest(), Some(Rest::Until(minute(-719) - ms(1))));
    assert_eq!(bench.asked(), ["1m 720 None None"]);
    let empty = |row: &&Candle| row.is_empty();
    assert_eq!(candles.rows().iter().filter(empty).count(), 144, "each fifth");
    let earlier = refused(bench.try_get(until(10, -720), bench.ask()).await);
    assert!(earlier.contains("newest 720"), "{earlier}");
    refused(bench.try_get(between(-800, -700), bench.ask()).await);
    assert_eq!(bench.asked(), Vec::<String>::new(), "no call was spent");
    // What has left the reach since stays held.
    bench.until(secs(45 + 30 * 60)).await;
    let later = bench.get(last(1_000)).await;
    assert_eq!(minutes(later.rows()), (-719..=30).collect::<Vec<_>>());
    assert_eq!(later.rest(), candles.rest(), "the series does not begin there");
    assert_eq!(minutes(bench.get(between(-719, -700)).await.rows()).len(), 20);
    assert_eq!(bench.asked(), ["1m 720 None None"], "every answer has them all");
}

#[tokio::test(start_paused = true)]
async fn the_past_within_reach_is_asked_for() {
    let bench = newest().await;
    bench.until(secs(45)).await;
    let candles = bench.get(until(50, -100)).await;
    assert_eq!(minutes(candles.rows()), (-149..=-100).collect::<Vec<_>>());
    assert_eq!(bench.asked(), ["1m 620 Some(-719) Some(-100)"]);
    // More than there is: the part of it.
    let candles = bench.get(until(1_000, -100)).await;
    assert_eq!(minutes(candles.rows()), (-719..=-100).collect::<Vec<_>>());
    assert_eq!(candles.rest(), Some(Rest::Until(minute(-719) - ms(1))));
    assert_eq!(bench.asked(), Vec::<String>::new());
    let derived = bench.get(CandleView { timeframe: Timeframe::M5, ..between(-700, -501) }).await;
    assert_eq!((derived.derived(), derived.rows().len()), (Some(Timeframe::M1), 40));
    assert!(derived.rows().iter().all(|row| !row.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_forecast_says_that_it_would_be_refused() {
    let bench = newest().await;
    let foreseen = bench.desk.candles.foresee(&bench.listing, until(10, -720), bench.ask()).await;
    let [part] = &foreseen.unwrap()[..] else { panic!() };
    let Prospect::Fails { failure, stale: false } = &part.prospect else {
        panic!("{:?}", part.prospect)
    };
    assert!(failure.to_string().contains("newest 720"), "{failure}");
    assert!(!part.calls());
}
