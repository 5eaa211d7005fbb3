//! Why something was not kept or not found on disk.

use rusqlite::ErrorCode;

use crate::telemetry::StoreFault;

/// Why something could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no store.
    #[error("nothing is kept on disk: store.path is empty")]
    Off,
    /// A bar is not in the span that was said to be known.
    #[error("a bar lies outside of the span that is said to be known")]
    Outside,
    /// There is no room.
    #[error("the disk is full")]
    Full,
    /// Another process held the file for too long.
    #[error("another process holds the store's file")]
    Busy,
    /// The file is damaged.
    #[error("the store's file is damaged: {0}")]
    Corrupt(String),
    /// The file is not this program's, or of a later version of it.
    #[error("the store's file is not ours: {0}")]
    Foreign(String),
    /// Anything else that the file or its directory refuses.
    #[error("the store cannot be used: {0}")]
    Failing(String),
    /// More is waiting to be written than there is room for.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The store was closed, since the process ends.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Under which name it is counted.
    pub fn fault(&self) -> StoreFault {
        match self {
            Self::Full => StoreFault::Full,
            Self::Busy => StoreFault::Busy,
            Self::Corrupt(_) => StoreFault::Corrupt,
            Self::Foreign(_) => StoreFault::Foreign,
            Self::Overloaded => StoreFault::Overloaded,
            Self::Failing(_) => StoreFault::Failing,
            Self::Off | Self::Outside | Self::Closed => StoreFault::Refused,
        }
    }
}

/// By SQLite's result codes (sqlite.org/rescode.html, 2026-11).
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Failing(error.to_string()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::Full,
            _ => Self::Failing(error.to_string()),
        }
    }
}
