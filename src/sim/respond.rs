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
    Call, Family, State,
    answer::{Answer, HTML},
    calls::Admission,
    dialect::Ask,
    faults::Fault,
    mangle::mangle,
    query::Query,
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
    let sent = request.uri.path_and_query().map_or(encoded, |target| target.as_str());
    let arrived = arrive(&state, sent);
    let (admission, family) = (&arrived.admission, arrived.family);
    let fault = match admission.denial {
        Some(_) => None,
        None => state.script().strike(family, sent),
    };
    if !state.latency.is_zero() {
        tokio::time::sleep(state.latency).await;
    }
    let answer = || match request.method {
        Method::GET | Method::HEAD => arrived.answer(&state),
        ref other => Answer::not_found(other.as_str(), &arrived.path),
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
        Some(fault) => plain(spoilt(&state, &fault, family, answer)),
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
    let arrived = arrive(state, target);
    let answer = || arrived.answer(state);
    let fault = match arrived.admission.denial {
        Some(_) => None,
        None => state.script().strike(arrived.family, target),
    };
    let answer = match fault {
        None => answer(),
        Some(fault) => spoilt(state, &fault, arrived.family, answer),
    };
    state.ledger().answered(arrived.admission.number, answer.status);
    answer
}

/// A request that has been counted.
struct Arrived {
    path: String,
    query: Query,
    now: crate::market::UnixMs,
    family: Family,
    admission: Admission,
}

/// Counts a request; `target` is path and query as sent.
fn arrive(state: &State, target: &str) -> Arrived {
    let (encoded, query) = target.split_once('?').unwrap_or((target, ""));
    let path = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    let query = Query::parse(query);
    let now = state.clock.now();
    let family = state.dialect.family(&path);
    let call = Call { when: now, family, path: target.to_owned(), status: None };
    let cost = state.dialect.cost(&path, &query);
    let admission = state.ledger().admit(call, cost, Instant::now());
    Arrived { path, query, now, family, admission }
}

impl Arrived {
    /// The answer that is due without faults.
    fn answer(&self, state: &State) -> Answer {
        let mut answer = match self.admission.denial {
            Some(denial) => state.dialect.refusal(denial),
            None => {
                let (engine, now) = (&state.engine, self.now);
                state.dialect.answer(&Ask { engine, path: &self.path, query: &self.query, now })
            }
        };
        state.dialect.tell_used(self.admission.used, &mut answer);
        answer
    }
}

/// Answers that are whole in themselves, but not the true ones.
fn spoilt(state: &State, fault: &Fault, family: Family, answer: impl Fn() -> Answer) -> Answer {
    let answer = match (state.dialect.fault(fault, family), fault) {
        (Some(answer), _) => answer,
        (None, Fault::Status { status, body }) => {
            Answer::json(body.clone().unwrap_or_default()).with_status(*status)
        }
        (None, Fault::Html { status }) => {
            let body = format!(
                "<!DOCTYPE html>\n<html>\n<head><title>{status}: error</title></head>\n\
                 <body><h1>Error {status}</h1><p>cloudflare</p></body>\n</html>\n"
            );
            Answer::new(*status, HTML, body)
        }
        (None, Fault::Empty) => Answer::json("[]".to_owned()),
        (None, other) => {
            let answer = answer();
            match mangle(other, &answer.body) {
                Some(body) => Answer { body, ..answer },
                None => answer,
            }
        }
    };
    match fault.retry_after() {
        Some(seconds) => answer.with_header(RETRY_AFTER.as_str(), seconds),
        None => answer,
    }
}

fn head(answer: &Answer) -> http::response::Builder {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let head = Response::builder().status(status).header(CONTENT_TYPE, answer.content_type);
    answer.headers.iter().fold(head, |head, (name, value)| head.header(*name, value))
}

fn with_body(head: http::response::Builder, body: Body) -> Response<Body> {
    head.body(body).expect("status and headers are valid")
}

pub(super) fn plain(answer: Answer) -> Response<Body> {
    let head = head(&answer);
    let body = Full::new(Bytes::from(answer.body)).map_err(|never| match never {});
    with_body(head, body.boxed_unsync())
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
