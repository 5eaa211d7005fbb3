//! Public trades.

use super::{Number, Raw, UnixMs};

/// The taker's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The taker bought.
    Buy,
    /// The taker sold.
    Sell,
}

impl Side {
    /// `buy` or `sell`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// One public trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The exchange's own number of the trade, increasing in time.
    pub id: i64,
    /// When it happened.
    pub at: UnixMs,
    /// The taker's side.
    pub side: Side,
    /// Price in units of the quote.
    pub price: Number,
    /// Amount in units of the base, without a sign.
    pub amount: Number,
    /// The exchange's row.
    pub raw: Raw,
}

impl Trade {
    /// Price times amount, exact to 28 digits; `None` beyond the range of a decimal.
    pub fn cost(&self) -> Option<Number> {
        let cost = self.price.decimal()?.checked_mul(self.amount.decimal()?)?;
        Some(Number::from(cost))
    }
}
