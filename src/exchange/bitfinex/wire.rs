//! Bodies of REST answers to market values.
//!
//! A row is read column by column and what follows the known columns is skipped: the exchange
//! appends columns without notice (docs.bitfinex.com/docs/requirements-and-limitations,
//! 2025-11). Nothing is mended: what cannot be read or cannot be true is
//! [`UpstreamError::Invalid`].

use std::{cmp::Ordering, fmt, marker::PhantomData};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    exchange::UpstreamError,
    market::{Book, BookFault, Candle, Level, Number, Raw, Side, Ticker, Timeframe, Trade, UnixMs},
};

const DAY_MS: i64 = 86_400_000;
/// Ten thousand years after 1970; beyond it a number is no time.
const LATEST_MS: i64 = 315_360_000_000_000;

/// A ticker of a trading pair: `[BID, BID_SIZE, ASK, ASK_SIZE, CHANGE, CHANGE_RELATIVE, LAST,
/// VOLUME, HIGH, LOW, ...]` (docs.bitfinex.com/reference/rest-public-ticker, 2025-11).
///
/// The sizes are sums over 25 levels and are left out; a zero among the prices means that there
/// is none.
pub fn ticker(body: &Bytes) -> Result<Ticker, UpstreamError> {
    let row = parse::<&RawValue>("ticker", text(body)?)?;
    let TickerRow(values) = columns("ticker", row)?;
    values.ticker(Raw::slice_of(body, row)).map_err(|why| invalid("ticker", why))
}

/// Tickers of trading pairs, each with its id, in the exchange's order
/// (docs.bitfinex.com/reference/rest-public-tickers, 2025-11).
///
/// Rows of funding currencies are skipped. A row that can be read but not be true is left out,
/// so that one odd market does not take all others with it.
pub fn tickers(body: &Bytes) -> Result<Vec<(String, Ticker)>, UpstreamError> {
    let mut found = Vec::new();
    for row in rows("tickers", body)? {
        let NamedTickerRow { symbol, values } = columns("tickers", row)?;
        let id: &str = parse("tickers", symbol.get())?;
        let Some(values) = values else { continue };
        let raw = without_first(row, symbol).ok_or_else(|| invalid("tickers", "row too short"))?;
        if let Ok(ticker) = values.ticker(raw) {
            found.push((id.to_owned(), ticker));
        }
    }
    Ok(found)
}

/// A book of at most `depth` levels a side: rows `[PRICE, COUNT, AMOUNT]`, bids with a positive
/// amount, asks with a negative one (docs.bitfinex.com/reference/rest-public-book, 2025-11).
pub fn book(body: &Bytes, depth: u32) -> Result<Book, UpstreamError> {
    let rows = rows("book", body)?;
    let mut bids = Vec::with_capacity(rows.len() / 2 + 1);
    let mut asks = Vec::with_capacity(rows.len() / 2 + 1);
    for row in rows {
        let LevelRow { price, count, amount } = columns("book", row)?;
        if !is_positive(&price) || count < 1 || amount.is_zero() {
            return Err(invalid("book", "a level without price, orders or amount"));
        }
        let side = if amount.is_negative() { &mut asks } else { &mut bids };
        side.push(Level { price, amount: amount.abs(), raw: Raw::slice_of(body, row) });
    }
    if bids.len().max(asks.len()) > usize::try_from(depth).unwrap_or(usize::MAX) {
        return Err(invalid("book", "more levels than asked for"));
    }
    let book = Book { bids, asks, ..Book::default() };
    match book.fault() {
        None => Ok(book),
        Some(BookFault::Crossed) => Err(invalid("book", "crossed")),
        Some(BookFault::Unsorted) => Err(invalid("book", "levels out of order")),
    }
}

/// Candles, oldest first whatever the wire's order: rows `[MTS, OPEN, CLOSE, HIGH, LOW, VOLUME]`
/// (docs.bitfinex.com/reference/rest-public-candles, 2025-11).
///
/// Each has to open a bucket of `timeframe`. Where weeks begin is not documented, so buckets of
/// weeks have to begin at midnight and lie whole buckets apart.
pub fn candles(body: &Bytes, timeframe: Timeframe) -> Result<Vec<Candle>, UpstreamError> {
    let candles = any_candles(body)?;
    let Some(first) = candles.first().map(|candle| candle.open_time) else { return Ok(candles) };
    if candles.iter().all(|candle| opens_bucket(timeframe, candle.open_time, first)) {
        Ok(candles)
    } else {
        Err(invalid("candles", "a time that opens no bucket"))
    }
}

/// As [`candles`], of whatever width.
pub(super) fn any_candles(body: &Bytes) -> Result<Vec<Candle>, UpstreamError> {
    let rows = rows("candles", body)?;
    let candle = |row| candle(row, None);
    let mut candles = rows.into_iter().map(candle).collect::<Result<Vec<_>, _>>()?;
    if let [first, second, ..] = candles.as_slice()
        && first.open_time > second.open_time
    {
        candles.reverse();
    }
    if candles.is_sorted_by(|earlier, later| earlier.open_time < later.open_time) {
        Ok(candles)
    } else {
        Err(invalid("candles", "times out of order or twice"))
    }
}

/// One candle; where `timeframe` is given, it has to open one of its buckets.
pub(super) fn candle(
    row: &RawValue,
    timeframe: Option<Timeframe>,
) -> Result<Candle, UpstreamError> {
    let CandleRow { open_time, open, close, high, low, volume } = columns("candles", row)?;
    let candle = Candle { open_time, open, high, low, close, volume };
    is_possible(&candle).map_err(|why| invalid("candles", why))?;
    match timeframe {
        Some(timeframe) if !opens_bucket(timeframe, open_time, open_time) => {
            Err(invalid("candles", "a time that opens no bucket"))
        }
        _ => Ok(candle),
    }
}

/// Trades, oldest first and by number within a millisecond: rows `[ID, MTS, AMOUNT, PRICE]`, the
/// amount negative where the taker sold (docs.bitfinex.com/reference/rest-public-trades,
/// 2025-11).
pub fn trades(body: &Bytes) -> Result<Vec<Trade>, UpstreamError> {
    let rows = rows("trades", body)?;
    let mut trades = Vec::with_capacity(rows.len());
    for row in rows {
        trades.push(trade(row, Raw::slice_of(body, row))?);
    }
    trades.sort_by_key(|trade| (trade.at, trade.id));
    if trades.windows(2).any(|pair| pair[0].id == pair[1].id && pair[0].at == pair[1].at) {
        return Err(invalid("trades", "a trade twice"));
    }
    Ok(trades)
}

/// One trade.
pub(super) fn trade(row: &RawValue, raw: Raw) -> Result<Trade, UpstreamError> {
    let TradeRow { id, at, amount, price } = columns("trades", row)?;
    if !is_positive(&price) || amount.is_zero() {
        return Err(invalid("trades", "a trade without price or amount"));
    }
    let side = if amount.is_negative() { Side::Sell } else { Side::Buy };
    Ok(Trade { id, at, side, price, amount: amount.abs(), raw })
}

/// The elements of the array `body`, unparsed. `what` is named in the error.
pub(super) fn rows<'a>(what: &str, body: &'a Bytes) -> Result<Vec<&'a RawValue>, UpstreamError> {
    parse(what, text(body)?)
}

/// `json` as a `T`. `what` is named in the error.
pub(super) fn parse<'a, T: Deserialize<'a>>(what: &str, json: &'a str) -> Result<T, UpstreamError> {
    serde_json::from_str(json).map_err(|error| invalid(what, error))
}

pub(super) fn invalid(what: &str, why: impl fmt::Display) -> UpstreamError {
    // The parser's errors may quote a value of any length.
    UpstreamError::Invalid(format!("{what}: {why}").chars().take(200).collect())
}

fn text(body: &Bytes) -> Result<&str, UpstreamError> {
    std::str::from_utf8(body).map_err(|error| invalid("body", error))
}

/// The known columns of `row`. `what` is named in the error.
pub(super) fn columns<'a, T: Row<'a>>(what: &str, row: &'a RawValue) -> Result<T, UpstreamError> {
    parse(what, row.get()).map(|Growing(value)| value)
}

/// The row without its first column, which is `first`.
fn without_first(row: &RawValue, first: &RawValue) -> Option<Raw> {
    let rest = row.get().strip_prefix('[')?.trim_start().strip_prefix(first.get())?;
    let rest = format!("[{}", rest.trim_start().strip_prefix(',')?.trim_start());
    serde_json::from_str(&rest).ok().map(Raw::copy_of)
}

pub(super) fn is_positive(price: &Number) -> bool {
    !price.is_zero() && !price.is_negative()
}

fn is_possible(candle: &Candle) -> Result<(), &'static str> {
    let Candle { open, high, low, close, volume, .. } = candle;
    if ![open, high, low, close].into_iter().all(is_positive) || volume.is_negative() {
        return Err("a price that is not positive, or a negative volume");
    }
    // Rounding to f64 keeps the order, so nothing true is refused.
    let (open, close) = (open.f64(), close.f64());
    if high.f64() < open.max(close) || low.f64() > open.min(close) {
        return Err("a price outside of high and low");
    }
    Ok(())
}

fn opens_bucket(timeframe: Timeframe, at: UnixMs, first: UnixMs) -> bool {
    let days = match timeframe {
        Timeframe::W1 => 7,
        Timeframe::W2 => 14,
        _ => return timeframe.start_of(at) == at,
    };
    at.millis() % DAY_MS == 0 && (at.millis() - first.millis()) % (days * DAY_MS) == 0
}

/// A row of a known shape: reads its own columns and no further.
pub(super) trait Row<'de>: Sized {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error>;
}

/// A row with as many further columns as the exchange cares to append.
struct Growing<T>(T);

/// The columns of a row, one after the other.
pub(super) struct Columns<A> {
    values: A,
    read: usize,
}

impl<'de, A: SeqAccess<'de>> Columns<A> {
    pub(super) fn next<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        let value = self.values.next_element()?;
        self.read += 1;
        value.ok_or_else(|| de::Error::custom(format_args!("no column {}", self.read)))
    }

    fn time(&mut self) -> Result<UnixMs, A::Error> {
        let ms = self.next::<i64>()?;
        if (1..LATEST_MS).contains(&ms) {
            Ok(UnixMs::from_millis(ms))
        } else {
            Err(de::Error::custom(format_args!("{ms} is no time")))
        }
    }
}

impl<'de, T: Row<'de>> Deserialize<'de> for Growing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor<T>(PhantomData<T>);

        impl<'de, T: Row<'de>> Visitor<'de> for RowVisitor<T> {
            type Value = Growing<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Growing<T>, A::Error> {
                let mut columns = Columns { values, read: 0 };
                let row = T::read(&mut columns)?;
                while columns.values.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Growing(row))
            }
        }

        deserializer.deserialize_seq(RowVisitor(PhantomData))
    }
}

struct TickerValues {
    bid: Option<Number>,
    ask: Option<Number>,
    change: Option<Number>,
    change_relative: Option<Number>,
    last: Option<Number>,
    volume: Option<Number>,
    high: Option<Number>,
    low: Option<Number>,
}

impl TickerValues {
    fn read<'de, A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        let bid = row.next()?;
        let _bid_size: Option<Number> = row.next()?;
        let ask = row.next()?;
        let _ask_size: Option<Number> = row.next()?;
        let (change, change_relative) = (row.next()?, row.next()?);
        let (last, volume, high, low) = (row.next()?, row.next()?, row.next()?, row.next()?);
        Ok(Self { bid, ask, change, change_relative, last, volume, high, low })
    }

    fn ticker(self, raw: Raw) -> Result<Ticker, &'static str> {
        let never_negative =
            [&self.bid, &self.ask, &self.last, &self.volume, &self.high, &self.low];
        if never_negative.into_iter().flatten().any(Number::is_negative) {
            return Err("a negative price or volume");
        }
        let given = |price: Option<Number>| price.filter(|price| !price.is_zero());
        let (high, low) = (given(self.high), given(self.low));
        if let (Some(high), Some(low)) = (&high, &low)
            && high.f64().total_cmp(&low.f64()) == Ordering::Less
        {
            return Err("the high is below the low");
        }
        Ok(Ticker {
            bid: given(self.bid),
            ask: given(self.ask),
            last: given(self.last),
            change: self.change,
            change_relative: self.change_relative,
            high,
            low,
            base_volume: self.volume,
            ..Ticker::bare(raw)
        })
    }
}

struct TickerRow(TickerValues);

impl<'de> Row<'de> for TickerRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        TickerValues::read(row).map(Self)
    }
}

/// The values are `None` for a funding currency, whose columns mean something else.
struct NamedTickerRow<'a> {
    symbol: &'a RawValue,
    values: Option<TickerValues>,
}

impl<'de: 'a, 'a> Row<'de> for NamedTickerRow<'a> {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        let symbol: &RawValue = row.next()?;
        let of_pair = symbol.get().starts_with("\"t");
        let values = if of_pair { Some(TickerValues::read(row)?) } else { None };
        Ok(Self { symbol, values })
    }
}

pub(super) struct LevelRow {
    pub(super) price: Number,
    pub(super) count: i64,
    pub(super) amount: Number,
}

impl<'de> Row<'de> for LevelRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        Ok(Self { price: row.next()?, count: row.next()?, amount: row.next()? })
    }
}

struct CandleRow {
    open_time: UnixMs,
    open: Number,
    close: Number,
    high: Number,
    low: Number,
    volume: Number,
}

impl<'de> Row<'de> for CandleRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        Ok(Self {
            open_time: row.time()?,
            open: row.next()?,
            close: row.next()?,
            high: row.next()?,
            low: row.next()?,
            volume: row.next()?,
        })
    }
}

struct TradeRow {
    id: i64,
    at: UnixMs,
    amount: Number,
    price: Number,
}

impl<'de> Row<'de> for TradeRow {
    fn read<A: SeqAccess<'de>>(row: &mut Columns<A>) -> Result<Self, A::Error> {
        Ok(Self { id: row.next()?, at: row.time()?, amount: row.next()?, price: row.next()? })
    }
}

#[cfg(test)]
mod tests;
