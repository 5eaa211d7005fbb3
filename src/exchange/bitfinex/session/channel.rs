//! What an open channel's messages mean.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    book::{BookState, unreadable},
    frame::Content,
    subscription::{Parts, is_funding},
};
use crate::{
    exchange::{Broken, Data, Event, Output, Report, Topic, bitfinex::wire},
    market::{Raw, Timeframe},
};

/// Trades that are remembered so that none is told as new twice; a snapshot has 30.
const REMEMBERED_TRADES: usize = 256;

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) topic: Arc<Topic>,
    state: State,
    start: Start,
    /// The exchange gave the channel a number that another had before it, whose last rows may
    /// still come.
    number_reused: bool,
}

/// How a channel's data have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Nothing,
    /// With a single row, which may be all there is, or precede the snapshot.
    Row,
    Snapshot,
}

#[derive(Debug)]
enum State {
    Ticker,
    Trades(Told),
    Book(Box<BookState>),
    Candles(Option<Timeframe>),
    /// Rows without a unified form.
    Rows,
}

impl Channel {
    pub(super) fn new(topic: Arc<Topic>, parts: Parts, number_reused: bool) -> Self {
        let state = match parts {
            Parts::Ticker { symbol } if is_funding(&symbol) => State::Rows,
            Parts::Ticker { .. } => State::Ticker,
            Parts::Trades { .. } => State::Trades(Told::default()),
            Parts::Book { symbol, aggregation, depth, .. } => {
                State::Book(Box::new(BookState::new(aggregation, is_funding(&symbol), depth)))
            }
            Parts::Candles { timeframe, .. } => State::Candles(timeframe),
            Parts::Status { .. } => State::Rows,
        };
        Self { topic, state, start: Start::Nothing, number_reused }
    }

    /// Takes one message, which lies in `text`.
    pub(super) fn take(
        &mut self,
        content: &Content<'_>,
        text: &Bytes,
        out: &mut Vec<Output>,
    ) -> Result<(), Broken> {
        let topic = &self.topic;
        let mut tell = |event: Event| out.push(Output::Tell(event));
        match content {
            Content::Word => {}
            Content::Heartbeat => {
                if let State::Book(book) = &self.state {
                    book.rest()?;
                }
                tell(Event::Heartbeat(Arc::clone(topic)));
            }
            Content::Checksum(sum) => {
                if let State::Book(book) = &mut self.state
                    && let Some(sum) = book.check(*sum)?
                {
                    tell(Event::Checked(Arc::clone(topic), sum.into()));
                }
            }
            Content::Executed(row) | Content::Confirmed(row) => {
                let State::Trades(told) = &mut self.state else {
                    return Err(Broken::Invalid("a trade".to_owned()));
                };
                if self.start == Start::Nothing {
                    self.start = Start::Row;
                    tell(Event::Data(Arc::clone(topic), Data::Trades(Vec::new())));
                }
                let trade = wire::trade(row, Raw::copy_of(row)).map_err(unreadable)?;
                if told.is_new(trade.id) {
                    let data = Data::Trade(trade.clone(), Report::Executed);
                    tell(Event::Data(Arc::clone(topic), data));
                }
                if matches!(content, Content::Confirmed(_)) {
                    let data = Data::Trade(trade, Report::Confirmed);
                    tell(Event::Data(Arc::clone(topic), data));
                }
            }
            Content::Rows(rows) => return self.take_rows(rows, text, out),
        }
        Ok(())
    }

    fn take_rows(
        &mut self,
        rows: &RawValue,
        text: &Bytes,
        out: &mut Vec<Output>,
    ) -> Result<(), Broken> {
        let shape = Shape::of(rows).ok_or_else(|| Broken::Invalid("no row".to_owned()))?;
        let data = if matches!(self.state, State::Ticker | State::Rows) {
            // Their snapshot has the form of all that follows.
            self.plain(rows, text, shape)?
        } else if shape == Shape::Rows && self.start != Start::Snapshot {
            self.start = Start::Snapshot;
            Some(self.snapshot(&text.slice_ref(rows.get().as_bytes()))?)
        } else if shape == Shape::Row && self.start == Start::Nothing {
            if self.number_reused {
                return Ok(());
            }
            self.start = Start::Row;
            Some(self.snapshot(&Bytes::from(format!("[{}]", rows.get())))?)
        } else if shape == Shape::Row {
            self.update(rows)?
        } else {
            // Updates that come together have a snapshot's form.
            for row in elements(rows)? {
                let data = self.update(row)?;
                self.tell(data, out);
            }
            None
        };
        self.tell(data, out);
        Ok(())
    }

    fn tell(&self, data: Option<Data>, out: &mut Vec<Output>) {
        let event = data.map(|data| Event::Data(Arc::clone(&self.topic), data));
        out.extend(event.map(Output::Tell));
    }

    /// Rows that the next one replaces share the message's memory.
    fn plain(&self, rows: &RawValue, text: &Bytes, shape: Shape) -> Result<Option<Data>, Broken> {
        let raw = Raw::slice_of(text, rows);
        match (&self.state, shape) {
            (State::Ticker, Shape::Row) => {
                wire::ticker(raw.bytes()).map(Data::Ticker).map(Some).map_err(unreadable)
            }
            (State::Ticker, Shape::Rows) if elements(rows)?.is_empty() => Ok(None),
            (State::Ticker, Shape::Rows) => Err(Broken::Invalid("ticker: rows".to_owned())),
            _ => Ok(Some(Data::Row(raw))),
        }
    }

    /// The rows of a snapshot of trades or candles share its memory: they are few, and leave
    /// together.
    fn snapshot(&mut self, rows: &Bytes) -> Result<Data, Broken> {
        let data = match &mut self.state {
            State::Trades(told) => wire::trades(rows).map(|trades| {
                trades.iter().for_each(|trade| _ = told.is_new(trade.id));
                Data::Trades(trades)
            }),
            State::Book(book) => {
                return book.replace(&wire::rows("book", rows).map_err(unreadable)?);
            }
            State::Candles(Some(timeframe)) => wire::candles(rows, *timeframe).map(Data::Candles),
            State::Candles(None) => wire::any_candles(rows).map(Data::Candles),
            State::Ticker | State::Rows => return Err(Broken::Invalid("a snapshot".to_owned())),
        };
        data.map_err(unreadable)
    }

    /// Rows that are kept one by one have memory of their own.
    fn update(&mut self, row: &RawValue) -> Result<Option<Data>, Broken> {
        match &mut self.state {
            State::Book(book) => book.update(row),
            State::Candles(timeframe) => wire::candle(row, *timeframe)
                .map(|candle| Some(Data::Candle(candle)))
                .map_err(unreadable),
            State::Trades(told) => {
                let trade = wire::trade(row, Raw::copy_of(row)).map_err(unreadable)?;
                Ok(told.is_new(trade.id).then_some(Data::Trade(trade, Report::Executed)))
            }
            State::Ticker | State::Rows => Ok(None),
        }
    }
}

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Columns.
    Row,
    /// Rows, or nothing.
    Rows,
}

impl Shape {
    fn of(value: &RawValue) -> Option<Self> {
        let inside = value.get().strip_prefix('[')?.trim_ascii_start();
        Some(if inside.starts_with(['[', ']']) { Self::Rows } else { Self::Row })
    }
}

fn elements(rows: &RawValue) -> Result<Vec<&RawValue>, Broken> {
    wire::parse("rows", rows.get()).map_err(unreadable)
}

/// The trades that were told last.
#[derive(Debug, Default)]
struct Told(VecDeque<i64>);

impl Told {
    /// Remembers the trade; true if it was not remembered yet.
    fn is_new(&mut self, id: i64) -> bool {
        if self.0.contains(&id) {
            return false;
        }
        if self.0.len() == REMEMBERED_TRADES {
            self.0.pop_front();
        }
        self.0.push_back(id);
        true
    }
}
