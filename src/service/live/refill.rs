//! Candles that were missed while a channel was not live.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    keep::held_candles,
    sink::{LiveSink, Place},
    tail, topics,
};
use crate::{
    cache::Entry,
    exchange::{Family, Topic},
    feed::Line,
    market::{Candle, CandleQuery, Timeframe, UnixMs},
    service::{Key, ServiceError, Value},
    telemetry::Wait,
};

/// Candles that may be missing between those that were held and a channel's snapshot.
pub(super) struct Hole {
    /// What was held.
    pub(super) older: Arc<Entry<Value>>,
    pub(super) timeframe: Timeframe,
    /// The last candle held, which may have changed since.
    pub(super) after: UnixMs,
    /// The first candle of the snapshot.
    pub(super) first: UnixMs,
}

impl Hole {
    /// The candles from the last one held to the first of the snapshot, both included.
    fn len(&self) -> Option<u32> {
        let width = i64::try_from(self.timeframe.fixed()?.as_millis()).ok()?;
        u32::try_from((self.first.millis() - self.after.millis()) / width + 1).ok()
    }
}

impl LiveSink {
    /// Fetches what is missing, and nothing else, in one request that waits behind all others.
    pub(super) fn refill(&self, topic: &Arc<Topic>, line: Arc<Line>, hole: Hole) {
        let most = self.shelf.exchange.profile().max_candles;
        let limit = hole.len().unwrap_or(most);
        let Some(market) = line.market().cloned().filter(|_| limit <= most) else { return };
        let (sink, topic) = (self.clone(), topic.clone());
        self.tasks.spawn_until_stop("refill", async move {
            let (since, until) = (Some(hole.after), Some(hole.first));
            let timeframe = hole.timeframe;
            let query = CandleQuery { market, timeframe, limit, since, until };
            match sink.missing(&query).await {
                Ok(rows) => sink.filled(&topic, &line, &hole, &rows),
                Err(error) => tracing::warn!(%topic, %error, "missed candles stay missing"),
            }
        });
    }

    async fn missing(&self, query: &CandleQuery) -> Result<Vec<Candle>, ServiceError> {
        let shelf = &self.shelf;
        let deadline = Instant::now() + self.refresh_deadline;
        let call = || shelf.exchange.candles(query);
        Ok(shelf.upstream.call(Family::Candles, Wait::Background, deadline, call).await?)
    }

    /// Puts fetched candles between what was held before and what is held now.
    fn filled(&self, topic: &Arc<Topic>, line: &Line, hole: &Hole, rows: &[Candle]) {
        // An answer that does not reach the snapshot leaves a hole behind it.
        if rows.last().is_none_or(|last| last.open_time != hole.first) {
            return;
        }
        let Some((key, kind)) = self.key(topic) else { return };
        let state = self.topics.of(topic);
        let mut state = topics::lock(&state);
        let known_at = |entry: &Arc<Entry<Value>>| {
            super::sink::is_kept(&state, &entry.stamp).then(|| entry.stamp.known_at())
        };
        let Some(at) = self.shelf.cache.peek(&key).as_ref().and_then(known_at) else { return };
        let most = self.shelf.exchange.profile().max_candles;
        let place = Place { key: key.clone(), kind, at };
        let mut is_whole_again = false;
        self.keep(&mut state, &place, |entry| {
            let now = held_candles(entry?)?;
            // Another snapshot may have come since, with a hole of its own.
            let begins = now.series.rows.first().map(|row| row.open_time);
            let older = held_candles(&hole.older)?;
            if begins != Some(hole.first) {
                return None;
            }
            is_whole_again = true;
            let before = older.series.rows.iter().filter(|row| row.open_time < hole.after);
            let missed = rows.iter().filter(|row| row.open_time < hole.first);
            let rows = before.chain(missed).chain(&now.series.rows).cloned().collect();
            let depth = older.depth().max(now.depth());
            Some(Value::Candles(tail::series(rows, older.series.is_whole(), depth, most)))
        });
        drop(state);
        if is_whole_again {
            self.fill(line, &key);
        }
    }

    /// Tells those who follow what is held.
    pub(super) fn fill(&self, line: &Line, key: &Key) {
        let Some(entry) = self.shelf.cache.peek(key) else { return };
        if let Some(held) = held_candles(&entry) {
            line.fill(&held.series.rows, entry.stamp.known_at());
        }
    }
}
