//! The contract's own endpoints under `/api/market-data`: for each a handler of a few lines and
//! the shape of its answer.

pub(super) mod compare;
pub(super) mod context;
pub(super) mod exchanges;
pub(super) mod markets;
pub(super) mod ohlcv;
pub(super) mod orderbook;
mod page;
#[cfg(test)]
mod tests;
pub(super) mod ticker;
pub(super) mod trades;
pub(super) mod validate;
