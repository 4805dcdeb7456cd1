//! The archive: put, get, list, describe.
