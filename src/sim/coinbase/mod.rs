//! Coinbase: the public half of Advanced Trade, REST and WebSocket, after docs.cdp.coinbase.com
//! (2026-09) and what was recorded in 2026-08 and measured until 2026-09.
//!
//! ```text
//! products  what is listed, aliases among it
//! rest      path and query -> status and body
//! ws        a conversation;  channel: what each of its channels says
//! ```

mod channel;
mod products;
mod rest;
mod ws;

use std::{sync::Arc, time::Duration};

use super::{
    Family, MarketEngine, SimConfig, State,
    answer::{Answer, HTML},
    dialect::{Ask, Connections, Dialect},
    faults::Fault,
    limiter::{Denial, Limiter},
    ws::{Opening, Talk},
};
use products::Products;
use rest::refused;

pub(super) struct Coinbase {
    products: Arc<Products>,
    spoke: Arc<ws::Spoke>,
}

/// Its prices are lower by this fraction than the engine's.
const BASIS: f64 = -0.000_07;
const ROOT: &str = "/api/v3/brokerage/market/";

impl Coinbase {
    pub(super) fn new(engine: &MarketEngine) -> Self {
        Self { products: Arc::new(Products::new(engine, BASIS)), spoke: Arc::default() }
    }
}

impl Dialect for Coinbase {
    fn ws_path(&self) -> &'static str {
        "/"
    }

    fn family(&self, path: &str) -> Family {
        let Some(rest) = path.strip_prefix(ROOT) else {
            return match path.strip_prefix("/api/v3/brokerage/").or(path.strip_prefix("/v2/")) {
                Some("time") => Family::Platform,
                Some("currencies" | "currencies/crypto" | "exchange-rates") => Family::Conf,
                _ => Family::Unknown,
            };
        };
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            ["products"] => Family::Tickers,
            ["products", _] => Family::Ticker,
            ["products", _, "ticker"] => Family::Trades,
            ["products", _, "candles"] => Family::Candles,
            ["product_book"] => Family::Book,
            _ => Family::Unknown,
        }
    }

    /// 10 requests a second, 15 at once (docs.cdp.coinbase.com, rate limits of public endpoints,
    /// 2026-07).
    fn limiter(&self, _: &SimConfig) -> Limiter {
        Limiter::bucket(15.0, 10.0)
    }

    /// 8 a second (docs.cdp.coinbase.com, WebSocket rate limits, 2026-09).
    fn connections(&self) -> Connections {
        const SECOND: Duration = Duration::from_secs(1);
        Connections { most: 8, window: SECOND, block: SECOND }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        rest::answer(&self.products, ask)
    }

    fn refusal(&self, _: Denial) -> Answer {
        refused(429, "rate_limit_exceeded", "too many requests")
    }

    fn fault(&self, fault: &Fault, _: Family) -> Option<Answer> {
        Some(match fault {
            Fault::RateLimited { .. } | Fault::RateLimitedObject { .. } | Fault::Banned { .. } => {
                refused(429, "rate_limit_exceeded", "too many requests")
            }
            Fault::Restricted => Answer::new(403, HTML, "<html>403 Forbidden</html>".to_owned()),
            Fault::Status { status, body: None } => refused(*status, "INTERNAL", "internal error"),
            Fault::ErrorArray { message, .. } => refused(400, "INVALID_ARGUMENT", message),
            Fault::Empty => Answer::json("{}".to_owned()),
            Fault::Maintenance => {
                refused(503, "UNAVAILABLE", "Service is under maintenance, try again later")
            }
            Fault::NotReady => refused(503, "UNAVAILABLE", "service unavailable"),
            _ => return None,
        })
    }

    fn talk(&self, state: &Arc<State>, opening: Opening<'_>) -> Box<dyn Talk> {
        Box::new(ws::CoinbaseTalk::new(
            state.clone(),
            self.products.clone(),
            self.spoke.clone(),
            &opening,
        ))
    }
}
