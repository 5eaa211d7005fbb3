//! What an exchange lacks is told, and not asked for.

use super::*;
use crate::{
    exchange::{Asked, Family, Pool, TradeHistory, Unit},
    market::{Precision, Timeframe},
    service::{CandleView, Foreseen, TradeView},
    telemetry::Wait,
    upstream::Charge,
};

const PAIRS: &[(&str, &str)] = &[("BTC", "USD"), ("ETH", "USD")];

async fn town(change: impl FnOnce(&mut Profile)) -> Town {
    Town::of(vec![Venue::new(profile("coinbase", change), PAIRS, ("99", "101"))]).await
}

fn since(seconds: i64) -> TradeView {
    let since = Some(UnixMs::from_millis(START + seconds * 1_000));
    TradeView { limit: 10, since, until: None }
}

#[tokio::test(start_paused = true)]
async fn tickers_that_are_not_whole_stay_apart() {
    let town = town(|it| it.tickers_are_whole = false).await;
    let (tickers, venue) = (&town.desks[0].tickers, &town.venues[0]);
    let (bitcoin, ether) = (town.market("BTC/USD").await, town.market("ETH/USD").await);
    let (one, other) = tokio::join!(tickers.get(&bitcoin, ask()), tickers.get(&ether, ask()));
    let last = |ticker: &crate::market::Ticker| ticker.last.as_ref().unwrap().to_string();
    assert_eq!((last(&one.unwrap()), last(&other.unwrap())), ("100".into(), "100".into()));
    let mut asked = venue.asked();
    asked.sort();
    assert_eq!(asked, ["ticker BTC-USD", "ticker ETH-USD"]);
    let board = tickers.all(ask()).await.unwrap();
    assert_eq!(last(&board.rows[0].1), "101");
    assert_eq!(last(&tickers.get(&bitcoin, ask()).await.unwrap()), "100");
    assert_eq!(venue.asked(), ["tickers 0"]);
}

#[tokio::test(start_paused = true)]
async fn whole_tickers_are_gathered_as_before() {
    let town = town(|_| {}).await;
    let tickers = &town.desks[0].tickers;
    let (bitcoin, ether) = (town.market("BTC/USD").await, town.market("ETH/USD").await);
    let (one, other) = tokio::join!(tickers.get(&bitcoin, ask()), tickers.get(&ether, ask()));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(town.venues[0].asked(), ["tickers 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_market_that_is_gone_spoils_no_others_ticker() {
    let town = town(|_| {}).await;
    let (tickers, venue) = (&town.desks[0].tickers, &town.venues[0]);
    let (bitcoin, ether) = (town.market("BTC/USD").await, town.market("ETH/USD").await);
    venue.set(|it| it.gone = Some("ETH-USD"));
    let (one, other) = tokio::join!(tickers.get(&bitcoin, ask()), tickers.get(&ether, ask()));
    assert_eq!(one.unwrap().last.as_ref().unwrap().as_str(), "101");
    assert!(matches!(other, Err(ServiceError::Invalid(_))));
    assert_eq!(venue.asked(), ["tickers 2", "tickers 0"]);
    tokio::time::sleep(ms(20)).await;
    let alone = tickers.get(&ether, ask()).await;
    assert!(matches!(alone, Err(ServiceError::Rejected { .. })));
    assert_eq!(venue.asked(), ["ticker ETH-USD"], "the list of all is not asked for one");
    for (later, asked) in
        [(ms(5_000), &["ticker BTC-USD"][..]), (ms(60_000), &["tickers 2", "tickers 0"])]
    {
        tokio::time::sleep(later).await;
        let (one, other) = tokio::join!(tickers.get(&bitcoin, ask()), tickers.get(&ether, ask()));
        assert!(one.is_ok() && matches!(other, Err(ServiceError::Invalid(_))));
        assert_eq!(venue.asked(), asked, "it is asked for again once a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_trades_are_told() {
    let town = town(|it| {
        it.trade_history = TradeHistory::Newest;
        it.max_trades = 100;
    })
    .await;
    let (trades, venue) = (&town.desks[0].trades, &town.venues[0]);
    let market = town.market("BTC/USD").await;
    let text = unsupported(trades.get(&market, since(-200), ask()).await);
    assert!(text.contains("100, back to 2023-11-14T22:58:21.000Z"), "{text}");
    let got = trades.get(&market, since(-99), ask()).await.unwrap();
    assert_eq!(
        got.rows().iter().map(|row| row.id).collect::<Vec<_>>(),
        (-99..-89).collect::<Vec<_>>()
    );
    let all =
        trades.get(&market, TradeView { limit: 1_000, since: None, until: None }, ask()).await;
    assert_eq!(all.unwrap().rows().len(), 100);
    assert_eq!(venue.asked(), ["trades 100 None None"], "one call for all of them");
}

#[tokio::test(start_paused = true)]
async fn trades_up_to_a_time_need_one_to_begin_with() {
    let town = town(|it| {
        it.trade_history = TradeHistory::Since;
        it.max_trades = 1_000;
    })
    .await;
    let (trades, venue) = (&town.desks[0].trades, &town.venues[0]);
    let market = town.market("BTC/USD").await;
    let got = trades.get(&market, since(-2_000), ask()).await.unwrap();
    assert_eq!(got.rows().first().map(|row| row.id), Some(-2_000));
    assert_eq!(venue.asked(), ["trades 250 Some(-2000) None"]);
    let until = |seconds: i64| TradeView {
        since: None,
        until: Some(UnixMs::from_millis(START + seconds * 1_000)),
        limit: 10,
    };
    let text = unsupported(trades.get(&market, until(-3_000), ask()).await);
    assert!(text.contains("give `since`"), "{text}");
    let got = trades.get(&market, until(-50), ask()).await.unwrap();
    assert_eq!(got.rows().last().map(|row| row.id), Some(-50), "the newest cover it");
    assert_eq!(venue.asked(), ["trades 250 None None"]);
}

#[tokio::test(start_paused = true)]
async fn precisions_that_are_not_offered_are_refused() {
    let town = town(|it| it.precisions = &[Precision::P0]).await;
    let books = &town.desks[0].books;
    assert_eq!(books.offers(Precision::P0), Ok(()));
    let text = unsupported(books.offers(Precision::P2));
    assert_eq!(text, "coinbase tells no books of precision P2; it offers P0");
}

/// Prices by which every part of the answer differs.
fn priced(asked: Asked) -> u32 {
    match asked {
        Asked::Markets => 20,
        Asked::Ticker => 2,
        Asked::Tickers { count } => count.map_or(80, |_| 40),
        Asked::Book { depth } => depth / 5,
        Asked::Candles { limit } => limit / 10,
        Asked::Trades { .. } => 4,
        Asked::Native(_) => 1,
    }
}

async fn priced_town() -> Town {
    town(|it| {
        it.cost = priced;
        it.pools = &[Pool {
            name: "weight",
            about: "",
            unit: Unit::Weight,
            per_minute: 3000,
            burst: None,
            families: &Family::ALL,
        }];
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn every_request_costs_what_it_costs() {
    let town = priced_town().await;
    let (desk, market) = (&town.desks[0], town.market("BTC/USD").await);
    let used = || desk.shelf.upstream.snapshot().pools[0].used;
    let mut before = used();
    assert_eq!(before, 20);
    let mut costs = || {
        let now = used();
        now - std::mem::replace(&mut before, now)
    };
    desk.tickers.get(&market, ask()).await.unwrap();
    assert_eq!(costs(), 2, "one ticker");
    desk.books.get(&market, Precision::P0, 100, ask()).await.unwrap();
    assert_eq!(costs(), 20, "a book");
    desk.tickers.all(ask()).await.unwrap();
    assert_eq!(costs(), 80, "all tickers");
}

#[tokio::test(start_paused = true)]
async fn a_forecast_tells_the_price_of_the_call_and_its_turn() {
    let town = priced_town().await;
    let (desk, market) = (&town.desks[0], town.market("BTC/USD").await);
    let latest = TradeView { limit: 10, since: None, until: None };
    let timeframe = Timeframe::M5;
    let view = CandleView { timeframe, limit: 600, since: None, until: None, closed_only: false };
    let patient = ask();
    let units = |foreseen: &Foreseen| foreseen.charge.units();
    let book = |levels| desk.books.foresee(&market, Precision::P0, levels, &patient);
    let candles = desk.candles.foresee(&market, view, patient).await.unwrap();
    let prices = [
        units(&desk.tickers.foresee(&market, &patient)),
        units(&desk.tickers.foresee_all(&patient)),
        units(&book(20)),
        units(&book(250)),
        units(&desk.trades.foresee(&market, latest, &patient)),
        units(&candles[0]),
    ];
    assert_eq!(prices, [2, 80, 5, 50, 4, 100]);

    // A third of the minute is gone: a small call goes at once, a large one waits for its units.
    let upstream = &desk.shelf.upstream;
    let most = Charge::new(Family::Stats, 33_000);
    let _ = upstream.call(most, Wait::Client, patient.deadline, || async { Ok(()) }).await;
    let told = |foreseen: &Foreseen, ask: &Ask| {
        let outlook = desk.shelf.outlook(foreseen, ask);
        let refusal = desk.shelf.refusal(foreseen, outlook.as_ref(), ask);
        (outlook.unwrap().next_slot_in, refusal)
    };
    assert_eq!(told(&book(20), &patient), (ms(0), None));
    let costly = Foreseen { charge: Charge::new(Family::Book, 5_000), ..book(250) };
    let (wait, refusal) = told(&costly, &patient);
    assert!(wait > ms(2_000) && refusal.is_none(), "{wait:?} {refusal:?}");
    let hasty = Ask { deadline: Instant::now() + ms(1_000), ..patient };
    let refusal = told(&costly, &hasty).1;
    assert_eq!(refusal, Some(ServiceError::BudgetExhausted { retry_after: wait }));
}
