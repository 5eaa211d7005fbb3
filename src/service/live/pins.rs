//! Topics that settings name.

use std::sync::Arc;

use crate::{
    exchange::Topic,
    market::{Channel, Listing},
    registry::{Registry, Unknown},
};

/// The topics of the named markets, and the names that no market has. `topic` makes a channel's
/// topic, where the exchange offers it.
pub(super) fn resolve(
    registry: &Registry,
    names: &[String],
    channels: &[Channel],
    topic: impl Fn(&Listing, Channel) -> Option<Arc<Topic>>,
) -> (Vec<Arc<Topic>>, Vec<Unknown>) {
    let (mut topics, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match registry.resolve(name) {
            Ok(market) => topics.extend(channels.iter().filter_map(|it| topic(market, *it))),
            Err(error) => unknown.push(error),
        }
    }
    (topics, unknown)
}
