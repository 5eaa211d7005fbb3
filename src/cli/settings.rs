//! The flags that are settings.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::config::{ConfigErrors, Loaded, Sources, load};

/// Flags of every command that loads settings.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting, such as cache.ticker.ttl=5s; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Root of Bitfinex's REST interface
    #[arg(long, value_name = "URL")]
    pub rest_url: Option<String>,
    /// Which log lines are written, such as info or warn,tidegate=debug
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Why settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The settings are wrong.
    #[error(transparent)]
    Invalid(#[from] ConfigErrors),
}

impl Settings {
    /// Loads the settings in force. `env` is the environment, see [`environment`].
    ///
    /// # Errors
    /// The file cannot be read, or any setting is wrong.
    pub fn load(&self, env: Vec<(String, String)>) -> Result<Loaded, LoadError> {
        let file = self.config.as_deref().map(read).transpose()?;
        let mut flags = self.set.clone();
        for (path, value) in [
            ("server.listen", &self.listen),
            ("exchanges.bitfinex.rest_url", &self.rest_url),
            ("log.filter", &self.log),
        ] {
            flags.extend(value.clone().map(|value| (path.to_owned(), value)));
        }
        Ok(load(&Sources { file, env, flags })?)
    }
}

/// The process's environment. Text that is not UTF-8 is kept with replacement characters, so that
/// a setting with it is reported and not overlooked.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .collect()
}

fn read(path: &Path) -> Result<(PathBuf, String), LoadError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) => Err(LoadError::Unreadable { path: path.to_owned(), error }),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as cache.ticker.ttl=5s".to_owned()),
    }
}
