//! Kraken: its public REST interface and WebSocket, version 2.
//!
//! `wire` turns results into values, `names` its market list, `rest` tells data from errors and
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
    title: "Kraken",
    rest_url: "https://api.kraken.com",
    rest_suffix: "/0/public",
    ws_url: "wss://ws.kraken.com/v2",
    ws_path: "/v2",
    over: |transport| Arc::new(Kraken::over(transport)),
};

/// The adapter: one method is one GET.
#[derive(Clone)]
pub struct Kraken {
    transport: Transport,
}

impl Kraken {
    /// The exchange that `transport` asks.
    pub fn over(transport: Transport) -> Self {
        Self { transport }
    }

    async fn get(&self, path_and_query: &str) -> Result<Bytes, UpstreamError> {
        rest::result(self.transport.get(path_and_query).await?)
    }
}

impl Exchange for Kraken {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        async move {
            let listings = names::markets(&self.get("0/public/AssetPairs").await?)?;
            Ok(MarketList { listings, documents: Vec::new() })
        }
        .boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move { wire::ticker(&self.get(&rest::ticker_path(market)).await?) }.boxed()
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        async move {
            let path = rest::tickers_path(markets.map(|markets| markets.iter().map(Arc::as_ref)));
            let body = self.get(&path).await?;
            Ok(TickerList { rows: wire::tickers(&body, markets)?, body })
        }
        .boxed()
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        async move { wire::book(&self.get(&rest::book_path(query)).await?, query.depth) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        async move {
            let body = self.get(&rest::candles_path(query)).await?;
            Ok(rest::candles_as_asked(query, wire::candles(&body, query.timeframe)?))
        }
        .boxed()
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        async move {
            let body = self.get(&rest::trades_path(query)?).await?;
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
