//! What is kept of requests that were refused or have failed.

use std::borrow::Cow;

use axum::http::{Method, StatusCode};

use super::{
    bitfinex,
    params::{EXCHANGE, Params},
    problem::Problem,
    reader::Reader,
};
use crate::telemetry::{ClientId, Endpoint, Fault};

/// Why a request was answered with an error; an extension of the response where its body says it
/// in other words than a problem's.
///
/// Nothing that may be secret is part of it: neither headers nor values of the query, where a
/// client may have put a key by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// Stable.
    pub(super) code: Cow<'static, str>,
    /// For people.
    pub(super) detail: String,
}

impl From<&Problem> for Reason {
    fn from(problem: &Problem) -> Self {
        let detail = match &problem.parameter {
            Some(parameter) => format!("{}: {}", parameter.name, parameter.allowed),
            None => problem.detail.clone(),
        };
        Self { code: problem.code.as_str().into(), detail }
    }
}

/// A request that is answered with an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing<'a> {
    pub(super) id: &'a str,
    pub(super) client: ClientId,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) endpoint: Endpoint,
}

impl Failing<'_> {
    /// Keeps it for those who look for the last errors.
    pub(super) fn note(&self, reader: &Reader, status: StatusCode, reason: Reason) {
        reader.metrics.faults().note(Fault {
            at: reader.clock.now(),
            request_id: self.id.to_owned(),
            client: self.client,
            method: self.method.to_string(),
            path: self.path.to_owned(),
            endpoint: self.endpoint,
            exchange: self.exchange(reader),
            status: status.as_u16(),
            code: reason.code,
            detail: reason.detail,
            repeats: 0,
        });
    }
    /// The exchange that is meant, if it is one that is served: no other word of the query is kept.
    fn exchange(&self, reader: &Reader) -> Option<&'static str> {
        use Endpoint as E;
        let name = match self.endpoint {
            E::Exchanges | E::Compare | E::Ws | E::Ops | E::Unknown => return None,
            it if it.as_str().starts_with("v2_") => Some(bitfinex::exchange().into()),
            _ => Params::first(self.query, EXCHANGE.name),
        };
        Some(reader.desks.get(name.as_deref()).ok()?.shelf.name())
    }
}
