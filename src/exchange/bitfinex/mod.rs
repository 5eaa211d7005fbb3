//! Bitfinex.
