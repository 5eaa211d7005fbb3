//! Kraken: public REST and WebSocket, version 2, after docs.kraken.com (2026-09) and what was
//! recorded and measured of both until 2026-10.
//!
//! ```text
//! names    pairs with their three spellings, assets
//! rest     path and query -> the envelope, status 200 whatever happens
//! ws       a conversation;  channel: what each of its channels says
//! ```

mod channel;
mod names;
mod rest;
mod ws;

use std::{sync::Arc, time::Duration};

use super::{
    Family, MarketEngine, SimConfig, State,
    answer::Answer,
    dialect::{Ask, Connections, Dialect},
    faults::Fault,
    limiter::{Denial, Limiter},
    ws::{Opening, Talk},
};
use names::Pairs;

pub(super) struct Kraken {
    pairs: Arc<Pairs>,
}

/// Its prices are higher by this fraction than the engine's.
const BASIS: f64 = 0.000_11;

impl Kraken {
    pub(super) fn new(engine: &MarketEngine) -> Self {
        Self { pairs: Arc::new(Pairs::new(engine, BASIS)) }
    }
}

impl Dialect for Kraken {
    fn ws_path(&self) -> &'static str {
        "/v2"
    }

    fn family(&self, path: &str) -> Family {
        match path.strip_prefix("/0/public/") {
            Some("Ticker") => Family::Tickers,
            Some("OHLC") => Family::Candles,
            Some("Trades" | "Spread") => Family::Trades,
            Some("Depth") => Family::Book,
            Some("AssetPairs" | "Assets") => Family::Conf,
            Some("Time" | "SystemStatus") => Family::Platform,
            _ => Family::Unknown,
        }
    }

    /// A burst of about 30 was let through (measured 2026-10); one a second is what is advised.
    fn limiter(&self, _: &SimConfig) -> Limiter {
        Limiter::bucket(30.0, 1.0)
    }

    /// About 150 attempts in ten minutes, then a ban of ten (docs.kraken.com, WebSocket FAQ,
    /// 2026-09).
    fn connections(&self) -> Connections {
        const WINDOW: Duration = Duration::from_secs(600);
        Connections { most: 150, window: WINDOW, block: WINDOW }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        rest::answer(&self.pairs, ask)
    }

    fn refusal(&self, denial: Denial) -> Answer {
        rest::failed(match denial {
            Denial::TooMany { .. } => "EGeneral:Too many requests",
            Denial::Banned { .. } => "EGeneral:Temporary lockout",
        })
    }

    fn fault(&self, fault: &Fault, family: Family) -> Option<Answer> {
        Some(match fault {
            Fault::RateLimited { .. } => rest::failed("EGeneral:Too many requests"),
            Fault::RateLimitedObject { .. } => rest::failed("EAPI:Rate limit exceeded"),
            Fault::Banned { .. } => rest::failed("EGeneral:Temporary lockout"),
            Fault::Restricted => {
                Answer::new(403, super::answer::HTML, "<html>403 Forbidden</html>".to_owned())
            }
            Fault::ErrorArray { message, .. } => rest::failed(message),
            Fault::Empty => rest::done("{}"),
            Fault::Maintenance if family == Family::Platform => {
                rest::done(r#"{"status":"maintenance","timestamp":"2026-11-22T00:00:00Z"}"#)
            }
            Fault::Maintenance => rest::failed("EService:Unavailable"),
            Fault::NotReady => rest::failed("EService:Busy"),
            _ => return None,
        })
    }

    fn talk(&self, state: &Arc<State>, opening: Opening<'_>) -> Box<dyn Talk> {
        Box::new(ws::KrakenTalk::new(state.clone(), self.pairs.clone(), &opening))
    }
}
