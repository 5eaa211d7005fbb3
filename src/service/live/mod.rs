//! What of an exchange is live, and following it.
//!
//! ```text
//! feed ─► LiveSink ─┬─► line of the topic ─► followers
//!                   └─► the entry of the cache that requests are answered from
//! entries' reads ─► Heat ─► feed            followed, not live ─► Poller ─► line
//! ```

mod gather;
mod heat;
mod keep;
mod pins;
mod poll;
mod refill;
mod sink;
mod tail;
#[cfg(test)]
mod tests;
mod topics;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use heat::Heat;
use pins::Pins;
use poll::Poller;
pub(super) use poll::Products;
use sink::LiveSink;

use super::{Markets, Product, ServiceError, Shelf};
use crate::{
    config::Config,
    exchange::{Family, Stream, Topic},
    feed::{Bell, Feed, Follower, Hub, Lease, Mode, Reads, Sink, Standing, TooManyTopics},
    market::{Channel, Identity, Listing, Precision},
    tasks::Tasks,
};

/// Levels a side of the books that are followed, at least.
pub const FOLLOWED_DEPTH: u32 = 25;

/// How often it is looked for topics that are not live.
const LOOK: Duration = Duration::from_millis(250);
/// How often reads are counted and topics forgotten.
const UPKEEP: Duration = Duration::from_secs(1);

/// The live topics of one exchange.
#[derive(Clone)]
pub struct Live {
    shelf: Arc<Shelf>,
    feed: Feed,
    hub: Hub,
    followed: Arc<Notify>,
}

/// One who follows one topic, which is kept live for him as long as he does, or polled where that
/// cannot be. Dropping it ends that.
pub struct Followed {
    /// His place.
    pub follower: Follower,
    /// None if no channel brings the topic.
    _lease: Option<Lease>,
}

/// How a product stands with the exchange's WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// `live`, `opening`, `stale` or `not_followed`.
    pub state: &'static str,
    /// Why it is not live.
    pub reason: Option<&'static str>,
}

impl Live {
    /// `open` makes the feed whose channels go into the sink it is given.
    pub(super) fn start(
        (shelf, markets, products): (&Arc<Shelf>, &Markets, Products),
        hub: Hub,
        config: &Config,
        open: impl FnOnce(Arc<dyn Sink>) -> Feed,
        tasks: &Tasks,
    ) -> Self {
        let sources = (markets.clone(), products.candles.clone());
        let times = (config.feed.max_silence, config.upstream.refresh_deadline);
        let sink = LiveSink::new(shelf.clone(), hub.clone(), sources, times, tasks);
        let feed = open(Arc::new(sink.clone()));
        let followed = Arc::<Notify>::default();
        let live = Self { shelf: shelf.clone(), feed: feed.clone(), hub, followed };
        let pins = Pins::of(config, shelf.name());
        let upkeep = live.clone().upkeep(sink.clone(), markets.clone(), pins);
        tasks.spawn_until_stop("live upkeep", upkeep);
        let deadline = config.server.request_deadline;
        let poller = Poller { sink, feed, products, deadline };
        tasks.spawn_until_stop("live polls", live.clone().polls(poller));
        live
    }

    /// The topics and their tokens.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Where it comes from.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Every channel of a market that can be followed.
    pub fn channels(&self) -> Vec<Channel> {
        let widths = self.shelf.exchange.profile().timeframes.iter();
        let fixed = [Channel::Ticker, Channel::Trades, Channel::Orderbook];
        fixed.into_iter().chain(widths.map(|width| Channel::Ohlcv(*width))).collect()
    }

    /// The topic that a channel of a market is.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`] for candles of a width that the exchange does not offer.
    pub fn topic(&self, market: &Listing, channel: Channel) -> Result<Arc<Topic>, ServiceError> {
        let stream = match channel {
            Channel::Ticker => Stream::Ticker,
            Channel::Trades => Stream::Trades,
            Channel::Orderbook => {
                let depths = self.shelf.exchange.profile().live.book_depths;
                let enough = depths.iter().copied().find(|depth| *depth >= FOLLOWED_DEPTH);
                let depth = enough.or(depths.last().copied()).unwrap_or(FOLLOWED_DEPTH);
                Stream::Book { precision: Precision::P0, depth }
            }
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
        let lease = self.has_channel(topic).then(|| self.feed.lease(topic));
        let followed = Followed { follower, _lease: lease };
        self.followed.notify_one();
        Ok(followed)
    }

    fn has_channel(&self, topic: &Topic) -> bool {
        topics::has_channel(&self.shelf.exchange.profile().live, topic)
    }

    /// How a topic is fed.
    pub fn mode(&self, topic: &Topic) -> Mode {
        self.hub.line(topic).map_or(Mode::Starting, |line| line.mode())
    }

    /// How a product stands with the exchange's WebSocket. Asking changes nothing about that.
    pub fn stand(&self, product: &Product) -> Stand {
        let not_followed = |reason| Stand { state: "not_followed", reason: Some(reason) };
        let topic = topics::topic(product).filter(|topic| self.has_channel(topic));
        let Some(topic) = topic else {
            return not_followed("no channel brings it");
        };
        if !self.feed.is_enabled() {
            return not_followed("there is no feed");
        }
        match self.feed.standing(&topic) {
            Standing::Live => Stand { state: "live", reason: None },
            Standing::Opening => Stand { state: "opening", reason: None },
            Standing::Lapsed(lapse) => Stand { state: "stale", reason: Some(lapse.as_str()) },
            Standing::Unwanted => {
                not_followed("it is neither pinned nor followed, nor read often enough")
            }
        }
    }

    async fn polls(self, poller: Poller) {
        loop {
            let _ = timeout(LOOK, self.followed.notified()).await;
            poller.look(Instant::now());
        }
    }

    async fn upkeep(self, sink: LiveSink, markets: Markets, pins: Pins) {
        let mut heat = Heat::new(Instant::now());
        let mut is_pinned = pins.is_empty();
        loop {
            sleep(UPKEEP).await;
            let now = Instant::now();
            self.hub.sweep(now);
            sink.topics.sweep(|topic| self.hub.line(topic).is_some());
            self.feed.heat(self.reads(&mut heat, &markets, now));
            is_pinned = is_pinned || self.pin(&markets, &pins);
        }
    }

    /// How often the topics are read that requests are answered from.
    fn reads(&self, heat: &mut Heat, markets: &Markets, now: Instant) -> Vec<Reads> {
        let Some(directory) = markets.held() else { return Vec::new() };
        let entries = self.shelf.cache.entries();
        let own = entries.into_iter().filter(|(key, _)| key.exchange == self.shelf.name());
        let hits = own.filter_map(|(key, entry)| {
            let topic = topics::topic(&key.product).filter(|topic| self.has_channel(topic))?;
            directory.registry.by_id(&topic.id)?;
            Some((topic, entry.stamp.hits()))
        });
        let short = Family::ALL.map(|family| self.shelf.upstream.is_short(family));
        let is_short = |family: Family| {
            Family::ALL.iter().zip(short).any(|(other, short)| short && *other == family)
        };
        let warm = heat.measure(hits, now).into_iter();
        warm.map(|(topic, a_minute)| {
            let is_short =
                self.spares_calls(&topic) && topics::families(&topic).iter().copied().any(is_short);
            Reads { topic, a_minute, is_short }
        })
        .collect()
    }

    /// True if a channel spares calls from the first read on.
    fn spares_calls(&self, topic: &Topic) -> bool {
        match &topic.stream {
            Stream::Book { depth, .. } => {
                self.shelf.exchange.profile().book_channel_spares_calls(*depth)
            }
            _ => true,
        }
    }

    /// Wants what settings name live for good, once it is known which markets there are; false
    /// until then.
    fn pin(&self, markets: &Markets, pins: &Pins) -> bool {
        let Some(directory) = markets.held() else { return false };
        let topic = |market: &Listing, channel| {
            self.topic(market, channel).ok().filter(|topic| self.has_channel(topic))
        };
        let found = pins.resolve(&directory.registry, topic);
        for name in found.unknown {
            let near: Vec<&str> = name.suggestions.iter().map(|symbol| symbol.as_str()).collect();
            let (exchange, asked, near) = (self.shelf.name(), name.asked, near.join(", "));
            tracing::warn!(exchange, asked, near, "feed.pinned names a market that is not listed");
        }
        if !found.elsewhere.is_empty() {
            let (exchange, markets) = (self.shelf.name(), found.elsewhere.join(", "));
            tracing::info!(exchange, markets, "pinned at other exchanges only: not listed here");
        }
        self.feed.pin(found.topics);
        true
    }
}
