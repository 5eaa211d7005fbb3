//! `[access]`: who may ask.

use std::{net::IpAddr, path::PathBuf};

use super::{keys::List, rule};

/// Who may ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access {
    /// The file of clients and their keys; `None`: whoever reaches the gateway may ask.
    pub keys_file: Option<PathBuf>,
    /// Whether those without a key may ask from everywhere, not on the loopback only.
    pub open: bool,
}

impl Access {
    /// True if a listener there is reached by others, and nothing says who of them may ask.
    pub fn is_missing_at(&self, listen: IpAddr) -> bool {
        !listen.to_canonical().is_loopback() && self.keys_file.is_none() && !self.open
    }
}

pub(super) fn list(list: &mut List) {
    list.add(
        "access.keys_file",
        "File of clients and their keys; empty: whoever reaches the gateway may ask.",
        rule::path(),
        |c| &mut c.access.keys_file,
    );
    list.add(
        "access.open",
        "Whether those without a key may ask from everywhere, not on the loopback only.",
        rule::switch(),
        |c| &mut c.access.open,
    );
}
