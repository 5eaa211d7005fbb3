//! Every task of the process is started and ended here.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Owns the tasks of a process: starts them, tells them to stop, waits for them.
///
/// Clones share the same set. A task that panics is logged and counted and ends alone.
#[derive(Clone)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    on_panic: Arc<dyn Fn(&'static str) + Send + Sync>,
}

impl Tasks {
    /// An empty set; `on_panic` is told the name of each task that panics.
    pub fn new(on_panic: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self {
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
            on_panic: Arc::new(on_panic),
        }
    }

    /// A token that is cancelled when [`Tasks::drain`] begins.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Runs `task` to its end. It has to watch [`Tasks::stopping`] itself if it may run for long.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let on_panic = self.on_panic.clone();
        self.tracker.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked");
                on_panic(name);
            }
        });
    }

    /// Runs `task` until it ends or the process stops, whichever is first; it is dropped then.
    pub fn spawn_until_stop(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let stopping = self.stopping();
        self.spawn(name, async move {
            let _ended = stopping.run_until_cancelled(task).await;
        });
    }

    /// Asks every task to stop; true if all of them did within `grace`.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}
