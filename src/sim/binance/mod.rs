//! Binance's ways: the spot market's public REST and WebSocket interfaces
//! (binance/binance-spot-api-docs, 2026-07).
//!
//! ```text
//! listing  what it lists, under which names
//! rest     paths to bodies;      query: parameters;  info: exchangeInfo
//! tape     trades, their ids and aggregates;  kline;  ticker
//! ladder   the book, its update ids and what changes
//! ws       conversations and their streams
//! ```

mod info;
mod kline;
mod ladder;
mod listing;
mod query;
mod rest;
mod tape;
#[cfg(test)]
mod tests;
mod ticker;
mod ws;

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Family, MarketEngine, SimConfig, State,
    answer::{Answer, HTML, JSON},
    dialect::{Ask, Connections, Dialect},
    faults::Fault,
    limiter::{Denial, Limiter},
    query::Query,
    ws::{Opening, Talk},
};

use listing::Listing;
use rest::{Endpoint, Shop};

/// Weight that an address may use within a clock minute, as `exchangeInfo` tells.
const LIMIT: u32 = 6_000;

pub(super) struct Binance {
    listing: Arc<Listing>,
}

impl Binance {
    pub(super) fn new(engine: &MarketEngine) -> Self {
        Self { listing: Arc::new(Listing::new(engine)) }
    }
}

impl Dialect for Binance {
    fn ws_path(&self) -> &'static str {
        "/stream"
    }

    fn is_ws(&self, path: &str) -> bool {
        path == "/stream" || path == "/ws" || path.starts_with("/ws/")
    }

    fn family(&self, path: &str) -> Family {
        Endpoint::of(path).map_or(Family::Unknown, Endpoint::family)
    }

    fn cost(&self, path: &str, query: &Query) -> u32 {
        Endpoint::of(path).map_or(1, |endpoint| endpoint.weight(query))
    }

    fn limiter(&self, config: &SimConfig) -> Limiter {
        Limiter::weight(LIMIT, config.ban * 2)
    }

    fn connections(&self) -> Connections {
        const WINDOW: Duration = Duration::from_secs(300);
        Connections { most: 300, window: WINDOW, block: WINDOW }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        let Some(endpoint) = Endpoint::of(ask.path) else { return not_found() };
        let shop = Shop { engine: ask.engine, listing: &self.listing, now: ask.now };
        match shop.answer(endpoint, ask.query) {
            Ok(body) => Answer::new(200, JSON, body),
            Err(wrong) => error(400, wrong.code, &wrong.message),
        }
    }

    fn refusal(&self, denial: Denial) -> Answer {
        let (Denial::TooMany { retry_after } | Denial::Banned { retry_after }) = denial;
        let answer = match denial {
            Denial::TooMany { .. } => too_many(),
            Denial::Banned { .. } => banned(),
        };
        answer.with_header("retry-after", retry_after)
    }

    fn fault(&self, fault: &Fault, _family: Family) -> Option<Answer> {
        Some(match fault {
            Fault::RateLimited { .. } | Fault::RateLimitedObject { .. } => too_many(),
            Fault::Banned { .. } => banned(),
            Fault::Restricted => error(
                451,
                0,
                "Service unavailable from a restricted location according to 'b. Eligibility' in \
                 https://www.binance.com/en/terms. Please contact customer service if you believe \
                 you received this message in error.",
            ),
            Fault::Status { status, body: None } => {
                error(*status, -1001, "Internal error; unable to process your request. Please try again.")
            }
            Fault::ErrorArray { code, message } => {
                error(400, i32::try_from(*code).unwrap_or(i32::MIN), message)
            }
            Fault::Maintenance => Answer::new(
                503,
                HTML,
                "<html>\n<head><title>503 Service Temporarily Unavailable</title></head>\n\
                 <body><center><h1>503 Service Temporarily Unavailable</h1></center></body>\n</html>\n"
                    .to_owned(),
            ),
            Fault::NotReady => {
                error(503, -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.")
            }
            _ => return None,
        })
    }

    fn tell_used(&self, used: u32, answer: &mut Answer) {
        for name in ["x-mbx-used-weight", "x-mbx-used-weight-1m"] {
            answer.headers.push((name, used.to_string()));
        }
    }

    fn talk(&self, state: &Arc<State>, opening: Opening<'_>) -> Box<dyn Talk> {
        Box::new(ws::BinanceTalk::new(state.clone(), self.listing.clone(), &opening))
    }
}

fn error(status: u16, code: i32, message: &str) -> Answer {
    Answer::json(json!({"code": code, "msg": message}).to_string()).with_status(status)
}

fn too_many() -> Answer {
    let message = format!(
        "Too much request weight used; current limit is {LIMIT} request weight per 1 MINUTE. Please \
         use WebSocket Streams for live updates to avoid polling the API."
    );
    error(429, -1003, &message)
}

fn banned() -> Answer {
    let message = "Way too much request weight used; IP banned. Please use WebSocket Streams for \
                   live updates to avoid bans.";
    error(418, -1003, message)
}

fn not_found() -> Answer {
    let body = "<html>\n<head><title>404 Not Found</title></head>\n<body>\n\
                <center><h1>404 Not Found</h1></center>\n</body>\n</html>\n";
    Answer::new(404, HTML, body.to_owned())
}
