//! Binance spot: its public REST interface, version 3, and its market streams.
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

pub use names::{Markets, markets as market_list};
pub use profile::PROFILE;
pub use session::Conversation;

use super::{
    Exchange, Fetch, MarketList, Meter, Profile, Session, SessionSettings, Spec, TickerList,
    Transport, UpstreamError, bounds, json,
};
use crate::market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery};

/// What the rest of the house knows of it.
pub static SPEC: Spec = Spec {
    profile: &PROFILE,
    title: "Binance",
    rest_url: "https://api.binance.com",
    rest_suffix: "/api/v3",
    ws_url: "wss://stream.binance.com:9443/stream",
    ws_path: "/stream",
    over: |transport| Arc::new(Binance::over(transport)),
};

/// The weight that this address has spent in the present minute (binance/binance-spot-api-docs,
/// rest-api.md, 2026-07).
const USED_WEIGHT: &str = "x-mbx-used-weight-1m";

/// The adapter: one method is one GET.
#[derive(Clone)]
pub struct Binance {
    transport: Transport,
    meter: Meter,
}

impl Binance {
    /// The exchange that `transport` asks.
    pub fn over(transport: Transport) -> Self {
        let meter = Meter::default();
        Self { transport: transport.metered(USED_WEIGHT, meter.clone()), meter }
    }

    async fn get(&self, path_and_query: &str) -> Result<Bytes, UpstreamError> {
        rest::data(self.transport.get(path_and_query).await?, self.transport.clock().now())
    }
}

impl Exchange for Binance {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        async move {
            let markets = names::markets(&self.get(rest::MARKETS_PATH).await?)?;
            if let Some(weight) = markets.weight_per_minute {
                // Whoever else uses this address, and the exchange's way to count, need the rest.
                self.meter.limit(weight / 2);
            }
            Ok(MarketList { listings: markets.listings, documents: Vec::new() })
        }
        .boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move {
            let (id, ticker) = wire::ticker(&self.get(&rest::ticker_path(market)).await?)?;
            if id == market.id.as_str() {
                Ok(ticker)
            } else {
                Err(json::invalid("ticker", "of another market"))
            }
        }
        .boxed()
    }

    fn tickers<'a>(&'a self, markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        async move {
            let body = self.get(&rest::tickers_path(markets)).await?;
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
            rest::trades_as_asked(query, wire::trades(&body)?)
        }
        .boxed()
    }

    fn meter(&self) -> Option<&Meter> {
        Some(&self.meter)
    }

    fn session(&self, settings: SessionSettings) -> Option<Box<dyn Session>> {
        Some(Box::new(Conversation::new(settings)))
    }
}

#[cfg(test)]
mod tests;
