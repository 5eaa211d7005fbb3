//! The products: what clients ask for, made from what exchanges answer.
//!
//! One file per product. Each reads through the one cache ([`Shelf`]), whose loads spend the
//! exchange's budget ([`crate::upstream`]).

mod books;
mod candles;
mod compare;
mod context;
mod control;
mod desk;
mod documents;
mod error;
mod foresee;
mod live;
mod markets;
mod product;
mod shelf;
mod span;
#[cfg(test)]
pub(crate) mod tests;
mod tickers;
mod trades;
mod validation;

pub use books::Books;
pub use candles::{CandleSeries, CandleView, Candles, Due, DueState, Rest, Track};
pub use compare::{Best, Comparison, Glance, Offer, OfferedIn, Quotes, Side, spread};
pub use context::{CONTEXT_LEVELS, Context, Contexts};
pub use desk::{Desk, Desks, UnknownExchange};
pub use documents::Documents;
pub use error::ServiceError;
pub use foresee::Foreseen;
pub use live::{FOLLOWED_DEPTH, Followed, Live, Stand};
pub use markets::Markets;
pub use product::{Directory, Got, Key, Product, Series, TickerBoard, Value};
pub use shelf::{ProductCache, Shelf};
pub use tickers::Tickers;
pub use trades::{TradeSeries, TradeView, Trades};
pub use validation::{Check, Validation, validate};
