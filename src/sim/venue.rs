//! The simulated exchange without its sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::market::UnixMs;

use super::{
    Call, Conversation, Counts, FaultRule, MarketEngine, Refused, SimClock, SimConfig, WsAction,
    WsConfig, WsRule,
    calls::Ledger,
    dialect::{Dialect, dialect},
    faults::Script,
    limiter::Limiter,
    respond,
    ws::{Door, WsScript},
};

/// A simulated exchange that is asked in process: what [`super::Sim`] serves over sockets.
///
/// For tests under a paused clock, where sockets cannot be used. Clones are the same exchange.
#[derive(Clone)]
pub struct Venue(pub(super) Arc<State>);

/// What all connections share.
pub(super) struct State {
    pub(super) seed: u64,
    pub(super) engine: MarketEngine,
    pub(super) clock: SimClock,
    pub(super) latency: std::time::Duration,
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) ws: WsConfig,
    // All of them are locked for a few lines without awaits.
    ledger: Mutex<Ledger>,
    script: Mutex<Script>,
    door: Mutex<Door>,
    pub(super) ws_script: Mutex<WsScript>,
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        locked(&self.script)
    }

    pub(super) fn door(&self) -> MutexGuard<'_, Door> {
        locked(&self.door)
    }

    pub(super) fn ws_script(&self) -> MutexGuard<'_, WsScript> {
        locked(&self.ws_script)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { ws: self.door().counts, ..self.ledger().counts() }
    }

    pub(super) fn reset_counts(&self) {
        self.ledger().reset();
        self.door().reset_counts();
    }

    pub(super) fn clear_faults(&self) {
        self.script().clear();
        self.ws_script().clear();
    }
}

impl Venue {
    /// An exchange whose market stands where its clock does.
    pub fn new(config: SimConfig) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let history = i64::try_from(config.history.as_millis()).unwrap_or(i64::MAX);
        let start = config.clock.now();
        let oldest = start.millis().saturating_sub(history);
        let listed_from = UnixMs::from_millis(oldest - oldest.rem_euclid(DAY_MS));
        let engine = MarketEngine::new(config.seed, listed_from, start);
        let dialect = dialect(&config, &engine);
        let limiter = config.enforce.then(|| match config.limits {
            Some(limits) => Limiter::windows(limits, config.window, config.ban),
            None => dialect.limiter(&config),
        });
        let connections = dialect.connections();
        Self(Arc::new(State {
            seed: config.seed,
            engine,
            dialect,
            clock: config.clock,
            latency: config.latency,
            ws: config.ws,
            ledger: Mutex::new(Ledger::new(limiter, config.window, start)),
            script: Mutex::new(Script::new(config.seed)),
            door: Mutex::new(Door::new(config.enforce, connections.or(&config.ws))),
            ws_script: Mutex::new(WsScript::new(config.seed)),
        }))
    }

    /// Status and body of a GET, at the clock's present: `/v2/ticker/tBTCUSD`, encoded as in a URL.
    ///
    /// It is counted and limited, and the script strikes; faults that need a socket or time to
    /// pass (`delay`, `hang`, `reset`, `cut`, `oversized`, `drip`) are used up without effect.
    pub fn rest(&self, path_and_query: &str) -> (u16, String) {
        let answer = respond::settle(&self.0, path_and_query);
        (answer.status, answer.body)
    }

    /// Opens a WebSocket connection, at the clock's present.
    ///
    /// # Errors
    /// If there were too many lately, or by script.
    pub fn connect(&self) -> Result<Conversation, Refused> {
        self.connect_to(self.0.dialect.ws_path())
    }

    /// Opens a WebSocket connection by another path, with its query: `/stream?streams=a/b`.
    ///
    /// # Errors
    /// If there were too many lately, or by script.
    pub fn connect_to(&self, target: &str) -> Result<Conversation, Refused> {
        Conversation::new(self.0.clone(), target)
    }

    /// Calls and connections counted since the start or the last [`Venue::reset_counts`].
    pub fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// The latest calls, oldest first.
    pub fn log(&self) -> Vec<Call> {
        self.0.ledger().log()
    }

    /// Begins counts and log anew. Windows, bans and connections go on.
    pub fn reset_counts(&self) {
        self.0.reset_counts();
    }

    /// Adds a rule for REST calls after those in force.
    pub fn fault(&self, rule: FaultRule) {
        self.0.script().add(rule);
    }

    /// Adds a rule for WebSocket connections after those in force.
    pub fn ws_fault(&self, rule: WsRule) {
        self.0.ws_script().add(rule, self.0.clock.now());
    }

    /// Does something to every WebSocket connection that is open.
    pub fn ws_now(&self, action: WsAction) {
        self.0.door().act(action);
    }

    /// Removes all rules, of both kinds.
    pub fn clear_faults(&self) {
        self.0.clear_faults();
    }

    /// The truth behind the answers.
    pub fn market(&self) -> &MarketEngine {
        &self.0.engine
    }

    /// The market's present.
    pub fn now(&self) -> UnixMs {
        self.0.clock.now()
    }
}
