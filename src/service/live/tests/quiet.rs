//! Buckets without a trade, of which a channel says nothing, at an exchange whose answers have them.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::{exchange::EmptyBuckets, feed::Lapse};

async fn bench() -> Bench {
    let profile = Some(Profile { empty_buckets: EmptyBuckets::Filled, ..PROFILE.clone() });
    Bench::at(Fake { profile, ..Fake::default() }, Config::default()).await
}

/// What the exchange tells of a minute without a trade.
fn flat(minute: i64, close: i64) -> Candle {
    Candle { volume: number(0), ..candle(minute, close) }
}

fn rows(minutes: std::ops::RangeInclusive<i64>) -> Vec<Candle> {
    minutes.map(|minute| candle(minute, 1)).collect()
}

/// Without the sixth of ten.
fn leaves_one_out() -> Data {
    Data::Candles(rows(-9..=0).into_iter().filter(|row| *row != candle(-4, 1)).collect())
}

/// Of the newest candles the minutes, and whether nothing was traded in them.
async fn newest(bench: &Bench, limit: u32) -> Vec<(i64, bool)> {
    let candles = bench.candles(limit).await;
    let told = |row: &Candle| ((row.open_time.millis() - START) / MINUTE, row.is_empty());
    candles.rows().iter().map(told).collect()
}

/// The channel says each second that it lives, until so many after [`START`].
async fn confirmed_until(bench: &Bench, topic: &Arc<Topic>, seconds: u64) {
    while bench.started.elapsed() < secs(seconds) {
        sleep(secs(1)).await;
        bench.turn(topic, Turn::Confirmed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_without_a_trade_is_not_taken_for_none() {
    let bench = bench().await;
    let topic = bench.candles_topic();
    bench.open(&topic, Data::Candles(rows(-9..=0)));
    bench.script(|script| script.candles = [rows(-9..=0), vec![flat(1, 1)]].concat());
    confirmed_until(&bench, &topic, 121).await;
    assert_eq!(newest(&bench, 2).await, [(-1, false), (0, false)], "the minute is not over yet");
    assert_eq!(about(bench.candles(2).await.stamp()), (Source::Stream, 0));
    confirmed_until(&bench, &topic, 129).await;
    assert_eq!(about(bench.candles(2).await.stamp()), (Source::Stream, 8_000), "as old as it is");
    assert_eq!(bench.asked(), Vec::<String>::new());
    confirmed_until(&bench, &topic, 132).await;
    bench.candles(2).await;
    sleep(ms(150)).await;
    assert_eq!(newest(&bench, 3).await, [(-1, false), (0, false), (1, true)]);
    assert_eq!(bench.asked().len(), 1);
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(about(bench.candles(3).await.stamp()), (Source::Stream, 0), "it is live again");
    sleep(secs(1)).await;
    bench.data(&topic, Data::Candle(candle(2, 7)));
    assert_eq!(newest(&bench, 3).await, [(0, false), (1, true), (2, false)]);
    confirmed_until(&bench, &topic, 185).await;
    assert_eq!(newest(&bench, 3).await, [(0, false), (1, true), (2, false)]);
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn those_who_follow_are_told_of_it_at_once() {
    let bench = bench().await;
    let topic = bench.candles_topic();
    bench.open(&topic, Data::Candles(rows(-9..=0)));
    let mut listener = bench.follow(&topic);
    confirmed_until(&bench, &topic, 121).await;
    sleep(ms(500)).await;
    listener.news();
    let all = [rows(-9..=0), vec![flat(1, 1), candle(2, 7)]].concat();
    bench.script(|script| script.candles = all);
    bench.data(&topic, Data::Candle(candle(2, 7)));
    assert_eq!(listener.news(), [News::Candle(candle(2, 7), false)]);
    sleep(ms(500)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(listener.news(), [News::Candle(flat(1, 1), true)]);
    assert_eq!(bench.asked().len(), 1, "once for all");
    assert_eq!(newest(&bench, 3).await, [(0, false), (1, true), (2, false)]);
    assert_eq!(about(bench.candles(3).await.stamp()), (Source::Stream, 0));
    bench.data(&topic, Data::Candle(candle(2, 8)));
    assert_eq!(listener.news(), [News::Candle(candle(2, 8), false)]);
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn those_who_follow_are_told_of_several() {
    let bench = bench().await;
    let topic = bench.candles_topic();
    bench.open(&topic, Data::Candles(rows(-9..=0)));
    let mut listener = bench.follow(&topic);
    bench.until(62_500).await;
    bench.turn(&topic, Turn::Confirmed);
    listener.news();
    bench.until(182_500).await;
    bench.script(|script| {
        script.candles = [rows(-9..=0), (1..=3).map(|minute| flat(minute, 1)).collect()].concat();
    });
    bench.turn(&topic, Turn::Confirmed);
    sleep(ms(500)).await;
    bench.turn(&topic, Turn::Confirmed);
    let told = |minute, closed| News::Candle(flat(minute, 1), closed);
    assert_eq!(listener.news(), [told(1, true), told(2, true), told(3, false)]);
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_leaves_it_out_takes_nothing_away() {
    let bench = bench().await;
    let mut all = rows(-9..=0);
    all[5] = flat(-4, 1);
    bench.script(|script| script.candles = all);
    let whole: Vec<_> = (-9..=0).map(|minute| (minute, minute == -4)).collect();
    assert_eq!(newest(&bench, 10).await, whole);
    let topic = bench.candles_topic();
    sleep(secs(1)).await;
    bench.asked();
    bench.open(&topic, leaves_one_out());
    assert_eq!(newest(&bench, 10).await, whole);
    assert_eq!(about(bench.candles(10).await.stamp()), (Source::Stream, 0));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_snapshot_tells_before_it_is_not_known_to_be_all() {
    let bench = bench().await;
    let topic = bench.candles_topic();
    bench.open(&topic, leaves_one_out());
    assert_eq!(newest(&bench, 4).await.first(), Some(&(-3, false)));
    assert_eq!((bench.asked(), bench.mode(&topic)), (Vec::new(), Mode::Live));
    bench.script(|script| {
        script.candles = rows(-9..=0);
        script.candles[5] = flat(-4, 1);
    });
    let whole: Vec<_> = (-9..=0).map(|minute| (minute, minute == -4)).collect();
    assert_eq!(newest(&bench, 10).await, whole);
    assert_eq!(bench.asked().len(), 1);
}

/// A market in which every other minute or so nothing is traded: its trades, as seconds since
/// [`START`] and prices.
struct Quiet {
    trades: Vec<(i64, i64)>,
}

impl Quiet {
    /// A minute's candle as it stands at a second.
    fn minute(&self, minute: i64, second: i64) -> Candle {
        let mut known = self.trades.iter().filter(|(at, _)| *at <= second);
        let of = |(at, _): &&(i64, i64)| at.div_euclid(60) == minute;
        let volume = known.clone().filter(of).count();
        let last = known.rfind(|(at, _)| at.div_euclid(60) <= minute);
        let close = last.map_or(1, |(_, price)| *price);
        Candle { volume: number(volume), ..candle(minute, close) }
    }

    /// All of them at a second, newest last.
    fn candles(&self, second: i64) -> Vec<Candle> {
        (-9..=second.div_euclid(60)).map(|minute| self.minute(minute, second)).collect()
    }

    /// What a channel that begins now tells: nothing of minutes without a trade.
    fn snapshot(&self, second: i64) -> Data {
        let all = self.candles(second);
        Data::Candles(all.into_iter().filter(|row| !row.is_empty()).collect())
    }

    /// Compares an answer with what was so when it was known.
    fn judge(&self, candles: &Candles, now: Duration) {
        let age = candles.stamp().age(Instant::now());
        let at = i64::try_from(now.saturating_sub(age).as_secs()).unwrap();
        let mut truth = self.candles(at);
        let newest = candles.rows().last().expect("rows").open_time;
        // Of minutes that ended just now, or have not, a channel tells once something is traded.
        let is_young = |row: &Candle| row.open_time.millis() + MINUTE > START + (at - 3) * 1_000;
        while truth
            .pop_if(|row| row.open_time > newest && row.is_empty() && is_young(row))
            .is_some()
        {}
        let truth = &truth[truth.len() - candles.rows().len()..];
        assert_eq!(candles.rows(), truth, "at {now:?}, {age:?} old");
    }
}

async fn never_lacks_one(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let bench = bench().await;
    let topic = bench.candles_topic();
    let mut market = Quiet { trades: vec![(-500, 2), (-70, 3), (-1, 4)] };
    let (mut is_open, mut live) = (false, 0);
    for second in 1..900 {
        bench.until(u64::try_from(second).unwrap() * 1_000).await;
        let is_traded = dice.random_bool(0.015);
        if is_traded {
            market.trades.push((second, dice.random_range(1..100)));
        }
        bench.script(|script| script.candles = market.candles(second));
        match (is_open, dice.random_bool(if is_open { 0.003 } else { 0.1 })) {
            (true, true) => bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected)),
            (true, false) if is_traded => {
                bench.data(&topic, Data::Candle(market.minute(second / 60, second)));
            }
            (true, false) => bench.turn(&topic, Turn::Confirmed),
            (false, true) => bench.open(&topic, market.snapshot(second)),
            (false, false) => {}
        }
        is_open = bench.mode(&topic) == Mode::Live;
        if dice.random_bool(0.3) {
            let candles = bench.candles(5).await;
            market.judge(&candles, bench.started.elapsed());
            live += u32::from(about(candles.stamp()).0 == Source::Stream);
        }
    }
    assert!(live > 50, "seed {seed}: {live} answers from the channel");
    let asked = bench.asked().len();
    assert!(asked < 60, "seed {seed}: {asked} requests");
}

#[test]
fn no_answer_ever_lacks_one_in_between() {
    for seed in 1..=3 {
        // What one seed has started ends with it.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(never_lacks_one(seed));
    }
}
