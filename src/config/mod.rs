//! Settings: built-in defaults, then a TOML file, then `TIDEGATE__SECTION__KEY`, then flags.
//!
//! A [`Config`] exists only in checked form: every mistake of every layer is reported at once,
//! each with its path and where it came from. What a setting is called and may be stands in one
//! list, [`keys()`].

mod access;
mod current;
pub mod duration;
mod file;
mod given;
mod keys;
mod layer;
mod listener;
mod load;
mod mistake;
mod render;
mod rule;
mod sections;
mod site;

pub use access::Access;
pub use current::{Change, Current, is_changeable};
pub use keys::{Key, keys};
pub use layer::{Origin, Sources};
pub use listener::{Admin, Cors, Tls};
pub use load::{Loaded, load};
pub use mistake::{ConfigErrors, Mistake};
pub use sections::{
    Cache, Config, Feed, Limits, Log, LogFormat, Policy, Server, Store, Stream, Traces, Upstream,
    Validation,
};
pub use site::{Budget, Exchanges, Site};
