//! Bitfinex: its public REST and WebSocket interface, version 2.
//!
//! `wire` turns bodies into values, `names` its market list, `rest` tells data from errors and
//! writes requests, `native` checks requests that clients make in the exchange's own terms,
//! `profile` holds its limits, `session` the conversation over its WebSocket.

mod names;
pub mod native;
mod profile;
mod rest;
mod session;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;

pub use names::{CONF_KEYS, markets as market_list};
pub use profile::PROFILE;
pub use session::{Conversation, Subscription};

use super::{
    Exchange, Fetch, MarketList, NativeQuery, Profile, Session, SessionSettings, Spec, TickerList,
    Transport, UpstreamError, bounds,
};
use crate::market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery};

/// What the rest of the house knows of it.
pub static SPEC: Spec = Spec {
    profile: &PROFILE,
    title: "Bitfinex",
    rest_url: "https://api-pub.bitfinex.com",
    rest_suffix: "/v2",
    ws_url: "wss://api-pub.bitfinex.com/ws/2",
    ws_path: "/ws/2",
    over: |transport| Arc::new(Bitfinex::over(transport)),
};

/// The adapter: one method is one GET.
#[derive(Clone)]
pub struct Bitfinex {
    transport: Transport,
}

impl Bitfinex {
    /// The exchange that `transport` asks.
    pub fn over(transport: Transport) -> Self {
        Self { transport }
    }

    async fn get(&self, path_and_query: &str) -> Result<Bytes, UpstreamError> {
        rest::data(self.transport.get(path_and_query).await?)
    }
}

impl Exchange for Bitfinex {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        async move {
            let path = format!("v2/conf/{}", CONF_KEYS.join(","));
            names::markets(&self.get(&path).await?)
        }
        .boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move { wire::ticker(&self.get(&format!("v2/ticker/{}", market.id)).await?) }.boxed()
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        async move {
            let path = rest::tickers_path(markets.map(|markets| markets.iter().map(Arc::as_ref)));
            let body = self.get(&path).await?;
            Ok(TickerList { rows: wire::tickers(&body)?, body })
        }
        .boxed()
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        async move { wire::book(&self.get(&rest::book_path(query)).await?, query.depth) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        async move {
            let body = self.get(&rest::candles_path(query)).await?;
            bounds::candles(query, wire::candles(&body, query.timeframe)?)
        }
        .boxed()
    }

    fn trades<'a>(&'a self, query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        async move {
            let body = self.get(&rest::trades_path(query)).await?;
            bounds::trades(query, wire::trades(&body)?)
        }
        .boxed()
    }

    fn documents<'a>(&'a self, keys: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        async move {
            let query = native::conf(keys.iter().map(String::as_str)).map_err(|bad| {
                UpstreamError::Rejected { code: bad.code, message: bad.message.clone() }
            })?;
            let body = self.native(&query).await?;
            native::split_conf(keys, &body)
                .ok_or_else(|| UpstreamError::Invalid("conf: not one element a key".to_owned()))
        }
        .boxed()
    }

    fn native<'a>(&'a self, query: &'a NativeQuery) -> Fetch<'a, Bytes> {
        async move { rest::json(self.get(query.path_and_query()).await?) }.boxed()
    }

    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        Some(Box::new(Conversation::new(settings)))
    }
}

#[cfg(test)]
mod tests;
