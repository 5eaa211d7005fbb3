//! A value as a layer gave it, before its key says what it must be.

use std::fmt;

/// A scalar of a file, or the bare text of an environment variable or flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// From the environment or a flag, where everything is text.
    Bare(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer, in decimal.
    Whole(String),
    /// A TOML float.
    Number(f64),
    /// A TOML boolean.
    Switch(bool),
    /// A TOML table without keys.
    EmptyTable,
    /// Anything else that TOML has; no setting is one.
    Other(&'static str),
}

impl Given {
    /// The text, if this can be one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if this can be one.
    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Self::Bare(text) | Self::Whole(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number, if this can be one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Bare(text) | Self::Whole(text) => text.parse().ok(),
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) | Self::Text(text) => write!(f, "{text:?}"),
            Self::Whole(text) => write!(f, "the number {text}"),
            Self::Number(value) => write!(f, "the number {value}"),
            Self::Switch(value) => write!(f, "{value}"),
            Self::EmptyTable => f.write_str("an empty table"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}
