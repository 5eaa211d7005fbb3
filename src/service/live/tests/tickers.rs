use super::*;
use crate::{feed::Lapse, telemetry::CacheOutcome};

fn last(ticker: &Ticker) -> &str {
    ticker.last.as_ref().unwrap().as_str()
}

#[tokio::test(start_paused = true)]
async fn a_live_ticker_answers_without_a_call_and_is_as_old_as_its_message() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    bench.open(&topic, Data::Ticker(ticker(7)));
    sleep(secs(15)).await;
    bench.turn(&topic, Turn::Confirmed);
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!((last(&got), got.outcome), ("7", CacheOutcome::Hit));
    assert_eq!(about(got.stamp()), (Source::Stream, 15_000), "a heartbeat tells nothing of it");
    bench.data(&topic, Data::Ticker(ticker(8)));
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!((last(&got), about(got.stamp())), ("8", (Source::Stream, 0)));
    assert_eq!(bench.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_ticker_that_lapses_goes_back_to_requests_at_its_true_age() {
    for turn in [
        Turn::Lapsed(Lapse::Disconnected),
        Turn::Closed,
        Turn::Refused(crate::exchange::Refused::Unanswered),
    ] {
        let bench = Bench::new().await;
        let topic = bench.ticker_topic();
        bench.script(|script| script.ticker = 9);
        bench.open(&topic, Data::Ticker(ticker(7)));
        sleep(secs(4)).await;
        bench.turn(&topic, turn.clone());
        // Four seconds are more than requests' ttl of three: stale, and fetched anew meanwhile.
        let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
        assert_eq!((last(&got), got.outcome), ("7", CacheOutcome::Stale), "{turn:?}");
        assert_eq!(about(got.stamp()), (Source::Stream, 4000), "{turn:?}");
        sleep(secs(1)).await;
        let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
        assert_eq!((last(&got), about(got.stamp()).0), ("9", Source::Rest), "{turn:?}");
        assert_eq!(bench.asked(), ["ticker tBTCUSD"], "{turn:?}");
        bench.data(&topic, Data::Ticker(ticker(1)));
        let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
        assert_eq!(last(&got), "9", "a channel that is shut is not believed");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_supersedes_a_message_and_the_next_message_that() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    bench.script(|script| script.ticker = 9);
    bench.open(&topic, Data::Ticker(ticker(7)));
    sleep(secs(1)).await;
    let got = bench.desk.tickers.get(&bench.market, bench.ask_anew()).await.unwrap();
    assert_eq!((last(&got), about(got.stamp())), ("9", (Source::Rest, 0)));
    sleep(secs(1)).await;
    bench.data(&topic, Data::Ticker(ticker(8)));
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!((last(&got), about(got.stamp())), ("8", (Source::Stream, 0)));
    assert_eq!(bench.asked(), ["ticker tBTCUSD"]);
    // The lapse of a channel changes nothing about what was fetched since.
    sleep(secs(1)).await;
    bench.desk.tickers.get(&bench.market, bench.ask_anew()).await.unwrap();
    sleep(secs(1)).await;
    bench.turn(&topic, Turn::Lapsed(Lapse::Silent));
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!((last(&got), about(got.stamp())), ("9", (Source::Rest, 1000)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_ticker_is_stale_after_the_longest_silence() {
    let bench = Bench::new().await;
    bench.open(&bench.ticker_topic(), Data::Ticker(ticker(7)));
    let mut outcomes = Vec::new();
    for wait in [19_999, 1] {
        sleep(ms(wait)).await;
        let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
        outcomes.push(got.outcome);
    }
    assert_eq!(outcomes, [CacheOutcome::Hit, CacheOutcome::Stale]);
}

#[tokio::test(start_paused = true)]
async fn followers_are_told_how_the_topic_is_fed() {
    let bench = Bench::new().await;
    let topic = bench.ticker_topic();
    bench.open(&topic, Data::Ticker(ticker(7)));
    let mut listener = bench.follow(&topic);
    listener.news();
    bench.turn(&topic, Turn::Lapsed(Lapse::Silent));
    assert_eq!(bench.mode(&topic), Mode::Stale(Lapse::Silent));
    bench.turn(&topic, Turn::Opened);
    assert_eq!(bench.mode(&topic), Mode::Stale(Lapse::Silent), "until it brings something");
    bench.data(&topic, Data::Ticker(ticker(8)));
    let expected =
        [News::Mode(Mode::Stale(Lapse::Silent)), News::Mode(Mode::Live), News::Ticker(ticker(8))];
    assert_eq!(listener.news(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_bring_along_what_is_live() {
    let bench = Bench::new().await;
    bench.open(&bench.ticker_topic(), Data::Ticker(ticker(7)));
    let ether = bench.desk.markets.resolve("ETH/USD", bench.ask()).await.unwrap();
    bench.desk.tickers.get(&ether, bench.ask()).await.unwrap().stamp().hit();
    bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap().stamp().hit();
    sleep(secs(11)).await;
    bench.desk.tickers.get(&ether, bench.ask()).await.unwrap();
    sleep(secs(4)).await;
    bench.desk.tickers.get(&ether, bench.ask()).await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(bench.asked(), vec!["ticker tETHUSD"; 3]);
    let got = bench.desk.tickers.get(&bench.market, bench.ask()).await.unwrap();
    assert_eq!(about(got.stamp()).0, Source::Stream);
}
