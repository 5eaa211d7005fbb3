//! What an open channel's messages mean.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    book::{BookRow, BookState, unreadable},
    subscription::Kind,
};
use crate::{
    exchange::{
        Broken, Data, Event, Output, Report, Stream, Topic, UpstreamError,
        json::{self, IfAny, Name, Quoted, invalid, rfc3339},
        kraken::wire,
    },
    market::{Candle, Raw, Side, Ticker, Timeframe, Trade},
};

/// Trades that are remembered so that none is told as new twice; a snapshot has 50.
const REMEMBERED_TRADES: usize = 256;

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    state: State,
    /// Its snapshot has come.
    pub(super) started: bool,
}

#[derive(Debug)]
enum State {
    Ticker,
    Trades(VecDeque<i64>),
    Book(Box<BookState>),
    Candles(Timeframe),
}

impl Channel {
    pub(super) fn new(kind: Kind, topic: &Topic) -> Self {
        let state = match (kind, &topic.stream) {
            (Kind::Book, Stream::Book { depth, .. }) => {
                State::Book(Box::new(BookState::new(*depth)))
            }
            (Kind::Ohlc(timeframe), _) => State::Candles(timeframe),
            (Kind::Trade, _) => State::Trades(VecDeque::new()),
            (Kind::Ticker | Kind::Book, _) => State::Ticker,
        };
        Self { state, started: false }
    }

    /// Takes the rows of one message, which lie in `text`. Without a snapshot they mean nothing,
    /// but for a ticker, which is whole each time.
    pub(super) fn take(
        &mut self,
        topic: &Arc<Topic>,
        snapshot: bool,
        rows: &[&RawValue],
        text: &Bytes,
        out: &mut Vec<Output>,
    ) -> Result<(), Broken> {
        if !snapshot && !self.started && !matches!(self.state, State::Ticker) {
            return Ok(());
        }
        self.started = true;
        let mut tell = |event: Event| out.push(Output::Tell(event));
        let data = |data: Data| Event::Data(Arc::clone(topic), data);
        match &mut self.state {
            State::Ticker => {
                for row in rows {
                    let raw = Raw::slice_of(text, row);
                    tell(data(Data::Ticker(ticker(row, raw).map_err(unreadable)?)));
                }
            }
            State::Book(book) => {
                for row in rows {
                    let row: BookRow<'_> = json::parse("book", row.get()).map_err(unreadable)?;
                    let (changed, sum) = match snapshot {
                        true => book.replace(&row).map(|(levels, sum)| (Some(levels), sum))?,
                        false => book.update(&row)?,
                    };
                    changed.into_iter().for_each(|levels| tell(data(levels)));
                    tell(Event::Checked(Arc::clone(topic), sum));
                }
            }
            State::Trades(told) => {
                // Those of a snapshot are few and leave together; others are kept one by one.
                let raw = |row: &RawValue| match snapshot {
                    true => Raw::slice_of(text, row),
                    false => Raw::copy_of(row),
                };
                let trades = rows.iter().map(|row| trade(row, raw(row))).collect::<Result<_, _>>();
                let mut trades = trades.and_then(wire::once_each).map_err(unreadable)?;
                trades.retain(|trade| is_new(told, trade.id) || snapshot);
                if snapshot {
                    tell(data(Data::Trades(trades)));
                } else {
                    let told = |trade| data(Data::Trade(trade, Report::Confirmed));
                    trades.into_iter().map(told).for_each(tell);
                }
            }
            State::Candles(timeframe) => {
                let timeframe = *timeframe;
                let candle = |row: &&RawValue| candle(row, timeframe);
                let candles = rows.iter().map(candle).collect::<Result<Vec<_>, _>>();
                let mut candles = candles.map_err(unreadable)?;
                if snapshot {
                    candles.sort_by_key(|candle| candle.open_time);
                    let candles = wire::in_buckets(candles, timeframe).map_err(unreadable)?;
                    tell(data(Data::Candles(candles)));
                } else {
                    candles.into_iter().map(|one| data(Data::Candle(one))).for_each(tell);
                }
            }
        }
        Ok(())
    }
}

/// Remembers the trade; true if it was not remembered yet.
fn is_new(told: &mut VecDeque<i64>, id: i64) -> bool {
    if told.contains(&id) {
        return false;
    }
    if told.len() == REMEMBERED_TRADES {
        told.pop_front();
    }
    told.push_back(id);
    true
}

/// `change` and `change_pct` count from the price 24 hours ago, unlike the opening price that REST
/// tells (docs.kraken.com, Ticker (WebSocket v2), 2026-09).
fn ticker(row: &RawValue, raw: Raw) -> Result<Ticker, UpstreamError> {
    #[derive(Deserialize)]
    struct TickerRow<'a> {
        bid: IfAny,
        bid_qty: IfAny,
        ask: IfAny,
        ask_qty: IfAny,
        last: IfAny,
        volume: IfAny,
        vwap: IfAny,
        low: IfAny,
        high: IfAny,
        change: IfAny,
        change_pct: IfAny,
        #[serde(borrow)]
        timestamp: Option<&'a RawValue>,
    }

    let row: TickerRow<'_> = json::parse("ticker", row.get())?;
    // A market without a trade has the time 0.
    let known = row.timestamp.filter(|time| !time.get().starts_with("\"1970-01-01"));
    let traded = row.last.0.as_ref().is_some_and(|last| !last.is_zero());
    let ticker = Ticker {
        bid: row.bid.0,
        bid_volume: row.bid_qty.0,
        ask: row.ask.0,
        ask_volume: row.ask_qty.0,
        last: row.last.0,
        change: row.change.0.filter(|_| traded),
        change_percent: row.change_pct.0.filter(|_| traded),
        high: row.high.0,
        low: row.low.0,
        vwap: row.vwap.0,
        base_volume: row.volume.0,
        at: known.map(|time| rfc3339("ticker", time)).transpose()?,
        ..Ticker::bare(raw)
    };
    wire::true_ticker(ticker).map_err(|why| invalid("ticker", why))
}

/// The side is the taker's (docs.kraken.com, Trades (WebSocket v2), 2026-09).
fn trade(row: &RawValue, raw: Raw) -> Result<Trade, UpstreamError> {
    #[derive(Deserialize)]
    struct TradeRow<'a> {
        #[serde(borrow)]
        side: Name<'a>,
        price: Quoted,
        qty: Quoted,
        trade_id: i64,
        #[serde(borrow)]
        timestamp: &'a RawValue,
    }

    let row: TradeRow<'_> = json::parse("trade", row.get())?;
    let side = match &*row.side.0 {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(invalid("trade", "a trade without a side")),
    };
    wire::true_trade(Trade {
        id: row.trade_id,
        at: rfc3339("trade", row.timestamp)?,
        side,
        price: row.price.0,
        amount: row.qty.0,
        raw,
    })
}

fn candle(row: &RawValue, timeframe: Timeframe) -> Result<Candle, UpstreamError> {
    #[derive(Deserialize)]
    struct CandleRow<'a> {
        open: Quoted,
        high: Quoted,
        low: Quoted,
        close: Quoted,
        volume: Quoted,
        #[serde(borrow)]
        interval_begin: &'a RawValue,
    }

    let row: CandleRow<'_> = json::parse("ohlc", row.get())?;
    let candle = Candle {
        open_time: rfc3339("ohlc", row.interval_begin)?,
        open: row.open.0,
        high: row.high.0,
        low: row.low.0,
        close: row.close.0,
        volume: row.volume.0,
    };
    json::true_candle(candle, timeframe)
}
