//! Coinbase Advanced Trade: its public REST interface and WebSocket.
//!
//! `wire` turns bodies into values, `names` its market list, `rest` tells data from errors and
//! writes requests, `profile` holds its limits, `session` the conversation over its WebSocket.

mod names;
mod profile;
mod rest;
mod session;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;

pub use names::markets as market_list;
pub use profile::PROFILE;
pub use session::Conversation;

use super::{
    Exchange, Fetch, MarketList, Profile, Session, SessionSettings, Spec, TickerList, Transport,
    UpstreamError,
};
use crate::market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery};

/// What the rest of the house knows of it.
pub static SPEC: Spec = Spec {
    profile: &PROFILE,
    title: "Coinbase",
    rest_url: "https://api.coinbase.com",
    rest_suffix: "/api/v3/brokerage/market",
    ws_url: "wss://advanced-trade-ws.coinbase.com",
    ws_path: "/",
    over: |transport| Arc::new(Coinbase::over(transport)),
};

/// The adapter: one method is one GET.
#[derive(Clone)]
pub struct Coinbase {
    transport: Transport,
}

impl Coinbase {
    /// The exchange that `transport` asks.
    pub fn over(transport: Transport) -> Self {
        // Without it answers may be a second old (docs.cdp.coinbase.com, Public Endpoints,
        // 2026-07).
        Self { transport: transport.sending("cache-control", "no-cache") }
    }

    async fn get(&self, path_and_query: &str) -> Result<Bytes, UpstreamError> {
        rest::data(self.transport.get(path_and_query).await?)
    }

    async fn products<'a>(
        &self,
        markets: Option<impl Iterator<Item = &'a Listing>>,
    ) -> Result<Bytes, UpstreamError> {
        self.get(&rest::products_path(markets)).await
    }
}

impl Exchange for Coinbase {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        async move { names::markets(&self.products(None::<std::iter::Empty<_>>).await?) }.boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move { wire::ticker(&self.get(&rest::trades_path(market, 1)).await?) }.boxed()
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        async move {
            let markets = markets.map(|markets| markets.iter().map(Arc::as_ref));
            let body = self.products(markets).await?;
            Ok(TickerList { rows: wire::tickers(&body)?, body })
        }
        .boxed()
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        async move { wire::book(&self.get(&rest::book_path(query)).await?, query.depth) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        async move {
            let Some(buckets) = rest::Buckets::of(query, self.transport.clock().now()) else {
                return Ok(Vec::new());
            };
            let body = self.get(&rest::candles_path(query, buckets)).await?;
            Ok(buckets.cut(query, wire::candles(&body, query.timeframe)?))
        }
        .boxed()
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        async move {
            let body = self.get(&rest::trades_path(&query.market, query.limit)).await?;
            Ok(rest::trades_as_asked(query, wire::trades(&body)?))
        }
        .boxed()
    }

    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        Some(Box::new(Conversation::new(settings)))
    }
}

#[cfg(test)]
mod tests;
