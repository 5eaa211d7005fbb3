//! `/sim/...`: the script and the counts, for those who are in another process.

use http::{Method, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Serialize;

use super::{
    FaultRule, State,
    respond::{Body, plain},
    rest::Answer,
};

/// Scripts are short.
const MOST_BYTES: usize = 256 * 1024;

/// Answers a request below `/sim`.
pub(super) async fn answer(state: &State, request: http::Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    plain(match (&head.method, head.uri.path()) {
        (&Method::POST, "/sim/faults") => match Limited::new(body, MOST_BYTES).collect().await {
            Ok(body) => add(state, &body.to_bytes()),
            Err(error) => Answer { status: 400, ..Answer::json(quoted(&error.to_string())) },
        },
        (&Method::GET, "/sim/faults") => json(state.script().rules()),
        (&Method::DELETE, "/sim/faults") => {
            state.script().clear();
            json(state.script().rules())
        }
        (&Method::GET, "/sim/counts") => json(&state.ledger().counts()),
        (&Method::DELETE, "/sim/counts") => {
            state.ledger().reset();
            json(&state.ledger().counts())
        }
        (&Method::GET, "/sim/log") => json(&state.ledger().log()),
        (method, path) => Answer::not_found(method.as_str(), path),
    })
}

fn add(state: &State, body: &[u8]) -> Answer {
    let many = body.trim_ascii_start().starts_with(b"[");
    let one = || serde_json::from_slice::<FaultRule>(body).map(|rule| vec![rule]);
    let rules = if many { serde_json::from_slice(body) } else { one() };
    let rules: Vec<FaultRule> = match rules {
        Ok(rules) => rules,
        Err(error) => return Answer { status: 400, ..Answer::json(quoted(&error.to_string())) },
    };
    let mut script = state.script();
    rules.into_iter().for_each(|rule| script.add(rule));
    json(script.rules())
}

fn json(value: &(impl Serialize + ?Sized)) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => Answer::json(text),
        Err(error) => Answer { status: 500, ..Answer::json(quoted(&error.to_string())) },
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
