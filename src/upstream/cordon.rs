//! Whether operators keep an exchange from being called.

use std::time::Duration;

use tokio::sync::watch;

use super::{CallError, Upstream};
use crate::telemetry::CordonMetrics;

/// When to come back to a cordoned exchange: it is open again when people say so, which nobody
/// knows beforehand.
const COME_BACK: Duration = Duration::from_secs(5);

/// Drawn around an exchange, it lets no call through.
#[derive(Debug)]
pub(super) struct Cordon {
    drawn: watch::Sender<bool>,
    metrics: CordonMetrics,
}

impl Cordon {
    pub(super) fn new(metrics: CordonMetrics) -> Self {
        metrics.set(false);
        Self { drawn: watch::Sender::new(false), metrics }
    }

    pub(super) fn is_drawn(&self) -> bool {
        *self.drawn.borrow()
    }

    /// Waits until it is drawn. Cancel-safe.
    pub(super) async fn is_being_drawn(&self) {
        // The sender is `self`, so it outlives the wait.
        let _ = self.drawn.subscribe().wait_for(|drawn| *drawn).await;
    }

    /// What callers are told.
    pub(super) fn refusal() -> CallError {
        CallError::Cordoned { retry_after: COME_BACK }
    }
}

impl Upstream {
    /// Lets no call through from now on, or all again. Those that wait for their turn are refused
    /// at once; what was sent before goes on to its end. Lasts as long as the process.
    pub fn cordon(&self, cordoned: bool) {
        self.cordon.drawn.send_replace(cordoned);
        self.cordon.metrics.set(cordoned);
    }

    /// True while no call is let through.
    pub fn is_cordoned(&self) -> bool {
        self.cordon.is_drawn()
    }
}
