//! Who sent a request.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{
    admission::KEY_NEEDED,
    problem::{Code, Problem},
};
pub(crate) use crate::access::{Right, Rights};
use crate::telemetry::{ClientId, Payer};

/// How somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No keys are configured, so nobody is known.
    NoKeys,
    /// No key was shown, and none was needed.
    NoKey,
    /// By a key.
    Key,
}

/// Who sent a request, as far as is known, and what he may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) payer: Payer,
    pub(crate) rights: Rights,
    pub(crate) standing: Standing,
}

impl Caller {
    /// Somebody without a key, where none is needed: everything but changes.
    pub(crate) const ANYONE: Self = Self {
        payer: Payer::of(ClientId::ANONYMOUS),
        rights: Rights::ANYONE,
        standing: Standing::NoKeys,
    };

    /// Who sent this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().copied().unwrap_or(Self::ANYONE)
    }

    /// Refuses those who may not: 401 `unauthorized` where a key would help, else 403 `forbidden`.
    pub(crate) fn require(&self, right: Right) -> Result<(), Problem> {
        if self.rights.has(right) {
            return Ok(());
        }
        let right = right.as_str();
        Err(match self.standing {
            Standing::NoKey => Problem::new(Code::Unauthorized, KEY_NEEDED),
            Standing::Key => {
                Problem::new(Code::Forbidden, format!("this needs a key with the right {right}"))
            }
            Standing::NoKeys => {
                let detail = format!(
                    "this needs a key with the right {right}, and no keys are configured here \
                     (access.keys_file)"
                );
                Problem::new(Code::Forbidden, detail)
            }
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
