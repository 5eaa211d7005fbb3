//! Candles that were missed while a channel was not live.

use std::sync::Arc;

use super::{sink::LiveSink, tail::ROWS};
use crate::{
    exchange::{Stream, Topic},
    feed::Line,
    market::Span,
    service::{Key, candles::Which},
};

impl LiveSink {
    /// Fetches what is missing, and nothing else, in one request that waits behind all others.
    pub(super) fn refill(&self, topic: &Arc<Topic>, line: Arc<Line>, key: &Key, hole: Span) {
        let (Some(market), Stream::Candles(timeframe)) = (self.market(topic), &topic.stream) else {
            return;
        };
        let which = Which { market, timeframe: *timeframe };
        let (sink, topic, key) = (self.clone(), topic.clone(), key.clone());
        self.tasks.spawn_until_stop("refill", async move {
            match sink.candles.refill(&which, hole, sink.refresh_deadline).await {
                Ok(()) => sink.fill(&line, &key),
                Err(error) => tracing::warn!(%topic, %error, "missed candles stay missing"),
            }
        });
    }

    /// Tells those who follow what is held.
    pub(super) fn fill(&self, line: &Line, key: &Key) {
        let Some(entry) = self.shelf.cache.peek(key) else { return };
        if let Some(track) = entry.value.track() {
            line.fill(&track.newest_rows(ROWS), entry.stamp.known_at());
        }
    }
}
