//! Who sent a request.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::problem::{Code, Problem};
use crate::telemetry::{ClientId, Payer};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Ask for market data.
    Read,
    /// Follow streams.
    Stream,
    /// See metrics and the state of the gateway.
    Ops,
    /// Change what the gateway does.
    Admin,
}

/// All that somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) read: bool,
    pub(crate) stream: bool,
    pub(crate) ops: bool,
    pub(crate) admin: bool,
}

/// Who sent a request, as far as is known, and what he may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) payer: Payer,
    pub(crate) rights: Rights,
}

impl Caller {
    /// Somebody without a key, where none is needed: everything but changes.
    pub(crate) const ANYONE: Self = Self {
        payer: Payer::of(ClientId::ANONYMOUS),
        rights: Rights { read: true, stream: true, ops: true, admin: false },
    };

    /// Who sent this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().copied().unwrap_or(Self::ANYONE)
    }

    /// Refuses those who may not.
    pub(crate) fn require(&self, right: Right) -> Result<(), Problem> {
        let (may, what) = match right {
            Right::Read => (self.rights.read, "read"),
            Right::Stream => (self.rights.stream, "stream"),
            Right::Ops => (self.rights.ops, "ops"),
            Right::Admin => (self.rights.admin, "admin"),
        };
        if may {
            return Ok(());
        }
        let detail = format!("this needs a key with the right {what}");
        Err(Problem::new(Code::Forbidden, detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
