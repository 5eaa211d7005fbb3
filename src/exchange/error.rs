//! What can go wrong with one request, and whose fault it is.

use std::time::Duration;

/// How a request failed before an answer could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportFault {
    /// No connection could be made.
    #[error("no connection could be made")]
    Connect,
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer was complete")]
    Cut,
    /// No complete answer in the time given to one request.
    #[error("none that was complete in time")]
    Timeout,
}

/// A request that brought no usable data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The exchange refused because of its rate limit (429 in any form).
    #[error("the exchange refused: rate limit")]
    RateLimited {
        /// Its `Retry-After`, where it gave one.
        retry_after: Option<Duration>,
    },
    /// The exchange has shut this address out as a whole, for calls beyond its limits (418).
    #[error("the exchange has banned this address")]
    Banned {
        /// Its `Retry-After`, where it gave one: minutes to days.
        retry_after: Option<Duration>,
    },
    /// The exchange does not serve this address at all, and waiting does not help (451).
    #[error("the exchange does not serve this address (HTTP {status})")]
    Restricted {
        /// HTTP status.
        status: u16,
    },
    /// The exchange is in maintenance.
    #[error("the exchange is in maintenance")]
    Maintenance,
    /// The exchange says that the request is wrong; repeating it cannot help.
    #[error("the exchange refused the request: {message}")]
    Rejected {
        /// Its own error code (Bitfinex: 10020).
        code: i64,
        /// Its own words.
        message: String,
    },
    /// The exchange or something before it answered that it cannot serve now (5xx, not ready).
    #[error("the exchange is unavailable (HTTP {status})")]
    Unavailable {
        /// HTTP status.
        status: u16,
    },
    /// No complete answer arrived.
    #[error("no answer from the exchange: {0}")]
    Transport(TransportFault),
    /// The answer cannot be read or cannot be true.
    #[error("the exchange's answer is invalid: {0}")]
    Invalid(String),
}

impl UpstreamError {
    /// True if asking once more soon may bring the data.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Transport(fault) => {
                matches!(fault, TransportFault::Connect | TransportFault::Cut)
            }
            Self::RateLimited { .. }
            | Self::Banned { .. }
            | Self::Restricted { .. }
            | Self::Maintenance
            | Self::Rejected { .. }
            | Self::Invalid(_) => false,
        }
    }

    /// True if it tells that the exchange is unwell, as opposed to this one request being wrong.
    pub fn is_exchange_fault(&self) -> bool {
        match self {
            Self::Maintenance
            | Self::Restricted { .. }
            | Self::Unavailable { .. }
            | Self::Transport(_)
            | Self::Invalid(_) => true,
            Self::RateLimited { .. } | Self::Banned { .. } | Self::Rejected { .. } => false,
        }
    }

    /// A short name for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Banned { .. } => "banned",
            Self::Restricted { .. } => "restricted",
            Self::Maintenance => "maintenance",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { .. } => "unavailable",
            Self::Transport(TransportFault::Connect) => "connect",
            Self::Transport(TransportFault::Cut) => "cut",
            Self::Transport(TransportFault::Timeout) => "timeout",
            Self::Invalid(_) => "invalid",
        }
    }
}
