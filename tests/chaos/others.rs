//! The same for exchanges whose streams prove less than Bitfinex's: only what they can prove goes
//! wrong on them, and they are given the time that they take to tell.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tidegate::{
    app::{App, Part as Served},
    clock::Clock,
    config::Config,
    feed::Feed,
    market::UnixMs,
    sim::{Family, Fault, Kind, SimClock, SimConfig, Venue, WsAction, WsConfig, WsFault, WsRule},
};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    START, TRADES, ask,
    exchange::InProcess,
    oracle::Oracle,
    truth::{Part, same},
};

/// How long each seed's market goes on.
const MINUTES: u64 = 2;

/// The longest that an exchange takes to tell what has happened: books and tickers are looked at
/// once a second.
const TELLING_MS: i64 = 1_000;

/// How often its sockets look whether they have something to say.
const TICK: Duration = Duration::from_millis(250);

/// What a test has to be told of an exchange.
#[derive(Clone, Copy)]
struct Case {
    kind: Kind,
    markets: [&'static str; 3],
    channels: &'static [&'static str],
    /// As its simulation names the markets.
    names: [&'static str; 3],
    /// Levels a side of a book that the exchange's own proof is about.
    proven_levels: usize,
    /// What can go wrong on a channel so that the proof shows it.
    betrayed: fn(&'static str, u32) -> WsRule,
    /// What can go wrong with the exchange as a whole.
    refuses: &'static [Fault],
    /// Connections that the exchange bears in ten minutes.
    connections: u64,
    /// Parts that come from streams.
    streams: &'static [Part],
}

const KRAKEN: Case = Case {
    kind: Kind::Kraken,
    markets: ["BTC-USD", "ETH-USD", "XRP-USD"],
    names: ["BTC/USD", "ETH/USD", "XRP/USD"],
    channels: &["ticker", "orderbook", "trades", "ohlcv:1m"],
    proven_levels: 10,
    betrayed: |name, times| match times {
        1 => WsFault::WrongChecksum.times("book", name, 1),
        2 => WsFault::LoseFrame.times("book", name, 1),
        _ => WsFault::CorruptLevel.times("book", name, times),
    },
    refuses: &[Fault::Maintenance, Fault::NotReady, Fault::RateLimited { retry_after: None }],
    connections: 150,
    streams: &Part::ALL,
};

const COINBASE: Case = Case {
    kind: Kind::Coinbase,
    markets: ["BTC-USD", "ETH-USD", "XRP-USD"],
    names: ["BTC-USD", "ETH-USD", "XRP-USD"],
    channels: &["ticker", "orderbook", "trades"],
    proven_levels: 20,
    betrayed: |name, times| {
        let channel = ["book", "trades", "ticker"][times as usize % 3];
        WsFault::LoseFrame.times(channel, name, 1)
    },
    refuses: &[Fault::Maintenance, Fault::NotReady, Fault::RateLimited { retry_after: None }],
    connections: 150,
    streams: &[Part::Ticker, Part::Orderbook],
};

const BINANCE: Case = Case {
    kind: Kind::Binance,
    markets: ["BTC-USDT", "ETH-USDT", "XRP-USDT"],
    names: ["BTCUSDT", "ETHUSDT", "XRPUSDT"],
    channels: &["ticker", "orderbook", "trades", "ohlcv:1m"],
    proven_levels: 20,
    betrayed: |name, _| WsFault::LoseFrame.times("book", name, 1),
    refuses: &[Fault::Maintenance, Fault::NotReady, Fault::Banned { retry_after: None }],
    connections: 300,
    streams: &Part::ALL,
};

struct Rig {
    case: Case,
    app: App,
    way: InProcess,
    oracle: Oracle,
    dice: StdRng,
    in_maintenance: bool,
}

impl Rig {
    async fn start(case: Case, seed: u64) -> Self {
        let clock = Clock::anchored(START);
        let exchange = SimConfig {
            exchange: case.kind,
            seed,
            clock: SimClock::Wall(clock.clone()),
            history: Duration::from_secs(3 * 86_400),
            ws: WsConfig { candle_rows: 120, ..WsConfig::default() },
            ..SimConfig::default()
        };
        let oracle = Oracle::new(case.kind, exchange.clone(), clock.clone(), START);
        let way = InProcess::new(Venue::new(exchange), TICK);
        let mut config = Config::default();
        config.exchanges.default = case.kind.as_str().to_owned();
        for site in &mut config.exchanges.sites {
            site.enabled = site.name == case.kind.as_str();
        }
        config.feed.pinned = case.markets.map(str::to_owned).into();
        config.feed.pinned_channels = case.channels.iter().map(|it| it.parse().unwrap()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (settings, connector) = (config.feed.clone(), Arc::new(way.clone()));
        let adapter = way.adapter(case.kind, clock.clone());
        let spoken = adapter.clone();
        let part = Served::new(adapter, move |sink, metrics, tasks| {
            Feed::start(&settings, spoken, connector, sink, metrics, tasks)
        });
        let app = App::with_many(config, vec![part], clock, listener).await.expect("a gateway");
        let dice = StdRng::seed_from_u64(seed);
        Self { case, app, way, oracle, dice, in_maintenance: false }
    }

    fn one_of<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.dice.random_range(0..these.len())].clone()
    }

    /// Something goes wrong.
    fn strike(&mut self) {
        let venue = self.way.venue.clone();
        let case = self.case;
        let name = self.one_of(&case.names);
        let channel = self.one_of(&["ticker", "trades", "book", "candles"]);
        let times = self.dice.random_range(1..4);
        match self.dice.random_range(0..14) {
            0 => venue.ws_now(WsAction::Drop),
            1 => venue.ws_now(WsAction::Restart),
            // Others than Kraken do not tell.
            2 if self.case.kind == Kind::Kraken && !self.in_maintenance => {
                self.in_maintenance = true;
                venue.ws_now(WsAction::MaintenanceStart);
            }
            3 | 4 => {
                self.way.cuts.fetch_add(1, Ordering::SeqCst);
            }
            5 => {
                let rule = WsFault::SilenceHeartbeats.always();
                venue.ws_fault(WsRule { for_ms: Some(20_000), ..rule });
            }
            6 => {
                venue.ws_fault(WsFault::SlowAck { ms: 3_000 }.times(channel, name, times));
                venue.ws_now(WsAction::Drop);
            }
            7 => {
                venue.ws_fault(WsFault::DataFirst { ms: 700 }.times(channel, name, times));
                venue.ws_now(WsAction::Drop);
            }
            8 => {
                let rule = WsFault::Refuse { status: 503 }.always();
                venue.ws_fault(WsRule { times: Some(2), ..rule });
                venue.ws_now(WsAction::Drop);
            }
            9 => {
                let (family, fault) = self.one_of(&[
                    (Family::Candles, 0),
                    (Family::Book, 1),
                    (Family::Trades, 0),
                    (Family::Ticker, 1),
                ]);
                venue.fault(self.case.refuses[fault].clone().times(family, times));
            }
            // Whoever is refused for its many calls asks nothing for a while.
            10 if self.dice.random_bool(0.5) => {
                let fault = self.case.refuses[2].clone().always();
                venue.fault(tidegate::sim::FaultRule { times: Some(1), ..fault });
            }
            _ => venue.ws_fault((self.case.betrayed)(name, times)),
        }
    }

    fn mend(&mut self) {
        if std::mem::take(&mut self.in_maintenance) {
            self.way.venue.ws_now(WsAction::MaintenanceEnd);
        }
    }

    /// When something was so that is told to be `age` old, to the millisecond, and when else the
    /// exchange may have looked last.
    fn moments(&self, age: i64) -> impl Iterator<Item = UnixMs> + use<> {
        let exact = self.way.venue.now().millis() - age;
        let tick = i64::try_from(TICK.as_millis()).expect("short");
        let looked = exact - exact.rem_euclid(tick);
        let ticks = (0..=TELLING_MS / tick).map(move |back| looked - back * tick);
        [exact, exact - 1].into_iter().chain(ticks).map(UnixMs::from_millis)
    }

    /// The true minutes from the first that was served on. One that has just begun is in a stream
    /// once something was traded in it.
    fn minutes(&self, id: &str, served: &[Vec<f64>], at: UnixMs) -> Vec<Vec<f64>> {
        let mut truth = self.oracle.minutes(id, (served[0][0] as i64, at.millis()), at);
        truth
            .pop_if(|newest| newest[5] == 0.0 && served.last().is_some_and(|it| it[0] < newest[0]));
        truth
    }

    /// Compares every part of an answer with the truth at its age.
    fn judge(&self, id: &str, context: &Value, sources: &mut Sources) {
        let now = self.way.venue.now().millis();
        for part in Part::ALL {
            let told = &context["data_quality"]["parts"][part.name()];
            let Some(age) = told["age_ms"].as_i64() else {
                assert_eq!((part, &context["orderbook"]), (Part::Orderbook, &Value::Null));
                continue;
            };
            let source = told["source"].as_str().unwrap_or_default();
            let served = match part {
                Part::Ticker => vec![part.served(context)[0][..3].to_vec()],
                Part::Ohlcv => part.served(context),
                Part::Orderbook => self.proven(part.served(context)),
            };
            let true_at = |at: UnixMs| match part {
                Part::Orderbook => self.proven(self.oracle.book(id, at)),
                Part::Ticker => vec![self.oracle.ticker(id, at).to_vec()],
                Part::Ohlcv => self.minutes(id, &served, at),
            };
            let holds = self.moments(age).any(|at| same(&served, &true_at(at)));
            let truth = true_at(UnixMs::from_millis(now - age));
            let differs = |(a, b): &(&Vec<f64>, &Vec<f64>)| !same(&[a.to_vec()], &[b.to_vec()]);
            let differs: Vec<_> = served.iter().zip(&truth).filter(differs).take(2).collect();
            assert!(
                holds,
                "{} {part:?} of {id} at {now}, {age} ms old, from {source}: {} rows served, {} \
                 are true; {differs:?}",
                self.case.kind,
                served.len(),
                truth.len(),
            );
            *sources.entry((part, source.to_owned())).or_default() += 1;
        }
    }

    /// The sides of a book, each a row of prices and amounts, as far as the exchange proves them.
    fn proven(&self, mut book: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        book.iter_mut().for_each(|side| side.truncate(2 * self.case.proven_levels));
        book
    }

    /// Compares trades with the truth: none is missing between them, nor of those before the
    /// moment that the age tells, to the second and what the exchange takes.
    fn judge_trades(&self, id: &str, served: &[Value], age: i64) {
        let now = self.way.venue.now();
        let moment = now.millis() - 1_000 * (age + 1) - TELLING_MS;
        let newest = self.oracle.trades(id, now);
        let served: Vec<i64> =
            served.iter().map(|it| it["id"].as_str().unwrap().parse().unwrap()).collect();
        let last = served.last().expect("these markets have traded");
        let end = newest.iter().position(|trade| trade.id == *last);
        let end = end.unwrap_or_else(|| panic!("{id} at {now}: {last} is no true trade"));
        let truth = newest[end..].iter().take(served.len()).map(|trade| trade.id);
        assert!(truth.eq(served.iter().rev().copied()), "{id} at {now}: trades are missing");
        let unseen = newest[..end].iter().all(|trade| trade.at.millis() > moment);
        assert!(unseen, "{id} at {now}: trades are older than {age} s, and not there");
    }
}

/// How often a part came from where.
type Sources = HashMap<(Part, String), u32>;

async fn endure(case: Case, seed: u64, sources: &mut Sources) -> u32 {
    let mut rig = Rig::start(case, seed).await;
    let end = Instant::now() + Duration::from_secs(60 * MINUTES);
    let mut next_fault = Instant::now() + Duration::from_secs(20);
    let mut refused = 0;
    while Instant::now() < end {
        let pause = rig.dice.random_range(20..1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if Instant::now() >= next_fault {
            rig.mend();
            rig.strike();
            let quiet = rig.dice.random_range(2..9);
            next_fault = Instant::now() + Duration::from_secs(quiet);
        }
        let id = rig.one_of(&case.markets);
        let context = format!("/api/market-data/market-context/{id}?timeframe=1m&limit=60");
        let trades = format!("/api/market-data/trades/{id}?limit={TRADES}");
        for path in [context, trades] {
            match ask(&rig.app, &path).await {
                (200, age, Value::Array(trades)) => rig.judge_trades(id, &trades, age),
                (200, _, context) => rig.judge(id, &context, sources),
                (status, _, problem) => {
                    assert!([502, 503, 504].contains(&status), "{status} {problem}");
                    refused += 1;
                }
            }
        }
    }
    let counts = rig.way.venue.counts();
    assert_eq!(counts.refused_total(), 0, "the exchange's limits held");
    let asked = counts.ws.connections + counts.ws.refused_connections;
    assert!(asked <= case.connections * MINUTES / 10, "{asked} connections");
    refused
}

async fn endures(case: Case) {
    let mut sources = Sources::new();
    let mut refused = 0;
    for seed in 1..=2 {
        refused += endure(case, seed, &mut sources).await;
    }
    // The test has seen what it is about: parts from streams and, after faults, from REST.
    for part in Part::ALL {
        let of = |source: &str| sources.get(&(part, source.to_owned())).copied().unwrap_or(0);
        let (streamed, fetched) = (of("stream"), of("rest"));
        assert_eq!(streamed > 20, case.streams.contains(&part), "{part:?}: {sources:?}");
        assert!(fetched > 0, "{part:?} was never fetched: {sources:?}");
    }
    let served: u32 = sources.values().sum();
    assert!(served > 4 * refused, "{refused} refused, {served} parts served");
}

#[tokio::test(start_paused = true)]
async fn kraken_is_told_as_it_was() {
    endures(KRAKEN).await;
}

#[tokio::test(start_paused = true)]
async fn coinbase_is_told_as_it_was() {
    endures(COINBASE).await;
}

#[tokio::test(start_paused = true)]
async fn binance_is_told_as_it_was() {
    endures(BINANCE).await;
}
