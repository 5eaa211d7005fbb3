//! What can be subscribed to, and what an open channel's rows mean.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use serde_json::value::RawValue;

use super::book::Book;
use crate::{
    exchange::{
        Data, Event, Output, Report, Stream, Topic, UpstreamError,
        coinbase::{PROFILE, names, wire},
    },
    market::{Precision, Raw, UnixMs},
};

/// Trades that are remembered so that none is told twice; a snapshot has 100.
const REMEMBERED_TRADES: usize = 512;

/// The exchange's channels that are of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    Ticker,
    Trades,
    Book,
}

impl Channel {
    /// The name in subscriptions.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Trades => "market_trades",
            Self::Book => "level2",
        }
    }
}

/// What one subscription is about. Books of every depth have one in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Feed {
    pub(super) channel: Channel,
    pub(super) product: CompactString,
}

impl Feed {
    /// Where a topic's data come from; `None` if there is no such channel.
    pub(super) fn of(topic: &Topic) -> Option<Self> {
        let channel = match &topic.stream {
            Stream::Ticker => Channel::Ticker,
            Stream::Trades => Channel::Trades,
            Stream::Book { precision: Precision::P0, depth }
                if PROFILE.live.book_depths.contains(depth) =>
            {
                Channel::Book
            }
            _ => return None,
        };
        names::is_id(&topic.id).then(|| Self { channel, product: topic.id.clone() })
    }

    /// The message that asks for it, or gives it back (`subscribe`, `unsubscribe`).
    pub(super) fn message(&self, verb: &str) -> String {
        let Self { channel, product } = self;
        let channel = channel.as_str();
        format!(r#"{{"type":"{verb}","product_ids":["{product}"],"channel":"{channel}"}}"#)
    }
}

/// An open channel.
#[derive(Debug)]
pub(super) enum Open {
    Ticker,
    Trades(Told),
    Book(Box<Book>),
}

/// A product's rows of one event.
pub(super) struct Rows<'a> {
    pub(super) is_snapshot: bool,
    /// The exchange's time of the message.
    pub(super) at: Option<UnixMs>,
    /// Of a book all its levels at once, else rows as they came.
    pub(super) rows: &'a [&'a RawValue],
    /// The text they lie in.
    pub(super) text: &'a Bytes,
}

impl Open {
    /// An open channel without trades so far.
    pub(super) fn without_trades(topics: &[Arc<Topic>], out: &mut Vec<Output>) -> Self {
        subscribed(topics, out);
        tell(topics, &Data::Trades(Vec::new()), out);
        Self::Trades(Told::default())
    }

    /// Opens a channel by its first rows; `None`: they are of an earlier subscription.
    pub(super) fn with(
        channel: Channel,
        rows: &Rows<'_>,
        topics: &[Arc<Topic>],
        out: &mut Vec<Output>,
    ) -> Result<Option<Self>, UpstreamError> {
        let mut open = match channel {
            Channel::Ticker => Self::Ticker,
            Channel::Trades if rows.is_snapshot => Self::Trades(Told::default()),
            Channel::Book if rows.is_snapshot => Self::Book(Box::new(whole(rows)?)),
            Channel::Trades | Channel::Book => return Ok(None),
        };
        subscribed(topics, out);
        match &mut open {
            Self::Book(book) => topics.iter().for_each(|topic| book.show(topic, out)),
            other => other.take(rows, topics, out)?,
        }
        Ok(Some(open))
    }

    /// Takes further rows.
    pub(super) fn take(
        &mut self,
        rows: &Rows<'_>,
        topics: &[Arc<Topic>],
        out: &mut Vec<Output>,
    ) -> Result<(), UpstreamError> {
        match self {
            Self::Ticker => {
                for row in rows.rows {
                    let ticker = wire::live_ticker(row, Raw::slice_of(rows.text, row))?;
                    let ticker = crate::market::Ticker { at: rows.at, ..ticker };
                    tell(topics, &Data::Ticker(ticker), out);
                }
            }
            Self::Trades(told) if rows.is_snapshot => {
                let trade = |row: &&RawValue| wire::trade(row, Raw::slice_of(rows.text, row));
                let trades = wire::ordered(rows.rows.iter().map(trade))?;
                trades.iter().for_each(|trade| _ = told.is_new(trade.id));
                tell(topics, &Data::Trades(trades), out);
            }
            Self::Trades(told) => {
                for row in rows.rows.iter().rev() {
                    // It is kept among others, and would keep the text as long.
                    let trade = wire::trade(row, Raw::copy_of(row))?;
                    if told.is_new(trade.id) {
                        tell(topics, &Data::Trade(trade, Report::Confirmed), out);
                    }
                }
            }
            Self::Book(book) if rows.is_snapshot => {
                **book = whole(rows)?;
                topics.iter().for_each(|topic| book.show(topic, out));
            }
            Self::Book(book) => {
                for updates in rows.rows {
                    book.update(updates, out)?;
                }
            }
        }
        Ok(())
    }
}

fn whole(rows: &Rows<'_>) -> Result<Book, UpstreamError> {
    Book::of(rows.rows.first().copied().unwrap_or(RawValue::NULL))
}

fn subscribed(topics: &[Arc<Topic>], out: &mut Vec<Output>) {
    let event = |topic: &Arc<Topic>| Output::Tell(Event::Subscribed(Arc::clone(topic)));
    out.extend(topics.iter().map(event));
}

fn tell(topics: &[Arc<Topic>], data: &Data, out: &mut Vec<Output>) {
    let event = |topic: &Arc<Topic>| Event::Data(Arc::clone(topic), data.clone());
    out.extend(topics.iter().map(event).map(Output::Tell));
}

/// The trades that were told last.
#[derive(Debug, Default)]
pub(super) struct Told(VecDeque<i64>);

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
