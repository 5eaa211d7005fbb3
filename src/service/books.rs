//! Order books.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Foreseen, Got, Product, ServiceError, Shelf, Value, product::got_book};
use crate::{
    cache::{Ask, Source, Verdict},
    exchange::Asked,
    market::{Book, BookQuery, Listing, Precision},
    telemetry::DataKind,
};

/// The order books of one exchange.
#[derive(Clone)]
pub struct Books {
    shelf: Arc<Shelf>,
}

impl Books {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    /// Refuses an aggregation of prices that the exchange does not offer. It asks nothing.
    ///
    /// # Errors
    /// [`ServiceError::Unsupported`], with those that it offers.
    pub fn offers(&self, precision: Precision) -> Result<(), ServiceError> {
        let offered = self.shelf.exchange.profile().precisions;
        if offered.contains(&precision) {
            return Ok(());
        }
        let names: Vec<_> = offered.iter().map(|precision| precision.as_str()).collect();
        let (name, names) = (self.shelf.name(), names.join(", "));
        let text = format!("{name} tells no books of precision {precision}; it offers {names}");
        Err(ServiceError::Unsupported(text))
    }

    /// A book of at least `levels` levels a side, where the market has as many. Requests for
    /// different numbers of levels share the book of the next depth that the exchange offers, or
    /// a deeper one that is live where that one would have to be fetched.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        precision: Precision,
        levels: u32,
        ask: Ask,
    ) -> Result<Got<Book>, ServiceError> {
        let depth = self.depth(market, precision, levels, &ask);
        let query = BookQuery { market: market.clone(), precision, depth };
        let load = |shelf: Arc<Shelf>, payer, deadline| {
            let query = query.clone();
            async move {
                let exchange = &shelf.exchange;
                let call = || exchange.book(&query);
                let charge = shelf.charge(Asked::Book { depth: query.depth });
                let book = shelf.upstream.call(charge, payer, deadline, call).await?;
                let empty = book.bids.is_empty() && book.asks.is_empty();
                Ok(shelf.loaded_unless_empty(empty, DataKind::Orderbook, Value::Book(book)))
            }
        };
        let product = Product::Book { id: market.id.clone(), precision, depth };
        Ok(got_book(self.shelf.read(product, DataKind::Orderbook, ask, |_| true, load).await?))
    }

    /// What [`Books::get`] would do now.
    pub fn foresee(
        &self,
        market: &Listing,
        precision: Precision,
        levels: u32,
        ask: &Ask,
    ) -> Foreseen {
        let depth = self.depth(market, precision, levels, ask);
        let product = Product::Book { id: market.id.clone(), precision, depth };
        self.shelf.foresee(product, DataKind::Orderbook, Asked::Book { depth }, ask, |_| true)
    }

    /// Which of an exchange's depths answers a request for so many levels.
    fn depth(&self, market: &Listing, precision: Precision, levels: u32, ask: &Ask) -> u32 {
        let depths = self.shelf.exchange.profile().book_depths;
        // The smallest depths are not worth an entry of their own: what is one level for one
        // client is the top of the usual book for the others.
        let depth = depths.iter().copied().find(|depth| *depth >= levels.max(SHARED_DEPTH));
        let depth = depth.or(depths.last().copied()).unwrap_or(SHARED_DEPTH);
        self.live_instead(market, precision, depth, ask).unwrap_or(depth)
    }

    /// The depth of a live book that may answer although the one of this depth may not.
    fn live_instead(
        &self,
        market: &Listing,
        precision: Precision,
        depth: u32,
        ask: &Ask,
    ) -> Option<u32> {
        let now = Instant::now();
        let fresh = |depth: u32| {
            let product = Product::Book { id: market.id.clone(), precision, depth };
            let held = self.shelf.cache.peek(&self.shelf.key(product))?;
            let verdict = ask.demand.judge(held.stamp.age(now), &held.stamp.policy);
            (verdict == Verdict::Fresh).then_some(held.stamp.source)
        };
        if fresh(depth).is_some() {
            return None;
        }
        let deeper = self.shelf.exchange.profile().book_depths.iter().copied();
        deeper.filter(|other| *other > depth).find(|other| fresh(*other) == Some(Source::Stream))
    }
}

/// The depth that most clients ask for.
const SHARED_DEPTH: u32 = 25;
