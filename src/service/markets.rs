//! Which markets there are.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Directory, Foreseen, Got, Product, ServiceError, Shelf, Value, product::got_directory,
    shelf::outliving,
};
use crate::{
    cache::{Ask, Demand, Loaded, Read},
    exchange::{Asked, MarketList},
    market::{Listing, UnixMs},
    registry::Registry,
    tasks::Tasks,
    telemetry::{CacheOutcome, DataKind, Source},
};

/// The market list of one exchange.
#[derive(Clone)]
pub struct Markets {
    shelf: Arc<Shelf>,
    tasks: Tasks,
}

impl Markets {
    pub(super) fn new(shelf: Arc<Shelf>, tasks: &Tasks) -> Self {
        Self { shelf, tasks: tasks.clone() }
    }

    /// Goes on with a list of an earlier process, which was received then: it is served while the
    /// exchange is asked for a newer one.
    pub fn recall(&self, list: MarketList, received_at: UnixMs) {
        let age = self.shelf.clock.now().since(received_at);
        let Some(received) = Instant::now().checked_sub(age) else { return };
        let policy = outliving(self.shelf.policy(DataKind::Markets));
        let put = |product, value| {
            let (kind, source) = (DataKind::Markets, Source::Store);
            let loaded = Loaded { value, kind, policy, source };
            self.shelf.cache.put(self.shelf.key(product), loaded, received);
        };
        for (name, document) in list.documents {
            put(Product::Conf(name), Value::Document(document));
        }
        let registry = Registry::new(list.listings);
        put(Product::Markets, Value::Directory(Directory { registry }));
    }

    /// The exchange's list.
    pub async fn get(&self, ask: Ask) -> Result<Got<Directory>, ServiceError> {
        let tasks = &self.tasks;
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let tasks = tasks.clone();
            async move {
                let exchange = &shelf.exchange;
                let list = shelf
                    .upstream
                    .call(shelf.charge(Asked::Markets), payer, deadline, || exchange.markets())
                    .await?;
                let received = Instant::now();
                keep(&shelf, &list, &tasks);
                for (name, document) in list.documents {
                    let document = shelf.loaded(DataKind::Markets, Value::Document(document));
                    shelf.cache.put(shelf.key(Product::Conf(name)), document, received);
                }
                let registry = Registry::new(list.listings);
                Ok(shelf.loaded(DataKind::Markets, Value::Directory(Directory { registry })))
            }
        };
        let read =
            self.shelf.read(Product::Markets, DataKind::Markets, ask, |_| true, load).await?;
        Ok(got_directory(read))
    }

    /// What is held of the list, whatever its age.
    pub fn held(&self) -> Option<Got<Directory>> {
        let entry = self.shelf.cache.peek(&self.shelf.key(Product::Markets))?;
        Some(got_directory(Read { entry, outcome: CacheOutcome::Hit }))
    }

    /// What [`Markets::get`] would do now.
    pub fn foresee(&self, ask: &Ask) -> Foreseen {
        let (product, kind) = (Product::Markets, DataKind::Markets);
        self.shelf.foresee(product, kind, Asked::Markets, ask, |_| true)
    }

    /// The market that a client's text names, by the list that is held, whatever its age; `None`
    /// where none is.
    pub fn find(&self, text: &str) -> Option<Result<Arc<Listing>, ServiceError>> {
        self.held().map(|directory| self.named(&directory, text))
    }

    /// The market that a client's text names. Spends nothing once the list is known.
    pub async fn resolve(&self, text: &str, ask: Ask) -> Result<Arc<Listing>, ServiceError> {
        // How fresh the client wants its data says nothing about the market list.
        let ask = Ask { demand: Demand::default(), ..ask };
        let directory = self.get(ask).await?;
        self.named(&directory, text)
    }

    fn named(&self, directory: &Directory, text: &str) -> Result<Arc<Listing>, ServiceError> {
        let found = directory.registry.resolve(text).cloned();
        found.map_err(|unknown| ServiceError::UnknownSymbol {
            exchange: self.shelf.name().into(),
            asked: unknown.asked,
            suggestions: unknown.suggestions,
        })
    }
}

/// Leaves a list to later processes. Nobody waits for it.
fn keep(shelf: &Arc<Shelf>, list: &MarketList, tasks: &Tasks) {
    if !shelf.store.is_on() {
        return;
    }
    let (shelf, list) = (shelf.clone(), list.clone());
    let received_at = shelf.clock.now();
    tasks.spawn_until_stop("keep markets", async move {
        if let Err(error) = shelf.store.keep_markets(shelf.name(), &list, received_at).await {
            tracing::warn!(exchange = shelf.name(), %error, "the market list was not kept");
        }
    });
}
