use super::*;
use crate::feed::{Gap, Lapse, Shown};

fn minutes(candles: &Candles) -> Vec<i64> {
    let minute = |row: &Candle| (row.open_time.millis() - START) / MINUTE;
    candles.rows().iter().map(minute).collect()
}

fn rows(minutes: std::ops::RangeInclusive<i64>) -> Vec<Candle> {
    minutes.map(|minute| candle(minute, minute)).collect()
}

fn snapshot(minutes: std::ops::RangeInclusive<i64>) -> Data {
    Data::Candles(rows(minutes))
}

#[tokio::test(start_paused = true)]
async fn live_candles_take_their_places_in_what_was_fetched() {
    let bench = Bench::new().await;
    bench.script(|script| script.candles = rows(-299..=0));
    assert_eq!(bench.candles(300).await.rows().len(), 300);
    assert_eq!(bench.asked(), ["candles 1000 None None"]);
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-5..=0));
    bench.data(&topic, Data::Candle(candle(0, 77)));
    bench.until(60_500).await;
    bench.data(&topic, Data::Candle(candle(1, 78)));
    sleep(secs(15)).await;
    bench.turn(&topic, Turn::Confirmed);
    let candles = bench.candles(1000).await;
    assert_eq!(minutes(&candles), (-299..=1).collect::<Vec<_>>());
    assert_eq!(candles.rows()[299].close.as_str(), "77");
    assert_eq!(about(candles.stamp()), (Source::Stream, 0));
    assert_eq!(candles.rest(), None, "the request has said that there are no older ones");
    bench.data(&topic, Data::Candle(candle(1, 79)));
    assert_eq!(bench.candles(1000).await.rows().len(), 301);
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_alone_is_not_the_whole_history() {
    let bench = Bench::new().await;
    bench.script(|script| script.candles = rows(-299..=0));
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-9..=0));
    assert_eq!(minutes(&bench.candles(10).await), (-9..=0).collect::<Vec<_>>());
    assert_eq!(bench.asked(), Vec::<String>::new());
    assert_eq!(bench.candles(11).await.rows().len(), 11);
    assert_eq!(bench.asked(), ["candles 251 None Some(-9)"], "those that are missing, and one");
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_filled_by_one_request_for_the_hole() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-9..=0));
    let mut listener = bench.follow(&topic);
    listener.news();
    bench.until(8 * 60_000 + 59_950).await;
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.script(|script| {
        script.candles = rows(-9..=9);
        script.candles[9] = candle(0, 70);
    });
    bench.open(&topic, snapshot(5..=8));
    assert_eq!(minutes(&bench.candles(4).await), [5, 6, 7, 8], "only what is contiguous");
    let at = |minute| UnixMs::from_millis(START + minute * MINUTE);
    let gap = News::Gap(Gap { after: at(0), before: at(5) });
    assert!(listener.news().contains(&gap));
    bench.until(9 * 60_000).await;
    bench.data(&topic, Data::Candle(candle(9, 90)));
    sleep(secs(1)).await;
    assert_eq!(bench.asked(), ["candles 7 Some(-2) Some(4)"]);
    let candles = bench.candles(19).await;
    assert_eq!(minutes(&candles), (-9..=9).collect::<Vec<_>>());
    assert_eq!(candles.rows()[9].close.as_str(), "70", "the last one held had changed since");
    assert_eq!(candles.rows()[18].close.as_str(), "90", "what came meanwhile stays");
    assert_eq!(about(candles.stamp()), (Source::Stream, 1000));
    let filled = listener.news().into_iter().rev().find_map(|news| match news {
        News::Snapshot(Shown::Candles(bars)) => Some(bars),
        _ => None,
    });
    let filled: Vec<Candle> = filled.unwrap().into_iter().map(|(bar, _)| bar).collect();
    assert_eq!(filled, candles.rows());
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(about(bench.candles(19).await.stamp()), (Source::Stream, 0));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_cannot_be_filled_stays_one() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-9..=0));
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.script(|script| script.candles = rows(-9..=8));
    bench.fake.fails.store(true, Ordering::SeqCst);
    bench.until(8 * 60_000 + 30_000).await;
    bench.open(&topic, snapshot(5..=8));
    sleep(secs(1)).await;
    assert_eq!(bench.asked().first().map(String::as_str), Some("candles 7 Some(-2) Some(4)"));
    assert_eq!(minutes(&bench.candles(4).await), [5, 6, 7, 8]);
    // Who needs more gets what is missing, and nothing but that, once it can be had.
    bench.fake.fails.store(false, Ordering::SeqCst);
    sleep(secs(10)).await;
    bench.asked();
    assert_eq!(minutes(&bench.candles(14).await), (-5..=8).collect::<Vec<_>>());
    assert_eq!(bench.asked(), ["candles 7 Some(-2) Some(4)"]);
}

#[tokio::test(start_paused = true)]
async fn a_candle_that_was_final_needs_no_request_to_meet_the_next() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-9..=0));
    bench.until(62_000).await;
    bench.turn(&topic, Turn::Confirmed);
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.open(&topic, snapshot(1..=1));
    assert_eq!(minutes(&bench.candles(11).await), (-9..=1).collect::<Vec<_>>());
    sleep(secs(1)).await;
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_candle_that_was_not_final_is_asked_for_again() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-9..=0));
    bench.until(62_000).await;
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.script(|script| {
        script.candles = vec![candle(-2, -2), candle(-1, -1), candle(0, 70), candle(1, 71)]
    });
    bench.open(&topic, snapshot(1..=1));
    assert_eq!(minutes(&bench.candles(1).await), [1]);
    sleep(secs(1)).await;
    assert_eq!(bench.asked(), ["candles 3 Some(-2) Some(0)"]);
    let candles = bench.candles(11).await;
    assert_eq!(minutes(&candles), (-9..=1).collect::<Vec<_>>());
    let closes = candles.rows()[9..].iter().map(|row| row.close.as_str()).collect::<Vec<_>>();
    assert_eq!(closes, ["70", "1"], "of the newest candle the channel knows better");
}

#[tokio::test(start_paused = true)]
async fn the_last_candle_of_a_quiet_market_closes_once_its_end_is_confirmed() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.open(&topic, snapshot(-2..=0));
    let mut listener = bench.follow(&topic);
    listener.news();
    let closed = |candles: &Candles| {
        let flags = candles.rows().iter().map(|row| candles.is_closed(row));
        flags.collect::<Vec<_>>()
    };
    bench.until(61_999).await;
    bench.turn(&topic, Turn::Confirmed);
    let before = bench.candles(3).await;
    assert_eq!(closed(&before), [true, true, false]);
    assert_eq!(listener.news(), []);
    bench.until(62_000).await;
    assert_eq!(closed(&bench.candles(3).await), [true, true, false], "time alone tells nothing");
    bench.turn(&topic, Turn::Confirmed);
    let after = bench.candles(3).await;
    assert_eq!(closed(&after), [true, true, true]);
    assert!(before.stamp().is_superseded(), "an answer made from it is made anew");
    assert_eq!(listener.news(), [News::Candle(candle(0, 0), true)]);
    let stamp = after.stamp().clone();
    sleep(secs(10)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert!(!stamp.is_superseded(), "nothing else ends");
    assert_eq!(about(&stamp), (Source::Stream, 0));
    assert_eq!(bench.asked(), Vec::<String>::new());
}
