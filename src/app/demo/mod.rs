//! `tidegate demo`: simulated exchanges, the gateway, and clients that hammer it.
//!
//! ```text
//! bot      what a client asks, and when: seeded
//! fleet    the clients: a connection each, over loopback like anyone's
//! tally    what they saw: ages, times, refusals
//! report   the text up to the end;  summary: that at the end. Every figure is measured here or
//!          counted by the exchange
//! ```

mod bot;
mod fleet;
mod operator;
mod report;
mod summary;
mod tally;

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    net::TcpListener,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use super::{App, Setup, bind, stop_signal};
use crate::{
    cache::Ask,
    cli::{Demo, Settings},
    config::{Config, Origin},
    sim::{Kind, Sim, SimConfig},
    tasks::Tasks,
    telemetry::logs,
};

use fleet::Fleet;
use operator::Operator;
use report::Status;
use summary::{Saw, Summary};
use tally::Seen;

/// A line of status each.
const EVERY: Duration = Duration::from_secs(5);

/// Rows under one head of the table.
const ROWS: usize = 20;

/// How long requests in flight and connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the demo until it is told to stop or its time is over; `env` as in [`Settings::load`].
///
/// # Errors
/// The address is taken, the settings in the environment are wrong, or the market list does not
/// come.
pub(super) async fn run(options: Demo, env: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let mut config = settings(env)?;
    let listen_on = options.listen.ip();
    if config.access.is_missing_at(listen_on) {
        bail!(
            "whoever reaches {listen_on} could ask: set TIDEGATE__ACCESS__KEYS_FILE, or \
             TIDEGATE__ACCESS__OPEN=true if that is what is wanted"
        );
    }
    let operator = match config.access.keys_file {
        Some(_) => None,
        None => Some(Operator::new()?),
    };
    if let Some(operator) = &operator {
        config.access.keys_file = Some(operator.keys_file.clone());
    }
    let logs = logs::init(&config.log.filter, config.log.format, None)?;
    let listener = listen(options.listen).await?;
    let tasks = Tasks::new(|_| {});
    let sims = simulate(&options, &mut config, &tasks).await?;
    let show = Show::open(options, Setup { config, logs }, listener, sims).await?;
    let shown = show.run(operator.as_ref()).await;
    tasks.drain(GRACE).await;
    match shown {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever read along has seen enough (`tidegate demo | head`).
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    }
}

/// Starts the exchanges that are asked for, and lets the settings serve them and no others: nobody
/// wants a demo to ask a real one.
async fn simulate(
    options: &Demo,
    config: &mut Config,
    tasks: &Tasks,
) -> anyhow::Result<Vec<(Kind, Sim)>> {
    let mut sims: Vec<(Kind, Sim)> = Vec::new();
    config.exchanges.sites.iter_mut().for_each(|site| site.enabled = false);
    options.exchanges[0].clone_into(&mut config.exchanges.default);
    for name in &options.exchanges {
        let exchange: Kind = name.parse()?;
        if sims.iter().any(|(other, _)| *other == exchange) {
            continue;
        }
        let inside = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let sim_config = SimConfig { exchange, seed: options.seed, ..SimConfig::default() };
        let sim = Sim::start(sim_config, inside, tasks).await?;
        let site = &mut config.exchanges[exchange.as_str()];
        (site.enabled, site.rest_url, site.ws_url) = (true, sim.rest_url(), sim.ws_url());
        sims.push((exchange, sim));
    }
    Ok(sims)
}

/// The settings of the environment, with quiet logs and without a load balancer to wait for.
fn settings(env: Vec<(String, String)>) -> anyhow::Result<Config> {
    let loaded = Settings::default().load(env)?;
    let asked_for_logs = loaded.origin("log.filter") != &Origin::Default;
    let mut config = loaded.config;
    if !asked_for_logs {
        "warn".clone_into(&mut config.log.filter);
    }
    config.server.drain_delay = Duration::ZERO;
    config.server.drain_grace = GRACE;
    Ok(config)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "{address} is taken. Choose another address, or port 0 for any free one:\n  \
             tidegate demo --listen {}:0",
            address.ip()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Everything that runs.
struct Show {
    options: Demo,
    app: App,
    sims: Vec<(Kind, Sim)>,
    began: Instant,
}

impl Show {
    /// Starts the gateway and waits until it knows the markets.
    async fn open(
        options: Demo,
        setup: Setup,
        listener: TcpListener,
        sims: Vec<(Kind, Sim)>,
    ) -> anyhow::Result<Self> {
        let deadline = Instant::now() + setup.config.server.request_deadline;
        let app = App::start(setup, listener).await?;
        for desk in app.gateway().reader().desks.all() {
            let name = desk.shelf.name();
            let listed = desk.markets.get(Ask::by(deadline)).await;
            listed.with_context(|| format!("{name}'s market list does not come"))?;
        }
        Ok(Self { options, app, sims, began: Instant::now() })
    }

    /// Lets the clients ask, and tells what happens, until the end.
    async fn run(self, operator: Option<&Operator>) -> anyhow::Result<()> {
        let Demo { clients, seed, seconds, .. } = self.options;
        let address = self.app.address();
        let key = operator.map(Operator::key);
        let urls: Vec<_> = self.sims.iter().map(|(kind, sim)| (*kind, sim.rest_url())).collect();
        say(&report::opening(address, &urls, seed, clients, key))?;
        let exchanges: Vec<Kind> = self.sims.iter().map(|(kind, _)| *kind).collect();
        let fleet = Fleet::start(clients, address, seed, &exchanges);
        let told = self.tell(&fleet, seconds.map(Duration::from_secs)).await;
        let (lasted, seen) = (self.began.elapsed(), fleet.seen());
        fleet.stop().await;
        let summary = Summary {
            clients,
            lasted,
            seen,
            asked: self.app.gateway().reader().metrics.totals().requests,
            exchanges: self.sims.iter().map(|(kind, sim)| self.saw(*kind, sim)).collect(),
        };
        if told.is_ok() {
            say(&summary.text())?;
        }
        self.app.drain().await;
        told
    }

    /// Prints a row now and then until the end has come.
    async fn tell(&self, fleet: &Fleet, limit: Option<Duration>) -> anyhow::Result<()> {
        let time_over = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let stopped = stop_signal();
        tokio::pin!(time_over, stopped);
        let mut ticks = interval_at(self.began + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut rows, mut asked, mut before) = (0, 0, fleet.seen());
        loop {
            tokio::select! {
                () = &mut time_over => return Ok(()),
                signal = &mut stopped => return Ok(signal?),
                () = self.app.gateway().phase().drains() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let seen = fleet.seen();
            let status = self.status(&seen, &before);
            before = seen;
            if status.asked == asked {
                continue;
            }
            asked = status.asked;
            if rows % ROWS == 0 {
                say(report::HEAD)?;
            }
            rows += 1;
            say(&status.row())?;
        }
    }

    fn saw(&self, exchange: Kind, sim: &Sim) -> Saw {
        let config = self.app.gateway().reader().config.now();
        let pools = config.exchanges[exchange.as_str()].budget.pools();
        let budget = pools.map(|(pool, limit)| (limit, pool.unit.as_str())).collect();
        Saw { exchange, counts: sim.counts(), budget }
    }

    fn status(&self, seen: &Seen, before: &Seen) -> Status {
        let reader = self.app.gateway().reader();
        let is_alone = self.sims.len() == 1;
        let budgets = reader.desks.all().iter().flat_map(|desk| {
            let pools = desk.shelf.upstream.snapshot().pools;
            pools.into_iter().map(move |pool| {
                let name = if is_alone { pool.pool.name } else { desk.shelf.name() };
                (name, pool.left, pool.limit)
            })
        });
        let counts: Vec<_> = self.sims.iter().map(|(_, sim)| sim.counts()).collect();
        let alone = self.options.clients == 0;
        let totals = reader.metrics.totals();
        Status {
            since: self.began.elapsed(),
            asked: if alone { totals.requests } else { seen.asked },
            from_cache: (!alone).then_some(seen.from_cache),
            from_streams: if alone { totals.from_streams } else { seen.from_streams },
            refused: seen.refused + seen.failed,
            upstream: counts.iter().map(|counts| counts.total()).sum(),
            limited: counts.iter().map(|counts| counts.refused_total()).sum(),
            scarcest: report::scarcest(budgets),
            p99: if alone {
                reader.metrics.p99()
            } else {
                seen.took.since(&before.took).quantile(0.99)
            },
        }
    }
}
