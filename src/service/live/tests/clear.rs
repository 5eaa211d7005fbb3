use super::*;

#[tokio::test(start_paused = true)]
async fn a_live_key_that_is_cleared_comes_back_and_its_followers_miss_nothing() {
    let bench = Bench::new().await;
    let (topic, trades) = (bench.ticker_topic(), bench.trades_topic());
    bench.script(|script| (script.ticker, script.trades) = (9, (1..=3).map(trade).collect()));
    let (mut tickers, mut listener) = (bench.follow(&topic), bench.follow(&trades));
    bench.open(&topic, Data::Ticker(ticker(7)));
    bench.open(&trades, Data::Trades((1..=3).map(trade).collect()));
    tickers.news();
    listener.news();
    assert!(bench.desk.clear("ticker tBTCUSD") && bench.desk.clear("trades tBTCUSD"));
    assert!(!bench.desk.clear("ticker tBTCUSD"), "once");
    assert!(tickers.news().is_empty() && listener.news().is_empty());

    // The channel knows its trades and brings them by its next word, be it a heartbeat.
    sleep(secs(1)).await;
    bench.turn(&trades, Turn::Confirmed);
    let got = bench.trades(3, bench.ask()).await;
    let ids: Vec<_> = got.rows().iter().map(|row| row.id).collect();
    assert_eq!((ids, about(got.got().stamp())), (vec![1, 2, 3], (Source::Stream, 0)));
    assert_eq!(bench.asked(), Vec::<String>::new());
    // A ticker's heartbeat says nothing of it: who cannot wait for the next one asks.
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!(about(got.stamp()).0, Source::Rest);
    assert_eq!(bench.asked(), ["ticker tBTCUSD"]);
    bench.data(&topic, Data::Ticker(ticker(8)));
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!(about(got.stamp()), (Source::Stream, 0));
    bench.data(&trades, Data::Trade(trade(4), crate::exchange::Report::Confirmed));
    assert!(matches!(tickers.news()[..], [News::Ticker(_)]));
    let news = listener.news();
    assert!(matches!(&news[..], [News::Trade(one, _), News::Trade(..)] if one.id == 4), "{news:?}");
}
