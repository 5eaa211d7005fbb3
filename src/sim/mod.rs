//! A simulated exchange on loopback, which plays the part of one of several: a real HTTP and WebSocket server with a consistent market, the
//! exchange's request limits and bans, and faults by script.
//!
//! It is written from the exchanges' documentation and recordings, not from this crate's adapter,
//! so that the adapter is judged by something that it did not shape. `tidegate demo`,
//! `tidegate sim`, tests and benches run against it over real sockets; [`Venue`] is the same
//! exchange in process, for tests whose clock stands still.
//!
//! ```text
//! server    accept loop, one connection, resets and cut bodies
//! admin     /sim/...: faults, counts and log over HTTP
//! venue     the exchange without sockets, and what its connections share
//! faults    which call goes wrong, and how;  mangle: how a true answer is spoilt
//! calls     counts and log;  limiter: windows, buckets, weights and bans;  family: endpoints
//! dialect   what one exchange does otherwise than another:
//!   bitfinex  with rest, ws and key (keys of candle series, which both have)
//!   kraken, coinbase, binance  names, REST and WebSocket of each
//! listing   the market in common codes and fixed decimals, near the engine's prices
//! ws        sockets and conversations, what all exchanges share of them, and Bitfinex's
//! engine    the market: a pure function of seed, symbol and time
//! ```
//!
//! # Admin routes
//!
//! They are no part of the exchange, are not counted and never fail by script.
//!
//! | route | does |
//! |---|---|
//! | `POST /sim/faults` | adds a [`FaultRule`] or a [`WsRule`], or an array of them; answers all rules in force |
//! | `GET /sim/faults` | the rules in force, those of REST first |
//! | `DELETE /sim/faults` | removes them |
//! | `POST /sim/ws` | `"drop"` or another [`WsAction`]: done at once to every open connection |
//! | `GET /sim/counts` | [`Counts`] |
//! | `DELETE /sim/counts` | begins counts and log anew |
//! | `GET /sim/log` | the calls, oldest first |
//!
//! A rule: `{"kind":"delay","ms":200,"family":"candles","times":3,"probability":0.5}`; kinds are
//! those of [`Fault`] in snake case, `family`, `path`, `times` and `probability` may be left out.
//!
//! One for WebSockets: `{"ws":"freeze","heartbeats":true,"channel":"book","symbol":"tBTCUSD"}`; its
//! kinds are those of [`WsFault`], and all but `ws` may be left out. `for_ms` limits its time.

mod admin;
mod answer;
mod binance;
mod bitfinex;
mod calls;
mod clock;
mod coinbase;
mod decimal;
mod dialect;
pub mod engine;
mod family;
mod faults;
mod json;
mod key;
mod kind;
mod kraken;
mod limiter;
mod listing;
mod mangle;
mod query;
mod respond;
mod rest;
mod server;
mod venue;
mod ws;

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpListener;

use crate::{clock::Clock, market::UnixMs, tasks::Tasks};

pub use calls::{Call, Counts};
pub use clock::{ManualTime, SimClock};
pub use engine::MarketEngine;
pub use family::{Family, Limits};
pub use faults::{Fault, FaultRule};
pub use kind::{Kind, UnknownKind};
pub use venue::Venue;
pub use ws::{Conversation, Frame, Refused, WsAction, WsConfig, WsCounts, WsFault, WsRule};

use venue::State;

/// How a simulated exchange is set up.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Which exchange is simulated.
    pub exchange: Kind,
    /// Equal seeds and equal times give equal bytes.
    pub seed: u64,
    /// Requests per family and window, on any exchange; `None` for the exchange's own limits.
    pub limits: Option<Limits>,
    /// The sliding window in which requests are counted.
    pub window: Duration,
    /// How long a family is refused after a breach. Binance bans an address for twice as long.
    pub ban: Duration,
    /// Added to each answer.
    pub latency: Duration,
    /// Off: calls are counted, but none is refused.
    pub enforce: bool,
    /// Which body a refused call has on Bitfinex.
    pub refusal: Refusal,
    /// Where the market takes its time from.
    pub clock: SimClock,
    /// How far trades reach back before the start, rounded to a whole day.
    pub history: Duration,
    /// The WebSocket half.
    pub ws: WsConfig,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            exchange: Kind::Bitfinex,
            seed: 1,
            limits: None,
            window: Limits::MINUTE,
            ban: Limits::MINUTE,
            latency: Duration::ZERO,
            enforce: true,
            refusal: Refusal::Array,
            clock: SimClock::Wall(Clock::system()),
            history: Duration::from_secs(400 * 86_400),
            ws: WsConfig::default(),
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
    venue: Venue,
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
        let venue = Venue::new(config);
        tasks.spawn_until_stop("sim", server::serve(listener, venue.0.clone(), tasks.clone()));
        Ok(Self { addr, venue })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What stands in for the exchange's root, such as `https://api-pub.bitfinex.com`:
    /// `http://127.0.0.1:PORT`.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What stands in for `wss://api-pub.bitfinex.com/ws/2` and other exchanges' like:
    /// `ws://127.0.0.1:PORT` with `/ws/2`, `/v2` (Kraken), `/` (Coinbase) or `/stream` (Binance).
    pub fn ws_url(&self) -> String {
        format!("ws://{}{}", self.addr, self.venue.0.dialect.ws_path())
    }

    /// The exchange that it serves: asked in process, it is counted and fails as over sockets.
    pub fn venue(&self) -> &Venue {
        &self.venue
    }

    /// Calls counted since the start or the last [`Sim::reset_counts`].
    pub fn counts(&self) -> Counts {
        self.venue.counts()
    }

    /// The latest calls, oldest first.
    pub fn log(&self) -> Vec<Call> {
        self.venue.log()
    }

    /// Begins counts and log anew. Windows, bans and connections go on.
    pub fn reset_counts(&self) {
        self.venue.reset_counts();
    }

    /// Adds a rule for REST calls after those in force.
    pub fn fault(&self, rule: FaultRule) {
        self.venue.fault(rule);
    }

    /// Adds a rule for WebSocket connections after those in force.
    pub fn ws_fault(&self, rule: WsRule) {
        self.venue.ws_fault(rule);
    }

    /// Does something to every WebSocket connection that is open.
    pub fn ws_now(&self, action: WsAction) {
        self.venue.ws_now(action);
    }

    /// Removes all rules, of both kinds.
    pub fn clear_faults(&self) {
        self.venue.clear_faults();
    }

    /// The truth behind the answers.
    pub fn market(&self) -> &MarketEngine {
        self.venue.market()
    }

    /// The market's present.
    pub fn now(&self) -> UnixMs {
        self.venue.now()
    }
}
