//! One market on several exchanges.

use tokio::time::advance;

use super::*;
use crate::{
    exchange::UpstreamError,
    service::{Best, Comparison, Glance, Offer, OfferedIn, spread},
};

const USD: &[(&str, &str)] = &[("BTC", "USD")];
const BOTH: &[(&str, &str)] = &[("BTC", "USD"), ("BTC", "USDT")];
const USDT: &[(&str, &str)] = &[("BTC", "USDT")];

const LOST: UpstreamError = UpstreamError::Unavailable { status: 503 };

type Pairs = &'static [(&'static str, &'static str)];

async fn town(venues: [(Pairs, &'static str, &'static str); 3]) -> Town {
    let names = ["bitfinex", "kraken", "binance"];
    let venue = |(name, (pairs, bid, ask))| Venue::new(profile(name, |_| {}), pairs, (bid, ask));
    Town::of(names.into_iter().zip(venues).map(venue).collect()).await
}

async fn compare(town: &Town, text: &str, equivalent: bool) -> Comparison {
    Comparison::of(&town.all(), text, equivalent, ask()).await.unwrap()
}

fn glance(comparison: &Comparison, at: usize) -> &Glance {
    comparison.sides[at].view.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// Whose the best ones are, and their prices.
fn best(comparison: &Comparison) -> [Option<(&'static str, String)>; 2] {
    let (bid, ask) = comparison.best(Instant::now());
    [bid, ask].map(|best| {
        let Best { side, offer } = best?;
        Some((comparison.sides[side].exchange, offer.price.to_string()))
    })
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_at_once_and_told_in_order() {
    let town = town([(USD, "99", "101"), (USD, "98", "100.5"), (USD, "99", "100.5")]).await;
    town.venues[1].set(|it| it.delay = ms(300));
    let began = Instant::now();
    let comparison = compare(&town, "btc-usd", false).await;
    assert!(began.elapsed() < ms(330), "{:?}", began.elapsed());
    let names: Vec<_> = comparison.sides.iter().map(|side| side.exchange).collect();
    assert_eq!(
        (comparison.symbol.as_str(), names),
        ("BTC/USD", vec!["bitfinex", "kraken", "binance"])
    );
    // Of equal ones the first.
    let expected =
        [("bitfinex", "99"), ("kraken", "100.5")].map(|(it, at)| Some((it, at.to_owned())));
    assert_eq!(best(&comparison), expected);
    let quotes = glance(&comparison, 1).quotes(Instant::now()).unwrap();
    let offer =
        |price| Some(Offer { price: venue::number(price), amount: Some(venue::number("2")) });
    assert_eq!((quotes.bid.clone(), quotes.ask.clone()), (offer("98"), offer("100.5")));
    assert_eq!((quotes.from, quotes.fresh), (OfferedIn::Orderbook, true));
    assert_eq!(quotes.spread().unwrap().to_string(), "2.5");
    assert!((quotes.spread_pct().unwrap() - 2.487_562).abs() < 1e-5);
    assert!(!comparison.mixes_quotes());
    // The same entries as those of the single endpoints.
    let mut asked = town.venues[0].asked();
    asked.sort();
    assert_eq!(asked, ["book BTC-USD 25", "ticker BTC-USD"]);
    let market = town.market("BTC/USD").await;
    town.desks[0].tickers.get(&market, ask()).await.unwrap();
    assert_eq!(town.venues[0].asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_bid_above_anothers_ask_is_seen() {
    let town = town([(USD, "99", "101"), (USD, "102", "103"), (USD, "120", "119")]).await;
    let comparison = compare(&town, "BTC/USD", false).await;
    let (bid, ask) = comparison.best(Instant::now());
    let (bid, ask) = (bid.unwrap(), ask.unwrap());
    // A market that is crossed in itself cannot be, and does not count.
    assert_eq!(
        (comparison.sides[bid.side].exchange, comparison.sides[ask.side].exchange),
        ("kraken", "bitfinex")
    );
    assert_eq!(spread(&bid.offer, &ask.offer).unwrap().to_string(), "-1");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_slow_or_fails_spoils_nothing() {
    let town = town([(USD, "99", "101"), (USD, "98", "102"), (USD, "97", "103")]).await;
    town.venues[0].set(|it| it.delay = ms(60_000));
    town.venues[1].set(|it| it.book = Some(UpstreamError::Maintenance));
    let began = Instant::now();
    let comparison = compare(&town, "BTC/USD", false).await;
    assert!(began.elapsed() <= ms(5_000), "{:?}", began.elapsed());
    let slow = glance(&comparison, 0);
    assert!(slow.quotes(Instant::now()).is_none() && slow.stamps().next().is_none());
    let is_late = |error: Option<ServiceError>| match error {
        Some(ServiceError::Part { part, source }) => {
            part == "ticker"
                && matches!(*source, ServiceError::UpstreamTimeout | ServiceError::DeadlineExceeded)
        }
        _ => false,
    };
    assert!(is_late(slow.problem()));
    let without_book = glance(&comparison, 1);
    let quotes = without_book.quotes(Instant::now()).unwrap();
    assert_eq!((quotes.from, quotes.bid.unwrap().amount), (OfferedIn::Ticker, None));
    let Some(ServiceError::Part { part: "orderbook", .. }) = without_book.problem() else {
        panic!("{:?}", without_book.problem())
    };
    assert!(glance(&comparison, 2).problem().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_told_and_not_counted() {
    let town = town([(USD, "99", "101"), (USD, "98", "102"), (USD, "97", "103")]).await;
    compare(&town, "BTC/USD", false).await;
    town.venues[0].set(|it| (it.ticker, it.book) = (Some(LOST), Some(LOST)));
    advance(ms(10_000)).await;
    let comparison = compare(&town, "BTC/USD", false).await;
    let old = glance(&comparison, 0).quotes(Instant::now()).unwrap();
    assert_eq!((old.bid.unwrap().price.to_string(), old.fresh), ("99".to_owned(), false));
    let [bid, ask] = best(&comparison);
    assert_eq!((bid.unwrap().0, ask.unwrap().0), ("kraken", "kraken"));
}

#[tokio::test(start_paused = true)]
async fn quotes_are_mixed_for_those_only_who_want_it() {
    let town = town([(USD, "99", "101"), (BOTH, "98", "102"), (USDT, "100", "103")]).await;
    let strict = compare(&town, "BTC/USD", false).await;
    assert!(!strict.mixes_quotes());
    assert_eq!(strict.sides.len(), 3);
    assert!(matches!(strict.sides[2].view, Err(ServiceError::UnknownSymbol { .. })));
    assert_eq!(best(&strict)[0], Some(("bitfinex", "99".to_owned())));
    let mixed = compare(&town, "BTC/USD", true).await;
    assert!(mixed.mixes_quotes());
    let shown = mixed.sides.iter().map(|side| {
        let market = side.view.as_ref().ok().map(|it| it.market.symbol.to_string());
        (side.exchange, market.unwrap_or_default())
    });
    let expected = [
        ("bitfinex", "BTC/USD"),
        ("kraken", "BTC/USD"),
        ("kraken", "BTC/USDT"),
        ("binance", "BTC/USDT"),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected.map(|(it, at)| (it, at.to_owned())));
    assert_eq!(best(&mixed)[0], Some(("binance", "100".to_owned())));
    let other = compare(&town, "BTC/USDC", true).await;
    assert_eq!(other.sides.len(), 4, "none lists just this one");
}

#[tokio::test(start_paused = true)]
async fn a_market_that_nobody_lists_is_unknown() {
    let town = town([(USD, "99", "101"), (BOTH, "98", "102"), (USDT, "100", "103")]).await;
    let outcome = Comparison::of(&town.all(), "DOGE/USD", true, ask()).await;
    assert!(matches!(outcome.err(), Some(ServiceError::UnknownSymbol { .. })));
    assert!(town.venues.iter().all(|venue| venue.asked().is_empty()));
}
