//! A conversation over a WebSocket, without the socket.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use compact_str::CompactString;
use tokio::time::Instant;

use crate::market::{Book, Candle, Changes, Precision, Raw, Ticker, Timeframe, Trade};

/// Something that one channel of an exchange's WebSocket brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The exchange's own name of what it is about (`tBTCUSD`).
    pub id: CompactString,
    /// What of it.
    pub stream: Stream,
}

/// What of a market a channel brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The ticker.
    Ticker,
    /// Public trades.
    Trades,
    /// The order book.
    Book {
        /// Price aggregation.
        precision: Precision,
        /// Levels a side, one of the profile's.
        depth: u32,
    },
    /// Candles of one width.
    Candles(Timeframe),
    /// What has no unified form.
    Native(NativeStream),
}

/// A channel in the exchange's own terms, for its drop-in. Only an exchange's own room makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NativeStream(CompactString);

impl NativeStream {
    /// `text` is canonical: equal for channels that bring the same.
    pub(super) fn new(text: impl Into<CompactString>) -> Self {
        Self(text.into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Topic {
    /// True for an order book.
    pub fn is_book(&self) -> bool {
        matches!(self.stream, Stream::Book { .. })
    }
}

impl fmt::Display for Topic {
    /// For people: `ticker tBTCUSD`, `orderbook tBTCUSD P0 25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match &self.stream {
            Stream::Ticker => write!(f, "ticker {id}"),
            Stream::Trades => write!(f, "trades {id}"),
            Stream::Book { precision, depth } => write!(f, "orderbook {id} {precision} {depth}"),
            Stream::Candles(timeframe) => write!(f, "ohlcv {id} {timeframe}"),
            Stream::Native(native) => write!(f, "{} {id}", native.as_str()),
        }
    }
}

/// Data of one message.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "as events they pass through a list that is used again; see there"
)]
pub enum Data {
    /// The ticker.
    Ticker(Ticker),
    /// The newest trades, oldest first, in place of all that was known.
    Trades(Vec<Trade>),
    /// One trade. Where an exchange tells each twice it comes first as [`Report::Executed`], then as
    /// [`Report::Confirmed`], and the order of several may differ between the two; where it tells
    /// each once it is confirmed at once.
    Trade(Trade, Report),
    /// A whole book, in place of all that was known.
    Book(Vec<crate::market::Change>),
    /// Levels of it that changed.
    Levels(Changes),
    /// The newest candles, oldest first, in place of what was known of their buckets.
    Candles(Vec<Candle>),
    /// One candle as it stands now.
    Candle(Candle),
    /// The row of a channel without a unified form.
    Row(Raw),
}

/// How far a trade has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It happened (Bitfinex: `te`).
    Executed,
    /// It is on the books (Bitfinex: `tu`).
    Confirmed,
}

/// Why an exchange does not open a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It says that the subscription is wrong; repeating it cannot help.
    #[error("the exchange refused the subscription: {message}")]
    Invalid {
        /// Its own error code.
        code: i64,
        /// Its own words.
        message: String,
    },
    /// The socket has no room for a further channel.
    #[error("the socket has no room for a further channel")]
    Full,
    /// It did not answer in time.
    #[error("the exchange did not answer the subscription in time")]
    Unanswered,
}

/// Why one channel's state cannot be believed any more. The session has asked for it anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The checksum of its book does not hold.
    #[error("the book's checksum does not hold")]
    Checksum,
    /// It brought what cannot be read or cannot be true.
    #[error("it brought what cannot be true: {0}")]
    Invalid(String),
}

/// What a session has to say.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "they pass through a list that is used again; a box would be an allocation a message"
)]
pub enum Event {
    /// The exchange has opened a topic's channel; its first data is a snapshot.
    Subscribed(Arc<Topic>),
    /// It has not, or has closed it again.
    Refused(Arc<Topic>, Refused),
    /// It has closed a channel as asked.
    Unsubscribed(Arc<Topic>),
    /// A channel brought data.
    Data(Arc<Topic>, Data),
    /// A channel says that it lives and that nothing has changed.
    Heartbeat(Arc<Topic>),
    /// The book of a channel, as the data so far make it, has the exchange's checksum.
    Checked(Arc<Topic>, i64),
    /// What the data so far make of a channel is right at this moment, although no checksum says
    /// so: nothing is missing between them. Of a book it follows every message whose number
    /// continues the one before; of a ticker it may follow whenever it is known that the exchange
    /// would have told a change.
    Sound(Arc<Topic>),
    /// The connection lives, and nothing that any of its channels had to say is missing: a
    /// [`Event::Heartbeat`] of every one of them. Once a second is enough.
    Alive,
    /// A channel's state is not to be believed until its next snapshot.
    Broken(Arc<Topic>, Broken),
    /// The exchange pauses: nothing of this socket is live until [`Event::Resumed`].
    Paused,
    /// The pause is over; every channel begins anew with a snapshot.
    Resumed,
    /// The exchange will end this connection soon: another one is to be opened first.
    Leaving,
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A text to be sent.
    Send(String),
    /// An event to be told.
    Tell(Event),
    /// An event of a message that came before the one at hand, at this time.
    TellLate(Event, Instant),
    /// The book of this topic's market is to be fetched, this many levels a side, and brought by
    /// [`Session::on_book`]: its channel tells changes only.
    FetchBook(Arc<Topic>, u32),
}

/// Why a socket has to be given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A message is missing: one with this number was expected.
    #[error("message {expected} is missing; {got} came")]
    Gap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// The exchange asks for a new connection.
    #[error("the exchange asks for a new connection")]
    Restart,
    /// Nothing has come for long, not even the answer to a ping.
    #[error("nothing has come for {} s, not even the answer to a ping", .0.as_secs())]
    Silent(Duration),
    /// The exchange speaks something else than this session.
    #[error("the exchange speaks another protocol: {0}")]
    Protocol(String),
}

/// A WebSocket conversation without the socket: texts in, texts and events out.
///
/// It has no clock of its own, does no I/O and does not log. Its owner sends what it wants sent in
/// order, calls [`Session::on_time`] when [`Session::wakes_at`] has come, and drops the socket on
/// an error; a new socket begins with a new session.
pub trait Session: Send {
    /// The socket is open.
    fn on_open(&mut self, now: Instant, out: &mut Vec<Output>);

    /// Asks for a topic. Asking twice for one is the same as asking once.
    fn subscribe(&mut self, topic: &Arc<Topic>, now: Instant, out: &mut Vec<Output>);

    /// Gives a topic back.
    fn unsubscribe(&mut self, topic: &Topic, now: Instant, out: &mut Vec<Output>);

    /// One text message. `text` is UTF-8 or an error.
    ///
    /// # Errors
    /// The socket has to be given up; nothing that was said in this call counts.
    fn on_text(
        &mut self,
        text: &Bytes,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> Result<(), SessionError>;

    /// The book that was asked for by [`Output::FetchBook`]; `None`: it could not be had, and has
    /// to be asked for again where it is still needed. A topic that was given back meanwhile is
    /// none of the session's.
    fn on_book(&mut self, topic: &Topic, book: Option<&Book>, now: Instant, out: &mut Vec<Output>) {
        let _ = (topic, book, now, out);
    }

    /// Time has passed: acknowledgements may be overdue, a ping due.
    ///
    /// # Errors
    /// The socket has to be given up.
    fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) -> Result<(), SessionError>;

    /// When [`Session::on_time`] is wanted.
    fn wakes_at(&self) -> Option<Instant>;
}

/// How sessions are to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A subscription that is not answered for this long is refused as [`Refused::Unanswered`].
    pub ack_timeout: Duration,
}
