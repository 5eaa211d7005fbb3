//! Results of REST answers to market values.
//!
//! A row is read column by column and what follows the known columns is skipped. A result is
//! keyed by a name of the pair that need not be the one that was asked for. Nothing is mended:
//! what cannot be read or cannot be true is [`UpstreamError::Invalid`].

use std::{cmp::Ordering, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        UpstreamError,
        json::{self, Fields, Quoted, invalid, is_positive, number, positive, seconds},
    },
    market::{Book, Candle, Level, Listing, Number, Raw, Side, Ticker, Timeframe, Trade},
};

const WEEK_MS: i64 = 7 * 86_400_000;

/// The ticker of one market: `{"a": [PRICE, WHOLE_LOTS, LOTS], "b": the same, "c": [LAST, LOTS],
/// "v", "p", "l", "h": [TODAY, 24_HOURS], "o": TODAY}` (docs.kraken.com, Get Ticker Information,
/// 2026-09).
///
/// The opening price is that of the day (00:00 UTC), all else is of 24 hours; the volume in units
/// of the quote is the one of the base times the mean price. A zero among the prices means that
/// there is none.
pub fn ticker(result: &Bytes) -> Result<Ticker, UpstreamError> {
    let row = only("Ticker", result)?;
    TickerRow::read(row)?.ticker(Raw::slice_of(result, row)).map_err(|why| invalid("Ticker", why))
}

/// Tickers in the exchange's order: each with the id of the one of `markets` that it is about, or
/// of all markets, each with the name that it is listed under.
///
/// A ticker that can be read but not be true is left out, so that one odd market does not take
/// all others with it.
pub fn tickers(
    result: &Bytes,
    markets: Option<&[Arc<Listing>]>,
) -> Result<Vec<(String, Ticker)>, UpstreamError> {
    let Fields(rows) = json::body("Ticker", result)?;
    let mut found = Vec::with_capacity(rows.len());
    for (name, row) in rows {
        let id = match markets {
            None => name.into_owned(),
            Some(markets) => match markets.iter().find(|market| is_named(market, &name)) {
                Some(market) => market.id.to_string(),
                None => continue,
            },
        };
        if let Ok(ticker) = TickerRow::read(row)?.ticker(Raw::slice_of(result, row)) {
            found.push((id, ticker));
        }
    }
    Ok(found)
}

/// A book of at most `depth` levels a side: rows `[PRICE, AMOUNT, SECONDS]`, best first
/// (docs.kraken.com, Get Order Book, 2026-09). It tells neither its time nor its number.
pub fn book(result: &Bytes, depth: u32) -> Result<Book, UpstreamError> {
    #[derive(Deserialize)]
    struct Sides<'a> {
        #[serde(borrow)]
        bids: Vec<&'a RawValue>,
        #[serde(borrow)]
        asks: Vec<&'a RawValue>,
    }

    let sides: Sides<'_> = json::parse("Depth", only("Depth", result)?.get())?;
    let level = |row: &RawValue| {
        let [price, amount, _at] = json::row("Depth", row)?;
        let price = positive("Depth", number("Depth", price)?)?;
        let amount = positive("Depth", number("Depth", amount)?)?;
        Ok(Level { price, amount, raw: Raw::slice_of(result, row) })
    };
    let side = |rows: Vec<&RawValue>| rows.into_iter().map(level).collect::<Result<_, _>>();
    let book = Book { bids: side(sides.bids)?, asks: side(sides.asks)?, ..Book::default() };
    json::true_book(book, usize::try_from(depth).unwrap_or(usize::MAX))
}

/// Candles, oldest first: rows `[SECONDS, OPEN, HIGH, LOW, CLOSE, VWAP, VOLUME, COUNT]`, the last
/// one of the bucket that is still open (docs.kraken.com, Get OHLC Data, 2026-09).
///
/// Each has to open a bucket of `timeframe`. On which day weeks begin is not documented, so
/// buckets of weeks have to begin at midnight and lie whole weeks apart.
pub fn candles(result: &Bytes, timeframe: Timeframe) -> Result<Vec<Candle>, UpstreamError> {
    let what = "OHLC";
    let rows: Vec<&RawValue> = json::parse(what, only(what, result)?.get())?;
    let candle = |row: &RawValue| {
        let [at, open, high, low, close, _vwap, volume] = json::row(what, row)?;
        let candle = Candle {
            open_time: seconds(what, at)?,
            open: number(what, open)?,
            high: number(what, high)?,
            low: number(what, low)?,
            close: number(what, close)?,
            volume: number(what, volume)?,
        };
        json::true_candle(candle, timeframe)
    };
    let candles = rows.into_iter().map(candle).collect::<Result<Vec<_>, _>>()?;
    in_buckets(candles, timeframe)
}

/// Candles in order of their times, weeks apart where they are weeks.
pub(super) fn in_buckets(
    candles: Vec<Candle>,
    timeframe: Timeframe,
) -> Result<Vec<Candle>, UpstreamError> {
    let candles = json::in_order(candles)?;
    let apart =
        |pair: &[Candle]| (pair[1].open_time.millis() - pair[0].open_time.millis()) % WEEK_MS == 0;
    if timeframe != Timeframe::W1 || candles.windows(2).all(apart) {
        Ok(candles)
    } else {
        Err(invalid("candles", "a time that opens no bucket"))
    }
}

/// Trades, oldest first and by number within a millisecond: rows `[PRICE, AMOUNT, SECONDS,
/// "b"|"s", "m"|"l", MISC, ID]`, the side being the taker's (docs.kraken.com, Get Recent Trades,
/// 2026-09).
pub fn trades(result: &Bytes) -> Result<Vec<Trade>, UpstreamError> {
    let what = "Trades";
    let rows: Vec<&RawValue> = json::parse(what, only(what, result)?.get())?;
    let trade = |row: &RawValue| {
        let [price, amount, at, side, _type, _misc, id] = json::row(what, row)?;
        let side = match side.get() {
            r#""b""# => Side::Buy,
            r#""s""# => Side::Sell,
            _ => return Err(invalid(what, "a trade without a side")),
        };
        true_trade(Trade {
            id: json::integer(what, id)?,
            at: seconds(what, at)?,
            side,
            price: number(what, price)?,
            amount: number(what, amount)?,
            raw: Raw::slice_of(result, row),
        })
    };
    let trades = rows.into_iter().map(trade).collect::<Result<Vec<_>, _>>()?;
    once_each(trades)
}

/// Oldest first, none of them twice.
pub(super) fn once_each(mut trades: Vec<Trade>) -> Result<Vec<Trade>, UpstreamError> {
    trades.sort_by_key(|trade| (trade.at, trade.id));
    if trades.windows(2).any(|pair| pair[0].id == pair[1].id && pair[0].at == pair[1].at) {
        return Err(invalid("trades", "a trade twice"));
    }
    Ok(trades)
}

/// An amount may round to nothing.
pub(super) fn true_trade(trade: Trade) -> Result<Trade, UpstreamError> {
    if is_positive(&trade.price) && !trade.amount.is_negative() {
        Ok(trade)
    } else {
        Err(invalid("trades", "a trade without price or with a negative amount"))
    }
}

/// What the result holds of the one market that was asked for.
fn only<'a>(what: &str, result: &'a Bytes) -> Result<&'a RawValue, UpstreamError> {
    let Fields(fields) = json::body(what, result)?;
    let mut values = fields.iter().filter(|(name, _)| name != "last").map(|(_, value)| *value);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(invalid(what, "no market")),
        (Some(_), Some(_)) => Err(invalid(what, "more than one market")),
    }
}

/// Results go by the id that is listed, but by the short name or the one with both currencies
/// apart at times.
fn is_named(market: &Listing, name: &str) -> bool {
    let is_joined = |whole: &str| {
        whole.split_once('/').is_some_and(|(base, quote)| name.strip_prefix(base) == Some(quote))
    };
    market.listed_as.as_deref() == Some(name)
        || market.id == name
        || is_joined(&market.id)
        || market.aliases.iter().any(|alias| alias == name || is_joined(alias))
}

#[derive(Deserialize)]
struct TickerRow {
    a: Vec<Quoted>,
    b: Vec<Quoted>,
    c: Vec<Quoted>,
    v: Vec<Quoted>,
    p: Vec<Quoted>,
    l: Vec<Quoted>,
    h: Vec<Quoted>,
    o: Quoted,
}

impl TickerRow {
    fn read(row: &RawValue) -> Result<Self, UpstreamError> {
        json::parse("Ticker", row.get())
    }

    fn ticker(self, raw: Raw) -> Result<Ticker, &'static str> {
        let at = |columns: &[Quoted], index: usize| columns.get(index).map(|Quoted(n)| n.clone());
        let (Some(base_volume), Some(vwap)) = (at(&self.v, 1), at(&self.p, 1)) else {
            return Err("row too short");
        };
        // A side without offers may be empty.
        if [&self.a, &self.b].into_iter().any(|side| matches!(side.len(), 1 | 2)) {
            return Err("row too short");
        }
        true_ticker(Ticker {
            bid: at(&self.b, 0),
            bid_volume: at(&self.b, 2),
            ask: at(&self.a, 0),
            ask_volume: at(&self.a, 2),
            last: at(&self.c, 0),
            opening: Some(self.o.0),
            high: at(&self.h, 1),
            low: at(&self.l, 1),
            vwap: Some(vwap),
            base_volume: Some(base_volume),
            ..Ticker::bare(raw)
        })
    }
}

/// A ticker that can be true, without prices of zero; its volume in units of the quote is what
/// volume and mean price make.
pub(super) fn true_ticker(mut ticker: Ticker) -> Result<Ticker, &'static str> {
    ticker.quote_volume = product(ticker.base_volume.as_ref(), ticker.vwap.as_ref());
    let Ticker { bid, ask, last, opening, high, low, vwap, .. } = &mut ticker;
    for price in [bid, ask, last, opening, high, low, vwap] {
        if price.as_ref().is_some_and(Number::is_negative) {
            return Err("a negative price");
        }
        *price = price.take().filter(|price| !price.is_zero());
    }
    if ticker.bid.is_none() {
        ticker.bid_volume = None;
    }
    if ticker.ask.is_none() {
        ticker.ask_volume = None;
    }
    let volumes = [&ticker.bid_volume, &ticker.ask_volume, &ticker.base_volume];
    if volumes.into_iter().flatten().any(Number::is_negative) {
        return Err("a negative volume");
    }
    match (&ticker.high, &ticker.low) {
        (Some(high), Some(low)) if high.f64().total_cmp(&low.f64()) == Ordering::Less => {
            Err("the high is below the low")
        }
        _ => Ok(ticker),
    }
}

fn product(volume: Option<&Number>, price: Option<&Number>) -> Option<Number> {
    Some(volume?.decimal()?.checked_mul(price?.decimal()?)?.into())
}

#[cfg(test)]
#[path = "tests/wire.rs"]
mod tests;
