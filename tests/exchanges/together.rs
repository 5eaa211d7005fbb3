//! Several exchanges at once.

use tidegate::{
    market::Channel,
    sim::{Fault, Kind},
};

use crate::{
    Case,
    rig::{Rig, eventually, lenient, ms, number, rows, settings, texts},
};

const ALL: [Kind; 4] = Kind::ALL;

async fn all(config: tidegate::config::Config) -> Rig {
    Rig::before(crate::BITFINEX, config, ALL.map(lenient).into()).await
}

#[tokio::test]
async fn each_answers_for_itself() {
    let rig = all(settings()).await;
    for (kind, sim) in &rig.sims {
        let case = [crate::BITFINEX, crate::KRAKEN, crate::COINBASE, crate::BINANCE];
        let Case { market, .. } = case.into_iter().find(|case| case.kind == *kind).unwrap();
        let book = rig.json(&format!("orderbook/{market}?exchange={kind}")).await;
        assert_eq!((&book["exchange"], &book["symbol"]), (&kind.as_str().into(), &market.into()));
        assert_eq!(sim.counts().total(), 1, "{kind}");
    }
    let default = rig.json("orderbook/BTC-USD").await;
    assert_eq!(default["exchange"], "bitfinex");
    assert_eq!(rig.calls(), 1, "the default one's entry");
    let path = "/api/market-data/ticker/BTC-USD?exchange=okx";
    let problem = rig.get(path).await.problem(path, 404, "unknown_exchange");
    assert_eq!(texts(&problem, "suggestions"), ALL.map(Kind::as_str));
}

/// One in maintenance, one that hangs, one that shuts the address out: the fourth does not notice.
#[tokio::test]
async fn what_befalls_three_does_not_touch_the_fourth() {
    let mut config = settings();
    config.server.request_deadline = ms(8_000);
    let rig = all(config).await;
    let faults = [Fault::Maintenance, Fault::Hang, Fault::RateLimited { retry_after: Some(100) }];
    for ((_, sim), fault) in rig.sims[1..].iter().zip(faults) {
        sim.fault(fault.always());
    }
    let (kraken, coinbase, binance, healthy) = tokio::join!(
        rig.get("/api/market-data/trades/BTC-USD?exchange=kraken"),
        rig.get("/api/market-data/trades/BTC-USD?exchange=coinbase"),
        rig.get("/api/market-data/trades/BTC-USDT?exchange=binance"),
        rig.get("/api/market-data/trades/BTC-USD"),
    );
    assert_eq!(healthy.status, 200);
    assert!(healthy.took < coinbase.took, "{:?}", healthy.took);
    assert_eq!([kraken.status, binance.status], [503, 503]);
    assert!([503, 504].contains(&coinbase.status), "{}", coinbase.text());
    assert_eq!(rig.get("/readyz").await.status, 200);
    let health = rig.get("/healthz?verbose").await.json();
    for kind in ALL {
        assert!(health.to_string().contains(kind.as_str()), "{health}");
    }
}

#[tokio::test]
async fn quotes_stand_side_by_side() {
    let rig = all(settings()).await;
    let body = rig.json("compare/BTC-USD").await;
    let compared = rows(&body, "exchanges");
    let names: Vec<&str> = compared.iter().map(|it| it["exchange"].as_str().unwrap()).collect();
    assert_eq!(names, ALL.map(Kind::as_str));
    for row in compared {
        let is_listed = row["problem"].is_null();
        assert_eq!(is_listed, row["exchange"] != "binance" || row["symbol"] == "BTC/USD", "{row}");
        if is_listed {
            assert_eq!(row["symbol"], "BTC/USD", "no other quote: {row}");
            assert!(row["age_ms"].as_u64().is_some(), "{row}");
        }
    }
    let price = |side: &str| number(&body[side], "price");
    assert_eq!(body["crossed"], price("best_bid") >= price("best_ask"), "{body}");
    // The very entries of the single endpoints.
    let calls = |rig: &Rig| rig.sims.iter().map(|(_, sim)| sim.counts().total()).sum::<u64>();
    let asked = calls(&rig);
    for name in names.iter().filter(|name| **name != "binance") {
        rig.json(&format!("ticker/BTC-USD?exchange={name}")).await;
    }
    rig.json("compare/BTC-USD").await;
    assert_eq!(calls(&rig), asked);
}

#[tokio::test]
async fn a_slow_exchange_spoils_no_comparison() {
    let mut config = settings();
    config.server.request_deadline = ms(8_000);
    let rig = all(config).await;
    rig.sims[1].1.fault(Fault::Hang.always());
    let path = "/api/market-data/compare/BTC-USD?exchanges=bitfinex,kraken,coinbase";
    let reply = rig.get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.took < ms(20_000), "{:?}", reply.took);
    let body = reply.json();
    let problems: Vec<bool> =
        rows(&body, "exchanges").iter().map(|row| !row["problem"].is_null()).collect();
    assert_eq!(problems, [false, true, false], "{body}");
    let kraken = &rows(&body, "exchanges")[1];
    assert!(kraken["problem"]["code"].is_string() && kraken["best_bid"].is_null(), "{kraken}");
}

#[tokio::test]
async fn quotes_are_mixed_only_where_that_is_asked_for() {
    let rig = all(settings()).await;
    let path = "/api/market-data/compare/BTC-USD?exchanges=binance";
    assert_eq!(rig.get(path).await.status, 404, "Binance lists no such market");
    let body = rig.json("compare/BTC-USD?exchanges=bitfinex,binance&equivalent=true").await;
    let symbols: Vec<&str> =
        rows(&body, "exchanges").iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert!(symbols.contains(&"BTC/USD") && symbols.contains(&"BTC/USDT"), "{body}");
    assert_eq!(body["mixed_quotes"], true, "{body}");
}

#[tokio::test]
async fn what_is_pinned_is_live_where_it_is_listed() {
    let mut config = settings();
    config.feed.enabled = true;
    config.feed.connect_interval = ms(10);
    config.feed.pinned = ["kraken:BTC/USD", "ETH/USD"].map(str::to_owned).into();
    config.feed.pinned_channels = vec![Channel::Ticker];
    let rig = all(config).await;
    let expected: [&[&str]; 4] =
        [&["ticker tETHUSD"], &["ticker BTC/USD", "ticker ETH/USD"], &["ticker ETH-USD"], &[]];
    let expected = ALL.map(Kind::as_str).into_iter().zip(expected);
    let expected: Vec<_> = expected.map(|(name, topics)| (name.to_owned(), topics)).collect();
    eventually("what is pinned is live", async || {
        let status = rig.get("/api/status").await.json();
        let live = rows(&status, "feeds").iter().map(|feed| {
            let topics = rows(feed, "topics").iter().filter(|topic| topic["wanted"] == "pinned");
            let live = topics.filter(|topic| topic["state"] == "live");
            let mut names: Vec<_> = live.map(|it| it["topic"].as_str().unwrap()).collect();
            names.sort_unstable();
            (feed["exchange"].as_str().unwrap().to_owned(), names)
        });
        let live: Vec<_> = live.collect();
        live.iter()
            .map(|(name, topics)| (name, &topics[..]))
            .eq(expected.iter().map(|it| (&it.0, it.1)))
            .then_some(())
    })
    .await;
}
