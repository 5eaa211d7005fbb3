//! Which topics are read so often that they are worth a channel.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::exchange::Topic;

/// Reads are forgotten over about this time: what is left of them is their number a minute.
const MEMORY: Duration = Duration::from_secs(60);
/// Less than this many reads a minute are none.
const COLD: f64 = 0.5;

/// Reads a minute of each topic, those of the last minute counting most.
#[derive(Debug)]
pub(super) struct Heat {
    seen: Instant,
    topics: HashMap<Arc<Topic>, Warmth>,
}

#[derive(Debug)]
struct Warmth {
    /// Reads that had been counted when it was last looked at.
    hits: u64,
    a_minute: f64,
    /// There is an entry of it.
    is_held: bool,
}

impl Heat {
    pub(super) fn new(now: Instant) -> Self {
        Self { seen: now, topics: HashMap::new() }
    }

    /// The reads a minute of every topic that is not cold, given how often each entry of the
    /// cache was read since it is there.
    pub(super) fn measure(
        &mut self,
        hits: impl IntoIterator<Item = (Topic, u64)>,
        now: Instant,
    ) -> Vec<(Arc<Topic>, f64)> {
        let passed = now.saturating_duration_since(self.seen);
        self.seen = now;
        let left = (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.topics.values_mut().for_each(|warmth| warmth.a_minute *= left);
        self.topics.values_mut().for_each(|warmth| warmth.is_held = false);
        for (topic, hits) in hits {
            match self.topics.get_mut(&topic) {
                Some(warmth) => {
                    // An entry that was evicted meanwhile counts from zero again.
                    let more = hits.checked_sub(warmth.hits).unwrap_or(hits);
                    warmth.a_minute += more as f64;
                    (warmth.hits, warmth.is_held) = (hits, true);
                }
                None => {
                    let warmth = Warmth { hits, a_minute: hits as f64, is_held: true };
                    self.topics.insert(Arc::new(topic), warmth);
                }
            }
        }
        self.topics.retain(|_, warmth| warmth.is_held || warmth.a_minute >= COLD);
        let warm = self.topics.iter().filter(|(_, warmth)| warmth.a_minute >= COLD);
        warm.map(|(topic, warmth)| (topic.clone(), warmth.a_minute)).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }
}
