//! Order books.

use super::{Number, Raw, UnixMs};

/// One price level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price in units of the quote.
    pub price: Number,
    /// Amount in units of the base, without a sign.
    pub amount: Number,
    /// The exchange's row.
    pub raw: Raw,
}

/// Why a book cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookFault {
    /// The best bid is not below the best ask.
    Crossed,
    /// The levels of a side are not in order of their price, or a price stands twice.
    Unsorted,
}

/// Both sides of a market, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Bids, highest first.
    pub bids: Vec<Level>,
    /// Asks, lowest first.
    pub asks: Vec<Level>,
    /// The exchange's time of it, where it gives one.
    pub at: Option<UnixMs>,
    /// The exchange's number of this state, where it gives one.
    pub nonce: Option<i64>,
}

impl Book {
    /// The fault that makes this book impossible, if it has one. A side without levels is none:
    /// thin markets have them.
    pub fn fault(&self) -> Option<BookFault> {
        let price = |level: &Level| level.price.decimal();
        let falling = self.bids.windows(2).all(|pair| price(&pair[0]) > price(&pair[1]));
        let rising = self.asks.windows(2).all(|pair| price(&pair[0]) < price(&pair[1]));
        if !(falling && rising) {
            return Some(BookFault::Unsorted);
        }
        match (self.bids.first(), self.asks.first()) {
            (Some(bid), Some(ask)) if price(bid) >= price(ask) => Some(BookFault::Crossed),
            _ => None,
        }
    }
}
