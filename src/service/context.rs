//! The market context: candles, ticker and book of one market, put together.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Books, CandleSeries, CandleView, Candles, Foreseen, Got, ServiceError, Tickers};
use crate::{
    cache::{Ask, Stamp},
    market::{Book, Listing, Number, Precision, Ticker, Timeframe, volatility_pct},
};

/// Levels a side of a context's book.
pub const CONTEXT_LEVELS: u32 = 20;

/// The parts of a context, each with its own age.
pub struct Context {
    /// The newest candles.
    pub candles: Candles,
    /// The ticker.
    pub ticker: Got<Ticker>,
    /// The book, or why there is none.
    pub book: Result<Got<Book>, ServiceError>,
}

impl Context {
    /// Close of the last candle.
    pub fn current_price(&self) -> Option<&Number> {
        self.candles.rows().last().map(|candle| &candle.close)
    }

    /// The book's best bid; the ticker's where there is no book.
    pub fn best_bid(&self) -> Option<&Number> {
        match &self.book {
            Ok(book) => book.bids.first().map(|level| &level.price),
            Err(_) => self.ticker.bid.as_ref(),
        }
    }

    /// The book's best ask; the ticker's where there is no book.
    pub fn best_ask(&self) -> Option<&Number> {
        match &self.book {
            Ok(book) => book.asks.first().map(|level| &level.price),
            Err(_) => self.ticker.ask.as_ref(),
        }
    }

    /// Best ask - best bid.
    pub fn spread(&self) -> Option<Number> {
        let (bid, ask) = (self.best_bid()?.decimal()?, self.best_ask()?.decimal()?);
        Some(ask.checked_sub(bid)?.into())
    }

    /// The spread in percent of the ask.
    pub fn spread_pct(&self) -> Option<f64> {
        let (bid, ask) = (self.best_bid()?.f64(), self.best_ask()?.f64());
        Some((ask - bid) / ask * 100.0).filter(|pct| pct.is_finite())
    }

    /// Volatility of the candles in percent; see [`volatility_pct`].
    pub fn volatility_pct(&self) -> Option<f64> {
        volatility_pct(self.candles.rows())
    }

    /// The stamps of the parts that are there, by name.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Arc<Stamp>)> {
        let book = self.book.as_ref().ok().map(|book| ("orderbook", book.stamp()));
        [("ohlcv", self.candles.stamp()), ("ticker", self.ticker.stamp())].into_iter().chain(book)
    }

    /// The age of the oldest part.
    pub fn age(&self, now: Instant) -> Duration {
        self.parts().map(|(_, stamp)| stamp.age(now)).max().unwrap_or_default()
    }
}

/// Puts contexts together for one exchange.
#[derive(Clone)]
pub struct Contexts {
    candles: CandleSeries,
    tickers: Tickers,
    books: Books,
}

impl Contexts {
    pub(super) fn new(candles: CandleSeries, tickers: Tickers, books: Books) -> Self {
        Self { candles, tickers, books }
    }

    /// The context of one market. The parts are read concurrently, from the same entries as the
    /// single endpoints. Without a book the context is degraded; without candles or ticker there
    /// is none.
    pub async fn get(
        &self,
        market: &Arc<Listing>,
        timeframe: Timeframe,
        limit: u32,
        ask: Ask,
    ) -> Result<Context, ServiceError> {
        let view = newest(timeframe, limit);
        let (candles, ticker, book) = tokio::join!(
            self.candles.get(market, view, ask),
            self.tickers.get(market, ask),
            self.books.get(market, Precision::P0, CONTEXT_LEVELS, ask),
        );
        Ok(Context {
            candles: candles.map_err(|error| error.of_part("ohlcv"))?,
            ticker: ticker.map_err(|error| error.of_part("ticker"))?,
            book,
        })
    }

    /// What [`Contexts::get`] would do now for each of its parts.
    ///
    /// # Errors
    /// As [`CandleSeries::foresee`].
    pub async fn foresee(
        &self,
        market: &Arc<Listing>,
        timeframe: Timeframe,
        limit: u32,
        ask: Ask,
    ) -> Result<Vec<Foreseen>, ServiceError> {
        let mut parts = self.candles.foresee(market, newest(timeframe, limit), ask).await?;
        parts.push(self.tickers.foresee(market, &ask));
        parts.push(self.books.foresee(market, Precision::P0, CONTEXT_LEVELS, &ask));
        Ok(parts)
    }
}

fn newest(timeframe: Timeframe, limit: u32) -> CandleView {
    CandleView { timeframe, limit, since: None, until: None, closed_only: false }
}
