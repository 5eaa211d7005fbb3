//! What `tidegate plan` foretells comes true: real gateways on virtual time, before a simulated
//! exchange without sockets, under workloads that fit and that do not.

mod counted;
#[path = "../chaos/exchange.rs"]
mod exchange;
mod run;

use std::time::Duration;

use tidegate::{
    config::Config,
    exchange::{Family, bitfinex::PROFILE, coinbase},
    market::Timeframe,
    plan::{Demand, Rhythm, What, Workload, forecast},
};

use run::run;

/// What the simulated exchange lists, calm ones among them.
const MARKETS: [&str; 10] = [
    "BTC/USD", "ETH/USD", "XRP/USD", "LTC/USD", "SOL/USD", "ADA/USD", "DOGE/USD", "DOT/USD",
    "LINK/USD", "AVAX/USD",
];

fn demand(what: What, markets: usize, clients: u32, every_ms: u64, rhythm: Rhythm) -> Demand {
    Demand {
        what,
        symbols: MARKETS[..markets].iter().map(|symbol| (*symbol).to_owned()).collect(),
        clients,
        every: Duration::from_millis(every_ms),
        max_age: None,
        limit: 20,
        rhythm,
    }
}

fn workload(demands: Vec<Demand>) -> Workload {
    Workload { demands, latency: Duration::from_millis(120) }
}

fn without_feed() -> Config {
    let mut config = Config::default();
    config.feed.enabled = false;
    config
}

/// Within 5 %, or one where that is more.
fn agree(seen: f64, told: f64, floor: f64) -> bool {
    (seen - told).abs() <= (0.05 * seen).max(floor)
}

/// Runs a workload and compares it with its forecast.
async fn check(config: Config, workload: Workload, minutes: u64, seed: u64) {
    let told = forecast(&config, &PROFILE, &workload);
    let seen = run(&config, &workload, Duration::from_secs(60 * minutes), seed).await;
    let mut wrong = Vec::new();
    for (family, seen) in Family::ALL.iter().zip(seen.calls_per_minute) {
        let told = told.pools.iter().find(|it| it.pool.families.contains(family));
        let told = told.map_or(0.0, |it| it.calls_per_minute);
        if !agree(seen, told, 1.0) {
            wrong.push(format!("{family:?}: {seen} calls a minute, {told} were told"));
        }
    }
    for (demand, (seen, told)) in
        workload.demands.iter().zip(seen.requests.iter().zip(&told.demands))
    {
        let [requests, refused, degraded] = seen.map(|count| count as f64);
        let (refused, degraded) = (refused / requests, degraded / requests);
        if !agree(refused, told.refused_share, 0.01) || !agree(degraded, told.degraded_share, 0.01)
        {
            wrong.push(format!(
                "{}: of {requests} {refused} refused, {degraded} degraded; told were {told:?}",
                demand.what
            ));
        }
    }
    if !agree(seen.channels as f64, told.live.channels as f64, 0.0)
        || seen.sockets != told.live.sockets
    {
        wrong.push(format!(
            "{} channels on {} sockets, {:?} were told",
            seen.channels, seen.sockets, told.live
        ));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_fits_without_channels() {
    let demands = vec![
        demand(What::Ticker, 6, 2, 8_000, Rhythm::Random),
        demand(What::Orderbook, 6, 2, 8_000, Rhythm::Random),
        demand(What::Candles(Timeframe::M1), 2, 5, 20_000, Rhythm::Even),
        demand(What::Candles(Timeframe::H1), 2, 1, 40_000, Rhythm::Random),
        demand(What::Trades, 1, 2, 20_000, Rhythm::Random),
    ];
    check(without_feed(), workload(demands), 40, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_fits_with_channels() {
    let demands = vec![
        demand(What::Ticker, 6, 4, 10_000, Rhythm::Random),
        demand(What::Orderbook, 6, 1, 20_000, Rhythm::Even),
        demand(What::Candles(Timeframe::M1), 4, 2, 8_000, Rhythm::Even),
        demand(What::Candles(Timeframe::M5), 3, 1, 30_000, Rhythm::Random),
    ];
    check(Config::default(), workload(demands), 20, 2).await;
}

#[tokio::test(start_paused = true)]
async fn twice_too_much() {
    let demands = vec![
        demand(What::Candles(Timeframe::M1), 10, 1, 8_000, Rhythm::Random),
        demand(What::Candles(Timeframe::M5), 10, 1, 8_000, Rhythm::Random),
        demand(What::Candles(Timeframe::M15), 10, 1, 8_000, Rhythm::Random),
        demand(What::Trades, 6, 1, 8_000, Rhythm::Random),
    ];
    let mut config = without_feed();
    // What is refused is refused, not given old.
    config.cache.ohlcv.stale_if_error = Duration::from_secs(15);
    config.cache.trades.stale_while_revalidate = Duration::from_secs(5);
    config.cache.trades.stale_if_error = Duration::from_secs(10);
    // Refusals come in crowds: a mean takes its time.
    check(config, workload(demands), 120, 3).await;
}

#[tokio::test(start_paused = true)]
async fn one_timeframe_only() {
    let demands = vec![demand(What::Candles(Timeframe::M5), 4, 10, 20_000, Rhythm::Even)];
    check(without_feed(), workload(demands), 30, 4).await;
}

#[tokio::test(start_paused = true)]
async fn contexts() {
    let demands = vec![demand(What::Context(Timeframe::M1), 5, 2, 10_000, Rhythm::Random)];
    check(without_feed(), workload(demands), 30, 5).await;
}

#[tokio::test(start_paused = true)]
async fn clients_who_demand_young_data() {
    let young = Demand {
        max_age: Some(Duration::from_secs(4)),
        ..demand(What::Candles(Timeframe::M1), 4, 2, 6_000, Rhythm::Random)
    };
    check(without_feed(), workload(vec![young]), 30, 6).await;
}

/// Coinbase's WebSocket has tickers and books, but no candles that say when they are final.
#[test]
fn what_an_exchange_has_no_channel_for_is_polled() {
    let every = |what| demand(what, 2, 20, 5_000, Rhythm::Random);
    let demands = vec![every(What::Ticker), every(What::Candles(Timeframe::M5))];
    let foretold = forecast(&Config::default(), &coinbase::PROFILE, &workload(demands));
    let live: Vec<_> = foretold.entries.iter().map(|it| (it.what, it.is_live)).collect();
    let candles = What::Candles(Timeframe::M5);
    let expected = [(What::Ticker, true), (candles, false)].map(|it| [it, it]).concat();
    assert_eq!(live, expected);
    assert!(foretold.entries.iter().all(|it| !it.lacks_room), "{foretold:?}");
    // A hot series costs a call for each ttl of ten seconds and what it waits for beyond.
    let fetches = foretold.entries[2].fetches_per_minute;
    assert!((4.0..=6.5).contains(&fetches), "{fetches}");
}
