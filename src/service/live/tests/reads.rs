use super::*;
use crate::{
    exchange::{Asked, Live},
    market::Channel,
    registry::Registry,
    service::{
        Product,
        live::{
            heat::Heat,
            pins::{Found, Pins},
            topics,
        },
    },
    telemetry::Wait,
};

#[tokio::test(start_paused = true)]
async fn reads_a_minute_rise_to_the_pace_and_fall_when_it_ends() {
    let bench = Bench::new().await;
    let topic = (*bench.ticker_topic()).clone();
    let mut heat = Heat::new(Instant::now());
    let mut second = async |hits: u64| {
        sleep(secs(1)).await;
        heat.measure([(topic.clone(), hits)], Instant::now())
    };
    assert_eq!(second(0).await, []);
    assert_eq!(second(1).await[0].1, 1.0);
    let mut reads = Vec::new();
    for at in 1..=600 {
        reads = second(1 + at * 2).await;
    }
    let pace = reads[0].1;
    assert!((118.0..=122.0).contains(&pace), "two a second, measured {pace}");
    assert_eq!(*reads[0].0, topic);
    for _ in 0..60 {
        reads = second(1201).await;
    }
    assert!((pace / 2.8..pace / 2.6).contains(&reads[0].1), "{}", reads[0].1);
    // The entry was evicted, and counts from zero.
    let before = second(1201).await[0].1;
    let after = second(5).await[0].1;
    assert!((before..before + 5.0).contains(&after), "{before} {after}");
    for _ in 0..600 {
        reads = second(5).await;
    }
    assert_eq!(reads, [], "cold");
    sleep(secs(1)).await;
    assert_eq!(heat.len(), 1);
    heat.measure([], Instant::now());
    assert_eq!(heat.len(), 0, "forgotten with its entry");
}

#[test]
fn every_live_product_has_its_topic() {
    let id = compact_str::CompactString::const_new("tBTCUSD");
    for product in [
        Product::Ticker(id.clone()),
        Product::Trades(id.clone()),
        Product::Book { id: id.clone(), precision: Precision::P1, depth: 100 },
        Product::Candles { id: id.clone(), timeframe: Timeframe::H1 },
    ] {
        let topic = topics::topic(&product).unwrap();
        assert_eq!(topics::product(&topic).unwrap().0, product);
    }
    for product in [Product::Markets, Product::AllTickers, Product::Conf("a".into())] {
        assert_eq!(topics::topic(&product), None);
    }
}

#[tokio::test(start_paused = true)]
async fn pins_are_found_by_any_name_and_mistakes_are_told() {
    let bench = Bench::new().await;
    let registry = Registry::new(vec![listing("BTC"), listing("ETH")]);
    let mut config = Config::default();
    config.feed.pinned =
        ["btc-usd", "bitfinex:tETHUSD", "kraken:BTC/USD", "BTX/USD"].map(str::to_owned).into();
    config.feed.pinned_channels =
        vec![Channel::Ticker, Channel::Ohlcv(Timeframe::W2), Channel::Ohlcv(Timeframe::H4)];
    let topic = |market: &Listing, channel| bench.desk.live.topic(market, channel).ok();
    let Found { topics, unknown, elsewhere } =
        Pins::of(&config, "bitfinex").resolve(&registry, topic);
    let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
    let expected = ["ticker tBTCUSD", "ohlcv tBTCUSD 2w", "ticker tETHUSD", "ohlcv tETHUSD 2w"];
    assert_eq!(topics, expected, "Bitfinex offers no four hours");
    let near: Vec<_> = unknown[0].suggestions.iter().map(Symbol::as_str).collect();
    assert_eq!((unknown.len(), unknown[0].asked.as_str(), near[0]), (1, "BTX/USD", "BTC/USD"));
    assert_eq!(elsewhere, [""; 0], "there is no other exchange");
    // Another one may list it; what is said to be of this one is looked for here only.
    config.exchanges["kraken"].enabled = true;
    config.feed.pinned.push("bitfinex:ETX/USD".to_owned());
    let found = Pins::of(&config, "bitfinex").resolve(&registry, topic);
    assert_eq!(found.topics.len(), topics.len());
    assert_eq!(found.elsewhere, ["BTX/USD"]);
    assert_eq!(found.unknown.iter().map(|it| it.asked.as_str()).collect::<Vec<_>>(), ["ETX/USD"]);
    let kraken: Vec<_> = config.feed.pinned_at("kraken").collect();
    assert_eq!(kraken, [("btc-usd", false), ("BTC/USD", true), ("BTX/USD", false)]);
}

#[tokio::test(start_paused = true)]
async fn what_answers_requests_counts_as_read_and_nothing_else() {
    let bench = Bench::new().await;
    bench.script(|script| (script.book, script.trades) = (50, vec![trade(1)]));
    let mut heat = Heat::new(Instant::now());
    let books = &bench.desk.books;
    let book = books.get(&bench.market, Precision::P0, 100, bench.ask()).await.unwrap();
    let trades = bench.trades(1, bench.ask()).await;
    bench.desk.tickers.all(bench.ask()).await.unwrap().stamp().hit();
    for _ in 0..3 {
        book.stamp().hit();
    }
    trades.got().stamp().hit();
    bench.follow(&bench.ticker_topic());
    sleep(secs(2)).await;
    let mut reads = bench.desk.live.reads(&mut heat, &bench.desk.markets, Instant::now());
    reads.sort_by(|one, other| one.a_minute.total_cmp(&other.a_minute));
    let reads: Vec<(String, f64)> =
        reads.into_iter().map(|it| (it.topic.to_string(), it.a_minute)).collect();
    let expected = [("trades tBTCUSD", 1.0), ("orderbook tBTCUSD P0 100", 3.0)];
    assert_eq!(reads, expected.map(|(topic, reads)| (topic.to_owned(), reads)));
}

/// A fetch of five levels a unit.
fn by_depth(asked: Asked) -> u32 {
    if let Asked::Book { depth } = asked { depth / 5 } else { 1 }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_told_short_of_calls_where_a_channel_would_spare_them() {
    let live = Live { begins_with: Some(100), ..PROFILE.live };
    let profile = Some(Profile { live, cost: by_depth, ..PROFILE.clone() });
    let bench = Bench::at(Fake { profile, ..Fake::default() }, Config::default()).await;
    bench.script(|script| (script.book, script.trades) = (50, vec![trade(1)]));
    for levels in [25, 100] {
        let got = bench.desk.books.get(&bench.market, Precision::P0, levels, bench.ask()).await;
        got.unwrap().stamp().hit();
    }
    bench.trades(1, bench.ask()).await.got().stamp().hit();
    let mut heat = Heat::new(Instant::now());
    let mut short = || {
        let reads = bench.desk.live.reads(&mut heat, &bench.desk.markets, Instant::now());
        let short = reads.into_iter().filter(|it| it.is_short);
        let mut short: Vec<_> = short.map(|it| it.topic.to_string()).collect();
        short.sort();
        short
    };
    assert_eq!(short(), [""; 0]);
    let charge = bench.desk.shelf.charge(Asked::Book { depth: 1000 });
    let now = async || {
        let call = || async { Ok(()) };
        bench.desk.shelf.upstream.call(charge, Wait::Client, Instant::now() + ms(1), call).await
    };
    for _ in 0..10 {
        let _ = now().await;
    }
    assert_eq!(short(), ["orderbook tBTCUSD P0 100"], "25 levels cost less than to begin with 100");
}
