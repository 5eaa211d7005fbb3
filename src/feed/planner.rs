//! The task that makes the plan and starts sockets.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    SocketState,
    hearing::kind,
    socket::{Parts, Socket},
};
use crate::telemetry::{FeedKind, LastWords};

/// The longest time between two plans.
const TICK: Duration = Duration::from_secs(1);
/// Wishes that come this close together are met by one plan.
const SETTLE: Duration = Duration::from_millis(5);

/// Makes the plan whenever a wish has changed, and once a tick; never ends.
pub(super) async fn run(parts: Arc<Parts>) {
    loop {
        let now = Instant::now();
        let made = parts.shared.plan().make(now);
        // Before its socket can say anything of a topic.
        for (topic, turn) in &made.tell {
            parts.sink.turn(topic, turn, now);
        }
        for opened in made.start {
            let socket = Socket::new(opened, parts.clone(), parts.tasks.stopping());
            parts.tasks.spawn("feed socket", socket.run());
        }
        parts.metrics.moved(made.promotions, made.demotions);
        measure(&parts);
        tokio::select! {
            () = parts.shared.changed.notified() => sleep(SETTLE).await,
            // The plan that follows does what is due; it does not matter what woke it.
            () = sleep(TICK) => {}
        }
    }
}

fn measure(parts: &Parts) {
    let mut words: Vec<Vec<Instant>> = vec![Vec::new(); FeedKind::ALL.len()];
    let open = {
        let plan = parts.shared.plan();
        for (topic, at) in plan.last_words() {
            words[kind(topic).index()].push(at);
        }
        let open = |state| matches!(state, SocketState::Open | SocketState::Paused);
        plan.sockets().filter(|(_, view, ..)| open(view.state().0)).count()
    };
    parts.metrics.open(open, words.iter().map(Vec::len).sum());
    for (kind, mut words) in FeedKind::ALL.iter().zip(words) {
        words.sort_unstable();
        let last =
            words.first().map(|worst| LastWords { worst: *worst, median: words[words.len() / 2] });
        parts.metrics.last_words(*kind, last);
    }
}
