//! 24 hours of a market in one row, and the best of its book.

use std::fmt::Write as _;

use crate::sim::listing::Level;

use super::tape::{HOUR, View};

const DAY: i64 = 24 * HOUR;

/// What a 24-hour ticker tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ticker {
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) last: f64,
    pub(super) last_amount: f64,
    /// The last price before the 24 hours.
    pub(super) before: f64,
    pub(super) volume: f64,
    pub(super) turnover: f64,
    pub(super) first_id: i64,
    pub(super) last_id: i64,
    pub(super) count: u32,
    pub(super) opened: i64,
    pub(super) closed: i64,
}

/// Best price and amount of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) bid: (f64, f64),
    pub(super) ask: (f64, f64),
}

impl Ticker {
    pub(super) fn change(&self) -> f64 {
        self.last - self.open
    }

    /// Percent.
    pub(super) fn change_percent(&self) -> f64 {
        if self.open > 0.0 { self.change() / self.open * 100.0 } else { 0.0 }
    }

    /// The mean price by volume.
    pub(super) fn average(&self) -> f64 {
        if self.volume > 0.0 { self.turnover / self.volume } else { 0.0 }
    }
}

impl View<'_> {
    /// Where nothing was traded for a day, prices are those of the last trade, and all is zero
    /// where there never was one.
    pub(super) fn ticker(&self) -> Ticker {
        let now = self.now.millis();
        let (opened, closed) = (now - DAY, now);
        let last = self.last_until(now);
        let before = self.last_until(opened).map(|trade| trade.price);
        let price = last.map_or(0.0, |trade| trade.price);
        let quiet = Ticker {
            open: price,
            high: price,
            low: price,
            last: price,
            last_amount: last.map_or(0.0, |trade| trade.amount),
            before: before.unwrap_or(price),
            volume: 0.0,
            turnover: 0.0,
            first_id: -1,
            last_id: -1,
            count: 0,
            opened,
            closed,
        };
        let (Some(day), Some(last)) = (self.quoted.since(opened), last) else { return quiet };
        let first = self.first_since(opened + 1);
        let open = self.price(day.open);
        Ticker {
            open,
            high: self.price(day.high),
            low: self.price(day.low),
            before: before.unwrap_or(open),
            volume: day.volume,
            turnover: self.quoted.exact(day.turnover),
            first_id: first.map_or(last.id, |trade| trade.id),
            last_id: last.id,
            count: day.trades,
            ..quiet
        }
    }

    pub(super) fn best(&self) -> Best {
        let depth = self.quoted.depth(1);
        let level = |level: &Level| (level.price.value(), level.amount.value());
        let best = |side: &[Level]| side.first().map(level).unwrap_or_default();
        Best { bid: best(&depth.bids), ask: best(&depth.asks) }
    }

    /// A row of `ticker/24hr`, whole or `MINI`.
    pub(super) fn print_ticker(&self, full: bool, out: &mut String) {
        let (ticker, symbol) = (self.ticker(), &self.listed.symbol);
        let _infallible = write!(out, "{{\"symbol\":\"{symbol}\"");
        let mut field = |name: &str, value: f64| {
            let _infallible = write!(out, ",\"{name}\":\"{value:.8}\"");
        };
        if full {
            let best = self.best();
            field("priceChange", ticker.change());
            field("weightedAvgPrice", ticker.average());
            field("prevClosePrice", ticker.before);
            field("lastQty", ticker.last_amount);
            field("bidPrice", best.bid.0);
            field("bidQty", best.bid.1);
            field("askPrice", best.ask.0);
            field("askQty", best.ask.1);
        }
        field("openPrice", ticker.open);
        field("highPrice", ticker.high);
        field("lowPrice", ticker.low);
        field("lastPrice", ticker.last);
        field("volume", ticker.volume);
        field("quoteVolume", ticker.turnover);
        if full {
            let _infallible =
                write!(out, ",\"priceChangePercent\":\"{:.3}\"", ticker.change_percent());
        }
        let Ticker { opened, closed, first_id, last_id, count, .. } = ticker;
        let _infallible = write!(
            out,
            ",\"openTime\":{opened},\"closeTime\":{closed},\"firstId\":{first_id},\
             \"lastId\":{last_id},\"count\":{count}}}"
        );
    }

    /// A row of `ticker/bookTicker`.
    pub(super) fn print_best(&self, out: &mut String) {
        let (Best { bid, ask }, symbol) = (self.best(), &self.listed.symbol);
        let _infallible = write!(
            out,
            "{{\"symbol\":\"{symbol}\",\"bidPrice\":\"{:.8}\",\"bidQty\":\"{:.8}\",\
             \"askPrice\":\"{:.8}\",\"askQty\":\"{:.8}\"}}",
            bid.0, bid.1, ask.0, ask.1
        );
    }

    /// A row of `ticker/price`.
    pub(super) fn print_price(&self, out: &mut String) {
        let price = self.last_until(self.now.millis()).map_or(0.0, |trade| trade.price);
        let symbol = &self.listed.symbol;
        let _infallible = write!(out, "{{\"symbol\":\"{symbol}\",\"price\":\"{price:.8}\"}}");
    }
}
