//! Bodies of REST answers to market values, and the rows that the WebSocket shares with them.
//!
//! Numbers stand in strings, and an empty one stands for none. Nothing is mended: what cannot be
//! read or cannot be true is [`UpstreamError::Invalid`].

use bytes::Bytes;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exchange::{
        UpstreamError,
        json::{self, IfAny, Quoted, invalid},
    },
    market::{Book, Candle, Level, Number, Raw, Side, Ticker, Timeframe, Trade},
};

/// Decimals of what is computed from the exchange's figures, as in ccxt 4.5.90.
const COMPUTED_DECIMALS: u32 = 18;

#[derive(Deserialize)]
struct Trades<'a> {
    #[serde(borrow)]
    trades: Vec<&'a RawValue>,
    #[serde(default)]
    best_bid: IfAny,
    #[serde(default)]
    best_ask: IfAny,
}

/// The ticker of one product, from its newest trades: best bid and ask, the last price and its
/// time (docs.cdp.coinbase.com, Get Public Market Trades, 2026-07). Its row is the last trade's.
pub fn ticker(body: &Bytes) -> Result<Ticker, UpstreamError> {
    let Trades { trades, best_bid, best_ask } = json::body("ticker", body)?;
    let last = match trades.first() {
        Some(row) => Some(trade(row, Raw::slice_of(body, row))?),
        None => None,
    };
    let none = RawValue::from_string("{}".to_owned()).map_err(|error| invalid("ticker", error))?;
    let raw = last.as_ref().map_or_else(|| Raw::copy_of(&none), |trade| trade.raw.clone());
    let ticker = Ticker {
        bid: best_bid.price(),
        ask: best_ask.price(),
        at: last.as_ref().map(|trade| trade.at),
        last: last.map(|trade| trade.price),
        ..Ticker::bare(raw)
    };
    possible(ticker).map_err(|why| invalid("ticker", why))
}

#[derive(Deserialize)]
struct Products<'a> {
    #[serde(borrow)]
    products: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct ProductRow<'a> {
    product_id: &'a str,
    price: IfAny,
    #[serde(default)]
    price_percentage_change_24h: IfAny,
    #[serde(default)]
    volume_24h: IfAny,
    #[serde(default)]
    approximate_quote_24h_volume: IfAny,
}

/// Tickers of products, each with its name in the list, in the exchange's order
/// (docs.cdp.coinbase.com, List Public Products, 2026-07). Best bid and ask are empty there
/// (recorded 2026-08), and there is no time.
///
/// A row that can be read but not be true is left out, so that one odd product does not take all
/// others with it.
pub fn tickers(body: &Bytes) -> Result<Vec<(String, Ticker)>, UpstreamError> {
    let Products { products } = json::body("tickers", body)?;
    let mut found = Vec::with_capacity(products.len());
    for row in products {
        let product: ProductRow<'_> = json::parse("tickers", row.get())?;
        let (base_volume, quote_volume) =
            (product.volume_24h.0, product.approximate_quote_24h_volume.0);
        let ticker = Ticker {
            last: product.price.price(),
            change_percent: product.price_percentage_change_24h.0,
            vwap: ratio(quote_volume.as_ref(), base_volume.as_ref()),
            base_volume,
            quote_volume,
            // A ticker outlives the others of its list: it is not to keep their megabyte.
            ..Ticker::bare(Raw::copy_of(row))
        };
        if let Ok(ticker) = possible(with_opening(ticker)) {
            found.push((product.product_id.to_owned(), ticker));
        }
    }
    Ok(found)
}

#[derive(Deserialize)]
struct TickerRow {
    price: IfAny,
    best_bid: IfAny,
    best_ask: IfAny,
    #[serde(default)]
    best_bid_quantity: IfAny,
    #[serde(default)]
    best_ask_quantity: IfAny,
    volume_24_h: IfAny,
    low_24_h: IfAny,
    high_24_h: IfAny,
    price_percent_chg_24_h: IfAny,
}

/// A row of the WebSocket's `ticker`, without its time (docs.cdp.coinbase.com, Advanced Trade
/// WebSocket Channels, 2026-07).
pub(super) fn live_ticker(row: &RawValue, raw: Raw) -> Result<Ticker, UpstreamError> {
    let row: TickerRow = json::parse("ticker", row.get())?;
    let (bid, ask) = (row.best_bid.price(), row.best_ask.price());
    let ticker = Ticker {
        bid_volume: row.best_bid_quantity.0.filter(|_| bid.is_some()),
        ask_volume: row.best_ask_quantity.0.filter(|_| ask.is_some()),
        bid,
        ask,
        last: row.price.price(),
        change_percent: row.price_percent_chg_24_h.0,
        high: row.high_24_h.price(),
        low: row.low_24_h.price(),
        base_volume: row.volume_24_h.0,
        ..Ticker::bare(raw)
    };
    possible(with_opening(ticker)).map_err(|why| invalid("ticker", why))
}

/// With the opening price that the change in percent counts from.
fn with_opening(ticker: Ticker) -> Ticker {
    let opening = || {
        let percent = ticker.change_percent.as_ref()?.decimal()?;
        let factor = Decimal::ONE.checked_add(percent.checked_div(Decimal::ONE_HUNDRED)?)?;
        let last = ticker.last.as_ref()?.decimal()?;
        let opening = last.checked_div(factor).filter(|_| factor > Decimal::ZERO)?;
        Some(Number::from(opening.trunc_with_scale(COMPUTED_DECIMALS)))
    };
    Ticker { opening: opening(), ..ticker }
}

/// `None` where one of them is none or zero.
fn ratio(part: Option<&Number>, whole: Option<&Number>) -> Option<Number> {
    let part = part.filter(|part| !part.is_zero())?.decimal()?;
    let ratio = part.checked_div(whole?.decimal()?)?;
    Some(Number::from(ratio.trunc_with_scale(COMPUTED_DECIMALS)))
}

fn possible(ticker: Ticker) -> Result<Ticker, &'static str> {
    let Ticker { bid, bid_volume, ask, ask_volume, last, high, low, .. } = &ticker;
    let (base, quote) = (&ticker.base_volume, &ticker.quote_volume);
    let all = [bid, ask, last, high, low, base, quote, bid_volume, ask_volume];
    if all.into_iter().flatten().any(Number::is_negative) {
        return Err("a negative price or volume");
    }
    match (high, low) {
        (Some(high), Some(low)) if high.f64() < low.f64() => Err("the high is below the low"),
        _ => Ok(ticker),
    }
}

#[derive(Deserialize)]
struct BookBody<'a> {
    #[serde(borrow)]
    pricebook: PriceBook<'a>,
}

#[derive(Deserialize)]
struct PriceBook<'a> {
    #[serde(borrow)]
    bids: Vec<&'a RawValue>,
    #[serde(borrow)]
    asks: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct LevelRow {
    price: Quoted,
    size: Quoted,
}

/// A book of at most `depth` levels a side (docs.cdp.coinbase.com, Get Public Product Book,
/// 2026-07).
pub fn book(body: &Bytes, depth: u32) -> Result<Book, UpstreamError> {
    let BookBody { pricebook } = json::body("book", body)?;
    let side = |rows: Vec<&RawValue>| -> Result<Vec<Level>, UpstreamError> {
        let level = |row: &RawValue| {
            let LevelRow { price: Quoted(price), size: Quoted(amount) } =
                json::parse("book", row.get())?;
            let (price, amount) = (json::positive("book", price)?, json::positive("book", amount)?);
            Ok(Level { price, amount, raw: Raw::slice_of(body, row) })
        };
        rows.into_iter().map(level).collect()
    };
    let at = pricebook.time.map(|time| json::rfc3339("book", time)).transpose()?;
    let (bids, asks) = (side(pricebook.bids)?, side(pricebook.asks)?);
    let book = Book { bids, asks, at, nonce: None };
    json::true_book(book, usize::try_from(depth).unwrap_or(usize::MAX))
}

#[derive(Deserialize)]
struct Candles<'a> {
    #[serde(borrow)]
    candles: Vec<CandleRow<'a>>,
}

#[derive(Deserialize)]
struct CandleRow<'a> {
    #[serde(borrow)]
    start: &'a RawValue,
    open: Quoted,
    high: Quoted,
    low: Quoted,
    close: Quoted,
    volume: Quoted,
}

/// Candles, oldest first whatever the wire's order (docs.cdp.coinbase.com, Get Public Product
/// Candles, 2026-07). Each has to open a bucket of `timeframe`.
pub fn candles(body: &Bytes, timeframe: Timeframe) -> Result<Vec<Candle>, UpstreamError> {
    let Candles { candles: rows } = json::body("candles", body)?;
    let candle = |row: CandleRow<'_>| {
        let candle = Candle {
            open_time: json::seconds("candles", row.start)?,
            open: row.open.0,
            high: row.high.0,
            low: row.low.0,
            close: row.close.0,
            volume: row.volume.0,
        };
        json::true_candle(candle, timeframe)
    };
    let mut candles = rows.into_iter().map(candle).collect::<Result<Vec<_>, _>>()?;
    if let [first, second, ..] = candles.as_slice()
        && first.open_time > second.open_time
    {
        candles.reverse();
    }
    json::in_order(candles)
}

/// Trades, oldest first and by number within a millisecond: numbers are not in order of time
/// (docs.cdp.coinbase.com, Get Public Market Trades, 2026-07; seen 2026-09).
pub fn trades(body: &Bytes) -> Result<Vec<Trade>, UpstreamError> {
    let Trades { trades: rows, .. } = json::body("trades", body)?;
    ordered(rows.into_iter().map(|row| trade(row, Raw::slice_of(body, row))))
}

/// Trades in order, none of them twice.
pub(super) fn ordered(
    trades: impl Iterator<Item = Result<Trade, UpstreamError>>,
) -> Result<Vec<Trade>, UpstreamError> {
    let mut trades = trades.collect::<Result<Vec<_>, _>>()?;
    trades.sort_by_key(|trade| (trade.at, trade.id));
    if trades.windows(2).any(|pair| pair[0].id == pair[1].id && pair[0].at == pair[1].at) {
        return Err(invalid("trades", "a trade twice"));
    }
    Ok(trades)
}

#[derive(Deserialize)]
struct TradeRow<'a> {
    #[serde(borrow)]
    trade_id: &'a RawValue,
    price: Quoted,
    size: Quoted,
    #[serde(borrow)]
    time: &'a RawValue,
    side: &'a str,
}

/// One trade. The exchange names the maker's side (seen 2026-09): the taker's is the other one.
pub(super) fn trade(row: &RawValue, raw: Raw) -> Result<Trade, UpstreamError> {
    let row: TradeRow<'_> = json::parse("trades", row.get())?;
    let side = match row.side {
        "BUY" => Side::Sell,
        "SELL" => Side::Buy,
        other => return Err(invalid("trades", format_args!("side {other}"))),
    };
    Ok(Trade {
        id: json::integer("trades", row.trade_id)?,
        at: json::rfc3339("trades", row.time)?,
        side,
        price: json::positive("trades", row.price.0)?,
        amount: json::positive("trades", row.size.0)?,
        raw,
    })
}

#[cfg(test)]
mod tests;
