//! What an exchange says about one of its markets.

use compact_str::CompactString;

use super::{Number, Symbol};

/// How a market settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Exchange of one currency for another.
    Spot,
    /// Perpetual swap.
    Swap,
}

/// The smallest and largest value allowed; `None` where the exchange gives none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Smallest.
    pub min: Option<Number>,
    /// Largest.
    pub max: Option<Number>,
}

/// One market as the exchange lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Unified name.
    pub symbol: Symbol,
    /// The exchange's own name (`tBTCUSD`); equal for markets that are one and the same to the
    /// exchange, and what channels are named by.
    pub id: CompactString,
    /// The name in the exchange's list, where that is another one.
    pub listed_as: Option<CompactString>,
    /// Unified code of what is traded.
    pub base: CompactString,
    /// Unified code of what it is priced in.
    pub quote: CompactString,
    /// Unified code of what it settles in; swaps only.
    pub settle: Option<CompactString>,
    /// Spot or swap.
    pub kind: Kind,
    /// Whether it can be traded on margin; `None` where the exchange does not say.
    pub margin: Option<bool>,
    /// Order sizes in units of the base.
    pub amount: Bound,
    /// Decimals of an amount, where the exchange gives them.
    pub amount_decimals: Option<u32>,
    /// Significant digits of a price, where the exchange gives them.
    pub price_significant_digits: Option<u32>,
    /// The step of an amount, where the exchange gives one in place of decimals.
    pub amount_step: Option<Number>,
    /// The step of a price, where the exchange gives one in place of digits.
    pub price_step: Option<Number>,
    /// Further spellings of base and quote that name this market (`UST` beside `USDT`), each as
    /// `BASE/QUOTE` in upper case.
    pub aliases: Vec<CompactString>,
}
