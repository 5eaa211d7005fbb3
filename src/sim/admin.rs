//! `/sim/...`: the script and the counts, for those who are in another process.

use http::{Method, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;

use super::{
    FaultRule, State, WsRule,
    answer::Answer,
    respond::{Body, plain},
};

/// Scripts are short.
const MOST_BYTES: usize = 256 * 1024;

/// Answers a request below `/sim`.
pub(super) async fn answer(state: &State, request: http::Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    plain(match (&head.method, head.uri.path()) {
        (&Method::POST, path @ ("/sim/faults" | "/sim/ws")) => {
            let done = match Limited::new(body, MOST_BYTES).collect().await {
                Ok(body) if path == "/sim/ws" => act(state, &body.to_bytes()),
                Ok(body) => add(state, &body.to_bytes()),
                Err(error) => Err(error.to_string()),
            };
            done.unwrap_or_else(|error| Answer::json(quoted(&error)).with_status(400))
        }
        (&Method::GET, "/sim/faults") => rules(state),
        (&Method::DELETE, "/sim/faults") => {
            state.clear_faults();
            rules(state)
        }
        (&Method::GET, "/sim/counts") => json(&state.counts()),
        (&Method::DELETE, "/sim/counts") => {
            state.reset_counts();
            json(&state.counts())
        }
        (&Method::GET, "/sim/log") => json(&state.ledger().log()),
        (method, path) => Answer::not_found(method.as_str(), path),
    })
}

/// A rule of either kind.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Rule {
    Rest(FaultRule),
    Ws(WsRule),
}

impl Rule {
    fn read(value: Value) -> serde_json::Result<Self> {
        match value.get("ws") {
            Some(_) => serde_json::from_value(value).map(Self::Ws),
            None => serde_json::from_value(value).map(Self::Rest),
        }
    }
}

fn add(state: &State, body: &[u8]) -> Result<Answer, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let values = match value {
        Value::Array(values) => values,
        one => vec![one],
    };
    let read: serde_json::Result<Vec<Rule>> = values.into_iter().map(Rule::read).collect();
    // All of them or none.
    for rule in read.map_err(|error| error.to_string())? {
        match rule {
            Rule::Rest(rule) => state.script().add(rule),
            Rule::Ws(rule) => state.ws_script().add(rule, state.clock.now()),
        }
    }
    Ok(rules(state))
}

fn rules(state: &State) -> Answer {
    let rest = state.script().rules().iter().cloned().map(Rule::Rest).collect::<Vec<_>>();
    let ws = state.ws_script().rules().cloned().map(Rule::Ws).collect::<Vec<_>>();
    json(&[rest, ws].concat())
}

fn act(state: &State, body: &[u8]) -> Result<Answer, String> {
    let action = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    state.door().act(action);
    Ok(json(&state.counts()))
}

fn json(value: &(impl Serialize + ?Sized)) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => Answer::json(text),
        Err(error) => Answer::json(quoted(&error.to_string())).with_status(500),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
