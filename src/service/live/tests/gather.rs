//! What channels do not say, and what no channel brings.

use super::*;
use crate::{
    exchange::{Live, Report},
    feed::{Gap, Lapse, Shown},
};

fn told(id: i64) -> Data {
    Data::Trade(trade(id), Report::Confirmed)
}

async fn newest_ids(bench: &Bench, limit: u32) -> Vec<i64> {
    let trades = bench.trades(limit, bench.ask()).await;
    trades.rows().iter().map(|trade| trade.id).collect()
}

#[tokio::test(start_paused = true)]
async fn trades_of_a_channel_without_a_snapshot_are_joined_with_those_that_are_fetched() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..41).map(trade).collect());
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(50)).await;
    bench.data(&topic, told(42));
    bench.data(&topic, told(40));
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(bench.mode(&topic), Mode::Starting, "its past is not known yet");
    sleep(ms(60)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, vec!["trades 100".to_owned()]));
    bench.data(&topic, told(43));
    assert_eq!(newest_ids(&bench, 5).await, [38, 39, 40, 42, 43]);
    let mut listener = bench.follow(&topic);
    let News::Snapshot(Shown::Trades(shown)) = &listener.news()[0] else { panic!("no snapshot") };
    assert_eq!((shown.len(), shown[41].id), (42, 43));
    assert_eq!(bench.asked(), Vec::<String>::new());

    // It is opened again: what came between is told once, in order.
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.script(|script| script.trades = (30..50).map(trade).collect());
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(150)).await;
    let executed = listener.news().into_iter().filter_map(|news| match news {
        News::Trade(trade, Report::Executed) => Some(trade.id),
        _ => None,
    });
    assert_eq!(executed.collect::<Vec<_>>(), [41, 44, 45, 46, 47, 48, 49]);

    // Again, and more came between than is fetched.
    bench.turn(&topic, Turn::Lapsed(Lapse::Disconnected));
    bench.script(|script| script.trades = (200..300).map(trade).collect());
    bench.open(&topic, Data::Trades(Vec::new()));
    sleep(ms(150)).await;
    let at = |id| UnixMs::from_millis(START + id);
    assert!(listener.news().contains(&News::Gap(Gap { after: at(49), before: at(200) })));
}

#[tokio::test(start_paused = true)]
async fn candles_of_a_channel_without_a_snapshot_are_joined_with_those_that_are_fetched() {
    let bench = Bench::new().await;
    bench.script(|script| script.candles = (-3..=0).map(|minute| candle(minute, 1)).collect());
    let topic = bench.candles_topic();
    bench.open(&topic, Data::Candles(Vec::new()));
    bench.data(&topic, Data::Candle(candle(0, 9)));
    sleep(ms(150)).await;
    assert_eq!(bench.asked(), ["candles 240 None None"]);
    let closes = async |bench: &Bench| -> Vec<String> {
        let candles = bench.candles(4).await;
        candles.rows().iter().map(|row| row.close.to_string()).collect()
    };
    assert_eq!(closes(&bench).await, ["1", "1", "1", "9"]);
    let mut listener = bench.follow(&topic);
    let News::Snapshot(Shown::Candles(bars)) = &listener.news()[0] else { panic!("no snapshot") };
    let are_final: Vec<bool> = bars.iter().map(|(_, is_final)| *is_final).collect();
    assert_eq!(are_final, [true, true, true, false]);
    bench.until(MINUTE.unsigned_abs() + 1000).await;
    bench.data(&topic, Data::Candle(candle(1, 5)));
    assert_eq!(closes(&bench).await, ["1", "1", "9", "5"]);
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_past_that_cannot_be_fetched_is_fetched_later_and_nothing_is_lost_meanwhile() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..41).map(trade).collect());
    bench.fake.fails.store(true, Ordering::SeqCst);
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    bench.data(&topic, told(41));
    sleep(secs(2)).await;
    assert_eq!(bench.mode(&topic), Mode::Starting);
    bench.fake.fails.store(false, Ordering::SeqCst);
    let mut waited = 0;
    while bench.mode(&topic) != Mode::Live {
        assert!(waited < 600, "not live after a minute");
        waited += 1;
        sleep(ms(100)).await;
    }
    bench.asked();
    assert_eq!(newest_ids(&bench, 3).await.last(), Some(&41));
}

#[tokio::test(start_paused = true)]
async fn a_past_that_comes_too_late_is_nobodys() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..41).map(trade).collect());
    let topic = bench.trades_topic();
    bench.open(&topic, Data::Trades(Vec::new()));
    bench.turn(&topic, Turn::Lapsed(Lapse::Lost));
    sleep(secs(1)).await;
    assert_eq!(bench.mode(&topic), Mode::Starting);
    bench.open(&topic, Data::Trades((50..60).map(trade).collect()));
    assert_eq!(newest_ids(&bench, 1).await, [59]);
    assert_eq!(bench.mode(&topic), Mode::Live);
}

#[tokio::test(start_paused = true)]
async fn trades_of_one_moment_may_come_in_any_order() {
    let bench = Bench::new().await;
    let topic = bench.trades_topic();
    let at = |id, millis| Trade { at: UnixMs::from_millis(START + millis), ..trade(id) };
    bench.open(&topic, Data::Trades(vec![at(9, 1), at(3, 1), at(7, 2), at(5, 2)]));
    for trade in [at(8, 3), at(2, 3), at(5, 2)] {
        bench.data(&topic, Data::Trade(trade, Report::Confirmed));
    }
    assert_eq!(newest_ids(&bench, 6).await, [3, 9, 5, 7, 2, 8]);
    let mut listener = bench.follow(&topic);
    let News::Snapshot(Shown::Trades(shown)) = &listener.news()[0] else { panic!("no snapshot") };
    assert_eq!(shown.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_sound_is_served_and_no_checksum_is_told() {
    let bench = Bench::new().await;
    let topic = bench.book_topic(25);
    let levels = [level(BookSide::Bid, 100, Some(1)), level(BookSide::Ask, 101, Some(1))];
    bench.open(&topic, Data::Book(levels.to_vec()));
    let mut listener = bench.follow(&topic);
    listener.news();
    let better = || Data::Levels([level(BookSide::Bid, 100, Some(7))].into_iter().collect());
    sleep(secs(1)).await;
    bench.data(&topic, better());
    bench.turn(&topic, Turn::Sound);
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Confirmed);
    let got = bench.desk.books.get(&bench.market, Precision::P0, 20, bench.ask()).await.unwrap();
    assert_eq!((got.bids[0].amount.as_str(), about(got.stamp())), ("7", (Source::Stream, 0)));
    let news = listener.news();
    assert!(matches!(news[..], [News::Levels(_)]), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ticker_is_as_old_as_it_is_unless_it_is_called_sound() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    let age = async |bench: &Bench| {
        let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
        about(got.stamp())
    };
    bench.open(&topic, Data::Ticker(ticker(1)));
    sleep(secs(3)).await;
    bench.turn(&topic, Turn::Confirmed);
    assert_eq!(age(&bench).await, (Source::Stream, 3000));
    bench.turn(&topic, Turn::Sound);
    assert_eq!(age(&bench).await, (Source::Stream, 0));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_no_channel_brings_is_polled_at_once_and_said_to_be() {
    let live = Live { timeframes: &[Timeframe::M5], book_depths: &[50], ..PROFILE.live };
    let profile = Some(Profile { live, ..PROFILE.clone() });
    let bench = Bench::at(Fake { profile, ..Fake::default() }, Config::default()).await;
    bench.script(|script| script.candles = vec![candle(0, 2)]);
    let topic = bench.desk.live.topic(&bench.market, "ohlcv:1m".parse().unwrap()).unwrap();
    let _listener = bench.follow(&topic);
    sleep(ms(400)).await;
    assert_eq!(bench.mode(&topic), Mode::Polled);
    let of = |timeframe| Product::Candles { id: bench.market.id.clone(), timeframe };
    let reason = |timeframe| bench.desk.live.stand(&of(timeframe)).reason;
    assert_eq!(reason(Timeframe::M1), Some("no channel brings it"));
    assert_eq!(reason(Timeframe::M5), Some("there is no feed"));
    let book = bench.desk.live.topic(&bench.market, "orderbook".parse().unwrap()).unwrap();
    assert_eq!(*book, *bench.book_topic(50), "the smallest that is enough");
}

#[tokio::test(start_paused = true)]
async fn books_are_fetched_for_sessions_and_paid_for() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    let topic = bench.book_topic(25);
    let book = bench.sink.fetch_book(&topic, 250).await.unwrap();
    assert_eq!((book.bids[0].price.as_str(), bench.asked()), ("50", vec!["book 250".to_owned()]));
    bench.fake.fails.store(true, Ordering::SeqCst);
    assert_eq!(bench.sink.fetch_book(&topic, 250).await, None);
    let pools = bench.desk.shelf.upstream.snapshot().pools;
    let used = pools.iter().find(|it| it.pool.name == "book").unwrap();
    assert!(used.left < used.limit, "{} of {}", used.left, used.limit);
}
