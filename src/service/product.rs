//! What the cache holds, and under which names.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use compact_str::CompactString;

use crate::{
    cache::{Content, Entry, Read, Stamp},
    market::{Book, Precision, Symbol, Ticker, Timeframe, Trade, UnixMs},
    registry::Registry,
    service::candles::Track,
    telemetry::CacheOutcome,
};

/// The canonical name of something that an exchange can be asked for: requests that mean the same
/// have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The exchange's name.
    pub exchange: &'static str,
    /// What of it.
    pub product: Product,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.exchange, self.product)
    }
}

/// What can be asked of an exchange; markets by their native id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields are named after the query they stand for")]
pub enum Product {
    /// The market list.
    Markets,
    /// One ticker.
    Ticker(CompactString),
    /// Every ticker.
    AllTickers,
    /// A book of one depth and precision.
    Book { id: CompactString, precision: Precision, depth: u32 },
    /// A series of candles.
    Candles { id: CompactString, timeframe: Timeframe },
    /// The newest trades.
    Trades(CompactString),
    /// A span of trades.
    TradeSpan { id: CompactString, limit: u32, since: Option<UnixMs>, until: Option<UnixMs> },
    /// One conf document by its key.
    Conf(String),
    /// A native document by its path and query.
    Native(String),
}

impl fmt::Display for Product {
    /// For people: `ticker tBTCUSD`, `ohlcv tBTCUSD 5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Markets => f.write_str("markets"),
            Self::Ticker(id) => write!(f, "ticker {id}"),
            Self::AllTickers => f.write_str("tickers"),
            Self::Book { id, precision, depth } => write!(f, "orderbook {id} {precision} {depth}"),
            Self::Candles { id, timeframe } => write!(f, "ohlcv {id} {timeframe}"),
            Self::Trades(id) => write!(f, "trades {id}"),
            Self::TradeSpan { id, .. } => write!(f, "trades span {id}"),
            Self::Conf(key) => write!(f, "conf {key}"),
            Self::Native(path) => f.write_str(path),
        }
    }
}

/// Rows in the order of time, as many as were asked for or as there are.
#[derive(Debug)]
pub struct Series<T> {
    /// Oldest first.
    pub rows: Vec<T>,
    /// How many were asked for: fewer rows mean that there are no older ones.
    pub asked: u32,
    deepest: AtomicU32,
}

impl<T> Series<T> {
    /// Rows that came for a request of `asked` rows.
    pub fn new(rows: Vec<T>, asked: u32) -> Self {
        Self { rows, asked, deepest: AtomicU32::new(0) }
    }

    /// True if the series reaches back `count` rows, or to its beginning.
    pub fn reaches(&self, count: u32) -> bool {
        self.is_whole() || self.rows.len() >= count as usize
    }

    /// True if there are no older rows.
    pub fn is_whole(&self) -> bool {
        self.rows.len() < self.asked as usize
    }

    /// Notes that a client wanted so many rows, so that the next fetch brings as many.
    pub fn wanted(&self, count: u32) {
        self.deepest.fetch_max(count, Ordering::Relaxed);
    }

    /// The most rows that a client wanted.
    pub fn deepest(&self) -> u32 {
        self.deepest.load(Ordering::Relaxed)
    }
}

/// The market list in a form that can be searched.
#[derive(Debug)]
pub struct Directory {
    /// Every market.
    pub registry: Registry,
}

/// Every ticker of an exchange.
#[derive(Debug)]
pub struct TickerBoard {
    /// Listed markets only, in the exchange's order.
    pub rows: Vec<(Symbol, Ticker)>,
    /// The exchange's own answer.
    pub body: Bytes,
}

/// A value of the cache. A key's product determines the variant.
#[derive(Debug)]
#[expect(missing_docs, reason = "the variants are the products")]
pub enum Value {
    Directory(Directory),
    Ticker(Ticker),
    Board(TickerBoard),
    Book(Book),
    Candles(Track),
    Trades(Series<Trade>),
    Document(Bytes),
}

/// A row's numbers are mostly held in place; this much more is its share of the body.
const ROW_TEXT: usize = 96;

impl Value {
    /// The series of candles that it is.
    pub(super) fn track(&self) -> Option<&Track> {
        match self {
            Self::Candles(track) => Some(track),
            _ => None,
        }
    }
}

impl Content for Value {
    fn weight(&self) -> usize {
        let rows = |count: usize, each: usize| count * (each + ROW_TEXT);
        match self {
            Self::Directory(directory) => rows(directory.registry.all().len(), 512),
            Self::Ticker(ticker) => size_of::<Ticker>() + ticker.raw.bytes().len(),
            Self::Board(board) => rows(board.rows.len(), size_of::<Ticker>()) + board.body.len(),
            Self::Book(book) => {
                rows(book.bids.len() + book.asks.len(), size_of::<crate::market::Level>())
            }
            Self::Candles(track) => track.weight(),
            Self::Trades(series) => rows(series.rows.len(), size_of::<Trade>()),
            Self::Document(body) => body.len(),
        }
    }

    fn over(self, held: &Self) -> Self {
        match (self, held) {
            (Self::Candles(told), Self::Candles(held)) => Self::Candles(held.overlaid(told)),
            (told, _) => told,
        }
    }

    fn under(self, held: &Self) -> Option<Self> {
        match (self, held) {
            (Self::Candles(told), Self::Candles(held)) => {
                Some(Self::Candles(held.underlaid(&told)))
            }
            _ => None,
        }
    }
}

/// A product that was read: the value, its stamp, and how the cache answered.
pub struct Got<T: 'static> {
    entry: Arc<Entry<Value>>,
    /// How the cache answered.
    pub outcome: CacheOutcome,
    part: fn(&Value) -> Option<&T>,
}

impl<T> Got<T> {
    /// What is known about the value.
    pub fn stamp(&self) -> &Arc<Stamp> {
        &self.entry.stamp
    }
}

impl<T> Deref for Got<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (self.part)(&self.entry.value).expect("a key's product determines the variant")
    }
}

macro_rules! got {
    ($($name:ident: $variant:ident => $type:ty,)*) => {
        $(pub(super) fn $name(read: Read<Value>) -> Got<$type> {
            fn part(value: &Value) -> Option<&$type> {
                match value {
                    Value::$variant(part) => Some(part),
                    _ => None,
                }
            }
            Got { entry: read.entry, outcome: read.outcome, part }
        })*
    };
}

got! {
    got_directory: Directory => Directory,
    got_ticker: Ticker => Ticker,
    got_board: Board => TickerBoard,
    got_book: Book => Book,
    got_trades: Trades => Series<Trade>,
    got_document: Document => Bytes,
}
