//! What of an exchange is live, and following it.

use std::sync::Arc;

use super::{ServiceError, Shelf};
use crate::{
    exchange::{Stream, Topic},
    feed::{Bell, Feed, Follower, Hub, Lease, Mode, TooManyTopics},
    market::{Channel, Identity, Listing, Precision},
};

/// Levels a side of the books that are followed.
pub const FOLLOWED_DEPTH: u32 = 25;

/// The live topics of one exchange.
#[derive(Clone)]
pub struct Live {
    shelf: Arc<Shelf>,
    feed: Feed,
    hub: Hub,
}

/// One who follows one topic, which is kept live for him as long as he does, or polled where that
/// cannot be. Dropping it ends that.
pub struct Followed {
    /// His place.
    pub follower: Follower,
    _lease: Lease,
}

impl Live {
    pub(super) fn new(shelf: Arc<Shelf>, feed: Feed, hub: Hub) -> Self {
        Self { shelf, feed, hub }
    }

    /// The topics and their tokens.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The topic that a channel of a market is.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] for candles of a width that the exchange does not offer.
    pub fn topic(&self, market: &Listing, channel: Channel) -> Result<Arc<Topic>, ServiceError> {
        let stream = match channel {
            Channel::Ticker => Stream::Ticker,
            Channel::Trades => Stream::Trades,
            Channel::Orderbook => Stream::Book { precision: Precision::P0, depth: FOLLOWED_DEPTH },
            Channel::Ohlcv(timeframe) => {
                self.shelf.offered(timeframe)?;
                Stream::Candles(timeframe)
            }
        };
        Ok(Arc::new(Topic { id: market.id.clone(), stream }))
    }

    /// Follows a topic, from the update after the one of the given number where it is still kept,
    /// else from a snapshot. `market` is `None` for topics in the exchange's own terms.
    ///
    /// # Errors
    /// There are too many topics already.
    pub fn follow(
        &self,
        topic: &Arc<Topic>,
        market: Option<&Arc<Listing>>,
        identity: Identity,
        bell: &Arc<Bell>,
        after: Option<u64>,
    ) -> Result<Followed, TooManyTopics> {
        let follower = self.hub.follow(topic, market, identity, bell, after)?;
        Ok(Followed { follower, _lease: self.feed.lease(topic) })
    }

    /// How a topic is fed.
    pub fn mode(&self, topic: &Topic) -> Mode {
        self.hub.line(topic).map_or(Mode::Starting, |line| line.mode())
    }
}
