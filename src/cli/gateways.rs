//! Which gateway a command asks.

use std::future::Future;

use super::{client::Client, problem::Told, status::Status};

/// Where a command finds a gateway.
pub trait Gateways {
    /// The gateway to ask next, and its present state. Asked before each page: another one may
    /// have come up, or the last one may be gone.
    fn find(&mut self) -> impl Future<Output = Result<Found, FindError>>;
}

/// A gateway that answers.
#[derive(Clone, Debug)]
pub struct Found {
    /// Asks it.
    pub client: Client,
    /// What it just said of itself.
    pub status: Status,
    /// It runs in this process, for this command only.
    pub is_own: bool,
}

impl Found {
    /// Who is asked from now on, for people.
    pub(super) fn told(&self) -> String {
        if self.is_own {
            "no gateway is running: this command asks the exchange itself".to_owned()
        } else {
            format!("the gateway at {} is asked", self.client.endpoint())
        }
    }

    /// Why it is of no use to those who want something kept.
    pub(super) fn keeps_nothing(&self) -> String {
        format!(
            "the gateway at {} has no store: set store.path and start it again",
            self.client.endpoint()
        )
    }
}

/// Why there is no gateway to ask.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It may be otherwise in a moment.
    #[error("{0}")]
    Passing(String),
    /// It will not be otherwise.
    #[error("{0}")]
    Lasting(String),
    /// Nothing would keep what is fetched.
    #[error("{0}")]
    NoStore(String),
}

/// Why a command could not do what it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// The gateway refused.
    #[error("{0}")]
    Refused(Told),
    /// There is no gateway to ask.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A gateway answered something that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// It failed too often in a row.
    #[error("given up after {tries} failures in a row: {last}")]
    GivenUp {
        /// How often it was tried.
        tries: u32,
        /// The last failure.
        last: String,
    },
}

impl Failure {
    /// The process's exit code: 2 where the command or the settings must be changed, else 1.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Find(FindError::NoStore(_)) => 2,
            Self::Refused(_) | Self::Find(_) | Self::Unusable(_) | Self::GivenUp { .. } => 1,
        }
    }
}
