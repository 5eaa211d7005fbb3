//! Market data as values: symbols, candles, tickers, books, trades, and their arithmetic.
//!
//! Nothing here knows an exchange's format, a socket or a task.

mod book;
mod candle;
mod channel;
mod derive;
mod ladder;
mod listing;
mod number;
mod query;
mod raw;
mod span;
mod symbol;
mod ticker;
mod time;
mod timeframe;
mod trade;

pub use book::{Book, BookFault, Level};
pub use candle::{Candle, volatility_pct};
pub use channel::{BadChannel, Channel};
pub use derive::derive;
pub use ladder::{BadChange, BookSide, Change, Changes, Identity, Ladder};
pub use listing::{Bound, Kind, Listing};
pub use number::{BadNumber, Number};
pub use query::{BookQuery, CandleQuery, Precision, TradeQuery};
pub use raw::Raw;
pub use span::{Coverage, Mark, Span};
pub use symbol::Symbol;
pub use ticker::Ticker;
pub use time::{BadTime, UnixMs};
pub use timeframe::{BadTimeframe, Timeframe};
pub use trade::{Side, Trade};
