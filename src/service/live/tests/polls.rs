use super::*;
use crate::{
    exchange::Report,
    feed::{Lapse, Shown},
};

#[tokio::test(start_paused = true)]
async fn what_is_followed_and_not_live_is_polled_once_for_all() {
    let bench = Bench::new().await;
    bench.script(|script| script.ticker = 1);
    let topic = bench.ticker_topic();
    let mut listeners: Vec<Listener> = (0..50).map(|_| bench.follow(&topic)).collect();
    sleep(ms(150)).await;
    for listener in &mut listeners {
        let expected = [News::Snapshot(Shown::Ticker(ticker(1)))];
        assert_eq!(listener.news(), expected);
    }
    assert_eq!(bench.mode(&topic), Mode::Polled);
    bench.script(|script| script.ticker = 2);
    sleep(secs(30)).await;
    // One at the start and one each 3 s ttl, 100 ms request and up to 250 ms look.
    let asked = bench.asked().len();
    assert!((9..=11).contains(&asked), "{asked}");
    let news = listeners[0].news();
    assert_eq!(news.last(), Some(&News::Ticker(ticker(2))));
    drop(listeners);
    sleep(secs(1)).await;
    bench.asked();
    sleep(secs(60)).await;
    assert_eq!(bench.asked(), Vec::<String>::new(), "nobody follows");
}

#[tokio::test(start_paused = true)]
async fn a_slow_poll_is_waited_for() {
    let bench = Bench::new().await;
    bench.script(|script| script.delay = secs(6));
    let _listeners = [1, 2, 3].map(|_| bench.follow(&bench.ticker_topic()));
    sleep(ms(500)).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    sleep(secs(5)).await;
    assert_eq!((tasks(), bench.asked()), (before, vec!["ticker tBTCUSD".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn polling_ends_when_the_topic_is_live() {
    let bench = Bench::new().await;
    let topic = bench.candles_topic();
    bench.script(|script| script.candles = vec![candle(-1, 1), candle(0, 2)]);
    let mut listener = bench.follow(&topic);
    sleep(secs(1)).await;
    assert_eq!(bench.mode(&topic), Mode::Polled);
    let bars = vec![(candle(-1, 1), true), (candle(0, 2), false)];
    assert_eq!(listener.news(), [News::Snapshot(Shown::Candles(bars))]);
    bench.open(&topic, Data::Candles(vec![candle(-1, 1), candle(0, 3)]));
    assert_eq!(listener.news(), [News::Mode(Mode::Live), News::Candle(candle(0, 3), false)]);
    bench.asked();
    sleep(secs(60)).await;
    assert_eq!((bench.mode(&topic), bench.asked()), (Mode::Live, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_poll_under_way_does_not_speak_for_what_is_live_by_then() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    bench.script(|script| script.ticker = 1);
    let mut listener = bench.follow(&topic);
    sleep(ms(50)).await;
    assert_eq!(bench.asked(), ["ticker tBTCUSD"]);
    bench.open(&topic, Data::Ticker(ticker(9)));
    listener.news();
    sleep(secs(1)).await;
    assert_eq!((listener.news(), bench.mode(&topic)), (Vec::new(), Mode::Live));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_twice_nor_after_newer() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    bench.open(&topic, Data::Ticker(ticker(9)));
    let mut listener = bench.follow(&topic);
    listener.news();
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Lapsed(Lapse::Silent));
    sleep(secs(1)).await;
    // What the entry holds is what the channel has brought, and still fresh.
    let modes = [News::Mode(Mode::Stale(Lapse::Silent)), News::Mode(Mode::Polled)];
    assert_eq!((listener.news(), bench.asked()), (modes.into(), Vec::new()));
    bench.script(|script| script.ticker = 10);
    sleep(secs(2)).await;
    assert_eq!(listener.news(), [News::Ticker(ticker(10))]);
}

#[tokio::test(start_paused = true)]
async fn where_polling_fails_the_topic_is_stale() {
    let bench = Bench::new().await;
    bench.script(|script| script.book = 50);
    let topic = bench.book_topic(25);
    let mut listener = bench.follow(&topic);
    sleep(secs(1)).await;
    assert_eq!(bench.mode(&topic), Mode::Polled);
    assert!(matches!(&listener.news()[..], [News::Snapshot(Shown::Book(book))]
        if book.bids[0].price == number(50) && book.asks[0].price == number(51)));
    bench.fake.fails.store(true, Ordering::SeqCst);
    sleep(secs(5)).await;
    assert_eq!(bench.mode(&topic), Mode::Stale(Lapse::Unavailable));
    assert_eq!(listener.news(), [News::Mode(Mode::Stale(Lapse::Unavailable))]);
    bench.fake.fails.store(false, Ordering::SeqCst);
    sleep(secs(60)).await;
    assert_eq!(bench.mode(&topic), Mode::Polled);
}

#[tokio::test(start_paused = true)]
async fn trades_are_polled_without_repeating_them() {
    let bench = Bench::new().await;
    bench.script(|script| script.trades = (1..4).map(trade).collect());
    let topic = bench.trades_topic();
    let mut listener = bench.follow(&topic);
    sleep(secs(1)).await;
    let expected = (1..4).map(trade).collect();
    assert_eq!(listener.news(), [News::Snapshot(Shown::Trades(expected))]);
    bench.script(|script| script.trades = (1..6).map(trade).collect());
    sleep(secs(6)).await;
    let told =
        |id| [Report::Executed, Report::Confirmed].map(|report| News::Trade(trade(id), report));
    assert_eq!(listener.news(), [told(4), told(5)].concat());
}

#[tokio::test(start_paused = true)]
async fn a_polled_candle_closes_when_it_is_read_after_its_end() {
    let bench = Bench::new().await;
    bench.script(|script| script.candles = vec![candle(-1, 1), candle(0, 2)]);
    let mut listener = bench.follow(&bench.candles_topic());
    sleep(secs(55)).await;
    listener.news();
    sleep(secs(20)).await;
    assert_eq!(listener.news(), [News::Candle(candle(0, 2), true)]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_follows_is_forgotten() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    let listener = bench.follow(&topic);
    sleep(secs(5)).await;
    drop(listener);
    sleep(secs(120)).await;
    assert!(bench.desk.live.hub().line(&topic).is_none());
    bench.open(&topic, Data::Ticker(ticker(1)));
    sleep(secs(120)).await;
    assert_eq!(bench.mode(&topic), Mode::Live, "what is live is kept");
    bench.turn(&topic, Turn::Closed);
    sleep(secs(2)).await;
    assert!(bench.desk.live.hub().line(&topic).is_none());
}
