//! Which series.

use std::sync::Arc;

use crate::{
    market::{Listing, Timeframe},
    service::Product,
};

/// A series of candles of one exchange.
#[derive(Clone, Debug)]
pub(in crate::service) struct Which {
    pub(in crate::service) market: Arc<Listing>,
    pub(in crate::service) timeframe: Timeframe,
}

impl Which {
    pub(in crate::service) fn product(&self) -> Product {
        Product::Candles { id: self.market.id.clone(), timeframe: self.timeframe }
    }
}
