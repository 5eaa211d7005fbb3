//! Bitfinex's ways; its answers are in [`super::rest`], its conversations in [`super::ws`].

use std::{sync::Arc, time::Duration};

use super::{
    Family, Limits, Refusal, SimConfig, State,
    answer::{Answer, HTML},
    dialect::{Ask, Connections, Dialect},
    faults::Fault,
    limiter::{Denial, Limiter},
    rest,
    ws::{BitfinexTalk, Opening, Talk},
};

pub(super) struct Bitfinex {
    refusal: Refusal,
}

impl Bitfinex {
    pub(super) const fn new(refusal: Refusal) -> Self {
        Self { refusal }
    }
}

impl Dialect for Bitfinex {
    fn ws_path(&self) -> &'static str {
        "/ws/2"
    }

    fn family(&self, path: &str) -> Family {
        Family::of(path)
    }

    fn limiter(&self, config: &SimConfig) -> Limiter {
        Limiter::windows(Limits::DOCUMENTED, config.window, config.ban)
    }

    /// docs.bitfinex.com/docs/requirements-and-limitations, 2025-11.
    fn connections(&self) -> Connections {
        const MINUTE: Duration = Duration::from_secs(60);
        Connections { most: 20, window: MINUTE, block: MINUTE }
    }

    fn answer(&self, ask: &Ask<'_>) -> Answer {
        rest::answer(ask)
    }

    fn refusal(&self, _: Denial) -> Answer {
        refusal(self.refusal)
    }

    fn fault(&self, fault: &Fault, family: Family) -> Option<Answer> {
        Some(match fault {
            Fault::RateLimited { .. } | Fault::Banned { .. } => refusal(Refusal::Array),
            Fault::RateLimitedObject { .. } => refusal(Refusal::Object),
            Fault::Restricted => Answer::error(403, 10_000, "forbidden"),
            Fault::Status { status, body: None } => {
                let body = format!(
                    r#"{{"code":{status},"error":"temporarily_unavailable","error_description":"Sorry, the service is temporarily unavailable. See https://www.bitfinex.com/ for more info."}}"#
                );
                Answer::json(body).with_status(*status)
            }
            Fault::Html { status } => {
                let body = format!(
                    "<!DOCTYPE html>\n<html>\n<head><title>api-pub.bitfinex.com | {status}: error</title>\
                     </head>\n<body><h1>Error {status}</h1><p>cloudflare</p></body>\n</html>\n"
                );
                Answer::new(*status, HTML, body)
            }
            Fault::ErrorArray { code, message } => {
                let message = message.replace(['"', '\\'], "'");
                Answer::error(200, *code, &message)
            }
            Fault::Maintenance if family == Family::Platform => Answer::json("[0]".to_owned()),
            Fault::Maintenance => Answer::error(500, 20_060, "maintenance"),
            Fault::NotReady => Answer::error(500, 11_000, "ready: invalid"),
            _ => return None,
        })
    }

    fn talk(&self, state: &Arc<State>, opening: Opening<'_>) -> Box<dyn Talk> {
        Box::new(BitfinexTalk::new(state.clone(), &opening))
    }
}

fn refusal(kind: Refusal) -> Answer {
    match kind {
        Refusal::Array => Answer::error(429, 11_010, "ratelimit: error"),
        Refusal::Object => {
            Answer::json(r#"{"error":"ERR_RATE_LIMIT"}"#.to_owned()).with_status(429)
        }
    }
}
