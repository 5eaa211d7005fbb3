//! What an exchange's answers say about its limits.

use std::sync::{Arc, Mutex, PoisonError};

/// What an exchange has said of one pool since it was last looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Units that it has counted of this address in its present window, whoever spent them.
    pub used: Option<u32>,
    /// Units in a minute that it is safe to spend by the limit it names.
    pub limit: Option<u32>,
}

/// Carries what an adapter reads in answers to the ledger of its exchange's budget. Clones are the
/// same meter.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Reading>>);

impl Meter {
    /// An answer says that so many units are counted now. Of several since the last look the
    /// highest counts.
    pub fn used(&self, units: u32) {
        self.with(|reading| reading.used = reading.used.max(Some(units)));
    }

    /// An answer names a limit by which so many units a minute are safe.
    pub fn limit(&self, units: u32) {
        self.with(|reading| reading.limit = Some(units));
    }

    /// What was said since the last look.
    pub fn take(&self) -> Reading {
        self.with(std::mem::take)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Reading) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_takes_what_was_said() {
        let meter = Meter::default();
        meter.used(7);
        meter.clone().used(5);
        meter.limit(600);
        assert_eq!(meter.take(), Reading { used: Some(7), limit: Some(600) });
        assert_eq!(meter.take(), Reading::default());
    }
}
