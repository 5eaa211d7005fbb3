//! Keys: how one is shown, and what an operation may answer to those who may not ask.

use serde_json::{Value, json};

use crate::{access::Right, api::admission::needed};

/// How a key is shown.
pub(super) fn schemes() -> Value {
    let about = "A key of the gateway's keys file. None is needed on the loopback, unless its \
                 operator wants one; a key that is not known is a 401 there as well.";
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": about },
        "api_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Api-Key",
            "description": "The same key, where `Authorization` is not free for it."
        }
    })
}

/// What a GET of this path is asked for; `{}` stands for those who need no key.
pub(super) fn of(path: &str) -> Value {
    match needed(&http::Method::GET, path) {
        None => json!([]),
        Some(_) => json!([{}, { "bearer": [] }, { "api_key": [] }]),
    }
}

/// The statuses of those who may not ask.
pub(super) fn statuses(path: &str) -> &'static [u16] {
    match needed(&http::Method::GET, path) {
        None => &[],
        Some(Right::Ops | Right::Admin) => &[401, 403],
        Some(Right::Read | Right::Stream) => &[401, 403, 429],
    }
}
