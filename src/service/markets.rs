//! Which markets there are.

use std::sync::Arc;

use super::{Directory, Got, Product, ServiceError, Shelf, Value, product::got_directory};
use crate::{
    cache::{Ask, Demand, Read},
    exchange::Family,
    market::Listing,
    registry::Registry,
    telemetry::{CacheOutcome, DataKind},
};

/// The market list of one exchange.
#[derive(Clone)]
pub struct Markets {
    shelf: Arc<Shelf>,
}

impl Markets {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    /// The exchange's list.
    pub async fn get(&self, ask: Ask) -> Result<Got<Directory>, ServiceError> {
        let load = |shelf: Arc<Shelf>, class, deadline| async move {
            let exchange = &shelf.exchange;
            let list =
                shelf.upstream.call(Family::Conf, class, deadline, || exchange.markets()).await?;
            let received = tokio::time::Instant::now();
            for (name, document) in list.documents {
                let document = shelf.loaded(DataKind::Markets, Value::Document(document));
                shelf.cache.put(shelf.key(Product::Conf(name)), document, received);
            }
            let registry = Registry::new(list.listings);
            Ok(shelf.loaded(DataKind::Markets, Value::Directory(Directory { registry })))
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

    /// The market that a client's text names. Spends nothing once the list is known.
    pub async fn resolve(&self, text: &str, ask: Ask) -> Result<Arc<Listing>, ServiceError> {
        // How fresh the client wants its data says nothing about the market list.
        let ask = Ask { demand: Demand::default(), ..ask };
        let directory = self.get(ask).await?;
        let found = directory.registry.resolve(text).cloned();
        found.map_err(|unknown| ServiceError::UnknownSymbol {
            exchange: self.shelf.name(),
            asked: unknown.asked,
            suggestions: unknown.suggestions,
        })
    }
}
