//! What is held: values and failures.

use std::{fmt, time::Duration};

use super::Source;
use crate::{config::Policy, telemetry::DataKind};

/// What the cache has to know about a kind of value.
pub trait Content: Sized {
    /// The memory that it takes: heap bytes, roughly.
    fn weight(&self) -> usize;

    /// What is held once this value comes where `held` is. A value that is one with others of its
    /// key may keep what only `held` knows.
    #[must_use]
    fn over(self, held: &Self) -> Self {
        let _ = held;
        self
    }

    /// What is held once this value comes where `held` is, which was received later; `None`: it
    /// stays as it is.
    #[must_use]
    fn under(self, held: &Self) -> Option<Self> {
        let _ = held;
        None
    }
}

/// A failed load that is shared and remembered.
pub trait Failure: Clone + Send + Sync + fmt::Debug + fmt::Display + 'static {
    /// How long the exchange is not asked again, at most `negative_ttl`.
    fn remembered_for(&self, negative_ttl: Duration) -> Duration;
    /// The same failure told `later`: waits that it names are shorter by as much.
    #[must_use]
    fn told(self, later: Duration) -> Self;
}

/// A loaded value and the policy it is kept under.
#[derive(Debug)]
pub struct Loaded<V> {
    /// The value.
    pub value: V,
    /// What kind of data it is.
    pub kind: DataKind,
    /// For how long it may be served.
    pub policy: Policy,
    /// Where it came from.
    pub source: Source,
}
