//! Everything goes wrong at random, for minutes of the market, and at no moment is anything served
//! that was not so at the exchange at the age that the answer states.

mod exchange;
mod oracle;
mod others;
mod truth;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tidegate::{
    api::{Surface, router},
    app::App,
    clock::Clock,
    config::Config,
    feed::Feed,
    market::UnixMs,
    sim::{
        Family, Fault, Kind, SimClock, SimConfig, Venue, WsAction, WsConfig, WsFault, WsRule,
        engine::Window,
    },
};
use tokio::{net::TcpListener, time::Instant};
use tower::ServiceExt as _;

use exchange::InProcess;
use truth::{Part, same};

const MARKETS: [&str; 4] = ["tBTCUSD", "tETHUSD", "tXRPUSD", "tLTCUSD"];

/// Trades that are asked for.
const TRADES: usize = 25;

/// How long each seed's market goes on.
const MINUTES: u64 = 4;

/// 2026-11-22T14:00:00Z.
const START: UnixMs = UnixMs::from_millis(1_795_356_000_000);

/// How often the exchange's sockets look whether they have something to say.
const TICK: Duration = Duration::from_millis(100);

/// Status, `Age` in seconds and body.
async fn ask(app: &App, path: &str) -> (u16, i64, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(app.gateway().clone(), Surface::Whole).oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers());
    let age = headers.get("age").map_or(0, |age| age.to_str().unwrap().parse().unwrap());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, age, serde_json::from_slice(&body).unwrap())
}

struct Rig {
    app: App,
    venue: Venue,
    dice: StdRng,
    in_maintenance: bool,
}

impl Rig {
    async fn start(seed: u64) -> Self {
        let clock = Clock::anchored(START);
        let ws = WsConfig { candle_rows: 120, ..WsConfig::default() };
        let venue = Venue::new(SimConfig {
            seed,
            clock: SimClock::Wall(clock.clone()),
            history: Duration::from_secs(3 * 86_400),
            ws,
            ..SimConfig::default()
        });
        let mut config = Config::default();
        config.feed.pinned = MARKETS.map(str::to_owned).into();
        config.feed.pinned_channels =
            ["ticker", "orderbook", "trades", "ohlcv:1m"].map(|it| it.parse().unwrap()).into();
        let exchange = InProcess::new(venue.clone(), TICK);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (settings, connector) = (config.feed.clone(), Arc::new(exchange.clone()));
        let exchange = exchange.adapter(Kind::Bitfinex, clock.clone());
        let spoken = exchange.clone();
        let open = |sink, metrics: &_, tasks: &_| {
            Feed::start(&settings, spoken, connector, sink, metrics, tasks)
        };
        let app = App::with_parts(config, exchange, open, clock, listener);
        let app = app.await.expect("a gateway");
        Self { app, venue, dice: StdRng::seed_from_u64(seed), in_maintenance: false }
    }

    fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.dice.random_range(0..these.len())]
    }

    /// Something goes wrong.
    fn strike(&mut self) {
        let market = self.one_of(&MARKETS);
        let channel = self.one_of(&["ticker", "trades", "book", "candles"]);
        let times = self.dice.random_range(1..4);
        let rule = |fault: WsFault| self.venue.ws_fault(fault.times(channel, market, times));
        match self.dice.random_range(0..16) {
            0 => self.venue.ws_now(WsAction::Drop),
            1 => self.venue.ws_now(WsAction::Restart),
            2 if !self.in_maintenance => {
                self.in_maintenance = true;
                self.venue.ws_now(WsAction::MaintenanceStart);
            }
            3 => rule(WsFault::LoseFrame),
            // Heartbeats, and both reports of a trade, so that neither makes up for the other.
            4 => self.venue.ws_fault(WsFault::LoseFrame.times("trades", "tBTCUSD", 4)),
            5 | 6 => self.venue.ws_fault(WsFault::CorruptLevel.times("book", market, times)),
            7 | 8 => rule(WsFault::Freeze { heartbeats: false }),
            9 => {
                let rule = WsFault::SilenceHeartbeats.always();
                self.venue.ws_fault(WsRule { for_ms: Some(40_000), ..rule });
            }
            10 => rule(WsFault::SlowAck { ms: 3_000 }),
            11 => rule(WsFault::DataFirst { ms: 700 }),
            12 => self.venue.ws_fault(WsFault::ReorderTu.times("trades", market, times)),
            13 => rule(WsFault::GrowRow),
            14 => {
                let rule = WsFault::Refuse { status: 503 }.always();
                self.venue.ws_fault(WsRule { times: Some(2), ..rule });
                self.venue.ws_now(WsAction::Drop);
            }
            _ => self.venue.fault(Fault::Maintenance.times(Family::Candles, 2)),
        }
    }

    fn mend(&mut self) {
        if std::mem::take(&mut self.in_maintenance) {
            self.venue.ws_now(WsAction::MaintenanceEnd);
        }
    }
}

/// How often a part came from where.
type Sources = HashMap<(Part, String), u32>;

/// Compares every part of an answer with the truth at its age.
fn judge(rig: &Rig, id: &str, context: &Value, sources: &mut Sources) {
    let now = rig.venue.now().millis();
    for part in Part::ALL {
        let told = &context["data_quality"]["parts"][part.name()];
        let Some(age) = told["age_ms"].as_i64() else {
            assert_eq!((part, &context["orderbook"]), (Part::Orderbook, &Value::Null));
            continue;
        };
        let source = told["source"].as_str().unwrap_or_default().to_owned();
        let served = part.served(context);
        // Ages are whole milliseconds, rounded down.
        let moments = [now - age, now - age - 1].map(UnixMs::from_millis);
        let holds =
            moments.iter().any(|at| same(&served, &part.true_at(rig.venue.market(), id, *at)));
        let truth = part.true_at(rig.venue.market(), id, moments[0]);
        let differs = |(a, b): &(&Vec<f64>, &Vec<f64>)| !same(&[a.to_vec()], &[b.to_vec()]);
        let differs: Vec<_> = served.iter().zip(&truth).filter(differs).take(2).collect();
        assert!(
            holds,
            "{part:?} of {id} at {now}, {age} ms old, from {source}: {} rows served, {} are true; \
             {differs:?}",
            served.len(),
            truth.len(),
        );
        *sources.entry((part, source)).or_default() += 1;
    }
}

/// Compares trades with the truth: none is missing between them, nor of those before the moment
/// that the age tells, to the second.
fn judge_trades(rig: &Rig, id: &str, served: &[Value], age: i64) {
    let engine = rig.venue.market();
    let now = rig.venue.now();
    let moment = UnixMs::from_millis(now.millis() - 1000 * (age + 1));
    let newest = engine.trades(engine.find(id).unwrap(), Window::newest(10 * TRADES), now);
    let served: Vec<i64> =
        served.iter().map(|it| it["id"].as_str().unwrap().parse().unwrap()).collect();
    let last = served.last().expect("these markets have traded");
    let end = newest.iter().position(|trade| trade.id == *last).expect("a true trade");
    let truth = newest[end..].iter().take(served.len()).map(|trade| trade.id);
    assert!(truth.eq(served.iter().rev().copied()), "{id} at {now}: trades are missing");
    let unseen = newest[..end].iter().all(|trade| trade.ms > moment.millis());
    assert!(unseen, "{id} at {now}: trades are older than {age} s, and not there");
}

async fn endure(seed: u64) -> (Sources, u64) {
    let mut rig = Rig::start(seed).await;
    let mut sources = Sources::new();
    let end = Instant::now() + Duration::from_secs(60 * MINUTES);
    let mut next_fault = Instant::now() + Duration::from_secs(40);
    let mut refused = 0;
    while Instant::now() < end {
        let pause = rig.dice.random_range(20..1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if Instant::now() >= next_fault {
            rig.mend();
            rig.strike();
            let quiet = rig.dice.random_range(2..10);
            next_fault = Instant::now() + Duration::from_secs(quiet);
        }
        let id = rig.one_of(&MARKETS);
        let context = format!("/api/market-data/market-context/{id}?timeframe=1m&limit=100");
        let trades = format!("/api/market-data/trades/{id}?limit={TRADES}");
        for path in [context, trades] {
            match ask(&rig.app, &path).await {
                (200, age, Value::Array(trades)) => judge_trades(&rig, id, &trades, age),
                (200, _, context) => judge(&rig, id, &context, &mut sources),
                (status, _, problem) => {
                    assert!([502, 503, 504].contains(&status), "{status} {problem}");
                    refused += 1;
                }
            }
        }
    }
    let limits = rig.venue.counts().refused_total();
    assert_eq!(limits, 0, "the exchange's limits held");
    let connections = rig.venue.counts().ws.peak_connections;
    assert!(connections <= 20, "{connections} connections in a minute");
    (sources, refused)
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_nothing_is_served_that_was_not_so() {
    let mut all = Sources::new();
    let mut refused = 0;
    for seed in 1..=3 {
        let (sources, none) = endure(seed).await;
        refused += none;
        for (key, count) in sources {
            *all.entry(key).or_default() += count;
        }
    }
    // The test has seen what it is about: parts from streams and, after faults, from REST.
    for part in Part::ALL {
        for source in ["stream", "rest"] {
            let seen = all.get(&(part, source.to_owned())).copied().unwrap_or(0);
            assert!(seen > 20, "{part:?} came from {source} {seen} times: {all:?}");
        }
    }
    let served: u32 = all.values().sum();
    assert!(u64::from(served) > 20 * refused, "{refused} refused, {served} parts served");
}
