//! An exchange that answers what no simulated market would.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use futures_util::FutureExt as _;
use tidegate::{
    exchange::{
        Exchange, Fetch, MarketList, NativeQuery, Profile, TickerList, UpstreamError,
        bitfinex::{PROFILE, wire},
    },
    market::{
        Book, BookQuery, Bound, Candle, CandleQuery, Kind, Level, Listing, Raw, Symbol, Ticker,
        Trade, TradeQuery,
    },
};

type Script<Q, T> = Box<dyn Fn(&Q) -> Result<T, UpstreamError> + Send + Sync>;

/// One market, `BTC/USD`, calm and well unless a part is replaced.
pub(crate) struct Fake {
    pub(crate) ticker: Script<Listing, Ticker>,
    pub(crate) candles: Script<CandleQuery, Vec<Candle>>,
    pub(crate) book: Script<BookQuery, Book>,
}

impl Default for Fake {
    fn default() -> Self {
        let row = Bytes::from_static(b"[99.9,5,100.1,5,1,0.01,100,1234,101,98]");
        Self {
            ticker: Box::new(move |_| wire::ticker(&row)),
            candles: Box::new(|_| Ok(candles(&[100.0, 100.1, 100.0, 99.9, 100.0]))),
            book: Box::new(|_| Ok(book(&[99.9, 99.8], &[100.1, 100.2]))),
        }
    }
}

/// Candles of five minutes with these closes.
pub(crate) fn candles(closes: &[f64]) -> Vec<Candle> {
    let row = |(index, close): (usize, &f64)| {
        let at = 1_700_000_100_000 + 300_000 * index;
        format!("[{at},{close},{close},{close},{close},1]")
    };
    let rows: Vec<String> = closes.iter().enumerate().map(row).collect();
    let body = Bytes::from(format!("[{}]", rows.join(",")));
    wire::candles(&body, tidegate::market::Timeframe::M5).expect("rows as the exchange sends them")
}

/// A book with these prices, be they possible or not.
pub(crate) fn book(bids: &[f64], asks: &[f64]) -> Book {
    let side = |prices: &[f64]| {
        let level = |price: &f64| Level {
            price: price.to_string().parse().expect("a number"),
            amount: "1".parse().expect("a number"),
            raw: Raw::copy_of(serde_json::from_str("[]").expect("JSON")),
        };
        prices.iter().map(level).collect()
    };
    Book { bids: side(bids), asks: side(asks), ..Book::default() }
}

fn listing() -> Listing {
    Listing {
        symbol: Symbol::spot("BTC", "USD"),
        id: CompactString::const_new("tBTCUSD"),
        base: CompactString::const_new("BTC"),
        quote: CompactString::const_new("USD"),
        settle: None,
        kind: Kind::Spot,
        margin: None,
        amount: Bound::default(),
        amount_decimals: None,
        price_significant_digits: None,
        listed_as: None,
        amount_step: None,
        price_step: None,
        aliases: Vec::new(),
    }
}

fn unsupported<T>() -> Result<T, UpstreamError> {
    Err(UpstreamError::Unavailable { status: 501 })
}

impl Exchange for Fake {
    fn profile(&self) -> &Profile {
        &PROFILE
    }

    fn markets(&self) -> Fetch<'_, MarketList> {
        let list = MarketList { listings: vec![listing()], documents: Vec::new() };
        async move { Ok(list) }.boxed()
    }

    fn ticker<'a>(&'a self, market: &'a Listing) -> Fetch<'a, Ticker> {
        async move { (self.ticker)(market) }.boxed()
    }

    fn tickers<'a>(&'a self, _: Option<&'a [Arc<Listing>]>) -> Fetch<'a, TickerList> {
        async move { unsupported() }.boxed()
    }

    fn book<'a>(&'a self, query: &'a BookQuery) -> Fetch<'a, Book> {
        async move { (self.book)(query) }.boxed()
    }

    fn candles<'a>(&'a self, query: &'a CandleQuery) -> Fetch<'a, Vec<Candle>> {
        async move { (self.candles)(query) }.boxed()
    }

    fn trades<'a>(&'a self, _: &'a TradeQuery) -> Fetch<'a, Vec<Trade>> {
        async move { unsupported() }.boxed()
    }

    fn documents<'a>(&'a self, _: &'a [String]) -> Fetch<'a, Vec<Bytes>> {
        async move { unsupported() }.boxed()
    }

    fn native<'a>(&'a self, _: &'a NativeQuery) -> Fetch<'a, Bytes> {
        async move { unsupported() }.boxed()
    }
}
