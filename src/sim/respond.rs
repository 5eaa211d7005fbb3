//! From a request to a response, with the faults that are due.

use std::{future::pending, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SERVER},
    request::Parts,
};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use percent_encoding::percent_decode_str;
use tokio::{sync::Notify, time::Instant};

use super::{
    Call, Family, Refusal, State,
    faults::Fault,
    mangle::mangle,
    rest::{self, Answer, HTML},
};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Time for what has been written to leave before a connection is closed.
const FLUSH: Duration = Duration::from_millis(20);

/// Answers a request of the exchange's API. `reset` is notified where the connection has to be
/// reset; the future then never ends.
pub(super) async fn respond(
    state: Arc<State>,
    request: Parts,
    reset: Arc<Notify>,
) -> Response<Body> {
    let encoded = request.uri.path();
    let path = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    let query = request.uri.query().unwrap_or_default();
    let sent = request.uri.path_and_query().map_or(encoded, |target| target.as_str()).to_owned();
    let now = state.clock.now();
    let family = Family::of(&path);
    let call = Call { when: now, family, path: sent.clone(), status: None };
    let admission = state.ledger().admit(call, Instant::now());
    let fault = if admission.refused { None } else { state.script().strike(family, &sent) };
    if !state.latency.is_zero() {
        tokio::time::sleep(state.latency).await;
    }
    let answer = || match request.method {
        _ if admission.refused => refusal(state.refusal),
        Method::GET | Method::HEAD => rest::answer(&state.engine, &path, query, now),
        ref other => Answer::not_found(other.as_str(), &path),
    };
    let mut response = match fault {
        None => plain(answer()),
        Some(Fault::Hang) => pending().await,
        Some(Fault::Reset) => {
            reset.notify_one();
            pending().await
        }
        Some(Fault::Delay { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            plain(answer())
        }
        Some(Fault::Cut { bytes }) => cut(answer(), bytes),
        Some(Fault::Oversized { bytes }) => oversized(bytes),
        Some(Fault::Drip { chunk, ms }) => drip(answer(), chunk.max(1), Duration::from_millis(ms)),
        Some(Fault::RateLimited { retry_after }) => limited(refusal(Refusal::Array), retry_after),
        Some(Fault::RateLimitedObject { retry_after }) => {
            limited(refusal(Refusal::Object), retry_after)
        }
        Some(fault) => plain(spoilt(&fault, family, answer)),
    };
    state.ledger().answered(admission.number, response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("cloudflare"));
    headers.insert("cf-cache-status", HeaderValue::from_static("MISS"));
    if let Ok(ray) = HeaderValue::from_str(&format!("{:016x}-SIM", admission.number)) {
        headers.insert("cf-ray", ray);
    }
    response
}

/// Answers a GET without a socket. Faults that need one, or time, leave the answer as it is.
pub(super) fn settle(state: &State, target: &str) -> Answer {
    let (encoded, query) = target.split_once('?').unwrap_or((target, ""));
    let path = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    let now = state.clock.now();
    let family = Family::of(&path);
    let call = Call { when: now, family, path: target.to_owned(), status: None };
    let admission = state.ledger().admit(call, Instant::now());
    let answer = if admission.refused {
        refusal(state.refusal)
    } else {
        let fault = state.script().strike(family, target);
        let answer = || rest::answer(&state.engine, &path, query, now);
        match fault {
            None => answer(),
            Some(Fault::RateLimited { .. }) => refusal(Refusal::Array),
            Some(Fault::RateLimitedObject { .. }) => refusal(Refusal::Object),
            Some(fault) => spoilt(&fault, family, answer),
        }
    };
    state.ledger().answered(admission.number, answer.status);
    answer
}

fn refusal(kind: Refusal) -> Answer {
    match kind {
        Refusal::Array => Answer::error(429, 11_010, "ratelimit: error"),
        Refusal::Object => {
            Answer { status: 429, ..Answer::json(r#"{"error":"ERR_RATE_LIMIT"}"#.to_owned()) }
        }
    }
}

/// Answers that are whole in themselves, but not the true ones.
fn spoilt(fault: &Fault, family: Family, answer: impl Fn() -> Answer) -> Answer {
    match fault {
        Fault::Status { status, body } => {
            let gateway = format!(
                r#"{{"code":{status},"error":"temporarily_unavailable","error_description":"Sorry, the service is temporarily unavailable. See https://www.bitfinex.com/ for more info."}}"#
            );
            Answer { status: *status, ..Answer::json(body.clone().unwrap_or(gateway)) }
        }
        Fault::Html { status } => Answer {
            status: *status,
            content_type: HTML,
            body: format!(
                "<!DOCTYPE html>\n<html>\n<head><title>api-pub.bitfinex.com | {status}: error</title>\
                 </head>\n<body><h1>Error {status}</h1><p>cloudflare</p></body>\n</html>\n"
            ),
        },
        Fault::ErrorArray { code, message } => {
            let message = message.replace(['"', '\\'], "'");
            Answer::error(200, *code, &message)
        }
        Fault::Empty => Answer::json("[]".to_owned()),
        Fault::Maintenance if family == Family::Platform => Answer::json("[0]".to_owned()),
        Fault::Maintenance => Answer::error(500, 20_060, "maintenance"),
        Fault::NotReady => Answer::error(500, 11_000, "ready: invalid"),
        other => {
            let answer = answer();
            match mangle(other, &answer.body) {
                Some(body) => Answer { body, ..answer },
                None => answer,
            }
        }
    }
}

fn head(answer: &Answer) -> http::response::Builder {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).header(CONTENT_TYPE, answer.content_type)
}

fn with_body(head: http::response::Builder, body: Body) -> Response<Body> {
    head.body(body).expect("status and headers are valid")
}

pub(super) fn plain(answer: Answer) -> Response<Body> {
    let head = head(&answer);
    let body = Full::new(Bytes::from(answer.body)).map_err(|never| match never {});
    with_body(head, body.boxed_unsync())
}

fn limited(answer: Answer, retry_after: Option<u64>) -> Response<Body> {
    let mut response = plain(answer);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Announces the whole body, sends a part of it and fails, on which hyper closes the connection.
fn cut(answer: Answer, bytes: Option<usize>) -> Response<Body> {
    let head = head(&answer).header(CONTENT_LENGTH, answer.body.len());
    let whole = Bytes::from(answer.body);
    let part = whole.slice(..bytes.unwrap_or(whole.len() / 2).min(whole.len().saturating_sub(1)));
    let frames = stream::unfold(Some(part), |part| async move {
        match part {
            Some(part) => Some((Ok(Frame::data(part)), None)),
            None => {
                tokio::time::sleep(FLUSH).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
        }
    });
    with_body(head, StreamBody::new(frames).boxed_unsync())
}

fn oversized(bytes: Option<u64>) -> Response<Body> {
    const ROW: &[u8] = b"[1700000000000,1,1,1,1,1],";
    let chunk = Bytes::from(ROW.repeat(2_000));
    let left = bytes.unwrap_or(u64::MAX);
    let frames = stream::unfold((left, chunk), |(left, chunk)| async move {
        if left == 0 {
            return None;
        }
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let frame = Ok(Frame::data(chunk.slice(..size)));
        Some((frame, (left - size as u64, chunk)))
    });
    let head = head(&Answer::json(String::new()));
    with_body(head, StreamBody::new(frames).boxed_unsync())
}

fn drip(answer: Answer, chunk: usize, pause: Duration) -> Response<Body> {
    let head = head(&answer).header(CONTENT_LENGTH, answer.body.len());
    let frames = stream::unfold(Bytes::from(answer.body), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(chunk.min(rest.len()));
        Some((Ok(Frame::data(piece)), rest))
    });
    with_body(head, StreamBody::new(frames).boxed_unsync())
}
