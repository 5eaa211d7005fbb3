//! Budgets and bans that outlive the process: the budget's journal, kept in the store.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    config::Config,
    exchange::Exchange,
    market::UnixMs,
    store::Store,
    upstream::{Journal, Memory, Saved, SavedBan, SavedCall},
};

/// Notes calls and bans at the wall time of their happening.
pub(super) struct Memories {
    store: Store,
    clock: Clock,
}

impl Memories {
    pub(super) fn new(store: &Store, clock: &Clock) -> Self {
        Self { store: store.clone(), clock: clock.clone() }
    }

    /// What is known of an exchange's budget, and this as the journal that goes on with it.
    pub(super) async fn of(self, exchange: &dyn Exchange, config: &Config) -> Memory {
        let longest_call = config.exchanges[exchange.profile().name].request_timeout;
        let now = self.clock.now();
        let since = now - Saved::horizon(config.upstream.window, longest_call);
        let kept = self.store.budget(exchange.profile().name, since).await;
        let call = |(pool, units, at)| SavedCall { pool, units, age: now.since(at) };
        let ban = |(pool, until): (_, UnixMs)| SavedBan { pool, left: until.since(now) };
        let (calls, bans) = (kept.calls.into_iter().map(call), kept.bans.into_iter().map(ban));
        let saved = Saved { calls: calls.collect(), bans: bans.collect() };
        Memory { journal: Arc::new(self), saved, longest_call }
    }
}

impl Journal for Memories {
    fn called(&self, exchange: &'static str, pool: &'static str, units: u32) {
        self.store.note_call(exchange, pool, units, self.clock.now());
    }

    fn closed(&self, exchange: &'static str, pool: Option<&'static str>, left: Duration) {
        self.store.note_ban(exchange, pool, Some(self.clock.now() + left));
    }

    fn opened(&self, exchange: &'static str, pool: Option<&'static str>) {
        self.store.note_ban(exchange, pool, None);
    }
}
