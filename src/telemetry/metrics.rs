//! The metrics.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{
    Counter, Gauge, counter, describe_counter, describe_gauge, gauge, with_local_recorder,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use tokio::time::Instant;

use super::{
    CacheOutcome, DataKind, Endpoint, Outcome, Source, StreamKind, StreamMetrics,
    candles::{self, CandleMetrics},
    client::{self, ClientId, ClientMetrics, Clients},
    cordon::{self, CordonMetrics},
    family::{self, FamilyMetrics},
    faults::Faults,
    feed::{self, FeedMetrics},
    histogram::Histograms,
    history::History,
    latency::Latency,
    process,
    store::{self, StoreMetrics},
    stream::{self, Streams},
    tally::Tally,
    tls::{self, TlsMetrics},
};
use crate::{clock::Clock, market::UnixMs};

/// Bounds of a histogram, given in steps of so many microseconds.
const fn bounds<const N: usize>(micros: u64, steps: [u64; N]) -> [Duration; N] {
    let mut bounds = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        bounds[index] = Duration::from_micros(steps[index] * micros);
        index += 1;
    }
    bounds
}

/// 50 µs to 10 s.
pub(super) static DURATIONS: [Duration; 17] = bounds(
    10,
    [
        5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
        200_000, 500_000, 1_000_000,
    ],
);

/// 0.1 s to a day.
pub(super) static AGES: [Duration; 14] = bounds(
    50_000,
    [2, 5, 10, 20, 50, 100, 200, 600, 1_200, 6_000, 18_000, 72_000, 432_000, 1_728_000],
);

/// Every metric of one gateway. Made per gateway, not static: two fit in one process.
///
/// Every series is registered when the value is made (or, for a family, by
/// [`Metrics::family`]), so that it stands at 0 before anything happens. What every request
/// records ([`Metrics::answered`], [`Metrics::looked_up`], [`Metrics::served`]) is an array index
/// and an atomic addition or two.
#[derive(Debug)]
pub struct Metrics {
    recorder: PrometheusRecorder,
    started: (Instant, UnixMs),
    pub(super) series: Series,
    request_duration: Histograms<1_000_000_000>,
    pub(super) served_age: Histograms<1_000>,
    latency: Mutex<Latency>,
    pub(super) history: History,
    pub(super) faults: Faults,
    clients: Clients,
    families: Mutex<Vec<FamilyMetrics>>,
    candles: Mutex<Vec<CandleMetrics>>,
    feeds: Mutex<Vec<FeedMetrics>>,
}

/// What the exporter shows, except for families and panics.
#[derive(Debug)]
pub(super) struct Series {
    requests: Tally,
    lookups: Tally,
    pub(super) answers: Tally,
    sources: Tally,
    cache_entries: Gauge,
    cache_bytes: Gauge,
    connections_open: Gauge,
    connections_refused: Counter,
    pub(super) streams: Streams,
    store: StoreMetrics,
    tls: TlsMetrics,
    uptime: Gauge,
}

/// What a gateway did since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests answered, those for [`Endpoint::Ops`] left out.
    pub requests: u64,
    /// Answers made from held data alone: fresh or stale.
    pub from_cache: u64,
    /// Answers of which every part came from the exchange's WebSocket.
    pub from_streams: u64,
    /// Answers that waited for a fetch which another request had started.
    pub collapsed: u64,
    /// Calls made to exchanges, whatever came of them.
    pub upstream_calls: u64,
    /// Those that an exchange refused by its rate limit.
    pub rate_limited: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut builder = PrometheusBuilder::new();
        for (name, bounds) in family::BUCKETS.into_iter().chain([client::BUCKETS]) {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .expect("the bounds are not empty");
        }
        let recorder = builder.build_recorder();
        let started = (Instant::now(), Clock::system().now());
        let (series, clients) =
            with_local_recorder(&recorder, || (Series::register(started.1), Clients::register()));
        Self {
            recorder,
            started,
            series,
            clients,
            request_duration: Histograms::new(
                "tidegate_request_duration_seconds",
                "How long requests took to be answered.",
                "endpoint",
                Endpoint::ALL.iter().map(|endpoint| endpoint.as_str()),
                &DURATIONS,
            ),
            served_age: Histograms::new(
                "tidegate_served_age_seconds",
                "Age of the data in an answer at the moment it was given.",
                "kind",
                DataKind::ALL.iter().map(|kind| kind.as_str()),
                &AGES,
            ),
            latency: Mutex::new(Latency::new(DURATIONS.len() + 1)),
            history: History::new(),
            faults: Faults::default(),
            families: Mutex::default(),
            candles: Mutex::default(),
            feeds: Mutex::default(),
        }
    }
}

impl Series {
    /// Registers everything with the exporter in force.
    fn register(started: UnixMs) -> Self {
        describe();
        candles::describe();
        client::describe();
        cordon::describe();
        family::describe();
        feed::describe();
        stream::describe();
        store::describe();
        tls::describe();
        gauge!("tidegate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        let since_epoch = Duration::from_millis(started.millis().unsigned_abs());
        gauge!("tidegate_start_time_seconds").set(since_epoch);
        Self {
            requests: grid(Endpoint::ALL, Outcome::ALL, |endpoint, outcome| {
                let (endpoint, outcome) = (endpoint.as_str(), outcome.as_str());
                counter!("tidegate_requests_total", "endpoint" => endpoint, "outcome" => outcome)
            }),
            lookups: grid(DataKind::ALL, CacheOutcome::ALL, |kind, outcome| {
                let (kind, outcome) = (kind.as_str(), outcome.as_str());
                counter!("tidegate_cache_lookups_total", "kind" => kind, "outcome" => outcome)
            }),
            answers: Tally::new(
                CacheOutcome::ALL.iter().map(
                    |outcome| counter!("tidegate_answers_total", "outcome" => outcome.as_str()),
                ),
            ),
            sources: Tally::new(Source::ALL.iter().map(
                |source| counter!("tidegate_answers_by_source_total", "source" => source.as_str()),
            )),
            cache_entries: gauge!("tidegate_cache_entries"),
            cache_bytes: gauge!("tidegate_cache_bytes"),
            connections_open: gauge!("tidegate_connections_open"),
            connections_refused: counter!("tidegate_connections_refused_total"),
            streams: Streams::register(),
            store: StoreMetrics::register(),
            tls: TlsMetrics::register(),
            uptime: gauge!("tidegate_uptime_seconds"),
        }
    }
}

fn grid<A, B>(rows: &[A], columns: &[B], counter: impl Fn(&A, &B) -> Counter) -> Tally {
    let counter = &counter;
    Tally::new(rows.iter().flat_map(|row| columns.iter().map(move |column| counter(row, column))))
}

fn describe() {
    describe_counter!("tidegate_requests_total", "Requests answered, by outcome.");
    describe_counter!("tidegate_cache_lookups_total", "How the cache answered when it was asked.");
    describe_counter!(
        "tidegate_answers_total",
        "Answers that carried market data, by what the cache had to do for them."
    );
    describe_counter!(
        "tidegate_answers_by_source_total",
        "Answers that carried market data, by where it came from; stream only if all of it did."
    );
    describe_gauge!("tidegate_cache_entries", "Entries in the memory cache.");
    describe_gauge!("tidegate_cache_bytes", "Size of the entries in the memory cache.");
    describe_gauge!("tidegate_connections_open", "Client connections that are open.");
    describe_counter!(
        "tidegate_connections_refused_total",
        "Client connections that were refused because too many were open."
    );
    describe_counter!("tidegate_task_panics_total", "Tasks that ended by a panic.");
    describe_gauge!("tidegate_build_info", "1; the labels tell what is running.");
    describe_gauge!("tidegate_start_time_seconds", "When the gateway started (Unix time).");
    describe_gauge!("tidegate_uptime_seconds", "How long the gateway has been running.");
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A request was answered.
    pub fn answered(&self, endpoint: Endpoint, outcome: Outcome, took: Duration) {
        self.series.requests.count(endpoint.index() * Outcome::ALL.len() + outcome.index());
        self.request_duration.record(endpoint.index(), took);
    }

    /// The cache was asked.
    pub fn looked_up(&self, kind: DataKind, outcome: CacheOutcome) {
        self.series.lookups.count(kind.index() * CacheOutcome::ALL.len() + outcome.index());
    }

    /// Market data was sent to a client; `outcome` is that of the costliest of its parts, and
    /// `source` that of all of them, or of one that is not live.
    pub fn gave(&self, outcome: CacheOutcome, source: Source) {
        self.series.answers.count(outcome.index());
        self.series.sources.count(source.index());
    }

    /// Data of this age was served.
    pub fn served(&self, kind: DataKind, age: Duration) {
        self.served_age.record(kind.index(), age);
    }

    /// The cache holds this much.
    #[expect(clippy::cast_precision_loss, reason = "no cache comes near 2^52 bytes")]
    pub fn cache_holds(&self, entries: u64, bytes: u64) {
        self.series.cache_entries.set(entries as f64);
        self.series.cache_bytes.set(bytes as f64);
    }

    /// Makes the series of panics for these tasks, so that they stand at 0 before the first one.
    pub fn expect_tasks(&self, names: &[&'static str]) {
        for name in names {
            drop(self.task_panics(name));
        }
    }

    /// A task panicked.
    pub fn task_panicked(&self, name: &'static str) {
        self.task_panics(name).increment(1);
    }

    fn task_panics(&self, name: &'static str) -> Counter {
        with_local_recorder(
            &self.recorder,
            || counter!("tidegate_task_panics_total", "task" => name),
        )
    }

    /// So many connections are open.
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 connections")]
    pub fn connections(&self, open: usize) {
        self.series.connections_open.set(open as f64);
    }

    /// A connection was refused because there were too many.
    pub fn connection_refused(&self) {
        self.series.connections_refused.increment(1);
    }

    /// What clients of this kind are told is counted here.
    pub fn stream(&self, kind: StreamKind) -> &StreamMetrics {
        self.series.streams.of(kind)
    }

    /// What the store on disk does is counted here.
    pub fn store(&self) -> &StoreMetrics {
        &self.series.store
    }

    /// What happens in TLS is counted here.
    pub fn tls(&self) -> &TlsMetrics {
        &self.series.tls
    }

    /// Handles for a family; made once and kept. The same names bring the same series.
    pub fn family(&self, exchange: &'static str, family: &'static str) -> FamilyMetrics {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = families.iter().find(|known| known.is(exchange, family)) {
            return known.clone();
        }
        let made =
            with_local_recorder(&self.recorder, || FamilyMetrics::register(exchange, family));
        families.push(made.clone());
        made
    }

    /// Handles for an exchange's candles; made once and kept, as [`Metrics::family`]'s.
    pub fn candles(&self, exchange: &'static str) -> CandleMetrics {
        let mut candles = self.candles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = candles.iter().find(|known| known.is(exchange)) {
            return known.clone();
        }
        let made = with_local_recorder(&self.recorder, || CandleMetrics::register(exchange));
        candles.push(made.clone());
        made
    }

    /// The handle for an exchange's being cordoned; the same name brings the same series.
    pub fn cordon(&self, exchange: &'static str) -> CordonMetrics {
        with_local_recorder(&self.recorder, || CordonMetrics::register(exchange))
    }

    /// Handles for an exchange's live feed; made once and kept. The same name brings the same
    /// series.
    pub fn feed(&self, exchange: &'static str) -> FeedMetrics {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = feeds.iter().find(|known| known.is(exchange)) {
            return known.clone();
        }
        let made = with_local_recorder(&self.recorder, || FeedMetrics::register(exchange));
        feeds.push(made.clone());
        made
    }

    /// The client of this name, which has its series from now on; the same name brings the same
    /// client. `None` if there are too many names.
    pub fn client(&self, name: &str) -> Option<ClientId> {
        self.clients.named(name, &self.recorder)
    }

    /// Handles for a client.
    pub fn of_client(&self, client: ClientId) -> ClientMetrics {
        self.clients.get(client)
    }

    /// Handles for clients whose names became known or will.
    pub fn of_clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Handles for every client whose name became known.
    pub fn clients(&self) -> Vec<ClientMetrics> {
        self.clients.all()
    }

    /// When the gateway started, as wall time.
    pub fn started(&self) -> UnixMs {
        self.started.1
    }

    /// How long the gateway has been running.
    pub fn uptime(&self) -> Duration {
        self.started.0.elapsed()
    }

    /// What happened since the start.
    pub fn totals(&self) -> Totals {
        let outcomes = Outcome::ALL.len();
        let ops: u64 = (0..outcomes)
            .map(|at| self.series.requests.get(Endpoint::Ops.index() * outcomes + at))
            .sum();
        let answers = |outcome: CacheOutcome| self.series.answers.get(outcome.index());
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = families.iter().map(FamilyMetrics::calls);
        let (upstream_calls, rate_limited) =
            calls.fold((0, 0), |sum, (made, refused)| (sum.0 + made, sum.1 + refused));
        Totals {
            requests: self.series.requests.sum().saturating_sub(ops),
            from_cache: answers(CacheOutcome::Hit) + answers(CacheOutcome::Stale),
            from_streams: self.series.sources.get(Source::Stream.index()),
            collapsed: answers(CacheOutcome::Collapsed),
            upstream_calls,
            rate_limited,
        }
    }

    /// What 99 % of the requests of the last minute stayed below ([`Endpoint::Ops`] left out),
    /// estimated from the histogram; `None` if there were none. The minute is kept by
    /// [`Metrics::upkeep`]: without it, it reaches back to the start.
    pub fn p99(&self) -> Option<Duration> {
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency.quantile(&DURATIONS, &self.durations(), 0.99)
    }

    pub(super) fn durations(&self) -> Vec<u64> {
        let mut counts = vec![0; DURATIONS.len() + 1];
        for endpoint in Endpoint::ALL.iter().filter(|endpoint| **endpoint != Endpoint::Ops) {
            self.request_duration.add_counts(endpoint.index(), &mut counts);
        }
        counts
    }

    /// The text for `/metrics`, in the Prometheus text format (version 0.0.4).
    pub fn render(&self) -> String {
        self.series.requests.publish();
        self.series.lookups.publish();
        self.series.answers.publish();
        self.series.sources.publish();
        self.series.streams.publish();
        self.series.store.publish();
        self.series.uptime.set(self.uptime());
        self.clients.all().iter().for_each(ClientMetrics::publish);
        for family in self.families.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            family.publish();
        }
        for feed in self.feeds.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            feed.publish();
        }
        let mut text = self.recorder.handle().render();
        self.request_duration.render(&mut text);
        self.served_age.render(&mut text);
        process::render(&mut text);
        text
    }

    /// Moves recorded samples into their buckets and notes the minute of [`Metrics::p99`]; to be
    /// called about once a second.
    pub fn upkeep(&self) {
        self.recorder.handle().run_upkeep();
        let counts = self.durations();
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).note(counts);
    }
}
