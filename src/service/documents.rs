//! Native documents: what drop-in routes pass on in the exchange's own words.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{Got, Product, ServiceError, Shelf, Value, product::got_document};
use crate::{
    cache::Ask,
    exchange::{Asked, Family, NativeQuery},
    tasks::Tasks,
    telemetry::{DataKind, Payer, Wait},
    upstream::Merge,
};

type Gathered = Merge<String, Bytes, ServiceError>;

/// Documents gathered into one request; no more than an exchange's room lets through at once.
const MAX_KEYS: usize = 32;

/// The native documents of one exchange.
#[derive(Clone)]
pub struct Documents {
    shelf: Arc<Shelf>,
    awaited: Arc<Gathered>,
    refreshed: Arc<Gathered>,
}

impl Documents {
    pub(super) fn new(
        shelf: Arc<Shelf>,
        merge_window: Duration,
        deadlines: (Duration, Duration),
        tasks: &Tasks,
    ) -> Self {
        let gather = |patience: Duration| {
            let shelf = shelf.clone();
            let load = move |keys: Vec<String>, payer| {
                let shelf = shelf.clone();
                async move { fetch(&shelf, keys, payer, Instant::now() + patience).await }
            };
            Arc::new(Merge::new(merge_window, MAX_KEYS, tasks, load))
        };
        let awaited = gather(deadlines.0);
        let refreshed = gather(deadlines.1);
        Self { shelf, awaited, refreshed }
    }

    /// The answer to a native query, under the policy of `kind`.
    pub async fn get(
        &self,
        query: &NativeQuery,
        kind: DataKind,
        ask: Ask,
    ) -> Result<Got<Bytes>, ServiceError> {
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let query = query.clone();
            async move {
                let exchange = &shelf.exchange;
                let call = || exchange.native(&query);
                let charge = shelf.charge(Asked::Native(query.family()));
                let body = shelf.upstream.call(charge, payer, deadline, call).await?;
                let empty = body.as_ref() == b"[]";
                Ok(shelf.loaded_unless_empty(empty, kind, Value::Document(body)))
            }
        };
        let product = Product::Native(query.path_and_query().to_owned());
        Ok(got_document(self.shelf.read(product, kind, ask, |_| true, load).await?))
    }

    /// Conf documents by their keys, in the order asked. Those that are not held, for whatever
    /// request brought them, are fetched in one request.
    pub async fn conf(&self, keys: &[String], ask: Ask) -> Result<Vec<Got<Bytes>>, ServiceError> {
        try_join_all(keys.iter().map(|key| self.conf_document(key, ask))).await
    }

    async fn conf_document(&self, key: &str, ask: Ask) -> Result<Got<Bytes>, ServiceError> {
        let load = |shelf: Arc<Shelf>, payer: Payer, _deadline| {
            let gathered =
                if payer.class == Wait::Client { &self.awaited } else { &self.refreshed };
            let (gathered, key) = (gathered.clone(), key.to_owned());
            async move {
                let document = gathered.ask(key, payer).await?;
                let left_out = || ServiceError::Invalid("it left a document out".to_owned());
                let value = Value::Document(document.ok_or_else(left_out)?);
                Ok(shelf.loaded(DataKind::Markets, value))
            }
        };
        let product = Product::Conf(key.to_owned());
        Ok(got_document(self.shelf.read(product, DataKind::Markets, ask, |_| true, load).await?))
    }
}

async fn fetch(
    shelf: &Shelf,
    keys: Vec<String>,
    payer: Payer,
    deadline: Instant,
) -> Result<HashMap<String, Bytes>, ServiceError> {
    let exchange = &shelf.exchange;
    let call = || exchange.documents(&keys);
    let charge = shelf.charge(Asked::Native(Family::Conf));
    let documents = shelf.upstream.call(charge, payer, deadline, call).await?;
    Ok(keys.into_iter().zip(documents).collect())
}
