//! One running gateway.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    bind,
    memory::Memories,
    reload::{tell_expiry, watch_certificate},
    setup::Setup,
};
use crate::{
    access::Access,
    api::{Answers, Gateway, Reader, Server, Surface, Tls},
    cache::Cache,
    clock::Clock,
    config::{self, Config, Current},
    exchange::{Endpoints, Exchange, spec},
    feed::{Feed, Sink, WebSocket},
    service::{Desk, Desks, ProductCache},
    store::Store,
    tasks::Tasks,
    telemetry::{BudgetLeft, History, Metrics},
    upstream::{Memory, Upstream},
};

/// The share of the memory cache that encoded answers may take.
const ANSWERS_SHARE: u64 = 4;

/// How often metrics are moved into their buckets.
const UPKEEP: Duration = Duration::from_secs(1);

/// Tasks that are started, for the metrics that count their panics.
const TASKS: [&str; 23] = [
    "certificate",
    "connection",
    "fetch ahead",
    "feed book",
    "feed goodbye",
    "feed plan",
    "feed socket",
    "flight",
    "history",
    "keep markets",
    "live history",
    "live polls",
    "live upkeep",
    "merged load",
    "poll",
    "refill",
    "refusal",
    "request",
    "store",
    "stream",
    "ticket",
    "upstream turns",
    "warm-up",
];

/// A gateway that serves a listener until it is drained.
pub struct App {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    tls: Option<Tls>,
    gateway: Gateway,
    accepting: CancellationToken,
    tasks: Tasks,
    /// Operators see the others end.
    watching: Tasks,
    /// What the store does ends after all others have nothing more to keep.
    keeping: Tasks,
}

impl App {
    /// Starts a gateway with these settings on `listener`. It answers at once; the market list is
    /// being fetched meanwhile.
    ///
    /// # Errors
    /// The listener has no address, operators' cannot be opened, the keys file cannot be used, the
    /// certificate cannot be served, or the exchange's client cannot be made.
    pub async fn start(setup: impl Into<Setup>, listener: TcpListener) -> anyhow::Result<Self> {
        let setup = setup.into();
        let config = &setup.config;
        let parts = config.exchanges.enabled().map(|site| Part::of(site, &config.feed));
        let parts = parts.collect::<anyhow::Result<Vec<_>>>()?;
        Self::with_many(setup, parts, Clock::system(), listener).await
    }

    /// The same with any exchange in Bitfinex's place, and without live channels.
    ///
    /// # Errors
    /// As for [`App::start`].
    pub async fn with_exchange(
        setup: impl Into<Setup>,
        exchange: Arc<dyn Exchange>,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let open = |_, _: &_, _: &_| Feed::disabled();
        Self::with_parts(setup, exchange, open, Clock::system(), listener).await
    }

    /// The same with any exchange, any wall time, and the feed that `open` makes; the feed's
    /// channels are to go into the sink that `open` is given, and its tasks and metrics are the
    /// gateway's.
    ///
    /// # Errors
    /// As for [`App::start`].
    pub async fn with_parts(
        setup: impl Into<Setup>,
        exchange: Arc<dyn Exchange>,
        open: impl FnOnce(Arc<dyn Sink>, &Arc<Metrics>, &Tasks) -> Feed + Send,
        clock: Clock,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let part = Part::new(exchange, open);
        Self::with_many(setup, vec![part], clock, listener).await
    }

    /// The same with any exchanges.
    ///
    /// # Errors
    /// As for [`App::start`].
    pub async fn with_many(
        setup: impl Into<Setup>,
        parts: Vec<Part<'_>>,
        clock: Clock,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let Setup { config, logs } = setup.into();
        let settings = Current::new(config);
        let config = settings.now();
        let metrics = Metrics::new();
        let access = Arc::new(Access::open(&config.access, &metrics)?);
        metrics.expect_tasks(&TASKS);
        // What can fail does so before anything runs.
        let doors = Doors::open(&config.server, &metrics).await?;
        let panics = metrics.clone();
        let tasks = Tasks::new(move |name| panics.task_panicked(name));
        let panics = metrics.clone();
        let keeping = Tasks::new(move |name| panics.task_panicked(name));
        let store = Store::open(&config.store, &clock, &metrics, &keeping).await;
        let answers = config.cache.max_bytes / ANSWERS_SHARE;
        let cache: ProductCache = Cache::new(
            config.cache.max_bytes - answers,
            config.upstream.refresh_deadline,
            clock.clone(),
            metrics.clone(),
            tasks.clone(),
        );
        let mut desks = Vec::with_capacity(parts.len());
        for Part { exchange, open } in parts {
            let memory = Memories::new(&store, &clock).of(&*exchange, &config).await;
            let listed = store.markets(exchange.profile().name).await;
            let open = |sink| open(sink, &metrics, &tasks);
            let upstream = upstream(&*exchange, &config, memory, &metrics, &tasks);
            let (clocks, kept) = ((clock.clone(), &*metrics), (cache.clone(), store.clone()));
            let desk = Desk::new(exchange, upstream, kept, &settings, clocks, open, &tasks);
            if let Some((list, received_at)) = listed {
                desk.markets.recall(list, received_at);
            }
            let (warm_up, patience) = (desk.clone(), config.server.request_deadline);
            tasks.spawn_until_stop("warm-up", async move { warm_up.warm_up(patience).await });
            desks.push(desk);
        }
        let kept = metrics.clone();
        tasks.spawn_until_stop("upkeep", async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                kept.upkeep();
            }
        });
        let desks = Desks::new(desks, &config.exchanges.default);
        let answers = Answers::new(answers);
        let reader = Arc::new(Reader { desks, answers, metrics, clock, config: settings, logs });
        tasks.spawn_until_stop("history", keep_history(reader.clone()));
        let gateway = Gateway::new(reader, access, &tasks);
        let panics = gateway.reader().metrics.clone();
        let watching = Tasks::new(move |name| panics.task_panicked(name));
        let accepting = tasks.stopping();
        let Doors { tls, admin } = doors;
        let admin_at = admin.as_ref().map(|door| door.address);
        let surface = match admin {
            None => Surface::Whole,
            Some(Admin { listener, tls, .. }) => {
                let server = Server::admin(gateway.clone(), tls);
                let (stop, tasks) = (watching.stopping(), watching.clone());
                watching.spawn("listener", server.run(listener, stop, tasks));
                Surface::Clients
            }
        };
        let server = Server::of(gateway.clone(), surface, tls.clone());
        tasks.spawn("listener", server.run(listener, accepting.clone(), tasks.clone()));
        if let Some(tls) = &tls {
            let settings = gateway.reader().config.clone();
            tasks.spawn_until_stop("certificate", watch_certificate(tls.clone(), settings));
        }
        Ok(Self { address, admin: admin_at, tls, gateway, accepting, tasks, watching, keeping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL, without a slash at its end.
    pub fn url(&self) -> String {
        url(self.address, self.tls.is_some())
    }

    /// Where operators are served, if apart from clients; as [`App::url`].
    pub fn admin_url(&self) -> Option<String> {
        let speaks_tls = self.tls.is_some() && self.gateway.reader().config.now().server.admin.tls;
        self.admin.map(|address| url(address, speaks_tls))
    }

    /// The address of [`App::admin_url`].
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// What it serves.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Ends in order: `/readyz` says so, connections are accepted a little longer, then requests
    /// in flight are answered and everything stops; operators' listener is the last one. True if
    /// all of it did within the grace.
    pub async fn drain(self) -> bool {
        let server = self.gateway.reader().config.now().server.clone();
        self.gateway.phase().drain();
        tokio::time::sleep(server.drain_delay).await;
        self.accepting.cancel();
        let are_done = self.tasks.drain(server.drain_grace).await;
        let are_done = self.keeping.drain(server.drain_grace).await && are_done;
        self.watching.drain(server.drain_grace).await && are_done
    }
}

fn url(address: SocketAddr, speaks_tls: bool) -> String {
    let scheme = if speaks_tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// One exchange of a gateway.
pub struct Part<'a> {
    exchange: Arc<dyn Exchange>,
    open: OpenFeed<'a>,
}

/// Makes the feed whose channels go into the sink.
type OpenFeed<'a> = Box<dyn FnOnce(Arc<dyn Sink>, &Arc<Metrics>, &Tasks) -> Feed + Send + 'a>;

impl<'a> Part<'a> {
    /// An exchange, and the feed that `open` makes for it; see [`App::with_parts`].
    pub fn new(
        exchange: Arc<dyn Exchange>,
        open: impl FnOnce(Arc<dyn Sink>, &Arc<Metrics>, &Tasks) -> Feed + Send + 'a,
    ) -> Self {
        Self { exchange, open: Box::new(open) }
    }

    /// The exchange that a section of the settings names.
    fn of(site: &config::Site, feed: &config::Feed) -> anyhow::Result<Self> {
        let spec = spec(site.name).context("no adapter of this name")?;
        let request_timeout = site.request_timeout;
        let endpoints = Endpoints { rest_url: site.rest_url.clone(), request_timeout };
        let exchange = spec
            .open(&endpoints)
            .with_context(|| format!("cannot make a client for {}", spec.title))?;
        let socket = WebSocket::new(&site.ws_url, spec.profile.live.max_message_bytes)
            .with_context(|| format!("cannot make a client for {}'s feed", spec.title))?;
        let (spoken, connector, feed) = (exchange.clone(), Arc::new(socket), feed.clone());
        Ok(Self::new(exchange, move |sink, metrics, tasks| {
            Feed::start(&feed, spoken, connector, sink, metrics, tasks)
        }))
    }
}

/// What a listener is opened with.
struct Doors {
    tls: Option<Tls>,
    admin: Option<Admin>,
}

struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Doors {
    async fn open(settings: &config::Server, metrics: &Metrics) -> anyhow::Result<Self> {
        let tls = match settings.tls.pair() {
            None => None,
            Some(_) => {
                let tls = Tls::load(&settings.tls, metrics.tls());
                Some(tls.context("the certificate cannot be served")?)
            }
        };
        tls.iter().for_each(tell_expiry);
        let admin = match settings.admin.listen {
            None => None,
            Some(address) => {
                let listener = bind(address).await?;
                let address = listener.local_addr().context("the listener has no address")?;
                let tls = tls.clone().filter(|_| settings.admin.tls);
                Some(Admin { listener, address, tls })
            }
        };
        Ok(Self { tls, admin })
    }
}

/// Takes a sample of what happens and of what is left of every budget, again and again.
async fn keep_history(reader: Arc<Reader>) {
    loop {
        tokio::time::sleep(History::STEP).await;
        let left = reader.desks.all().iter().flat_map(|desk| {
            let exchange = desk.shelf.name();
            desk.shelf.upstream.snapshot().pools.into_iter().map(move |pool| BudgetLeft {
                exchange,
                family: pool.pool.name,
                limit: pool.limit,
                left: pool.left,
            })
        });
        reader.metrics.note_history(reader.clock.now(), left);
    }
}

fn upstream(
    exchange: &dyn Exchange,
    config: &Config,
    memory: Memory,
    metrics: &Metrics,
    tasks: &Tasks,
) -> Arc<Upstream> {
    let profile = exchange.profile();
    let budget = &config.exchanges[profile.name].budget;
    let pools: Vec<_> = budget.pools().collect();
    let meter = exchange.meter().cloned();
    Upstream::resume(profile.name, &pools, &config.upstream, memory, meter, metrics, tasks)
}
