//! Settings: built-in defaults, then a TOML file, then `TIDEGATE__SECTION__KEY`, then flags.
//!
//! A [`Config`] exists only in checked form: every mistake of every layer is reported at once,
//! each with its path and where it came from.

mod sections;

pub use sections::{
    Bitfinex, Budget, Cache, Config, Exchanges, Feed, Limits, Log, LogFormat, Policy, Server,
    Store, Upstream, Validation,
};
