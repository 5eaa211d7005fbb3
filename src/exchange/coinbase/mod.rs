//! Coinbase Advanced Trade: its public REST interface and WebSocket.

mod profile;

use std::{sync::Arc, time::Duration};

pub use profile::PROFILE;

use super::{BadTransport, Exchange, Fetch, MarketList, Profile, Spec, TickerList, Transport};
use crate::market::{Book, BookQuery, Candle, CandleQuery, Listing, Ticker, Trade, TradeQuery};

/// What the rest of the house knows of it.
pub static SPEC: Spec = Spec {
    profile: &PROFILE,
    title: "Coinbase",
    rest_url: "https://api.coinbase.com",
    rest_suffix: "/api/v3/brokerage/market",
    ws_url: "wss://advanced-trade-ws.coinbase.com",
    ws_path: "/",
    over,
};

fn over(transport: Transport) -> Arc<dyn Exchange> {
    Arc::new(Coinbase::over(transport))
}

/// The adapter: one method is one GET.
#[derive(Clone)]
pub struct Coinbase {
    transport: Transport,
}

impl Coinbase {
    /// The exchange at `rest_url` (`https://api.coinbase.com`); no connection is made yet. `request_timeout` bounds
    /// each request as a whole.
    pub fn new(rest_url: &str, request_timeout: Duration) -> Result<Self, BadTransport> {
        Ok(Self::over(Transport::new(rest_url, request_timeout)?))
    }

    /// The exchange that `transport` asks.
    pub fn over(transport: Transport) -> Self {
        Self { transport }
    }
}

impl Exchange for Coinbase {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        todo!()
    }

    fn ticker<'a>(&'a self, _market: &'a Listing) -> Fetch<'a, Ticker> {
        todo!()
    }

    fn tickers<'a>(&'a self, _markets: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        todo!()
    }

    fn book<'a>(&'a self, _query: &'a BookQuery) -> Fetch<'a, Book> {
        todo!()
    }

    fn candles<'a>(&'a self, _query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        todo!()
    }

    fn trades<'a>(&'a self, _query: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        todo!()
    }
}
