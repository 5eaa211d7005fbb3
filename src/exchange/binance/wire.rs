//! Bodies of REST answers and data of streams to market values.
//!
//! Prices and amounts are numbers in strings. What follows the known columns and fields is
//! skipped. Nothing is mended: what cannot be read or cannot be true is
//! [`UpstreamError::Invalid`].

use std::{borrow::Cow, cmp::Ordering};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        UpstreamError,
        json::{self, IfAny, Quoted, invalid, is_positive},
    },
    market::{Book, Candle, Level, Number, Raw, Side, Ticker, Timeframe, Trade, UnixMs},
};

/// The ticker of one market with its id: statistics of 24 hours that end now
/// (binance/binance-spot-api-docs, rest-api.md, 24hr ticker price change statistics, 2026-07).
///
/// A zero among the prices means that there is none.
pub fn ticker(body: &Bytes) -> Result<(String, Ticker), UpstreamError> {
    let row: &RawValue = json::body("ticker", body)?;
    one_ticker(row, Raw::slice_of(body, row))
}

/// Tickers, each with its id, in the exchange's order.
///
/// A row that can be read but not be true is left out, so that one odd market does not take all
/// others with it.
pub fn tickers(body: &Bytes) -> Result<Vec<(String, Ticker)>, UpstreamError> {
    let rows: Vec<&RawValue> = json::body("tickers", body)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let values: TickerRow<'_> = json::parse("tickers", row.get())?;
        let id = values.symbol.clone().into_owned();
        if let Ok(ticker) = values.ticker(Raw::slice_of(body, row)) {
            found.push((id, ticker));
        }
    }
    Ok(found)
}

/// One ticker of either interface, with the id of its market.
pub(super) fn one_ticker(row: &RawValue, raw: Raw) -> Result<(String, Ticker), UpstreamError> {
    let values: TickerRow<'_> = json::parse("ticker", row.get())?;
    let id = values.symbol.clone().into_owned();
    values.ticker(raw).map(|ticker| (id, ticker)).map_err(|why| invalid("ticker", why))
}

/// The fields of a ticker by their names in REST answers, and by those in streams
/// (web-socket-streams.md, Individual symbol ticker streams, 2026-07).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TickerRow<'a> {
    #[serde(borrow, alias = "s")]
    symbol: Cow<'a, str>,
    #[serde(alias = "c")]
    last_price: IfAny,
    #[serde(default, alias = "p")]
    price_change: IfAny,
    #[serde(default, alias = "P")]
    price_change_percent: IfAny,
    #[serde(default, alias = "w")]
    weighted_avg_price: IfAny,
    #[serde(default, alias = "x")]
    prev_close_price: IfAny,
    #[serde(default, alias = "b")]
    bid_price: IfAny,
    #[serde(default, alias = "B")]
    bid_qty: IfAny,
    #[serde(default, alias = "a")]
    ask_price: IfAny,
    #[serde(default, alias = "A")]
    ask_qty: IfAny,
    #[serde(default, alias = "o")]
    open_price: IfAny,
    #[serde(default, alias = "h")]
    high_price: IfAny,
    #[serde(default, alias = "l")]
    low_price: IfAny,
    #[serde(default, alias = "v")]
    volume: IfAny,
    #[serde(default, alias = "q")]
    quote_volume: IfAny,
    #[serde(default, alias = "C")]
    close_time: IfAny,
}

impl TickerRow<'_> {
    fn ticker(self, raw: Raw) -> Result<Ticker, &'static str> {
        let never_negative = [
            &self.last_price,
            &self.weighted_avg_price,
            &self.prev_close_price,
            &self.bid_price,
            &self.bid_qty,
            &self.ask_price,
            &self.ask_qty,
            &self.open_price,
            &self.high_price,
            &self.low_price,
            &self.volume,
            &self.quote_volume,
        ];
        if never_negative.into_iter().filter_map(|field| field.0.as_ref()).any(Number::is_negative)
        {
            return Err("a negative price or volume");
        }
        let (high, low) = (self.high_price.price(), self.low_price.price());
        if let (Some(high), Some(low)) = (&high, &low)
            && high.f64().total_cmp(&low.f64()) == Ordering::Less
        {
            return Err("the high is below the low");
        }
        let at = match self.close_time.price() {
            Some(ms) => Some(time(&ms).ok_or("no time")?),
            None => None,
        };
        let (bid, ask) = (self.bid_price.price(), self.ask_price.price());
        let opening = self.open_price.price();
        Ok(Ticker {
            bid_volume: self.bid_qty.0.filter(|_| bid.is_some()),
            bid,
            ask_volume: self.ask_qty.0.filter(|_| ask.is_some()),
            ask,
            last: self.last_price.price(),
            change: self.price_change.0,
            // Nothing is a percentage of nothing.
            change_percent: self.price_change_percent.0.filter(|_| opening.is_some()),
            opening,
            high,
            low,
            vwap: self.weighted_avg_price.price(),
            previous_close: self.prev_close_price.price(),
            base_volume: self.volume.0,
            quote_volume: self.quote_volume.0,
            at,
            ..Ticker::bare(raw)
        })
    }
}

fn time(ms: &Number) -> Option<UnixMs> {
    // The year 11970; beyond it a number is no time.
    let ms = ms.as_str().parse::<i64>().ok()?;
    (1..315_360_000_000_000).contains(&ms).then(|| UnixMs::from_millis(ms))
}

/// A book of at most `depth` levels a side: `{"lastUpdateId":N,"bids":[["PRICE","QTY"]],
/// "asks":…}`, best first (rest-api.md, Order book, 2026-07). It has no time.
pub fn book(body: &Bytes, depth: u32) -> Result<Book, UpstreamError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Depth<'a> {
        last_update_id: i64,
        #[serde(borrow)]
        bids: Vec<&'a RawValue>,
        #[serde(borrow)]
        asks: Vec<&'a RawValue>,
    }
    let read: Depth<'_> = json::body("book", body)?;
    let side = |rows: Vec<&RawValue>| {
        let level = |row| {
            let (price, amount) = level(row)?;
            let amount = json::positive("book", amount)?;
            Ok(Level { price, amount, raw: Raw::slice_of(body, row) })
        };
        rows.into_iter().map(level).collect::<Result<Vec<_>, UpstreamError>>()
    };
    let (bids, asks) = (side(read.bids)?, side(read.asks)?);
    let book = Book { bids, asks, at: None, nonce: Some(read.last_update_id) };
    json::true_book(book, usize::try_from(depth).unwrap_or(usize::MAX))
}

/// Price and amount of a level; the amount may be zero.
pub(super) fn level(row: &RawValue) -> Result<(Number, Number), UpstreamError> {
    let [price, amount] = json::row("book", row)?;
    let price = json::positive("book", json::number("book", price)?)?;
    let amount = json::number("book", amount)?;
    if amount.is_negative() {
        return Err(invalid("book", "a negative amount"));
    }
    Ok((price, amount))
}

/// Candles, oldest first: rows `[OPEN_TIME, "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", …]`
/// (rest-api.md, Kline/Candlestick data, 2026-07). The last may still be open.
pub fn candles(body: &Bytes, timeframe: Timeframe) -> Result<Vec<Candle>, UpstreamError> {
    let rows: Vec<&RawValue> = json::body("candles", body)?;
    let candle = |row| {
        let [time, open, high, low, close, volume] = json::row("candles", row)?;
        let number = |raw| json::number("candles", raw);
        let candle = Candle {
            open_time: json::millis("candles", time)?,
            open: number(open)?,
            high: number(high)?,
            low: number(low)?,
            close: number(close)?,
            volume: number(volume)?,
        };
        in_bucket(candle, timeframe)
    };
    json::in_order(rows.into_iter().map(candle).collect::<Result<_, _>>()?)
}

/// The candle of a stream's event, as it stands (web-socket-streams.md, Kline/Candlestick streams,
/// 2026-07).
pub(super) fn streamed_candle(
    data: &RawValue,
    (id, timeframe): (&str, Timeframe),
) -> Result<Candle, UpstreamError> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        s: Cow<'a, str>,
        #[serde(borrow)]
        k: Kline<'a>,
    }
    #[derive(Deserialize)]
    struct Kline<'a> {
        #[serde(borrow)]
        t: &'a RawValue,
        #[serde(borrow)]
        i: Cow<'a, str>,
        o: Quoted,
        h: Quoted,
        l: Quoted,
        c: Quoted,
        v: Quoted,
    }
    let Event { s, k } = json::parse("candle", data.get())?;
    if s != id || k.i != timeframe.as_str() {
        return Err(invalid("candle", "of another market or width"));
    }
    let open_time = json::millis("candle", k.t)?;
    let (Quoted(open), Quoted(high), Quoted(low)) = (k.o, k.h, k.l);
    let (Quoted(close), Quoted(volume)) = (k.c, k.v);
    in_bucket(Candle { open_time, open, high, low, close, volume }, timeframe)
}

/// Weeks begin on Mondays here, months on their first day.
fn in_bucket(candle: Candle, timeframe: Timeframe) -> Result<Candle, UpstreamError> {
    let candle = json::true_candle(candle, timeframe)?;
    if timeframe.start_of(candle.open_time) == candle.open_time {
        Ok(candle)
    } else {
        Err(invalid("candles", "a time that opens no bucket"))
    }
}

/// Trades, oldest first: fills of one order at one price and time are one trade
/// `{"a":ID,"p":"PRICE","q":"QTY","f":…,"l":…,"T":TIME,"m":BUYER_WAS_MAKER,…}` (rest-api.md,
/// Compressed/Aggregate trades list, 2026-07).
///
/// A row that stands for no trade is left out: zero of everything and -1 for its first and last
/// trade, such as 1195416 and 1195417 of BTCUSDT (data.binance.vision, aggTrades, 2017-12).
pub fn trades(body: &Bytes) -> Result<Vec<Trade>, UpstreamError> {
    let rows: Vec<&RawValue> = json::body("trades", body)?;
    let mut trades = Vec::with_capacity(rows.len());
    for row in rows {
        trades.extend(aggregate(row, Raw::slice_of(body, row))?);
    }
    trades.sort_by_key(|trade| (trade.at, trade.id));
    if trades.windows(2).any(|pair| pair[0].id == pair[1].id) {
        return Err(invalid("trades", "a trade twice"));
    }
    Ok(trades)
}

/// The trade of a stream's event, which has the same fields and some more.
pub(super) fn trade(event: &RawValue, raw: Raw) -> Result<Trade, UpstreamError> {
    aggregate(event, raw)?.ok_or_else(|| invalid("trades", "an event without a trade"))
}

/// One trade of either interface; `None`: it stands for no trade.
fn aggregate(row: &RawValue, raw: Raw) -> Result<Option<Trade>, UpstreamError> {
    #[derive(Deserialize)]
    struct Row<'a> {
        a: i64,
        p: Quoted,
        q: Quoted,
        f: Option<i64>,
        l: Option<i64>,
        #[serde(rename = "T", borrow)]
        at: &'a RawValue,
        m: bool,
    }
    let Row { a: id, p: Quoted(price), q: Quoted(amount), f, l, at, m } =
        json::parse("trades", row.get())?;
    if (f, l) == (Some(-1), Some(-1)) && price.is_zero() && amount.is_zero() {
        return Ok(None);
    }
    if !is_positive(&price) || !is_positive(&amount) {
        return Err(invalid("trades", "a trade without price or amount"));
    }
    // The buyer stood in the book, so the taker sold.
    let side = if m { Side::Sell } else { Side::Buy };
    Ok(Some(Trade { id, at: json::millis("trades", at)?, side, price, amount, raw }))
}

#[cfg(test)]
mod tests;
