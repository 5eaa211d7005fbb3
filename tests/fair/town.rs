//! Bots, a backfill, and an exchange that answers each call after a while of its own.

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tidegate::{
    config,
    exchange::{Family, Pool, Unit},
    tasks::Tasks,
    telemetry::{ClientId, Metrics, Payer, Wait},
    upstream::Upstream,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A request's time, as a gateway gives it.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many of the backfill's calls wait at a time.
const WORKERS: usize = 12;

/// Each family that the bots ask of: its limit, and how often a minute each bot asks.
pub(crate) const FAMILIES: [(Family, u32, u32); 2] =
    [(Family::Candles, 30, 1), (Family::Ticker, 90, 3)];

/// The pools of these families.
static POOLS: [Pool; 2] = [pool("candles", &[Family::Candles]), pool("ticker", &[Family::Ticker])];

const fn pool(name: &'static str, families: &'static [Family]) -> Pool {
    Pool { name, about: "", unit: Unit::Requests, per_minute: 0, burst: None, families }
}

/// Who lives there, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Town {
    pub(crate) bots: u32,
    /// How its calls wait, and how many minutes it is there before the bots.
    pub(crate) backfill: Option<(Wait, u32)>,
    /// Minutes that the bots are there before they are looked at.
    pub(crate) settling: u32,
    /// Minutes for which they are looked at.
    pub(crate) minutes: u32,
    /// By how much a bot may miss its rhythm.
    pub(crate) jitter: Duration,
}

impl Default for Town {
    fn default() -> Self {
        Self { bots: 20, backfill: None, settling: 3, minutes: 30, jitter: Duration::ZERO }
    }
}

/// What came of it in one family, while it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) family: Family,
    pub(crate) asked: u32,
    pub(crate) failed: u32,
    /// How long the bots waited for their answers, sorted.
    latencies: Vec<Duration>,
    /// Calls that the backfill made.
    pub(crate) backfill: u32,
    /// Slots of the window that were held at the peak.
    held: u32,
    limit: u32,
    minutes: u32,
}

impl Tally {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.latencies[(self.latencies.len() * percent).div_ceil(100) - 1]
    }

    /// Calls that the budget would have borne beside the bots' own.
    pub(crate) fn left_over(&self) -> u32 {
        self.budget() - self.asked
    }

    /// Calls that could have been made in slots that nobody ever held.
    pub(crate) fn never_held(&self) -> u32 {
        (self.limit - self.held) * self.minutes
    }

    /// All calls that were allowed.
    pub(crate) fn budget(&self) -> u32 {
        self.limit * self.minutes
    }
}

#[derive(Clone)]
struct Desk {
    upstream: Arc<Upstream>,
    tallies: Arc<Mutex<Vec<Tally>>>,
    from: Instant,
    until: Instant,
}

impl Desk {
    fn count(&self, family: Family, what: impl FnOnce(&mut Tally)) {
        if (self.from..self.until).contains(&Instant::now()) {
            let mut tallies = self.tallies.lock().unwrap();
            what(tallies.iter_mut().find(|tally| tally.family == family).unwrap());
        }
    }

    /// Asks `per_minute` in a rhythm that begins anywhere within it.
    async fn bot(
        self,
        client: ClientId,
        family: Family,
        per_minute: u32,
        seed: u64,
        jitter: Duration,
    ) {
        let mut dice = StdRng::seed_from_u64(seed);
        let rhythm = MINUTE / per_minute;
        let mut due = Instant::now() + rhythm.mul_f64(dice.random());
        while due < self.until {
            let at = due + jitter.mul_f64(dice.random());
            let takes = Duration::from_millis(dice.random_range(80..200));
            due += rhythm;
            sleep_until(at).await;
            let request = || async {
                let snapshot = self.upstream.snapshot();
                let held = snapshot.pools.iter().find(|it| it.pool.families.contains(&family));
                let held = held.unwrap().used;
                self.count(family, |tally| tally.held = tally.held.max(held));
                sleep(takes).await;
                Ok(())
            };
            let (asked, payer) = (Instant::now(), Payer::of(client));
            let counted = (self.from..self.until).contains(&asked);
            let told = self.upstream.call(family, payer, asked + DEADLINE, request).await;
            if counted {
                let mut tallies = self.tallies.lock().unwrap();
                let tally = tallies.iter_mut().find(|tally| tally.family == family).unwrap();
                tally.asked += 1;
                match told {
                    Ok(()) => tally.latencies.push(asked.elapsed()),
                    Err(_) => tally.failed += 1,
                }
            }
        }
    }

    /// Asks again as soon as it is answered or may.
    async fn backfill(self, payer: Payer, family: Family) {
        while Instant::now() < self.until {
            let desk = self.clone();
            let request = || async {
                desk.count(family, |tally| tally.backfill += 1);
                sleep(Duration::from_millis(300)).await;
                Ok(())
            };
            let deadline = Instant::now() + DEADLINE;
            if let Err(refusal) = self.upstream.call(family, payer, deadline, request).await {
                sleep(refusal.retry_after().unwrap_or(MINUTE)).await;
            }
        }
    }
}

/// What came of it, by family.
pub(crate) fn run(town: Town) -> Vec<Tally> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(live(town))
}

async fn live(town: Town) -> Vec<Tally> {
    let (metrics, tasks) = (Metrics::new(), Tasks::new(|name| panic!("the task {name} panicked")));
    let pools: Vec<_> =
        POOLS.iter().zip(FAMILIES).map(|(pool, (_, limit, _))| (pool, limit)).collect();
    let upstream = Upstream::new("test", &pools, &config::Upstream::default(), &metrics, &tasks);
    let tallies = FAMILIES.map(|(family, limit, _)| Tally {
        family,
        asked: 0,
        failed: 0,
        latencies: Vec::new(),
        backfill: 0,
        held: 0,
        limit,
        minutes: town.minutes,
    });
    let begin = Instant::now() + MINUTE * town.backfill.map_or(0, |(_, before)| before);
    let from = begin + MINUTE * town.settling;
    let until = from + MINUTE * town.minutes;
    let desk = Desk { upstream, tallies: Arc::new(Mutex::new(tallies.into())), from, until };
    let mut all = JoinSet::new();
    if let Some((class, _)) = town.backfill {
        let client = metrics.client("backfill").unwrap();
        let payer = Payer { class, client, weight: NonZeroU16::MIN };
        for (family, ..) in FAMILIES {
            for _ in 0..WORKERS {
                all.spawn(desk.clone().backfill(payer, family));
            }
        }
    }
    sleep_until(begin).await;
    for bot in 0..town.bots {
        let client = metrics.client(&format!("bot {bot}")).unwrap();
        for (family, _, per_minute) in FAMILIES {
            let seed = u64::from(bot * 10 + per_minute);
            all.spawn(desk.clone().bot(client, family, per_minute, seed, town.jitter));
        }
    }
    all.join_all().await;
    let mut families = desk.tallies.lock().unwrap().clone();
    families.iter_mut().for_each(|tally| tally.latencies.sort());
    families
}
