//! The store's file: opened, proved to be ours and whole, or set aside.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::time::Instant;

use super::StoreError;
use crate::market::UnixMs;

/// Says in the file's header whose it is (sqlite.org/pragma.html#pragma_application_id, 2026-11).
const APPLICATION: i32 = i32::from_be_bytes(*b"Tide");

/// Of [`SCHEMA`]. A file of a later version is not ours to read.
const VERSION: i32 = 2;

/// What makes of each earlier version, the first in front, the next one. Columns come last, where
/// [`SCHEMA`] has them too.
const MIGRATIONS: [&str; VERSION as usize - 1] = ["
    ALTER TABLE markets ADD COLUMN listed_as TEXT;
    ALTER TABLE markets ADD COLUMN amount_step TEXT;
    ALTER TABLE markets ADD COLUMN price_step TEXT;
    ALTER TABLE calls ADD COLUMN units INTEGER NOT NULL DEFAULT 1;
"];

const SCHEMA: &str = include_str!("schema.sql");

const TABLES: [&str; 8] =
    ["series", "bars", "coverage", "market_lists", "markets", "documents", "bans", "calls"];

/// The file's name in a directory.
const NAME: &str = "tidegate.sqlite";

/// What SQLite keeps beside the file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// How long another process may hold the file before a write is tried anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a file is searched for damage when it is opened: some hundred MiB. What lies beyond is
/// noticed when it is read.
const CHECK: Duration = Duration::from_millis(500);

/// Instructions of SQLite's machine between two looks at the time.
const CHECK_STEP: i32 = 10_000;

/// Size that the write-ahead log is cut down to when it was longer.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// A file that is open for writing.
#[derive(Debug)]
pub(super) struct File {
    /// The writing connection.
    pub(super) connection: Connection,
    path: PathBuf,
    identity: (u64, u64),
}

/// The file that a setting means: itself, or [`NAME`] in a directory.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let is_directory = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if is_directory { path.join(NAME) } else { path.to_owned() }
}

impl File {
    /// Opens the file, or makes it, with its directory.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and [`StoreError::Foreign`] are about the file that is there; with
    /// any other there is none that could be used.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        if header(&connection)? == Header::Empty {
            create(&mut connection)?;
        }
        if matches!(header(&connection)?, Header::Earlier(_)) {
            has_all(&connection)?;
            migrate(&mut connection)?;
        }
        match header(&connection)? {
            Header::Ours => {}
            Header::Earlier(_) | Header::Empty => {
                return Err(StoreError::Failing("the file stays what it was".to_owned()));
            }
            Header::Foreign(what) => return Err(StoreError::Foreign(what)),
        }
        prove(&mut connection)?;
        // The log makes a commit whole when the process is killed; only a power cut may take the
        // latest commits with it, and never leaves half of one (sqlite.org/wal.html, 2026-11).
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), identity: identity(path)? })
    }

    /// True if its path leads to another file by now, or to none.
    pub(super) fn is_gone(&self) -> bool {
        identity(&self.path).ok() != Some(self.identity)
    }

    /// Bytes that the file and its log take.
    pub(super) fn bytes(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&beside(&self.path, COMPANIONS[0]))
    }
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Gives a file and its companions another name, so that its own is free. Returns the new one.
///
/// Whoever has the file open keeps it under its new name, and notices by [`File::is_gone`].
pub(super) fn set_aside(path: &Path, now: UnixMs) -> io::Result<PathBuf> {
    let time: String = now.iso().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let seconds = time.split('.').next().unwrap_or(&time);
    let name = |count: u32| match count {
        0 => beside(path, &format!(".set-aside-{seconds}Z")),
        _ => beside(path, &format!(".set-aside-{seconds}Z-{count}")),
    };
    let target = (0..).map(name).find(|target| !target.exists()).unwrap_or_else(|| name(u32::MAX));
    fs::rename(path, &target)?;
    for companion in COMPANIONS {
        match fs::rename(beside(path, companion), beside(&target, companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(target)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

#[derive(PartialEq, Eq)]
enum Header {
    Empty,
    Ours,
    /// Ours, by so many migrations behind the first version.
    Earlier(usize),
    Foreign(String),
}

fn header(connection: &Connection) -> Result<Header, StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let entries: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, version) {
        (0, 0) if entries == 0 => Header::Empty,
        (APPLICATION, VERSION) => Header::Ours,
        (APPLICATION, 1..VERSION) => Header::Earlier(usize::try_from(version - 1).unwrap_or(0)),
        (APPLICATION, _) => Header::Foreign(format!("its format is {version}, not {VERSION}")),
        _ => Header::Foreign("it is another application's SQLite database".to_owned()),
    })
}

fn create(connection: &mut Connection) -> Result<(), StoreError> {
    // Has to be settled before the file's first page is written.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if header(&transaction)? == Header::Empty {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}

/// Brings a file of an earlier version up to this one, all of it or nothing.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if let Header::Earlier(done) = header(&transaction)? {
        for migration in &MIGRATIONS[done..] {
            transaction.execute_batch(migration).map_err(unlike)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}

/// A file to which a migration's words make no sense is not what it says it is.
fn unlike(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::Unknown) => StoreError::Corrupt(error.to_string()),
        _ => error.into(),
    }
}

/// Refuses a file that lacks a table.
fn has_all(connection: &Connection) -> Result<(), StoreError> {
    for table in TABLES {
        let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        if !connection.prepare(exists)?.exists([table])? {
            return Err(StoreError::Corrupt(format!("the table {table} is missing")));
        }
    }
    Ok(())
}

/// Looks for damage.
fn prove(connection: &mut Connection) -> Result<(), StoreError> {
    has_all(connection)?;
    let end = Instant::now() + CHECK;
    connection.progress_handler(CHECK_STEP, Some(move || Instant::now() >= end))?;
    let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(StoreError::Corrupt(verdict)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
