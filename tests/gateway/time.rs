//! Time of a test's own, on a runtime of one thread that was started with its clock paused: a
//! machine that stalls makes nobody late, and one that hurries makes nobody early.

use std::{sync::mpsc, thread, time::Duration};

use tidegate::tasks::Tasks;
use tokio::{task::spawn_blocking, time::advance};

/// Time that stands still for as long as this lives, unless it is told to pass.
pub(crate) struct Still {
    _held: mpsc::Sender<()>,
}

impl Still {
    /// So much of it passes at once.
    pub(crate) async fn pass(&self, by: Duration) {
        advance(by).await;
    }
}

/// Holds the time. The runtime would skip whatever time it has nothing to do in, and may have
/// nothing to do while the kernel carries what was sent; it does not while blocking work goes on.
pub(crate) fn stands_still() -> Still {
    /// Who waits so long waits for time to pass: it does then, and he runs into his limit.
    const STUCK: Duration = Duration::from_secs(180);
    let (held, ended) = mpsc::channel();
    spawn_blocking(move || ended.recv_timeout(STUCK));
    Still { _held: held }
}

/// Time passes by itself: never faster than the wall's, and in steps so short that whatever can go
/// on goes on in between.
pub(crate) fn passes() {
    const STEP: Duration = Duration::from_millis(1);
    let (tick, mut ticks) = tokio::sync::mpsc::channel(1);
    spawn_blocking(move || {
        while tick.blocking_send(()).is_ok() {
            thread::park_timeout(STEP);
        }
    });
    let steps = async move {
        while ticks.recv().await.is_some() {
            advance(STEP).await;
        }
    };
    Tasks::new(|name| panic!("{name} stands still")).spawn("time", steps);
}
