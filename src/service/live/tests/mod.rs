//! The room as its callers see it, in paused virtual time: a scripted exchange, channels played by
//! hand, entries read through the products.

mod books;
mod candles;
mod clear;
mod gather;
mod holes;
mod polls;
mod property;
mod quiet;
mod reads;
mod tickers;
mod trades;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    cache::{Ask, Cache, Demand, Source, Stamp},
    clock::Clock,
    config::{Config, Current},
    exchange::{
        Data, Exchange, Fetch, MarketList, NativeQuery, Profile, Stream, TickerList, Topic,
        UpstreamError, bitfinex::PROFILE,
    },
    feed::{Bell, Feed, Item, Mode, News, Sink, Turn},
    market::{
        Book, BookQuery, BookSide, Bound, Candle, CandleQuery, Change, Identity, Kind, Level,
        Listing, Number, Precision, Raw, Side, Symbol, Ticker, Timeframe, Trade, TradeQuery,
        UnixMs,
    },
    service::{CandleView, Candles, Desk, Followed, Product, TradeView, Trades},
    store::Store,
    tasks::Tasks,
    telemetry::Metrics,
    upstream::Upstream,
};

/// The wall time at which every test begins: the very start of a bucket of five minutes.
const START: i64 = 1_700_000_100_000;
const MINUTE: i64 = 60_000;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn raw() -> Raw {
    Raw::copy_of(serde_json::from_str("[]").unwrap())
}

fn number(value: impl ToString) -> Number {
    value.to_string().parse().unwrap()
}

fn listing(base: &str) -> Listing {
    Listing {
        symbol: Symbol::spot(base, "USD"),
        id: format!("t{base}USD").into(),
        base: base.into(),
        quote: "USD".into(),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    }
}

fn ticker(last: i64) -> Ticker {
    Ticker { last: Some(number(last)), ..Ticker::bare(raw()) }
}

/// A minute's candle, counted from [`START`].
fn candle(minute: i64, close: i64) -> Candle {
    Candle {
        open_time: UnixMs::from_millis(START + minute * MINUTE),
        open: number(close),
        high: number(close),
        low: number(close),
        close: number(close),
        volume: number(1),
    }
}

fn trade(id: i64) -> Trade {
    Trade {
        id,
        at: UnixMs::from_millis(START + id),
        side: Side::Buy,
        price: number(id),
        amount: number(1),
        raw: raw(),
    }
}

fn level(side: BookSide, price: i64, amount: Option<i64>) -> Change {
    let amount = amount.map(number);
    Change { side, price: number(price), number: 0, amount, raw: raw() }
}

/// What the exchange answers to requests.
#[derive(Default)]
struct Script {
    ticker: i64,
    candles: Vec<Candle>,
    trades: Vec<Trade>,
    book: i64,
    /// What it takes longer than usual.
    delay: Duration,
}

/// An exchange with two markets that notes what it is asked, and takes 100 ms for it.
#[derive(Default)]
struct Fake {
    script: Mutex<Script>,
    asked: Mutex<Vec<String>>,
    fails: AtomicBool,
    /// Bitfinex's, unless another is given.
    profile: Option<Profile>,
}

impl Fake {
    fn asked(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }

    fn answer<T: Send + 'static>(&self, value: impl FnOnce(&Script) -> T) -> Fetch<'static, T> {
        let (value, delay) = {
            let script = self.script.lock().unwrap();
            (value(&script), script.delay)
        };
        let fails = self.fails.load(Ordering::SeqCst);
        async move {
            sleep(ms(100) + delay).await;
            if fails { Err(UpstreamError::Unavailable { status: 500 }) } else { Ok(value) }
        }
        .boxed()
    }
}

impl Exchange for Fake {
    fn profile(&self) -> &Profile {
        self.profile.as_ref().unwrap_or(&PROFILE)
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let listings = vec![listing("BTC"), listing("ETH")];
        self.answer(|_| MarketList { listings, documents: Vec::new() })
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        self.asked(format!("ticker {}", market.id));
        self.answer(|script| ticker(script.ticker))
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        self.asked("tickers");
        self.answer(|script| {
            let rows = ["tBTCUSD", "tETHUSD"].map(|id| (id.to_owned(), ticker(script.ticker)));
            TickerList { rows: rows.into(), body: Bytes::new() }
        })
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        self.asked(format!("book {}", query.depth));
        self.answer(|script| {
            let level =
                |price: i64| vec![Level { price: number(price), amount: number(1), raw: raw() }];
            Book { bids: level(script.book), asks: level(script.book + 1), ..Book::default() }
        })
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        let minute = |at: UnixMs| (at.millis() - START) / MINUTE;
        let (since, until) = (query.since.map(minute), query.until.map(minute));
        self.asked(format!("candles {} {since:?} {until:?}", query.limit));
        let (limit, since, until) = (query.limit as usize, query.since, query.until);
        self.answer(|script| {
            let rows = script.candles.iter().filter(|row| {
                since.is_none_or(|since| row.open_time >= since)
                    && until.is_none_or(|until| row.open_time <= until)
            });
            let rows: Vec<Candle> = rows.cloned().collect();
            let first = if since.is_some() { 0 } else { rows.len().saturating_sub(limit) };
            rows.into_iter().skip(first).take(limit).collect()
        })
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        self.asked(format!("trades {}", query.limit));
        let limit = query.limit as usize;
        self.answer(|script| {
            let surplus = script.trades.len().saturating_sub(limit);
            script.trades[surplus..].to_vec()
        })
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        self.answer(|_| Vec::new())
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        self.answer(|_| Bytes::new())
    }
}

/// The products of the scripted exchange, with its channels in the test's hands.
struct Bench {
    desk: Desk,
    fake: Arc<Fake>,
    sink: Arc<dyn Sink>,
    market: Arc<Listing>,
    started: Instant,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        Self::at(Fake::default(), config).await
    }

    async fn at(fake: Fake, config: Config) -> Self {
        let started = Instant::now();
        let (fake, clock) = (Arc::new(fake), Clock::anchored(UnixMs::from_millis(START)));
        let (tasks, metrics) = (Tasks::new(|name| panic!("{name} panicked")), Metrics::new());
        let pools: Vec<_> = PROFILE.pools.iter().map(|pool| (pool, pool.per_minute)).collect();
        let upstream = Upstream::new(PROFILE.name, &pools, &config.upstream, &metrics, &tasks);
        let cache = Cache::new(1 << 24, secs(30), clock.clone(), metrics.clone(), tasks.clone());
        let mut into = None;
        let open = |sink| {
            into = Some(sink);
            Feed::disabled()
        };
        let desk = Desk::new(
            fake.clone(),
            upstream,
            (cache, Store::off()),
            &Current::new(config),
            (clock, &metrics),
            open,
            &tasks,
        );
        let deadline = Instant::now() + secs(5);
        let ask = Ask::by(deadline);
        let market = desk.markets.resolve("BTC/USD", ask).await.unwrap();
        Self { desk, fake, sink: into.unwrap(), market, started }
    }

    /// Waits until so long after [`START`].
    async fn until(&self, millis: u64) {
        sleep_until(self.started + ms(millis)).await;
    }

    fn topic(&self, stream: Stream) -> Arc<Topic> {
        Arc::new(Topic { id: self.market.id.clone(), stream })
    }

    fn ticker_topic(&self) -> Arc<Topic> {
        self.topic(Stream::Ticker)
    }

    fn trades_topic(&self) -> Arc<Topic> {
        self.topic(Stream::Trades)
    }

    fn candles_topic(&self) -> Arc<Topic> {
        self.topic(Stream::Candles(Timeframe::M1))
    }

    fn book_topic(&self, depth: u32) -> Arc<Topic> {
        self.topic(Stream::Book { precision: Precision::P0, depth })
    }

    fn turn(&self, topic: &Arc<Topic>, turn: Turn) {
        self.sink.turn(topic, &turn, Instant::now());
    }

    fn data(&self, topic: &Arc<Topic>, data: Data) {
        self.sink.data(topic, &data, Instant::now());
    }

    /// The channel opens and brings its snapshot.
    fn open(&self, topic: &Arc<Topic>, snapshot: Data) {
        self.turn(topic, Turn::Opened);
        self.data(topic, snapshot);
    }

    /// What the exchange was asked since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.fake.asked.lock().unwrap())
    }

    fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.fake.script.lock().unwrap());
    }

    fn ask(&self) -> Ask {
        Ask::by(Instant::now() + secs(10))
    }

    /// Nothing but a fetch can meet this.
    fn ask_anew(&self) -> Ask {
        let demand = Demand { max_age: Some(Duration::ZERO), ..Demand::default() };
        Ask { demand, ..self.ask() }
    }

    async fn candles(&self, limit: u32) -> Candles {
        let (timeframe, since, until) = (Timeframe::M1, None, None);
        let view = CandleView { timeframe, limit, since, until, closed_only: false };
        self.desk.candles.get(&self.market, view, self.ask()).await.unwrap()
    }

    async fn trades(&self, limit: u32, ask: Ask) -> Trades {
        let view = TradeView { limit, since: None, until: None };
        self.desk.trades.get(&self.market, view, ask).await.unwrap()
    }

    fn follow(&self, topic: &Arc<Topic>) -> Listener {
        let bell = Arc::new(Bell::default());
        let market = Some(&self.market);
        let followed = self.desk.live.follow(topic, market, Identity::Price, &bell, None).unwrap();
        Listener { followed, hub: self.desk.live.hub().clone() }
    }

    fn mode(&self, topic: &Topic) -> Mode {
        self.desk.live.mode(topic)
    }
}

struct Listener {
    followed: Followed,
    hub: crate::feed::Hub,
}

impl Listener {
    /// What was told since the last call.
    fn news(&mut self) -> Vec<News> {
        let mut items = Vec::new();
        self.followed.follower.take(self.hub.published(), &mut items);
        let news = items.into_iter().filter_map(|item| match item {
            Item::Update(update) => Some(update.news.clone()),
            Item::Skipped(..) => None,
        });
        news.collect()
    }
}

/// Source, and age in milliseconds.
fn about(stamp: &Stamp) -> (Source, u128) {
    (stamp.source, stamp.age(Instant::now()).as_millis())
}
