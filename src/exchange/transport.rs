//! The only user of reqwest.

/// A connection pool to one exchange.
#[derive(Clone, Debug)]
pub struct Transport;
