//! An hour of a fleet's requests, and the calls that they cost: in virtual time, in process.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tidegate::{
    clock::Clock,
    config,
    market::UnixMs,
    sim::{MarketEngine, SimClock, SimConfig, Venue, engine::Instrument},
};
use tokio::{runtime::Builder, time::Instant};

use crate::{
    gateway::Gateway,
    rival::Rival,
    tally::Tally,
    trace::{self, Request},
};

/// 2026-11-22T14:00:00Z.
const START: UnixMs = UnixMs::from_millis(1_795_356_000_000);
/// Enough for 500 bars of an hour.
const HISTORY: Duration = Duration::from_secs(30 * 86_400);

/// Who is compared.
#[derive(Clone, Copy)]
enum Who {
    Tidegate { feeds: bool },
    Cache,
    Nobody,
}

const COMPARED: [(&str, Who, bool); 5] = [
    ("tidegate, feeds off", Who::Tidegate { feeds: false }, true),
    ("tidegate, feeds on", Who::Tidegate { feeds: true }, true),
    ("cache by URL and ttl", Who::Cache, true),
    ("cache by URL and ttl, no limits *", Who::Cache, false),
    ("each bot by itself", Who::Nobody, true),
];

/// Prints what an hour of the fleet costs with and without a gateway.
///
/// # Errors
/// A gateway cannot be started, or answers what cannot be read.
pub(crate) fn compare(requests: &[Request]) -> anyhow::Result<()> {
    explain(requests.len());
    println!("{}", Tally::heading());
    for (name, who, limited) in COMPARED {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        println!("{}", runtime.block_on(run(name, who, limited, requests))?);
    }
    Ok(())
}

fn explain(requests: usize) {
    let policy = config::Cache::default().ohlcv;
    let seconds = |time: Duration| time.as_secs();
    println!(
        "An hour of {} bots on {} markets, 1m 5m 15m 1h, {requests} requests, from a cold start.\n\
         The exchange allows 30 candle calls a minute and shuts out for a minute who exceeds them.\n\
         The cache by URL has tidegate's own times (candles: fresh {} s, then {} s while fetched anew,\n\
         {} s where that fails, failures remembered {} s) and no budget. * nothing is refused\n",
        trace::BOTS,
        trace::MARKETS,
        seconds(policy.ttl),
        seconds(policy.stale_while_revalidate),
        seconds(policy.stale_if_error),
        seconds(policy.negative_ttl),
    );
}

/// A cold exchange at the beginning of the hour.
fn venue(enforce: bool) -> (Venue, Clock) {
    let clock = Clock::anchored(START);
    let config = SimConfig {
        clock: SimClock::Wall(clock.clone()),
        history: HISTORY,
        enforce,
        ..SimConfig::default()
    };
    (Venue::new(config), clock)
}

async fn run(name: &str, who: Who, limited: bool, requests: &[Request]) -> anyhow::Result<String> {
    let (venue, clock) = venue(limited);
    let mut tally = match who {
        Who::Tidegate { feeds } => {
            let gateway = Gateway::start(venue.clone(), clock, feeds).await?;
            let tally = at_its_gateway(&gateway, requests).await?;
            gateway.stop().await;
            tally
        }
        Who::Cache => {
            at_a_rival(Rival::new(venue.clone(), Some(config::Cache::default())), requests).await
        }
        Who::Nobody => at_a_rival(Rival::new(venue.clone(), None), requests).await,
    };
    Ok(tally.row(name, &venue.counts()))
}

/// Asks at the times of the trace, whether earlier requests are answered or not.
async fn at_its_gateway(gateway: &Gateway, requests: &[Request]) -> anyhow::Result<Tally> {
    let (begin, mut tally) = (Instant::now(), Tally::default());
    let mut open = FuturesUnordered::new();
    for request in requests {
        let due = tokio::time::sleep_until(begin + request.at);
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                Some(outcome) = open.next() => tally.add(outcome?),
                () = &mut due => break,
            }
        }
        open.push(gateway.ask(request));
    }
    while let Some(outcome) = open.next().await {
        tally.add(outcome?);
    }
    Ok(tally)
}

async fn at_a_rival(mut rival: Rival, requests: &[Request]) -> Tally {
    let (begin, mut tally) = (Instant::now(), Tally::default());
    for request in requests {
        tokio::time::sleep_until(begin + request.at).await;
        tally.add(rival.ask(request));
    }
    tally
}

/// Every market against the dollar, by the exchange's own name, the most traded one first.
pub(crate) fn most_traded(market: &MarketEngine, now: UnixMs) -> Vec<String> {
    let is_spot = |pair: &&Instrument| !pair.is_funding() && !pair.is_perpetual();
    let pairs = market.instruments().iter().filter(is_spot);
    let pairs = pairs.filter(|pair| pair.quote() == "USD" && !pair.symbol().contains("TEST"));
    let mut traded: Vec<_> = pairs
        .map(|pair| {
            let ticker = market.ticker(pair, now);
            (ticker.volume * ticker.last, pair.symbol().to_owned())
        })
        .collect();
    traded.sort_by(|a, b| b.0.total_cmp(&a.0));
    traded.into_iter().map(|(_, symbol)| symbol).collect()
}

/// The hour's requests.
///
/// # Errors
/// There is no runtime for the clock.
pub(crate) fn requests() -> anyhow::Result<Vec<Request>> {
    // The exchange's clock is a runtime's.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut markets = runtime.block_on(async { most_traded(venue(false).0.market(), START) });
    markets.truncate(trace::MARKETS);
    Ok(trace::trace(1, &markets))
}
