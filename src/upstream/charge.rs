//! What a call costs.

use crate::exchange::Family;

/// Units of the pool that a call's family is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    family: Family,
    units: u32,
}

impl Charge {
    /// At least one unit.
    pub const fn new(family: Family, units: u32) -> Self {
        Self { family, units: if units == 0 { 1 } else { units } }
    }

    /// The endpoints that are called.
    pub const fn family(self) -> Family {
        self.family
    }

    /// What that costs.
    pub const fn units(self) -> u32 {
        self.units
    }
}

impl From<Family> for Charge {
    /// One unit.
    fn from(family: Family) -> Self {
        Self::new(family, 1)
    }
}
