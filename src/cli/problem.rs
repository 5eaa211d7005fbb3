//! What a gateway says where it does not give what was asked for.

use std::{fmt, time::Duration};

use serde::Deserialize;

use super::client::Reply;

/// A problem document (RFC 9457), as far as a command can do something about it. Its text is one
/// line for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Told {
    /// What happened, for programs.
    pub code: String,
    detail: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    retry_after_ms: Option<u64>,
    #[serde(default)]
    suggestions: Vec<String>,
}

impl Told {
    /// Reads the answer's document; an answer without one is told by its status.
    pub(super) fn of(reply: &Reply) -> Self {
        serde_json::from_slice(&reply.body).unwrap_or_else(|_| Self {
            code: String::new(),
            detail: format!("the gateway answered with status {}", reply.status),
            retryable: reply.status >= 500,
            retry_after_ms: None,
            suggestions: Vec::new(),
        })
    }

    /// When asking again may help, where the gateway knows.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }

    /// What happened, without when to come back.
    pub fn reason(&self) -> &str {
        &self.detail
    }

    /// True if it is a matter of waiting for a turn and no sign of a fault.
    pub fn asks_for_patience(&self) -> bool {
        let patient =
            ["budget_exhausted", "exchange_rate_limited", "exchange_maintenance", "overloaded"];
        self.retryable && patient.contains(&self.code.as_str())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if !self.suggestions.is_empty() {
            write!(f, "; did you mean {}?", self.suggestions.join(", "))?;
        }
        if let Some(wait) = self.retry_after() {
            write!(f, "; try again in {} s", wait.as_millis().div_ceil(1000))?;
        }
        Ok(())
    }
}
