//! Tickers: the last 24 hours of trades, and the top of the book.

use crate::market::UnixMs;

use super::{
    Bar, Instrument, MarketEngine,
    price::eight_decimals,
    trades::{HOUR, MINUTE},
};

/// How many orders a side are summed in the sizes of a ticker
/// (docs.bitfinex.com/reference/rest-public-ticker, 2025-11).
const SUMMED: usize = 25;

/// A ticker's figures; rates instead of prices for funding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimTicker {
    /// Best bid.
    pub bid: f64,
    /// Sum of the 25 best bids' amounts.
    pub bid_size: f64,
    /// Days of the best funding bid; 0 for others.
    pub bid_period: u32,
    /// Best ask.
    pub ask: f64,
    /// Sum of the 25 best asks' amounts.
    pub ask_size: f64,
    /// Days of the best funding ask; 0 for others.
    pub ask_period: u32,
    /// `last` less the price 24 hours ago.
    pub change: f64,
    /// `change` as a fraction of the price 24 hours ago.
    pub change_relative: f64,
    /// Price of the last trade.
    pub last: f64,
    /// Base units traded within 24 hours.
    pub volume: f64,
    /// Highest price within 24 hours.
    pub high: f64,
    /// Lowest price within 24 hours.
    pub low: f64,
    /// Time of the first trade ever, Unix milliseconds; `None` if nothing was ever traded.
    pub first_trade: Option<i64>,
}

impl MarketEngine {
    /// The ticker at `now`. Where nothing traded for a day, `last`, `high` and `low` are the last
    /// trade's price; where nothing ever traded, the middle of the book.
    pub fn ticker(&self, instrument: &Instrument, now: UnixMs) -> SimTicker {
        let book = self.top_of_book(instrument, now, SUMMED);
        let [bids, asks] = [book.bids(), book.asks()];
        let size = |orders: &[super::Order]| -> f64 {
            orders.iter().take(SUMMED).map(|order| order.amount).sum()
        };
        let middle = (bids[0].price + asks[0].price) / 2.0;
        let day = self.day_until(instrument, now.millis());
        let traded = day.map(|day| day.close).or_else(|| self.last_price(instrument, now));
        let last = traded.unwrap_or(middle);
        let open = day.map_or(last, |day| day.open);
        SimTicker {
            bid: bids[0].price,
            bid_size: size(bids),
            bid_period: bids[0].period,
            ask: asks[0].price,
            ask_size: size(asks),
            ask_period: asks[0].period,
            change: eight_decimals(last - open),
            change_relative: eight_decimals(last / open - 1.0),
            last,
            volume: day.map_or(0.0, |day| day.volume),
            high: day.map_or(last, |day| day.high),
            low: day.map_or(last, |day| day.low),
            first_trade: self.first_trade(instrument, now),
        }
    }

    /// Everything traded within the 24 hours up to `now`; `None` if nothing was.
    fn day_until(&self, instrument: &Instrument, now: i64) -> Option<Bar> {
        self.traded(instrument, now - 24 * HOUR, now)
    }

    /// Everything traded after `since` and up to `now`; `None` if nothing was.
    pub(crate) fn traded(&self, instrument: &Instrument, since: i64, now: i64) -> Option<Bar> {
        let edge = since - since.rem_euclid(HOUR);
        let mut trades = Vec::new();
        instrument.trades_of_hour(edge, now, &mut trades);
        trades.retain(|trade| trade.ms > since);
        let begun = super::candles::minute_bars(&trades);
        let hours = (edge + HOUR..=now).step_by(HOUR as usize);
        let hours = hours.filter_map(|hour| self.hour(instrument, hour, now));
        super::candles::gather(begun.into_iter().chain(hours), |_| since).pop()
    }

    /// The price of the last trade at or before `now`.
    pub fn last_price(&self, instrument: &Instrument, now: UnixMs) -> Option<f64> {
        let now = now.millis();
        let mut hour = now - now.rem_euclid(HOUR);
        while hour + HOUR > instrument.listed {
            if let Some(bar) = self.hour(instrument, hour, now) {
                return Some(bar.close);
            }
            hour -= HOUR;
        }
        None
    }

    fn first_trade(&self, instrument: &Instrument, now: UnixMs) -> Option<i64> {
        let mut hour = instrument.listed - instrument.listed.rem_euclid(HOUR);
        while hour <= now.millis() {
            // The hour's bar is remembered, the trades are not: most lookups end at the first bar.
            if self.hour(instrument, hour, now.millis()).is_some() {
                let mut trades = Vec::new();
                instrument.trades_of_hour(hour, now.millis(), &mut trades);
                return trades.first().map(|trade| trade.ms);
            }
            hour += HOUR;
        }
        None
    }

    /// The volume-weighted mean price of the 24 hours up to `now`.
    pub(crate) fn vwap(&self, instrument: &Instrument, now: UnixMs) -> Option<f64> {
        let now = now.millis() - now.millis().rem_euclid(MINUTE);
        self.day_until(instrument, now).map(|day| day.turnover / day.volume)
    }
}
