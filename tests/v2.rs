//! `/v2/...` before the simulated exchange, over sockets: a client cannot tell which of them
//! answers, and the exchange is asked no more than it has to be.

use std::time::Duration;

use reqwest::{Client, Method, header::HeaderMap};
use tidegate::{
    app::App,
    clock::Clock,
    config::Config,
    exchange::{Endpoints, bitfinex},
    feed::Feed,
    market::UnixMs,
    sim::{Family, Fault, ManualTime, Sim, SimClock, SimConfig},
    tasks::Tasks,
};
use tokio::net::TcpListener;

/// A Sunday afternoon, 12.345 s into a minute.
const NOW: i64 = 1_795_360_452_345;
const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// A gateway before an exchange whose market has stood still for a day, and that exchange's twin,
/// which can be asked without being counted.
struct Bench {
    app: App,
    sim: Sim,
    twin: Sim,
    client: Client,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What a client reads.
    fn read(&self) -> (u16, &str, &str) {
        (self.status, self.header("content-type"), &self.text)
    }
}

const JSON: &str = "application/json; charset=utf-8";

async fn sim() -> Sim {
    let config = SimConfig {
        seed: 11,
        enforce: false,
        history: Duration::from_secs(40 * 86_400),
        clock: SimClock::Manual(ManualTime::new(UnixMs::from_millis(NOW))),
        ..SimConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sim::start(config, listener, &Tasks::new(|_| {})).await.unwrap()
}

/// Budgets that no test reaches by accident, entries that outlast every test, and time for a machine
/// that stands still.
fn ample() -> Config {
    let mut config = Config::default();
    config.exchanges["bitfinex"].budget.set_all(6_000);
    config.exchanges["bitfinex"].request_timeout = Duration::from_secs(25);
    config.server.request_deadline = Duration::from_secs(30);
    let cache = &mut config.cache;
    for policy in [
        &mut cache.ticker,
        &mut cache.orderbook,
        &mut cache.ohlcv,
        &mut cache.trades,
        &mut cache.status,
    ] {
        policy.ttl = Duration::from_secs(600);
    }
    config
}

impl Bench {
    async fn start(mut config: Config) -> Self {
        let (sim, twin) = (sim().await, sim().await);
        config.feed.enabled = false;
        let request_timeout = config.exchanges["bitfinex"].request_timeout;
        let endpoints = Endpoints { rest_url: sim.rest_url(), request_timeout };
        let exchange = bitfinex::SPEC.open(&endpoints).unwrap();
        let open = |_, _: &_, _: &_| Feed::disabled();
        // Whatever the date is, the market does not stand in the future.
        let clock = Clock::anchored(UnixMs::from_millis(NOW + DAY));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = App::with_parts(config, exchange, open, clock, listener).await.unwrap();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let bench = Self { app, sim, twin, client };
        bench.get("/api/market-data/markets").await;
        bench.sim.reset_counts();
        bench
    }

    async fn fetch(&self, root: &str, method: Method, target: &str, cache: &str) -> Reply {
        let mut request = self.client.request(method, format!("{root}{target}"));
        if !cache.is_empty() {
            request = request.header("cache-control", cache);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{target}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    async fn get(&self, target: &str) -> Reply {
        self.fetch(&self.app.url(), Method::GET, target, "").await
    }

    async fn demand(&self, target: &str, cache: &str) -> Reply {
        self.fetch(&self.app.url(), Method::GET, target, cache).await
    }

    /// The exchange's own answer, which costs nothing.
    async fn twin(&self, target: &str) -> Reply {
        self.fetch(&self.twin.rest_url(), Method::GET, target, "").await
    }

    fn calls(&self) -> u64 {
        self.sim.counts().total()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_the_exchange_does() {
    let bench = Bench::start(ample()).await;
    let (start, end) = (NOW - 90 * MINUTE - 7, NOW - 15 * MINUTE + 3);
    let spans = [
        String::new(),
        "?limit=7".to_owned(),
        "?limit=0&start=0&end=0&sort=0".to_owned(),
        format!("?end={end}&limit=5"),
        format!("?start={start}&sort=1&limit=6"),
        format!("?start={start}&end={end}"),
        format!("?sort=-1&start={start}&limit=8"),
        format!("?limit=300&sort=1&end={end}&start={start}"),
        "?sort=1&limit=3".to_owned(),
    ];
    let mut targets: Vec<String> = [
        "platform/status",
        "conf/pub:list:pair:exchange",
        "conf/pub:list:currency,pub:map:currency:sym,pub:map:currency:undl",
        "conf/pub%3Ainfo%3Apair%2Cpub%3Ainfo%3Apair%3Afutures",
        "ticker/tBTCUSD",
        "ticker/tPEPE%3AUSD",
        "ticker/fUSD",
        "ticker/tNOPEXX",
        "ticker/nope",
        "tickers?symbols=ALL",
        "tickers?symbols=tETHUSD,fUSD,tNOPEXX,tBTCUSD,tPEPE:USD,nope,fEUR",
        "tickers?symbols=tPEPE%3AUSD%2CtBTCUSD",
        "tickers?symbols=tNOPEXX",
        "tickers?symbols=fUSD",
        "tickers",
        "tickers/hist?symbols=tBTCUSD,tETHUSD&limit=4",
        "trades/fUSD/hist?limit=4",
        "trades/tNOPEXX/hist",
        "book/tBTCUSD/P0",
        "book/tBTCUSD/P0?len=1",
        "book/tBTCUSD/P0?len=100&x=1",
        "book/tBTCUSD/P0?len=250",
        "book/tPEPE:USD/P1",
        "book/tBTCUSD/P4",
        "book/tBTCUSD/R0?len=25",
        "book/fUSD/P0",
        "book/tBTCUSD/P0?len=7",
        "book/tBTCUSD/P7",
        "book/tNOPEXX/R0",
        "candles/trade:1m:tBTCUSD/last",
        "candles/trade:14D:tBTCUSD/last",
        "candles/trade:1m:fUSD:p30/hist?limit=3",
        "candles/trade:1h:fUSD:a30:p2:p30/last",
        "candles/trade:4h:tBTCUSD/hist",
        "candles/trade:4m:tBTCUSD/hist",
        "candles/trade:1m:tBTCUSD/hist?limit=10001",
        "candles/trade:1m:tBTCUSD/hist?sort=3",
        "candles/trade:1m:tNOPEXX/hist",
        "candles/trade:1m:tNOPEXX/last",
        "candles/trade:1m:tNOPEUSD/hist",
        "candles/trade:1m:what/last",
        "status/deriv/what/hist",
        "stats1/pos.size:1m:tBTCUSD:long/hist?limit=3",
        "stats1/vol.1d:30m:BFX/last",
        "status/deriv?keys=ALL",
        "status/deriv?keys=tBTCF0%3AUSTF0%2CtETHF0%3AUSTF0",
        "status/deriv?keys=tNOPEF0:USTF0",
        "status/deriv",
        "status/deriv/tBTCF0:USTF0/hist?limit=3",
        "status/deriv/tNOPEF0:USTF0/hist",
        "nope",
        "candles/trade:1m:tBTCUSD/first",
    ]
    .map(str::to_owned)
    .into();
    for span in &spans {
        for key in ["1m:tBTCUSD", "15m:tPEPE%3AUSD", "1D:tETHUSD", "7D:tBTCUSD", "1M:tBTCUSD"] {
            targets.push(format!("candles/trade:{key}/hist{span}"));
        }
        targets.push(format!("trades/tBTCUSD/hist{span}"));
    }
    for target in targets {
        let target = format!("/v2/{target}");
        let (ours, theirs) = (bench.get(&target).await, bench.twin(&target).await);
        assert_eq!(ours.read(), theirs.read(), "{target}");
        let again = bench.get(&target).await;
        assert_eq!(again.read(), theirs.read(), "{target} once more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_mean_the_same_share_one_call() {
    let bench = Bench::start(ample()).await;
    let start = NOW - 100 * MINUTE;
    for (family, targets) in [
        (
            Family::Candles,
            [
                format!("/v2/candles/trade:1m:tBTCUSD/hist?start={start}&limit=50&sort=1"),
                format!("/v2/candles/trade%3A1m%3AtBTCUSD/hist?sort=1&limit=50&start={start}&_=9"),
            ],
        ),
        (
            Family::Tickers,
            [
                "/v2/tickers/hist?symbols=tBTCUSD,tETHUSD&limit=2".to_owned(),
                "/v2/tickers/hist?limit=2&symbols=tETHUSD%2CtBTCUSD".to_owned(),
            ],
        ),
        (
            Family::Conf,
            [
                "/v2/conf/pub:list:currency,pub:map:currency:wfx".to_owned(),
                "/v2/conf/pub%3Amap%3Acurrency%3Awfx".to_owned(),
            ],
        ),
    ] {
        bench.sim.reset_counts();
        for target in &targets {
            assert_eq!(bench.get(target).await.status, 200, "{target}");
        }
        let counts = bench.sim.counts();
        assert_eq!((counts.of(family), counts.total()), (1, 1), "{targets:?}");
    }
    let listed = "/v2/conf/pub:list:pair:exchange,pub:info:pair";
    bench.sim.reset_counts();
    assert_eq!(bench.get(listed).await.status, 200);
    assert_eq!(bench.calls(), 0, "the market list brought these documents");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_interfaces_share_entries() {
    let bench = Bench::start(ample()).await;
    for (family, targets) in [
        (
            Family::Ticker,
            [
                "/api/market-data/ticker/BTC-USD",
                "/v2/ticker/tBTCUSD",
                "/v2/tickers?symbols=tBTCUSD",
            ],
        ),
        (
            Family::Candles,
            [
                "/api/market-data/ohlcv/BTC-USD?timeframe=1m&limit=100",
                "/v2/candles/trade:1m:tBTCUSD/hist",
                "/v2/candles/trade:1m:tBTCUSD/last",
            ],
        ),
        (
            Family::Book,
            [
                "/api/market-data/orderbook/BTC-USD?limit=20",
                "/v2/book/tBTCUSD/P0",
                "/v2/book/tBTCUSD/P0?len=1",
            ],
        ),
        (
            Family::Trades,
            [
                "/api/market-data/trades/BTC-USD?limit=50",
                "/v2/trades/tBTCUSD/hist",
                "/v2/trades/tBTCUSD/hist?limit=10",
            ],
        ),
    ] {
        bench.sim.reset_counts();
        for target in targets {
            assert_eq!(bench.get(target).await.status, 200, "{target}");
        }
        let counts = bench.sim.counts();
        assert_eq!((counts.of(family), counts.total()), (1, 1), "{targets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_costs_no_call() {
    let bench = Bench::start(ample()).await;
    let error = |field: &str| (500, JSON, format!(r#"["error",10020,"{field}: invalid"]"#));
    let empty = || (200, JSON, "[]".to_owned());
    for (target, (status, content_type, text)) in [
        ("/v2/ticker/tNOPEXX", error("symbol")),
        ("/v2/ticker/t..%2F..", error("symbol")),
        ("/v2/trades/tNOPEXX/hist", error("symbol")),
        ("/v2/book/tNOPEXX/P0", error("symbol")),
        ("/v2/book/tNOPEXX/R0", error("symbol")),
        ("/v2/book/tBTCUSD/P7", error("prec")),
        ("/v2/book/tBTCUSD/P0?len=10", error("len")),
        ("/v2/candles/trade:4m:tBTCUSD/hist", error("time_interval")),
        ("/v2/candles/trade:1m:tBTCUSD/hist?limit=10001", error("limit")),
        ("/v2/trades/tBTCUSD/hist?sort=7", error("sort")),
        ("/v2/tickers", error("symbols")),
        ("/v2/candles/trade:1m:tNOPEXX/hist", empty()),
        ("/v2/tickers?symbols=tNOPEXX,what", empty()),
        ("/v2/status/deriv?keys=tNOPEF0:USTF0", empty()),
    ] {
        let reply = bench.get(target).await;
        assert_eq!(reply.read(), (status, content_type, text.as_str()), "{target}");
    }
    assert_eq!(bench.calls(), 0);
    let metrics = bench.get("/metrics").await.text;
    let counted = r#"tidegate_requests_total{endpoint="v2_book",outcome="client_error"} 4"#;
    assert!(metrics.contains(counted), "a 500 of this kind is the client's mistake: {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_and_unknown_paths_never_reach_the_exchange() {
    let bench = Bench::start(ample()).await;
    let root = bench.app.url();
    for (method, target) in [
        (Method::GET, "/v2/auth/r/wallets"),
        (Method::POST, "/v2/auth/r/wallets"),
        (Method::POST, "/v2/ticker/tBTCUSD"),
        (Method::DELETE, "/v2/tickers"),
        (Method::GET, "/v2/auth/ticker/tBTCUSD"),
        (Method::GET, "/v2/calc/fx"),
        (Method::GET, "/v2/"),
        (Method::GET, "/v2"),
    ] {
        let reply = bench.fetch(&root, method.clone(), target, "").await;
        assert_eq!(reply.status, 404, "{method} {target}");
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        let expected = format!("<pre>Cannot {method} /api{target}</pre>");
        assert!(reply.text.contains(&expected), "{}", reply.text);
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_budget_the_answer_is_the_exchanges() {
    let mut config = ample();
    config.exchanges["bitfinex"].budget["trades"] = 1;
    let bench = Bench::start(config).await;
    assert_eq!(bench.get("/v2/trades/tBTCUSD/hist").await.status, 200);
    let refused = bench.get("/v2/trades/tETHUSD/hist").await;
    assert_eq!(refused.read(), (429, JSON, r#"["error",11010,"ratelimit: error"]"#));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    // A minute from the first call's end, which the pace takes to be an answer's usual time after
    // its sending; rounded up.
    assert!((30..=61).contains(&wait), "{wait}");
    assert_eq!(bench.sim.counts().of(Family::Trades), 1);
    assert_eq!(bench.get("/v2/trades/tBTCUSD/hist").await.status, 200, "what is held is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_text() {
    let bench = Bench::start(ample()).await;
    let row =
        "7e-7,1.50,0.0000011,19203.444049780002,-1e-8,-0.0050,1e-6,2.0,3e-6,5e-7,1600000000000";
    let body = |body: String| Fault::Status { status: 200, body: Some(body) };
    bench.sim.fault(body(format!("[{row}]")).times(Family::Ticker, 1));
    assert_eq!(bench.get("/v2/ticker/tPEPE:USD").await.text, format!("[{row}]"));
    let listed = bench.get("/v2/tickers?symbols=tPEPE%3AUSD").await;
    assert_eq!(listed.text, format!(r#"[["tPEPE:USD",{row}]]"#));

    let rows = "[[8e-7,2,1.10],[7e-7,1,2e-8],[9e-7,1,-0.30]]".to_owned();
    bench.sim.fault(body(rows.clone()).times(Family::Book, 1));
    assert_eq!(bench.get("/v2/book/tPEPE:USD/P0").await.text, rows);
    let top = bench.get("/v2/book/tPEPE:USD/P0?len=1").await;
    assert_eq!(top.text, "[[8e-7,2,1.10],[9e-7,1,-0.30]]");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_exchange_have_its_own_shapes() {
    let bench = Bench::start(ample()).await;
    bench.sim.fault(Fault::Maintenance.on(Family::Book));
    let book = bench.get("/v2/book/tBTCUSD/P0").await;
    assert_eq!(book.read(), (500, JSON, r#"["error",20060,"maintenance"]"#));
    bench.sim.fault(Fault::Maintenance.on(Family::Platform));
    assert_eq!(bench.get("/v2/platform/status").await.text, "[0]");

    bench.sim.fault(Fault::Status { status: 503, body: None }.on(Family::Trades));
    let trades = bench.get("/v2/trades/tBTCUSD/hist").await;
    assert_eq!((trades.status, trades.header("content-type")), (503, JSON));
    let start = r#"{"code":503,"error":"temporarily_unavailable","error_description":""#;
    assert!(trades.text.starts_with(start), "{}", trades.text);
    assert!(!trades.header("retry-after").is_empty());

    bench.sim.fault(Fault::NotANumber.on(Family::Candles));
    let candles = bench.get("/v2/candles/trade:1m:tBTCUSD/hist").await;
    assert_eq!((candles.status, candles.header("content-type")), (502, JSON));
    assert!(candles.text.starts_with(r#"["error",10001,""#), "{}", candles.text);

    bench.sim.fault(Fault::RateLimited { retry_after: Some(30) }.on(Family::Ticker));
    bench.sim.fault(Fault::RateLimited { retry_after: Some(30) }.on(Family::Tickers));
    let ticker = bench.get("/v2/ticker/tBTCUSD").await;
    assert_eq!(ticker.read(), (429, JSON, r#"["error",11010,"ratelimit: error"]"#));
    let wait: u64 = ticker.header("retry-after").parse().unwrap();
    assert!((20..=30).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_their_age_and_demands_are_met() {
    let bench = Bench::start(ample()).await;
    let target = "/v2/ticker/tBTCUSD";
    let cold = bench.demand(target, "only-if-cached").await;
    assert_eq!((cold.status, cold.header("content-type")), (504, JSON));
    assert!(cold.text.starts_with(r#"["error",10001,""#), "{}", cold.text);
    let first = bench.get(target).await;
    assert!(first.header("cache-status").starts_with("tidegate; fwd=miss"), "{first:?}");
    let second = bench.demand(target, "only-if-cached").await;
    assert!(second.header("cache-status").starts_with("tidegate; hit"), "{second:?}");
    assert_eq!(second.header("etag"), first.header("etag"));
    assert!(second.header("cache-control").starts_with("max-age=600"), "{second:?}");
    assert!(second.header("age").parse::<u64>().unwrap() < 600);
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.demand(target, "no-cache").await.status, 200);
    assert_eq!(bench.calls(), 2, "a new copy was demanded");
    let bad = bench.demand(target, "max-age=soon").await;
    assert_eq!(bad.read(), (500, JSON, r#"["error",10020,"Cache-Control: invalid"]"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_middleware_speaks_the_exchanges_language_too() {
    let mut config = ample();
    config.server.limits.max_waiting = 0;
    let bench = Bench::start(config).await;
    let overloaded = bench.get("/v2/ticker/tBTCUSD").await;
    let body = r#"{"code":503,"error":"temporarily_unavailable","error_description":"too many requests wait already"}"#;
    assert_eq!(overloaded.read(), (503, JSON, body));
    assert_eq!(overloaded.header("retry-after"), "1");
    let long = bench.get(&format!("/v2/tickers?symbols={}", "tBTCUSD,".repeat(1000))).await;
    assert_eq!((long.status, long.header("content-type")), (414, JSON));
    assert!(long.text.starts_with(r#"["error",10001,""#), "{}", long.text);
    let document = bench.get("/api/market-data/ticker/BTC-USD").await;
    assert_eq!(document.header("content-type"), "application/problem+json");
}
