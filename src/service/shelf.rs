//! What every product of one exchange is read through.

use std::{future::Future, sync::Arc};

use tokio::time::Instant;

use super::{
    ServiceError,
    product::{Key, Product, Value},
};
use crate::{
    cache::{Ask, Cache, Loaded, Read, Source},
    clock::Clock,
    config::{self, Policy},
    exchange::{Asked, Exchange},
    market::Timeframe,
    store::Store,
    telemetry::{CandleMetrics, DataKind, Payer},
    upstream::{Charge, Upstream},
};

/// The cache of every product of every exchange.
pub type ProductCache = Cache<Key, Value, ServiceError>;

/// One exchange, its budget, and the cache between it and the clients.
pub struct Shelf {
    /// The exchange.
    pub exchange: Arc<dyn Exchange>,
    /// Its budget and breakers.
    pub upstream: Arc<Upstream>,
    /// What is held.
    pub cache: ProductCache,
    /// What outlives the process.
    pub store: Store,
    /// For how long it may be served, among others.
    pub settings: config::Current,
    /// Wall time.
    pub clock: Clock,
    /// What is counted about its candles.
    pub candles: CandleMetrics,
}

fn policy(policies: &config::Cache, kind: DataKind) -> Policy {
    match kind {
        DataKind::Ticker => policies.ticker,
        DataKind::Orderbook => policies.orderbook,
        DataKind::Ohlcv => policies.ohlcv,
        DataKind::History => policies.history,
        DataKind::Trades => policies.trades,
        DataKind::Markets => policies.markets,
        DataKind::Status => policies.status,
    }
}

/// The policy of a list that is better old than not there.
pub(super) fn outliving(policy: Policy) -> Policy {
    Policy { stale_while_revalidate: policy.stale_if_error, ..policy }
}

impl Shelf {
    /// The exchange's name.
    pub fn name(&self) -> &'static str {
        self.exchange.profile().name
    }

    /// What a request costs.
    pub fn charge(&self, asked: Asked) -> Charge {
        Charge::new(asked.family(), (self.exchange.profile().cost)(asked))
    }

    /// The policy for a kind of data.
    pub fn policy(&self, kind: DataKind) -> Policy {
        policy(&self.settings.glance().cache, kind)
    }

    /// Puts what is held under the policies in force, where it is under those that were in force
    /// `before`. What a channel keeps, and candles that are final, stay as they are.
    pub fn follow_policies(&self, before: &config::Cache) {
        let now = self.settings.now();
        for (key, entry) in self.cache.entries() {
            let kind = entry.stamp.kind;
            let (old, new) = (policy(before, kind), policy(&now.cache, kind));
            if key.exchange != self.name() || old == new {
                continue;
            }
            let anew = |stamp: &Policy| {
                let lists = [old, new].map(outliving);
                match *stamp {
                    stamp if stamp == old => Some(new),
                    stamp if kind == DataKind::Markets && stamp == lists[0] => Some(lists[1]),
                    _ => None,
                }
            };
            self.cache
                .restamp(key, |stamp| anew(&stamp.policy).map(|policy| (policy, stamp.known_at())));
        }
    }

    /// True if a channel brought what is held, and it is fresh by that.
    pub(super) fn is_live(&self, key: &Key) -> bool {
        self.cache.peek(key).is_some_and(|held| {
            let stamp = &held.stamp;
            stamp.source == Source::Stream
                && stamp.policy != self.policy(stamp.kind)
                && stamp.age(Instant::now()) < stamp.policy.ttl
        })
    }

    /// Refuses a width of candles that the exchange does not offer.
    pub(super) fn offered(&self, timeframe: Timeframe) -> Result<(), ServiceError> {
        let offered = self.exchange.profile().timeframes;
        if offered.contains(&timeframe) {
            return Ok(());
        }
        let name = self.name();
        let widths: Vec<_> = offered.iter().map(|width| width.as_str()).collect();
        let widths = widths.join(", ");
        let text = format!("{name} offers no {timeframe} candles; it offers {widths}");
        Err(ServiceError::Unsupported(text))
    }

    /// A value that one request brought, under the policy of its kind.
    pub(super) fn loaded(&self, kind: DataKind, value: Value) -> Loaded<Value> {
        Loaded { value, kind, policy: self.policy(kind), source: Source::Rest }
    }

    /// The same for a value that may be `empty`: an answer without content is believed only for a
    /// moment.
    pub(super) fn loaded_unless_empty(
        &self,
        empty: bool,
        kind: DataKind,
        value: Value,
    ) -> Loaded<Value> {
        if !empty {
            return self.loaded(kind, value);
        }
        let policy = self.policy(kind);
        let ttl = policy.negative_ttl;
        let policy = Policy { ttl, stale_while_revalidate: ttl, stale_if_error: ttl, ..policy };
        Loaded { value, kind, policy, source: Source::Rest }
    }

    pub(super) fn key(&self, product: Product) -> Key {
        Key { exchange: self.name(), product }
    }

    /// Reads a product; see [`Cache::read`].
    pub(super) async fn read<F>(
        self: &Arc<Self>,
        product: Product,
        kind: DataKind,
        ask: Ask,
        enough: impl Fn(&Value) -> bool,
        load: impl Fn(Arc<Self>, Payer, Instant) -> F,
    ) -> Result<Read<Value>, ServiceError>
    where
        F: Future<Output = Result<Loaded<Value>, ServiceError>> + Send + 'static,
    {
        let key = self.key(product);
        let negative_ttl = self.policy(kind).negative_ttl;
        let load = |payer, deadline| load(self.clone(), payer, deadline);
        Ok(self.cache.read(&key, kind, negative_ttl, ask, enough, load).await?)
    }

    /// Loads a product anew; see [`Cache::renew`].
    pub(super) fn renew<F>(&self, product: Product, kind: DataKind, load: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Loaded<Value>, ServiceError>> + Send + 'static,
    {
        self.cache.renew(&self.key(product), self.policy(kind).negative_ttl, load);
    }
}
