//! Why a call brought nothing.

use std::time::Duration;

use crate::exchange::UpstreamError;

/// A call that was refused or failed.
///
/// Every `retry_after` is the time from now until a call of the same class could be sent, as far
/// as it is known: it counts the queue, the window, the pace, bans and the breaker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request was sent, at most as often as the settings allow, and failed.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// The family's budget has no slot within the deadline. Nothing was sent.
    #[error("the request budget is exhausted for {retry_after:?}")]
    BudgetExhausted {
        /// When to come back.
        retry_after: Duration,
    },
    /// The exchange refused with a 429, now or a moment ago, and the ban outlasts the deadline.
    #[error("the exchange refuses requests for {retry_after:?}")]
    RateLimited {
        /// When to come back.
        retry_after: Duration,
    },
    /// The exchange failed repeatedly and is left alone. Nothing was sent.
    #[error("the exchange is failing and is left alone for {retry_after:?}")]
    BreakerOpen {
        /// When to come back.
        retry_after: Duration,
    },
    /// The exchange is in maintenance.
    #[error("the exchange is in maintenance; next try in {retry_after:?}")]
    Maintenance {
        /// When to come back.
        retry_after: Duration,
    },
    /// Too many calls wait already. Nothing was sent.
    #[error("too many calls wait; next slot in {retry_after:?}")]
    QueueFull {
        /// When to come back.
        retry_after: Duration,
    },
    /// Operators keep the exchange from being called. Nothing was sent.
    #[error("operators have cordoned the exchange off")]
    Cordoned {
        /// When to come back, although nobody knows when they let calls through again.
        retry_after: Duration,
    },
    /// The deadline passed while the request was under way, or had passed before the call began.
    #[error("the deadline passed before the exchange answered")]
    DeadlineExceeded,
}

impl CallError {
    /// When to come back, where it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BudgetExhausted { retry_after }
            | Self::RateLimited { retry_after }
            | Self::BreakerOpen { retry_after }
            | Self::Maintenance { retry_after }
            | Self::QueueFull { retry_after }
            | Self::Cordoned { retry_after } => Some(*retry_after),
            Self::Upstream(_) | Self::DeadlineExceeded => None,
        }
    }

    /// The label of [`crate::telemetry::FamilyMetrics::refused`].
    pub(super) fn refusal(&self) -> &'static str {
        match self {
            Self::BudgetExhausted { .. } => "budget",
            Self::RateLimited { .. } => "banned",
            Self::BreakerOpen { .. } | Self::Maintenance { .. } => "breaker",
            Self::QueueFull { .. } => "queue_full",
            Self::Cordoned { .. } => "cordoned",
            Self::DeadlineExceeded | Self::Upstream(_) => "deadline",
        }
    }
}
