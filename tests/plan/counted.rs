//! An exchange that takes its time and counts its calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tidegate::{
    exchange::{
        Exchange, Family, Fetch, MarketList, NativeQuery, Profile, Session, SessionSettings,
        TickerList,
    },
    market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery},
};

pub(crate) struct Counted {
    inner: Arc<dyn Exchange>,
    pub(crate) latency: Duration,
    pub(crate) calls: [AtomicU64; Family::ALL.len()],
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn Exchange>, latency: Duration) -> Self {
        Self { inner, latency, calls: Default::default() }
    }

    /// Calls of each family since the last time this was asked.
    pub(crate) fn take(&self) -> [u64; Family::ALL.len()] {
        std::array::from_fn(|family| self.calls[family].swap(0, Ordering::Relaxed))
    }

    fn later<'a, T: Send + 'a>(&'a self, family: Family, call: Fetch<'a, T>) -> Fetch<'a, T> {
        let family = Family::ALL.iter().position(|other| *other == family).expect("one of all");
        self.calls[family].fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(self.latency).await;
            call.await
        }
        .boxed()
    }
}

impl Exchange for Counted {
    fn profile(&self) -> &Profile {
        self.inner.profile()
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        self.later(Family::Conf, self.inner.markets())
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        self.later(Family::Ticker, self.inner.ticker(market))
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        self.later(Family::Tickers, self.inner.tickers(markets))
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        self.later(Family::Book, self.inner.book(query))
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        self.later(Family::Candles, self.inner.candles(query))
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        self.later(Family::Trades, self.inner.trades(query))
    }

    fn documents<'a>(&'a self, keys: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        self.later(Family::Conf, self.inner.documents(keys))
    }

    fn native<'a>(&'a self, query: &'a NativeQuery) -> Fetch<'a, Bytes> {
        self.later(Family::Status, self.inner.native(query))
    }

    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        self.inner.session(settings)
    }
}
