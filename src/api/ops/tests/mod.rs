//! What operators see and do, in paused virtual time: no request leaves the process.

mod actions;
mod lately;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceExt as _;

use crate::{
    api::{
        Server, Surface,
        caller::{Caller, Rights, Standing},
        router,
    },
    app::App,
    clock::Clock,
    config::{Config, Policy},
    exchange::{
        Exchange, Fetch, MarketList, NativeQuery, Profile, TickerList, UpstreamError,
        bitfinex::{PROFILE, wire},
    },
    feed::Feed,
    market::{
        Book, BookQuery, Bound, Candle, CandleQuery, Kind, Listing, Symbol, Ticker, Trade,
        TradeQuery, UnixMs,
    },
    telemetry::{ClientId, Payer},
};

/// The wall time at which every test begins.
const START: i64 = 1_700_000_000_000;
const TICKER: &str = "/api/market-data/ticker/BTC-USD";

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An exchange with one market whose ticker counts how often it was asked for.
#[derive(Default)]
struct Fake {
    tickers: AtomicU64,
}

fn unsupported<T: Send + 'static>() -> Fetch<'static, T> {
    async { Err(UpstreamError::Unavailable { status: 501 }) }.boxed()
}

impl Exchange for Fake {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let bitcoin = Listing {
            symbol: Symbol::spot("BTC", "USD"),
            id: "tBTCUSD".into(),
            base: "BTC".into(),
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
        };
        let list = MarketList { listings: vec![bitcoin], documents: Vec::new() };
        async { Ok(list) }.boxed()
    }

    fn ticker<'a>(&'a self, _: &'a Listing) -> Fetch<'a, Ticker> {
        let asked = self.tickers.fetch_add(1, Ordering::SeqCst) + 1;
        let row = format!("[99.9,5,100.1,5,1,0.01,{asked},1234,101,98]");
        async move { wire::ticker(&Bytes::from(row)) }.boxed()
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        unsupported()
    }

    fn book<'a>(&'a self, _: &'a BookQuery) -> Fetch<'a, Book> {
        unsupported()
    }

    fn candles<'a>(&'a self, _: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        unsupported()
    }

    fn trades<'a>(&'a self, _: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        unsupported()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        unsupported()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        unsupported()
    }
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A gateway whose market list is there, before the exchange of this room.
struct Bench {
    app: App,
    fake: Arc<Fake>,
}

impl Bench {
    async fn new() -> Self {
        let mut config = Config::default();
        config.cache.ticker = Policy {
            ttl: secs(10),
            stale_while_revalidate: secs(10),
            stale_if_error: secs(60),
            negative_ttl: secs(20),
        };
        config.upstream.max_attempts = 1;
        let fake = Arc::new(Fake::default());
        let clock = Clock::anchored(UnixMs::from_millis(START));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = |_, _: &_, _: &_| Feed::disabled();
        let app = App::with_parts(config, fake.clone(), open, clock, listener).await.unwrap();
        let bench = Self { app, fake };
        // The first sample of the history is over then, and the market list is there.
        sleep(Duration::from_millis(2_010)).await;
        assert!(bench.app.gateway().reader().desks.all()[0].markets.held().is_some());
        bench
    }

    /// Sends a request as somebody.
    async fn send(&self, caller: Caller, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(caller);
        let response =
            router(self.app.gateway().clone(), Surface::Whole).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Asks as anybody.
    async fn get(&self, path: &str) -> Reply {
        self.get_as(Caller::ANYONE, path).await
    }

    async fn get_as(&self, caller: Caller, path: &str) -> Reply {
        self.send(caller, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A caller of this name.
    fn caller(&self, name: &str, admin: bool) -> Caller {
        let client = self.app.gateway().reader().metrics.client(name).unwrap();
        let rights = Rights { admin, ..Caller::ANYONE.rights };
        Caller { payer: Payer::of(client), rights, standing: Standing::Key }
    }

    /// Acts as an operator.
    async fn act(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.send(self.caller("ops", true), request).await
    }

    async fn status(&self) -> Value {
        self.get("/api/status").await.json()
    }

    /// How often the ticker was asked of the exchange.
    fn asked(&self) -> u64 {
        self.fake.tickers.load(Ordering::SeqCst)
    }

    /// The fast path's answer.
    fn has_encoded(&self, path: &str) -> bool {
        let server = Server::new(self.app.gateway().clone());
        server.hit(&Request::get(path).body(()).unwrap(), ClientId::ANONYMOUS).is_some()
    }
}
