//! Why a product could not be served.

use std::{borrow::Cow, time::Duration};

use crate::{
    cache::{Failure, ReadError},
    exchange::UpstreamError,
    market::Symbol,
    upstream::{CallError, Lost},
};

/// An answer that could not be given. Cloned to everyone who waited for the same fetch.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ServiceError {
    /// The exchange lists no such market.
    #[error("no market {asked:?} on {exchange}")]
    UnknownSymbol {
        /// Whose list was searched; several names where several were.
        exchange: Cow<'static, str>,
        /// What was asked, cut to 40 characters.
        asked: String,
        /// Up to three near names.
        suggestions: Vec<Symbol>,
    },
    /// The exchange does not offer it.
    #[error("{0}")]
    Unsupported(String),
    /// The exchange refused the request itself; asking again cannot help.
    #[error("the exchange refused the request: {message}")]
    Rejected {
        /// Its own error code.
        code: i64,
        /// Its own words.
        message: String,
    },
    /// The budget has no call left within the deadline.
    #[error("the exchange's request budget has no call left within the deadline")]
    BudgetExhausted {
        /// When one will be there.
        retry_after: Duration,
    },
    /// The exchange has closed this family of endpoints.
    #[error("the exchange limits our requests")]
    RateLimited {
        /// When it opens again.
        retry_after: Duration,
    },
    /// The exchange is in maintenance.
    #[error("the exchange is in maintenance")]
    Maintenance {
        /// When it is asked again.
        retry_after: Duration,
    },
    /// The exchange failed, or has failed so often that it is not asked for a while.
    #[error("the exchange is unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// When it is asked again.
        retry_after: Duration,
    },
    /// The exchange does not serve this address, and will not soon.
    #[error("the exchange does not serve requests from this address: {reason}")]
    Restricted {
        /// What was seen.
        reason: String,
        /// It is not asked before that.
        retry_after: Duration,
    },
    /// The exchange gave no complete answer in time.
    #[error("the exchange did not answer in time")]
    UpstreamTimeout,
    /// The exchange answered something that cannot be read or cannot be true.
    #[error("the exchange's answer is invalid: {0}")]
    Invalid(String),
    /// The client's deadline passed first.
    #[error("the request's deadline passed while the data was being fetched")]
    DeadlineExceeded,
    /// `only-if-cached`, and nothing usable is held.
    #[error("only-if-cached was demanded and no usable copy is held")]
    NotCached,
    /// Not even a new copy could meet the demand.
    #[error("the freshness that min-fresh demands is more than this data's ttl")]
    Unmeetable,
    /// A fault of Tidegate's own.
    #[error("an internal fault, which has been logged")]
    Internal,
    /// One part of a composed answer failed.
    #[error("{part}: {source}")]
    Part {
        /// Which part: `ohlcv`, `ticker`, `orderbook`.
        part: &'static str,
        /// Why.
        source: Box<ServiceError>,
    },
}

/// How long to wait after a fault that names no time: about one breaker's first opening.
const SOON: Duration = Duration::from_secs(1);
/// The same where waiting does not help: as long as a breaker is open at most, unless it is set.
const LATE: Duration = Duration::from_secs(30);

impl ServiceError {
    /// The same error, as that of one part of a composed answer.
    #[must_use]
    pub fn of_part(self, part: &'static str) -> Self {
        Self::Part { part, source: Box::new(self) }
    }

    /// When asking again may help, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BudgetExhausted { retry_after }
            | Self::RateLimited { retry_after }
            | Self::Maintenance { retry_after }
            | Self::Unavailable { retry_after, .. }
            | Self::Restricted { retry_after, .. } => Some(*retry_after),
            Self::Part { source, .. } => source.retry_after(),
            Self::UnknownSymbol { .. }
            | Self::Unsupported(_)
            | Self::Rejected { .. }
            | Self::UpstreamTimeout
            | Self::Invalid(_)
            | Self::DeadlineExceeded
            | Self::NotCached
            | Self::Unmeetable
            | Self::Internal => None,
        }
    }

    fn retry_after_mut(&mut self) -> Option<&mut Duration> {
        match self {
            Self::BudgetExhausted { retry_after }
            | Self::RateLimited { retry_after }
            | Self::Maintenance { retry_after }
            | Self::Unavailable { retry_after, .. }
            | Self::Restricted { retry_after, .. } => Some(retry_after),
            Self::Part { source, .. } => source.retry_after_mut(),
            _ => None,
        }
    }
}

impl From<UpstreamError> for ServiceError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::RateLimited { retry_after } | UpstreamError::Banned { retry_after } => {
                Self::RateLimited { retry_after: retry_after.unwrap_or(SOON) }
            }
            UpstreamError::Maintenance => Self::Maintenance { retry_after: SOON },
            UpstreamError::Rejected { code, message } => Self::Rejected { code, message },
            UpstreamError::Transport(crate::exchange::TransportFault::Timeout) => {
                Self::UpstreamTimeout
            }
            UpstreamError::Restricted { status } => {
                Self::Restricted { reason: format!("HTTP {status}"), retry_after: LATE }
            }
            UpstreamError::Unavailable { status } => {
                let reason = match status {
                    200 => "it says so itself".to_owned(),
                    status => format!("HTTP {status}"),
                };
                Self::Unavailable { reason, retry_after: SOON }
            }
            UpstreamError::Transport(fault) => {
                Self::Unavailable { reason: fault.to_string(), retry_after: SOON }
            }
            UpstreamError::Invalid(what) => Self::Invalid(what),
        }
    }
}

impl From<CallError> for ServiceError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Upstream(error) => error.into(),
            CallError::BudgetExhausted { retry_after } | CallError::QueueFull { retry_after } => {
                Self::BudgetExhausted { retry_after }
            }
            CallError::RateLimited { retry_after } => Self::RateLimited { retry_after },
            CallError::BreakerOpen { retry_after } => Self::Unavailable {
                reason: "it failed repeatedly and is given a rest".to_owned(),
                retry_after,
            },
            CallError::Maintenance { retry_after } => Self::Maintenance { retry_after },
            CallError::Cordoned { retry_after } => {
                Self::Unavailable { reason: "cordoned by an operator".to_owned(), retry_after }
            }
            CallError::DeadlineExceeded => Self::UpstreamTimeout,
        }
    }
}

impl From<Lost> for ServiceError {
    fn from(_: Lost) -> Self {
        Self::Internal
    }
}

impl From<ReadError<Self>> for ServiceError {
    fn from(error: ReadError<Self>) -> Self {
        match error {
            ReadError::Load(error) => error,
            ReadError::NotCached => Self::NotCached,
            ReadError::Unmeetable => Self::Unmeetable,
            ReadError::Deadline => Self::DeadlineExceeded,
            ReadError::Panicked => Self::Internal,
        }
    }
}

impl Failure for ServiceError {
    /// A refusal that names a time is remembered no longer than that.
    fn remembered_for(&self, negative_ttl: Duration) -> Duration {
        self.retry_after().map_or(negative_ttl, |wait| wait.min(negative_ttl))
    }

    fn told(mut self, later: Duration) -> Self {
        if let Some(wait) = self.retry_after_mut() {
            *wait = wait.saturating_sub(later);
        }
        self
    }
}
