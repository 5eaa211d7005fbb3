//! Budgets and bans that outlive the process: the budget's journal, kept in the store.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    config::Config,
    exchange::{Exchange, Family},
    store::Store,
    upstream::{Journal, Memory, Saved},
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
        let calls = kept.calls.iter().map(|(family, at)| (*family, now.since(*at)));
        let bans = kept.bans.iter().map(|(family, until)| (*family, until.since(now)));
        let saved = Saved { calls: calls.collect(), bans: bans.collect() };
        Memory { journal: Arc::new(self), saved, longest_call }
    }
}

impl Journal for Memories {
    fn called(&self, exchange: &'static str, family: Family) {
        self.store.note_call(exchange, family, self.clock.now());
    }

    fn closed(&self, exchange: &'static str, family: Option<Family>, left: Duration) {
        self.store.note_ban(exchange, family, Some(self.clock.now() + left));
    }

    fn opened(&self, exchange: &'static str, family: Option<Family>) {
        self.store.note_ban(exchange, family, None);
    }
}
