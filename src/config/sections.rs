//! The checked settings, section by section, with their defaults.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Access, Admin, Cors, Exchanges, Tls};
use crate::{
    exchange::CATALOGUE,
    market::{Channel, Timeframe},
};

/// Every setting in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[access]`
    pub access: Access,
    /// `[exchanges]`
    pub exchanges: Exchanges,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[cache]`
    pub cache: Cache,
    /// `[validation]`
    pub validation: Validation,
    /// `[store]`
    pub store: Store,
    /// `[feed]`
    pub feed: Feed,
    /// `[stream]`
    pub stream: Stream,
    /// `[traces]`
    pub traces: Traces,
    /// `[log]`
    pub log: Log,
}

/// The listener and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The longest a request may take.
    pub request_deadline: Duration,
    /// How long connections are still accepted after the stop signal, while `/readyz` says 503,
    /// so that a load balancer has time to notice.
    pub drain_delay: Duration,
    /// How long requests in flight may go on after the stop signal.
    pub drain_grace: Duration,
    /// Bounds against slow and hostile clients.
    pub limits: Limits,
    /// `[server.tls]`
    pub tls: Tls,
    /// `[server.admin]`
    pub admin: Admin,
    /// `[server.cors]`
    pub cors: Cors,
}

/// Bounds of the listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections at once; further ones are answered 503 and closed.
    pub max_connections: usize,
    /// Requests at once that wait for something; further ones are answered 503 `overloaded`.
    pub max_waiting: usize,
    /// Bytes of a request's line and headers.
    pub max_header_bytes: usize,
    /// Bytes of path and query.
    pub max_uri_bytes: usize,
    /// Symbols in one batch request.
    pub max_symbols: usize,
    /// How long a client may take to send a request's headers; also ends idle connections.
    pub header_timeout: Duration,
}

/// How calls to an exchange are paced, retried and suspended.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Length of the window in which no more calls are sent than a family's limit. Exchanges
    /// count by the minute; only tests have reason to shorten it.
    pub window: Duration,
    /// How long a family stays closed after a 429 that names no time.
    pub ban: Duration,
    /// Calls of one family that may wait; further ones are refused at once.
    pub max_queue: usize,
    /// After this long a waiting refresh or background call goes before waiting clients, one
    /// time in four.
    pub starvation_bound: Duration,
    /// How long a refresh that no client waits for may wait for its turn.
    pub refresh_deadline: Duration,
    /// Tries of one call, the first included.
    pub max_attempts: u32,
    /// Consecutive failures that open a family's breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open the first time; doubled with each failed probe.
    pub breaker_open: Duration,
    /// The longest it stays open.
    pub breaker_open_max: Duration,
    /// How long single tickers are gathered into one request.
    pub merge_window: Duration,
}

/// How long a kind of data may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Fresh for this long after it was received.
    pub ttl: Duration,
    /// After that, served for this long while it is fetched anew.
    pub stale_while_revalidate: Duration,
    /// After the ttl, served for this long where fetching it anew failed.
    pub stale_if_error: Duration,
    /// A failure is remembered for this long.
    pub negative_ttl: Duration,
}

/// `[cache]`
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// Bound of the memory cache in bytes.
    pub max_bytes: u64,
    /// Single and batch tickers.
    pub ticker: Policy,
    /// Order books.
    pub orderbook: Policy,
    /// The newest candles of a series.
    pub ohlcv: Policy,
    /// Spans of candles or trades that end in the past.
    pub history: Policy,
    /// The newest trades.
    pub trades: Policy,
    /// The market list and other conf documents.
    pub markets: Policy,
    /// Platform and derivatives status, and statistics.
    pub status: Policy,
}

/// Limits of `validate-market`.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Highest volatility, in percent.
    pub max_volatility_pct: f64,
    /// Widest spread, in percent of the ask.
    pub max_spread_pct: f64,
    /// Oldest data.
    pub max_age: Duration,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The file, or the directory of it, that final candles, the market list, calls and bans are
    /// kept in; `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// Bound of the file in bytes.
    pub max_bytes: u64,
    /// Candles older than this are given up; zero keeps them for ever.
    pub retention: Duration,
}

/// `[feed]`
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Whether the exchange's WebSocket is used.
    pub enabled: bool,
    /// Markets that are live from the start and stay so, in any spelling; at every exchange that
    /// lists them, or with the name of one and a colon before it at that one.
    pub pinned: Vec<String>,
    /// What of them.
    pub pinned_channels: Vec<Channel>,
    /// Most channels that are open at once.
    pub max_channels: usize,
    /// Reads a minute that earn a key a channel. While most calls of its pool have to wait, about one
    /// a minute earns it a free one.
    pub promote_reads: u32,
    /// A key that is read less often than what earned its channel for this long gives it back.
    pub idle: Duration,
    /// A channel that has sent nothing for this long is given up; until then its last word counts
    /// as fresh.
    pub max_silence: Duration,
    /// The time between two attempts to connect, and before the first one of a process.
    pub connect_interval: Duration,
    /// The longest pause after failed attempts.
    pub backoff_max: Duration,
    /// How long the exchange may take to answer a subscription.
    pub ack_timeout: Duration,
}

/// `[stream]`
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Clients that follow a stream at once.
    pub max_clients: usize,
    /// Topics that one client may follow.
    pub max_topics: usize,
    /// Topics that all clients together may follow.
    pub max_total_topics: usize,
    /// Updates that are kept of each topic, for clients that are slow or come back.
    pub buffer: usize,
    /// How long a topic without followers keeps its updates.
    pub linger: Duration,
    /// The longest silence towards a client.
    pub heartbeat: Duration,
    /// Size of one message from a client.
    pub max_message_bytes: usize,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// `[traces]`
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Root of a collector's OTLP interface over HTTP, without `/v1/traces`; empty: no traces.
    pub endpoint: String,
    /// The part of traces that begin here which is sent, 0 to 1; who sends a `traceparent` decides
    /// himself.
    pub sample: f64,
    /// `service.name`.
    pub service_name: String,
    /// How often spans are sent.
    pub interval: Duration,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Filter in the syntax of `tracing-subscriber`'s `EnvFilter`: `info`, `tidegate=debug`.
    pub filter: String,
    /// Shape of the lines.
    pub format: LogFormat,
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8087)),
            request_deadline: secs(10),
            drain_delay: secs(1),
            drain_grace: secs(15),
            limits: Limits::default(),
            tls: Tls::default(),
            admin: Admin::default(),
            cors: Cors::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            max_waiting: 4096,
            max_header_bytes: 16 * 1024,
            max_uri_bytes: 4 * 1024,
            max_symbols: 200,
            header_timeout: secs(30),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            window: secs(60),
            ban: secs(60),
            max_queue: 1024,
            starvation_bound: secs(15),
            refresh_deadline: secs(30),
            max_attempts: 2,
            breaker_failures: 5,
            breaker_open: secs(1),
            breaker_open_max: secs(30),
            merge_window: Duration::from_millis(2),
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        let policy = |ttl, stale_while_revalidate, stale_if_error, negative_ttl| Policy {
            ttl,
            stale_while_revalidate,
            stale_if_error,
            negative_ttl,
        };
        Self {
            max_bytes: 64 * 1024 * 1024,
            ticker: policy(secs(3), secs(3), secs(30), secs(1)),
            orderbook: policy(secs(2), secs(2), secs(10), secs(1)),
            ohlcv: policy(secs(10), secs(20), secs(300), secs(2)),
            history: policy(secs(600), secs(600), secs(3600), secs(2)),
            trades: policy(secs(5), secs(15), secs(60), secs(2)),
            markets: policy(secs(600), secs(3600), secs(86_400), secs(5)),
            status: policy(secs(10), secs(20), secs(60), secs(2)),
        }
    }
}

impl Default for Validation {
    fn default() -> Self {
        Self { max_volatility_pct: 10.0, max_spread_pct: 1.0, max_age: secs(30) }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { path: None, max_bytes: 4 * 1024 * 1024 * 1024, retention: Duration::ZERO }
    }
}

impl Feed {
    /// The markets in `pinned` that may be those of an exchange, and whether they are said to be.
    pub fn pinned_at(&self, exchange: &str) -> impl Iterator<Item = (&str, bool)> {
        self.pinned.iter().filter_map(move |name| match name.split_once(':') {
            // A colon may be part of a market's name, too.
            Some((site, market)) if CATALOGUE.iter().any(|spec| spec.name() == site) => {
                (site == exchange).then_some((market, true))
            }
            _ => Some((name.as_str(), false)),
        })
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            enabled: true,
            pinned: Vec::new(),
            pinned_channels: vec![
                Channel::Ticker,
                Channel::Orderbook,
                Channel::Trades,
                Channel::Ohlcv(Timeframe::M5),
            ],
            max_channels: 200,
            promote_reads: 12,
            idle: secs(120),
            max_silence: secs(20),
            connect_interval: secs(4),
            backoff_max: secs(60),
            ack_timeout: secs(10),
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            max_clients: 4096,
            max_topics: 200,
            max_total_topics: 2000,
            buffer: 256,
            linger: secs(60),
            heartbeat: secs(15),
            max_message_bytes: 64 * 1024,
        }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample: 1.0,
            service_name: "tidegate".to_owned(),
            interval: secs(5),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}
