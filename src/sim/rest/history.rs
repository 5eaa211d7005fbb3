//! Figures over time that are not trades: tickers by the hour, statistics, derivatives' status.

use crate::{
    market::UnixMs,
    sim::{
        engine::{Instrument, InstrumentKind, Window},
        json::Json,
        query::Query,
    },
};

use super::{Invalid, View, array};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl View<'_> {
    /// Bid and ask at full hours, a year back at most; no funding currencies.
    pub(super) fn tickers_history(&self, query: &Query) -> Result<String, Invalid> {
        let wanted = query.text("symbols").ok_or(Invalid("symbols"))?;
        let mut window = query.window(100, 250)?;
        window.start = window.start.max(self.now.millis() - 365 * DAY);
        let instruments = self.engine.instruments().iter();
        let instruments: Vec<&Instrument> = instruments
            .filter(|one| !one.is_funding())
            .filter(|one| wanted == "ALL" || wanted.split(',').any(|name| name == one.symbol()))
            .collect();
        let times = self.times(window, HOUR);
        let rows = times.iter().flat_map(|at| instruments.iter().map(move |one| (one, at)));
        Ok(array(|json| {
            for (instrument, &at) in rows.take(window.limit) {
                let book = self.engine.book(instrument, UnixMs::from_millis(at));
                json.array(|json| {
                    json.string(instrument.symbol()).number(book.bids()[0].price).nulls(1);
                    json.number(book.asks()[0].price).nulls(8).int(at);
                });
            }
        }))
    }

    /// Multiples of `step` that the window wants, in its order.
    fn times(&self, window: Window, step: i64) -> Vec<i64> {
        let last = window.end.min(self.now.millis()).div_euclid(step);
        let oldest = self.now.millis() - 365 * DAY;
        let first = (window.start.max(oldest) + step - 1).div_euclid(step);
        let count = window.limit;
        if window.ascending {
            (first..=last).take(count).map(|n| n * step).collect()
        } else {
            (first..=last).rev().take(count).map(|n| n * step).collect()
        }
    }

    /// `pos.size:1m:tBTCUSD:long`, `funding.size:1m:fUSD`, `vol.1d:30m:BFX`, `vwap:1d:tBTCUSD` and
    /// their like (docs.bitfinex.com/reference/rest-public-stats, 2025-11).
    pub(super) fn stats(&self, key: &str, section: &str, query: &Query) -> Result<String, Invalid> {
        let mut parts = key.splitn(3, ':');
        let (Some(name), Some(size), Some(subject)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Invalid("key"));
        };
        let step = match (name, size) {
            ("pos.size" | "funding.size" | "credits.size" | "credits.size.sym", "1m") => MINUTE,
            ("vol.1d" | "vol.7d" | "vol.30d", "30m") => 30 * MINUTE,
            ("vwap", "1d") => DAY,
            _ => return Err(Invalid("key")),
        };
        let window = match section {
            "last" => Window::newest(1),
            _ => query.window(100, 10_000)?,
        };
        let symbol = subject.trim_end_matches(":long").trim_end_matches(":short");
        let market = self.engine.find(symbol);
        let times = self.times(window, step);
        let rows = times.into_iter().filter_map(|at| {
            let value = match name {
                "vwap" => self.engine.vwap(market?, UnixMs::from_millis(at + DAY).min(self.now)),
                _ => Some(self.engine.level(key, 12_000.0, UnixMs::from_millis(at))),
            };
            Some((at, value?))
        });
        let fields = |json: &mut Json, (at, value): (i64, f64)| {
            json.int(at).number(value);
        };
        Ok(match section {
            "last" => array(|json| rows.for_each(|row| fields(json, row))),
            _ => array(|json| {
                rows.for_each(|row| {
                    json.array(|json| fields(json, row));
                });
            }),
        })
    }

    /// Unknown keys have no row.
    pub(super) fn derivatives(&self, query: &Query) -> String {
        let wanted = query.text("keys").unwrap_or_default();
        let perpetuals = self.engine.instruments().iter().filter(|one| one.is_perpetual());
        let perpetuals = perpetuals
            .filter(|one| wanted == "ALL" || wanted.split(',').any(|key| key == one.symbol()));
        array(|json| {
            for instrument in perpetuals {
                json.array(|json| {
                    json.string(instrument.symbol());
                    self.derivative(json, instrument, self.now.millis());
                });
            }
        })
    }

    pub(super) fn derivative_history(&self, key: &str, query: &Query) -> Result<String, Invalid> {
        let window = query.window(100, 5_000)?;
        let Some(instrument) = self.engine.find(key).filter(|one| one.is_perpetual()) else {
            return Ok("[]".to_owned());
        };
        Ok(array(|json| {
            for at in self.times(window, MINUTE) {
                json.array(|json| self.derivative(json, instrument, at));
            }
        }))
    }

    /// The 23 fields after the key. The exchange writes them every 3 s, at whole seconds.
    pub(super) fn derivative(&self, json: &mut Json, instrument: &Instrument, ms: i64) {
        let at = UnixMs::from_millis(ms - ms.rem_euclid(3 * SECOND));
        let book = self.engine.book(instrument, at);
        let middle = (book.bids()[0].price + book.asks()[0].price) / 2.0;
        let price = self.engine.last_price(instrument, at).unwrap_or(middle);
        let spot = self.spot_of(instrument, at).unwrap_or(middle);
        let value = |what: &str, around| {
            self.engine.level(&format!("{what}:{}", instrument.symbol()), around, at)
        };
        let next_funding = (at.millis().div_euclid(8 * HOUR) + 1) * 8 * HOUR;
        let funding = (value("funding", 100.0) - 100.0).round() / 1e6;
        json.int(at.millis()).nulls(1).number(price).number(spot).nulls(1);
        json.number(value("insurance", 1_400_000.0)).nulls(1);
        json.int(next_funding).number(funding).int(at.millis() % (8 * HOUR) / MINUTE).nulls(1);
        json.number(funding).nulls(2).number((price + spot) / 2.0).nulls(2);
        json.number(value("interest", 900.0)).nulls(3).number(0.000_5).number(0.002_5);
    }

    /// The last price of the pair that a perpetual follows.
    fn spot_of(&self, instrument: &Instrument, at: UnixMs) -> Option<f64> {
        let base = instrument.base().trim_end_matches("F0");
        let quote = instrument.quote().trim_end_matches("F0");
        let mut spots = self.engine.instruments().iter();
        let spot = spots.find(|one| {
            one.kind() == InstrumentKind::Spot && one.base() == base && one.quote() == quote
        })?;
        self.engine.last_price(spot, at)
    }
}
