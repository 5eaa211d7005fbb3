//! The layers above the defaults, and what they assign.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{Mistake, given::Given};

/// What variables that are settings start with.
const PREFIX: &str = "TIDEGATE__";

/// Where settings come from, lowest first. The built-in defaults lie below all.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name and text of the settings file.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables; those that do not start with `TIDEGATE__` are ignored.
    pub env: Vec<(String, String)>,
    /// Flags as path and value; the last one wins.
    pub flags: Vec<(String, String)>,
}

/// The layer that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The settings file.
    File {
        /// Its name, as given.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag on the command line.
    Flag,
}

impl Origin {
    /// The layer without its detail: `default`, `file`, `env`, `flag`.
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Env(_) => "env",
            Self::Flag => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default | Self::Flag => f.write_str(self.layer()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
        }
    }
}

/// A layer says that a setting has a value.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) path: String,
    pub(super) given: Given,
    pub(super) origin: Origin,
}

impl Sources {
    /// Everything the layers assign, lowest layer first.
    pub(super) fn assignments(&self) -> (Vec<Assignment>, Vec<Mistake>) {
        let (mut assignments, mut mistakes) = match &self.file {
            Some((path, text)) => super::file::read(Path::new(path), text),
            None => Default::default(),
        };
        self.read_env(&mut assignments, &mut mistakes);
        assignments.extend(self.flags.iter().map(|(path, value)| Assignment {
            path: path.clone(),
            given: Given::Bare(value.clone()),
            origin: Origin::Flag,
        }));
        (assignments, mistakes)
    }

    fn read_env(&self, assignments: &mut Vec<Assignment>, mistakes: &mut Vec<Mistake>) {
        let mut names = BTreeMap::new();
        let mut env: Vec<_> = self.env.iter().collect();
        env.sort();
        for (name, value) in env {
            let upper = name.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix(PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Env(name.clone());
            match names.insert(path.clone(), name) {
                // The system keeps both and promises no order, so neither can win.
                Some(other) => mistakes.push(Mistake {
                    path: Some(path),
                    origin,
                    what: format!("also set by {other}, which differs only in case"),
                }),
                None => {
                    assignments.push(Assignment { path, given: Given::Bare(value.clone()), origin })
                }
            }
        }
    }
}
