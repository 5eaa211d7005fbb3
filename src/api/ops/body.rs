//! What operators send.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde::de::DeserializeOwned;

use crate::api::Problem;

/// More than any of them needs.
const MOST_BYTES: usize = 4096;

/// A body of JSON, all of whose fields are known.
pub(crate) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let given = request.headers().get(header::CONTENT_TYPE);
        let given = given.map(|value| value.to_str().unwrap_or_default()).unwrap_or_default();
        let media = given.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Problem::parameter("content-type", media, "must be application/json"));
        }
        let bytes = to_bytes(request.into_body(), MOST_BYTES).await;
        let bytes =
            bytes.map_err(|_| bad(format!("at most {MOST_BYTES} bytes, all of them sent")))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| bad(error.to_string()))
    }
}

fn bad(why: String) -> Problem {
    let why: String = why.chars().take(200).collect();
    Problem { detail: format!("the body: {why}"), ..Problem::parameter("body", "", why) }
}
