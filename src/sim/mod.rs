//! A simulated Bitfinex on loopback: a real HTTP server with a consistent market, the exchange's
//! request limits and bans, and faults by script.
//!
//! It is written from the exchange's documentation and recordings, not from this crate's adapter,
//! so that the adapter is judged by something that it did not shape. `tidegate demo`,
//! `tidegate sim`, tests and benches run against it over real sockets.
//!
//! ```text
//! server    accept loop, one connection, resets and cut bodies
//! admin     /sim/...: faults, counts and log over HTTP
//! faults    which call goes wrong, and how;  mangle: how a true answer is spoilt
//! calls     counts, log, windows and bans;   family: which endpoints count together
//! rest      path and query -> status and body, in the exchange's shapes
//! engine    the market: a pure function of seed, symbol and time
//! ```
//!
//! # Admin routes
//!
//! They are no part of the exchange, are not counted and never fail by script.
//!
//! | route | does |
//! |---|---|
//! | `POST /sim/faults` | adds a [`FaultRule`], or an array of them; answers all rules in force |
//! | `GET /sim/faults` | the rules in force |
//! | `DELETE /sim/faults` | removes them |
//! | `GET /sim/counts` | [`Counts`] |
//! | `DELETE /sim/counts` | begins counts and log anew |
//! | `GET /sim/log` | the calls, oldest first |
//!
//! A rule: `{"kind":"delay","ms":200,"family":"candles","times":3,"probability":0.5}`; kinds are
//! those of [`Fault`] in snake case, `family`, `path`, `times` and `probability` may be left out.

mod admin;
mod calls;
mod clock;
pub mod engine;
mod family;
mod faults;
mod json;
mod mangle;
mod respond;
mod rest;
mod server;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::net::TcpListener;

use crate::{clock::Clock, market::UnixMs, tasks::Tasks};

pub use calls::{Call, Counts};
pub use clock::{ManualTime, SimClock};
pub use engine::MarketEngine;
pub use family::{Family, Limits};
pub use faults::{Fault, FaultRule};

use calls::Ledger;
use faults::Script;

/// How a simulated exchange is set up.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Equal seeds and equal times give equal bytes.
    pub seed: u64,
    /// Requests per family and window; `None` for the documented ones.
    pub limits: Option<Limits>,
    /// The sliding window in which requests are counted.
    pub window: Duration,
    /// How long a family answers 429 after a breach.
    pub ban: Duration,
    /// Added to each answer.
    pub latency: Duration,
    /// Off: calls are counted, but none is refused.
    pub enforce: bool,
    /// Which body a refused call has.
    pub refusal: Refusal,
    /// Where the market takes its time from.
    pub clock: SimClock,
    /// How far trades reach back before the start, rounded to a whole day.
    pub history: Duration,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            limits: None,
            window: Limits::MINUTE,
            ban: Limits::MINUTE,
            latency: Duration::ZERO,
            enforce: true,
            refusal: Refusal::Array,
            clock: SimClock::Wall(Clock::system()),
            history: Duration::from_secs(400 * 86_400),
        }
    }
}

/// The body of a 429. Both are documented; which endpoint gives which is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `["error",11010,"ratelimit: error"]`.
    Array,
    /// `{"error":"ERR_RATE_LIMIT"}`.
    Object,
}

/// A running simulated exchange. Clones are the same one.
#[derive(Clone)]
pub struct Sim {
    addr: SocketAddr,
    state: Arc<State>,
}

/// What the server's connections share.
struct State {
    engine: MarketEngine,
    clock: SimClock,
    latency: Duration,
    refusal: Refusal,
    // Both are locked for a few lines without awaits.
    ledger: Mutex<Ledger>,
    script: Mutex<Script>,
}

impl State {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    /// Serves on `listener` until the tasks stop.
    ///
    /// # Errors
    /// If the listener has no local address.
    pub async fn start(
        config: SimConfig,
        listener: TcpListener,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let limits = config.enforce.then(|| config.limits.unwrap_or_default());
        let history = i64::try_from(config.history.as_millis()).unwrap_or(i64::MAX);
        const DAY_MS: i64 = 86_400_000;
        let start = config.clock.now();
        let oldest = start.millis().saturating_sub(history);
        let listed_from = UnixMs::from_millis(oldest - oldest.rem_euclid(DAY_MS));
        let state = Arc::new(State {
            engine: MarketEngine::new(config.seed, listed_from, start),
            clock: config.clock,
            latency: config.latency,
            refusal: config.refusal,
            ledger: Mutex::new(Ledger::new(limits, config.window, config.ban)),
            script: Mutex::new(Script::new(config.seed)),
        });
        tasks.spawn_until_stop("sim", server::serve(listener, state.clone(), tasks.clone()));
        Ok(Self { addr, state })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What stands in for `https://api-pub.bitfinex.com`: `http://127.0.0.1:PORT`.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Calls counted since the start or the last [`Sim::reset_counts`].
    pub fn counts(&self) -> Counts {
        self.state.ledger().counts()
    }

    /// The latest calls, oldest first.
    pub fn log(&self) -> Vec<Call> {
        self.state.ledger().log()
    }

    /// Begins counts and log anew. Windows and bans go on.
    pub fn reset_counts(&self) {
        self.state.ledger().reset();
    }

    /// Adds a rule after those in force.
    pub fn fault(&self, rule: FaultRule) {
        self.state.script().add(rule);
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.state.script().clear();
    }

    /// The truth behind the answers.
    pub fn market(&self) -> &MarketEngine {
        &self.state.engine
    }

    /// The market's present.
    pub fn now(&self) -> UnixMs {
        self.state.clock.now()
    }
}
