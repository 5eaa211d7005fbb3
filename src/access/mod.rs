//! Who may ask: the clients of the keys file, found by their keys, and what each may do how often.
//!
//! ```text
//! key      a key and its hash            right   what somebody may do
//! file     TOML to entries, or mistakes  field   what its values may be
//! roster   clients, found by key         quota   how often one may ask
//! ```
//!
//! A keys file is read whole or not at all: one with a mistake changes nothing. Requests see either
//! the clients before a change or those after it.

mod field;
mod file;
mod key;
mod quota;
mod right;
mod roster;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::{ArcSwap, Guard};

pub use key::{BadHash, Key, KeyHash};
pub use quota::{Allowance, Exceeded, Quota};
pub use right::{Right, Rights};
pub use roster::{Client, Grant, Roster};

use crate::{
    config::{self, Mistake, Origin},
    telemetry::Metrics,
};

/// The name of those who show no key.
pub const ANONYMOUS: &str = "anonymous";

/// Who may ask, at this moment.
#[derive(Debug)]
pub struct Access {
    metrics: Arc<Metrics>,
    keys_file: Option<PathBuf>,
    is_open: bool,
    /// Those who ask where no keys are configured.
    anyone: Grant,
    roster: ArcSwap<Roster>,
    /// One reading at a time, so that what was read last is what is in force.
    reading: Mutex<()>,
}

/// What a reading of the keys file brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Clients with keys.
    pub clients: usize,
    /// Their keys.
    pub keys: usize,
    /// Names of clients that were not there before.
    pub added: Vec<String>,
    /// Names of clients that are there no longer.
    pub removed: Vec<String>,
}

/// Why a keys file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistakes {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// Everything that is wrong in it, in its order; never empty.
    Invalid(Vec<Mistake>),
}

impl Access {
    /// Reads the keys file, where there is one.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(settings: &config::Access, metrics: &Arc<Metrics>) -> Result<Self, Mistakes> {
        let roster = Roster::without_keys(metrics);
        let access = Self {
            metrics: metrics.clone(),
            keys_file: settings.keys_file.clone(),
            is_open: settings.open,
            anyone: roster.anonymous().clone(),
            roster: ArcSwap::from_pointee(roster),
            reading: Mutex::default(),
        };
        access.read()?;
        Ok(access)
    }

    /// Reads the keys file again: new clients may ask from now on, and removed keys work no longer;
    /// the streams that were opened with them end. Blocks for as long as reading a small file
    /// takes. Does nothing where there is no keys file.
    ///
    /// # Errors
    /// It cannot be used: everything stays as it is, and the mistakes are logged.
    pub fn reload(&self) -> Result<Summary, Mistakes> {
        let read = self.read();
        match &read {
            Ok(Summary { clients, keys, added, removed }) => {
                tracing::info!(clients, keys, ?added, ?removed, "the keys file was read");
            }
            Err(mistakes) => tracing::error!(%mistakes, "the keys file was left as it was"),
        }
        read
    }

    fn read(&self) -> Result<Summary, Mistakes> {
        let Some(path) = &self.keys_file else { return Ok(Summary::default()) };
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = file::load(path)?;
        let before = self.roster.load_full();
        let next = before.succeeded_by(entries, &self.metrics).map_err(|name| {
            let what = format!(
                "there is no room for {name:?} in the metrics, which keep the names of removed \
                 clients until the next start"
            );
            let origin = Origin::File { path: path.clone(), line: 1 };
            Mistakes::Invalid(vec![Mistake { path: None, origin, what }])
        })?;
        let next = Arc::new(next);
        self.roster.store(next.clone());
        before.give_way_to(&next);
        let names_beyond = |these: &Roster, those: &Roster| -> Vec<String> {
            let is_new = |client: &&Arc<Client>| {
                those.clients().iter().all(|other| other.name() != client.name())
            };
            these.clients().iter().filter(is_new).map(|client| client.name().to_owned()).collect()
        };
        Ok(Summary {
            clients: next.clients().len(),
            keys: next.keys(),
            added: names_beyond(&next, &before),
            removed: names_beyond(&before, &next),
        })
    }

    /// True if there is a keys file. Without one everybody may ask, and nobody may change anything.
    pub fn has_keys(&self) -> bool {
        self.keys_file.is_some()
    }

    /// True if those without a key may ask from everywhere.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Who asks where there is no keys file.
    pub fn anyone(&self) -> &Grant {
        &self.anyone
    }

    /// The clients at this moment; not to be held for longer than a request is looked at.
    pub fn roster(&self) -> Guard<Arc<Roster>> {
        self.roster.load()
    }

    /// Every client that may ask, those without a key first.
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let roster = self.roster.load();
        let anonymous = std::iter::once(roster.anonymous().client());
        anonymous.chain(roster.clients()).cloned().collect()
    }

    /// True if somebody has a key with the right [`Right::Admin`].
    pub fn has_admin(&self) -> bool {
        self.roster.load().clients().iter().any(|client| client.rights().has(Right::Admin))
    }
}

/// Checks a keys file without using it.
///
/// # Errors
/// It cannot be used.
pub fn check(path: &Path) -> Result<(), Mistakes> {
    file::load(path).map(|_entries| ())
}

/// Checks the name of a client that is to have a key.
///
/// # Errors
/// What it should be.
pub fn check_name(name: &str) -> Result<(), String> {
    if name == ANONYMOUS {
        return Err("are those without a key".to_owned());
    }
    field::name_text(Some(name)).map(|_name| ()).map_err(|field::Fault(what)| what)
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mistakes = match self {
            Self::Unreadable { path, error } => {
                return write!(f, "cannot read the keys file {}: {error}", path.display());
            }
            Self::Invalid(mistakes) => mistakes,
        };
        match mistakes.len() {
            1 => f.write_str("1 mistake in the keys file:")?,
            count => write!(f, "{count} mistakes in the keys file:")?,
        }
        mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
