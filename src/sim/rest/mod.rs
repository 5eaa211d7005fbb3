//! The exchange's public REST API, version 2: from a path and a query to status and body.
//!
//! Shapes, defaults and errors follow docs.bitfinex.com/reference/rest-public-* (2025-11), with what
//! was recorded from the exchange until 2026-09 where the two differ.

mod conf;
mod history;
pub(super) mod rows;
mod window;

use crate::market::UnixMs;

use super::{
    answer::Answer,
    dialect::Ask,
    engine::{Instrument, MarketEngine, Window},
    json::Json,
    key::{BadKey, CandleKey},
    query::Query,
};

/// A request's defect; the exchange names the field and answers 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid(pub(super) &'static str);

/// Answers a GET.
pub(super) fn answer(ask: &Ask<'_>) -> Answer {
    let Ask { engine, path, query, now } = *ask;
    let parts = path.trim_end_matches('/').split('/').skip(2).collect::<Vec<_>>();
    let view = View { engine, now };
    let body = match parts.as_slice() {
        ["platform", "status"] => Ok("[1]".to_owned()),
        ["conf", keys] => Ok(conf::answer(engine, keys)),
        ["ticker", symbol] => view.ticker(symbol),
        ["tickers"] => view.tickers(query),
        ["tickers", "hist"] => view.tickers_history(query),
        ["trades", symbol, "hist"] => view.trades(symbol, query),
        ["book", symbol, precision] => view.book(symbol, precision, query),
        ["candles", key, section @ ("hist" | "last")] => view.candles(key, section, query),
        ["stats1", key, section @ ("hist" | "last")] => view.stats(key, section, query),
        ["status", "deriv"] => Ok(view.derivatives(query)),
        ["status", "deriv", key, "hist"] => view.derivative_history(key, query),
        _ => return Answer::not_found("GET", path),
    };
    match body {
        Ok(body) => Answer::json(body),
        Err(Invalid(field)) => Answer::error(500, 10_020, &format!("{field}: invalid")),
    }
}

/// The market as it stands at one time.
#[derive(Clone, Copy)]
struct View<'a> {
    engine: &'a MarketEngine,
    now: UnixMs,
}

impl View<'_> {
    fn find(&self, symbol: &str) -> Result<&Instrument, Invalid> {
        self.engine.find(symbol).ok_or(Invalid("symbol"))
    }

    fn ticker(&self, symbol: &str) -> Result<String, Invalid> {
        let instrument = self.find(symbol)?;
        let ticker = self.engine.ticker(instrument, self.now);
        Ok(array(|json| rows::ticker(json, instrument, &ticker)))
    }

    /// Unknown symbols are left out.
    fn tickers(&self, query: &Query) -> Result<String, Invalid> {
        let wanted = query.text("symbols").ok_or(Invalid("symbols"))?;
        let all = self.engine.instruments();
        let instruments: Vec<&Instrument> = if wanted == "ALL" {
            all.iter().collect()
        } else {
            wanted.split(',').filter_map(|symbol| self.engine.find(symbol)).collect()
        };
        Ok(array(|json| {
            for instrument in instruments {
                let ticker = self.engine.ticker(instrument, self.now);
                json.array(|json| {
                    json.string(instrument.symbol());
                    rows::ticker(json, instrument, &ticker);
                });
            }
        }))
    }

    fn trades(&self, symbol: &str, query: &Query) -> Result<String, Invalid> {
        let instrument = self.find(symbol)?;
        let window = query.window(125, 10_000)?;
        let trades = self.engine.trades(instrument, window, self.now);
        Ok(array(|json| {
            for trade in &trades {
                rows::trade(json, instrument, trade);
            }
        }))
    }

    fn book(&self, symbol: &str, precision: &str, query: &Query) -> Result<String, Invalid> {
        let instrument = self.find(symbol)?;
        let digits = precision_digits(precision).ok_or(Invalid("prec"))?;
        let len = match query.text("len") {
            None | Some("25") => 25,
            Some("1") => 1,
            Some("100") => 100,
            Some("250") => 250,
            Some(_) => return Err(Invalid("len")),
        };
        let book = self.engine.book(instrument, self.now);
        // The sign tells the side; for funding it is the lender who has the positive one.
        let sign = if instrument.is_funding() { -1.0 } else { 1.0 };
        Ok(array(|json| match digits {
            Some(digits) => {
                let [bids, asks] = book.levels(digits, len);
                bids.iter().for_each(|level| rows::level(json, instrument, level, sign));
                asks.iter().for_each(|level| rows::level(json, instrument, level, -sign));
            }
            None => {
                let [bids, asks] = [book.bids(), book.asks()];
                bids.iter().take(len).for_each(|order| rows::order(json, instrument, order, sign));
                asks.iter().take(len).for_each(|order| rows::order(json, instrument, order, -sign));
            }
        }))
    }

    fn candles(&self, key: &str, section: &str, query: &Query) -> Result<String, Invalid> {
        let key = CandleKey::parse(key).map_err(|bad| match bad {
            BadKey::Form => Invalid("key"),
            BadKey::Width => Invalid("time_interval"),
        })?;
        let window = match section {
            "last" => Window::newest(1),
            _ => query.window(100, 10_000)?,
        };
        let bars = key.candles(self.engine, window, self.now);
        Ok(match section {
            "last" => array(|json| bars.iter().for_each(|bar| rows::candle_fields(json, bar))),
            _ => array(|json| bars.iter().for_each(|bar| rows::candle(json, bar))),
        })
    }
}

/// Significant digits of a precision's prices; `Some(None)` for R0, which has a row for each order.
pub(super) fn precision_digits(precision: &str) -> Option<Option<u32>> {
    Some(match precision {
        "P0" => Some(5),
        "P1" => Some(4),
        "P2" => Some(3),
        "P3" => Some(2),
        "P4" => Some(1),
        "R0" => None,
        _ => return None,
    })
}

/// The status of a perpetual at `now`, without its key.
pub(super) fn derivative(engine: &MarketEngine, perpetual: &Instrument, now: UnixMs) -> String {
    array(|json| View { engine, now }.derivative(json, perpetual, now.millis()))
}

pub(super) fn array(fill: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::new();
    json.array(fill);
    json.finish()
}
