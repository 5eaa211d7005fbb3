//! Whether a request is let in, and as whose.
//!
//! ```text
//! no keys file ─► anyone
//! else the place that is asked for ─► open ─► anonymous
//!      └─ key ─► its client, unknown: 401
//!      └─ no key ─► on the loopback or where access.open: anonymous, else 401
//!         └─ right ─► 403 ─► quota ─► 429
//! ```

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use super::{
    caller::{Caller, Standing},
    problem::{Code, Problem},
};
use crate::{
    access::{Access, Allowance, Exceeded, Grant, Right, Roster},
    config::duration,
};

/// A key, where `Authorization` is not free for it.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// draft-ietf-httpapi-ratelimit-headers-11 (2026-05), sections 3 and 4.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What a request is let in with, or why it is not.
pub(super) type Verdict = Result<Option<Allowance>, Problem>;

/// The same for as long as the request lives.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) grant: Grant,
    pub(super) verdict: Verdict,
    has_keys: bool,
}

impl Admission {
    pub(super) fn new(access: &Access, grant: &Grant, verdict: Verdict) -> Self {
        Self { grant: grant.clone(), verdict, has_keys: access.has_keys() }
    }

    /// Who sent the request.
    pub(super) fn caller(&self) -> Caller {
        let standing = match (self.has_keys, self.grant.has_key()) {
            (false, _) => Standing::NoKeys,
            (true, false) => Standing::NoKey,
            (true, true) => Standing::Key,
        };
        let client = self.grant.client();
        Caller { payer: client.payer(), rights: client.rights(), standing }
    }

    /// Tells a client with a quota what is left of it.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        match &self.verdict {
            Ok(allowance) => tell(&self.grant, *allowance, headers),
            Err(problem) if problem.code == Code::ClientQuotaExceeded => {
                let client = self.grant.client();
                let allowance = client.allowance().map(|it| Allowance {
                    left: 0,
                    lasts: problem.retry_after.unwrap_or(it.lasts),
                    ..it
                });
                tell(&self.grant, allowance, headers);
            }
            Err(_) => {}
        }
    }
}

/// The headers that tell what is left of a quota.
pub(super) fn tell(grant: &Grant, allowance: Option<Allowance>, headers: &mut HeaderMap) {
    let Some(Allowance { quota, left, lasts }) = allowance else { return };
    let name = grant.client().name();
    let seconds = |time: Duration| time.as_nanos().div_ceil(1_000_000_000);
    let policy = format!("\"{name}\";q={};w={}", quota.requests, seconds(quota.window));
    let limit = format!("\"{name}\";r={left};t={}", seconds(lasts));
    for (header, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        let value = HeaderValue::try_from(value).expect("names have letters, digits, _ and -");
        headers.insert(header, value);
    }
}

/// Looks at a request and gives to `then` whose it is and whether it is let in. `is_near`: it comes
/// over the loopback. A request that is let in is counted against its client's quota.
pub(super) fn admit<B, R>(
    access: &Access,
    request: &Request<B>,
    is_near: bool,
    then: impl FnOnce(&Grant, Verdict) -> R,
) -> R {
    if !access.has_keys() {
        return then(access.anyone(), Ok(None));
    }
    let roster = access.roster();
    let is_free = is_near || access.is_open();
    let right = needed(request.method(), request.uri().path());
    let (grant, verdict) = judge(&roster, request.headers(), is_free, right);
    then(grant, verdict)
}

fn judge<'a>(
    roster: &'a Roster,
    headers: &HeaderMap,
    is_free: bool,
    right: Option<Right>,
) -> (&'a Grant, Verdict) {
    let anonymous = roster.anonymous();
    // What is open to all is not closed to those who show a key that is no longer one.
    let Some(right) = right else { return (anonymous, Ok(None)) };
    let unauthorized = |why: &str| (anonymous, Err(Problem::new(Code::Unauthorized, why)));
    let grant = match presented(headers) {
        Err(why) => return unauthorized(why),
        Ok(Some(key)) => match roster.of_key(key) {
            Some(grant) => grant,
            None => return unauthorized("the key is not known here"),
        },
        Ok(None) if is_free => anonymous,
        Ok(None) => return unauthorized(KEY_NEEDED),
    };
    (grant, enter(grant, right))
}

/// How a key is shown.
pub(super) const KEY_NEEDED: &str =
    "a key is needed here: Authorization: Bearer KEY, or X-Api-Key: KEY";

/// Whether a client may do this now.
fn enter(grant: &Grant, right: Right) -> Verdict {
    let client = grant.client();
    let standing = if grant.has_key() { Standing::Key } else { Standing::NoKey };
    Caller { payer: client.payer(), rights: client.rights(), standing }.require(right)?;
    match right {
        // Who looks after the gateway is not kept from it by what he asks of it.
        Right::Ops | Right::Admin => Ok(None),
        Right::Read | Right::Stream => client.spend().map_err(|Exceeded { wait }| {
            let mut problem = Problem::new(Code::ClientQuotaExceeded, "the quota is used up");
            if let Some(quota) = client.quota() {
                let (requests, window) = (quota.requests, duration::show(quota.window));
                problem.detail = format!("{requests} requests in {window} are used up");
            }
            problem.retry_after = Some(wait);
            problem
        }),
    }
}

/// The key that a request shows.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut shown = None;
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers.get_all(X_API_KEY).iter().map(|value| Some(value.to_str().ok()?.trim()));
    for key in bearer.chain(plain) {
        let key = key.filter(|key| !key.is_empty());
        let key = key.ok_or("there is no key in the header that should have it")?;
        if shown.is_some_and(|before| before != key) {
            return Err("two keys are shown, and they differ");
        }
        shown = Some(key);
    }
    Ok(shown)
}

/// What a request needs; `None`: it is open to all. What is not named here needs a key where one
/// is needed at all, so that no later path is open by oversight.
pub(super) fn needed(method: &Method, path: &str) -> Option<Right> {
    // A browser asks without a key whether it may ask with one (Fetch, section 4.9, 2026-11).
    if method == Method::OPTIONS {
        return None;
    }
    match path {
        "/" | "/docs" | "/openapi.json" | "/asyncapi.json" => None,
        "/livez" | "/readyz" | "/healthz" => None,
        "/metrics" | "/api/status" => Some(Right::Ops),
        "/ws/2" | "/api/market-data/stream" | "/api/market-data/ws" => Some(Right::Stream),
        _ if path.starts_with("/assets/") => None,
        _ if path.starts_with("/api/status/") => Some(Right::Ops),
        _ if path.starts_with("/api/admin/") => Some(Right::Admin),
        _ => Some(Right::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_read_from_either_header() {
        let (auth, plain) = ("authorization", "x-api-key");
        for shown in [
            &[(auth, "Bearer k")] as &[_],
            &[(auth, "bearer  k ")],
            &[(plain, "k")],
            &[(auth, "BEARER k"), (plain, " k ")],
            &[(plain, "k"), (plain, "k")],
        ] {
            assert_eq!(presented(&headers(shown)), Ok(Some("k")), "{shown:?}");
        }
        assert_eq!(presented(&headers(&[("cookie", "k")])), Ok(None));
        for wrong in [
            &[(auth, "Bearer k"), (plain, "l")] as &[_],
            &[(auth, "Bearer k"), (auth, "Bearer l")],
            &[(auth, "Basic azpr")],
            &[(auth, "Bearer k"), (auth, "Basic azpr")],
            &[(auth, "Bearer ")],
            &[(auth, "k")],
            &[(auth, "")],
            &[(plain, "")],
            &[(plain, "\u{e9}")],
        ] {
            assert!(presented(&headers(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_place_has_its_right() {
        let get = |path| needed(&Method::GET, path);
        for open in [
            "/",
            "/docs",
            "/openapi.json",
            "/asyncapi.json",
            "/livez",
            "/readyz",
            "/healthz",
            "/assets/app.js",
        ] {
            assert_eq!(get(open), None, "{open}");
        }
        for (path, right) in [
            ("/api/market-data/ticker/BTC/USD", Right::Read),
            ("/api/market-data/exchanges", Right::Read),
            ("/v2/ticker/tBTCUSD", Right::Read),
            ("/api/explain/ticker/BTC/USD", Right::Read),
            ("/api/market-data/stream", Right::Stream),
            ("/api/market-data/ws", Right::Stream),
            ("/ws/2", Right::Stream),
            ("/metrics", Right::Ops),
            ("/api/status", Right::Ops),
            ("/api/status/history", Right::Ops),
            ("/api/admin/drain", Right::Admin),
            ("/api/admin/cache/clear", Right::Admin),
            ("/assets", Right::Read),
            ("/livez/", Right::Read),
            ("//metrics", Right::Read),
            ("/some/later/path", Right::Read),
        ] {
            assert_eq!(get(path), Some(right), "{path}");
        }
        assert_eq!(needed(&Method::POST, "/api/admin/drain"), Some(Right::Admin));
        assert_eq!(needed(&Method::OPTIONS, "/api/admin/drain"), None);
    }
}
