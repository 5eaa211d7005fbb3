//! Coinbase's ways.

use std::{sync::Arc, time::Duration};

use super::{
    Family, MarketEngine, SimConfig, State,
    answer::Answer,
    dialect::{Ask, Connections, Dialect},
    faults::Fault,
    limiter::{Denial, Limiter},
    listing::{Market, markets},
    ws::{Opening, Talk},
};

pub(super) struct Coinbase {
    markets: Arc<Vec<Market>>,
}

/// Its prices are higher by this fraction than the engine's.
const BASIS: f64 = 0.000_2;

impl Coinbase {
    pub(super) fn new(engine: &MarketEngine) -> Self {
        Self { markets: Arc::new(markets(engine, BASIS)) }
    }
}

impl Dialect for Coinbase {
    fn ws_path(&self) -> &'static str {
        "/"
    }

    fn family(&self, _path: &str) -> Family {
        todo!()
    }

    fn limiter(&self, config: &SimConfig) -> Limiter {
        Limiter::weight(6_000, config.ban * 2)
    }

    fn connections(&self) -> Connections {
        const WINDOW: Duration = Duration::from_secs(300);
        Connections { most: 300, window: WINDOW, block: WINDOW }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        Answer::not_found("GET", ask.path)
    }

    fn refusal(&self, _denial: Denial) -> Answer {
        todo!()
    }

    fn fault(&self, _fault: &Fault, _family: Family) -> Option<Answer> {
        todo!()
    }

    fn talk(&self, _state: &Arc<State>, _opening: Opening<'_>) -> Box<dyn Talk> {
        todo!("{}", self.markets.len())
    }
}
