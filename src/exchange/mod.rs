//! Exchanges: one method is exactly one request.
//!
//! An adapter never retries, waits for budget, caches or logs; that is the work of the rooms
//! above. Facts about an exchange (limits, sizes, widths) are data in its [`Profile`].

pub mod binance;
pub mod bitfinex;
mod bounds;
mod catalogue;
pub mod coinbase;
mod error;
mod json;
pub mod kraken;
mod meter;
mod profile;
mod session;
#[cfg(test)]
mod spoilt;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};

pub use catalogue::{CATALOGUE, Endpoints, Spec, spec};
pub use error::{TransportFault, UpstreamError};
pub use meter::{Meter, Reading};
pub use profile::{
    Asked, CandleHistory, CandlePages, EmptyBuckets, Family, Live, Pool, Profile, TradeHistory,
    Unit, one,
};
pub use session::{
    Broken, Data, Event, NativeStream, Output, Refused, Report, Session, SessionError,
    SessionSettings, Stream, Topic,
};
pub use transport::{Answer, BadTransport, Source, Transport};

use crate::market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery};

/// The outcome of one request. Dropping it abandons the request.
pub type Fetch<'a, T> = BoxFuture<'a, Result<T, UpstreamError>>;

/// What an exchange lists, and the documents that the same request brought.
#[derive(Clone, Debug, Default)]
pub struct MarketList {
    /// Every market that can be asked for.
    pub listings: Vec<Listing>,
    /// Native documents by their key, for the drop-in routes (Bitfinex: `pub:list:currency` …).
    pub documents: Vec<(String, Bytes)>,
}

/// The tickers of one request.
#[derive(Clone, Debug)]
pub struct TickerList {
    /// Each market's native id and ticker, in the exchange's order.
    pub rows: Vec<(String, Ticker)>,
    /// The exchange's answer, with whatever else it listed (Bitfinex: funding currencies).
    pub body: Bytes,
}

/// A request in the exchange's own terms, for drop-in routes that have no unified form.
///
/// Only an exchange's own room makes one, so that nothing a client typed is sent unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NativeQuery {
    family: Family,
    path_and_query: String,
}

impl NativeQuery {
    /// The family whose budget it spends.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Canonical path and query below the exchange's REST root, without a leading slash; equal
    /// for requests that mean the same.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }
}

/// One exchange's public REST interface.
pub trait Exchange: Send + Sync + 'static {
    /// Limits, sizes and widths as data.
    fn profile(&self) -> &Profile;

    /// Everything the exchange lists. Spends [`Family::Conf`].
    fn markets(&self) -> Fetch<'_, MarketList>;

    /// One ticker. Spends [`Family::Ticker`].
    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker>;

    /// Tickers of the named markets, or of all.
    /// Markets the exchange leaves out are missing from the answer. Spends [`Family::Tickers`].
    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList>;

    /// One order book. Spends [`Family::Book`].
    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book>;

    /// Candles, oldest first. Spends [`Family::Candles`].
    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>>;

    /// Public trades, oldest first. Spends [`Family::Trades`].
    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>>;

    /// Native documents by their keys, in the order asked, in one request. Keys have to be those
    /// of [`MarketList::documents`] or of the same kind. Spends [`Family::Conf`]. There are none
    /// unless an exchange says so.
    fn documents<'a>(&'a self, keys: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        let _ = keys;
        async { Err(no_native()) }.boxed()
    }

    /// A native document, unparsed but proved to be JSON that is not an error. Spends
    /// [`NativeQuery::family`]. There are none unless an exchange says so.
    fn native<'a>(&'a self, query: &'a NativeQuery) -> Fetch<'a, Bytes> {
        let _ = query;
        async { Err(no_native()) }.boxed()
    }

    /// What its answers tell about the limits it keeps; `None` if they tell nothing.
    fn meter(&self) -> Option<&Meter> {
        None
    }

    /// A conversation for a new socket to the exchange's public WebSocket; `None` if there is no
    /// live feed of this exchange.
    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        let _ = settings;
        None
    }
}

fn no_native() -> UpstreamError {
    let message = "it has no documents of its own here".to_owned();
    UpstreamError::Rejected { code: 0, message }
}
