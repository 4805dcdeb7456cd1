//! What SQLite's errors mean to a caller.

use std::fmt;

use rusqlite::ffi::{self, ErrorCode};
use types::{Error, ErrorKind, Result};

use crate::refusal::SUBJECT;

/// What a caller can do about an error of SQLite.
pub(super) fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Timeout,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => ErrorKind::Unavailable,
        Some(
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorKind::Denied,
        // A column of another type than ours was written by somebody else.
        None if is_conversion(error) => ErrorKind::Corrupt,
        Some(_) | None => ErrorKind::Internal,
    }
}

/// Of a failed COMMIT, whether the change may stand all the same: after a failed write or fsync the frames may be
/// on the disk, and a crash may bring them back. Without space, nothing of the commit was written.
pub(super) fn commit_kind(error: &rusqlite::Error) -> ErrorKind {
    match kind_of(error) {
        ErrorKind::Unavailable if !is(error, ffi::SQLITE_FULL) => ErrorKind::Timeout,
        kind => kind,
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    is(error, ffi::SQLITE_BUSY)
}

fn is(error: &rusqlite::Error, code: i32) -> bool {
    // The low byte is the primary code.
    error.sqlite_error().is_some_and(|found| found.extended_code & 0xff == code)
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// Tells what was being done when SQLite failed.
pub(super) trait During<T> {
    /// The error as a caller gets it.
    fn during(self, action: impl fmt::Display) -> Result<T>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, action: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            Error::new(kind_of(&error), SUBJECT, format_args!("{action}: {error}")).with_source(error)
        })
    }
}
