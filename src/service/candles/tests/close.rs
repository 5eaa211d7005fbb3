//! The close of a bar.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::*;

/// Those of an hour each.
fn hours(limit: u32) -> CandleView {
    CandleView { timeframe: Timeframe::H1, ..last(limit) }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_around_the_hour_get_the_right_window_for_one_call() {
    let bench = Bench::with(|config| config.cache.ohlcv.ttl = secs(7200)).await;
    bench.until(secs(15)).await;
    bench.get(hours(3)).await;
    assert_eq!(bench.asked(), ["1h 250 None None"]);
    let hour = secs(3600);
    let ask = Ask::by(Instant::now() + secs(3700));
    let clients = (0..1000_u64).map(|number| {
        let bench = &bench;
        async move {
            // 20 ms before the hour to 20 ms after it.
            let at = hour - ms(20) + Duration::from_micros(number * 40);
            bench.until(at).await;
            let asked_at = bench.market.now();
            let (candles, due) =
                bench.desk.candles.get_final(&bench.listing, hours(3), secs(5), ask).await.unwrap();
            (asked_at, candles, due.unwrap())
        }
    });
    for (asked_at, candles, due) in join_all(clients).await {
        let is_before = asked_at < minute(60);
        let opens = if is_before { [-120, -60, 0] } else { [-60, 0, 60] };
        let due_at = if is_before { -60 } else { 0 };
        assert_eq!(due, Due { open_time: minute(due_at), state: DueState::Final }, "{asked_at}");
        // Nothing was traded yet in the hour that has begun.
        let rows = minutes(candles.rows());
        let expected = if is_before { &opens[..] } else { &[-120, -60, 0][..] };
        assert_eq!(rows, expected, "{asked_at}");
        let is_closed = closed(&candles);
        assert_eq!(is_closed, [true, true, !is_before], "{asked_at}");
    }
    assert_eq!(bench.asked(), ["1h 3 None None"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_when_the_request_is_sent_is_final_and_nothing_else() {
    let bench = Bench::new().await;
    bench.market.delay.store(8_000, Ordering::SeqCst);
    bench.until(secs(118)).await;
    // The exchange answers at 122 s, when the minute has ended, but was asked before.
    let candles = bench.get(last(2)).await;
    assert_eq!((minutes(candles.rows()), closed(&candles)), (vec![0, 1], vec![true, false]));
    bench.until(secs(190)).await;
    let candles = bench.get(last(2)).await;
    assert_eq!((minutes(candles.rows()), closed(&candles)), (vec![1, 2], vec![true, true]));
}

#[tokio::test(start_paused = true)]
async fn closed_candles_are_asked_for_once_a_bar() {
    let bench = Bench::with(|config| config.cache.ohlcv.ttl = ms(1)).await;
    let view = CandleView { closed_only: true, ..last(3) };
    bench.until(secs(65)).await;
    assert_eq!(minutes(bench.get(view).await.rows()), [-3, -1, 0]);
    assert_eq!(bench.asked().len(), 1);
    for second in 66..122 {
        bench.until(secs(second)).await;
        let candles = bench.get(view).await;
        assert_eq!((minutes(candles.rows()), bench.asked().len()), (vec![-3, -1, 0], 0));
        let left = candles.stamp().policy.ttl - candles.stamp().age(Instant::now());
        assert_eq!(left, secs(122 - second), "no longer than it is all of them");
    }
    bench.until(secs(122)).await;
    assert_eq!(minutes(bench.get(view).await.rows()), [-1, 0, 1]);
    assert_eq!(bench.asked(), ["1m 2 Some(0) Some(1)"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_told_as_such_and_an_unknown_one_as_pending() {
    let bench = Bench::with(|config| config.cache.ohlcv.stale_if_error = secs(600)).await;
    // In the third minute nothing is traded.
    bench.until(secs(241)).await;
    let get = || bench.desk.candles.get_final(&bench.listing, last(2), secs(4), bench.ask());
    let (candles, due) = get().await.unwrap();
    assert_eq!(due.unwrap(), Due { open_time: minute(3), state: DueState::Empty });
    assert_eq!((minutes(candles.rows()), bench.market.now()), (vec![1, 2], minute(4) + ms(2_100)));
    assert_eq!(bench.asked().len(), 1);
    bench.until(secs(301)).await;
    bench.market.fails.store(true, Ordering::SeqCst);
    let (_, due) = get().await.unwrap();
    assert_eq!(due.unwrap(), Due { open_time: minute(4), state: DueState::Pending });
    assert!(bench.market.now() >= minute(5) + secs(5) && bench.market.now() < minute(5) + secs(6));
    // Nothing is due of a time that is not over, nor of one that comes later.
    let future = CandleView { since: Some(minute(5)), ..last(2) };
    bench.market.fails.store(false, Ordering::SeqCst);
    sleep(secs(3)).await;
    let none = bench.desk.candles.get_final(&bench.listing, future, secs(4), bench.ask()).await;
    assert_eq!(none.unwrap().1, None);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_moment_only_cuts_nobodys_fetch_short() {
    let bench = Bench::new().await;
    bench.until(secs(125)).await;
    bench.get(last(2)).await;
    bench.market.delay.store(400, Ordering::SeqCst);
    bench.until(secs(183)).await;
    assert_eq!(bench.asked().len(), 1);
    let get = || bench.desk.candles.get_final(&bench.listing, last(2), ms(300), bench.ask());
    let mut due = Due { open_time: minute(2), state: DueState::Pending };
    assert_eq!((get().await.unwrap().1, bench.market.now()), (Some(due), minute(3) + ms(3_300)));
    due.state = DueState::Final;
    assert_eq!((get().await.unwrap().1, bench.market.now()), (Some(due), minute(3) + ms(3_400)));
    assert_eq!(bench.asked().len(), 1, "the fetch went on");
}

#[tokio::test(start_paused = true)]
async fn one_message_of_a_channel_releases_all_who_wait() {
    let bench = Bench::new().await;
    bench.until(secs(50)).await;
    bench.open(10);
    bench.until(secs(61)).await;
    let get = || bench.desk.candles.get_final(&bench.listing, last(2), secs(9), bench.ask());
    let waiting = join_all((0..100).map(|_| get()));
    let speaks = async {
        bench.until(secs(62) + ms(300)).await;
        bench.sink.turn(&bench.topic(), &Turn::Confirmed, Instant::now());
    };
    let (told, ()) = tokio::join!(waiting, speaks);
    for told in told {
        let (candles, due) = told.unwrap();
        assert_eq!(due.unwrap(), Due { open_time: minute(0), state: DueState::Final });
        assert_eq!((minutes(candles.rows()), closed(&candles)), (vec![-1, 0], vec![true, true]));
    }
    assert_eq!((bench.market.now(), bench.asked()), (minute(1) + ms(2_300), Vec::new()));
    // A channel that does not speak in time is not waited for.
    bench.until(secs(115)).await;
    bench.sink.turn(&bench.topic(), &Turn::Confirmed, Instant::now());
    bench.until(secs(121)).await;
    let (_, due) = get().await.unwrap();
    assert_eq!(due.unwrap(), Due { open_time: minute(1), state: DueState::Final });
    assert_eq!(bench.market.now(), minute(2) + ms(2_600));
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_trade_restates_a_final_candle() {
    let bench = Bench::new().await;
    bench.until(secs(30)).await;
    bench.open(10);
    bench.until(secs(63)).await;
    bench.sink.turn(&bench.topic(), &Turn::Confirmed, Instant::now());
    let before = bench.get(last(2)).await;
    assert_eq!((closed(&before), bench.restated()), (vec![true, true], 0));
    let mut late = row(0).unwrap();
    late.volume = "0.5".parse().unwrap();
    bench.tell(Data::Candle(late.clone()));
    let after = bench.get(last(2)).await;
    assert_eq!((&after.rows()[1], closed(&after)), (&late, vec![true, true]));
    assert_eq!(bench.restated(), 1);
    assert!(before.stamp().is_superseded());
}
