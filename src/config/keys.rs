//! Every setting, once: its path, what it is, what it may be, and where it lives in [`Config`].
//!
//! Loading, `tidegate config` and the test that proves `config/tidegate.toml` complete all read
//! this one list.

mod exchanges;
mod listener;
mod live;

use std::{sync::LazyLock, time::Duration};

use serde_json::Value;

use super::{Config, Policy, access, given::Given, rule, rule::Rule};

/// One setting.
pub struct Key {
    path: String,
    about: String,
    expected: String,
    set: Set,
    show: Show,
    copy: Copy,
}

type Set = Box<dyn Fn(&mut Config, &Given) -> bool + Send + Sync>;
type Copy = Box<dyn Fn(&mut Config, &mut Config) + Send + Sync>;
type Show = Box<dyn Fn(&mut Config) -> Value + Send + Sync>;

impl Key {
    /// Dotted path, as in `server.listen`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it is, in a sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// What its value may be: "a duration from 1ms to 1h".
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// Puts a value in its place; false if the value is not allowed, and nothing changed.
    pub(super) fn set(&self, config: &mut Config, given: &Given) -> bool {
        (self.set)(config, given)
    }

    /// The value in force, as it stands in a settings file. `config` stays as it is; it is
    /// borrowed mutably because a key has a single way to its place.
    pub(super) fn show(&self, config: &mut Config) -> Value {
        (self.show)(config)
    }

    /// Gives `to` the value that `from` has; `from` stays as it is, see [`Key::show`].
    pub(super) fn copy(&self, from: &mut Config, to: &mut Config) {
        (self.copy)(from, to);
    }
}

/// Every setting, in the order of the settings file.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(list);
    &KEYS
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// The settings so far.
#[derive(Default)]
pub(super) struct List(Vec<Key>);

impl List {
    pub(super) fn add<T: Clone + 'static>(
        &mut self,
        path: impl Into<String>,
        about: impl Into<String>,
        rule: Rule<T>,
        at: impl Fn(&mut Config) -> &mut T + Clone + Send + Sync + 'static,
    ) {
        let Rule { expected, read, show } = rule;
        let (place, other) = (at.clone(), at.clone());
        self.0.push(Key {
            path: path.into(),
            about: about.into(),
            expected,
            set: Box::new(move |config, given| {
                read(given).map(|value| *place(config) = value).is_some()
            }),
            show: Box::new(move |config| show(at(config))),
            copy: Box::new(move |from, to| other(to).clone_from(other(from))),
        });
    }

    fn policy(&mut self, kind: &str, what: &str, at: fn(&mut Config) -> &mut Policy) {
        self.add(
            format!("cache.{kind}.ttl"),
            format!("{what}: fresh for this long after they were received."),
            rule::time(millis(1), hours(24)),
            move |config| &mut at(config).ttl,
        );
        self.add(
            format!("cache.{kind}.stale_while_revalidate"),
            format!("{what}: then served for this long while they are fetched anew."),
            rule::time(Duration::ZERO, hours(24)),
            move |config| &mut at(config).stale_while_revalidate,
        );
        self.add(
            format!("cache.{kind}.stale_if_error"),
            format!("{what}: after the ttl, served for this long where fetching anew failed."),
            rule::time(Duration::ZERO, hours(24 * 7)),
            move |config| &mut at(config).stale_if_error,
        );
        self.add(
            format!("cache.{kind}.negative_ttl"),
            format!("{what}: a failure is remembered for this long."),
            rule::time(Duration::ZERO, secs(300)),
            move |config| &mut at(config).negative_ttl,
        );
    }
}

fn list() -> Vec<Key> {
    let mut list = List::default();
    server(&mut list);
    listener::listeners(&mut list);
    access::list(&mut list);
    exchanges::exchanges(&mut list);
    upstream(&mut list);
    cache(&mut list);
    rest(&mut list);
    live::live(&mut list);
    traces(&mut list);
    log(&mut list);
    list.0
}

fn server(list: &mut List) {
    list.add(
        "server.listen",
        "Address to listen on; port 0 picks a free one.",
        rule::address(),
        |c| &mut c.server.listen,
    );
    list.add(
        "server.request_deadline",
        "The longest a request may take.",
        rule::time(millis(100), secs(300)),
        |c| &mut c.server.request_deadline,
    );
    list.add(
        "server.drain_delay",
        "How long connections are still accepted after the stop signal, while /readyz says 503.",
        rule::time(Duration::ZERO, secs(300)),
        |c| &mut c.server.drain_delay,
    );
    list.add(
        "server.drain_grace",
        "How long requests in flight may go on after the stop signal.",
        rule::time(Duration::ZERO, secs(300)),
        |c| &mut c.server.drain_grace,
    );
    list.add(
        "server.limits.max_connections",
        "Connections at once; further ones are answered 503 and closed.",
        rule::count(1, 1_000_000_usize),
        |c| &mut c.server.limits.max_connections,
    );
    list.add(
        "server.limits.max_waiting",
        "Requests at once that wait for something; further ones are answered 503.",
        rule::count(1, 1_000_000_usize),
        |c| &mut c.server.limits.max_waiting,
    );
    list.add(
        "server.limits.max_header_bytes",
        "Size of a request's line and headers.",
        // The HTTP library's read buffer cannot be smaller than 8 KiB.
        rule::size(8 * 1024_usize, 1024 * 1024),
        |c| &mut c.server.limits.max_header_bytes,
    );
    list.add(
        "server.limits.max_uri_bytes",
        "Size of a request's path and query.",
        rule::size(256_usize, 1024 * 1024),
        |c| &mut c.server.limits.max_uri_bytes,
    );
    list.add(
        "server.limits.max_symbols",
        "Symbols in one batch request.",
        rule::count(1, 10_000_usize),
        |c| &mut c.server.limits.max_symbols,
    );
    list.add(
        "server.limits.header_timeout",
        "How long a client may take to send a request's headers; also ends idle connections.",
        rule::time(millis(100), secs(600)),
        |c| &mut c.server.limits.header_timeout,
    );
}

fn upstream(list: &mut List) {
    list.add(
        "upstream.window",
        "Length of the window in which no more calls are sent than a family's budget.",
        rule::time(millis(100), hours(1)),
        |c| &mut c.upstream.window,
    );
    list.add(
        "upstream.ban",
        "How long a family stays closed after a 429 that names no time.",
        rule::time(millis(100), hours(1)),
        |c| &mut c.upstream.ban,
    );
    list.add(
        "upstream.max_queue",
        "Calls of one family that may wait; further ones are refused at once.",
        rule::count(1, 1_000_000_usize),
        |c| &mut c.upstream.max_queue,
    );
    list.add(
        "upstream.starvation_bound",
        "After this long a waiting refresh goes before waiting clients, one time in four.",
        rule::time(millis(10), hours(1)),
        |c| &mut c.upstream.starvation_bound,
    );
    list.add(
        "upstream.refresh_deadline",
        "How long a refresh that no client waits for may wait for its turn.",
        rule::time(millis(100), hours(1)),
        |c| &mut c.upstream.refresh_deadline,
    );
    list.add(
        "upstream.max_attempts",
        "Tries of one call, the first included.",
        rule::count(1, 5_u32),
        |c| &mut c.upstream.max_attempts,
    );
    list.add(
        "upstream.breaker_failures",
        "Consecutive failures that open a family's breaker.",
        rule::count(1, 1000_u32),
        |c| &mut c.upstream.breaker_failures,
    );
    list.add(
        "upstream.breaker_open",
        "How long the breaker stays open the first time; doubled with each failed probe.",
        rule::time(millis(10), hours(1)),
        |c| &mut c.upstream.breaker_open,
    );
    list.add(
        "upstream.breaker_open_max",
        "The longest the breaker stays open.",
        rule::time(millis(10), hours(1)),
        |c| &mut c.upstream.breaker_open_max,
    );
    list.add(
        "upstream.merge_window",
        "How long single tickers are gathered into one request.",
        rule::time(Duration::ZERO, millis(1000)),
        |c| &mut c.upstream.merge_window,
    );
}

fn cache(list: &mut List) {
    list.add(
        "cache.max_bytes",
        "Bound of the memory cache.",
        rule::size(1024 * 1024_u64, 1 << 40),
        |c| &mut c.cache.max_bytes,
    );
    list.policy("ticker", "Tickers", |c| &mut c.cache.ticker);
    list.policy("orderbook", "Order books", |c| &mut c.cache.orderbook);
    list.policy("ohlcv", "The newest candles of a series", |c| &mut c.cache.ohlcv);
    list.policy("history", "Spans of candles or trades that end in the past", |c| {
        &mut c.cache.history
    });
    list.policy("trades", "The newest trades", |c| &mut c.cache.trades);
    list.policy("markets", "The market list and other conf documents", |c| &mut c.cache.markets);
    list.policy("status", "Platform and derivatives status, and statistics", |c| {
        &mut c.cache.status
    });
}

fn rest(list: &mut List) {
    list.add(
        "validation.max_volatility_pct",
        "Highest volatility, in percent.",
        rule::number(0.0, 1000.0),
        |c| &mut c.validation.max_volatility_pct,
    );
    list.add(
        "validation.max_spread_pct",
        "Widest spread, in percent of the ask.",
        rule::number(0.0, 100.0),
        |c| &mut c.validation.max_spread_pct,
    );
    list.add("validation.max_age", "Oldest data.", rule::time(millis(1), hours(24)), |c| {
        &mut c.validation.max_age
    });
    list.add(
        "store.path",
        "File, or directory, that outlives the process; nothing is kept on disk where it is empty.",
        rule::path(),
        |c| &mut c.store.path,
    );
    list.add(
        "store.max_bytes",
        "Bound of the file; beyond it the bars go that lie the most buckets back.",
        rule::size(1024 * 1024_u64, 1 << 44),
        |c| &mut c.store.max_bytes,
    );
    list.add(
        "store.retention",
        "Candles older than this are given up; 0s keeps them for ever.",
        rule::time(Duration::ZERO, hours(24 * 36_500)),
        |c| &mut c.store.retention,
    );
}

fn traces(list: &mut List) {
    list.add(
        "traces.endpoint",
        "Root of a collector's OTLP interface over HTTP; no traces are sent where it is empty.",
        rule::optional_url(&["http", "https"], "/v1/traces"),
        |c| &mut c.traces.endpoint,
    );
    list.add(
        "traces.sample",
        "The part of traces that begin here which is sent; a request's own traceparent goes first.",
        rule::number(0.0, 1.0),
        |c| &mut c.traces.sample,
    );
    list.add(
        "traces.service_name",
        "What the process calls itself in traces.",
        rule::text(64),
        |c| &mut c.traces.service_name,
    );
    list.add(
        "traces.interval",
        "How often spans are sent.",
        rule::time(millis(100), secs(60)),
        |c| &mut c.traces.interval,
    );
}

fn log(list: &mut List) {
    list.add(
        "log.filter",
        "Which log lines are written: a level, or levels by module.",
        rule::log_filter(),
        |c| &mut c.log.filter,
    );
    list.add(
        "log.format",
        "Shape of log lines: auto is pretty on a terminal and json elsewhere.",
        rule::log_format(),
        |c| &mut c.log.format,
    );
}
