//! What one exchange does otherwise than another.

use std::{sync::Arc, time::Duration};

use crate::market::UnixMs;

use super::{
    Family, Kind, MarketEngine, SimConfig, State, WsConfig,
    answer::Answer,
    binance::Binance,
    bitfinex::Bitfinex,
    coinbase::Coinbase,
    faults::Fault,
    kraken::Kraken,
    limiter::{Denial, Limiter},
    query::Query,
    ws::{Opening, Talk},
};

/// A GET at the market's present.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) engine: &'a MarketEngine,
    /// Decoded.
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) now: UnixMs,
}

/// How many connections an exchange lets in within a window, and how long it blocks who asks for
/// more.
#[derive(Clone, Copy)]
pub(super) struct Connections {
    pub(super) most: usize,
    pub(super) window: Duration,
    pub(super) block: Duration,
}

impl Connections {
    /// What the settings say, where they do.
    pub(super) fn or(self, config: &WsConfig) -> Self {
        Self {
            most: config.max_connections.unwrap_or(self.most),
            window: config.connection_window.unwrap_or(self.window),
            block: config.connection_block.unwrap_or(self.block),
        }
    }
}

/// An exchange's ways: pure functions of the market, the request and the time.
pub(super) trait Dialect: Send + Sync {
    /// Where its WebSocket API answers; the setting of an adapter ends with it.
    fn ws_path(&self) -> &'static str;

    /// True if an upgrade may be asked for at this path.
    fn is_ws(&self, path: &str) -> bool {
        path == self.ws_path()
    }

    /// Which endpoints a path is counted with.
    fn family(&self, path: &str) -> Family;

    /// What a request costs of the limit.
    fn cost(&self, _path: &str, _query: &Query) -> u32 {
        1
    }

    /// The exchange's own limits, unused so far.
    fn limiter(&self, config: &SimConfig) -> Limiter;

    fn connections(&self) -> Connections;

    fn answer(&self, ask: &Ask<'_>) -> Answer;

    /// The answer to a request that is beyond the limit.
    fn refusal(&self, denial: Denial) -> Answer;

    /// The exchange's own words for a fault; `None` if it has none and the general ones do.
    fn fault(&self, fault: &Fault, family: Family) -> Option<Answer>;

    /// Tells of what has been used up so far in the headers of an answer.
    fn tell_used(&self, _used: u32, _answer: &mut Answer) {}

    /// The exchange's side of a WebSocket connection.
    fn talk(&self, state: &Arc<State>, opening: Opening<'_>) -> Box<dyn Talk>;
}

/// The dialect that the settings ask for.
pub(super) fn dialect(config: &SimConfig, engine: &MarketEngine) -> Box<dyn Dialect> {
    match config.exchange {
        Kind::Bitfinex => Box::new(Bitfinex::new(config.refusal)),
        Kind::Kraken => Box::new(Kraken::new(engine)),
        Kind::Coinbase => Box::new(Coinbase::new(engine)),
        Kind::Binance => Box::new(Binance::new(engine)),
    }
}
