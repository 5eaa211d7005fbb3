//! What the data of an open stream mean.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::book::BookState;
use crate::{
    exchange::{
        Broken, Data, Event, Output, Report, Stream, Topic, UpstreamError, binance::wire, json,
    },
    market::{Raw, Timeframe},
};

/// The state of a stream, of whatever kind its topics are.
#[derive(Debug)]
pub(super) enum Channel {
    Ticker,
    Trades(LastTrade),
    Candles {
        timeframe: Timeframe,
        /// The first candle has been told.
        begun: bool,
    },
    Book(Box<BookState>),
}

/// The last trade that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastTrade {
    /// None yet: it is told that the channel is open.
    None,
    Id(i64),
    /// Some could not be read since.
    Lost,
}

impl Channel {
    /// For topics of this kind; `None`: there are no streams of it.
    pub(super) fn of(stream: &Stream) -> Option<Self> {
        Some(match stream {
            Stream::Ticker => Self::Ticker,
            Stream::Trades => Self::Trades(LastTrade::None),
            Stream::Candles(timeframe) => Self::Candles { timeframe: *timeframe, begun: false },
            Stream::Book { .. } => Self::Book(Box::default()),
            Stream::Native(_) => return None,
        })
    }

    /// A topic's channel is open. No stream begins with a snapshot: a ticker or a candle stands
    /// for itself, trades begin with none, books are fetched.
    pub(super) fn open(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>) {
        out.push(Output::Tell(Event::Subscribed(Arc::clone(topic))));
        match self {
            Self::Trades(_) => {
                let data = Data::Trades(Vec::new());
                out.push(Output::Tell(Event::Data(Arc::clone(topic), data)));
            }
            Self::Book(book) => book.join(topic, now, out),
            Self::Ticker | Self::Candles { .. } => {}
        }
    }

    /// One message's `data`, which lies in `text`.
    pub(super) fn take(
        &mut self,
        topic: &Arc<Topic>,
        (data, text): (&RawValue, &Bytes),
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        if let Self::Book(book) = self {
            return book.on_event(data, now, out);
        }
        match self.single(topic, data, text) {
            Ok(data) => {
                out.extend(data.map(|data| Output::Tell(Event::Data(Arc::clone(topic), data))));
            }
            Err(error) => {
                match self {
                    Self::Trades(last) => *last = LastTrade::Lost,
                    Self::Candles { begun, .. } => *begun = false,
                    Self::Ticker | Self::Book(_) => {}
                }
                let why = match error {
                    UpstreamError::Invalid(why) => why,
                    other => other.to_string(),
                };
                let broken = Event::Broken(Arc::clone(topic), Broken::Invalid(why));
                out.push(Output::Tell(broken));
            }
        }
    }

    fn single(
        &mut self,
        topic: &Topic,
        data: &RawValue,
        text: &Bytes,
    ) -> Result<Option<Data>, UpstreamError> {
        Ok(match self {
            Self::Ticker => {
                // The next one replaces it, so it may share the message's memory.
                let (id, ticker) = wire::one_ticker(data, Raw::slice_of(text, data))?;
                if id != topic.id.as_str() {
                    return Err(json::invalid("ticker", "of another market"));
                }
                Some(Data::Ticker(ticker))
            }
            Self::Trades(last) => {
                let trade = wire::trade(data, Raw::copy_of(data))?;
                let before = std::mem::replace(last, LastTrade::Id(trade.id));
                match before {
                    LastTrade::Id(id) if trade.id <= id => {
                        *last = before;
                        None
                    }
                    // Their numbers have no gaps: some are missing between those two.
                    LastTrade::Id(id) if trade.id > id.saturating_add(1) => {
                        Some(Data::Trades(vec![trade]))
                    }
                    LastTrade::Lost => Some(Data::Trades(vec![trade])),
                    LastTrade::None | LastTrade::Id(_) => {
                        Some(Data::Trade(trade, Report::Confirmed))
                    }
                }
            }
            Self::Candles { timeframe, begun } => {
                let candle = wire::streamed_candle(data, (&topic.id, *timeframe))?;
                let first = !std::mem::replace(begun, true);
                Some(if first { Data::Candles(vec![candle]) } else { Data::Candle(candle) })
            }
            Self::Book(_) => None,
        })
    }
}
