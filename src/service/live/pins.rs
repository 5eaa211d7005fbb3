//! Topics that settings name.

use std::sync::Arc;

use crate::{
    config::Config,
    exchange::Topic,
    market::{Channel, Listing},
    registry::{Registry, Unknown},
};

/// What settings want live for good at one exchange.
#[derive(Debug)]
pub(super) struct Pins {
    /// Markets in any spelling, and whether they can be of no other exchange.
    names: Vec<(String, bool)>,
    channels: Vec<Channel>,
}

/// What an exchange lists of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) topics: Vec<Arc<Topic>>,
    /// Names that no market has.
    pub(super) unknown: Vec<Unknown>,
    /// Names that no market has here, but may have at another exchange.
    pub(super) elsewhere: Vec<String>,
}

impl Pins {
    pub(super) fn of(config: &Config, exchange: &str) -> Self {
        let is_alone = config.exchanges.enabled().count() == 1;
        let names = config.feed.pinned_at(exchange);
        let names = names.map(|(name, is_own)| (name.to_owned(), is_own || is_alone)).collect();
        Self { names, channels: config.feed.pinned_channels.clone() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// `topic` makes a channel's topic, where the exchange offers it.
    pub(super) fn resolve(
        &self,
        registry: &Registry,
        topic: impl Fn(&Listing, Channel) -> Option<Arc<Topic>>,
    ) -> Found {
        let mut found = Found { topics: Vec::new(), unknown: Vec::new(), elsewhere: Vec::new() };
        for (name, is_own) in &self.names {
            match registry.resolve(name) {
                Ok(market) => {
                    found.topics.extend(self.channels.iter().filter_map(|it| topic(market, *it)));
                }
                Err(unknown) if *is_own => found.unknown.push(unknown),
                Err(unknown) => found.elsewhere.push(unknown.asked),
            }
        }
        found
    }
}
